"""The error terms of [15]: L̃(θ̂_n(τ)) = I₁ + I₂ + I₃ at every training time.

I₁ = L̃(θ̂_n(τ)) − L̃(θ(τ))   sampling: the empirical flow against the population's, same m;
I₂ = L̃ of the m = ∞ population flow at τ   what training for τ leaves at infinite width;
I₃ = L̃(θ(τ)) − I₂   width: the finite population flow against the infinite one.
L̃(θ*) and its m = ∞ counterpart, where population training ends (τ = ∞), are the approximation
errors that no training removes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..diffusion.targets import Target
from ..loss.noise_expectation import denoising_quadratic
from ..loss.objective import DenoisingObjective
from ..loss.score_matching import ScoreMatching
from ..model.features import RandomFeatures
from ..model.score import RandomFeatureScore
from ..numerics.halvings import Halvings
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray, finite_array, multiple, training_times
from ..training.gradient_flow import GradientFlow
from ..training.infinite_width_features import WideFlow, infinite_width_by_features
from ..training.rounding import FlowRounding, FlowRoundingAt


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The terms of [15] along training; all in the units of L̃ times `scale`.

    Attributes:
        tau: training times.
        total: L̃(θ̂_n(τ)), computed on its own.
        sample: I₁; negative where the sample happens to help.
        infinite: I₂.
        width: I₃; negative where the finite model learns faster.
        finite_error: L̃(θ*), the approximation error at width m.
        infinite_error: its counterpart of the infinitely wide model, which tends to zero as the
            wide model grows: the kernels are universal.
        scale: factor applied to every term.
    """

    tau: FloatArray
    total: Estimate
    sample: Estimate
    infinite: Estimate
    width: Estimate
    finite_error: Estimate
    infinite_error: Estimate
    scale: float = 1.0

    def scaled(self, factor: float) -> "Decomposition":
        """Return every term multiplied by a factor, such as (T − t)/2 to reach the bound."""

        def times(term: Estimate) -> Estimate:
            return Estimate(factor * term.value, factor * term.error, term.error_covers)

        return Decomposition(
            self.tau,
            times(self.total),
            times(self.sample),
            times(self.infinite),
            times(self.width),
            times(self.finite_error),
            times(self.infinite_error),
            factor * self.scale,
        )

    @property
    def parts(self) -> dict[str, Estimate]:
        """I₁, I₂ and I₃ by name: what adds up to the total."""
        return {"sample": self.sample, "infinite": self.infinite, "width": self.width}

    def shares(self, of: ArrayLike | None = None) -> dict[str, FloatArray]:
        """Return I₁, I₂ and I₃ as shares of a curve, of the shape of τ.

        Args:
            of: a measured KL along τ, to say how much of it each term explains; the total if
                None, and then the shares sum to one at every τ.
        """
        whole = self.total.value if of is None else finite_array("of", of)
        if whole.shape != self.tau.shape or (whole == 0).any():
            raise ArgumentError(
                f"of must have one non-zero value for each τ, shape {self.tau.shape}, "
                f"got shape {whole.shape}"
            )
        return {name: part.value / whole for name, part in self.parts.items()}


@dataclass(frozen=True, eq=False)
class InfiniteWidthLoss:
    """L̃ of the m = ∞ population flow along τ; it depends on no data and no draws.

    Attributes:
        models: wide models of the population, each with L̃ of its features.
    """

    models: Halvings[tuple[WideFlow, ScoreMatching]]

    @classmethod
    def build(
        cls,
        law: Target,
        features: RandomFeatures,
        *,
        training: DenoisingObjective,
        measured: DenoisingObjective,
        wide: int = 1536,
    ) -> "InfiniteWidthLoss":
        """Train wide models of the features' law on the population.

        Args:
            law: the population.
            features: features of a named law, of which the wide models have many more.
            training: the objective trained on.
            measured: that of L̃.
            wide: width of the widest model, a multiple of 4.

        Raises:
            ArgumentError: features of unknown law.
        """
        if features.law is None:
            raise ArgumentError(
                "features of unknown law have no infinite-width limit: draw them by name"
            )
        limit = infinite_width_by_features(
            law,
            training,
            features.embedding,
            features=features.law,
            activation=features.activation,
            preconditioner=features.preconditioner,
            m=wide,
        )
        return cls(
            limit.flows.map(
                lambda model: (model, ScoreMatching.assemble(law, measured, model.features))
            )
        )

    def __call__(self, tau: ArrayLike) -> Estimate:
        """Return L̃ along τ; the error is by halvings and random shifts of the wide model."""

        def loss(pair: tuple[WideFlow, ScoreMatching]) -> Estimate:
            model, measure = pair
            return measure(model.flow.theta(tau))

        return self.models.estimate(loss)


def decompose(
    tau: ArrayLike,
    score: RandomFeatureScore,
    *,
    law: Target,
    training: DenoisingObjective,
    measured: DenoisingObjective,
    wide: int = 1536,
    limit: InfiniteWidthLoss | None = None,
) -> Decomposition:
    """Split L̃(θ̂_n(τ)) into sampling, infinite-width training and width.

    Args:
        tau: training times (…).
        score: that of θ̂_n(τ) of the empirical flow from θ₀ = 0, with features of a named law.
        law: the population.
        training: the objective trained on.
        measured: that of L̃; with `bounds.bound_objective(sde, t)`, (T − t)/2 · L̃ is the bound's
            integral.
        wide: width of the quasi-Monte Carlo model that stands for m = ∞.
        limit: the `InfiniteWidthLoss` of the same arguments, to share among data sets and draws.

    Raises:
        ArgumentError: features without a law have no limit; a bad law or width.
    """
    tau, wide = training_times("tau", tau), multiple("wide", wide, 4)
    features = score.features
    if limit is None:
        limit = InfiniteWidthLoss.build(
            law, features, training=training, measured=measured, wide=wide
        )
    measure = ScoreMatching.assemble(law, measured, features)
    flow = GradientFlow(denoising_quadratic(law, training, features))
    population, error = flow.theta(tau), FlowRoundingAt(FlowRounding(flow), tau.ravel())
    of_population, infinite = measure(population, error), limit(tau)
    return Decomposition(
        tau,
        measure(score.theta, score.theta_error),
        measure.difference(score.theta, population, (score.theta_error, error)),
        infinite,
        of_population - infinite,
        measure(flow.theta(np.inf), FlowRoundingAt(error.rounding, np.array([np.inf]))),
        limit(np.inf),
    )
