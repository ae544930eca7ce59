"""Scores of random features that need no training: fitted, interpolated, random, Gaussian."""

import numpy as np

from rfdiff.model.embeddings import AffineEmbedding, LogSigmaEmbedding
from rfdiff.model.features import RandomFeatures, draw_features
from rfdiff.model.score import ExactScore, RandomFeatureScore

from .paper import SDE, T_EVAL


def fitted_score(law, m=60, ridge=(1e-8,), seed=0, activation="relu"):
    """A score fitted to the exact one by ridge regression: realistic θ without training."""
    features = draw_features("l1", m, LogSigmaEmbedding(SDE), seed=seed, activation=activation)
    low, high = law.domain()
    x = np.linspace(low - 1.0, high + 1.0, 400)
    h, y = features(x, T_EVAL), ExactScore(law, SDE)(x, T_EVAL)
    w, v = np.linalg.eigh(h.T @ h / len(x))
    c = v.T @ (h.T @ y) / len(x)
    theta = np.array([v @ (c / (np.maximum(w, 0.0) + r)) for r in ridge])
    return RandomFeatureScore(features, theta[:, None, :])


def interpolated_score(law, knots):
    """The exact score of a law at T_EVAL as ReLU features: linear between the knots."""
    values = ExactScore(law, SDE)(knots, T_EVAL)
    slopes = np.diff(values) / np.diff(knots)
    kinks = np.concatenate([[knots[0] - 1.0, knots[0]], knots[:-1]])
    weights = np.concatenate([[values[0], -values[0]], np.diff(slopes, prepend=0.0)])
    m = len(kinks)
    features = RandomFeatures(
        np.ones(m), np.stack([-kinks, np.zeros(m)], axis=1), AffineEmbedding()
    )
    return RandomFeatureScore(features, np.sqrt(m) * weights[None, :])


def random_score_and_domain(seed):
    """Random features, weights of random size, and a random domain."""
    rng = np.random.default_rng(seed)
    m = int(rng.integers(1, 40))
    features = draw_features("l1", m, LogSigmaEmbedding(SDE), seed=seed)
    theta = rng.standard_normal(m) * 10.0 ** rng.uniform(-2, 3)
    low = rng.uniform(-12, 3)
    domain = (low, low + 10.0 ** rng.uniform(-1, 1.3))
    return RandomFeatureScore(features, theta[None, :]), domain


def gaussian_score(mean, std, outer=0.0):
    """The score −(x − mean)/std², plus `outer`·(x − 40)₊, as three ReLU features."""
    features = RandomFeatures(
        [1.0, -1.0, 1.0], [[-mean, 0.0], [mean, 0.0], [-40.0, 0.0]], LogSigmaEmbedding(SDE)
    )
    root = np.sqrt(3.0)
    return RandomFeatureScore(features, [[-root / std**2, root / std**2, root * outer]])
