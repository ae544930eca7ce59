"""Kernels of upper tail moments E[(x − κ)₊ᵏ], k = 0, 1, 2, of one-dimensional mixtures."""

import math

import numpy as np
from numba import njit, prange

# Beyond nine standard deviations a normal tail is below 1e-18 of the component's weight.
_REACH = 9.0


@njit(cache=True, parallel=True)
def mixture_tails(weights, means, stds, points, out):
    """Fill out (3, P) at `points` for components sorted by mean; a std of zero is a point mass.

    Components wholly above a point enter through prefix sums, those within reach one by one:
    for ζ = (κ − M)/S the moments are Q, S(ϕ − ζQ), S²((1 + ζ²)Q − ζϕ), Q = Φ(−ζ).
    """
    n = len(weights)
    reach = _REACH * stds.max()
    centre = 0.5 * (means[0] + means[-1])
    above = np.zeros((n + 1, 3))
    for i in range(n - 1, -1, -1):
        gap = means[i] - centre
        above[i, 0] = above[i + 1, 0] + weights[i]
        above[i, 1] = above[i + 1, 1] + weights[i] * gap
        above[i, 2] = above[i + 1, 2] + weights[i] * (gap * gap + stds[i] * stds[i])
    for p in prange(len(points)):
        kappa = points[p]
        first = np.searchsorted(means, kappa - reach)
        last = np.searchsorted(means, kappa + reach, side="right")
        shift = centre - kappa
        m0 = above[last, 0]
        m1 = above[last, 1] + shift * above[last, 0]
        m2 = above[last, 2] + shift * (2.0 * above[last, 1] + shift * above[last, 0])
        for i in range(first, last):
            gap, s, q = means[i] - kappa, stds[i], weights[i]
            if gap > _REACH * s:
                m0 += q
                m1 += q * gap
                m2 += q * (gap * gap + s * s)
            elif gap >= -_REACH * s and s > 0.0:
                zeta = -gap / s
                tail = 0.5 * math.erfc(zeta / math.sqrt(2.0))
                phi = math.exp(-0.5 * zeta * zeta) / math.sqrt(2.0 * math.pi)
                m0 += q * tail
                m1 += q * s * (phi - zeta * tail)
                m2 += q * s * s * ((1.0 + zeta * zeta) * tail - zeta * phi)
        out[0, p] = m0
        out[1, p] = m1
        out[2, p] = m2
