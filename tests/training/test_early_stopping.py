"""τ_es minimises the continuous curve and says when it sits at an end."""

import numpy as np
import pytest

import rfdiff
from rfdiff.support.errors import ArgumentError
from rfdiff.support.estimate import Estimate
from rfdiff.training.early_stopping import early_stopping


def parabola(centre):
    return lambda tau: Estimate(1.0 + np.log(tau / centre) ** 2, 1e-9)


@pytest.mark.parametrize("centre", [37.0, 1234.5, 9e5])
def test_refines_between_grid_points(centre):
    best = early_stopping(parabola(centre), np.logspace(0, 7, 8))
    assert best.tau == pytest.approx(centre, rel=1e-5)
    assert best.at == "interior"
    assert float(best.value) == pytest.approx(1.0, abs=1e-9)
    assert best.value.error == 1e-9


def test_does_not_depend_on_the_order_of_the_grid():
    grid = np.logspace(0, 7, 15)
    shuffled = np.random.default_rng(0).permutation(grid).reshape(3, 5)
    assert early_stopping(parabola(50.0), shuffled).tau == early_stopping(parabola(50.0), grid).tau


def test_a_falling_curve_ends_within_its_range():
    """exp(ln τ) must not carry the answer beyond the last training time."""
    for last in np.logspace(9, 10, 40):
        best = early_stopping(lambda tau: Estimate(-tau), np.logspace(0, 1, 9) * last)
        assert (best.tau, best.at) == (10.0 * last, "end")


@pytest.mark.parametrize("phase", range(8))
def test_rounding_makes_no_minimum_before_the_end(phase):
    """A loss that falls slowly to the end, known to 4e-11: as of held-out data late in training."""

    def curve(tau):
        u = np.log(tau)
        return Estimate(0.27 * (1.0 - 1e-5 * u + 4e-11 * np.sin(1e7 * u + phase)))

    best = early_stopping(curve, np.logspace(0, 10, 200))
    assert (best.tau, best.at) == (1e10, "end")


@pytest.mark.parametrize("centre, end", [(1e-3, "start"), (1e9, "end")])
def test_says_when_the_minimum_is_at_an_end(centre, end):
    best = early_stopping(parabola(centre), np.logspace(0, 7, 8))
    assert best.at == end
    assert best.tau == (1.0 if end == "start" else 1e7)
    assert end in str(best)


def test_zero_and_infinity_are_points_like_any_other():
    best = early_stopping(
        lambda tau: Estimate(np.where(np.isinf(tau), 0.0, 1.0 / (1.0 + tau))),
        np.array([0.0, 1.0, np.inf]),
    )
    assert best.at == "end"
    assert np.isinf(best.tau)
    early = early_stopping(lambda tau: Estimate((tau - 0.3) ** 2), np.array([0.0, 1.0, 2.0]))
    assert early.tau == pytest.approx(0.3, abs=1e-4)
    assert early.at == "interior"


def test_an_infinite_curve_is_answered_at_its_start():
    best = early_stopping(
        lambda tau: Estimate(np.full(np.shape(tau), np.inf)), np.array([1.0, 9.0])
    )
    assert np.isinf(float(best.value))


def test_one_point():
    best = early_stopping(parabola(5.0), np.array(7.0))
    assert best.tau == 7.0


def test_refuses_a_curve_that_is_not_a_number():
    with pytest.raises(ArgumentError, match="KL is not a number at τ = 1"):
        early_stopping(lambda tau: Estimate(np.full(np.shape(tau), np.nan)), np.array([1.0, 2.0]))


class TestBesideZeroAndInfinity:
    """Grids that jump to 0 or ∞ are searched in between."""

    def test_a_minimum_between_the_last_finite_time_and_infinity(self):
        """The KL at τ = ∞ is 0.2402; on the way it was lower."""
        best = rfdiff.train_exact(tau=[1, 1e3, np.inf], n=30, m=32).early_stopping()
        dense = rfdiff.train_exact(tau=np.logspace(3, 9, 241), n=30, m=32).early_stopping()
        assert best.at == "interior"
        assert best.tau == pytest.approx(dense.tau, rel=1e-4)
        assert float(best.value) == pytest.approx(float(dense.value), rel=1e-9)
        assert 2e5 < best.tau < 2.4e5 and float(best.value) < 0.2334

    @pytest.mark.parametrize("grid", [[0.0, 1e8, np.inf], [0.0, np.inf]])
    def test_a_minimum_between_zero_and_the_first_positive_time(self, grid):
        best = rfdiff.train_exact(tau=grid, n=30, m=32).early_stopping()
        assert best.at == "interior" and float(best.value) < 0.2334

    @pytest.mark.parametrize("centre", [1e-12, 1e-3, 1e14])
    def test_far_from_the_grid(self, centre):
        def curve(tau):
            with np.errstate(divide="ignore"):
                u = np.log(tau / centre)
            return Estimate(2.0 - np.exp(-(u**2) / 20.0), 1e-13)

        best = early_stopping(curve, np.array([0.0, 1.0, 2.0, np.inf]))
        assert best.tau == pytest.approx(centre, rel=1e-5) and best.at == "interior"

    def test_a_curve_that_falls_to_its_limit_ends_there(self):
        """Rounding of the late curve makes no minimum before ∞, and ∞ is not all there is."""

        def curve(tau):
            noise = 1e-12 * np.sin(1e9 * np.where(np.isinf(tau), 0.0, tau))
            return Estimate(1.0 + 1.0 / (1.0 + tau) + noise, 2e-12)

        best = early_stopping(curve, np.array([1.0, 1e2, np.inf]))
        assert (best.tau, best.at, best.high) == (np.inf, "end", np.inf)
        assert 2e11 < best.low < 1e12

    def test_an_infinite_limit_is_no_minimum(self):
        best = early_stopping(lambda tau: Estimate(1.0 + tau), np.array([1.0, 2.0, np.inf]))
        assert (best.tau, best.at) == (1.0, "start")


class TestInterval:
    """From low to high nobody can tell the curve from its minimum."""

    @pytest.mark.parametrize("error", [1e-10, 1e-6, 1e-3])
    def test_width_of_a_parabola(self, error):
        """(ln τ/50)² is within the two errors of its minimum up to √(2 error)."""
        best = early_stopping(
            lambda tau: Estimate(1.0 + np.log(tau / 50.0) ** 2, error), np.logspace(0, 4, 9)
        )
        reach = np.log(np.array([best.low, best.high]) / 50.0)
        assert reach == pytest.approx(np.sqrt(2.0 * error) * np.array([-1.0, 1.0]), rel=0.02)

    def test_equal_to_rounding(self):
        """Lowest between 1e3 and 1e6, where it moves by less than the last bit."""

        def curve(tau):
            u = np.log10(tau)
            return Estimate(1.0 + np.maximum(3.0 - u, 0.0) + np.maximum(u - 6.0, 0.0) + 1e-18 * u)

        best = early_stopping(curve, np.logspace(0, 8, 41))
        assert (best.low, best.high) == pytest.approx((1e3, 1e6), rel=0.02)
        assert best.flat and "within its error from τ = 1000 to 1e+06" in str(best)

    def test_training_loss_is_flat_to_infinity(self):
        run = rfdiff.train_exact(tau=[1.0, 1e3, np.inf], n=30, m=32)
        best = run.early_stopping("train")
        assert best.high == np.inf
        early, late = (float(run.loss("train", at)) for at in (0.1 * best.low, best.low))
        assert early > late == pytest.approx(float(best.value), rel=1e-12)

    def test_a_constant_curve_is_all_interval(self):
        best = early_stopping(
            lambda tau: Estimate(np.ones(np.shape(tau))), np.array([0.0, 1.0, np.inf])
        )
        assert (best.low, best.high) == (0.0, np.inf)

    def test_narrow_intervals_go_without_saying(self):
        best = early_stopping(parabola(50.0), np.logspace(0, 7, 8))
        assert not best.flat and "within" not in str(best)
        assert best.low < best.tau < best.high
