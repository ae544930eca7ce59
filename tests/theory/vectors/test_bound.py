"""The bound of vectors where it is known: scores of Gaussians, which stay Gaussian."""

import numpy as np
import pytest
from scipy.integrate import quad

from rfdiff.diffusion.mixtures import GaussianMixture, bimodal
from rfdiff.diffusion.sde import VESDE, VPSDE
from rfdiff.loss.noise_expectation import denoising_quadratic
from rfdiff.model.affine_skip import AffineSkip
from rfdiff.model.embeddings import LogSigmaEmbedding
from rfdiff.model.features import draw_features
from rfdiff.model.score import ExactScore, RandomFeatureScore
from rfdiff.support.errors import ArgumentError
from rfdiff.theory.bounds import bound_objective
from rfdiff.theory.vectors.bound import vector_bound

TIME, D = 0.1, 3
LAW = GaussianMixture([1.0], np.zeros((1, D)), 1.5)


def affine_score(sde, variance):
    """Return the score of N(0, variance), diffused, beside features that add nothing."""
    features = draw_features("l1", 4, LogSigmaEmbedding(sde), seed=0, dimension=D)
    skip = AffineSkip(sde, np.zeros(D), np.eye(D), np.full(D, variance))
    return RandomFeatureScore(features, np.zeros((D, 4)), skip=skip)


@pytest.mark.parametrize("sde", [VESDE(), VPSDE()], ids=["ve", "vp"])
def test_a_score_of_another_variance(sde):
    """½ ∫ g² d (1/(r²v + σ²) − 1/(r²v₀ + σ²))² (r²v₀ + σ²) dt by adaptive quadrature."""
    found = vector_bound(affine_score(sde, 1.0), LAW, sde, t=TIME, n_points=65_536)

    def integrand(t):
        r2, s2 = float(sde.scale(t)) ** 2, float(sde.std(t)) ** 2
        own, other = 2.25 * r2 + s2, r2 + s2
        return 0.5 * float(sde.diffusion_squared(t)) * D * (1 / other - 1 / own) ** 2 * own

    expected = quad(integrand, TIME, 1.0, epsabs=1e-12)[0]
    assert abs(float(found.integral) - expected) < float(found.integral.error) < 0.02 * expected
    r2, s2 = float(sde.scale(1.0)) ** 2, float(sde.std(1.0)) ** 2
    ratio = (2.25 * r2 + s2) / sde.prior_std**2
    prior = 0.5 * D * (ratio - 1.0 - np.log(ratio))
    assert abs(float(found.prior) - prior) < float(found.prior.error)


def test_the_exact_score_leaves_nothing():
    found = vector_bound(affine_score(VESDE(), 2.25), LAW, VESDE(), t=TIME)
    assert float(found.integral) < 1e-20 and float(found.total) == float(found.prior)


def test_it_is_the_population_s_loss_without_what_the_exact_score_keeps():
    """L̃ = L − E λ‖∇log p_t + z/σ‖²: the quadratic is exact, what is taken off it by sampling."""
    sde, law = VESDE(), bimodal(2.0, d=2)
    features = draw_features("l1", 40, LogSigmaEmbedding(sde), seed=0, dimension=2)
    theta = 0.2 * np.random.default_rng(0).standard_normal((2, 40))
    found = vector_bound(RandomFeatureScore(features, theta), law, sde, t=TIME, n_points=65_536)
    objective, rng, kept = bound_objective(sde, TIME, 64), np.random.default_rng(1), 0.0
    for t, weight in zip(objective.rule.nodes, objective.node_weights(2), strict=True):
        z, sigma = rng.standard_normal((20_000, 2)), float(sde.std(t))
        gap = ExactScore(law, sde)(law.sample(20_000, rng) + sigma * z, t) + z / sigma
        kept += weight * np.square(gap).sum(1).mean()
    loss = float(denoising_quadratic(law, objective, features)(theta))
    expected = 0.5 * (1.0 - TIME) * (loss - kept)
    assert abs(float(found.integral) - expected) < float(found.integral.error) < 0.07 * expected


def test_what_is_refused():
    score = affine_score(VESDE(), 1.0)
    with pytest.raises(ArgumentError, match="a bound needs a law with a density"):
        vector_bound(score, None, VESDE(), t=TIME)
    with pytest.raises(ArgumentError, match=r"t must be in \(0, T\) = \(0, 1\), got 1"):
        vector_bound(score, LAW, VESDE(), t=1.0)
