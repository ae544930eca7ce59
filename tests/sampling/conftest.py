"""Scores to sample from."""

import numpy as np
import pytest

import rfdiff
from rfdiff.model.embeddings import AffineEmbedding
from rfdiff.model.features import draw_features
from rfdiff.model.score import RandomFeatureScore


@pytest.fixture(scope="package")
def trained():
    """A ReLU score on the line at two training times."""
    return rfdiff.train_exact([1e3, 1e6], n=50, m=64)


@pytest.fixture(scope="package")
def planar():
    """A score in two dimensions, random but tame."""
    features = draw_features("gaussian", 30, AffineEmbedding(), seed=1, dimension=2)
    theta = 0.02 * np.random.default_rng(2).standard_normal((3, 2, 30))
    return RandomFeatureScore(features, theta)
