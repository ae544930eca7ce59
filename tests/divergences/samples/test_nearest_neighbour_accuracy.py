"""The leave-one-out two-sample accuracy: brute force, its error, and ties."""

import numpy as np
import pytest

from rfdiff.divergences.samples.nearest_neighbour_accuracy import nearest_neighbour_accuracy
from rfdiff.support.errors import ArgumentError


@pytest.mark.parametrize("d", [1, 4])
def test_against_brute_force(d):
    rng = np.random.default_rng(d)
    x, y = rng.standard_normal((30, d)), rng.standard_normal((50, d)) + 0.7
    pooled, label = np.concatenate([x, y]), np.repeat([0, 1], [30, 50])
    distances = np.linalg.norm(pooled[:, None] - pooled[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    right = label[distances.argmin(1)] == label
    expected = 0.5 * (right[:30].mean() + right[30:].mean())
    assert float(nearest_neighbour_accuracy(x, y).value) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_the_error_is_the_spread_over_samples(shift):
    """Of 300 pairs: the ratio spreads by 4 %. Points as if independent would have 0.78 at 0."""
    rng = np.random.default_rng(3)
    found = [
        nearest_neighbour_accuracy(
            rng.standard_normal((60, 2)), rng.standard_normal((90, 2)) + shift
        )
        for _ in range(300)
    ]
    spread = np.std([float(e.value) for e in found])
    error = np.sqrt(np.mean([float(e.error) ** 2 for e in found]))
    assert 0.9 < error / spread < 1.2
    if shift == 0.0:
        assert np.mean([float(e.value) for e in found]) == pytest.approx(0.5, abs=5 * spread / 17)


def test_apart_copied_and_tied():
    x = np.arange(40.0)
    apart = nearest_neighbour_accuracy(x, x + 1000.0)
    assert float(apart.value) == 1.0 and 0.0 < float(apart.error) < 0.1
    # Each point beside its copy in the other sample.
    assert float(nearest_neighbour_accuracy(x, x + 1e-6).value) == 0.0
    # Many copies of few values, the same in both samples: chance decides, not the order.
    rng = np.random.default_rng(0)
    tied = [
        float(nearest_neighbour_accuracy(*rng.integers(0, 3, (2, 50)).astype(float)).value)
        for _ in range(100)
    ]
    assert np.mean(tied) == pytest.approx(0.5, abs=0.05)


def test_mistakes():
    with pytest.raises(ArgumentError, match="at least two points, got 1 and 2"):
        nearest_neighbour_accuracy([1.0], [2.0, 3.0])
