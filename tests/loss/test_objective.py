"""What follows from process, time rule and weighting."""

import numpy as np
import pytest

from reference.paper import SDE
from rfdiff.loss.objective import DenoisingObjective
from rfdiff.support.errors import ArgumentError


def test_weightings():
    t = np.array([0.01, 0.5])
    std = SDE.std(t)

    def weighting_values(weighting, d=1):
        return DenoisingObjective.graded(SDE, weighting=weighting).weighting_values(t, d)

    np.testing.assert_allclose(weighting_values("variance"), std**2)
    np.testing.assert_allclose(weighting_values("inverse-norm", 4), std / 2.0)
    np.testing.assert_allclose(weighting_values("likelihood"), 25.0 ** (2 * t))
    np.testing.assert_allclose(weighting_values(lambda t: 3.0), [3.0, 3.0])
    with pytest.raises(ArgumentError, match="weighting must be one of"):
        DenoisingObjective.graded(SDE, weighting="likelyhood")
    with pytest.raises(ArgumentError, match="non-negative"):
        weighting_values(lambda t: t - 0.1)


def test_what_follows_from_process_times_and_weighting():
    objective = DenoisingObjective.graded(SDE, 0.01, 20, "likelihood")
    t = objective.rule.nodes
    lam = objective.rule.weights * SDE.diffusion_squared(t)
    np.testing.assert_allclose(objective.node_weights(), lam, rtol=1e-15)
    assert objective.constant(3) == pytest.approx(3.0 * lam @ SDE.std(t) ** -2.0, rel=1e-14)
    refined = objective.refined
    assert len(refined.rule) == 40
    assert (refined.rule.t_min, refined.rule.t_max) == (0.01, 1.0)
    assert refined.weighting == "likelihood"
