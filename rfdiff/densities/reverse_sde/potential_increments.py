"""Differences of the potential of the reverse Fokker–Planck equation between grid nodes.

ψ = 2∫s dx + K²ξ²/2 − (2C/v_T²) S ξ on the moving grid: all that the solve sees of the score.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..._kernels import fokker_planck as kernels
from ...model.score import RandomFeatureScore, Score, fast_score, is_piecewise_linear
from ...numerics.quadrature import gauss_legendre
from ...support.validation import FloatArray
from .moving_grid import Clock, MovingGrid


class PotentialIncrements(Protocol):
    """Differences of ψ = 2∫s dx + K²ξ²/2 − (2C/v_T²) S ξ between the nodes of a grid."""

    @property
    def common_grid(self) -> bool:
        """Whether all training times need one grid."""

    def __call__(
        self, k: np.ndarray, grid: MovingGrid, clock: Clock, part: slice, cells: int
    ) -> FloatArray:
        """Return the increments at training times k, shape (len(k), len(part), cells)."""


@dataclass(frozen=True)
class ReluIncrements:
    """Exact for a ReLU score, 2∫s dx being piecewise quadratic; each training time has its grid."""

    score: RandomFeatureScore
    common_grid: bool = False

    def __call__(
        self, k: np.ndarray, grid: MovingGrid, clock: Clock, part: slice, cells: int
    ) -> FloatArray:
        """Return the increments of ψ, shape (len(k), len(part), cells)."""
        features, times, v = self.score.features, clock.times[part], clock.v[part]
        kappa = features.kinks(times)
        order = np.argsort(kappa, axis=1, kind="stable")
        factor = features.output_scale(times)[:, None]
        out = np.empty((len(k), len(times), cells))
        kernels.relu_increments(
            self.score.flat_theta[k],
            order,
            np.take_along_axis(kappa, order, 1),
            factor * features.W[:, 0][order],
            factor * np.take_along_axis(features.biases(times), order, 1),
            clock.scale[part],
            grid.middle(v),
            grid.half_width(v),
            grid.nodes(cells),
            grid.growth,
            grid.tilt,
            out,
        )
        return out


@dataclass(frozen=True)
class SampledIncrements:
    """For any score by three Gauss points in each cell, on one grid for all training times."""

    score: Score
    common_grid: bool = True

    def __call__(
        self, k: np.ndarray, grid: MovingGrid, clock: Clock, part: slice, cells: int
    ) -> FloatArray:
        """Return the increments of ψ, shape (len(k), len(part), cells)."""
        offsets, weights = gauss_legendre(3, 0.0, 1.0)
        nodes = grid.nodes(cells)[0]
        lengths = np.diff(nodes)
        xi = nodes[:-1, None] + lengths[:, None] * offsets
        v, times, scale = clock.v[part], clock.times[part], clock.scale[part]
        middle, width = grid.middle(v), grid.half_width(v)[0]
        out = np.empty((len(k), len(times), cells))
        for i, t in enumerate(times):
            s = self._evaluate(k, scale[i] * (middle[i] + width[i] * xi), float(t))
            motion = 0.5 * grid.growth**2 * (nodes[1:] + nodes[:-1]) - grid.tilt * width[i]
            out[:, i] = lengths * (2.0 * scale[i] * width[i] * (s * weights).sum(-1) + motion)
        return out

    def _evaluate(self, k: np.ndarray, x: FloatArray, t: float) -> FloatArray:
        return fast_score(self.score).select(k)(x, t)


def potential_increments(score: Score) -> PotentialIncrements:
    """Return the increments that fit the score."""
    if is_piecewise_linear(score):
        return ReluIncrements(score)
    return SampledIncrements(score)
