"""Fitted exponents on synthetic data: coverage, refusal, power, bad input."""

import re

import numpy as np
import pytest

from rfdiff.support.errors import ArgumentError
from rfdiff.theory.power_laws.exponents import fit_power_law, local_exponents

X = np.array([10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0])


def curves(rng, exponent, seeds=10, noise=0.15):
    """Power laws with errors that are independent between seeds, correlated along x."""
    wander = np.cumsum(rng.standard_normal((seeds, len(X))), axis=1) * noise / np.sqrt(3.0)
    return 2.0 * X**exponent * np.exp(wander)


# Of this many synthetic data sets, rates of coverage are known to ± 3 points (3.5 standard errors).
SETS, POINTS = 1200, 0.03


@pytest.mark.parametrize(("seeds", "window"), [(3, (10, 3000)), (10, None)])
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


def test_a_plateau_is_no_law_unless_the_claim_leaves_it_out():
    rng = np.random.default_rng(6)
    x = np.logspace(1, 5, 9)
    clean = np.maximum(x**-0.5, 1e4**-0.5)
    y = clean * np.exp(0.01 * rng.standard_normal((20, 9)))
    whole, claimed = fit_power_law(x, y), fit_power_law(x, y, window=(10, 1.01e4))
    assert not whole.holds and whole.window == (x[0], x[-1])
    assert claimed.holds and claimed.exponent == pytest.approx(-0.5, abs=0.01)
    assert whole.local[0] == pytest.approx(-0.5, abs=0.05)
    assert whole.local[-1] == pytest.approx(0.0, abs=0.05)


class TestPower:
    """Seven widths, 16 … 1024; a slope that goes from −0.15 to −0.65 is no power law."""

    x = 2.0 ** np.arange(4, 11)
    sets = 500

    def draws(self, seed, seeds, noise, slope_change, correlated=True):
        """Curves about a mean slope of −0.4, with errors correlated along x or not."""
        rng, u = np.random.default_rng(seed), np.log(self.x)
        curve = -0.4 * u - 0.5 * slope_change / np.ptp(u) * (u - u.mean()) ** 2
        for _ in range(self.sets):
            errors = noise * rng.standard_normal((seeds, 7))
            if correlated:
                errors = np.cumsum(errors, axis=1) / np.sqrt(3.0)
            yield fit_power_law(self.x, np.exp(curve + errors), n_bootstrap=100)

    @pytest.mark.parametrize("seeds, noise", [(10, 0.1), (10, 0.3), (24, 0.3), (24, 0.6)])
    def test_changing_slopes_are_refused_as_often_as_stated(self, seeds, noise):
        fits = list(self.draws(0, seeds, noise, 0.5))
        refused = np.mean([fit.p_straight <= 0.05 for fit in fits])
        assert refused > 0.75
        # The power is computed from each draw's own scatter, and for the curvature alone.
        assert refused == pytest.approx(np.mean([fit.power for fit in fits]), abs=0.06)

    @pytest.mark.parametrize("seeds, noise", [(10, 0.05), (10, 0.1), (24, 0.2)])
    def test_a_slope_from_minus_015_to_minus_065_is_no_power_law(self, seeds, noise):
        """A range that shrank until it was straight took 97 % of such draws for a power law."""
        fits = list(self.draws(4, seeds, noise, 0.5, correlated=False))
        assert np.mean([fit.holds for fit in fits]) < 0.01
        ends = np.mean([(fit.local[0], fit.local[-1]) for fit in fits], axis=0)
        # Slopes between neighbours: those in the middle of the first and the last twelfth.
        assert ends == pytest.approx([-0.15 - 0.5 / 12, -0.65 + 0.5 / 12], abs=0.01)

    @pytest.mark.parametrize("seeds, noise", [(3, 0.3), (10, 0.1), (24, 0.6)])
    def test_straight_curves_pass_at_the_stated_rate(self, seeds, noise):
        passed = np.mean([fit.p_straight > 0.05 for fit in self.draws(1, seeds, noise, 0.0)])
        assert passed == pytest.approx(0.95, abs=POINTS)

    def test_what_would_not_show_is_not_decided(self):
        fits = list(self.draws(2, 4, 0.6, 0.0))
        undecided = [fit for fit in fits if fit.holds and not fit.decided]
        assert undecided and all(fit.power < 0.8 for fit in undecided)
        assert str(undecided[0]).startswith("not decided (straight in log x")
        found = re.search(r"by 0.5 would be found in (\d+)% of draws", undecided[0].reason)
        assert abs(float(found[1]) - 100.0 * undecided[0].power) <= 0.5

    def test_larger_changes_are_found_more_often(self):
        rng = np.random.default_rng(3)
        y = self.x**-0.4 * np.exp(0.3 * rng.standard_normal((10, 7)))
        powers = [fit_power_law(self.x, y, slope_change=at).power for at in (1e-6, 0.3, 1.0, 3.0)]
        assert powers == sorted(powers) and powers[-1] > 0.99
        # What is as good as no change is found at half the significance: one of two tests.
        assert powers[0] == pytest.approx(0.025, abs=1e-3)

    def test_three_points_of_one_curve_cannot_fail(self):
        fit = fit_power_law([1.0, 2.0, 4.0], [1.0, 2.0, 4.1])
        assert fit.power == 0.0 and not fit.decided


class TestIntervalsOfY:
    """What y is only known to lie within reaches the exponent's interval."""

    def test_reach_is_that_of_the_extreme_slopes(self):
        x, y = np.array([1.0, np.e, np.e**2]), np.array([[1.0, 2.0, 4.0], [1.0, 2.1, 4.2]])
        within = y * np.exp([-0.2, -0.3, 0.0]), y * np.exp([0.1, 0.3, 0.4])
        plain, wide = fit_power_law(x, y), fit_power_law(x, y, within=within)
        # Least squares on three even points takes half the difference of the outer two.
        assert wide.interval[0] == pytest.approx(plain.interval[0] - 0.5 * 0.1)
        assert wide.interval[1] == pytest.approx(plain.interval[1] + 0.5 * (0.4 + 0.2))
        assert wide.exponent == plain.exponent

    def test_points_change_nothing(self):
        y = curves(np.random.default_rng(7), -0.4)
        assert fit_power_law(X, y, within=(y, y)) == fit_power_law(X, y)

    @pytest.mark.parametrize(
        "low, high, message",
        [(1.1, 2.0, "low ≤ y ≤ high"), (0.5, 0.9, "low ≤ y ≤ high"), (-1.0, 2.0, "be positive")],
    )
    def test_bad_ends(self, low, high, message):
        with pytest.raises(ArgumentError, match=message):
            fit_power_law(X, X, within=(low * X, high * X))

    def test_ends_of_other_shapes(self):
        with pytest.raises(ArgumentError, match="within must have ends of y's shape"):
            fit_power_law(X, np.stack([X, X]), within=(X, X))


def test_local_slopes_are_means_over_seeds():
    y = curves(np.random.default_rng(8), -0.4)
    fit = fit_power_law(X, y)
    slopes = np.diff(np.log(y), axis=1) / np.diff(np.log(X))
    assert np.allclose(fit.local, slopes.mean(0))
    assert np.allclose(fit.local_errors, slopes.std(0, ddof=1) / np.sqrt(len(y)))


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
