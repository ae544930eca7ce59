"""Scores of vectors: scaled inputs, an affine part, and bits that no batch changes."""

import numpy as np
import pytest

from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.diffusion.sde import VESDE
from rfdiff.model.affine_skip import AffineSkip
from rfdiff.model.embeddings import LogSigmaEmbedding
from rfdiff.model.features import RandomFeatures, draw_features
from rfdiff.model.marginal_scaling import MarginalScaling
from rfdiff.model.score import RandomFeatureScore
from rfdiff.support.errors import ArgumentError

SDE, TIME = VESDE(), 0.3


def vector_score(d, activation="relu", m=50):
    rng = np.random.default_rng(d)
    features = draw_features(
        "l1", m, LogSigmaEmbedding(SDE), seed=0, dimension=d, activation=activation,
        preconditioner=SDE, scaling=MarginalScaling(SDE, 1.5, output=True),
    )  # fmt: skip
    law = GaussianMixture.from_points(rng.standard_normal((20, d)))
    return RandomFeatureScore(
        features, rng.standard_normal((2, d, m)), skip=AffineSkip.gaussian(law, SDE)
    )


@pytest.mark.parametrize("d", [2, 11])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_score_is_the_formula_and_its_divergence_the_derivative(d, activation):
    score = vector_score(d, activation)
    x = np.random.default_rng(1).standard_normal((300, d))
    c, sigma = 1.0 / np.hypot(1.5, SDE.std(TIME)), SDE.std(TIME)
    features = score.features
    h = features.act(c * x @ features.W.T + features.biases(TIME)) * c / sigma / np.sqrt(50)
    expected = np.einsum("tdm,nm->tnd", score.theta, h) + score.skip(x, TIME)
    np.testing.assert_allclose(score(x, TIME), expected, rtol=1e-11, atol=1e-12)
    for k in range(2):
        fast = score.evaluator(k)(x, TIME)
        np.testing.assert_allclose(fast, expected[k], rtol=1e-11, atol=1e-12)
    step = 1e-6 * np.eye(d)
    slopes = sum(
        (score(x + e, TIME) - score(x - e, TIME))[..., i] / 2e-6 for i, e in enumerate(step)
    )
    assert np.median(np.abs(slopes - score.divergence(x, TIME))) < 1e-7


def test_a_point_has_the_same_bits_in_any_batch():
    evaluate = vector_score(16).evaluator(0)
    x = np.random.default_rng(2).standard_normal((600, 16))
    whole = evaluate(x, TIME)
    for start, stop in ((0, 1), (7, 300), (255, 257), (598, 600)):
        assert (evaluate(x[start:stop].copy(), TIME) == whole[start:stop]).all()


def test_scaling_is_refused_on_the_line():
    with pytest.raises(ArgumentError, match="scaling must be None in one dimension"):
        RandomFeatures([1.0], [[1.0, 0.0]], LogSigmaEmbedding(SDE), scaling=MarginalScaling(SDE))
