"""The integral of near pairs against 30 digits, and its stated errors."""

from functools import lru_cache

import mpmath
import numpy as np
import pytest

from rfdiff.loss.hermite_series.near_pairs import NearPairs, rules


@lru_cache
def tail(alpha, beta, rho):
    """E[(α + X)₊(β + Y)₊] − c₀c₀' − ρc₁c₁' in 30 digits, by an integral over X."""
    with mpmath.workdps(30):
        a, b, rho = mpmath.mpf(alpha), mpmath.mpf(beta), mpmath.mpf(rho)
        width = mpmath.sqrt(1 - rho * rho)

        def integrand(x):
            mean = b + rho * x
            if width == 0:
                inner = max(mean, 0)
            else:
                inner = mean * mpmath.ncdf(mean / width) + width * mpmath.npdf(mean / width)
            return (a + x) * inner * mpmath.npdf(x)

        layer = -b / rho
        cuts = [layer + k * width for k in (-12, -3, 0, 3, 12)] + [-6, -2, 0, 2, 6, 16, 24]
        cuts = [-a, *sorted({c for c in cuts if c > -a})]
        whole = mpmath.quad(integrand, cuts)
        first = [v * mpmath.ncdf(v) + mpmath.npdf(v) for v in (a, b)]
        return float(whole - first[0] * first[1] - rho * mpmath.ncdf(a) * mpmath.ncdf(b))


CASES = [(0.0, 0.0), (0.3, -0.2), (-8.0, -7.9), (8.0, 7.5), (-3.0, 4.0), (1.0, 1.0 + 1e-5)]


@pytest.mark.parametrize("rho", [0.4, -0.9, 0.999, 1 - 1e-9, -1 + 1e-9, 1.0, -1.0])
@pytest.mark.parametrize("accuracy", [1e-6, 1e-13])
def test_tails_are_within_their_error_of_30_digits(rho, accuracy):
    alpha, beta = np.array(CASES).T
    pairs = NearPairs(np.array([0]), np.array([1]), np.array([rho]), accuracy)
    assert pairs.error <= accuracy
    for a, b in CASES:
        one = NearPairs(np.array([0]), np.array([1]), np.array([rho]), accuracy)
        one.add(np.array([[a], [b]]), np.ones(1))
        rounding = 1e-15 * (1.0 + abs(a) + abs(b)) ** 2
        assert abs(one.sums[0] - tail(a, b, rho)) <= one.error + rounding
        pairs.add(np.array([[a], [b]]), np.ones(1))
    together = sum(tail(a, b, rho) for a, b in zip(alpha, beta, strict=True))
    assert abs(pairs.sums[0] - together) <= len(CASES) * (pairs.error + 1e-13)


def test_nearer_pairs_and_better_accuracy_take_more_nodes():
    cosines = np.array([0.3, 0.9, 0.999])
    few, rough = rules(cosines, 1e-6)
    many, fine = rules(cosines, 1e-12)
    assert (np.diff(few) >= 0).all() and (many > few).all()
    assert (rough <= 1e-6).all() and (fine <= 1e-12).all()
