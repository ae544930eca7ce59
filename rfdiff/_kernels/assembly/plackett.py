"""What Hermite orders from 2 on add to E[act act'] of ReLU, by one integral for each pair.

With normals (X, Y) of correlation ρ, E[(α + X)₊(β + Y)₊] = c₀c₀' + ρc₁c₁' + T, where for ρ > 0
T = (1/2π) ∫₀^{asin ρ} (ρ − sin y) exp[−(α² + β² − 2αβ sin y)/(2 cos² y)] dy  (Plackett),
and a negative ρ is −ρ with −β. The exponent is taken as (α − β)²/(2 cos² y) + αβ/(1 + sin y), which
keeps its digits near ρ = 1. At ρ = ±1 expectations are one-dimensional and closed.
"""

import math

import numpy as np
from numba import njit, prange

# Rows whose integrands are summed side by side.
_ROWS = 256
# Below e^−40 nothing counts.
_NEGLIGIBLE = -40.0
_ROOT_HALF = math.sqrt(0.5)
_DENSITY = 1.0 / math.sqrt(2.0 * math.pi)


@njit(cache=True, fastmath={"contract"})
def _add_node(apart, together, steep, flat, weight, sums):
    """Add weight · exp(−steep·apart − flat·together) to sums; no exponent is positive.

    eˣ is (e^{x/64})⁶⁴ by a polynomial of degree 9, to 1e-15 of 1: a loop of vector instructions.
    """
    for r in range(len(sums)):
        x = max(-(steep * apart[r] + flat * together[r]), _NEGLIGIBLE) * (1.0 / 64.0)
        y = x * (1.0 / 362880.0) + 1.0 / 40320.0
        y = y * x + 1.0 / 5040.0
        y = y * x + 1.0 / 720.0
        y = y * x + 1.0 / 120.0
        y = y * x + 1.0 / 24.0
        y = y * x + 1.0 / 6.0
        y = y * x + 0.5
        y = y * x + 1.0
        y = y * x + 1.0
        y *= y
        y *= y
        y *= y
        y *= y
        y *= y
        sums[r] += weight * (y * y)


@njit(cache=True)
def _one_line(alpha, beta, sign):
    """Return T where Y = ±X."""
    p, f = 0.5 * math.erfc(-alpha * _ROOT_HALF), _DENSITY * math.exp(-0.5 * alpha * alpha)
    q, g = 0.5 * math.erfc(-beta * _ROOT_HALF), _DENSITY * math.exp(-0.5 * beta * beta)
    if sign > 0.0:
        low, high = min(alpha, beta), max(alpha, beta)
        inner, at = (p, f) if alpha < beta else (q, g)
        whole = (1.0 + low * high) * inner + high * at
    elif alpha + beta > 0.0:
        whole = (alpha * beta - 1.0) * (p - 0.5 * math.erfc(beta * _ROOT_HALF))
        whole += beta * f + alpha * g
    else:
        whole = 0.0
    return whole - (alpha * p + f) * (beta * q + g) - sign * p * q


@njit(cache=True, parallel=True)
def add_tails(first, second, cosines, kinds, starts, nodes, weights, alpha, heavy, sums):
    """Add Σ_rows heavy T to sums (pairs,) for the pairs (first, second) of correlation cosines.

    kinds (pairs,): the rule of each pair, nodes[starts[kind] : starts[kind + 1]] on [0, 1], or −1
    where |ρ| = 1; alpha (m, rows), heavy (rows,).
    """
    rows = alpha.shape[1]
    for pair in prange(len(first)):
        i, j, kind = first[pair], second[pair], kinds[pair]
        rho = min(abs(cosines[pair]), 1.0)
        sign = 1.0 if cosines[pair] > 0.0 else -1.0
        total, reach = 0.0, math.asin(rho)
        held, gaps, products = np.empty(_ROWS), np.empty(_ROWS), np.empty(_ROWS)
        for start in range(0, rows, _ROWS):
            stop = min(start + _ROWS, rows)
            one, other, part = alpha[i, start:stop], alpha[j, start:stop], held[: stop - start]
            apart, together = gaps[: stop - start], products[: stop - start]
            for r in range(stop - start):
                apart[r] = (one[r] - sign * other[r]) ** 2
                together[r] = sign * one[r] * other[r]
                part[r] = 0.0
            if kind < 0:
                for r in range(stop - start):
                    part[r] = _one_line(one[r], other[r], sign)
            else:
                for q in range(starts[kind], starts[kind + 1]):
                    y = reach * nodes[q]
                    sine, cosine = math.sin(y), math.cos(y)
                    weight = reach * weights[q] * (rho - sine) * (0.5 / math.pi)
                    steep, flat = 0.5 / (cosine * cosine), 1.0 / (1.0 + sine)
                    _add_node(apart, together, steep, flat, weight, part)
            for r in range(stop - start):
                total += heavy[start + r] * part[r]
        sums[pair] += total
