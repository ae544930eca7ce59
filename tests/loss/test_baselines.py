"""Losses of scores that nobody trains, against plain Monte Carlo."""

import numpy as np

from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.diffusion.sde import VESDE
from rfdiff.loss.baselines import affine_loss, mixture_loss
from rfdiff.loss.objective import DenoisingObjective
from rfdiff.model.affine_skip import AffineSkip

SDE = VESDE()
RNG = np.random.default_rng(0)
LAW = GaussianMixture.from_points(RNG.standard_normal((12, 3)) + 1.0)
OTHER = GaussianMixture([0.4, 0.6], RNG.standard_normal((2, 3)), [0.5, 1.0])
OBJECTIVE = DenoisingObjective.at_times(SDE, [0.2, 0.6])


def by_draws(score, n=200_000):
    """Return E_t λ E‖score + z/σ‖² under the other law and its standard error."""
    value = variance = 0.0
    for t, weight in zip(OBJECTIVE.rule.nodes, OBJECTIVE.node_weights(3), strict=True):
        sigma = float(SDE.std(t))
        z = RNG.standard_normal((n, 3))
        losses = np.square(score(OTHER.sample(n, RNG) + sigma * z, t) + z / sigma).sum(1)
        value, variance = value + weight * losses.mean(), variance + weight**2 * losses.var() / n
    return value, np.sqrt(variance)


def test_gaussian_score():
    skip = AffineSkip.gaussian(LAW, SDE)
    value, deviation = by_draws(skip)
    assert abs(affine_loss(OTHER, OBJECTIVE, skip) - value) < 4 * deviation < 0.02 * value


def test_empirical_score():
    def score(x, t):
        return LAW.diffuse(1.0, float(SDE.std(t))).score(x)

    value, deviation = by_draws(score)
    found = mixture_loss(LAW, OTHER, OBJECTIVE, n_draws=2000)
    assert abs(float(found) - value) < 4 * deviation + float(found.error)
    assert float(found.error) < 0.1 * value
