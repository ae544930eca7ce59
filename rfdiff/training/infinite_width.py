"""The gradient flow at m → ∞, from θ₀ = 0, at a resolution and its two halvings.

Two ways lead there: the kernel of a feature law, where it has a closed form, on quadrature nodes
(`infinite_width_kernel`), and a wide model of quasi-Monte Carlo features of any law
(`infinite_width_features`).
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from numpy.typing import ArrayLike

from ..diffusion.targets import Target
from ..loss.objective import DenoisingObjective
from ..numerics.halvings import Halvings
from ..support.estimate import Estimate
from ..support.validation import FloatArray


class ScoreFlow(Protocol):
    """A score along training and its loss."""

    def loss(self, tau: ArrayLike) -> FloatArray:
        """Return the score-matching loss E_t λ E‖s_τ − ∇log p_t‖², of the shape of τ."""

    def score(self, x: ArrayLike, t: float, tau: ArrayLike) -> FloatArray:
        """Return s_τ(x, t), shape τ.shape + x.shape."""


F = TypeVar("F", bound=ScoreFlow)


@dataclass(frozen=True, eq=False)
class InfiniteWidth(Generic[F]):
    """The m → ∞ flow of a law, whose predictions know the error of their discretisation.

    Attributes:
        law: what is trained on: a population, or the empirical law of a data set.
        objective: process, time rule and weighting of the training loss.
        flows: the flow at a resolution, at half of it and at a quarter; the latter by several
            random shifts where features are shifted.
    """

    law: Target
    objective: DenoisingObjective
    flows: Halvings[F]

    def loss(self, tau: ArrayLike) -> Estimate:
        """Return the score-matching loss E_t λ E‖s_τ − ∇log p_t‖², of the shape of τ."""
        return self.flows.estimate(lambda flow: flow.loss(tau))

    def score(self, x: ArrayLike, t: float, tau: ArrayLike) -> Estimate:
        """Return s_τ(x, t), shape τ.shape + x.shape.

        Args:
            x: points of any shape.
            t: time in [0, T].
            tau: training times of any shape.
        """
        return self.flows.estimate(lambda flow: flow.score(x, t, tau))
