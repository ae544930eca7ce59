"""The figure of the three densities: its numbers, its claims, its drawing."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import rfdiff
from rfdiff.cli import main
from rfdiff.experiments import densities
from rfdiff.plotting.densities import DEFINITION_COLOURS, plot_divergences
from rfdiff.support.errors import ArgumentError

SETTINGS = densities.Settings(
    n=40, m=16, n_tau=3, late=1e4, times=3, paths=5, n_steps=20, pixels=40
)


@pytest.fixture(scope="module")
def experiment():
    return densities.compute(SETTINGS, lambda _text: None)


def test_numbers_are_the_runs_own(experiment):
    run = rfdiff.train_exact(experiment.tau, n=40, m=16)
    for method, kl in experiment.kl.items():
        assert np.array_equal(kl.value, run.kl(method=method, against="pt").value)
    assert list(experiment.kl) == list(DEFINITION_COLOURS)
    assert np.array_equal(experiment.bound.value, run.bound().total.value)
    assert experiment.violations == 0
    at = {method: run.density(experiment.x, 1e4, method=method) for method in DEFINITION_COLOURS}
    for method, density in experiment.late.items():
        assert np.allclose(density, at[method], rtol=1e-9)


def test_evolutions_hold_the_mass_and_end_at_the_density(experiment):
    run = rfdiff.train_exact(experiment.tau, n=40, m=16)
    schemes = {"reverse-sde": "heun", "probability-flow": "probability-flow"}
    for method, evolution in experiment.evolutions.items():
        assert evolution.paths.shape == (21, 5) and evolution.density.shape == (3, 40)
        mass = evolution.density.sum(axis=1) * (evolution.x[1] - evolution.x[0])
        assert mass[-1] > 0.98 and (mass <= 1.0 + 1e-6).all()
        if method == "reverse-sde":
            there = run.density(evolution.x, 1e4, method=method)
            assert np.abs(evolution.density[-1] - there).max() < 0.02 * there.max()
        ends = run.sample(5, 1e4, scheme=schemes[method], n_steps=20)
        assert np.array_equal(evolution.paths[-1], ends)


def test_table_and_summary(experiment):
    table = experiment.table()
    assert {len(column) for column in table.values()} == {len(table["x"])}
    panels = set(table["panel"])
    assert {"kl", "late density", "reverse-sde paths", "probability-flow paths"} <= panels
    kl = [y for panel, name, y in zip(table["panel"], table["series"], table["y"], strict=True)
          if (panel, name) == ("kl", "reverse-sde")]  # fmt: skip
    assert kl == experiment.kl["reverse-sde"].value.tolist()
    text = experiment.summary()
    assert "exceeded at 0 of 3 τ" in text and all(name in text for name in DEFINITION_COLOURS)
    assert experiment.verdicts() == []


def test_drawing(experiment):
    figure = experiment.draw()
    curves, late, *evolutions = figure.axes
    labels = [text.get_text() for text in curves.get_legend().get_texts()]
    assert labels == [*DEFINITION_COLOURS, "bound on reverse-sde"]
    assert [line.get_color() for line in curves.lines[:3]] == list(DEFINITION_COLOURS.values())
    assert [line.get_color() for line in late.lines] == list(DEFINITION_COLOURS.values())
    assert all(len(ax.lines) == 5 for ax in evolutions)


def test_the_title_claims_only_what_the_curves_bear_out(experiment):
    flat = densities.Estimate(np.ones(3))
    rising = densities.Estimate([0.5, 0.4, 0.9])

    def title(parts):
        return densities.DensitiesExperiment(**parts).draw().axes[0].get_title()

    kl = {"score-integral": rising, "probability-flow": rising, "reverse-sde": flat}
    with_kl = {**experiment.__dict__, "kl": kl}
    with_kl.pop("violations", None)
    assert "stays low" in title(with_kl)
    with_kl["kl"] = {**kl, "reverse-sde": rising}
    assert "stays low" not in title(with_kl)


def test_bands_bound_and_what_a_log_axis_cannot_show():
    tau = [0.0, 1.0, 10.0, np.inf]
    ax = plot_divergences(
        Figure().subplots(),
        tau,
        {"reverse-sde": ([1.0, 0.5, np.inf, 0.2], np.full(4, 0.6))},
        bound=[2.0, 1.0, 0.5, 0.5],
    )
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert ax.lines[0].get_xdata().tolist() == [1.0]
    assert ax.lines[1].get_xdata().tolist() == [1.0, 10.0]
    vertices = ax.collections[0].get_paths()[0].vertices
    assert vertices[:, 1].min() == pytest.approx(0.5e-3) and vertices[:, 1].max() == 1.1


def test_one_run_has_no_seeds(capsys):
    with pytest.raises(ArgumentError, match="seeds must not be given"):
        densities.with_seeds(SETTINGS, 3)
    assert main(["figure", "densities", "--seeds", "3"]) == 2
    assert capsys.readouterr().err.startswith("rfdiff figure: seeds must not be given")
