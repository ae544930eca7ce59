"""The kinks of ReLU features at the start, middle and end of time steps, sorted by their start."""

import numpy as np
from numba import njit, prange

# Kinks are clipped here: so far away their features are functions of time alone.
_FAR = 1e100


@njit(cache=True, inline="always")
def _kink(bias, w):
    return min(max(-bias / w, -_FAR), _FAR)


@njit(cache=True, parallel=True)
def lay_out(w, biases, order, jump, bias, kinks, ahead, behind):
    """Fill the arrays of n steps from slopes w (m,), none zero, and biases (n, 3, m)."""
    n, m = order.shape
    for i in prange(n):
        start = np.empty(m)
        for j in range(m):
            start[j] = _kink(biases[i, 0, j], w[j])
        order[i] = np.argsort(start, kind="mergesort")
        farthest = -np.inf
        for k in range(m):
            j = order[i, k]
            sign = -1.0 if w[j] < 0.0 else 1.0
            jump[i, k] = abs(w[j])
            for q in range(3):
                bias[i, k, q] = sign * biases[i, q, j]
                kinks[i, k, q] = _kink(biases[i, q, j], w[j])
            farthest = max(farthest, kinks[i, k, 2])
            behind[i, k] = farthest
        nearest = np.inf
        for k in range(m - 1, -1, -1):
            nearest = min(nearest, kinks[i, k, 2])
            ahead[i, k] = nearest
