"""The score-matching loss: its constant, its values where digits are lost, its refusals."""

import numpy as np
import pytest
from scipy.integrate import quad

import rfdiff
from reference.paper import SDE
from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.diffusion.time_rules import TimeRule
from rfdiff.loss.objective import DenoisingObjective
from rfdiff.loss.score_matching import ScoreMatching, score_norm
from rfdiff.support.errors import ArgumentError

OBJECTIVE = DenoisingObjective.graded(SDE, 0.065, 16)


def test_score_norm_against_adaptive_quadrature():
    law = GaussianMixture([0.4, 0.6], [-2.0, 1.0], [0.5, 1.0])
    one_time = TimeRule(np.array([0.05]), np.ones(1), 0.05, 0.05)
    norm = score_norm(law, DenoisingObjective(SDE, one_time, np.ones_like))
    marginal = law.diffuse(1.0, float(SDE.std(0.05)))
    value, _ = quad(
        lambda x: float(marginal.density(x) * marginal.score(x) ** 2), -12, 14, limit=400
    )
    assert float(norm) == pytest.approx(value, rel=1e-8)
    assert float(norm.error) < 1e-6


class TestScoreMatching:
    @pytest.fixture(scope="class")
    @classmethod
    def run(cls):
        return rfdiff.train_exact(1e6, n=50, m=64)

    @pytest.fixture(scope="class")
    @classmethod
    def measure(cls, run):
        return ScoreMatching.assemble(run.target, OBJECTIVE, run.features)

    def test_value_is_the_mean_square_error_of_the_score(self, run):
        """By quadrature in x at every time node, within the error it states."""
        theta, direct, few = run.theta(), 0.0, OBJECTIVE.with_times(4)
        for t, weight in zip(few.rule.nodes, few.node_weights(), strict=True):
            marginal = run.target.diffuse(1.0, float(SDE.std(t)))
            x = np.linspace(*marginal.domain(9.0), 100_001)
            off = run.features(x, float(t)) @ theta[0] - marginal.score(x)
            direct += weight * float(np.trapezoid(marginal.density(x) * off**2, x))
        value = ScoreMatching.assemble(run.target, few, run.features)(theta)
        assert float(value) == pytest.approx(direct, rel=1e-6)
        assert abs(float(value) - direct) <= float(value.error)

    def test_difference_keeps_its_digits(self, run, measure):
        """Two nearly equal parameters: the difference is right where subtraction is not."""
        theta = run.theta()
        step = 1e-9 * np.ones_like(theta)
        exact = float(np.sum(step * measure.fine.gradient(theta)))
        assert float(measure.difference(theta + step, theta)) == pytest.approx(exact, rel=1e-6)

    def test_laws_without_a_density_are_refused(self, run):
        points = GaussianMixture.from_points([[0.0, 1.0]])
        with pytest.raises(ArgumentError, match="law must be one-dimensional, got d = 2"):
            ScoreMatching.assemble(points, OBJECTIVE, run.features)
        with pytest.raises(ArgumentError, match="a bound needs a law with a density"):
            ScoreMatching.assemble(np.zeros(3), OBJECTIVE, run.features)
