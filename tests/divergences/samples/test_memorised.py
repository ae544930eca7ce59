"""Copies of training points: brute force, the chance level cᵈ, and the exact interval."""

import numpy as np
import pytest
from scipy import stats

from rfdiff.divergences.samples.memorised import memorised, nearest_distances, share_memorised
from rfdiff.numerics.binomial import binomial_share
from rfdiff.support.errors import ArgumentError


def brute_force(x, y):
    return np.sort(np.linalg.norm(x[:, None] - y[None], axis=-1), axis=1)


@pytest.mark.parametrize("d", [1, 2, 7])
def test_distances_and_shares_against_brute_force(d):
    rng = np.random.default_rng(d)
    training = rng.standard_normal((40, d))
    x = np.concatenate([rng.standard_normal((60, d)), training[:20] + 1e-3])
    distances = brute_force(x, training)
    np.testing.assert_allclose(nearest_distances(x, training, 3), distances[:, :3], rtol=1e-12)
    expected = distances[:, 0] < 0.5 * distances[:, 1]
    # Copies of training points change nothing.
    repeated = np.concatenate([training, training[:5]])
    assert (memorised(x, repeated, ratio=0.5) == expected).all()
    found = share_memorised(x, training, ratio=0.5)
    assert float(found) == expected.mean() and 0.25 <= float(found) < 1.0


@pytest.mark.parametrize("d", [1, 2, 3])
def test_chance_level_of_evenly_spread_points(d):
    """cᵈ, over 60 training sets; 5 standard errors over them are one false alarm in 10⁶."""
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(60):
        training = rng.uniform(-1.0, 1.0, (400, d))
        inner = rng.uniform(-0.6, 0.6, (400, d))
        shares.append(float(share_memorised(inner, training)))
    error = np.std(shares) / np.sqrt(len(shares))
    assert abs(np.mean(shares) - 3.0**-d) < 5.0 * error < 0.05


def test_interval_is_the_exact_binomial_one():
    found = binomial_share(np.array([0, 3, 20]), 20, confidence=0.9)
    for i, k in enumerate((0, 3, 20)):
        exact = stats.binomtest(k, 20).proportion_ci(0.9)
        np.testing.assert_allclose([found.low[i], found.high[i]], exact, rtol=1e-10)
    assert found.high[0] > 0.0 and found.low[2] < 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: share_memorised([1.0], [2.0]), "at least 2 distinct"),
        (lambda: share_memorised([1.0], [2.0, 2.0]), "at least 2 distinct"),
        (lambda: share_memorised([1.0], np.ones((3, 2))), r"shapes \(1, 1\) and \(3, 2\)"),
        (lambda: share_memorised([np.nan], [2.0, 3.0]), "samples must be finite"),
        (lambda: share_memorised([1.0], [2.0, 3.0], ratio=2.0), "ratio must be between"),
        (lambda: share_memorised([1.0], [2.0, 3.0], confidence=95), "confidence must be between"),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
