"""The Monte-Carlo loss of fixed noise draws against the plain average."""

import numpy as np
import pytest

from reference.paper import SDE
from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.loss import noise_draws
from rfdiff.loss.noise_draws import noise_draw_quadratic
from rfdiff.loss.objective import DenoisingObjective
from rfdiff.model.affine_skip import AffineSkip
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


@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize("with_skip", [False, True])
def test_vectors_and_a_skip_are_the_plain_average_too(d, with_skip, monkeypatch):
    monkeypatch.setattr(noise_draws, "BLOCK", 60)  # two points at once
    rng = np.random.default_rng(5)
    data, noise = rng.normal(0, 2, (7, d)), rng.standard_normal((7, 3, d))
    activation = "relu" if d == 1 else "tanh"
    features = draw_features(
        "l1", 10, LogSigmaEmbedding(SDE), seed=2, dimension=d, activation=activation
    )
    skip = AffineSkip.gaussian(GaussianMixture.from_points(data), SDE) if with_skip else None
    objective, theta = DenoisingObjective.graded(SDE, n_times=4), rng.normal(size=(d, 10))
    draws = noise[..., 0] if d == 1 else noise
    loss = noise_draw_quadratic(data, draws, objective, features, skip)
    expected = 0.0
    for t, weight in zip(objective.rule.nodes, objective.rule.weights, strict=True):
        std = float(SDE.std(t))
        x = (data[:, None] + std * noise).reshape(-1, d)
        h = features(x[:, 0] if d == 1 else x, float(t))
        score = h @ theta.T + (0.0 if skip is None else skip(x, float(t)))
        gaps = score + noise.reshape(-1, d) / std
        expected += weight * std**2 * np.square(gaps).sum(1).mean()
    assert float(loss(theta)) == pytest.approx(expected, rel=1e-11)


def test_noise_of_another_shape_is_refused():
    features = draw_features("l1", 4, AffineEmbedding(), seed=0, dimension=2)
    objective = DenoisingObjective.graded(SDE, n_times=2)
    with pytest.raises(ArgumentError, match=r"d ≥ 2 \(n, k, d\), got \(3, 5\) for data of"):
        noise_draw_quadratic(np.zeros((3, 2)), np.zeros((3, 5)), objective, features)


def test_smooth_activations_are_refused():
    smooth = draw_features("l1", 4, AffineEmbedding(), seed=0, activation="tanh")
    with pytest.raises(ArgumentError, match="noise_samples needs activation 'relu'"):
        objective = DenoisingObjective.graded(SDE, n_times=2)
        noise_draw_quadratic(np.zeros((1, 1)), np.zeros((1, 1)), objective, smooth)
