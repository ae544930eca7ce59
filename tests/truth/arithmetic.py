"""High-precision numbers: conversions, Gauss–Legendre rules, normal tails, matrices.

All arithmetic is python-flint's ball arithmetic at `BITS` bits; midpoints are kept where a long
product would let the radii grow, since the precision has a margin of many digits.
"""

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
from flint import arb, arb_mat, ctx

BITS = 192
ctx.prec = BITS

ZERO, ONE, HALF = arb(0), arb(1), arb(1) / 2
ROOT_TWO, ROOT_PI, ROOT_TWO_PI = arb(2).sqrt(), arb.pi().sqrt(), (2 * arb.pi()).sqrt()
# Beyond so many standard deviations a normal tail is below 10⁻⁵⁶.
FAR = 16.0


def exact(x: float) -> arb:
    """Return a double as it is."""
    return arb(float(x))


def vector(values: Iterable[float]) -> list[arb]:
    """Return doubles as they are."""
    return [arb(float(x)) for x in values]


def row(values: Sequence[arb]) -> arb_mat:
    """Return a matrix of one row."""
    return arb_mat(1, len(values), list(values))


def doubles(values: Iterable[arb]) -> np.ndarray:
    """Return the nearest doubles."""
    return np.array([float(x.mid()) for x in values])


@cache
def gauss_legendre(order: int) -> tuple[tuple[arb, arb], ...]:
    """Return nodes and weights on (0, 1), ascending, at full precision."""
    pairs = (arb.legendre_p_root(order, k, True) for k in range(order - 1, -1, -1))
    return tuple((((x + 1) / 2).mid(), (w / 2).mid()) for x, w in pairs)


@cache
def double_gauss_legendre(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the same rule in doubles."""
    rule = gauss_legendre(order)
    return doubles(x for x, _ in rule), doubles(w for _, w in rule)


def upper_tail(z: arb) -> tuple[arb, arb]:
    """Return P(Z > z) and the density of Z at z, for a standard normal Z."""
    return (z / ROOT_TWO).erfc() / 2, (-z * z / 2).exp() / ROOT_TWO_PI
