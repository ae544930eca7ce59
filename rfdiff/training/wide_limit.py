"""The flow at m → ∞ for any feature law, by a wide model with evenly spread features.

Random features reach the limit as m^{−1/2}. Spread evenly over the law instead, they reach it far
faster: on the sphere of directions in R³ (d = 1 with the default embedding) a Fibonacci lattice
of 1024 features has the kernel to 1e-4, where as many random ones have 6e-2. ReLU is homogeneous,
so a direction and its expected squared length are all that matters of a row. Hinges of small
slope have their kinks far apart; the lattice is denser there, and weighted, which gains another
factor of two at late training times. In other dimensions the spread is a Kronecker sequence. A
model of half the width measures the error.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from ..diffusion.sde import ForwardSDE
from ..diffusion.targets import Target
from ..loss.noise_expectation import denoising_quadratic
from ..loss.objective import DenoisingObjective
from ..loss.score_matching import score_norm
from ..model.activations import ACTIVATIONS
from ..model.embeddings import Embedding
from ..model.feature_laws import FEATURE_LAWS
from ..model.features import RandomFeatures
from ..support.estimate import Estimate
from ..support.validation import FloatArray, count, multiple, training_times
from .gradient_flow import GradientFlow

# What errors of the limit cover.
_WIDTH = "width of the wide model"


def spread_features(
    law: str,
    m: int,
    embedding: Embedding,
    *,
    activation: str = "relu",
    preconditioner: ForwardSDE | None = None,
) -> RandomFeatures:
    """Return m features spread evenly over a feature law in d = 1, without randomness.

    Their mean of act(v·z) act(v·z') approximates the law's kernel to about 1/m. Rows of ReLU
    features carry the square root of their quadrature weight.

    >>> from rfdiff.model.embeddings import LogSigmaEmbedding
    >>> from rfdiff.diffusion.sde import VESDE
    >>> features = spread_features("l1", 1024, LogSigmaEmbedding(VESDE()))
    >>> lengths = np.abs(features.W).sum(1) + np.abs(features.U).sum(1)
    >>> bool(np.isclose((lengths**2).mean(), 1.0, rtol=1e-5))
    True
    """
    chosen, act = FEATURE_LAWS[law], ACTIVATIONS[activation]
    m = count("m", m)
    size = 1 + embedding.size
    directions, weights = _directions(size, m)
    rows = chosen.along(directions)
    if rows is not None and act.is_piecewise_linear:
        rows = rows * np.sqrt(weights)[:, None]
    else:
        rows = chosen.at(_lattice(size, m), 1)
    return RandomFeatures(rows[:, :1], rows[:, 1:], embedding, activation, preconditioner, law)


@dataclass(frozen=True, eq=False)
class WideFlow:
    """One wide model of evenly spread features and its flow."""

    features: RandomFeatures
    flow: GradientFlow
    score_norm: float
    constant: float

    def loss(self, tau: ArrayLike) -> FloatArray:
        """Return the score-matching loss of the law the flow was trained on, along τ."""
        return self.flow.loss(tau) - self.constant + self.score_norm

    def score(self, x: ArrayLike, t: float, tau: ArrayLike) -> FloatArray:
        """Return s_τ(x, t), shape τ.shape + x.shape."""
        return np.tensordot(self.flow.theta(tau)[..., 0, :], self.features(x, t), (-1, -1))


@dataclass(frozen=True, eq=False)
class WideLimit:
    """The infinite-width flow of any law, with errors from models of 1/2 and 1/4 of the width."""

    fine: WideFlow
    coarse: WideFlow
    coarsest: WideFlow

    @property
    def models(self) -> tuple[WideFlow, WideFlow, WideFlow]:
        """The three models, widest first."""
        return self.fine, self.coarse, self.coarsest

    def loss(self, tau: ArrayLike) -> Estimate:
        """Return the score-matching loss along τ."""
        tau = training_times("tau", tau)
        fine, coarse, coarsest = (model.loss(tau) for model in self.models)
        return Estimate.from_halvings((fine, coarse, coarsest), _WIDTH)

    def score(self, x: ArrayLike, t: float, tau: ArrayLike) -> Estimate:
        """Return s_τ(x, t), shape τ.shape + x.shape."""
        tau = training_times("tau", tau)
        fine, coarse, coarsest = (model.score(x, t, tau) for model in self.models)
        return Estimate.from_halvings((fine, coarse, coarsest), _WIDTH)


def wide_limit(
    law: Target,
    objective: DenoisingObjective,
    embedding: Embedding,
    *,
    features: str = "l1",
    activation: str = "relu",
    preconditioner: ForwardSDE | None = None,
    m: int = 1536,
) -> WideLimit:
    """Return the m → ∞ flow of any feature law, approximated by m evenly spread features.

    The error of its predictions is how they change from m/4 to m/2 to m features.

    Args:
        law: the population, or `GaussianMixture.from_points(data)` for the empirical flow.
        objective: process, time rule and weighting of the training loss; the finite model's own
            time rule makes the two comparable.
        embedding: e(t).
        features: feature law.
        activation: activation.
        preconditioner: the SDE whose σ_t divides the output, as in `RandomFeatures`.
        m: width, a multiple of 4; an eigendecomposition of m × m is the cost.
    """
    multiple("m", m, 4)
    norm_of_score = float(score_norm(law, objective))

    def build(width: int) -> WideFlow:
        spread = spread_features(
            features, width, embedding, activation=activation, preconditioner=preconditioner
        )
        quadratic = denoising_quadratic(law, objective, spread)
        return WideFlow(spread, GradientFlow(quadratic), norm_of_score, quadratic.constant)

    return WideLimit(build(m), build(m // 2), build(m // 4))


def _directions(dimension: int, m: int) -> tuple[FloatArray, FloatArray]:
    """Return m unit vectors spread over the sphere in R^dimension, and weights of mean 1."""
    if dimension == 3:
        # Fibonacci lattice, golden angle in longitude, with slopes w = s|s| instead of w = s.
        i = np.arange(m) + 0.5
        s, longitude = 1.0 - 2.0 * i / m, np.pi * (1.0 + np.sqrt(5.0)) * i
        w = s * np.abs(s)
        radius = np.sqrt(1.0 - w * w)
        rows = np.stack([w, radius * np.cos(longitude), radius * np.sin(longitude)], axis=1)
        return rows, 2.0 * np.abs(s)
    rows = ndtri(_lattice(dimension, m))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), np.ones(m)


def _lattice(dimension: int, m: int) -> FloatArray:
    """Return m points of a Kronecker sequence in the open unit cube: frac(i α), i = 1 … m.

    α_k = g^{−k} with g the root above 1 of g^{dimension+1} = g + 1, the golden ratio's kin: the
    points of any m fill the cube evenly.
    """
    ratio = 2.0
    for _ in range(64):
        ratio = (1.0 + ratio) ** (1.0 / (dimension + 1.0))
    steps = ratio ** -np.arange(1.0, dimension + 1.0)
    points = np.mod(np.arange(1.0, m + 1.0)[:, None] * steps, 1.0)
    return np.clip(points, 2.0**-33, 1.0 - 2.0**-33)
