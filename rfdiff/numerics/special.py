"""Scalar functions that need care near a singular point."""

import numpy as np
from numpy.typing import ArrayLike

from ..support.validation import FloatArray


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


def accurate_product(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Return a @ b with partial sums that lose no digits, for a (…, k) and b (k, m).

    Large terms that cancel cost a plain product what they cancel. Here the leading bits of the rows
    of a and the columns of b are few enough to multiply and add exactly (Ozaki et al. 2012), and
    the rest is smaller by 2⁻²⁰ or so: four products, all by BLAS.

    >>> a, b = np.array([[1e9, 1.0, -1e9]]), np.array([[1.0 + 1e-7], [1e-7], [1.0 + 1e-7]])
    >>> float(accurate_product(a, b)[0, 0])
    1e-07
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    bits = (53 - int(np.ceil(np.log2(max(len(b), 2))))) // 2
    high_a, high_b = _leading(a, bits, -1), _leading(b, bits, 0)
    low_a, low_b = a - high_a, b - high_b
    return high_a @ high_b + (high_a @ low_b + low_a @ high_b + low_a @ low_b)


def _leading(x: FloatArray, bits: int, axis: int) -> FloatArray:
    """Return x rounded to multiples of 2^{−bits} of the largest along an axis, to a power of 2."""
    largest = np.abs(x).max(axis=axis, keepdims=True)
    shift = np.ldexp(0.75, np.frexp(largest)[1] + 53 - bits)
    return (x + shift) - shift
