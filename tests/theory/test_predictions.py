"""The theorems' functions at the points of a measurement, and verdicts on both."""

import numpy as np
import pytest

from rfdiff.support.errors import ArgumentError
from rfdiff.theory.power_laws.exponents import fit_power_law
from rfdiff.theory.predictions import SUMMARY, UNIT_CONSTANTS, Axis, Prediction
from rfdiff.theory.rates import RateFunction, fit_rate
from rfdiff.theory.verdicts import CAVEAT, Verdict, local_slope_table, verdict_table

TAU = np.logspace(0, 10, 201)
WIDTHS = 2.0 ** np.arange(4, 11)


class TestTheorem:
    def test_at_fixed_n_the_summary_exponent_is_nowhere(self):
        """Against m at n = 1000 Theorem 1's own terms fall with −0.47 … −0.23, never −0.8."""
        fixed = Axis(WIDTHS, 1000.0, WIDTHS, TAU).least(UNIT_CONSTANTS[1], "unit", SUMMARY["kl(m)"])
        exact = np.diff(np.log(UNIT_CONSTANTS[1].best(1000.0, WIDTHS))) / np.log(2.0)
        assert exact[[0, -1]] == pytest.approx([-0.472, -0.228], abs=5e-4)
        assert [round(slope, 2) for slope in fixed.local[::5]] == [-0.47, -0.23]
        assert (np.diff(fixed.local) > 0).all() and fixed.summary == -0.8
        # A vertex between grid points, twenty a decade, is not quite the minimum.
        assert np.allclose(fixed.local, exact, atol=3e-3)

    def test_along_the_ray_it_is_the_limit(self):
        x = np.logspace(10, 14, 5)
        ray = Axis(x, x, x, TAU)
        times = ray.best_time(UNIT_CONSTANTS[1], "unit")
        assert np.allclose(times.local, SUMMARY["tau_es(n)"], atol=0.01)
        assert ray.least(UNIT_CONSTANTS[1], "unit").exponent == pytest.approx(-0.4, abs=0.01)

    def test_at_fixed_m_the_best_time_grows_as_a_fifth_root_while_n_is_small(self):
        n = np.array([10.0, 30.0, 100.0])
        times = Axis(n, n, 1e6, TAU).best_time(UNIT_CONSTANTS[1], "unit")
        assert times.exponent == pytest.approx(0.2, abs=0.01)

    def test_theorem_2_knows_the_distance(self):
        mu = np.array([3.0, 10.0, 30.0, 100.0, 300.0])
        rising = Axis(mu, 1000.0, 512.0, TAU, mu).least(UNIT_CONSTANTS[2], "unit")
        assert (np.diff(rising.local) > 0).all() and 1.9 < rising.local[-1] < 2.0

    def test_fitted_constants_that_grow_with_nothing_end_with_the_grid(self):
        """Without terms that grow the minimum is at the last τ, and the floor is all there is."""
        rate = RateFunction([0.0], [0.0], 1.0, 1.0, 0.0)
        axis = Axis(WIDTHS, 1000.0, WIDTHS, TAU)
        assert np.allclose(axis.best_time(rate, "fitted").values, 1e10)
        assert np.allclose(axis.least(rate, "fitted").local, -1.0, atol=1e-6)

    def test_fits_bring_their_own_slopes(self):
        tau, m = np.meshgrid(np.logspace(0, 2, 20), WIDTHS)
        truth = RateFunction([0.3], [0.1], 2.0, 5.0, 0.1)
        fit = fit_rate(tau, 1000.0, m, truth(tau, 1000.0, m))
        axis = Axis(WIDTHS, 1000.0, WIDTHS, TAU)
        said, known = (axis.least(rate, "fitted") for rate in (fit.rate, truth))
        assert np.allclose(said.local, known.local, atol=1e-4)


X = np.array([10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0])


def prediction(exponent):
    return Prediction(tuple(X.tolist()), tuple((X**exponent).tolist()), "unit", -0.4)


class TestVerdicts:
    @pytest.mark.parametrize("seed", range(8, 13))
    @pytest.mark.parametrize(
        "side, outcome",
        [(0, "as computed"), (1, "smaller than computed"), (-1, "larger than computed")],
    )
    def test_outcomes(self, seed, side, outcome):
        """The computed slope is set inside, above or below the interval: no draw is unlucky.

        How often the interval holds the truth is another question, asked by the coverage tests.
        """
        wiggle = np.exp(0.002 * np.random.default_rng(seed).standard_normal((8, len(X))))
        fit = fit_power_law(X, X**-0.4 * wiggle)
        # Where one of these few draws passes for curved, that is the verdict.
        outcome = outcome if fit.holds else "no power law"
        low, high = fit.interval
        said = {0: 0.5 * (low + high), 1: high + 0.01, -1: low - 0.01}[side]
        verdict = Verdict("KL", prediction(said), fit)
        assert verdict.outcome == verdict.row()["verdict"] == outcome
        assert verdict.row()["computed"] == pytest.approx(said)

    def test_no_power_law(self):
        noise = np.exp(0.3 * np.random.default_rng(4).standard_normal((10, len(X))))
        assert Verdict("KL", prediction(-0.4), fit_power_law(X, noise)).outcome == "no power law"

    def test_scatter_that_hides_a_change_of_slope_decides_nothing(self):
        rng = np.random.default_rng(1)
        y = X**-1.0 * np.exp(0.6 * rng.standard_normal((8, len(X))))
        fit = fit_power_law(X, y)
        assert fit.holds and fit.power < 0.8
        assert Verdict("KL", prediction(-1.0), fit).outcome.startswith("not decided")

    def test_tables_say_what_bounds_do_not(self):
        fit = fit_power_law(X, np.stack([X**-0.5, 2.0 * X**-0.5]))
        verdicts = [Verdict("KL against n", prediction(-0.4), fit)]
        text = verdict_table(verdicts)
        assert text.endswith(CAVEAT) and "constrain no slope on a finite window" in CAVEAT
        assert "| KL against n | −0.40 | −0.4 | −0.50 |" in text and "paper's summary" in text
        assert "−0.40 −0.40 −0.40 −0.40 −0.40 (unit constants)" in local_slope_table(verdicts)

    def test_both_must_be_at_the_same_points(self):
        fit = fit_power_law(X, X, window=(10, 300))
        with pytest.raises(ArgumentError, match="prediction must be at the 4 points of the fit"):
            Verdict("KL", prediction(-0.4), fit)
