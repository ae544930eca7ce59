"""Activations inside kernels: one number at a time, chosen by an integer code.

`model.activations` has the same functions for arrays; a test holds the two together.
"""

import math

from numba import njit

RELU, SWISH, ERF, TANH, IDENTITY = CODES = range(5)


@njit(cache=True, inline="always")
def activate(code, z):
    """Return act(z) for one of the codes above."""
    if code == RELU:
        return max(z, 0.0)
    if code == SWISH:
        return z / (1.0 + math.exp(-z))
    if code == ERF:
        return math.erf(z)
    if code == TANH:
        return math.tanh(z)
    return z
