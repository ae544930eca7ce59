"""Kernels of the score table: slopes and intercepts between sorted kinks, O(1) look-up.

At one time the score is slopes[k]·x + intercepts[k] with k = #{kinks < x}. Points are mapped to
buckets of u = (x − centre)/(spread + |x − centre|) ∈ (−1, 1), in which the heavy-tailed kinks are
spread evenly; `starts[b]` counts the kinks in the buckets before b.
"""

import numpy as np
from numba import njit, prange


@njit(cache=True, inline="always")
def _bucket(x, centre, spread, n_buckets):
    gap = x - centre
    b = int((gap / (spread + abs(gap)) + 1.0) * 0.5 * n_buckets)
    return min(max(b, 0), n_buckets - 1)


@njit(cache=True)
def locate(x, kinks, starts, centre, spread):
    """Return k = #{kinks < x} for the sorted kinks (m,) of one time and its starts (B + 1,)."""
    b = _bucket(x, centre, spread, len(starts) - 1)
    low, high = starts[b], starts[b + 1]
    while high - low > 4:
        middle = (low + high) // 2
        if kinks[middle] < x:
            low = middle + 1
        else:
            high = middle
    # Scan: exact even where rounding put a kink next to its bucket.
    while low < len(kinks) and kinks[low] < x:
        low += 1
    while low > 0 and kinks[low - 1] >= x:
        low -= 1
    return low


@njit(cache=True)
def table_score(x, k, slopes, intercepts):
    """Return s(x) on interval k of one time's slopes and intercepts (m + 1,)."""
    return slopes[k] * x + intercepts[k]


@njit(cache=True, parallel=True)
def fill_starts(kinks, centre, spread, starts):
    """Fill starts (n_t, B + 1) from sorted kinks (n_t, m); infinite kinks go to the end buckets."""
    n_buckets = starts.shape[1] - 1
    for i in prange(kinks.shape[0]):
        counts = starts[i]
        counts[:] = 0
        for x in kinks[i]:
            if np.isfinite(x):
                b = _bucket(x, centre[i], spread[i], n_buckets)
            else:
                b = 0 if x < 0.0 else n_buckets - 1
            counts[b + 1] += 1
        for b in range(n_buckets):
            counts[b + 1] += counts[b]


@njit(cache=True, parallel=True)
def fill_pieces(thetas, w, biases, scale, order, slopes, intercepts):
    """Fill slopes and intercepts (n_tau, n_t, m + 1) of every interval by prefix sums.

    thetas (n_tau, m), w (m,), biases (n_t, m), scale (n_t,), order (n_t, m) the features by kink.
    A feature with w < 0 is active left of its kink, any other to its right.
    """
    n_tau, m = thetas.shape
    n_times = len(scale)
    for task in prange(n_tau * n_times):
        r, i = task // n_times, task % n_times
        slope, intercept = 0.0, 0.0
        for j in range(m):
            if w[j] < 0.0:
                slope += thetas[r, j] * w[j]
                intercept += thetas[r, j] * biases[i, j]
        slopes[r, i, 0] = scale[i] * slope
        intercepts[r, i, 0] = scale[i] * intercept
        for k in range(m):
            j = order[i, k]
            weight = thetas[r, j] if w[j] >= 0.0 else -thetas[r, j]
            slope += weight * w[j]
            intercept += weight * biases[i, j]
            slopes[r, i, k + 1] = scale[i] * slope
            intercepts[r, i, k + 1] = scale[i] * intercept


@njit(cache=True, parallel=True)
def evaluate_table(x, time, kinks, starts, centre, spread, slopes, intercepts, value, slope):
    """Fill value and slope (n_tau, N) with s and ∂ₓs at points x (N,) and time index `time`."""
    for q in prange(len(x)):
        k = locate(x[q], kinks[time], starts[time], centre[time], spread[time])
        for r in range(len(slopes)):
            value[r, q] = table_score(x[q], k, slopes[r, time], intercepts[r, time])
            slope[r, q] = slopes[r, time, k]
