"""One linear ODE mode by mode: its ends, its residual and its loss."""

import numpy as np
import pytest

from rfdiff.training.linear_flow import LinearFlow

RNG = np.random.default_rng(0)
TAU = np.array([0.0, 1e-3, 1.0, 50.0, 1e4, np.inf])


@pytest.fixture(params=[(), (2,)])
def flow(request):
    """Modes over ten decades, two of them null, with and without an axis for d."""
    eigenvalues = np.concatenate([[0.0, 1e-18], np.logspace(-9, 1, 6)])
    drive, start = RNG.standard_normal((2, *request.param, 8))
    drive[..., :2] = 0.0
    return LinearFlow(eigenvalues, drive, start)


def test_it_solves_the_ode(flow):
    tau, h = np.array([0.3, 2.0, 40.0]), 1e-5
    slope = (flow(tau * (1.0 + h)) - flow(tau * (1.0 - h))).T / (2.0 * h * tau)
    np.testing.assert_allclose(slope.T, 2.0 * flow.residual(tau), rtol=1e-6, atol=1e-9)


def test_residual_is_what_is_left_of_the_drive(flow):
    np.testing.assert_allclose(
        flow.residual(TAU), flow.drive - flow(TAU) * flow.eigenvalues, rtol=1e-9, atol=1e-13
    )


def test_infinity_is_the_limit_of_late_times_for_modes_that_learn(flow):
    learned = flow.learned
    assert learned.tolist() == [False] * 2 + [True] * 6
    late, end = flow(1e12), flow(np.inf)
    np.testing.assert_allclose(late[..., learned], end[..., learned], rtol=1e-9)
    assert (end[..., ~learned] == flow.start[..., ~learned]).all()


def test_loss_falls_by_the_excess_of_the_modes(flow):
    rates = np.exp(-4.0 * np.multiply.outer(TAU[:-1], flow.eigenvalues))
    expected = flow.loss(np.inf) + rates @ flow.excess
    np.testing.assert_allclose(flow.loss(TAU[:-1]), expected, rtol=1e-7)
    assert flow.loss(1.0).shape == ()


@pytest.mark.parametrize("tau", [8e307, 9e307, 1e308, np.finfo(float).max])
def test_the_latest_finite_times_are_those_where_all_that_learn_have_learned(flow, tau):
    """2τ and 2λτ are beyond the floats there; λ = 1e-18 learns, too, for it is not zero."""
    with np.errstate(all="raise", under="ignore"):
        late, loss, residual = flow(tau), flow.loss(tau), flow.residual(tau)
    positive = flow.eigenvalues > 0.0
    end = (flow.drive / np.where(positive, flow.eigenvalues, 1.0))[..., positive]
    np.testing.assert_allclose(late[..., positive], end, rtol=1e-15)
    assert (late[..., ~positive] == flow.start[..., ~positive]).all()
    np.testing.assert_allclose(loss, flow.loss(1e200), rtol=1e-14)
    assert (residual[..., positive] == 0.0).all()


def test_a_mode_that_is_slow_at_the_latest_time_is_followed():
    """λτ = 1 at τ = 1e308: a = c (1 − e^{−2λτ})/λ, where 2τ is no float."""
    flow = LinearFlow(np.array([1e-308, 1.0]), np.array([1e-300, 1.0]), np.zeros(2))
    np.testing.assert_allclose(flow(1e308), [-1e8 * np.expm1(-2.0), 1.0], rtol=1e-14)
