"""Lemma 2, [14]: KL(p_t‖p^{SDE}_{t,θ}) ≤ ½ ∫_t^T g² E_{p_s}‖s_θ − ∇log p_s‖² ds + KL(p_T‖π).

The integral is a population quadratic of θ with weighting g², so it is known at every training
time at once. It bounds the law of the *reverse SDE* run from the prior π down to time t; nothing
is said of the score-integral and probability-flow densities, whose KL may rise where it falls.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh

from ..diffusion.law_on_domain import Reference
from ..diffusion.mixtures import GaussianMixture
from ..diffusion.sde import ForwardSDE
from ..diffusion.targets import CompactTarget, Target
from ..loss.noise_expectation import denoising_quadratic
from ..loss.objective import DenoisingObjective
from ..loss.quadratic import QuadraticLoss
from ..loss.score_matching import score_norm
from ..model.features import RandomFeatures
from ..numerics.special import accurate_product
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.threads import blas_threads
from ..support.validation import FloatArray, count, positive

# Rounding of θGθᵀ: m² products whose errors add like a random walk.
_ROUNDING = 64.0 * 2.0**-53


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
        return Estimate(
            self.integral.value + self.prior.value, self.integral.error + self.prior.error
        )


@dataclass(frozen=True, eq=False)
class ScoreMatching:
    """L̃(θ) = E_t λ E‖s_θ − ∇log p_t‖² [7] as a quadratic of θ, with its quadrature error.

    The same Gram and cross terms as the denoising loss, with E_t λ E‖∇log p_t‖² as constant. A
    second assembly with half the time nodes measures the error of the time rule.
    """

    fine: QuadraticLoss
    coarse: QuadraticLoss
    constant_error: float

    @classmethod
    def assemble(
        cls, law: Target, objective: DenoisingObjective, features: RandomFeatures
    ) -> "ScoreMatching":
        """Assemble on the objective's time rule and on one of half its nodes.

        Args:
            law: the population, a law whose marginals have densities.
            objective: process, graded time rule and weighting.
            features: frozen features.
        """
        rule = objective.rule
        require_density(law, float(objective.sde.std(rule.nodes[0])))
        rules = objective, objective.with_times(max(1, len(rule) // 2))
        norms = [score_norm(law, part) for part in rules]
        fine, coarse = (
            QuadraticLoss(loss.gram, loss.cross, float(norm), loss.error)
            for loss, norm in zip(
                (denoising_quadratic(law, part, features) for part in rules),
                norms,
                strict=True,
            )
        )
        return cls(fine, coarse, float(norms[0].error))

    def __call__(self, theta: ArrayLike) -> Estimate:
        """Return L̃(θ) for θ of shape (…, d, m), shape (…)."""
        theta = np.asarray(theta, dtype=np.float64)
        factored = self._factored
        value = factored.least + (factored.from_best(theta) ** 2).sum((-2, -1))
        error = np.abs(value - self.coarse(theta)) + self.constant_error
        return Estimate(value, error + self._rounding(theta) + _ROUNDING * self.fine.constant)

    def difference(self, theta: ArrayLike, other: ArrayLike) -> Estimate:
        """Return L̃(θ) − L̃(θ') as ⟨θ − θ', G(θ + θ') − 2C⟩: no constant, no cancellation."""
        theta, other = np.asarray(theta, np.float64), np.asarray(other, np.float64)
        factored, step = self._factored, theta - other
        both = factored.from_best(theta) + factored.from_best(other)
        value = np.einsum("...dm,...dm->...", accurate_product(step, factored.factor), both)
        slope = self.coarse.image(theta + other) - 2.0 * self.coarse.cross
        coarse = np.einsum("...dm,...dm->...", step, slope)
        return Estimate(value, np.abs(value - coarse) + self._rounding(theta))

    @cached_property
    def _factored(self) -> "_Factored":
        return _Factored.of(self.fine)

    def _rounding(self, theta: FloatArray) -> FloatArray:
        """Return the error of the entries of G and C as it reaches L̃(θ)."""
        size = np.einsum("...dm,...dm->...", self.fine.image(theta), theta)
        size = size + 2.0 * np.abs(np.einsum("...dm,dm->...", theta, self.fine.cross))
        reach = np.abs(theta).sum((-2, -1))
        return _ROUNDING * np.abs(size) + self.fine.error * reach * (reach + 2.0)


@dataclass(frozen=True, eq=False)
class _Factored:
    """A quadratic loss as ‖θF − v‖² + least, G = FFᵀ.

    The plain form θGθᵀ − 2θCᵀ + c loses what ‖θ‖² multiplies of rounding, eight digits after long
    training, where ‖θ‖² passes 10⁷ and the terms cancel. Here it is ‖θ‖, and products are accurate.
    """

    factor: FloatArray
    best: FloatArray
    least: float

    @classmethod
    def of(cls, loss: QuadraticLoss) -> "_Factored":
        """Factor a loss by the eigenvectors of its Gram matrix."""
        with blas_threads(len(loss.gram)):
            eigenvalues, vectors = eigh(loss.gram, driver="evd", check_finite=False)
        root = np.sqrt(np.maximum(eigenvalues, 0.0))
        drive = loss.cross @ vectors
        # |c_i| ≤ √(λ_i E‖∇log p‖²): next to no eigenvalue, next to nothing to learn.
        learned = eigenvalues > 1e-3 * np.finfo(float).eps * eigenvalues[-1]
        best = np.divide(drive, root, out=np.zeros_like(drive), where=learned)
        return cls(vectors * root, best, loss.constant - float((best**2).sum()))

    def from_best(self, theta: FloatArray) -> FloatArray:
        """Return θF − v, shape of θ."""
        return accurate_product(theta, self.factor) - self.best


def kl_bound(
    theta: ArrayLike,
    law: Target,
    sde: ForwardSDE,
    features: RandomFeatures,
    *,
    t: float = 0.065,
    n_times: int = 64,
) -> Bound:
    """Return the bound on the reverse-SDE KL at time t for θ of shape (…, d, m).

    Args:
        theta: output weights, training times leading.
        law: target p₀; one-dimensional, with marginals that have densities.
        sde: forward process, whose prior is π.
        features: the frozen features.
        t: evaluation time in (0, T).
        n_times: nodes of the time rule on [t, T]; the error compares half as many.

    Raises:
        ArgumentError: the law has no density, or t is outside (0, T).

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=[1e2, 1e6], n=100, m=64)
    >>> bound = kl_bound(run.theta(), run.target, run.sde, run.features)
    >>> bool(bound.total.value[1] < bound.total.value[0])
    True
    """
    mismatch = ScoreMatching.assemble(law, bound_objective(sde, t, n_times), features)(theta)
    half_length = 0.5 * (sde.T - t)
    integral = Estimate(half_length * mismatch.value, half_length * mismatch.error)
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


def require_density(law: Any, std: float) -> Target:
    """Return `law` if it is a one-dimensional one whose marginal at noise `std` has a density."""
    if not isinstance(law, GaussianMixture | CompactTarget):
        raise ArgumentError(
            "a bound needs a law with a density: a target, not data of unknown law; "
            f"got {type(law).__name__}"
        )
    if law.dimension != 1:
        raise ArgumentError(f"law must be one-dimensional, got d = {law.dimension}")
    if std == 0.0 and isinstance(law, GaussianMixture) and (law.stds == 0).any():
        raise ArgumentError("a law with point masses has no density at t = 0: take a later time")
    return law
