"""Samples against densities solved without sampling.

Fixed seeds; each Kolmogorov–Smirnov test is at a false-alarm rate of 1e-3 and has a wrong target
beside it that must fail.
"""

import numpy as np
import pytest
from scipy import stats

from reference.paper import SDE, T_EVAL, marginal
from reference.samples import draw
from rfdiff.densities.probability_flow.density import ProbabilityFlowDensity
from rfdiff.densities.reverse_sde.density import ReverseSDEDensity
from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.diffusion.sde import VESDE, VPSDE, SubVPSDE
from rfdiff.model.score import ExactScore
from rfdiff.sampling.schemes import SCHEMES

FALSE_ALARM = 1e-3
STOCHASTIC = [name for name, scheme in SCHEMES.items() if scheme.stochastic]
N = 20_000


@pytest.mark.parametrize("name", STOCHASTIC)
def test_reverse_sde(name, trained):
    """The learned score at τ = 1e6 and, the wrong target, at τ = 1e3."""
    right, wrong = (
        ReverseSDEDensity(trained.learned_score(tau), SDE, T_EVAL) for tau in (1e6, 1e3)
    )
    x = trained.sample(N, 1e6, scheme=name, n_steps=1000, seed=5)
    assert stats.kstest(x, right.cdf).pvalue > FALSE_ALARM
    assert stats.kstest(x, wrong.cdf).pvalue < FALSE_ALARM


def test_probability_flow(trained):
    """The flow's law is another than the reverse SDE's: the wrong target."""
    score = trained.learned_score(1e3)
    x = trained.sample(N, 1e3, scheme="probability-flow", n_steps=300, seed=5)
    flow = ProbabilityFlowDensity(score, SDE, T_EVAL)
    sde = ReverseSDEDensity(score, SDE, T_EVAL)
    assert stats.kstest(x, flow.cdf).pvalue > FALSE_ALARM
    assert stats.kstest(x, sde.cdf).pvalue < FALSE_ALARM


@pytest.mark.parametrize("sde", [VESDE(), VPSDE(), SubVPSDE()])
@pytest.mark.parametrize("name", SCHEMES)
def test_exact_score_and_prior(name, sde):
    law, t = GaussianMixture([0.7, 0.3], [-2.0, 2.0], [0.8, 0.5]), 0.1
    x = draw(
        ExactScore(law, sde), sde, 2000, t=t, scheme=name, n_steps=200, seed=2,
        prior=marginal(law, sde, sde.T),
    )  # fmt: skip
    assert stats.kstest(x, marginal(law, sde, t).cdf).pvalue > FALSE_ALARM
    shifted = marginal(law.affine(0.15, 1.0), sde, t)
    assert stats.kstest(x, shifted.cdf).pvalue < FALSE_ALARM


def test_two_dimensions():
    """A planar mixture: both coordinates, and a direction across them."""
    sde, t = VPSDE(), 0.05
    law = GaussianMixture([0.4, 0.6], [[-2.0, 1.0], [1.0, -1.5]], [0.5, 0.8])
    x = draw(ExactScore(law, sde), sde, 4000, t=t, n_steps=200, prior=marginal(law, sde, 1.0))
    assert x.shape == (4000, 2)
    end = marginal(law, sde, t)
    for direction in np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]):
        shadow = GaussianMixture(end.weights, end.means @ direction, end.stds)
        assert stats.kstest(x @ direction, shadow.cdf).pvalue > FALSE_ALARM
        assert stats.kstest(x @ -direction, shadow.cdf).pvalue < FALSE_ALARM
