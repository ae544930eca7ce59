"""The sum of the series over blocks of rows, each to as many orders as its own bound asks."""

import numpy as np

from ...model.features import RandomFeatures
from ...support.validation import FloatArray
from .coefficients import Coefficients
from .cross import CrossSum
from .orders import Plan
from .product import Product, single_rounding
from .rows import Rows
from .tiles import Tiles

# Orders are in single precision while these err by at most so much of their block's tolerance.
_OF_SHARE = 0.125
# Rows transposed at once, within a cache.
_COPIED = 64


class _Remainder:
    """What orders so far leave of a block's diagonal, R, and of every pair, |ρ|^{P+1} √(R_i R_j).

    Attributes:
        size: the largest R_j.
        power: |ρ|^{P+1} at the largest |ρ|.
        ratio: the bound, relative to that of the order taken last.
    """

    def __init__(self, diagonal: FloatArray, largest: float) -> None:
        self._left, self._largest = diagonal.copy(), largest
        self.size, self.power, self.ratio = float(diagonal.max()), 1.0, 0.0

    @property
    def bound(self) -> float:
        """What is left out of an entry at most."""
        return self.power * self.size

    def take(self, diagonal: FloatArray, single: float) -> float:
        """Take the diagonal of one order off; return the rounding error of its entries.

        `single` is that error relative to the diagonal.
        """
        largest = max(float(diagonal.max()), np.finfo(float).tiny)
        rounding = single * largest
        self._left -= diagonal - rounding
        self.size = max(float(self._left.max()), 0.0)
        self.power *= self._largest
        self.ratio = self._largest * self.size / largest
        return rounding


class GramSum:
    """Σ over blocks of the series, with what each block's truncation may have left out."""

    def __init__(
        self, planned: Plan, over: Tiles, features: RandomFeatures, rows: int, max_order: int
    ) -> None:
        m = features.width
        self.exhausted = False
        self._norms = np.linalg.norm(features.W, axis=1)
        self._plan, self._tiles = planned, over
        self._rows, self._done, self._max_order = rows, 0, max_order
        self._gram, self._gap = np.zeros((m, m)), np.zeros((m, m))
        self._base = np.zeros(len(planned.near))
        self._near_of = over.members(planned.near.first, planned.near.second)
        self._diagonal = np.zeros(m)
        self._heavy = self._error = 0.0
        self._room = np.empty((0, m), np.float32)

    def add(self, rows: Rows, found: Coefficients, cross: CrossSum) -> None:
        """Add a block order by order until its bound meets its share of the tolerance."""
        plan, near = self._plan, self._plan.near
        if found.alpha is not None and len(near):
            heavy = np.square(rows.root * rows.width)
            self._heavy += float(heavy.sum())
            near.add(self._transposed(found.alpha), heavy)
        share = len(rows) * self._tolerance_of_a_row()
        self._done += len(rows)
        left, spent = _Remainder(found.diagonal, plan.largest), 0.0
        reach = float(np.sqrt(found.diagonal.max()))
        self._diagonal += found.diagonal
        self._error += found.diagonal_error
        for order, (matrix, factor, error) in enumerate(found.terms):
            if order < 2:
                cross.add(rows, order, matrix, error, self._tiles)
            # Near pairs have the first two orders from here, at a |ρ| beyond the others'.
            power = 1.0 if order < 2 else left.power
            single = single_rounding(len(rows))
            if spent + single * power * left.size > _OF_SHARE * share:
                single = 0.0
            if len(self._room) < len(matrix):
                self._room = np.empty(matrix.shape, np.float32)
            size = left.size if single else 0.0
            product = Product(matrix, factor, size, self._tiles, self._room)
            rounding = left.take(product.diagonal, single)
            spent += power * rounding
            self._error += power * (2.0 * reach * error + rounding)
            # What is not finite ends at once.
            done = (not left.bound > share or order == self._max_order) and order > 0
            self._accumulate(product, order, left.ratio if done else 0.0)
            if done:
                self._error += left.bound
                self.exhausted |= left.bound > share
                return

    def _tolerance_of_a_row(self) -> float:
        """Return what is left of the tolerance by rows left, and never next to nothing."""
        tolerance = self._plan.tolerance
        left = (tolerance - self._error) / (self._rows - self._done)
        return max(left, 0.25 * tolerance / self._rows)

    def _transposed(self, matrix: FloatArray) -> FloatArray:
        out = np.empty(matrix.shape[::-1])

        def strip(columns: slice) -> None:
            for i in range(0, len(matrix), _COPIED):
                out[columns, i : i + _COPIED] = matrix[i : i + _COPIED, columns].T

        self._tiles.each_strip(strip)
        return out

    def _accumulate(self, product: Product, order: int, ratio: float) -> None:
        """Add ρ^p × the product of order p to G, and `ratio` of it to the gap."""

        def tile(rows: slice, columns: slice) -> None:
            at, term = (rows, columns), product.tile(rows, columns)
            if order:
                term *= _power(self._plan.cosines[at], order)
            if order < 2:
                near, within = self._near_of[rows.start, columns.start]
                self._base[near] += term[within]
            self._gram[at] += term
            if ratio:
                self._gap[at] += ratio * term

        self._tiles.each(tile)

    def result(self) -> tuple[FloatArray, FloatArray, float]:
        """Return G, the gap and the largest error of an entry."""
        near, error = self._plan.near, self._error
        at = (near.first, near.second)
        if len(near):
            norms = self._norms[near.first] * self._norms[near.second]
            self._gram[at] = self._base + norms * near.sums
            self._gap[at] = near.error * self._heavy * norms
            error += float(self._gap[at].max())
        for matrix in (self._gram, self._gap):
            matrix[:] = np.tril(matrix, -1) + np.tril(matrix, -1).T
        np.fill_diagonal(self._gram, self._diagonal)
        return self._gram, self._gap, error


def _power(x: FloatArray, k: int) -> FloatArray:
    """Return x^k for an integer k ≥ 1, by squaring."""
    power = np.ones_like(x) if k % 2 == 0 else x.copy()
    while k := k // 2:
        x = x * x
        if k % 2:
            power *= x
    return power
