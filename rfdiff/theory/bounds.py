"""Lemma 2, [14]: KL(p_t‖p^{SDE}_{t,θ}) ≤ ½ ∫_t^T g² E_{p_s}‖s_θ − ∇log p_s‖² ds + KL(p_T‖π).

The integral is a population quadratic of θ with weighting g², so it is known at every training
time at once. It bounds the law of the *reverse SDE* run from the prior π down to time t; nothing
is said of the score-integral and probability-flow densities, whose KL may rise where it falls.
"""

from dataclasses import dataclass

import numpy as np

from ..diffusion.law_on_domain import Reference
from ..diffusion.sde import ForwardSDE
from ..diffusion.targets import Target
from ..loss.objective import DenoisingObjective
from ..loss.score_matching import ScoreMatching, require_density
from ..model.score import RandomFeatureScore
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import count, positive


@dataclass(frozen=True, eq=False)
class Bound:
    """The two terms of the bound along training.

    Attributes:
        integral: ½ ∫_t^T g² E‖s_θ − ∇log p_s‖² ds, shape (…).
        prior: KL(p_T‖π), a scalar.
        t: the time whose reverse-SDE density is bounded.
    """

    integral: Estimate
    prior: Estimate
    t: float

    @property
    def total(self) -> Estimate:
        """The bound on KL(p_t‖p^{SDE}_{t,θ}), shape (…)."""
        return self.integral + self.prior


def kl_bound(
    score: RandomFeatureScore,
    law: Target,
    sde: ForwardSDE,
    *,
    t: float = 0.065,
    n_times: int = 64,
) -> Bound:
    """Return the bound on the reverse-SDE KL at time t, shape (…) of the score.

    Args:
        score: a learned score, training times leading.
        law: target p₀; one-dimensional, with marginals that have densities.
        sde: forward process, whose prior is π.
        t: evaluation time in (0, T).
        n_times: nodes of the time rule on [t, T]; the error compares half as many.

    Raises:
        ArgumentError: the law has no density, or t is outside (0, T).

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=[1e2, 1e6], n=100, m=64)
    >>> bound = kl_bound(run.learned_score(), run.target, run.sde)
    >>> bool(bound.total.value[1] < bound.total.value[0])
    True
    """
    loss = ScoreMatching.assemble(law, bound_objective(sde, t, n_times), score.features)
    integral = 0.5 * (sde.T - t) * loss(score.theta, score.theta_error)
    return Bound(integral, prior_divergence(law, sde), float(t))


def bound_objective(sde: ForwardSDE, t: float, n_times: int = 64) -> DenoisingObjective:
    """Return λ = g² on (t, T): (T − t)/2 times its score-matching loss is the bound's integral.

    Args:
        sde: forward process.
        t: evaluation time in (0, T).
        n_times: nodes of the graded time rule, at least 2.

    Raises:
        ArgumentError: t outside (0, T).
    """
    if not 0.0 < positive("t", t) < sde.T:
        raise ArgumentError(f"t must be in (0, T) = (0, {sde.T:g}), got {t:g}")
    return DenoisingObjective.graded(sde, t, count("n_times", n_times, 2), "likelihood")


def prior_divergence(law: Target, sde: ForwardSDE) -> Estimate:
    """Return KL(p_T‖π): the error of starting the reversal from the prior.

    Args:
        law: target p₀, in one dimension, whose marginal p_T has a density.
        sde: forward process, whose prior is π.

    Raises:
        ArgumentError: a law of another kind or dimension.

    >>> from rfdiff.diffusion.sde import VESDE
    >>> from rfdiff.diffusion.mixtures import bimodal
    >>> float(prior_divergence(bimodal(3.0), VESDE())) < 0.01
    True
    """
    require_density(law, float(sde.std(sde.T)))
    marginal = law.diffuse(float(sde.scale(sde.T)), float(sde.std(sde.T)))
    entropy = Reference(marginal, (-np.inf, np.inf)).entropy
    second_moment = float(marginal.variance[0] + marginal.mean[0] ** 2)
    cross = 0.5 * np.log(2.0 * np.pi * sde.prior_std**2) + 0.5 * second_moment / sde.prior_std**2
    return Estimate(max(cross - float(entropy), 0.0), float(entropy.error))
