"""The gradient flow at m → ∞ for any feature law, by a wide model of quasi-Monte Carlo features.

They reach the limit far faster than random ones (`model.infinite_width.quasi_random_features`);
models of half and a quarter of the width, whose features are shifted at random several times,
measure the error. Integrals over x are exact, so that the law may be a data set's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..diffusion.sde import ForwardSDE
from ..diffusion.targets import Target
from ..loss.noise_expectation import denoising_quadratic
from ..loss.objective import DenoisingObjective
from ..loss.score_matching import score_norm
from ..model.embeddings import Embedding
from ..model.features import RandomFeatures
from ..model.infinite_width.quasi_random_features import quasi_random_features
from ..numerics.halvings import Halvings
from ..support.validation import FloatArray, multiple
from .gradient_flow import GradientFlow
from .infinite_width import InfiniteWidth


@dataclass(frozen=True, eq=False)
class WideFlow:
    """One wide model of quasi-Monte Carlo features and its flow from θ₀ = 0.

    Attributes:
        features: the features.
        flow: the gradient flow of their output layer.
        score_norm: E_t λ E‖∇log p_t‖², the loss of s = 0.
    """

    features: RandomFeatures
    flow: GradientFlow
    score_norm: float

    def loss(self, tau: ArrayLike) -> FloatArray:
        """Return the score-matching loss of the law that is trained on, of the shape of τ."""
        return self.flow.loss(tau) - self.flow.quadratic.constant + self.score_norm

    def score(self, x: ArrayLike, t: float, tau: ArrayLike) -> FloatArray:
        """Return s_τ(x, t), shape τ.shape + x.shape."""
        return np.tensordot(self.flow.theta(tau)[..., 0, :], self.features(x, t), (-1, -1))


def infinite_width_by_features(
    law: Target,
    objective: DenoisingObjective,
    embedding: Embedding,
    *,
    features: str = "l1",
    activation: str = "relu",
    preconditioner: ForwardSDE | None = None,
    m: int = 1536,
) -> InfiniteWidth[WideFlow]:
    """Return the m → ∞ flow of any feature law, approximated by m quasi-Monte Carlo features.

    The error of its predictions is what their trend from m/4 to m/2 to m features leaves, and how
    they vary over four independent random shifts of m/2 features (`rfdiff.numerics.halvings`).

    Args:
        law: the population, or `GaussianMixture.from_points(data)` for the empirical flow.
        objective: process, time rule and weighting of the training loss; the finite model's own
            time rule makes the two comparable.
        embedding: e(t).
        features: name of a feature law.
        activation: name of an activation.
        preconditioner: the SDE whose σ_t divides the output, as in `RandomFeatures`.
        m: width, a multiple of 4; the cost is that of 1.6 eigendecompositions of m × m.

    >>> import rfdiff
    >>> sde = rfdiff.VESDE()
    >>> limit = infinite_width_by_features(
    ...     rfdiff.bimodal(), DenoisingObjective.graded(sde), rfdiff.LogSigmaEmbedding(sde), m=256
    ... )
    >>> loss = limit.loss(1e2)
    >>> bool(loss.error < 0.02 * loss.value)
    True
    """
    multiple("m", m, 4)
    norm = float(score_norm(law, objective))

    def build(share: int, shift: int) -> WideFlow:
        placed = quasi_random_features(
            features,
            m // share,
            embedding,
            activation=activation,
            preconditioner=preconditioner,
            shift=shift,
        )
        return WideFlow(placed, GradientFlow(denoising_quadratic(law, objective, placed)), norm)

    return InfiniteWidth(law, objective, Halvings.build_random(build, "width of the wide model"))
