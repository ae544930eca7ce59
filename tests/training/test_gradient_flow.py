"""Laws of the exact flow: limits, consistency, agreement with integration in 60 digits."""

import numpy as np
import pytest

from reference.matrix_exponential import theta_by_matrix_exponential
from rfdiff.loss.quadratic import QuadraticLoss
from rfdiff.support.errors import ArgumentError
from rfdiff.training.gradient_flow import GradientFlow


def random_quadratic(m=8, d=1, rank=None, seed=0):
    """Return a consistent quadratic (C in the range of G) with eigenvalues over many decades."""
    rng = np.random.default_rng(seed)
    vectors, _ = np.linalg.qr(rng.standard_normal((m, m)))
    eigenvalues = 10.0 ** np.linspace(-7, 0, m)
    if rank is not None:
        eigenvalues[: m - rank] = 0.0
    gram = (vectors * eigenvalues) @ vectors.T
    cross = rng.standard_normal((d, m)) @ gram
    return QuadraticLoss(0.5 * (gram + gram.T), cross, 3.0)


@pytest.mark.parametrize("tau", [1e-3, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("d", [1, 2])
def test_agrees_with_the_matrix_exponential_in_60_digits(tau, d):
    quadratic = random_quadratic(d=d, seed=1)
    theta0 = np.random.default_rng(2).standard_normal((d, 8))
    flow = GradientFlow(quadratic, theta0)
    expected = theta_by_matrix_exponential(quadratic, theta0, tau)
    assert np.abs(flow.theta(tau) - expected).max() < 1e-8 * np.abs(expected).max()


def test_tau_zero_is_theta0():
    theta0 = np.random.default_rng(0).standard_normal((1, 8))
    flow = GradientFlow(random_quadratic(), theta0)
    np.testing.assert_allclose(flow.theta(0.0), theta0, rtol=0, atol=1e-14)
    assert (GradientFlow(random_quadratic()).theta(0.0) == 0).all()


def test_tau_infinity_is_least_squares_and_leaves_null_modes():
    quadratic = random_quadratic(rank=5, seed=3)
    theta0 = np.random.default_rng(4).standard_normal((1, 8))
    flow = GradientFlow(quadratic, theta0)
    limit = flow.theta(np.inf)
    least_squares = np.linalg.lstsq(quadratic.gram, quadratic.cross.T, rcond=1e-12)[0].T
    null = flow.eigenvectors[:, ~flow.modes.learned]
    assert null.shape[1] == 3
    projector = null @ null.T
    np.testing.assert_allclose(limit - limit @ projector, least_squares, atol=1e-7)
    np.testing.assert_allclose(limit @ projector, theta0 @ projector, atol=1e-12)


def test_late_times_approach_infinity():
    flow = GradientFlow(random_quadratic())
    np.testing.assert_allclose(flow.theta(1e12), flow.theta(np.inf), rtol=1e-7)


def test_array_equals_loop_in_any_shape():
    flow = GradientFlow(random_quadratic(d=2))
    tau = np.array([[0.0, 1.0, 1e5], [1e9, np.inf, 3.0]])
    looped = np.array([[flow.theta(float(s)) for s in row] for row in tau])
    np.testing.assert_allclose(flow.theta(tau), looped, rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(
        flow.loss(tau), [[flow.loss(float(s)) for s in row] for row in tau], rtol=1e-13
    )
    assert flow.theta(1.0).shape == (2, 8)
    assert flow.loss(1.0).shape == ()


def test_resuming_equals_one_run():
    quadratic = random_quadratic(seed=5)
    once = GradientFlow(quadratic).theta(1.5e4)
    resumed = GradientFlow(quadratic, GradientFlow(quadratic).theta(5e3)).theta(1e4)
    np.testing.assert_allclose(resumed, once, rtol=1e-9)


def test_loss_is_the_quadratic_at_theta_and_falls():
    quadratic = random_quadratic(seed=6)
    flow = GradientFlow(quadratic, np.ones((1, 8)))
    tau = np.logspace(-2, 9, 60)
    np.testing.assert_allclose(flow.loss(tau), quadratic(flow.theta(tau)), rtol=1e-9)
    assert (np.diff(flow.loss(tau)) <= 1e-12).all()


@pytest.mark.parametrize("theta0", [None, np.full((2, 8), 3.0)])
def test_another_loss_is_its_quadratic_at_theta(theta0):
    flow, other = GradientFlow(random_quadratic(d=2), theta0), random_quadratic(d=2, seed=3)
    tau = np.concatenate([np.logspace(-4, 12, 1998), [0.0, np.inf]]).reshape(40, 50)
    direct = other(flow.theta(tau))
    # Rounding of θGθᵀ grows with its largest terms, not with what they leave.
    terms = np.linalg.eigvalsh(other.gram)[-1] * (flow.theta(tau) ** 2).sum(axis=(-2, -1))
    allowed = 1e-14 * (terms + np.abs(direct) + other.constant)
    assert (np.abs(flow.loss(tau, other) - direct) <= allowed).all()
    few = tau[0, :5]
    assert (flow.loss(few, other) == other(flow.theta(few))).all()


def test_another_loss_is_taken_at_boundedly_many_times():
    taken = []

    class Counted(QuadraticLoss):
        def __call__(self, theta):
            taken.append(len(theta))
            return super().__call__(theta)

    flow, other = GradientFlow(random_quadratic()), random_quadratic(seed=3)
    counted = Counted(other.gram, other.cross, other.constant)
    for n in (1000, 100_000):
        taken.clear()
        flow.loss(np.logspace(0, 10, n), counted)
        assert sum(taken) == 41 * 10


def test_eigenvalues_negative_by_rounding_do_no_harm():
    quadratic = random_quadratic(rank=4, seed=7)
    shifted = QuadraticLoss(quadratic.gram - 1e-17 * np.eye(8), quadratic.cross, 3.0)
    theta = GradientFlow(shifted).theta(np.array([1e10, 1e15, np.inf]))
    assert np.isfinite(theta).all()
    assert np.abs(theta - theta[-1]).max() < 1.0


@pytest.mark.parametrize("step", [1e-3, 0.3, 0.9])
def test_gradient_descent_is_the_loop(step):
    quadratic = random_quadratic(seed=8)
    theta0 = np.random.default_rng(1).standard_normal((1, 8))
    flow = GradientFlow(quadratic, theta0)
    theta = theta0
    for _ in range(57):
        theta = theta - step * quadratic.gradient(theta)
    np.testing.assert_allclose(flow.gradient_descent(step, 57), theta, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(flow.gradient_descent(step, [0, 57])[0], theta0, atol=1e-13)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_heavy_ball_is_the_loop(momentum):
    quadratic = random_quadratic(rank=6, seed=9)
    theta0 = np.random.default_rng(1).standard_normal((1, 8))
    flow = GradientFlow(quadratic, theta0)
    previous = theta = theta0
    for _ in range(41):
        step = theta - 0.2 * quadratic.gradient(theta) + momentum * (theta - previous)
        previous, theta = theta, step
    np.testing.assert_allclose(flow.heavy_ball(0.2, momentum, 41), theta, rtol=1e-10, atol=1e-12)
    assert flow.heavy_ball(0.2, momentum, np.array([[1, 2, 41]])).shape == (1, 3, 1, 8)


def test_gradient_descent_tends_to_the_flow_at_first_order():
    flow = GradientFlow(random_quadratic(seed=10))
    tau, steps = 20.0, np.array([200, 400, 800, 1600])
    errors = [np.abs(flow.gradient_descent(tau / k, int(k)) - flow.theta(tau)).max() for k in steps]
    order = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert order == pytest.approx(1.0, abs=0.05)


def test_nothing_of_size_times_by_m_squared():
    # 4000 times at m = 64: θ alone is 2 MB; a times × m² array would be 131 MB.
    import tracemalloc

    flow = GradientFlow(random_quadratic(m=64))
    tau = np.logspace(0, 9, 4000)
    tracemalloc.start()
    flow.theta(tau)
    flow.loss(tau)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6


def test_refusals():
    flow = GradientFlow(random_quadratic())
    for call, message in (
        (lambda: flow.theta(-1.0), "tau must be at least 0"),
        (lambda: flow.theta(np.nan), "not NaN"),
        (lambda: flow.gradient_descent(0.0, 3), "step must be positive"),
        (lambda: flow.gradient_descent(0.1, 3.5), "n_steps must be non-negative integers"),
        (lambda: flow.heavy_ball(0.1, 1.0, 3), r"momentum must be in \[0, 1\)"),
        (lambda: GradientFlow(random_quadratic(), np.zeros(7)), "theta0 must have shape"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
