"""Kernels of the reverse Fokker–Planck equation in one dimension, batched over training times.

Definitions. In the coordinate ξ ∈ [−1, 1] of a grid that moves with the noise, x = r(c + S ξ),
c = C(1 − v²/v_T²), and the clock u = −ln v (v = σ_t/r), the density q of ξ obeys

    ∂q/∂u = ∂/∂ξ [ (v/S)² (∂q/∂ξ − q ∂ψ/∂ξ) ],   ψ = 2∫s dx + K²ξ²/2 − (2C/v_T²) S ξ.

    mass         (n, 3, L, N+1)  mass at the nodes of three grids (every fourth, every second and
                                 every node of N cells) under L step sizes H, H/2, H/4, …
    nodes        (n, N+1)        ξ of the finest grid
    conductance  (n, 3, 2, N)    of each grid: 1/(δ_i w_i) and 1/(δ_i w_{i+1}) for δ_i the cell and
                                 w_i the length a node owns
    increments   (n, k, N)       ψ(ξ_{i+1}) − ψ(ξ_i) on the finest cells at k times, 2^{L−1} of
                                 them for each step H
    mobility     (n, k)          (v/S)² at those times
    order        (k, m)          features sorted by their kink at each time
    kinks        (k, m)          κ_j in that order, ±∞ allowed
    slopes       (k, m)          w_j/(c(t)√m) in that order; intercepts: b_j/(c(t)√m)
    scale        (k,)            r; middle (k,): c; half_width (n, k): S; growth: K; tilt: 2C/v_T²

Fluxes are exponentially fitted (Scharfetter–Gummel), (v/S)² [B(−Δψ) q_i − B(Δψ) q_{i+1}]/δ with
B(z) = z/(e^z − 1): exact where no current flows, second order in δ. Steps are implicit Euler.
"""

import math

import numpy as np
from numba import njit, prange

GRIDS = 3
# B_{2k}/(2k)! for k = 1, 2, …: below |z| = 0.5 this many terms are exact to rounding.
_SERIES = (
    1.0 / 12.0,
    -1.0 / 720.0,
    1.0 / 30240.0,
    -1.0 / 1209600.0,
    1.0 / 47900160.0,
    -691.0 / 1307674368000.0,
    1.0 / 74724249600.0,
)
_SMALL = 0.5


@njit(cache=True, inline="always")
def _bernoulli(z):
    """Return B(z) = z/(e^z − 1) for z ≥ 0; B(−z) is B(z) + z."""
    if z > _SMALL:
        e = math.exp(-z)
        return z * e / (1.0 - e)
    w, even = z * z, 0.0
    for k in range(len(_SERIES) - 1, -1, -1):
        even = w * (even + _SERIES[k])
    return 1.0 - 0.5 * z + even


@njit(cache=True)
def _rates(increments, stride, mobility, conductance, up, down):
    """Fill the rates of mass i → i+1 and i+1 → i between every `stride`-th node."""
    for i in range(len(increments) // stride):
        z = increments[i * stride]
        for j in range(1, stride):
            z += increments[i * stride + j]
        size = abs(z)
        small = _bernoulli(size)
        large = small + size
        up[i] = mobility * conductance[0, i] * (large if z > 0.0 else small)
        down[i] = mobility * conductance[1, i] * (small if z > 0.0 else large)


@njit(cache=True)
def _implicit_step(mass, cells, h, up, down, inverse):
    """Overwrite the masses m by (I − hQ)⁻¹ m.

    The columns of I − hQ sum to one; eliminating with their excess needs no subtraction, so
    every mass stays positive and is accurate to rounding relative to itself, however small.
    """
    excess, carried = 1.0, 0.0
    for i in range(cells):
        out = h * up[i]
        pivot = 1.0 / (excess + out)
        inverse[i] = pivot
        mass[i] += carried
        carried = out * pivot * mass[i]
        excess = 1.0 + h * down[i] * excess * pivot
    value = (mass[cells] + carried) / excess
    mass[cells] = value
    for i in range(cells - 1, -1, -1):
        value = (mass[i] + h * down[i] * value) * inverse[i]
        mass[i] = value


@njit(cache=True, parallel=True)
def advance(mass, increments, mobility, conductance, h, edge):
    """Advance every grid and step size by steps H = `h`; fill the end masses `edge` (n, k, 2)."""
    n, _, levels, nodes = mass.shape
    times = increments.shape[1]
    for p in prange(n):
        up, down, inverse = np.empty(nodes), np.empty(nodes), np.empty(nodes)
        for k in range(times):
            for g in range(GRIDS):
                stride = 1 << (GRIDS - 1 - g)
                cells = (nodes - 1) // stride
                _rates(increments[p, k], stride, mobility[p, k], conductance[p, g], up, down)
                for level in range(levels):
                    every = 1 << (levels - 1 - level)
                    if (k + 1) % every == 0:
                        _implicit_step(
                            mass[p, g, level], cells, h / (1 << level), up, down, inverse
                        )
            finest = mass[p, GRIDS - 1, levels - 1]
            edge[p, k, 0], edge[p, k, 1] = finest[0], finest[nodes - 1]


@njit(cache=True, parallel=True)
def relu_increments(
    thetas, order, kinks, slopes, intercepts, scale, middle, half_width, nodes, growth, tilt,
    increments,
):  # fmt: skip
    """Fill increments (n, k, N) for ReLU scores θ (n, m): 2∫s dx is piecewise quadratic."""
    n, times, cells = increments.shape
    m = thetas.shape[1]
    for p in prange(n):
        theta = thetas[p]
        for k in range(times):
            slope, intercept = 0.0, 0.0
            for i in range(m):
                if slopes[k, i] < 0.0:
                    slope += theta[order[k, i]] * slopes[k, i]
                    intercept += theta[order[k, i]] * intercepts[k, i]
            r, c, width = scale[k], middle[k], half_width[p, k]
            passed = 0
            left, xi = r * (c - width), -1.0
            for i in range(cells):
                xi_next = nodes[p, i + 1]
                right = r * (c + width * xi_next)
                total = 0.0
                while passed < m and kinks[k, passed] < right:
                    kink = kinks[k, passed]
                    if kink > left:
                        total += (kink - left) * (0.5 * slope * (kink + left) + intercept)
                        left = kink
                    change = theta[order[k, passed]]
                    if slopes[k, passed] < 0.0:
                        change = -change
                    slope += change * slopes[k, passed]
                    intercept += change * intercepts[k, passed]
                    passed += 1
                total += (right - left) * (0.5 * slope * (right + left) + intercept)
                motion = 0.5 * growth * growth * (xi_next + xi) - tilt * width
                increments[p, k, i] = 2.0 * total + motion * (xi_next - xi)
                left, xi = right, xi_next
