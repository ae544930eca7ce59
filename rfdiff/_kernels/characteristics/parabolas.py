"""Parabolas of the time u in (0, 1) of a step, by their values at 0, ½ and 1."""

import math

from numba import njit


@njit(cache=True, inline="always")
def parabola(a, b, c, u):
    """Value at u of the parabola through (0, a), (½, b), (1, c)."""
    return a + u * ((4.0 * b - 3.0 * a - c) + 2.0 * u * (a - 2.0 * b + c))


@njit(cache=True, inline="always")
def parabola_slope(a, b, c, u):
    """Derivative at u of the parabola through (0, a), (½, b), (1, c)."""
    return (4.0 * b - 3.0 * a - c) + 4.0 * u * (a - 2.0 * b + c)


@njit(cache=True, inline="always")
def parabola_integral(a, b, c, u):
    """Integral over (0, u) of the parabola through (0, a), (½, b), (1, c)."""
    linear, square = 4.0 * b - 3.0 * a - c, a - 2.0 * b + c
    return u * (a + u * (0.5 * linear + (2.0 / 3.0) * u * square))


@njit(cache=True)
def parabola_root(a, b, c):
    """Root in [0, 1] of the parabola through (0, a), (½, b), (1, c) with a and c of other sign."""
    linear, square = 4.0 * b - 3.0 * a - c, 2.0 * (a - 2.0 * b + c)
    root = math.sqrt(max(linear * linear - 4.0 * square * a, 0.0))
    divisor = linear + root if c > a else linear - root
    if divisor == 0.0:
        return 0.0
    return min(max(-2.0 * a / divisor, 0.0), 1.0)
