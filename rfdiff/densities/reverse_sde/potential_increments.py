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


class Drops(Protocol):
    """Differences of ψ = 2∫s dx + K²ξ²/2 − (2C/v_T²) S ξ between the nodes of a grid."""

    @property
    def common_grid(self) -> bool:
        """Whether all rows need one grid."""

    def __call__(
        self, rows: np.ndarray, grid: MovingGrid, clock: Clock, part: slice, cells: int
    ) -> FloatArray:
        """Return the differences of some rows, shape (len(rows), len(part), cells)."""


@dataclass(frozen=True)
class RectifiedDrops:
    """Exact drops of a ReLU score: 2∫s dx is piecewise quadratic. Each row has its own grid."""

    score: RandomFeatureScore
    common_grid: bool = False

    def __call__(
        self, rows: np.ndarray, grid: MovingGrid, clock: Clock, part: slice, cells: int
    ) -> FloatArray:
        """Return the drops of ψ, shape (len(rows), len(part), cells)."""
        features, times, v = self.score.features, clock.times[part], clock.v[part]
        kappa = features.kinks(times)
        order = np.argsort(kappa, axis=1, kind="stable")
        factor = features.output_scale(times)[:, None]
        out = np.empty((len(rows), len(times), cells))
        kernels.rectified_drops(
            self.score.flat_theta[rows],
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
class SampledDrops:
    """Drops of any score by three Gauss points in each cell, on one grid for all rows."""

    score: Score
    common_grid: bool = True

    def __call__(
        self, rows: np.ndarray, grid: MovingGrid, clock: Clock, part: slice, cells: int
    ) -> FloatArray:
        """Return the drops of ψ, shape (len(rows), len(part), cells)."""
        offsets, weights = gauss_legendre(3, 0.0, 1.0)
        nodes = grid.nodes(cells)[0]
        lengths = np.diff(nodes)
        xi = nodes[:-1, None] + lengths[:, None] * offsets
        v, times, scale = clock.v[part], clock.times[part], clock.scale[part]
        middle, width = grid.middle(v), grid.half_width(v)[0]
        out = np.empty((len(rows), len(times), cells))
        for k, t in enumerate(times):
            s = self._evaluate(rows, scale[k] * (middle[k] + width[k] * xi), float(t))
            motion = 0.5 * grid.growth**2 * (nodes[1:] + nodes[:-1]) - grid.tilt * width[k]
            out[:, k] = lengths * (2.0 * scale[k] * width[k] * (s * weights).sum(-1) + motion)
        return out

    def _evaluate(self, rows: np.ndarray, x: FloatArray, t: float) -> FloatArray:
        return fast_score(self.score).select(rows)(x, t)


def drops_of(score: Score) -> Drops:
    """Return the drops that fit the score."""
    if is_piecewise_linear(score):
        return RectifiedDrops(score)
    return SampledDrops(score)
