"""Scores against dense sums, finite differences and quadrature between the kinks."""

import numpy as np
import pytest

from reference.paper import SDE, T_EVAL
from rfdiff.diffusion.mixtures import GaussianMixture, bimodal
from rfdiff.diffusion.targets import raised_cosine
from rfdiff.model.activations import ACTIVATIONS
from rfdiff.model.embeddings import LogSigmaEmbedding
from rfdiff.model.features import RandomFeatures, draw_features
from rfdiff.model.score import ExactScore, RandomFeatureScore, fast_score, is_piecewise_linear
from rfdiff.support.errors import ArgumentError


def random_score(activation="relu", m=40, d=1, shape=(3,), seed=0, precondition=False):
    features = draw_features(
        "l1", m, LogSigmaEmbedding(SDE), seed=seed, dimension=d, activation=activation,
        preconditioner=SDE if precondition else None,
    )  # fmt: skip
    theta = np.random.default_rng(seed).standard_normal((*shape, d, m))
    return RandomFeatureScore(features, theta)


@pytest.mark.parametrize("activation", ["relu", "swish", "erf", "tanh"])
@pytest.mark.parametrize("precondition", [False, True])
def test_score_on_the_line_is_the_dense_sum(activation, precondition):
    score = random_score(activation, precondition=precondition)
    x = np.random.default_rng(1).normal(0.0, 6.0, (7, 5))
    h = score.features(x, T_EVAL)
    np.testing.assert_allclose(
        score(x, T_EVAL), np.einsum("tim,abm->tab", score.theta, h), rtol=1e-12, atol=1e-12
    )
    slope = score.features.derivative(x, T_EVAL) * score.features.W[:, 0]
    np.testing.assert_allclose(
        score.divergence(x, T_EVAL), np.einsum("tim,abm->tab", score.theta, slope), atol=1e-12
    )


@pytest.mark.parametrize("activation", ["relu", "swish", "erf", "tanh"])
def test_integral_is_the_integral_of_the_score(activation):
    score = random_score(activation, shape=())
    kinks = -score.features.biases(T_EVAL) / score.features.W[:, 0]
    nodes, weights = np.polynomial.legendre.leggauss(20)
    for x in (-8.0, 0.0, 1e-3, 5.0):
        inner = kinks[(kinks > min(x, 0)) & (kinks < max(x, 0))]
        edges = np.sort(np.concatenate([np.linspace(0.0, x, 17), inner]))
        half, middle = 0.5 * np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
        values = score(middle[:, None] + half[:, None] * nodes, T_EVAL)
        expected = np.sign(x) * half @ values @ weights
        assert abs(float(score.integral(x, T_EVAL)) - expected) < 1e-10


@pytest.mark.parametrize("activation", ["swish", "erf", "tanh"])
def test_smooth_integral_has_no_cancellation_for_tiny_slopes(activation):
    features = RandomFeatures(
        [1e-9, -1e-7, 0.0], [[5.0, 0.1]] * 3, LogSigmaEmbedding(SDE), activation
    )
    score = RandomFeatureScore(features, [[1.0, 1.0, 1.0]])
    # The integrand is constant to 1e-7 relative: ∫₀^2 s = 2 s(1) + O(w²).
    assert abs(score.integral(2.0, 0.3) - 2.0 * score(1.0, 0.3)) < 1e-13


def test_constant_and_repeated_features():
    features = RandomFeatures(
        [0.0, 0.0, 0.5, 0.5, -0.5], [[1.0, 0], [-1.0, 0], [0.0, 0], [0.0, 0], [0.0, 0]],
        LogSigmaEmbedding(SDE),
    )  # fmt: skip
    score = RandomFeatureScore(features, [[2.0, 3.0, 1.0, -4.0, 5.0]])
    x = np.array([-2.0, -1e-12, 0.0, 1e-12, 2.0])
    dense = features(x, 0.5) @ score.theta[0]
    np.testing.assert_allclose(score(x, 0.5), dense, atol=1e-15)


def test_training_times_lead_and_a_scalar_gives_scalars():
    assert random_score(shape=(2, 3))(np.zeros((4, 5)), T_EVAL).shape == (2, 3, 4, 5)
    assert random_score(shape=())(0.3, T_EVAL).shape == ()
    assert random_score(d=3, shape=(2,))(np.zeros((4, 5, 3)), T_EVAL).shape == (2, 4, 5, 3)
    assert random_score(d=3, shape=(2,)).divergence(np.zeros((4, 3)), T_EVAL).shape == (2, 4)


@pytest.mark.parametrize("activation", ["relu", "swish"])
def test_divergence_in_the_plane_is_the_sum_of_difference_quotients(activation):
    score = random_score(activation, d=2, shape=(2,))
    x = np.random.default_rng(2).normal(0.0, 2.0, (6, 2))
    step = 1e-6
    expected = sum(
        (score(x + step * e, T_EVAL) - score(x - step * e, T_EVAL))[..., i] / (2 * step)
        for i, e in enumerate(np.eye(2))
    )
    np.testing.assert_allclose(score.divergence(x, T_EVAL), expected, atol=1e-7)


@pytest.mark.parametrize("law", [bimodal(3.0), raised_cosine()])
def test_exact_score_and_divergence_are_derivatives_of_the_log_density(law):
    score = ExactScore(law, SDE)
    marginal = law.diffuse(1.0, float(SDE.std(0.3)))
    x, step = np.linspace(-6, 6, 11), 1e-5
    gradient = (marginal.log_density(x + step) - marginal.log_density(x - step)) / (2 * step)
    np.testing.assert_allclose(score(x, 0.3), gradient, atol=1e-8)
    slope = (score(x + step, 0.3) - score(x - step, 0.3)) / (2 * step)
    np.testing.assert_allclose(score.divergence(x, 0.3), slope, atol=1e-8)


def test_exact_divergence_in_the_plane_and_far_out():
    law = GaussianMixture([0.3, 0.7], [[-1.0, 2.0], [2.0, 0.0]], [0.5, 1.0])
    score, x, step = ExactScore(law, SDE), np.array([[0.4, -0.2], [2.0, 3.0]]), 1e-5
    expected = sum(
        (score(x + step * e, 0.2) - score(x - step * e, 0.2))[..., i] / (2 * step)
        for i, e in enumerate(np.eye(2))
    )
    np.testing.assert_allclose(score.divergence(x, 0.2), expected, atol=1e-8)
    # Far from both modes of equal width the curvature is that of one Gaussian, exactly.
    one = bimodal(3.0).diffuse(1.0, 0.5)
    assert one.score_divergence(1e6) == pytest.approx(-1.0 / 1.25, abs=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("d", [1, 3])
def test_the_fast_evaluation_of_a_training_time_is_the_score(activation, d):
    score = random_score(activation, m=37, d=d, shape=(2, 3), precondition=True)
    x = 3.0 * np.random.default_rng(2).standard_normal((21, d))
    expected = score(x[:, 0] if d == 1 else x, 0.3).reshape(6, 21, d)
    for k in range(6):
        np.testing.assert_allclose(score.evaluator(k)(x, 0.3), expected[k], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("d", [1, 2])
def test_the_fast_evaluation_of_an_exact_score_is_the_score(d):
    rng = np.random.default_rng(0)
    law = GaussianMixture([0.2, 0.5, 0.3], rng.standard_normal((3, d)), [0.3, 0.6, 1.0])
    score, x = ExactScore(law, SDE), 4.0 * rng.standard_normal((15, d))
    expected = score(x[:, 0] if d == 1 else x, 0.2).reshape(15, d)
    np.testing.assert_allclose(score.evaluator(0)(x, 0.2), expected, rtol=1e-12, atol=1e-12)


class OwnScore:
    """−x and −2x, as a caller writes it."""

    dimension, shape = 1, (2,)

    def __call__(self, x, t):
        return np.stack([-x, -2.0 * x])

    def divergence(self, x, t):
        return np.stack([-np.ones_like(x), -2.0 * np.ones_like(x)])


@pytest.mark.parametrize("own", [True, False])
def test_selected_training_times(own):
    score = OwnScore() if own else random_score(shape=(2, 3))
    x, n = np.linspace(-2.0, 2.0, 7), 2 if own else 6
    value, slope = score(x, 0.3).reshape(n, 7), score.divergence(x, 0.3).reshape(n, 7)
    several = fast_score(score).select(np.array([1, 0, 1]))
    assert several.shape == (3,)
    np.testing.assert_allclose(several(x, 0.3), value[[1, 0, 1]], rtol=1e-14)
    np.testing.assert_allclose(several.divergence(x, 0.3), slope[[1, 0, 1]], rtol=1e-14)
    for one in (several.select(2), fast_score(score).select(1)):
        assert one.shape == () and one.dimension == 1
        np.testing.assert_allclose(one(x, 0.3), value[1], rtol=1e-14)
    np.testing.assert_allclose(several.evaluator(0)(x[:, None], 0.3)[:, 0], value[1], rtol=1e-12)


def test_the_score_of_a_law_has_one_training_time():
    score, x = ExactScore(bimodal(3.0), SDE), np.linspace(-2.0, 2.0, 7)
    assert score.select(0) is score
    np.testing.assert_array_equal(score.select(np.zeros(2, dtype=int))(x, 0.3)[1], score(x, 0.3))


def test_what_is_known_of_a_score():
    relu, plane, smooth = random_score(), random_score(d=2), random_score("tanh")
    assert [is_piecewise_linear(s) for s in (relu, plane, smooth, OwnScore())] == [True] + 3 * [
        False
    ]
    assert [fast_score(s).is_smooth for s in (relu, plane, smooth, OwnScore())] == 2 * [
        False
    ] + 2 * [True]


def test_bad_arguments_are_named():
    features = random_score().features
    with pytest.raises(ArgumentError, match="theta must have shape"):
        RandomFeatureScore(features, np.zeros((3, 2, 40)))
    with pytest.raises(ArgumentError, match="theta must be finite"):
        RandomFeatureScore(features, np.full((1, 40), np.nan))
    with pytest.raises(ArgumentError, match="x must be finite"):
        random_score()(np.array([np.inf]), T_EVAL)
    with pytest.raises(ArgumentError, match="last axis 2"):
        random_score(d=2)(np.zeros((3, 4)), T_EVAL)
