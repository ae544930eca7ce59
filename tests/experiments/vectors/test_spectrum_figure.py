"""The figure of the spectrum of G: counts, edges and text against the eigenvalues themselves."""

import numpy as np
import pytest

from rfdiff.experiments.vectors import spectrum

SETTINGS = spectrum.Settings(d=40, sizes=((80, 160), (160, 160)), seeds=2)


@pytest.fixture(scope="module")
def experiment():
    return spectrum.compute(SETTINGS, lambda _text: None)


def test_parts_hold_the_eigenvalues(experiment):
    """The population's bulk has exactly d modes; counts and edges are those of a plain count."""
    for (n, m), found in zip(SETTINGS.sizes, experiment.spectra, strict=True):
        assert [part[3] for part in found.expected] == ([40, 80, 40] if n == 80 else [120, 40])
        assert (found.counts.sum(1) == m).all() and (found.counts[:, -1] == 40).all()
        above = found.eigenvalues > found.walls[-1]
        assert (above.sum(1) == 40).all()
        lowest = np.where(above, found.eigenvalues, np.inf).min(1)
        assert np.array_equal(found.edges[:, -1, 0], lowest)
        assert np.array_equal(found.edges[:, -1, 1], found.eigenvalues.max(1))
        top = found.predicted.bulks[-1]
        assert 0.9 < lowest.mean() / top.low < 1.3
        assert (found.strays < 0.5 * m).all()


def test_densities_integrate_to_shares(experiment):
    for found in experiment.spectra:
        for (x, density), bulk in zip(found.density(), found.predicted.bulks, strict=True):
            assert np.trapezoid(density, np.log(x)) == pytest.approx(bulk.share, rel=0.05)


def test_says_and_draws_what_it_found(experiment):
    table = experiment.table()
    assert len({len(column) for column in table.values()}) == 1
    assert sum("eigenvalues, seed" in name for name in table["series"]) == 2 * 2 * 160
    text = experiment.summary()
    assert "bulk 2" in text and "40 … 40" in text and "atom" in text
    figure = experiment.draw()
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)
    # What is drawn is a density: its bars hold all modes.
    bars = figure.axes[0].patches[0].get_data()
    assert (bars.values * np.diff(np.log(bars.edges))).sum() == pytest.approx(1.0)
    figure.canvas.draw()
