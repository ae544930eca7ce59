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
from .coefficients import FeatureCoefficients
from .cross import CrossSum
from .gram_sum import GramSum
from .orders import Plan, plan
from .rows import Times, blocks
from .tiles import Tiles, tiles

# Error of the entries of G that is asked for, relative to the largest on the diagonal.
ACCURACY = 1e-9
# Orders at the most.
MAX_ORDER = 400
# Numbers in a matrix of coefficients: 16 MB, small enough for memory, enough for BLAS.
BLOCK = 1 << 21
# Rows of a block at the least.
_FEWEST = 64


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
    gram = GramSum(planned, over, features, law.n_components * len(times.t), MAX_ORDER)
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
