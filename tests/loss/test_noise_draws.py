"""The Monte-Carlo loss of fixed noise draws against the plain average."""

import numpy as np
import pytest

from reference.paper import SDE
from rfdiff.loss.noise_draws import noise_draw_quadratic
from rfdiff.loss.objective import DenoisingObjective
from rfdiff.model.embeddings import AffineEmbedding, LogSigmaEmbedding
from rfdiff.model.features import RandomFeatures, draw_features
from rfdiff.support.errors import ArgumentError


def test_noise_draws_are_the_plain_average():
    rng = np.random.default_rng(4)
    data, noise = rng.normal(0, 2, (7, 1)), rng.standard_normal((7, 3))
    features = draw_features("l1", 9, LogSigmaEmbedding(SDE), seed=2)
    W = features.W.copy()
    W[4] = 0.0
    features = RandomFeatures(W, features.U, features.embedding)
    objective = DenoisingObjective.graded(SDE, n_times=6)
    rule = objective.rule
    loss = noise_draw_quadratic(data, noise, objective, features)
    theta = rng.normal(size=(1, 9))
    expected = 0.0
    for t, weight in zip(rule.nodes, rule.weights, strict=True):
        std = float(SDE.std(t))
        x = data + std * noise
        s = features(x, float(t)) @ theta[0]
        expected += weight * std**2 * np.mean((s + noise / std) ** 2)
    assert float(loss(theta)) == pytest.approx(expected, rel=1e-12)


def test_smooth_activations_are_refused():
    smooth = draw_features("l1", 4, AffineEmbedding(), seed=0, activation="tanh")
    with pytest.raises(ArgumentError, match="noise_samples needs activation 'relu'"):
        objective = DenoisingObjective.graded(SDE, n_times=2)
        noise_draw_quadratic(np.zeros((1, 1)), np.zeros((1, 1)), objective, smooth)
