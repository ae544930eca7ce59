"""The score-matching loss L̃(θ) = E_t λ E‖s_θ − ∇log p_t‖² [7], in one dimension.

It has the Gram and cross terms of the denoising loss and another constant, E_t λ E‖∇log p_t‖²; it
vanishes at the true score.
"""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..diffusion.mixtures import GaussianMixture
from ..diffusion.targets import CompactTarget, Target
from ..model.features import RandomFeatures
from ..model.theta_error import ThetaError
from ..numerics.halvings import Halvings
from ..numerics.quadrature import integrate_panels
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray
from .completed_square import CompletedSquare
from .noise_expectation import denoising_quadratic
from .objective import DenoisingObjective
from .quadratic import Quadratic

# The Fisher integrand p (∇log p)² is below 1e-16 this many widths outside the components.
_TAIL = 9.0
_PANEL_ORDER = 12
# Rounding of θGθᵀ: m² products whose errors add like a random walk.
_ROUNDING = 64.0 * 2.0**-53


def score_norm(law: Target, objective: DenoisingObjective) -> Estimate:
    """Return E_t λ E‖∇log p_t‖², the score-matching loss of s = 0.

    The error is that of the quadrature in x; the time rule's is not included.

    Args:
        law: the population, in one dimension, with marginals that have densities.
        objective: process, times and weighting.

    Raises:
        ArgumentError: d > 1.

    >>> import numpy as np, rfdiff
    >>> law = rfdiff.GaussianMixture([1.0], [0.0], 1.0)     # p_t = N(0, 1) throughout
    >>> norm = score_norm(
    ...     law, DenoisingObjective.graded(rfdiff.VPSDE(), n_times=16, weighting=np.ones_like)
    ... )
    >>> abs(float(norm) - 1.0) < 1e-12
    True
    """
    if law.dimension != 1:
        raise ArgumentError(f"score_norm covers dimension 1 only, got {law.dimension}")
    nodes, sde = objective.rule.nodes, objective.sde
    value = error = 0.0
    for weight, r, std in zip(
        objective.node_weights(), sde.scale(nodes), sde.std(nodes), strict=True
    ):
        marginal = law.diffuse(float(r), float(std))
        low, high = marginal.domain(_TAIL)
        edges = np.linspace(low, high, int(np.ceil((high - low) / marginal.stds.min())) + 1)
        part = integrate_panels(partial(_fisher_information, marginal), edges, _PANEL_ORDER)
        value += weight * float(part.value)
        error += weight * float(part.error)
    return Estimate(value, error)


def _fisher_information(law: GaussianMixture, x: FloatArray) -> FloatArray:
    return law.density(x) * law.score(x) ** 2


@dataclass(frozen=True, eq=False)
class ScoreMatching:
    """L̃(θ) = E_t λ E‖s_θ − ∇log p_t‖² [7] as a quadratic of θ, with its quadrature error.

    Assemblies with a half and a quarter of the time nodes measure the error of the time rule.

    Attributes:
        rules: the loss on the objective's own time nodes, and on fewer.
        constant_error: error of the constant by the quadrature in x.
    """

    rules: Halvings[Quadratic]
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

        Raises:
            ArgumentError: a law without a density at the first time node.
        """
        rule = objective.rule
        require_density(law, float(objective.sde.std(rule.nodes[0])))
        norm_errors = []

        def assembled(share: int) -> Quadratic:
            fewer = objective if share == 1 else objective.with_times(max(1, len(rule) // share))
            norm = score_norm(law, fewer)
            norm_errors.append(float(norm.error))
            return denoising_quadratic(law, fewer, features).with_constant(float(norm))

        rules = Halvings.build(assembled, "quadrature, rounding and time rule")
        return cls(rules, norm_errors[0])

    @property
    def fine(self) -> Quadratic:
        """The loss on the objective's own time nodes."""
        return self.rules.fine

    def __call__(self, theta: ArrayLike, theta_error: ThetaError | None = None) -> Estimate:
        """Return L̃(θ) for θ of shape (…, d, m), shape (…).

        Args:
            theta: θ.
            theta_error: what θ itself errs by; exact if None.
        """
        theta = np.asarray(theta, dtype=np.float64)
        # The fine rule's value keeps digits where θ is large, and is what the others differ from.
        values = self.rules.map(
            lambda loss: self._square(theta) if loss is self.fine else loss(theta)
        )
        error = _of_rule(values) + self.constant_error + self._of_theta(theta, theta_error)
        error = error + self._rounding(theta) + _ROUNDING * self.fine.constant
        return Estimate(values.fine, error, self.rules.resolution)

    def difference(
        self,
        theta: ArrayLike,
        other: ArrayLike,
        errors: tuple[ThetaError | None, ThetaError | None] = (None, None),
    ) -> Estimate:
        """Return L̃(θ) − L̃(θ'), shape (…): the constant and its error drop out.

        Args:
            theta: θ, shape (…, d, m).
            other: θ', of that shape.
            errors: what θ and θ' err by; exact where None.
        """
        theta, other = np.asarray(theta, np.float64), np.asarray(other, np.float64)
        values = self.rules.map(
            lambda loss: (self._square if loss is self.fine else loss).difference(theta, other)
        )
        value, error = values.fine, _of_rule(values)
        for each, its_error in zip((theta, other), errors, strict=True):
            error = error + self._of_theta(each, its_error)
        return Estimate(value, error + self._rounding(theta))

    def _of_theta(self, theta: FloatArray, theta_error: ThetaError | None) -> FloatArray:
        """Return what the error of θ makes of L̃(θ), shape (…)."""
        if theta_error is None:
            return np.zeros(theta.shape[:-2])
        flat = theta.reshape(-1, *theta.shape[-2:])
        return theta_error.of(lambda k: self.fine.gradient(flat[k])).reshape(theta.shape[:-2])

    @cached_property
    def _square(self) -> CompletedSquare:
        return self.fine.completed_square()

    def _rounding(self, theta: FloatArray) -> FloatArray:
        """Return the error of the entries of G and C as it reaches L̃(θ)."""
        size = np.einsum("...dm,...dm->...", self.fine.image(theta), theta)
        size = size + 2.0 * np.abs(np.einsum("...dm,dm->...", theta, self.fine.cross))
        reach = np.abs(theta).sum((-2, -1))
        return _ROUNDING * np.abs(size) + self.fine.error * reach * (reach + 2.0)


def _of_rule(values: Halvings[FloatArray]) -> FloatArray:
    """Return the error of the finest time rule from what both halvings change.

    The last change, and what the one before may hide where the last is small by chance; half of
    that where changes fall sixteenfold or faster, as those of a rule that has converged.
    """
    (coarse,), (coarsest,) = values.coarse, values.coarsest
    last = np.abs(values.fine - coarse)
    before = np.abs(coarse - coarsest)
    rate = np.divide(last, before, out=np.ones_like(last), where=before > 0.0)
    return np.clip(8.0 * rate, 0.5, 1.0) * (last + np.minimum(0.25 * before, 2.0 * last))


def require_density(law: Any, std: float) -> Target:
    """Return `law` if it is a one-dimensional one whose marginal at noise `std` has a density.

    Args:
        law: anything; a target passes.
        std: σ_t at the smallest time that is looked at.

    Raises:
        ArgumentError: no target, d > 1, or point masses without noise.
    """
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
