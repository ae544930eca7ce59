"""Hinge moments of smoothed point masses: E(X − κ)₊ᵏ and E(κ − X)₊ᵏ, k = 0, 1, 2.

X = r (x_I + s z) with P(I = i) = q_i, sorted positions x_i and z ~ N(0, 1). Positions within
`CUT` widths of a kink are summed through Φ and ϕ; all others are exact polynomials in κ, read
from suffix and prefix moments anchored at the positions themselves, so that every sum is one of
positive terms and nothing cancels.
"""

import math

import numpy as np
from numba import njit, prange

# Beyond this many widths 1 − Φ is below 1e-17 and the Gaussian's truncation is invisible.
CUT = 8.5
_SQRT_HALF = math.sqrt(0.5)
_INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
_BLOCK = 64


@njit(cache=True)
def _add_compensated(pair, increment):
    """Add to the sum pair[0] with Kahan's compensation pair[1]."""
    corrected = increment - pair[1]
    total = pair[0] + corrected
    pair[1] = (total - pair[0]) - corrected
    pair[0] = total


@njit(cache=True)
def chebyshev_atoms(x, q, n_boxes, order, out_x, out_q):
    """Replace sorted positions by `order` Chebyshev nodes a box, with the same moments.

    Each of `n_boxes` equal boxes of [x_0, x_{n−1}] keeps Σ q T_k(x) for k < order, so sums
    Σ q_i f(x_i) change only by the interpolation error of f on a box. Empty boxes keep zeros.
    """
    low = x[0]
    width = (x[-1] - low) / n_boxes
    half = 0.5 * width
    nodes = np.empty(order)
    for k in range(order):
        nodes[k] = -math.cos(math.pi * (k + 0.5) / order)
    # Column 1 carries the compensation of the sums: n equal masses round in one direction.
    moments = np.zeros((order, 2))
    i = 0
    for box in range(n_boxes):
        centre = low + (box + 0.5) * width
        end = low + (box + 1) * width
        moments[:] = 0.0
        while i < len(x) and (x[i] < end or box == n_boxes - 1):
            u = (x[i] - centre) / half if half > 0.0 else 0.0
            previous, current = 1.0, u
            _add_compensated(moments[0], q[i])
            for k in range(1, order):
                _add_compensated(moments[k], q[i] * current)
                previous, current = current, 2.0 * u * current - previous
            i += 1
        for k in range(order):
            # T_j(u_k) by recurrence: ℓ_k(x) = (1 + 2 Σ_{j ≥ 1} T_j(u_k) T_j(x)) / order.
            previous, current = 1.0, nodes[k]
            total = moments[0, 0]
            for j in range(1, order):
                total += 2.0 * moments[j, 0] * current
                previous, current = current, 2.0 * nodes[k] * current - previous
            out_x[box * order + k] = centre + half * nodes[k]
            out_q[box * order + k] = total / order


@njit(cache=True)
def anchored_moments(x, q, suffix, prefix):
    """Fill suffix[i] = Σ_{k ≥ i} q_k (x_k − x_i)ᵖ, prefix[i] = Σ_{k ≤ i} q_k (x_i − x_k)ᵖ, p ≤ 2.

    Moments move from anchor to anchor by sums of positive terms; compensated (Kahan)
    additions keep the error at a few units of rounding whatever the number of positions.
    """
    n = len(x)
    for direction in range(2):
        out = suffix if direction == 0 else prefix
        sums = np.zeros((3, 2))
        for step in range(n):
            i = n - 1 - step if direction == 0 else step
            if step > 0:
                gap = x[i + 1] - x[i] if direction == 0 else x[i] - x[i - 1]
                _add_compensated(sums[2], gap * (2.0 * sums[1, 0] + gap * sums[0, 0]))
                _add_compensated(sums[1], gap * sums[0, 0])
            _add_compensated(sums[0], q[i])
            out[i, :] = sums[:, 0]


@njit(cache=True)
def _hinge(kink, s, x, q, suffix, prefix, out):
    """Add to out[0:3] the moments of (X − κ)₊ and to out[3:6] those of (κ − X)₊, for r = 1."""
    n = len(x)
    first = np.searchsorted(x, kink - CUT * s)
    last = np.searchsorted(x, kink + CUT * s)
    if last < n:
        gap = x[last] - kink
        m0, m1, m2 = suffix[last, 0], suffix[last, 1], suffix[last, 2]
        out[0] += m0
        out[1] += m1 + gap * m0
        out[2] += m2 + gap * (2.0 * m1 + gap * m0) + s * s * m0
    if first > 0:
        gap = kink - x[first - 1]
        m0, m1, m2 = prefix[first - 1, 0], prefix[first - 1, 1], prefix[first - 1, 2]
        out[3] += m0
        out[4] += m1 + gap * m0
        out[5] += m2 + gap * (2.0 * m1 + gap * m0) + s * s * m0
    if first == last:
        return
    inverse = 1.0 / s
    near0 = near1 = near2 = far0 = far1 = far2 = 0.0
    for i in range(first, last):
        signed = (x[i] - kink) * inverse
        zeta = abs(signed)
        tail = 0.5 * math.erfc(zeta * _SQRT_HALF)
        bell = _INV_SQRT_2PI * math.exp(-0.5 * zeta * zeta)
        square = 1.0 + zeta * zeta
        # The small side of the kink, and what is left for the large side.
        small1 = bell - zeta * tail
        small2 = square * tail - zeta * bell
        weight = q[i]
        if signed > 0.0:
            near0 += weight * (1.0 - tail)
            near1 += weight * (small1 + zeta)
            near2 += weight * (square - small2)
            far0 += weight * tail
            far1 += weight * small1
            far2 += weight * small2
        else:
            far0 += weight * (1.0 - tail)
            far1 += weight * (small1 + zeta)
            far2 += weight * (square - small2)
            near0 += weight * tail
            near1 += weight * small1
            near2 += weight * small2
    out[0] += near0
    out[1] += s * near1
    out[2] += s * s * near2
    out[3] += far0
    out[4] += s * far1
    out[5] += s * s * far2


@njit(cache=True, parallel=True)
def hinge_moments(kinks, scale, widths, start, stop, x, q, suffix, prefix, out):
    """Fill out[k, :, j] with the six hinge moments at kinks[k, j] for node k.

    widths, start, stop: (n_t, groups); group g of node k has positions start:stop of the flat
    arrays, all smoothed by the same width s, and node k is scaled by r = scale[k].
    """
    n_t, m = kinks.shape
    n_blocks = (m + _BLOCK - 1) // _BLOCK
    # Nodes run fastest, so that every thread meets cheap and dear nodes alike.
    for task in prange(n_t * n_blocks):
        k = task % n_t
        block = task // n_t
        r = scale[k]
        moments = np.empty(6)
        for j in range(block * _BLOCK, min(m, (block + 1) * _BLOCK)):
            moments[:] = 0.0
            for g in range(widths.shape[1]):
                a, b = start[k, g], stop[k, g]
                _hinge(
                    kinks[k, j] / r, widths[k, g], x[a:b], q[a:b], suffix[a:b], prefix[a:b], moments
                )
            for side in range(2):
                out[k, 3 * side, j] = moments[3 * side]
                out[k, 3 * side + 1, j] = r * moments[3 * side + 1]
                out[k, 3 * side + 2, j] = r * r * moments[3 * side + 2]
