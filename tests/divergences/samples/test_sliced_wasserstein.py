"""Sliced Wasserstein distances: the exact one on the line, quadrature of directions, coverage."""

import numpy as np
import pytest
from scipy import stats

from rfdiff.divergences.samples.on_the_line import sample_divergence
from rfdiff.divergences.samples.sliced_wasserstein import sliced_wasserstein
from rfdiff.support.errors import ArgumentError

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((2, 90, 2))
Y = Y[:70] + np.array([1.0, 0.5])


@pytest.mark.parametrize("order", [1, 2])
def test_on_the_line_it_is_the_exact_distance(order):
    x, y = X[:, 0], Y[:, 1]
    sliced = sliced_wasserstein(x, y, order, n_boot=50, seed=3)
    exact = sample_divergence(f"wasserstein-{order}", x, y, n_boot=50, seed=3)
    assert float(sliced) == pytest.approx(float(exact), rel=1e-12)
    assert float(sliced.high) == pytest.approx(float(exact.high), rel=1e-12)


def test_in_the_plane_against_a_rule_over_the_angle():
    angles = np.pi * np.arange(400) / 400
    along = [
        stats.wasserstein_distance(X @ u, Y @ u)
        for u in np.stack([np.cos(angles), np.sin(angles)], axis=1)
    ]
    found = sliced_wasserstein(X, Y, n_directions=2000, n_boot=10)
    # Five standard errors of 2000 directions.
    error = np.std(along) / np.sqrt(2000)
    assert float(found) == pytest.approx(np.mean(along), abs=5.0 * error)
    assert 5.0 * error < 0.05 * np.mean(along)


@pytest.mark.parametrize("order", [1, 2])
def test_intervals_cover_what_both_samples_and_directions_do(order):
    """N(0, 1) against a shift a in d = 2: W_p(u) = |a·u|; 90 % intervals of 60, 45 at the least.

    Fewer than 45 has odds of 1e-3 for a true coverage of 87 %; the control is a shift twice as far.
    """
    rng = np.random.default_rng(1)
    shift, truth = np.array([3.0, 0.0]), {1: 6.0 / np.pi, 2: 3.0 / np.sqrt(2.0)}[order]
    covered = 0
    for seed in range(60):
        x, y = rng.standard_normal((2, 100, 2))
        found = sliced_wasserstein(
            x, y + shift, order, n_directions=32, n_boot=100, confidence=0.9, seed=seed
        )
        covered += bool(found.low <= truth <= found.high)
        assert not found.low <= 2.0 * truth <= found.high
    assert covered >= 45


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"order": 3}, "order must be 1 or 2"),
        ({"n_directions": 1}, "n_directions must be at least 2"),
        ({"n_boot": 1}, "n_boot must be at least 10"),
    ],
)
def test_mistakes(choices, message):
    with pytest.raises(ArgumentError, match=message):
        sliced_wasserstein(X, Y, **choices)
