"""The score table against the score itself."""

import numpy as np
import pytest

from reference.paper import SDE
from rfdiff.model.embeddings import LogSigmaEmbedding
from rfdiff.model.features import RandomFeatures, draw_features
from rfdiff.model.line.score_table import score_table
from rfdiff.model.score import RandomFeatureScore
from rfdiff.support.errors import ArgumentError

TIMES = np.array([1e-3, 0.065, 0.4, 1.0])


def check(score, x):
    table = score_table(score, TIMES)
    for i, t in enumerate(TIMES):
        value, slope = table.evaluate(x, i)
        size = np.abs(value).max() + 1.0
        np.testing.assert_allclose(value, score(x, t), atol=1e-12 * size)
        np.testing.assert_allclose(slope, score.divergence(x, t), atol=1e-12 * size)


@pytest.mark.parametrize("law", ["l1", "gaussian", "torch"])
@pytest.mark.parametrize("precondition", [False, True])
def test_table_equals_score(law, precondition):
    features = draw_features(
        law, 200, LogSigmaEmbedding(SDE), seed=1, preconditioner=SDE if precondition else None
    )
    theta = np.random.default_rng(0).standard_normal((2, 3, 1, 200))
    x = np.random.default_rng(1).standard_cauchy((4, 250))
    check(RandomFeatureScore(features, theta), x)


@pytest.mark.parametrize("m", [1, 2, 3])
def test_few_constant_far_and_repeated_kinks(m):
    w = np.array([0.0, 0.0, 1e-200, -1e-200, *[0.5] * 40, *[-0.5] * 40][: 84 if m == 3 else m])
    u = np.random.default_rng(m).standard_normal((len(w), 2))
    u[4:] = u[4:5]
    score = RandomFeatureScore(
        RandomFeatures(w, u, LogSigmaEmbedding(SDE)), np.linspace(-1.0, 2.0, len(w))[None, :]
    )
    check(score, np.linspace(-7.0, 9.0, 101))


def test_lookup_counts_the_kinks_below_even_at_and_beside_them():
    features = draw_features("l1", 300, LogSigmaEmbedding(SDE), seed=2)
    table = score_table(RandomFeatureScore(features, np.ones((1, 300))), TIMES)
    marked = np.arange(301.0)  # interval numbers in place of slopes
    table.slopes[0, 1] = marked
    at = table.kinks[1]
    x = np.concatenate([at, np.nextafter(at, -np.inf), np.nextafter(at, np.inf), [-1e9, 1e9]])
    _, interval = table.evaluate(x, 1)
    np.testing.assert_array_equal(interval, np.searchsorted(at, x, side="left"))


def test_bad_arguments_are_named():
    smooth = draw_features("l1", 4, LogSigmaEmbedding(SDE), seed=0, activation="tanh")
    with pytest.raises(ArgumentError, match="needs ReLU features"):
        score_table(RandomFeatureScore(smooth, np.zeros((1, 4))), TIMES)
    features = draw_features("l1", 4, LogSigmaEmbedding(SDE), seed=0)
    table = score_table(RandomFeatureScore(features, np.zeros((1, 4))), TIMES)
    with pytest.raises(ArgumentError, match="index below 4"):
        table.evaluate(0.0, 4)
