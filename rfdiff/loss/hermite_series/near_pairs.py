"""Pairs of ReLU features with directions too alike, or too opposite, for the series: an integral.

The orders from 2 on are one integral over the angle (`_kernels.assembly.plackett`), smooth for
|ρ| < 1. As many Gauss–Legendre nodes are taken as the stated accuracy asks at a pair's |ρ|; their
errors are measured against a fine rule over a grid of (α, β).
"""

from functools import lru_cache

import numpy as np

from ..._kernels.assembly.plackett import add_tails
from ...numerics.quadrature import composite_gauss_legendre, gauss_legendre
from ...support.validation import FloatArray

# Numbers of nodes to choose from.
NODES = (4, 6, 8, 10, 12, 16, 20, 28, 40, 64, 96, 160, 256)
# Bins of the angle acos |ρ| from π/2 down, two an octave; below the last one nodes at it will do.
_BINS = 56
# The error between grid points and bins, in units of the largest found on them.
_BETWEEN = 2.0
# From here on |ρ| is 1: E[act act'] changes by no more than s s' (1 − |ρ|).
_ON_ONE_LINE = 1.0 - 4e-16


class NearPairs:
    """Sums over rows of ω S² T of chosen pairs: times |w_i||w_j|, what orders from 2 on give.

    Args:
        first: i, shape (pairs,).
        second: j, shape (pairs,).
        cosines: ρ_ij, shape (pairs,).
        accuracy: error asked of T.
    """

    def __init__(
        self, first: np.ndarray, second: np.ndarray, cosines: FloatArray, accuracy: float
    ) -> None:
        self.first, self.second, self._cosines = first, second, cosines
        self.sums = np.zeros(len(first))
        kinds, errors = rules(np.abs(cosines), accuracy)
        on_one_line = np.abs(cosines) >= _ON_ONE_LINE
        self._kinds = np.where(on_one_line, -1, kinds)
        self.error = float(np.where(on_one_line, 1.0 - _ON_ONE_LINE, errors).max(initial=0.0))
        x, w = zip(*(gauss_legendre(n, 0.0, 1.0) for n in NODES), strict=True)
        self._starts = np.concatenate([[0], np.cumsum(NODES)])
        self._nodes, self._weights = np.concatenate(x), np.concatenate(w)

    def __len__(self) -> int:
        return len(self.first)

    def add(self, alpha: FloatArray, heavy: FloatArray) -> None:
        """Add a block: α by feature, shape (m, rows), and ω S² of the rows, S the width of x."""
        add_tails(
            self.first,
            self.second,
            self._cosines,
            self._kinds,
            self._starts,
            self._nodes,
            self._weights,
            alpha,
            heavy,
            self.sums,
        )


def rules(cosines: FloatArray, accuracy: float) -> tuple[np.ndarray, FloatArray]:
    """Return the index into NODES that each |ρ| needs for an error of T, and its error."""
    table = _errors()
    fewest = np.argmax(table <= accuracy, axis=1)
    fewest[table[:, -1] > accuracy] = len(NODES) - 1
    with np.errstate(divide="ignore"):
        octaves = 2.0 * np.log2(0.5 * np.pi / np.arccos(np.minimum(cosines, 1.0)))
    bins = np.minimum(octaves, _BINS - 1).astype(np.int64)
    kinds = fewest[bins]
    return kinds, table[bins, kinds]


@lru_cache(maxsize=1)
def _errors() -> FloatArray:
    """Return the largest error of T by bin of the angle and number of nodes, (_BINS, nodes)."""
    angles = 0.5 * np.pi * 2.0 ** (-0.5 * np.arange(_BINS + 1))
    middle, gap = np.linspace(-5.0, 5.0, 11), np.append(0.0, np.geomspace(1e-6, 10.0, 29))
    alpha, beta = (np.add.outer(middle, sign * 0.5 * gap).ravel() for sign in (1.0, -1.0))
    at_edges = np.empty((_BINS + 1, len(NODES)))
    # A fine rule: panels that halve towards π/2, as the integrand's layers may.
    edges = 1.0 - np.append(2.0 ** -np.arange(0.0, 30.0), 0.0)
    fine = composite_gauss_legendre(16, edges)
    for k, angle in enumerate(angles):
        exact = _tail(alpha, beta, angle, *fine)
        for c, n in enumerate(NODES):
            gaps = _tail(alpha, beta, angle, *gauss_legendre(n, 0.0, 1.0)) - exact
            at_edges[k, c] = np.abs(gaps).max()
    return _BETWEEN * np.maximum(at_edges[1:], at_edges[:-1]) + 1e-16


def _tail(
    alpha: FloatArray, beta: FloatArray, angle: float, nodes: FloatArray, weights: FloatArray
) -> FloatArray:
    """Return T at ρ = cos(angle) by a rule on [0, 1], of the shape of α and β."""
    reach = 0.5 * np.pi - angle
    y = reach * nodes
    sine, cosine = np.sin(y), np.cos(y)
    exponent = np.multiply.outer(np.square(alpha - beta), -0.5 / np.square(cosine))
    exponent -= np.multiply.outer(alpha * beta, 1.0 / (1.0 + sine))
    # cos(angle) − sin y = 2 sin((reach − y)/2) cos((reach + y)/2).
    height = 2.0 * np.sin(0.5 * (reach - y)) * np.cos(0.5 * (reach + y))
    return np.asarray(np.exp(exponent) @ (weights * height)) * (reach / (2.0 * np.pi))
