"""Divergences of samples: SciPy, quadrature, brute-force resampling, and coverage."""

import numpy as np
import pytest
from scipy import stats

import rfdiff
from rfdiff.diffusion.mixtures import GaussianMixture, bimodal
from rfdiff.diffusion.targets import raised_cosine
from rfdiff.divergences.samples.on_the_line import KINDS, sample_divergence
from rfdiff.numerics import bootstrap
from rfdiff.support.errors import ArgumentError
from rfdiff.support.random import stream

RNG = np.random.default_rng(0)
X = RNG.normal(0.5, 1.0, 137)
Y = np.append(RNG.normal(0.0, 1.5, 80), X[:11])  # with ties
LAW = bimodal(1.5, (0.3, 0.7), 0.8)
LITTLE = {"n_boot": 10}


def value(kind, samples, other, **choices):
    return sample_divergence(kind, samples, other, **LITTLE, **choices).value


def test_two_samples_against_scipy():
    assert value("wasserstein-1", X, Y) == pytest.approx(stats.wasserstein_distance(X, Y))
    assert value("kolmogorov-smirnov", X, Y) == pytest.approx(stats.ks_2samp(X, Y).statistic)
    assert value("wasserstein-2", X, X[::-1] + 3.0) == pytest.approx(3.0)
    # Unequal sizes: repeat both to a common size.
    a, b = np.sort(X[:12]), np.sort(Y[:9])
    gap = np.repeat(a, 3) - np.repeat(b, 4)
    assert value("wasserstein-2", X[:12], Y[:9]) == pytest.approx(np.sqrt(np.mean(gap**2)))
    for kind in ("wasserstein-1", "wasserstein-2", "kolmogorov-smirnov"):
        assert value(kind, X, Y) == pytest.approx(value(kind, Y, X), rel=1e-12)
        assert value(kind, X, X) == 0.0


@pytest.mark.parametrize("law", [LAW, raised_cosine(0.0, 3.0)])
def test_distances_from_a_law_against_quadrature(law):
    """∫|F_n − F| on a fine grid, and ∫(F_n⁻¹ − F⁻¹)² on a fine grid of u."""
    samples = X[(X > -3.0) & (X < 3.0)]
    n = len(samples)
    x = np.linspace(-12.0, 12.0, 2_000_001)
    density = law.density(x)
    cdf = np.append(0.0, np.cumsum(0.5 * (density[1:] + density[:-1]))) * (x[1] - x[0])
    steps = np.searchsorted(np.sort(samples), x, side="right") / n
    first = np.trapezoid(np.abs(steps - cdf), x)
    assert value("wasserstein-1", samples, law) == pytest.approx(first, abs=2e-6)
    u = (np.arange(400 * n) + 0.5) / (400 * n)
    inverse = np.interp(u, cdf, x)
    second = np.sqrt(np.mean((np.repeat(np.sort(samples), 400) - inverse) ** 2))
    assert value("wasserstein-2", samples, law) == pytest.approx(second, abs=2e-5)
    smirnov = stats.kstest(samples, lambda at: np.interp(at, x, cdf)).statistic
    assert value("kolmogorov-smirnov", samples, law) == pytest.approx(smirnov, abs=1e-9)


@pytest.mark.parametrize("other", [LAW, Y], ids=["law", "samples"])
@pytest.mark.parametrize("kind", ["wasserstein-1", "wasserstein-2", "kolmogorov-smirnov"])
def test_interval_against_resamples_sorted_one_by_one(kind, other):
    n_boot, draws = 40, []
    rngs = [stream(3, "bootstrap", k) for k in range(2)]
    pairs = [rng.integers(0, n, (n_boot, n)) for rng, n in zip(rngs, (len(X), len(Y)), strict=True)]
    for i in range(n_boot):
        against = other if other is LAW else Y[pairs[1][i]]
        draws.append(value(kind, X[pairs[0][i]], against))
    estimate = sample_divergence(kind, X, other, n_boot=n_boot, seed=3, confidence=0.9)
    below, above = np.percentile(draws, [5, 95])
    assert float(estimate.high) == pytest.approx(2.0 * float(estimate) - below, rel=1e-9)
    if estimate.low > 0.0:
        assert float(estimate.low) == pytest.approx(2.0 * float(estimate) - above, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_leading_axes_seeds_and_chunks(kind, monkeypatch):
    batch = np.stack([X, 2.0 * X, X[::-1] - 1.0]).reshape(3, 1, -1)
    whole = sample_divergence(kind, batch, LAW, n_boot=50, seed=5)
    assert whole.shape == (3, 1)
    for i in range(3):
        alone = sample_divergence(kind, batch[i, 0], LAW, n_boot=50, seed=5)
        assert (alone.value, alone.low, alone.high) == (
            whole.value[i, 0], whole.low[i, 0], whole.high[i, 0],
        )  # fmt: skip
    other = sample_divergence(kind, batch, LAW, n_boot=50, seed=6)
    assert np.array_equal(other.value, whole.value) and not np.array_equal(other.high, whole.high)
    monkeypatch.setattr(bootstrap, "CHUNK", 1000)
    again = sample_divergence(kind, batch, LAW, n_boot=50, seed=5)
    assert np.array_equal(again.high, whole.high) and np.array_equal(again.low, whole.low)


@pytest.mark.parametrize("kind", ["wasserstein-1", "wasserstein-2", "kolmogorov-smirnov"])
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_intervals_cover(kind, shift):
    """Nominally 95 of 100; fewer than 80 has odds below 1e-4 even if 90 is the truth."""
    law = GaussianMixture([1.0], [0.0], 1.0)
    truth = 2.0 * stats.norm.cdf(0.5 * shift) - 1.0 if kind == "kolmogorov-smirnov" else shift
    samples = np.random.default_rng(1).standard_normal((100, 200)) + shift
    estimate = sample_divergence(kind, samples, law, n_boot=400)

    def covered(number):
        return int(((estimate.low <= number) & (number <= estimate.high)).sum())

    assert covered(truth) >= 80
    # The control: a distance four times as far off is not covered.
    assert covered(4.0 * truth + 0.5) <= 5


def test_samples_of_a_run_follow_its_density():
    """KS and W₁ of samples from p₀ agree with those of the learned density, to the interval."""
    run = rfdiff.train_exact([1e3, 1e6], n=100, m=64, n_times=32)
    samples = run.sample(4000, n_steps=200)
    estimate = sample_divergence("wasserstein-1", samples, run.target, n_boot=200)
    truth = run.divergence("wasserstein-1", method="reverse-sde")
    assert ((estimate.low <= truth.value) & (truth.value <= estimate.high)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("total-variation", X, LAW), "kind must be one of 'wasserstein-1'"),
        (("wasserstein-1", [1.0], LAW), "samples must have at least two points"),
        (("wasserstein-1", [1.0, np.nan], LAW), "samples must be finite"),
        (("wasserstein-1", X, np.ones((2, 5))), "other must have shape"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        sample_divergence(*arguments)


def test_bad_numbers():
    for choices, message in (
        ({"n_boot": 3}, "n_boot must be at least 10"),
        ({"confidence": 1.0}, "confidence must be between"),
        ({"seed": -1}, "seed must be a non-negative integer"),
    ):
        with pytest.raises(ArgumentError, match=message):
            sample_divergence("wasserstein-1", X, LAW, **choices)
