"""Random features: laws of the draws, nesting, and features by brute force."""

import numpy as np
import pytest
from scipy import stats

from reference.paper import SDE
from rfdiff.model.activations import ACTIVATIONS
from rfdiff.model.embeddings import (
    LogSigmaEmbedding,
)
from rfdiff.model.feature_laws import FEATURE_LAWS
from rfdiff.model.features import RandomFeatures, draw_features
from rfdiff.support.errors import ArgumentError

EMBEDDING = LogSigmaEmbedding(SDE)


@pytest.mark.parametrize("law", FEATURE_LAWS)
@pytest.mark.parametrize("dimension", [1, 3])
def test_draws_are_nested_and_depend_on_the_seed(law, dimension):
    large = draw_features(law, 1024, EMBEDDING, seed=7, dimension=dimension)
    small = draw_features(law, 512, EMBEDDING, seed=7, dimension=dimension)
    other = draw_features(law, 512, EMBEDDING, seed=8, dimension=dimension)
    assert large.W.shape == (1024, dimension) and large.U.shape == (1024, 2)
    np.testing.assert_array_equal(large.W[:512], small.W)
    np.testing.assert_array_equal(large.U[:512], small.U)
    assert not np.isclose(small.W, other.W).any()
    assert (large.width, large.dimension) == (1024, dimension)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("preconditioner", [None, SDE])
def test_features_by_the_formula(activation, preconditioner):
    w, u = np.array([0.5, -1.5, 0.0]), np.array([[0.1, 0.2], [1.0, -0.3], [-0.4, 0.6]])
    features = RandomFeatures(w, u, EMBEDDING, activation, preconditioner)
    t = 0.37
    c = 1.0 if preconditioner is None else float(SDE.std(t))
    act = {
        "relu": lambda z: z if z > 0 else 0.0,
        "swish": lambda z: z / (1 + np.exp(-z)),
        "erf": lambda z: 2 * stats.norm.cdf(z * np.sqrt(2)) - 1,
        "tanh": np.tanh,
        "identity": lambda z: z,
    }[activation]
    for x in (-2.0, 0.3, 4.0):
        bias = [sum(u[j] * [1.0, 0.5 * np.log(float(SDE.std(t)))]) for j in range(3)]
        by_hand = [act(w[j] * x + bias[j]) / (c * np.sqrt(3)) for j in range(3)]
        np.testing.assert_allclose(features(x, t), by_hand, rtol=1e-13, atol=1e-16)
        np.testing.assert_allclose(features.biases(t), bias, rtol=1e-14)
        step = 1e-6
        slope = (features(x + step, t) - features(x - step, t)) / (2 * step)
        np.testing.assert_allclose(w * features.derivative(x, t), slope, atol=1e-8)


def test_shapes():
    line = draw_features("l1", 5, EMBEDDING, seed=0)
    plane = draw_features("l1", 5, EMBEDDING, seed=0, dimension=2)
    assert line(0.0, 0.1).shape == (5,)
    assert line(np.zeros((2, 3)), 0.1).shape == line.derivative(np.zeros((2, 3)), 0.1).shape
    assert line(np.zeros((2, 3)), 0.1).shape == (2, 3, 5)
    assert plane(np.zeros(2), 0.1).shape == (5,)
    assert plane(np.zeros((7, 2)), 0.1).shape == (7, 5)
    assert line.biases(np.full((4, 2), 0.1)).shape == (4, 2, 5)
    assert line.output_scale(np.full(4, 0.1)).shape == (4,)


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: draw_features("L1", 4, EMBEDDING, seed=0), "features must be one of 'l1', 'gau"),
        (lambda: draw_features("l1", 0, EMBEDDING, seed=0), "m must be at least 1, got 0"),
        (lambda: draw_features("l1", 2.0, EMBEDDING, seed=0), "m must be an integer, got 2.0"),
        (lambda: draw_features("l1", 4, EMBEDDING, seed=-1), "seed must be a non-negative integer"),
        (
            lambda: draw_features("l1", 4, EMBEDDING, seed=0, activation="gelu"),
            "activation must be one of 'relu', 'swish', 'erf', 'tanh', 'identity', got 'gelu'",
        ),
        (
            lambda: RandomFeatures([1.0, 2.0], [[1.0, 1.0]], EMBEDDING),
            r"same m, got \(2, 1\) and \(1, 2\)",
        ),
        (
            lambda: RandomFeatures([1.0], [[1.0, 1.0, 1.0]], EMBEDDING),
            r"U must have d_e = 2 columns, got shape \(1, 3\)",
        ),
        (lambda: RandomFeatures([np.nan], [[1.0, 1.0]], EMBEDDING), "W must be finite, got nan"),
        (lambda: RandomFeatures([1.0], [[np.inf, 1.0]], EMBEDDING), "U must be finite, got inf"),
        (lambda: RandomFeatures([], np.empty((0, 2)), EMBEDDING), "W must not be empty"),
        (lambda: RandomFeatures([1.0], [1.0, 1.0], EMBEDDING), "U must have 2 dimension"),
    ],
)
def test_bad_features(make, fault):
    with pytest.raises(ArgumentError, match=fault):
        make()
