"""log p̂ of vectors: exact for Gaussians, and a law's own for its exact score and prior."""

import numpy as np
import pytest

from rfdiff.densities.probability_flow.of_vectors import vector_log_density
from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.diffusion.sde import VESDE, VPSDE, SubVPSDE
from rfdiff.model.affine_skip import AffineSkip
from rfdiff.model.embeddings import LogSigmaEmbedding
from rfdiff.model.features import draw_features
from rfdiff.model.marginal_scaling import MarginalScaling
from rfdiff.model.score import ExactScore, RandomFeatureScore
from rfdiff.support.errors import ArgumentError

TIME = 0.1


@pytest.mark.parametrize("sde", [VESDE(), VPSDE(), SubVPSDE()], ids=["ve", "vp", "subvp"])
def test_exact_score_gives_the_law_up_to_its_prior(sde):
    rng = np.random.default_rng(0)
    law = GaussianMixture([0.3, 0.7], 0.5 * rng.standard_normal((2, 3)), [0.8, 0.5])
    x = 0.8 * rng.standard_normal((20, 3))
    found = vector_log_density(ExactScore(law, sde), sde, TIME, x, 128)
    marginal = law.diffuse(float(sde.scale(TIME)), float(sde.std(TIME)))
    # The prior forgets what is left of the law's mean and variance at T.
    assert np.abs(found.value - marginal.log_density(x)).max() < (
        0.1 if isinstance(sde, VESDE) else 0.006
    )


def test_error_covers_a_finer_run_with_kinks():
    sde = VESDE()
    features = draw_features(
        "l1", 200, LogSigmaEmbedding(sde), seed=0, dimension=4,
        preconditioner=sde, scaling=MarginalScaling(sde, output=True),
    )  # fmt: skip
    theta = np.random.default_rng(1).standard_normal((2, 4, 200))
    skip = AffineSkip.isotropic(GaussianMixture.from_points(np.eye(4)), sde)
    score = RandomFeatureScore(features, theta, skip=skip)
    x = np.random.default_rng(2).standard_normal((12, 4))
    found, finer = (vector_log_density(score, sde, TIME, x, steps) for steps in (32, 128))
    gap = np.abs(found.value - finer.value)
    assert found.value.shape == (2, 12) and (gap > found.error + finer.error).mean() < 0.05
    assert 1e-9 < gap.max() < 0.1


def test_odd_steps_are_refused():
    score = ExactScore(GaussianMixture([1.0], [[0.0, 0.0]], 1.0), VESDE())
    with pytest.raises(ArgumentError, match="n_steps must be a multiple of 4"):
        vector_log_density(score, VESDE(), TIME, np.zeros((1, 2)), 7)
