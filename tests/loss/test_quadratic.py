"""The algebra of quadratic losses, for a dense Gram and for one that is kept in another form."""

import numpy as np
import pytest

from rfdiff.loss.completed_square import CompletedSquare
from rfdiff.loss.quadratic import QuadraticLoss
from rfdiff.loss.score_matching import ScoreMatching
from rfdiff.numerics.halvings import Halvings
from rfdiff.training.gradient_flow import GradientFlow


class FactoredLoss:
    """G = AᵀA known by A (N, m) alone: a loss that has no m × m array."""

    error = 0.0

    def __init__(self, a, cross, constant):
        self._a, self.cross, self.constant = a, cross, constant

    def image(self, theta):
        return theta @ self._a.T @ self._a

    def __call__(self, theta):
        slope = self.image(theta) - 2.0 * self.cross
        return np.einsum("...dm,...dm->...", slope, theta) + self.constant

    def gradient(self, theta):
        return 2.0 * (self.image(theta) - self.cross)

    def difference(self, theta, other):
        slope = self.image(theta + other) - 2.0 * self.cross
        return np.einsum("...dm,...dm->...", theta - other, slope)

    def with_constant(self, constant):
        return FactoredLoss(self._a, self.cross, constant)

    def completed_square(self):
        best = np.linalg.lstsq(self._a, np.linalg.pinv(self._a.T) @ self.cross.T, rcond=None)[0].T
        v = best @ self._a.T
        return CompletedSquare(self._a.T, v, self.constant - float((v**2).sum()))


@pytest.fixture(params=[1, 2])
def pair(request):
    """The same loss in both forms, with d = 1 and 2."""
    rng, d = np.random.default_rng(0), request.param
    a = rng.standard_normal((20, 6)) * 10.0 ** -np.arange(6.0)
    gram, cross = a.T @ a, rng.standard_normal((d, 6)) @ (a.T @ a)
    return QuadraticLoss(gram, cross, 3.0), FactoredLoss(a, cross, 3.0)


def test_both_forms_are_the_formula(pair):
    theta = np.random.default_rng(1).standard_normal((4, 3, *pair[0].cross.shape))
    g, c = pair[0].gram, pair[0].cross
    expected = [
        [np.trace(one @ g @ one.T) - 2.0 * np.trace(one @ c.T) + 3.0 for one in some]
        for some in theta
    ]
    for loss in pair:
        np.testing.assert_allclose(loss(theta), expected, rtol=1e-12)
        np.testing.assert_allclose(loss.image(theta), theta @ g, rtol=1e-12, atol=1e-13)


def test_gradient_is_the_slope_of_the_difference(pair):
    theta = np.random.default_rng(2).standard_normal(pair[0].cross.shape)
    step = 1e-6 * np.random.default_rng(3).standard_normal(theta.shape)
    for loss in pair:
        slope = float(np.sum(loss.gradient(theta) * step))
        assert float(loss.difference(theta + step, theta)) == pytest.approx(slope, rel=1e-5)
        assert float(loss.difference(theta, -theta)) == pytest.approx(
            float(loss(theta) - loss(-theta)), rel=1e-9
        )


def test_completed_square_is_the_same_loss(pair):
    theta = np.random.default_rng(4).standard_normal((5, *pair[0].cross.shape))
    for loss in pair:
        square = loss.completed_square()
        np.testing.assert_allclose(square(theta), loss(theta), rtol=1e-9)
        np.testing.assert_allclose(
            square.difference(theta, theta[::-1]), loss.difference(theta, theta[::-1]), rtol=1e-9
        )


def test_completed_square_keeps_digits_that_products_lose():
    """Far along a direction that hardly counts, ‖θ‖² · ε is above what the loss has left."""
    gram, far = np.array([[1.0, 1.0 - 1e-13], [1.0 - 1e-13, 1.0]]), 3e7 * np.array([[1.0, -1.0]])
    loss = QuadraticLoss(gram, np.zeros((1, 2)), 0.0)
    exact = 2.0 * (3e7) ** 2 * float(1.0 - gram[0, 1])
    assert float(loss.completed_square()(far)) == pytest.approx(exact, rel=1e-2)


def test_another_constant_moves_every_value(pair):
    theta = np.random.default_rng(5).standard_normal(pair[0].cross.shape)
    for loss in pair:
        assert float(loss.with_constant(5.0)(theta) - loss(theta)) == pytest.approx(2.0, rel=1e-12)


def test_flows_and_score_matching_take_either_form(pair):
    dense, factored = pair
    flow, tau = GradientFlow(dense), np.logspace(0, 9, 400)
    np.testing.assert_allclose(flow.loss(tau, factored), flow.loss(tau), rtol=1e-7)
    by_matrix, by_factor = (
        ScoreMatching(Halvings.build(lambda share, loss=loss: loss, "times"), 0.0)
        for loss in (dense, factored)
    )
    theta = flow.theta(tau[::40])
    np.testing.assert_allclose(by_factor(theta).value, by_matrix(theta).value, rtol=1e-7)
