"""Piecewise polynomials on panels: integrals, antiderivatives and roots from nodal values.

A function known at the n Gauss–Legendre nodes of a panel is its interpolant of degree n − 1. Values
have shape (…, P, n) for P panels; the last coefficients say how well the panels resolve them.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial import legendre
from scipy.special import roots_legendre

from ..support.validation import FloatArray

ORDER = 16
# Cells of a panel in which a root is looked for: at most one in each is found.
_CELLS = 16
_NEWTON_STEPS = 4


@dataclass(frozen=True, eq=False)
class Basis:
    """Matrices, applied from the right to nodal values, for polynomials on (−1, 1).

    Attributes:
        nodes: Gauss–Legendre nodes (n,).
        weights: their weights (n,).
        coefficients: to the Legendre coefficients (n, n).
        primitive: to the coefficients of the antiderivative that vanishes at −1, (n, n + 1).
        antiderivative: to its values at the nodes (n, n).
        derivative: to the values of the derivative at the nodes (n, n).
    """

    nodes: FloatArray
    weights: FloatArray
    coefficients: FloatArray
    primitive: FloatArray
    antiderivative: FloatArray
    derivative: FloatArray


@lru_cache(maxsize=4)
def basis(n: int = ORDER) -> Basis:
    """Return the matrices of n nodes."""
    nodes, weights = roots_legendre(n)
    at_nodes = legendre.legvander(nodes, n)
    scale = np.arange(n) + 0.5
    coefficients = weights[:, None] * at_nodes[:, :n] * scale
    primitive = coefficients @ legendre.legint(np.eye(n), lbnd=-1.0).T
    derivative = coefficients @ legendre.legder(np.eye(n)).T @ at_nodes[:, : n - 1].T
    return Basis(nodes, weights, coefficients, primitive, primitive @ at_nodes.T, derivative)


@dataclass(frozen=True, eq=False)
class Panels:
    """Panels of the line; what accumulates along it needs each to begin where the last one ends.

    Args:
        left: their left ends (P,).
        right: their right ends (P,).
        order: nodes of a panel, n.

    >>> panels = Panels.between(np.linspace(0.0, 2.0, 5))
    >>> float(panels.integrals(panels.x**2).sum().round(12))
    2.666666666667
    """

    left: FloatArray
    right: FloatArray
    order: int = ORDER

    @classmethod
    def between(cls, edges: FloatArray, order: int = ORDER) -> "Panels":
        """Return the panels between consecutive edges."""
        return cls(edges[:-1], edges[1:], order)

    def __getitem__(self, index: np.ndarray) -> "Panels":
        """Return some of the panels, by a mask or by indices."""
        return Panels(self.left[index], self.right[index], self.order)

    def with_order(self, order: int) -> "Panels":
        """Return the same panels with another number of nodes."""
        return Panels(self.left, self.right, order)

    def halves(self) -> "Panels":
        """Return the left halves followed by the right halves."""
        left, right = np.append(self.left, self.middle), np.append(self.middle, self.right)
        return Panels(left, right, self.order)

    @property
    def half(self) -> FloatArray:
        """Half the lengths (P,)."""
        return 0.5 * (self.right - self.left)

    @property
    def middle(self) -> FloatArray:
        """Midpoints (P,)."""
        return 0.5 * (self.left + self.right)

    @property
    def x(self) -> FloatArray:
        """Nodes (P, n)."""
        return self.middle[:, None] + self.half[:, None] * basis(self.order).nodes

    def integrals(self, values: FloatArray) -> FloatArray:
        """Return the integral over each panel, (…, P)."""
        return (values @ basis(self.order).weights) * self.half

    def tails(self, values: FloatArray) -> FloatArray:
        """Return what the last two coefficients bound of each integral, (…, P).

        The Gauss rule is exact to twice the degree of the interpolant: this is its error where the
        values have corners, and far above it where they are smooth.
        """
        last = np.abs(values @ basis(self.order).coefficients[:, -2:]).sum(-1)
        return 2.0 * self.half * last

    def antiderivative(self, values: FloatArray) -> FloatArray:
        """Return the integral from the first edge to each node, (…, P, n)."""
        inner = (values @ basis(self.order).antiderivative) * self.half[:, None]
        return self.cumulative(values)[..., :-1, None] + inner

    def cumulative(self, values: FloatArray) -> FloatArray:
        """Return the integral from the first edge to every edge, (…, P + 1)."""
        pieces = self.integrals(values)
        start = np.zeros((*pieces.shape[:-1], 1))
        return np.concatenate([start, np.cumsum(pieces, axis=-1)], axis=-1)

    def derivative(self, values: FloatArray) -> FloatArray:
        """Return the derivative of the interpolant at the nodes, (…, P, n)."""
        return (values @ basis(self.order).derivative) / self.half[:, None]

    def derivative_tails(self, values: FloatArray) -> FloatArray:
        """Return what the last two coefficients are at most in the derivative, (…, P)."""
        k = np.array([self.order - 2, self.order - 1])
        last = np.abs(values @ basis(self.order).coefficients[:, -2:])
        return (last @ (0.5 * k * (k + 1.0))) / self.half

    def at_ends(self, values: FloatArray) -> FloatArray:
        """Return the interpolant at both ends of each panel, (…, P, 2)."""
        ends = legendre.legvander(np.array([-1.0, 1.0]), self.order - 1)
        return values @ (basis(self.order).coefficients @ ends.T)

    def absolute_integrals(self, values: FloatArray) -> FloatArray:
        """Return ∫|f| over each panel, (…, P), cut at the roots of the interpolant."""
        total = np.abs(self.integrals(values))
        ends = self.at_ends(values)
        lowest = np.minimum(values.min(-1), ends.min(-1))
        highest = np.maximum(values.max(-1), ends.max(-1))
        changing = (lowest < 0.0) & (highest > 0.0)
        if changing.any():
            half = np.broadcast_to(self.half, changing.shape)[changing]
            total[changing] = _absolute_integrals(values[changing]) * half
        return total


def _absolute_integrals(values: FloatArray) -> FloatArray:
    """Return ∫_{−1}^{1} |f| of interpolants through values (N, n)."""
    b = basis(values.shape[-1])
    coefficients, primitive = values @ b.coefficients, values @ b.primitive
    cuts = np.linspace(-1.0, 1.0, _CELLS + 1)
    f = coefficients @ legendre.legvander(cuts, coefficients.shape[1] - 1).T
    integral = primitive @ legendre.legvander(cuts, primitive.shape[1] - 1).T
    pieces = np.abs(np.diff(integral, axis=1))
    row, cell = np.nonzero(f[:, :-1] * f[:, 1:] < 0.0)
    root = _roots(coefficients[row].T, cuts[cell], cuts[cell + 1], f[row, cell], f[row, cell + 1])
    at_root = legendre.legval(root, primitive[row].T, tensor=False)
    pieces[row, cell] = np.abs(at_root - integral[row, cell])
    pieces[row, cell] += np.abs(integral[row, cell + 1] - at_root)
    return pieces.sum(1)


def _roots(
    coefficients: FloatArray,
    low: FloatArray,
    high: FloatArray,
    at_low: FloatArray,
    at_high: FloatArray,
) -> FloatArray:
    """Return a root of each polynomial, coefficients (n, N), between points of opposite sign."""
    slope = legendre.legder(coefficients)
    root = low + (high - low) * at_low / (at_low - at_high)
    for _ in range(_NEWTON_STEPS):
        f = legendre.legval(root, coefficients, tensor=False)
        df = legendre.legval(root, slope, tensor=False)
        step = np.divide(f, df, out=np.zeros_like(f), where=df != 0.0)
        root = np.clip(root - step, low, high)
    return root


def distribution(panels: Panels, density: FloatArray, x: FloatArray) -> FloatArray:
    """Return F(x) of densities by their nodal values (…, P, n), at points x (N,): (…, N).

    Zero left of the panels, the whole mass right of them.

    >>> panels = Panels.between(np.linspace(0.0, 1.0, 3))
    >>> distribution(panels, 2.0 * panels.x, np.array([0.1, 0.5, 2.0])).round(12)
    array([0.01, 0.25, 1.  ])
    """
    last = len(panels.half) - 1
    panel = np.clip(np.searchsorted(panels.left, x, side="right") - 1, 0, last)
    u = np.clip((x - panels.middle[panel]) / panels.half[panel], -1.0, 1.0)
    primitive = density @ basis(panels.order).primitive
    inner = np.zeros((*density.shape[:-2], len(x)))
    for k, values in enumerate(legendre.legvander(u, panels.order).T):
        inner += primitive[..., panel, k] * values
    return panels.cumulative(density)[..., panel] + panels.half[panel] * inner


def quantiles(panels: Panels, density: FloatArray, u: FloatArray) -> FloatArray:
    """Return F⁻¹(u) of a density by its nodal values (P, n), total mass one: shape of u (N,).

    Within a panel the antiderivative of the interpolant is inverted by Newton steps from a table.
    """
    total = panels.cumulative(density)
    panel = np.clip(np.searchsorted(total, u, side="right") - 1, 0, len(panels.half) - 1)
    primitive = density @ basis(panels.order).primitive
    cuts = np.linspace(-1.0, 1.0, _CELLS + 1)
    table = primitive @ legendre.legvander(cuts, primitive.shape[1] - 1).T
    wanted = np.clip((u - total[panel]) / panels.half[panel], table[panel, 0], table[panel, -1])
    cell = np.clip((table[panel, 1:-1] <= wanted[:, None]).sum(1), 0, _CELLS - 1)
    at_low, at_high = table[panel, cell] - wanted, table[panel, cell + 1] - wanted
    shifted = primitive[panel].T.copy()
    shifted[0] -= wanted
    # An empty cell holds no mass: its middle will do.
    empty = ~(at_high > at_low)
    at_low, at_high = np.where(empty, -1.0, at_low), np.where(empty, 1.0, at_high)
    root = _roots(shifted, cuts[cell], cuts[cell + 1], at_low, at_high)
    return panels.middle[panel] + panels.half[panel] * root
