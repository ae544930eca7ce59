"""Kernels of the samplers: steps of many reverse paths, and scores in any dimension.

Every scheme is a row of five numbers (a, b, c, p, q) for each step from t to t' with a normal z:

    x̃ = a x + b s(x, t) + c z
    x' = x̃, or with a corrector  x' = a x + p s(x, t) + q s(x̃, t') + c z

Each path is computed by the same operations in the same order wherever it stands in a batch, so
results do not depend on the size of the batch or the number of threads.

    x             (n,) or (n, d)       positions, overwritten
    coefficients  (k, 5)               one row for each step
    noise         (k, n)               normals handed in; (0, 0): drawn from (key, path, step)
    track         (k, n)               receives the positions after each step; (0, 0): not wanted
"""

import math

import numpy as np
from numba import njit, prange

from .activations import activate
from .philox import normal, word_pair

# Paths advanced together: enough to share a table's way into the cache, few enough to stay there.
_PATHS = 1024
# Paths whose scores are summed side by side, so that sums over features use vector instructions.
_LANES = 8
# Kinks counted without a branch before a look-up starts to search.
_COUNTED = 4


@njit(cache=True, inline="always")
def _table_scores(x, kinks, starts, centre, spread, slopes, intercepts, bucket, out):
    """Fill out (P,) with one time's table at x (P,): `table.locate`, arranged for many points.

    The buckets come first, by vector instructions; then most look-ups end without a branch that
    cannot be predicted.
    """
    m, last = len(kinks), np.int32(len(starts) - 2)
    half = 0.5 * (len(starts) - 1)
    for i in range(len(x)):
        gap = x[i] - centre
        b = np.int32((gap / (spread + abs(gap)) + 1.0) * half)
        bucket[i] = min(max(b, np.int32(0)), last)
    for i in range(len(x)):
        here = x[i]
        k = np.int64(starts[bucket[i]])
        if k + _COUNTED <= m:
            passed = 0
            for j in range(_COUNTED):
                passed += np.int64(kinks[k + j] < here)
            k += passed
        while k < m and kinks[k] < here:
            k += 1
        while k > 0 and kinks[k - 1] >= here:
            k -= 1
        out[i] = slopes[k] * here + intercepts[k]


@njit(cache=True, parallel=True)
def table_steps(
    x, key, first_path, first_step, coefficients, corrected,
    kinks, starts, centre, spread, slopes, intercepts, noise, track,
):  # fmt: skip
    """Advance paths (n,) of a tabulated score by k steps; the tables hold the k + 1 times.

    `first_step` is even: the normals of steps 2j and 2j + 1 share a block of the generator.
    """
    n, steps = len(x), len(coefficients)
    given, draws = noise.shape[0] > 0, np.any(coefficients[:, 2] != 0.0)
    for chunk in prange((n + _PATHS - 1) // _PATHS):
        start = chunk * _PATHS
        count = min(_PATHS, n - start)
        words = np.empty((2, count), np.uint64)
        bucket = np.empty(count, np.int32)
        z, s, ahead, there = np.zeros(count), np.empty(count), np.empty(count), np.empty(count)
        here = x[start : start + count]
        path = first_path + start
        for k in range(steps):
            a, b, c, p, q = coefficients[k]
            half, block = k % 2, (first_step + k) // 2
            if draws and given:
                z[:] = noise[k, start : start + count]
            elif draws:
                if half == 0:
                    for i in range(count):
                        words[0, i], words[1, i] = word_pair(key, path + i, block, 0)
                for i in range(count):
                    z[i] = normal(words[half, i], key, path + i, block, half)
            _table_scores(
                here, kinks[k], starts[k], centre[k], spread[k],
                slopes[k], intercepts[k], bucket, s,
            )  # fmt: skip
            for i in range(count):
                there[i] = a * here[i] + b * s[i] + c * z[i]
            if corrected:
                _table_scores(
                    there, kinks[k + 1], starts[k + 1], centre[k + 1], spread[k + 1],
                    slopes[k + 1], intercepts[k + 1], bucket, ahead,
                )  # fmt: skip
                for i in range(count):
                    there[i] = a * here[i] + p * s[i] + q * ahead[i] + c * z[i]
            here[:] = there
            if track.shape[0] > 0:
                track[k, start : start + count] = here


@njit(cache=True, parallel=True)
def feature_scores(x, w, biases, theta, scale, code, out):
    """Fill out (n, d) with θ act(W x + b)·scale at points x (n, d); w (m, d), theta (d, m)."""
    n, d = x.shape
    m = len(w)
    for group in prange((n + _LANES - 1) // _LANES):
        start = group * _LANES
        count = min(_LANES, n - start)
        point, total = np.zeros((d, _LANES)), np.zeros((d, _LANES))
        active = np.empty(_LANES)
        for lane in range(count):
            for i in range(d):
                point[i, lane] = x[start + lane, i]
        for j in range(m):
            for lane in range(_LANES):
                active[lane] = biases[j]
            for i in range(d):
                for lane in range(_LANES):
                    active[lane] += w[j, i] * point[i, lane]
            for lane in range(_LANES):
                active[lane] = activate(code, active[lane])
            for i in range(d):
                for lane in range(_LANES):
                    total[i, lane] += theta[i, j] * active[lane]
        for lane in range(count):
            for i in range(d):
                out[start + lane, i] = scale * total[i, lane]


@njit(cache=True, parallel=True)
def mixture_scores(x, log_weights, means, variances, out):
    """Fill out (n, d) with ∇ log Σ_k q_k N(x; μ_k, ς_k²); log_weights are log q_k − d log ς_k."""
    n, d = x.shape
    components = len(means)
    for i in prange(n):
        exponent = np.empty(components)
        top = -np.inf
        for k in range(components):
            squared = 0.0
            for j in range(d):
                squared += (x[i, j] - means[k, j]) ** 2
            exponent[k] = log_weights[k] - 0.5 * squared / variances[k]
            top = max(top, exponent[k])
        total = 0.0
        for j in range(d):
            out[i, j] = 0.0
        for k in range(components):
            weight = math.exp(exponent[k] - top)
            total += weight
            for j in range(d):
                out[i, j] += weight * (means[k, j] - x[i, j]) / variances[k]
        for j in range(d):
            out[i, j] /= total
