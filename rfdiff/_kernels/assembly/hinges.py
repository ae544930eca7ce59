"""Hinge moments of smoothed point masses: E(X − κ)₊ᵏ and E(κ − X)₊ᵏ, k = 0, 1, 2.

X = r (x_I + s z) with P(I = i) = q_i, sorted positions x_i and z ~ N(0, 1). Positions within
`CUT` widths of a kink are summed through Φ and ϕ; all others are exact polynomials in κ, read
from suffix and prefix moments anchored at the positions themselves, so that every sum is one of
positive terms and nothing cancels.

Kinks crowd: where several fall into one box of width s, the moments are summed once, at the box's
centre, and shifted to each kink by their Taylor series, whose coefficients are the derivatives of
the density, Hermite functions of the same sums.
"""

import math

import numpy as np
from numba import njit, prange

# Beyond this many widths 1 − Φ is below 1e-17 and the Gaussian's truncation is invisible.
CUT = 8.5
_SQRT_HALF = math.sqrt(0.5)
_INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
# Taylor terms within half a width: the first one left out is below 2e-16, as |(−1)ᵏ He_k ϕ|/k!
# ≤ 0.44/√k! and the series for P(X > κ) divides it by (k + 1) 2^{k+1}.
_TERMS = 20
# With fewer kinks in a box than this, each is summed on its own.
_CROWD = 3
# Nodes are dealt to threads in steps of a prime, so that each gets cheap and dear ones alike.
_STRIDE = 7919


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
def _sum_far(kink, s, first, last, x, suffix, prefix, out):
    """Set `out` to the moments of the positions before `first` and from `last` on."""
    out[:] = 0.0
    if last < len(x):
        gap = x[last] - kink
        m0, m1, m2 = suffix[last, 0], suffix[last, 1], suffix[last, 2]
        out[0] = m0
        out[1] = m1 + gap * m0
        out[2] = m2 + gap * (2.0 * m1 + gap * m0) + s * s * m0
    if first > 0:
        gap = kink - x[first - 1]
        m0, m1, m2 = prefix[first - 1, 0], prefix[first - 1, 1], prefix[first - 1, 2]
        out[3] = m0
        out[4] = m1 + gap * m0
        out[5] = m2 + gap * (2.0 * m1 + gap * m0) + s * s * m0


@njit(cache=True)
def _add_near(kink, s, x, q, out):
    """Add the moments of positions near the kink, where the Gaussian matters."""
    inverse = 1.0 / s
    up0 = up1 = up2 = low0 = low1 = low2 = 0.0
    for i in range(len(x)):
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
            up0 += weight * (1.0 - tail)
            up1 += weight * (small1 + zeta)
            up2 += weight * (square - small2)
            low0 += weight * tail
            low1 += weight * small1
            low2 += weight * small2
        else:
            low0 += weight * (1.0 - tail)
            low1 += weight * (small1 + zeta)
            low2 += weight * (square - small2)
            up0 += weight * tail
            up1 += weight * small1
            up2 += weight * small2
    out[0] += up0
    out[1] += s * up1
    out[2] += s * s * up2
    out[3] += low0
    out[4] += s * low1
    out[5] += s * s * low2


@njit(cache=True)
def _density_series(centre, s, x, q, inverses, series):
    """Set series[k] = s^{k+1} p⁽ᵏ⁾(centre)/k!, p the density near the centre.

    Each position adds (−1)ᵏ He_k(ζ) ϕ(ζ)/k! =: g_k, and g_{k+1} = −(ζ g_k + g_{k−1})/(k + 1).
    """
    series[:] = 0.0
    for i in range(len(x)):
        zeta = (centre - x[i]) / s
        previous, current = 0.0, q[i] * _INV_SQRT_2PI * math.exp(-0.5 * zeta * zeta)
        for k in range(len(series)):
            series[k] += current
            previous, current = current, -(zeta * current + previous) * inverses[k]


@njit(cache=True)
def _taylor_shift(u, s, at_centre, series, inverses, out):
    """Set `out` to the moments at centre + u s: integrals of the density's Taylor series."""
    sum1 = sum2 = sum3 = 0.0
    for k in range(len(series) - 1, -1, -1):
        term1 = series[k] * inverses[k]
        term2 = term1 * inverses[k + 1]
        sum1 = sum1 * u + term1
        sum2 = sum2 * u + term2
        sum3 = sum3 * u + term2 * inverses[k + 2]
    step = s * u
    sum1, sum2, sum3 = sum1 * u, sum2 * step * u, 2.0 * sum3 * step * step * u
    out[0] = at_centre[0] - sum1
    out[1] = at_centre[1] - step * at_centre[0] + sum2
    out[2] = at_centre[2] - step * (2.0 * at_centre[1] - step * at_centre[0]) - sum3
    out[3] = at_centre[3] + sum1
    out[4] = at_centre[4] + step * at_centre[3] + sum2
    out[5] = at_centre[5] + step * (2.0 * at_centre[4] + step * at_centre[3]) + sum3


@njit(cache=True)
def _add(r, moments, out, j):
    """Add moments for unit scale to column j at scale r."""
    for side in range(0, 6, 3):
        out[side, j] += moments[side]
        out[side + 1, j] += r * moments[side + 1]
        out[side + 2, j] += r * r * moments[side + 2]


@njit(cache=True)
def _crowds(kinks, r, low, s, n_boxes):
    """Sort kinks by box of width s: return the order and where each box starts in it.

    Box 0 holds what is below `low`, the last box what is above all others.
    """
    m = len(kinks)
    box = np.empty(m, np.int64)
    starts = np.zeros(n_boxes + 3, np.int64)
    for j in range(m):
        position = np.floor((kinks[j] / r - low) / s)
        box[j] = 1 + int(min(max(position, -1.0), float(n_boxes)))
        starts[box[j] + 1] += 1
    starts = np.cumsum(starts)
    order = np.empty(m, np.int64)
    filled = starts.copy()
    for j in range(m):
        order[filled[box[j]]] = j
        filled[box[j]] += 1
    return order, starts


@njit(cache=True)
def _add_group(kinks, r, s, x, q, suffix, prefix, out):
    """Add one group's moments at the kinks of one node."""
    inverses = 1.0 / np.arange(1.0, _TERMS + 3.0)
    moments, at_centre, series = np.empty(6), np.empty(6), np.empty(_TERMS)
    low = x[0] - (CUT + 0.5) * s
    span = x[-1] - low + (CUT + 0.5) * s
    # Boxes are worth their bookkeeping only if there are no more of them than kinks.
    n_boxes = int(span / s) + 1 if s > 0.0 and span < len(kinks) * s else 0
    order, starts = _crowds(kinks, r, low, max(s, 1e-300), n_boxes)
    for box in range(n_boxes + 2):
        members = order[starts[box] : starts[box + 1]]
        if len(members) < _CROWD or box == 0 or box == n_boxes + 1:
            for j in members:
                kink = kinks[j] / r
                first = np.searchsorted(x, kink - CUT * s)
                last = np.searchsorted(x, kink + CUT * s)
                _sum_far(kink, s, first, last, x, suffix, prefix, moments)
                if first < last:
                    _add_near(kink, s, x[first:last], q[first:last], moments)
                _add(r, moments, out, j)
            continue
        centre = low + (box - 0.5) * s
        first = np.searchsorted(x, centre - (CUT + 0.5) * s)
        last = np.searchsorted(x, centre + (CUT + 0.5) * s)
        _sum_far(centre, s, first, last, x, suffix, prefix, at_centre)
        _add_near(centre, s, x[first:last], q[first:last], at_centre)
        _density_series(centre, s, x[first:last], q[first:last], inverses, series)
        for j in members:
            _taylor_shift((kinks[j] / r - centre) / s, s, at_centre, series, inverses, moments)
            _add(r, moments, out, j)


@njit(cache=True, parallel=True)
def hinge_moments(kinks, scale, widths, start, stop, x, q, suffix, prefix, out):
    """Fill out[k, :, j] with the six hinge moments at kinks[k, j] for node k.

    widths, start, stop: (n_t, groups); group g of node k has positions start:stop of the flat
    arrays, all smoothed by the same width s, and node k is scaled by r = scale[k].
    """
    n_t = len(kinks)
    for task in prange(n_t):
        k = (task * _STRIDE) % n_t
        out[k] = 0.0
        for g in range(widths.shape[1]):
            a, b = start[k, g], stop[k, g]
            _add_group(
                kinks[k],
                scale[k],
                widths[k, g],
                x[a:b],
                q[a:b],
                suffix[a:b],
                prefix[a:b],
                out[k],
            )
