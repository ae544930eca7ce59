"""One solve of the reverse Fokker–Planck equation, extrapolated, with its error.

Every solve is conservative and positive (implicit Euler, exponentially fitted fluxes). The log
density is extrapolated, which keeps it positive: to fourth order in the step from four step sizes,
and to fourth order in the cell from two of three cell sizes. The error estimate is the difference
of the two third-order results in the step, and of the two fourth-order ones in the cell; and twice
the last change with the step where that is above 1 and hardly less than the one before.
"""

from dataclasses import dataclass

import numpy as np

# SciPy loads a subpackage when it is first used: training alone must not pay for this one.
import scipy

from ..._kernels import fokker_planck as kernels
from ...support.errors import ArgumentError
from ...support.validation import FloatArray
from .escape import Escape, escape, outward_slopes
from .moving_grid import Clock, MovingGrid
from .potential_increments import PotentialIncrements

# Step sizes H, H/2, H/4, H/8 of the extrapolation.
LEVELS = 4
# Masses below this do not count: their logarithm is cut there.
_FLOOR = 1e-300
# A first-order error halves with the step.
_HARDLY_LESS = 0.75
# Bytes of potential increments held at once: many steps in one call of the kernel need few barriers
# for its threads.
_INCREMENT_BYTES = 1 << 25


@dataclass(frozen=True, eq=False)
class Solution:
    """The density of ξ at the end, on cells + 1 nodes that own `lengths`, for n training times.

    `log_density`, `time_error` and `space_error` (of the logarithm) have shape (n, cells + 1);
    `defect` (n,) is what extrapolation adds to a mass of one before it is taken out again;
    `escaped` is what may have left the grid.
    """

    lengths: FloatArray
    log_density: FloatArray
    time_error: FloatArray
    space_error: FloatArray
    defect: FloatArray
    escaped: Escape

    def mean_errors(self) -> tuple[FloatArray, FloatArray]:
        """Return the means of the errors in time and in space under the density itself, (n,)."""
        weights = np.exp(self.log_density) * self.lengths
        return (weights * self.time_error).sum(-1), (weights * self.space_error).sum(-1)


def solve(
    increments: PotentialIncrements,
    k: np.ndarray,
    grid: MovingGrid,
    clock: Clock,
    cells: int,
    log_prior: FloatArray,
) -> Solution:
    """Carry the prior, given by its log density of ξ (n, cells + 1), through the clock."""
    mass, escaped = march(increments, k, grid, clock, cells, log_prior)
    return _extrapolate(mass, escaped, grid)


def march(
    increments: PotentialIncrements,
    k: np.ndarray,
    grid: MovingGrid,
    clock: Clock,
    cells: int,
    log_prior: FloatArray,
) -> tuple[FloatArray, Escape]:
    """Return the masses (n, 3, levels, cells + 1) at the end, and what may have left the grid."""
    mass = np.zeros((len(k), kernels.GRIDS, clock.levels, cells + 1))
    conductance = np.zeros((len(k), kernels.GRIDS, 2, cells))
    for g in range(kernels.GRIDS):
        stride = 1 << (kernels.GRIDS - 1 - g)
        n = cells // stride
        lengths, gaps = grid.lengths(n), np.diff(grid.nodes(n))
        start = np.exp(log_prior[:, ::stride]) * lengths
        mass[:, g, :, : n + 1] = (start / start.sum(-1, keepdims=True))[:, None]
        conductance[:, g, 0, :n] = 1.0 / (gaps * lengths[:, :-1])
        conductance[:, g, 1, :n] = 1.0 / (gaps * lengths[:, 1:])
    mobility = (clock.v[1:] / grid.half_width(clock.v[1:])) ** 2
    edge, slopes = np.empty((2, *mobility.shape, 2))
    step_bytes = 8 * len(k) * cells * 2 ** (clock.levels - 1)
    for part in clock.parts(max(1, _INCREMENT_BYTES // step_bytes)):
        change = increments(k, grid, clock, part, cells)
        finite = np.isfinite(change).all(axis=(0, 2))
        if not finite.all():
            t = clock.times[part][np.argmin(finite)]
            raise ArgumentError(f"score must be finite, it is not at t = {t:.6g}")
        now = slice(part.start - 1, part.stop - 1)
        slopes[:, now] = outward_slopes(change, grid.nodes(cells))
        kernels.advance(mass, change, mobility[:, now], conductance, clock.step, edge[:, now])
    length, step = grid.lengths(cells)[:, -1], clock.step / 2 ** (clock.levels - 1)
    return mass, escape(edge, slopes, mobility, length, step)


def _normalised(log_density: FloatArray, lengths: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the log density normalised on its grid, and the mass it had."""
    mass = (np.exp(log_density) * lengths).sum(-1)
    return log_density - np.log(mass)[:, None], mass


def _step_weights(levels: int) -> FloatArray:
    """Weights that cancel the first levels − 1 powers of the step for step sizes H/2^l."""
    n = 2.0 ** np.arange(levels)
    return np.array([np.prod([a / (a - b) for b in n if b != a]) for a in n])


def _combine(weights: FloatArray, logs: FloatArray) -> FloatArray:
    """Return the weighted sum over axis 1, the step sizes: the same bits for any other axes."""
    return sum(weight * logs[:, level] for level, weight in enumerate(weights))


def _extrapolate(mass: FloatArray, escaped: Escape, grid: MovingGrid) -> Solution:
    levels, cells = mass.shape[2], mass.shape[3] - 1
    weights, lower_weights = _step_weights(levels), _step_weights(levels - 1)
    limits = []
    for g in range(kernels.GRIDS):
        n = cells >> (kernels.GRIDS - 1 - g)
        lengths = grid.lengths(n)
        logs = np.log(np.maximum(mass[:, g, :, : n + 1] / lengths[:, None], _FLOOR))
        limits.append(_normalised(_combine(weights, logs), lengths)[0])
    lower, higher = (
        _normalised(_combine(lower_weights, part), lengths)[0]
        for part in (logs[:, :-1], logs[:, 1:])
    )
    coarse, medium, fine = limits
    extrapolated, mass_before = _normalised(fine + _correction(fine, medium), lengths)
    before, _ = _normalised(medium + _correction(medium, coarse), grid.lengths(cells // 2))
    eta = np.linspace(-1.0, 1.0, cells + 1)
    gap = np.abs(extrapolated[:, ::2] - before)
    space_error = np.stack([np.interp(eta, eta[::2], each) for each in gap])
    return Solution(
        lengths,
        extrapolated,
        np.maximum(np.abs(higher - lower), _not_converging(logs)),
        space_error,
        np.abs(mass_before - 1.0),
        escaped,
    )


def _not_converging(logs: FloatArray) -> FloatArray:
    """Return twice the last change of the logs (n, levels, nodes) where no order is to be seen."""
    before, last = np.abs(np.diff(logs[:, -3:], axis=1)).swapaxes(0, 1)
    return np.where((last > 1.0) & (last > _HARDLY_LESS * before), 2.0 * last, 0.0)


def _correction(fine: FloatArray, coarse: FloatArray) -> FloatArray:
    """Return Richardson's (fine − coarse)/3, known at the coarse nodes, at all fine nodes."""
    eta = np.linspace(-1.0, 1.0, fine.shape[-1])
    return scipy.interpolate.CubicSpline(eta[::2], (fine[:, ::2] - coarse) / 3.0, axis=1)(eta)
