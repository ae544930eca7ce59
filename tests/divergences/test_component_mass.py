"""Masses of components: exact scores, direct integration, distribution functions, and their sum."""

import numpy as np
import pytest

import rfdiff
from rfdiff.densities.learned_density import METHODS
from rfdiff.densities.probability_flow.density import ProbabilityFlowDensity
from rfdiff.densities.reverse_sde.density import ReverseSDEDensity
from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.divergences.component_mass import component_masses
from rfdiff.model.score import ExactScore

LAW = GaussianMixture([0.1, 0.3, 0.6], [-4.0, 0.0, 3.0], [0.5, 0.3, 1.0])


@pytest.fixture(scope="module")
def run():
    return rfdiff.train_exact([0.0, 1e3, 1e6], m=64, n=100, target=LAW)


def test_responsibilities_are_shares_of_the_density():
    law = GaussianMixture([0.2, 0.8], [[0.0, 1.0], [2.0, -1.0]], [0.5, 1.5])
    x = np.random.default_rng(0).standard_normal((3, 4, 2))
    parts = [
        law.weights[k] * GaussianMixture([1.0], law.means[[k]], law.stds[k]).density(x)
        for k in range(2)
    ]
    expected = np.stack(parts, axis=-1) / law.density(x)[..., None]
    np.testing.assert_allclose(law.responsibilities(x), expected, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_masses_add_up_and_equal_direct_integrals(run, method):
    """By the trapezoidal rule over p̂, or over P̂ by parts where p̂ is too rough for it."""
    learned = run.learned_density(method=method)
    learned = learned.on(learned.support)
    found = component_masses(LAW, learned)
    assert found.shape == (3, 3)
    assert (np.abs(found.value.sum(-1) - 1.0) <= found.error.sum(-1) + 1e-12).all()
    low, high = learned.domain if np.isfinite(learned.domain).all() else (-120.0, 120.0)
    x = np.unique(np.concatenate([np.linspace(low, high, 20_001), np.linspace(-10, 10, 20_001)]))
    x = x[(x >= low) & (x <= high)]
    shares = LAW.responsibilities(x)
    if method == "probability-flow":
        below = learned.cdf(x)
        middle = 0.5 * (below[:, 1:] + below[:, :-1])
        direct = shares[-1] - middle @ np.diff(shares, axis=0)
    else:
        direct = np.trapezoid(learned.density(x)[..., None] * shares, x, axis=1)
    assert (np.abs(found.value - direct) <= found.error + 2e-6).all()
    # The control: no mass is that of the next component.
    assert (np.abs(found.value - np.roll(direct, 1, -1)) > found.error + 1e-3).all()


@pytest.mark.parametrize("density", [ProbabilityFlowDensity, ReverseSDEDensity])
def test_the_exact_score_gives_every_component_its_weight(density):
    sde, t = rfdiff.VESDE(), 0.05
    at_t, at_end = (LAW.diffuse(1.0, float(sde.std(time))) for time in (t, 1.0))
    found = component_masses(at_t, density(ExactScore(LAW, sde), sde, t, prior=at_end))
    assert (np.abs(found.value - LAW.weights) <= found.error).all()
    assert found.error.max() < 2e-3
    # The control: shares of another mixture.
    other = component_masses(
        GaussianMixture([0.2, 0.2, 0.6], LAW.means, at_t.stds),
        density(ExactScore(LAW, sde), sde, t, prior=at_end),
    )
    assert (np.abs(other.value - LAW.weights) > 1e-3).any()
