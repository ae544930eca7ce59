"""A score of training in the data's own units is the score of the law in those units."""

import numpy as np
import pytest

from rfdiff.data.units import Units
from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.diffusion.sde import VESDE
from rfdiff.model.embeddings import LogSigmaEmbedding
from rfdiff.model.features import draw_features
from rfdiff.model.score import ExactScore, RandomFeatureScore, fast_score
from rfdiff.model.score_in_units import ScoreInUnits, score_in_units

SDE, T = VESDE(), 0.1


@pytest.mark.parametrize("d", [1, 2])
def test_is_the_score_of_the_noisy_law_in_its_own_units(d):
    law = GaussianMixture([0.3, 0.7], np.linspace(50.0, 80.0, 2 * d).reshape(2, d), [3.0, 8.0])
    units = Units(np.full(d, 65.0) if d > 1 else 65.0, 12.5)
    score = score_in_units(ExactScore(units.law_to_training(law), SDE), units)
    # The noise of the process has the standard deviation σ_t in units of training.
    noisy = law.diffuse(1.0, float(units.length_to_own(SDE.std(T))))
    x = law.sample(20, np.random.default_rng(0))
    x = x[:, 0] if d == 1 else x
    assert (score.dimension, score.shape) == (d, ())
    np.testing.assert_allclose(score(x, T), noisy.score(x), rtol=1e-12)
    np.testing.assert_allclose(score.divergence(x, T), noisy.score_divergence(x), rtol=1e-11)


def test_training_times_lead():
    features = draw_features("l1", 8, LogSigmaEmbedding(SDE), seed=0)
    theta = np.random.default_rng(1).standard_normal((2, 3, 1, 8))
    score = ScoreInUnits(RandomFeatureScore(features, theta), Units(65.0, 12.5))
    x = np.linspace(40.0, 90.0, 5)
    assert score.shape == (2, 3)
    assert score(x, T).shape == score.divergence(x, T).shape == (2, 3, 5)
    single = score.select(4)
    np.testing.assert_allclose(single(x, T), score(x, T)[1, 1], rtol=1e-13)
    fast = score.evaluator(4)(x[:, None], T)[:, 0]
    np.testing.assert_allclose(fast, score(x, T)[1, 1], rtol=1e-12)
    assert fast_score(score) is score and not score.is_smooth


def test_own_units_of_training_leave_the_score_itself():
    score = ExactScore(GaussianMixture([1.0], [[0.0]], 1.0), SDE)
    assert score_in_units(score, Units()) is score
