"""τ_es minimises the continuous curve and says when it sits at an end."""

import numpy as np
import pytest

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
