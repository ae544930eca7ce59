"""Kernels of scores at many points in any dimension.

Each point's value is computed by the same operations in the same order wherever it stands in a
batch, so it does not depend on the size of the batch or the number of threads.
"""

import math

import numpy as np
from numba import njit, prange

from .activations import activate

# Points whose scores are summed side by side, so that sums over features use vector instructions.
_LANES = 8


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
