"""Scalar functions that need care near a singular point."""

import numpy as np
from numpy.typing import ArrayLike

from .validation import FloatArray


def phi1(z: ArrayLike) -> FloatArray:
    """φ₁(z) = (eᶻ − 1)/z, with φ₁(0) = 1: entire, so no eigenvalue is ever divided by.

    >>> phi1([0.0, -1e-20, 1.0])
    array([1. , 1. , 1.71828183])
    """
    z = np.asarray(z, dtype=np.float64)
    at_zero = z == 0
    return np.where(at_zero, 1.0, np.expm1(z) / np.where(at_zero, 1.0, z))


def geometric_sum(x: ArrayLike, k: ArrayLike) -> FloatArray:
    """Return Σ_{i<k} (1 − x)ⁱ = (1 − (1 − x)ᵏ)/x, with the limit k at x = 0.

    The discrete counterpart of `phi1`: x = 2ηλ for gradient descent of step η. Evaluated through
    log1p and expm1, it keeps full relative accuracy however small x is. Steps k are integers;
    x > 1 (a step beyond monotone decay) is allowed.
    """
    x, k = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(k, np.float64))
    base = 1.0 - x
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        power_minus_one = np.where(
            base > 0, np.expm1(k * np.log1p(-np.minimum(x, 1.0))), np.power(base, k) - 1.0
        )
    power_minus_one = np.where(k == 0, 0.0, power_minus_one)
    at_zero = x == 0
    return np.where(at_zero, k, -power_minus_one / np.where(at_zero, 1.0, x))
