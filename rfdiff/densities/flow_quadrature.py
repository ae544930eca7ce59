"""Quadrature along a monotone map y ↦ z whose log slope ℓ = ln dz/dy is rough.

The probability flow of a kinked score has a log slope with hundreds of kinks at places of its own
for every training time: Gauss rules converge slowly there. But the mean of e^ℓ over a cell is
known exactly, Δz/Δy, so that for a cell with end values ℓ₀, ℓ₁

    mean ℓ = ln(Δz/Δy) − (ℓ₁ − ℓ₀)²/24 + O(Δy⁴),

at one new node per halving. Cells are halved, for each map, where they have not converged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..estimate import Estimate
from ..quadrature import composite_gauss_legendre
from ..special import phi1
from ..validation import FloatArray

Rows = NDArray[np.intp]
# Maps rows (P,) and y (P,) to z, ℓ, g and dg/dy, each (P,).
Trace = Callable[[Rows, FloatArray], tuple[FloatArray, ...]]

_MOST_HALVINGS = 16
# Differences between the two formulas for mean ℓ beyond which the logarithm is not trusted.
_ROUGH = 0.5
# Initial cells in each of the caller's panels.
_CELLS = 4


@dataclass(frozen=True)
class _Cells:
    """Cells (left, right) of some rows, with the trace at both ends: arrays (4, P)."""

    rows: Rows
    left: FloatArray
    right: FloatArray
    start: FloatArray
    end: FloatArray

    def __getitem__(self, keep: NDArray[np.bool_]) -> "_Cells":
        return _Cells(
            self.rows[keep], self.left[keep], self.right[keep],
            self.start[:, keep], self.end[:, keep],
        )  # fmt: skip

    def halves(self, trace: Trace) -> "_Cells":
        """Return the left halves followed by the right halves."""
        middle = 0.5 * (self.left + self.right)
        at = np.stack(trace(self.rows, middle))
        return _Cells(
            np.concatenate([self.rows, self.rows]),
            np.concatenate([self.left, middle]), np.concatenate([middle, self.right]),
            np.concatenate([self.start, at], axis=1), np.concatenate([at, self.end], axis=1),
        )  # fmt: skip


def integrate_along(
    trace: Trace,
    density: Callable[[FloatArray], FloatArray],
    panels: FloatArray,
    n_rows: int,
    tolerance: float,
) -> Estimate:
    """Return ∫ μ(y) (g(y) + ℓ(y)) dy for every map, shape (n_rows,).

    Args:
        trace: gives z, ℓ = ln dz/dy, g and dg/dy of row r at y.
        density: μ, a probability density.
        panels: edges (E,) of panels that resolve μ.
        n_rows: number of maps.
        tolerance: of each integral. A cell may err by its share, half by mass, half by width.
    """
    edges = np.unique(np.concatenate([
        np.linspace(a, b, _CELLS + 1) for a, b in pairwise(panels)
    ]))  # fmt: skip
    value, error = np.zeros(n_rows), np.zeros(n_rows)
    cells = _first_cells(trace, edges, n_rows)
    parent, mass, _ = _integrals(cells, density)
    for halving in range(_MOST_HALVINGS + 1):
        n = len(cells.rows)
        halves = cells.halves(trace)
        part, part_mass, doubt = _integrals(halves, density)
        total = part[:n] + part[n:]
        gap = np.abs(total - parent) + doubt[:n] + doubt[n:]
        width = (cells.right - cells.left) / (edges[-1] - edges[0])
        done = (gap <= 0.5 * tolerance * (mass + width)) | (halving == _MOST_HALVINGS)
        value += np.bincount(cells.rows[done], total[done], n_rows)
        error += np.bincount(cells.rows[done], gap[done], n_rows)
        again = np.concatenate([~done, ~done])
        cells, parent, mass = halves[again], part[again], part_mass[again]
        if not len(cells.rows):
            break
    return Estimate(value, error + 1e-15 * np.abs(value))


def _first_cells(trace: Trace, edges: FloatArray, n_rows: int) -> _Cells:
    every = np.repeat(np.arange(n_rows), len(edges))
    at = np.stack(trace(every, np.tile(edges, n_rows))).reshape(4, n_rows, len(edges))
    n = len(edges) - 1
    return _Cells(
        np.repeat(np.arange(n_rows), n), np.tile(edges[:-1], n_rows), np.tile(edges[1:], n_rows),
        at[:, :, :-1].reshape(4, -1), at[:, :, 1:].reshape(4, -1),
    )  # fmt: skip


def _integrals(
    cells: _Cells, density: Callable[[FloatArray], FloatArray]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return ∫μ(g + ℓ), ∫μ and what is in doubt about the first, on every cell."""
    h = cells.right - cells.left
    m0, m1, m2, m3 = _moments(cells.left, cells.right, density)
    (z0, l0, g0, d0), (z1, l1, g1, d1) = cells.start, cells.end
    rise, middle = l1 - l0, 0.5 * (l0 + l1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.log((z1 - z0) / h) - rise * rise / 24.0
        roughness = np.nan_to_num(np.abs(mean - middle), nan=np.inf)
    trusted = roughness <= _ROUGH
    mean = np.where(trusted, mean, middle)
    slope = np.where(trusted, rise, 0.0) / h
    # Cubic Hermite interpolant of g about the middle of the cell.
    e0, e1 = h * d0, h * d1
    integral = (0.5 * (g0 + g1) + 0.125 * (e0 - e1)) * m0
    integral += (1.5 * (g1 - g0) - 0.25 * (e0 + e1)) * m1 / h
    integral += 0.5 * (e1 - e0) * m2 / h**2 + (e0 + e1 - 2.0 * (g1 - g0)) * m3 / h**3
    integral += mean * m0 + slope * m1
    # Where the two formulas for mean ℓ differ by κ, the better one errs like κ².
    return integral, m0, np.minimum(roughness, 1.0) ** 2 * m0


def _moments(
    left: FloatArray, right: FloatArray, density: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    """Return ∫ μ (y − middle)ᵏ, k = 0 … 3, on every cell: (4, P). Rows share their cells."""
    middle = 0.5 * (left + right)
    _, first, again = np.unique(middle, return_index=True, return_inverse=True)
    half = 0.5 * (right - left)[first]
    nodes, weights = composite_gauss_legendre(4, np.array([-1.0, 1.0]))
    offset = half[:, None] * nodes
    values = density((middle[first, None] + offset).ravel()).reshape(offset.shape)
    weighted = values * weights * half[:, None]
    return np.stack([(weighted * offset**k).sum(1)[again] for k in range(4)])


def integrate_density(
    log_density: Callable[[Rows, FloatArray], FloatArray], edges: FloatArray, tolerance: float
) -> Estimate:
    """Return ∫ p̂ for every row of edges (n, E), p̂ log-linear in cells halved until it is."""
    n, panels = len(edges), edges.shape[1] - 1
    every = np.repeat(np.arange(n), panels + 1)
    at = log_density(every, edges.ravel()).reshape(edges.shape)
    rows, span = np.repeat(np.arange(n), panels), edges[:, -1] - edges[:, 0]
    left, right = edges[:, :-1].ravel(), edges[:, 1:].ravel()
    start, end = at[:, :-1].ravel(), at[:, 1:].ravel()
    value, error = np.zeros(n), np.zeros(n)
    parent = _log_linear(left, right, start, end)
    for halving in range(_MOST_HALVINGS + 1):
        middle = 0.5 * (left + right)
        at = log_density(rows, middle)
        first, second = _log_linear(left, middle, start, at), _log_linear(middle, right, at, end)
        gap = np.abs(first + second - parent)
        share = 0.5 * tolerance * (first + second + (right - left) / span[rows])
        done = (gap <= share) | (halving == _MOST_HALVINGS)
        value += np.bincount(rows[done], (first + second)[done], n)
        error += np.bincount(rows[done], gap[done], n)
        todo = ~done
        left, right = (
            np.concatenate([left[todo], middle[todo]]),
            np.concatenate([middle[todo], right[todo]]),
        )
        start, end = np.concatenate([start[todo], at[todo]]), np.concatenate([at[todo], end[todo]])
        parent = np.concatenate([first[todo], second[todo]])
        rows = np.concatenate([rows[todo], rows[todo]])
        if not len(rows):
            break
    return Estimate(value, error + 1e-15 * value)


def _log_linear(
    left: FloatArray, right: FloatArray, start: FloatArray, end: FloatArray
) -> FloatArray:
    """Return ∫ exp of the line from (left, start) to (right, end)."""
    return (right - left) * np.exp(np.maximum(start, end)) * phi1(-np.abs(end - start))
