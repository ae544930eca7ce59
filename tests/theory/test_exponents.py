"""Fitted exponents and verdicts on synthetic data: coverage, refusal, bad input."""

import numpy as np
import pytest

from rfdiff.support.errors import ArgumentError
from rfdiff.theory.exponents import fit_power_law, local_exponents
from rfdiff.theory.verdicts import Verdict, verdict_table

X = np.array([10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0])


def curves(rng, exponent, seeds=10, noise=0.15):
    """Power laws with errors that are independent between seeds, correlated along x."""
    wander = np.cumsum(rng.standard_normal((seeds, len(X))), axis=1) * noise / np.sqrt(3.0)
    return 2.0 * X**exponent * np.exp(wander)


# Of this many synthetic data sets, rates of coverage are known to ± 3 points (4.5 standard errors).
SETS, POINTS = 2000, 0.03


@pytest.mark.parametrize(("seeds", "window"), [(3, (10, 3000)), (10, (10, 3000)), (10, None)])
def test_intervals_cover_at_the_stated_rate(seeds, window):
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(SETS):
        fit = fit_power_law(X, curves(rng, -0.4, seeds), window=window, level=0.9, n_bootstrap=400)
        hits += fit.interval[0] <= -0.4 <= fit.interval[1]
    assert abs(hits / SETS - 0.9) < POINTS


def test_one_curve_covers_at_the_stated_rate():
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(SETS):
        y = X**0.7 * np.exp(0.1 * rng.standard_normal(len(X)))
        fit = fit_power_law(X, y, window=(10, 3000), level=0.9)
        hits += fit.interval[0] <= 0.7 <= fit.interval[1]
    assert abs(hits / SETS - 0.9) < POINTS


def test_power_laws_hold_and_noise_does_not():
    """At 5 %: laws are told from curves, and noise from laws, wrongly in 1 of 20 at most."""
    rng, sets = np.random.default_rng(3), 600
    laws = noises = 0
    for _ in range(sets):
        law, noise = curves(rng, -0.4), np.exp(0.3 * rng.standard_normal((10, len(X))))
        laws += fit_power_law(X, law, window=(10, 3000), n_bootstrap=300).holds
        noises += fit_power_law(X, noise, window=(10, 3000), n_bootstrap=300).holds
    # 3.4 standard errors of the rate: ± 3 points again.
    assert abs(laws / sets - 0.95) < POINTS
    assert noises / sets < 0.05 + POINTS


def test_noise_says_so():
    y = np.exp(0.3 * np.random.default_rng(4).standard_normal((10, len(X))))
    fit = fit_power_law(X, y)
    assert not fit.holds and str(fit).startswith("no power law (")


def test_exponentials_bend():
    rng = np.random.default_rng(5)
    y = np.exp(-X / 500.0) * np.exp(0.02 * rng.standard_normal((10, len(X))))
    fit = fit_power_law(X, y, window=(10, 3000))
    assert not fit.holds and "not straight" in fit.reason


def test_exact_laws_are_recovered():
    fit = fit_power_law(X, np.tile(3.0 * X**-1.25, (5, 1)))
    assert fit.exponent == pytest.approx(-1.25, abs=1e-12)
    assert fit.prefactor == pytest.approx(3.0, rel=1e-12)
    assert fit.holds and fit.window == (10.0, 3000.0) and np.allclose(fit(X), 3.0 * X**-1.25)


def test_the_window_leaves_a_plateau_out_and_is_stated():
    rng = np.random.default_rng(6)
    x = np.logspace(1, 5, 9)
    clean = np.maximum(x**-0.5, 1e4**-0.5)
    fit = fit_power_law(x, clean * np.exp(0.01 * rng.standard_normal((20, 9))))
    assert fit.window[1] <= 1e4 * 1.01
    assert fit.exponent == pytest.approx(-0.5, abs=0.05)


def test_same_seed_same_interval():
    y = curves(np.random.default_rng(7), -0.4)
    assert fit_power_law(X, y) == fit_power_law(X, y)
    assert fit_power_law(X, y).interval != fit_power_law(X, y, seed=1).interval


def test_local_exponents_of_a_broken_law():
    x = np.logspace(0, 4, 41)
    y = np.where(x < 100, x, 100.0 * (x / 100.0) ** -0.5)
    slopes = local_exponents(x, np.stack([y, 2.0 * y]))
    assert np.allclose(slopes[:, :17], 1.0) and np.allclose(slopes[:, 24:], -0.5)


class TestBadInput:
    @pytest.mark.parametrize(
        ("x", "y", "message"),
        [
            ([1.0, 2.0], [1.0, 2.0], "x must have at least 3 points for a power law, got 2"),
            ([1.0, 2.0, 3.0], [1.0, 0.0, 2.0], "y must be positive for a power law, got 0"),
            ([1.0, 2.0, 3.0], [1.0, -4.0, 2.0], "y must be positive for a power law, got -4"),
            ([0.0, 2.0, 3.0], [1.0, 1.0, 2.0], "x must be positive for a power law, got 0"),
            ([1.0, 3.0, 2.0], [1.0, 1.0, 2.0], "x must be strictly increasing"),
            ([1.0, 2.0, 3.0], [1.0, np.nan, 2.0], "y must be finite"),
            ([1.0, 2.0, 3.0], [[1.0, 2.0, 3.0], [1.0, 2.0]], r"seed 1 has \(2,\)"),
            ([1.0, 2.0, 3.0], [1.0, 2.0], r"seed 0 has \(2,\)"),
            ([1.0, 2.0, 3.0], 1.0, "y must be a curve or one curve a seed, got 1.0"),
            ([1.0, 2.0, 3.0], [], "y must not be empty"),
        ],
    )
    def test_values(self, x, y, message):
        with pytest.raises(ArgumentError, match=message):
            fit_power_law(x, y)

    def test_windows_of_two_points(self):
        with pytest.raises(ArgumentError, match="window must hold at least 3 points"):
            fit_power_law(X, X, window=(20, 200))

    def test_local_shapes(self):
        with pytest.raises(ArgumentError, match="last axis 6 like x"):
            local_exponents(X, np.ones(5))


class TestVerdicts:
    @pytest.mark.parametrize("seed", range(8, 13))
    @pytest.mark.parametrize(
        "side, kind, outcome",
        [
            (0, "rate", "consistent"),
            (1, "rate", "smaller than predicted"),
            (-1, "rate", "larger than predicted"),
            (0, "upper-bound", "consistent"),
            (1, "upper-bound", "below the bound"),
            (-1, "upper-bound", "above the bound"),
        ],
    )
    def test_outcomes(self, seed, side, kind, outcome):
        """The prediction is set inside, above or below the interval: no draw can be unlucky.

        How often the interval holds the truth is another question, asked by the coverage tests.
        """
        wiggle = np.exp(0.002 * np.random.default_rng(seed).standard_normal((8, len(X))))
        fit = fit_power_law(X, X**-0.4 * wiggle)
        assert fit.holds
        low, high = fit.interval
        predicted = {0: 0.5 * (low + high), 1: high + 0.01, -1: low - 0.01}[side]
        verdict = Verdict("KL", predicted, fit, kind)
        assert verdict.outcome == outcome
        assert verdict.consistent == (outcome in ("consistent", "below the bound"))
        assert verdict.row()["verdict"] == outcome
        assert outcome in verdict_table([verdict])

    def test_no_power_law(self):
        noise = np.exp(0.3 * np.random.default_rng(4).standard_normal((10, len(X))))
        verdict = Verdict("KL", -0.4, fit_power_law(X, noise))
        assert verdict.outcome == "no power law" and not verdict.consistent

    def test_kinds(self):
        with pytest.raises(ArgumentError, match="kind must be one of"):
            Verdict("KL", -0.4, fit_power_law(X, X), "guess")
