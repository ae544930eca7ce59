"""Hermite coefficients of ReLU at Gaussians, order by order, for many features at once.

A row is a Gaussian N(M, S²I) with a weight ω; feature j sees N(a, s²), a = scale·(w_j·μ) + b_j and
s = width·|w_j|. With α = a/s the coefficients are c₀ = s(αΦ + ϕ), c₁ = sΦ and, for p ≥ 2,
c_p = s ψ_{p−2}/√(p(p−1)), ψ₀ = ϕ, ψ_{k+1} = −(αψ_k + √k ψ_{k−1})/√(k+1).

Every array (rows, m) is worked on in strips of columns, each by one thread and in the order of the
rows, so sums over rows do not depend on the number of threads.
"""

import math

import numpy as np
from numba import get_num_threads, njit, prange
from scipy.special import erfcx

# Columns of a strip: eight cache lines.
_STRIP = 64
# Beyond this |α| the density is zero in double precision, and Φ zero or one.
_FAR = 40.0
_DENSITY = 1.0 / math.sqrt(2.0 * math.pi)
# Mills' ratio Φ(−α)/ϕ(α) for α ≥ 0 by polynomials of y = 4/(4 + α) on even intervals of (0, 1].
_INTERVALS, _DEGREE = 128, 6


def _mills_table():
    """Return the coefficients of (1 − Φ)/e^{−α²/2} on each interval, (_INTERVALS, _DEGREE + 1)."""
    nodes = np.cos((np.arange(_DEGREE + 1) + 0.5) * np.pi / (_DEGREE + 1))
    powers = np.linalg.inv(np.vander(nodes, increasing=True))
    y = (np.arange(_INTERVALS)[:, None] + 0.5 * (nodes + 1.0)) / _INTERVALS
    return 0.5 * erfcx((4.0 / y - 4.0) / math.sqrt(2.0)) @ powers.T


_MILLS = _mills_table()


@njit(cache=True, inline="always")
def _beyond(size, exponential):
    """Return 1 − Φ(|α|), given |α| and e^{−α²/2}."""
    place = _INTERVALS * 4.0 / (4.0 + size)
    interval = min(int(place), _INTERVALS - 1)
    z = 2.0 * (place - interval) - 1.0
    value = _MILLS[interval, _DEGREE]
    for k in range(_DEGREE - 1, -1, -1):
        value = value * z + _MILLS[interval, k]
    return value * exponential


def thread_count():
    """Return how many threads kernels may use now."""
    return get_num_threads()


@njit(cache=True, parallel=True)
def relu_start(
    projected, scale, bias_row, biases, width, norms, root, alpha, zeroth, first, smooth, diagonal
):
    """Fill α, √ω c₀, √ω c₁ and √ω s ϕ(α), all (rows, m), and diagonal (m,) with Σ ω E act².

    projected (n, m): w_j·μ of the n components, over which the rows run fastest; scale, width and
    root = √ω (rows,); row r has the biases of `bias_row[r]`; norms (m,): |w_j|.
    """
    rows, m = alpha.shape
    n = len(projected)
    for strip in prange((m + _STRIP - 1) // _STRIP):
        start, stop = strip * _STRIP, min((strip + 1) * _STRIP, m)
        for j in range(start, stop):
            diagonal[j] = 0.0
        for r in range(rows):
            i, k, weight = r % n, bias_row[r], root[r]
            for j in range(start, stop):
                a, s = scale[r] * projected[i, j] + biases[k, j], width[r] * norms[j]
                if abs(a) < _FAR * s:
                    at = a / s
                    density = math.exp(-0.5 * at * at)
                    above = _beyond(abs(at), density)
                    above = above if at < 0.0 else 1.0 - above
                else:
                    at = math.copysign(_FAR, a)
                    above, density = (1.0 if a > 0.0 else 0.0), 0.0
                density *= s * _DENSITY
                mean = a * above + density
                alpha[r, j] = at
                zeroth[r, j] = weight * mean
                first[r, j] = weight * s * above
                smooth[r, j] = weight * density
                diagonal[j] += weight * weight * max(a * mean + s * s * above, 0.0)


@njit(cache=True, parallel=True)
def relu_second(alpha, smooth, out):
    """Fill out (rows, m) with √ω s ψ₁ = −α √ω s ψ₀."""
    for r in prange(len(alpha)):
        for j in range(alpha.shape[1]):
            out[r, j] = -alpha[r, j] * smooth[r, j]


@njit(cache=True, parallel=True)
def relu_step(alpha, newer, older, k):
    """Turn older (rows, m), √ω s ψ_{k−1}, into √ω s ψ_{k+1}; newer is √ω s ψ_k."""
    share, root = 1.0 / math.sqrt(k + 1.0), math.sqrt(k)
    for r in prange(len(alpha)):
        for j in range(alpha.shape[1]):
            older[r, j] = -share * (alpha[r, j] * newer[r, j] + root * older[r, j])
