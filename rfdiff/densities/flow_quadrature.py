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

# Cells are halved this often at most, and no more once a row has so many to halve.
_MOST_HALVINGS, _MOST_CELLS = 16, 1 << 13
# Cells narrower than this share of x are lost in its rounding.
_RESOLVED = 1e-9
# Differences between the two formulas for mean ℓ beyond which the logarithm is not trusted.
_ROUGH = 0.5
# Initial cells in each of the caller's panels.
_CELLS = 8


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
    value, error = np.zeros(n_rows), np.zeros(n_rows)
    cells = _first_cells(trace, panels, n_rows)
    parent, mass, _ = _integrals(cells, density)
    for halving in range(_MOST_HALVINGS + 1):
        n = len(cells.rows)
        halves = cells.halves(trace)
        part, part_mass, doubt = _integrals(halves, density)
        total = part[:n] + part[n:]
        # Halving divides the error by eight at a kink of ℓ, and by two at a cliff.
        gap = 0.5 * np.abs(total - parent) + doubt[:n] + doubt[n:]
        width = (cells.right - cells.left) / (panels[-1] - panels[0])
        done = gap <= 0.5 * tolerance * (mass + width)
        done |= _crowded(cells.rows) | (halving == _MOST_HALVINGS)
        value += np.bincount(cells.rows[done], total[done], n_rows)
        error += np.bincount(cells.rows[done], gap[done], n_rows)
        again = np.concatenate([~done, ~done])
        cells, parent, mass = halves[again], part[again], part_mass[again]
        if not len(cells.rows):
            break
    return Estimate(value, error + 1e-15 * np.abs(value))


def first_integrals(
    trace: Trace, density: Callable[[FloatArray], FloatArray], panels: FloatArray, n_rows: int
) -> FloatArray:
    """Return ∫ μ(y) (g(y) + ℓ(y)) dy on each of the cells that `integrate_along` starts from.

    Shape (n_rows, cells): what two traces differ by on cells is no matter of their fineness.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        value, _, _ = _integrals(_first_cells(trace, panels, n_rows), density)
    return value.reshape(n_rows, -1)


def _first_cells(trace: Trace, panels: FloatArray, n_rows: int) -> _Cells:
    edges = np.unique(np.concatenate([
        np.linspace(a, b, _CELLS + 1) for a, b in pairwise(panels)
    ]))  # fmt: skip
    every, n = np.repeat(np.arange(n_rows), len(edges)), len(edges) - 1
    at = np.stack(trace(every, np.tile(edges, n_rows))).reshape(4, n_rows, len(edges))
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
    # A bump of ℓ that moves its mean by κ off the chord adds up to κ²/6 + κ rise/6 to ln Δz/Δy.
    kappa = np.minimum(roughness, 1.0)
    return integral, m0, kappa * (kappa + np.minimum(np.abs(rise), 3.0) / 6.0) * m0


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


def density_mass(
    locate: Callable[[Rows, FloatArray], tuple[FloatArray, FloatArray]],
    cdf: Callable[[FloatArray], FloatArray],
    edges: FloatArray,
    tolerance: float,
) -> Estimate:
    """Return ∫ p̂ between the images of the first and last of `edges` (n, E), shape (n,).

    Cells are halved at T, where p̂ is spread evenly, until ∫ p̂ on each, p̂ log-linear in x, is
    the mass that the flow carries there. The error is what they still differ by, or all of the
    mass carried where that is less: in peaks so narrow that floats do not resolve them.

    Args:
        locate: gives x and log p̂(x) at t of points of row r at T.
        cdf: the distribution function at T.
        edges: cells at T.
        tolerance: of each mass.
    """
    n, n_cells = len(edges), edges.shape[1] - 1
    x, log_p = locate(np.repeat(np.arange(n), n_cells + 1), edges.ravel())
    ends = np.stack([edges, x.reshape(edges.shape), log_p.reshape(edges.shape)])
    rows = np.repeat(np.arange(n), n_cells)
    start, end = ends[..., :-1].reshape(3, -1), ends[..., 1:].reshape(3, -1)
    span, value, error = edges[:, -1] - edges[:, 0], np.zeros(n), np.zeros(n)
    for halving in range(_MOST_HALVINGS + 1):
        carried = cdf(end[0]) - cdf(start[0])
        narrow = end[1] - start[1] <= _RESOLVED * np.maximum(np.abs(start[1]), np.abs(end[1]))
        mass = _log_linear(start, end)
        gap = np.abs(mass - carried)
        lost = narrow | (gap > carried)
        mass, gap = np.where(lost, carried, mass), np.where(lost, carried, gap)
        width = (end[0] - start[0]) / span[rows]
        done = narrow | (gap <= 0.5 * tolerance * (carried + width))
        done |= _crowded(rows) | (halving == _MOST_HALVINGS)
        value += np.bincount(rows[done], mass[done], n)
        error += np.bincount(rows[done], gap[done], n)
        rows, start, end = rows[~done], start[:, ~done], end[:, ~done]
        if not len(rows):
            break
        middle = 0.5 * (start[0] + end[0])
        at = np.stack([middle, *locate(rows, middle)])
        rows = np.concatenate([rows, rows])
        start, end = np.concatenate([start, at], axis=1), np.concatenate([at, end], axis=1)
    return Estimate(value, error + 1e-15 * value)


def _log_linear(start: FloatArray, end: FloatArray) -> FloatArray:
    """Return ∫ p̂ between points (3, P) of (·, x, log p̂), log p̂ linear in x."""
    (_, x0, l0), (_, x1, l1) = start, end
    return (x1 - x0) * np.exp(np.maximum(l0, l1)) * phi1(-np.abs(l1 - l0))


def _crowded(rows: Rows) -> NDArray[np.bool_]:
    """Say which cells belong to a row that has too many of them to go on."""
    return np.bincount(rows)[rows] > _MOST_CELLS
