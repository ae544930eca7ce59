"""G and C of a Gaussian mixture in d dimensions, exact in the noise, to a stated accuracy.

G_ij = Σ_p ρ_ij^p (Σ_rows ω c_p(i) c_p(j)) off the diagonal, which is closed for itself. Every block
of rows takes as many orders as its own bound asks; few at small noise. Truncation keeps G positive
semi-definite: what is left out of the series stands on the diagonal.
"""

import warnings
from dataclasses import dataclass

import numpy as np

from ...diffusion.mixtures import GaussianMixture
from ...model.affine_skip import AffineSkip
from ...model.features import RandomFeatures
from ...support.errors import AccuracyWarning
from ...support.validation import FloatArray, memory
from .coefficients import Coefficients, FeatureCoefficients
from .cross import CrossSum
from .orders import Plan, plan
from .rows import Rows, Times, blocks
from .tiles import Tiles, tiles

# Error of the entries of G that is asked for, relative to the largest on the diagonal.
ACCURACY = 1e-9
# Orders at the most.
MAX_ORDER = 400
# Numbers in a matrix of coefficients: 16 MB, small enough for memory, enough for BLAS.
BLOCK = 1 << 21
# Rows of a block at the least.
_FEWEST = 64
# Rows summed in single precision, and what that errs by at most relative to √(A_i A_j), A the
# diagonal of the product: every entry is rounded, and so is every partial sum.
_SUMMED = 512
_SINGLE = (_SUMMED + 4) * 2.0**-24
# An order is in single precision where this errs by at most so much of its block's tolerance.
_OF_SHARE = 0.125
# Rows transposed at once, within a cache.
_COPIED = 64


@dataclass(frozen=True, eq=False)
class SeriesMoments:
    """G, C and what is known about their errors.

    Attributes:
        gram: G, shape (m, m).
        cross: C, shape (d, m).
        gap: about what truncation may have left out of G, entry by entry, shape (m, m).
        error: bound on the error of the entries of G and C beyond rounding.
    """

    gram: FloatArray
    cross: FloatArray
    gap: FloatArray
    error: float


def series_moments(
    law: GaussianMixture,
    times: Times,
    features: RandomFeatures,
    skip: AffineSkip | None,
    accuracy: float,
) -> SeriesMoments:
    """Return G = E_t λ E[h hᵀ] and C = E_t λ E[target hᵀ].

    Args:
        law: law of x(0), in d dimensions.
        times: time nodes with the weights ω λ.
        features: frozen features in d dimensions, of any activation.
        skip: affine part of the score, if any.
        accuracy: error of the entries of G relative to its largest diagonal entry.

    Raises:
        MemoryLimitError: G and a block would not fit.

    Warns:
        AccuracyWarning: the accuracy takes more orders than there may be.
    """
    memory("the Gram matrix", series_bytes(features.width, features.dimension))
    coefficients = FeatureCoefficients(law, times, features)
    with tiles(features.width) as over:
        planned = plan(coefficients, accuracy, MAX_ORDER)
        found, exhausted = _sums(coefficients, planned, skip, over)
        largest = float(np.diagonal(found.gram).max())
        if found.error > accuracy * largest and not exhausted:
            # The few rows that were looked at took the diagonal for larger than it is.
            planned = plan(coefficients, accuracy, MAX_ORDER, largest)
            found, exhausted = _sums(coefficients, planned, skip, over)
    if found.error > accuracy * largest:
        _warn(found.error / largest, accuracy, features.activation)
    return found


def series_bytes(m: int, d: int) -> float:
    """Return about the bytes that G, C and their series take; the number of data adds nothing."""
    # Twelve matrices of the size of G where every pair is near, six of a block's.
    return 8.0 * (12 * m * m + 6 * max(BLOCK, _FEWEST * m) + 5 * m * d)


def _sums(
    coefficients: FeatureCoefficients, planned: Plan, skip: AffineSkip | None, over: Tiles
) -> tuple[SeriesMoments, bool]:
    """Return what a plan gives, and whether a block ran out of orders."""
    law, times, features = coefficients.law, coefficients.times, coefficients.features
    cross = CrossSum(law, times, features, skip)
    gram = _GramSum(planned, over, features, law.n_components * len(times.t))
    size = _block_rows(features.width, planned, coefficients.closed)
    for rows in blocks(law, times, features, size):
        expected = int(planned.expected[rows.time].max())
        gram.add(rows, coefficients.at(rows, expected), cross)
    value, gap, error = gram.result()
    found, cross_error = cross.result()
    return SeriesMoments(value, found, gap, max(error, cross_error)), gram.exhausted


def cross_moments(
    law: GaussianMixture, times: Times, features: RandomFeatures, skip: AffineSkip | None
) -> tuple[FloatArray, float]:
    """Return C alone, in any dimension, and its largest error; arguments as `series_moments`."""
    coefficients = FeatureCoefficients(law, times, features)
    cross = CrossSum(law, times, features, skip)
    with tiles(features.width) as over:
        for rows in blocks(law, times, features, max(_FEWEST, BLOCK // features.width)):
            terms = coefficients.at(rows, 1).terms
            for order, (matrix, _, error) in zip((0, 1), terms, strict=False):
                cross.add(rows, order, matrix, error, over)
    return cross.result()


def _block_rows(m: int, planned: Plan, closed: bool) -> int:
    """Return the rows of a block: those whose coefficients are all held at once are fewer."""
    orders = 1 if closed else int(planned.expected.max()) + 1
    return max(_FEWEST, BLOCK // (m * orders))


def _warn(share: float, accuracy: float, activation: str) -> None:
    warnings.warn(
        f"the Hermite series of activation {activation!r} leaves an error of {share:.1e} of the "
        f"largest entry of G after {MAX_ORDER} orders where accuracy = {accuracy:.1e} is asked: "
        "ask for less, or train at times with less noise",
        AccuracyWarning,
        stacklevel=4,
    )


class _GramSum:
    """Σ over blocks of the series, with what each block's truncation may have left out."""

    def __init__(self, planned: Plan, over: Tiles, features: RandomFeatures, rows: int) -> None:
        m = features.width
        self.exhausted = False
        self._norms = np.linalg.norm(features.W, axis=1)
        self._plan, self._tiles = planned, over
        self._rows, self._done = rows, 0
        self._gram, self._gap = np.zeros((m, m)), np.zeros((m, m))
        self._base = np.zeros(len(planned.near))
        self._product, self._power = np.empty((2, m, m))
        self._diagonal = np.zeros(m)
        self._heavy = self._error = 0.0

    def add(self, rows: Rows, found: Coefficients, cross: CrossSum) -> None:
        """Add a block order by order until its bound meets its share of the tolerance."""
        plan, near = self._plan, self._plan.near
        if found.alpha is not None and len(near):
            heavy = np.square(rows.root * rows.width)
            self._heavy += float(heavy.sum())
            near.add(self._transposed(found.alpha), heavy)
        share = len(rows) * self._tolerance_of_a_row()
        self._done += len(rows)
        left, power = found.diagonal.copy(), 1.0
        self._diagonal += found.diagonal
        self._power.fill(1.0)
        reach = float(np.sqrt(found.diagonal.max()))
        self._error += found.diagonal_error
        for order, (matrix, factor, error) in enumerate(found.terms):
            if order < 2:
                cross.add(rows, order, matrix, error, self._tiles)
            rest = max(float(left.max()), 0.0)
            # Near pairs have the first two orders from here, at a |ρ| beyond the others'.
            size = 1.0 if order < 2 else power
            single = _SINGLE * size * rest <= _OF_SHARE * share
            self._multiply(matrix, float(np.sqrt(rest / factor)) if single else 0.0)
            last = factor * np.diagonal(self._product)
            largest = max(float(last.max()), np.finfo(float).tiny)
            rounding = _SINGLE * largest if single else 0.0
            left -= last - rounding
            self._error += size * (2.0 * reach * error + rounding)
            power *= plan.largest
            rest = max(float(left.max()), 0.0)
            bound = power * rest
            # What is not finite ends at once.
            done = (not bound > share or order == MAX_ORDER) and order > 0
            self._accumulate(factor, plan.largest * rest / largest if done else 0.0)
            if order < 2:
                self._base += self._product[near.first, near.second]
            if done:
                self._error += bound
                self.exhausted |= bound > share
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

    def _multiply(self, matrix: FloatArray, size: float) -> None:
        """Set the product HᵀH, in single precision if entries of H are up to a given size > 0."""
        halved = np.empty(matrix.shape if size else 0, dtype=np.float32)

        def convert(columns: slice) -> None:
            np.multiply(matrix[:, columns], 1.0 / size, out=halved[:, columns], casting="same_kind")

        def single(rows: slice, columns: slice) -> None:
            out = self._product[rows, columns]
            out[:] = 0.0
            for i in range(0, len(matrix), _SUMMED):
                part = halved[i : i + _SUMMED]
                out += part[:, rows].T @ part[:, columns]
            out *= size * size

        def double(rows: slice, columns: slice) -> None:
            self._product[rows, columns] = matrix[:, rows].T @ matrix[:, columns]

        if size:
            self._tiles.each_strip(convert)
        self._tiles.each(single if size else double)

    def _accumulate(self, factor: float, ratio: float) -> None:
        """Add ρ^p factor × product to G, `ratio` of it to the gap, and go on to ρ^{p+1}."""

        def tile(rows: slice, columns: slice) -> None:
            at = (rows, columns)
            term = self._product[at]
            term *= self._power[at]
            term *= factor
            self._gram[at] += term
            if ratio:
                self._gap[at] += ratio * term
            self._power[at] *= self._plan.cosines[at]

        self._tiles.each(tile)

    def result(self) -> tuple[FloatArray, FloatArray, float]:
        """Return G, the gap and the largest error of an entry."""
        near, error = self._plan.near, self._error
        at = (near.first, near.second)
        if len(near):
            norms = self._norms[near.first] * self._norms[near.second]
            self._gram[at] = self._base + norms * near.sums
            self._gap[at] = near.error * self._heavy * norms
            error = max(error, float(self._gap[at].max()))
        for matrix in (self._gram, self._gap):
            matrix[:] = np.tril(matrix, -1) + np.tril(matrix, -1).T
        np.fill_diagonal(self._gram, self._diagonal)
        return self._gram, self._gap, error
