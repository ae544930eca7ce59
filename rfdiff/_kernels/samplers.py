"""Kernels of the samplers: steps of many reverse paths of a tabulated score.

Every scheme is a row of five numbers (a, b, c, p, q) for each step from t to t' with a normal z:

    x̃ = a x + b s(x, t) + c z
    x' = x̃, or with a corrector  x' = a x + p s(x, t) + q s(x̃, t') + c z

Each path is computed by the same operations in the same order wherever it stands in a batch, so
results do not depend on the size of the batch or the number of threads.

    x             (n,)                 positions, overwritten
    coefficients  (k, 5)               one row for each step
    noise         (k, n)               normals handed in; (0, 0): drawn from (key, path, step)
    track         (k, n)               receives the positions after each step; (0, 0): not wanted
"""

import numpy as np
from numba import njit, prange

from .philox import normal, word_pair

# Paths advanced together: enough to share a table's way into the cache, few enough to stay there.
_PATHS = 1024
# Kinks counted without a branch before a look-up starts to search.
_COUNTED = 4


@njit(cache=True, inline="always")
def _table_scores(x, kinks, starts, centre, spread, slopes, intercepts, bucket, out):
    """Fill out (P,) with one time's table at x (P,): `locate` of many points at once.

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
