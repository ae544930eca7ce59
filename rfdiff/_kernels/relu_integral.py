"""Kernels of the piecewise-linear score at one time t (1-D, ReLU), batched over training times.

Definitions. The score of one parameter θ (m,) is continuous and piecewise linear in x; its
integral A(x) = ∫_{x₀}^x s is piecewise quadratic. Both are built by marching outwards from the
anchor x₀, so that far kinks cost no accuracy near it:

    knots       (K+1,)  sorted positions z_0 ≤ … ≤ z_K: kinks, the anchor, the ends of the domain
    jump_index  (K+1,)  the feature whose slope jumps at the knot, −1 at the anchor and the ends
    jump        (m,)    |w_j| times the output scale: the jump of h_j′ at its kink
    anchor      int     position of x₀ among the knots; kinks at x₀ itself lie to its left
    value0      (m,)    h_j(x₀)
    slope0      (m,)    h_j′(x₀) just right of x₀
"""

import math

import numpy as np
from numba import njit, prange

# Unit roundoff, and the size at which e^{-…} no longer counts beside the peak.
_ROUNDOFF = 2.0**-53
_NEGLIGIBLE = -64.0
# Rounding errors of an m-term dot product add like a random walk; this covers m up to 10⁶.
_DOT_FACTOR = 32.0


@njit(cache=True)
def _march(
    theta, knots, jump_index, jump, anchor, value0, slope0, integral, score, slope, rounding
):
    """Fill A and s at the knots, s′ between them, and the running rounding error of A.

    `slope` has K + 2 entries: slope[k] holds left of knot k, so slope[k + 1] right of it.
    """
    s0, s0_size, g0, g0_size = 0.0, 0.0, 0.0, 0.0
    for j in range(len(theta)):
        a, b = theta[j] * value0[j], theta[j] * slope0[j]
        s0 += a
        s0_size += abs(a)
        g0 += b
        g0_size += abs(b)
    last = len(knots) - 1
    for direction in (1, -1):
        s, g, p = s0, g0, 0.0
        s_error = _DOT_FACTOR * _ROUNDOFF * s0_size
        g_error = _DOT_FACTOR * _ROUNDOFF * g0_size
        p_error = 0.0
        k = anchor
        integral[k], score[k], rounding[k] = 0.0, s, 0.0
        while True:
            j = jump_index[k]
            if j >= 0:
                change = direction * theta[j] * jump[j]
                g += change
                g_error += _ROUNDOFF * (abs(change) + abs(g))
            slope[k + (1 if direction > 0 else 0)] = g
            if k == (last if direction > 0 else 0):
                break
            h = knots[k + direction] - knots[k]
            width = abs(h)
            p += h * (s + 0.5 * g * h)
            p_error += width * (s_error + 0.5 * width * g_error)
            p_error += _ROUNDOFF * (abs(p) + 2.0 * width * (abs(s) + width * abs(g)))
            s += g * h
            s_error += width * g_error + _ROUNDOFF * (abs(s) + 2.0 * width * abs(g))
            k += direction
            integral[k], score[k], rounding[k] = p, s, p_error


@njit(cache=True)
def _series(p, q):
    """∫_{−1}^{1} exp(p v + q v²) dv for |p| ≤ 1, |q| ≤ ½, by the exponential's own recurrence."""
    before, here = 1.0, p
    total = 2.0
    for n in range(2, 40, 2):
        before = (p * here + 2.0 * q * before) / n
        here = (p * before + 2.0 * q * here) / (n + 1)
        term = 2.0 * before / (n + 1)
        total += term
        if abs(before) + abs(here) < 1e-17:
            break
    return total


@njit(cache=True)
def _segment(width, p, s, g):
    """∫_0^width exp(p + s u + g u²/2) du, bisecting until the exponent varies by at most 3/2.

    Pieces below exp(−64) are dropped: the caller has subtracted the largest exponent from p.
    """
    total = 0.0
    level, index = 0, 0
    while width > 0.0:
        h = width / 2.0**level
        u = index * h
        half = 0.5 * h
        middle = u + half
        at_middle = p + middle * (s + 0.5 * g * middle)
        linear = (s + g * middle) * half
        quadratic = 0.5 * g * half * half
        dead = at_middle + abs(linear) + max(quadratic, 0.0) < _NEGLIGIBLE
        if dead or (abs(linear) <= 1.0 and abs(quadratic) <= 0.5):
            if not dead:
                total += half * math.exp(at_middle) * _series(linear, quadratic)
            index += 1
            while level > 0 and index % 2 == 0:
                index //= 2
                level -= 1
            if level == 0:
                break
        else:
            level += 1
            index *= 2
    return total


@njit(cache=True)
def _peak(knots, integral, score, slope):
    """Largest value of A over the knots and the vertices between them."""
    top = integral[0]
    for k in range(len(knots) - 1):
        top = max(top, integral[k + 1])
        s, g = score[k], slope[k + 1]
        if g < 0.0 and s > 0.0 and score[k + 1] < 0.0:
            top = max(top, integral[k] - 0.5 * s * s / g)
    return top


@njit(cache=True, parallel=True)
def log_partitions(thetas, knots, jump_index, jump, anchor, value0, slope0, log_z, error, ends):
    """Fill log ∫ exp A between the first and last knot for every θ of `thetas` (n, m).

    `error` (n,) is the rounding error of A where it counts; `ends` (n, 2, 3) receives (A, s, s′)
    at the first knot (slope to its left) and the last (slope to its right).
    """
    size = len(knots)
    for i in prange(len(thetas)):
        integral, score = np.empty(size), np.empty(size)
        slope, rounding = np.empty(size + 1), np.empty(size)
        _march(
            thetas[i], knots, jump_index, jump, anchor, value0, slope0,
            integral, score, slope, rounding,
        )  # fmt: skip
        top = _peak(knots, integral, score, slope)
        total = 0.0
        worst = 0.0
        for k in range(size):
            if integral[k] - top > 0.5 * _NEGLIGIBLE:
                worst = max(worst, rounding[k])
            # Each piece is expanded about its end nearer the anchor, from which the march came.
            if k > anchor:
                width = knots[k] - knots[k - 1]
                total += _segment(width, integral[k - 1] - top, score[k - 1], slope[k])
            elif k < anchor:
                width = knots[k + 1] - knots[k]
                total += _segment(width, integral[k + 1] - top, -score[k + 1], slope[k + 1])
        log_z[i] = top + math.log(total) if total > 0.0 else -np.inf
        error[i] = worst + 8.0 * _ROUNDOFF * (1.0 + abs(log_z[i]))
        for side, k in ((0, 0), (1, size - 1)):
            ends[i, side, 0] = integral[k]
            ends[i, side, 1] = score[k]
            ends[i, side, 2] = slope[k + side]


@njit(cache=True, parallel=True)
def evaluate(thetas, knots, jump_index, jump, anchor, value0, slope0, x, derivative, out):
    """Fill out (n, N) with A (derivative = 0), s (1) or s′ (2) at sorted points x (N,).

    Beyond the knots the outermost pieces are continued. At a knot s′ is the slope to its left.
    """
    size = len(knots)
    for i in prange(len(thetas)):
        integral, score = np.empty(size), np.empty(size)
        slope, rounding = np.empty(size + 1), np.empty(size)
        _march(
            thetas[i], knots, jump_index, jump, anchor, value0, slope0,
            integral, score, slope, rounding,
        )  # fmt: skip
        right = 0
        for q in range(len(x)):
            while right < size and knots[right] < x[q]:
                right += 1
            # Expand about the nearer-to-anchor knot, from which the march came.
            k = right if right <= anchor else right - 1
            u, g = x[q] - knots[k], slope[right]
            if derivative == 0:
                out[i, q] = integral[k] + u * (score[k] + 0.5 * g * u)
            elif derivative == 1:
                out[i, q] = score[k] + g * u
            else:
                out[i, q] = g
