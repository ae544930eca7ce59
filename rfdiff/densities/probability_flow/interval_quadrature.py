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
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...numerics.quadrature import composite_gauss_legendre
from ...numerics.special import phi1
from ...support.estimate import Estimate
from ...support.validation import FloatArray

Rows = NDArray[np.intp]
# Maps rows (P,) and y (P,) to z, ℓ and whatever else a quantity wants to know, each (P,).
Trace = Callable[[Rows, FloatArray], tuple[FloatArray, ...]]

# Cells are halved this often at most, and no more once a row has so many to halve.
_MOST_HALVINGS, _MOST_CELLS = 16, 1 << 13
# Cells narrower than this share of x are lost in its rounding.
_RESOLVED = 1e-9
# Differences between the two formulas for mean ℓ beyond which the logarithm is not trusted.
_ROUGH = 0.5
# Relative rounding of places along the flow, and what of it in a logarithm is too much.
_ROUNDING, _NOISY = 1e-14, 1e-3
# Initial cells in each of the caller's panels.
_CELLS = 8


@dataclass(frozen=True)
class Cells:
    """Cells (left, right) of some rows, with the trace at both ends: arrays (k, P)."""

    rows: Rows
    left: FloatArray
    right: FloatArray
    start: FloatArray
    end: FloatArray

    def __getitem__(self, keep: NDArray[np.bool_]) -> "Cells":
        return Cells(
            self.rows[keep], self.left[keep], self.right[keep],
            self.start[:, keep], self.end[:, keep],
        )  # fmt: skip

    def halves(self, trace: Trace) -> "Cells":
        """Return the left halves followed by the right halves."""
        middle = 0.5 * (self.left + self.right)
        at = np.stack(trace(self.rows, middle))
        return Cells(
            np.concatenate([self.rows, self.rows]),
            np.concatenate([self.left, middle]), np.concatenate([middle, self.right]),
            np.concatenate([self.start, at], axis=1), np.concatenate([at, self.end], axis=1),
        )  # fmt: skip


class Leaves(NamedTuple):
    """Cells that were not halved again, from left to right for each row, each (P,).

    Attributes:
        rows: whose they are; no row has gaps between its cells.
        left: where they begin.
        right: where they end.
        value: what a quantity says they add, from the trace at their ends.
    """

    rows: Rows
    left: FloatArray
    right: FloatArray
    value: FloatArray

    @classmethod
    def of(cls, parts: list["Leaves"]) -> "Leaves":
        """Return the cells of all parts in order."""
        rows, left, right, value = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        order = np.lexsort((left, rows))
        return cls(rows[order], left[order], right[order], value[order])

    def traced(self, trace: Trace) -> Cells:
        """Return the cells with another trace at their ends."""
        last = np.flatnonzero(np.diff(self.rows, append=-1))
        points = np.concatenate([self.left, self.right[last]])
        at = np.stack(trace(np.concatenate([self.rows, self.rows[last]]), points))
        start, end = at[:, : len(self.left)], np.roll(at[:, : len(self.left)], -1, axis=1)
        end[:, last] = at[:, len(self.left) :]
        return Cells(self.rows, self.left, self.right, start, end)


class Part(NamedTuple):
    """What cells add to an integral, each (P,).

    Attributes:
        value: what they add.
        mass: their share of whatever is integrated, and so of what the integral may err by.
        unseen: what may be wrong with the value although halving does not show it.
        most: all that can be wrong with it.
    """

    value: FloatArray
    mass: FloatArray
    unseen: FloatArray
    most: FloatArray


Quantity = Callable[[Cells], Part]
Rule = Callable[[FloatArray, FloatArray], FloatArray]


def left_at_kinks(change: FloatArray, before: FloatArray) -> FloatArray:
    """Return what halving leaves where most errors fall to an eighth, and some to a half."""
    return 0.5 * change


def left_at_cliffs(change: FloatArray, before: FloatArray) -> FloatArray:
    """Return what halving leaves where errors fall to a half, or by chance change nothing once.

    Second order leaves a quarter of the change before.
    """
    return change + 0.25 * before


def integrate_along(
    trace: Trace, quantity: Quantity, cells: Cells, n_rows: int, tolerance: float, left: Rule
) -> tuple[Estimate, Leaves]:
    """Return what cells add up to for every map, shape (n_rows,), and the last cells.

    Args:
        trace: gives z, ℓ = ln dz/dy and more of row r at y.
        quantity: what a cell adds, from the trace at its ends.
        cells: to start from, of all maps.
        n_rows: number of maps.
        tolerance: of each integral. A cell may err by its share, half by mass, half by width; once
            the errors of a map add up to less, all of its cells are done.
        left: what halving a cell leaves of its error, from what it changes and what the halving
            before it has changed.
    """
    value, error, leaves = np.zeros(n_rows), np.zeros(n_rows), []
    span = cells.right.max() - cells.left.min()
    parent, mass, _, _ = quantity(cells)
    before = np.full(len(parent), np.inf)
    for halving in range(_MOST_HALVINGS + 1):
        n = len(cells.rows)
        halves = cells.halves(trace)
        part = quantity(halves)
        total, unseen, most = (array[:n] + array[n:] for array in (part.value, *part[2:]))
        change = np.abs(total - parent)
        gap = np.minimum(left(change, before) + unseen, most)
        width = (cells.right - cells.left) / span
        done = gap <= 0.5 * tolerance * (mass + width)
        done |= _crowded(cells.rows) | (halving == _MOST_HALVINGS)
        done |= (error + np.bincount(cells.rows, gap, n_rows) <= tolerance)[cells.rows]
        value += np.bincount(cells.rows[done], total[done], n_rows)
        error += np.bincount(cells.rows[done], gap[done], n_rows)
        leaves.append(Leaves(*(a[done] for a in (cells.rows, cells.left, cells.right, parent))))
        again = np.concatenate([~done, ~done])
        cells, parent, mass = halves[again], part.value[again], part.mass[again]
        before = 0.5 * np.concatenate([change[~done], change[~done]])
        if not len(cells.rows):
            break
    return Estimate(value, error + 1e-15 * np.abs(value)), Leaves.of(leaves)


def first_edges(panels: FloatArray) -> FloatArray:
    """Return the edges (E,) of the cells to start from, some in every one of the panels."""
    inner = [np.linspace(a, b, _CELLS + 1) for a, b in pairwise(panels)]
    return np.unique(np.concatenate(inner))


def cells_between(edges: FloatArray, at: FloatArray) -> Cells:
    """Return the cells between edges (E,) for every map, by the trace at them (k, n_rows, E)."""
    n_rows, n = at.shape[1], len(edges) - 1
    return Cells(
        np.repeat(np.arange(n_rows), n), np.tile(edges[:-1], n_rows), np.tile(edges[1:], n_rows),
        at[:, :, :-1].reshape(len(at), -1), at[:, :, 1:].reshape(len(at), -1),
    )  # fmt: skip


def log_slope_mean(density: Callable[[FloatArray], FloatArray]) -> Quantity:
    """Return ∫ μ(y) (ℓ(y) + g(y)) dy for a probability density μ; the trace gives g and dg/dy."""

    def quantity(cells: Cells) -> Part:
        h = cells.right - cells.left
        m0, m1, m2, m3 = _moments(cells.left, cells.right, density)
        (z0, l0, g0, d0), (z1, l1, g1, d1) = cells.start, cells.end
        with np.errstate(divide="ignore", invalid="ignore"):
            mean, slope, unseen = mean_log(np.log((z1 - z0) / h), l0, l1, rounding(z0, z1))
        # Cubic Hermite interpolant of g about the middle of the cell.
        e0, e1 = h * d0, h * d1
        integral = (0.5 * (g0 + g1) + 0.125 * (e0 - e1)) * m0
        integral += (1.5 * (g1 - g0) - 0.25 * (e0 + e1)) * m1 / h
        integral += 0.5 * (e1 - e0) * m2 / h**2 + (e0 + e1 - 2.0 * (g1 - g0)) * m3 / h**3
        integral += mean * m0 + slope / h * m1
        return Part(integral, m0, unseen * m0, np.full(len(h), np.inf))

    return quantity


def mean_log(
    log_mean: FloatArray, start: FloatArray, end: FloatArray, noise: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the mean of ℓ over cells, its rise over them, and what may be wrong with its mean.

    Args:
        log_mean: logarithm of the mean of e^ℓ, (P,).
        start: ℓ at one end.
        end: ℓ at the other end.
        noise: what rounding may do to log_mean; where that is much, it is left aside.
    """
    rise, middle = end - start, 0.5 * (start + end)
    mean = log_mean - rise * rise / 24.0
    roughness = np.nan_to_num(np.abs(mean - middle), nan=np.inf)
    trusted = (roughness <= _ROUGH) & (noise <= _NOISY)
    # A bump of ℓ that moves its mean by κ off the chord adds up to κ²/6 + κ rise/6 to ln of e^ℓ.
    with np.errstate(invalid="ignore"):
        kappa = np.clip(np.nan_to_num(roughness - noise, nan=0.0), 0.0, 1.0)
    unseen = kappa * (kappa + np.minimum(np.abs(rise), 3.0) / 6.0)
    return np.where(trusted, mean, middle), np.where(trusted, rise, 0.0), unseen


def rounding(start: FloatArray, end: FloatArray) -> FloatArray:
    """Return what rounding of places that the flow reached may do to ln (end − start)."""
    largest = np.maximum(np.abs(start), np.abs(end))
    with np.errstate(divide="ignore"):
        return np.asarray(_ROUNDING * largest / np.maximum(end - start, 0.0))


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
