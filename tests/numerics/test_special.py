"""φ₁ and the geometric sum against 50 digits, through their singular points."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from rfdiff.numerics.special import accurate_product, geometric_sum, phi1

ARGUMENTS = [0.0, 1e-300, -1e-20, 1e-12, -3e-5, 0.1, -1.0, 5.0, -700.0, -1e12]


@pytest.mark.parametrize("z", ARGUMENTS)
def test_phi1(z):
    with mpmath.workdps(350):
        exact = mpmath.expm1(z) / z if z else mpmath.mpf(1)
    assert float(phi1(z)) == pytest.approx(float(exact), rel=4e-16)


def test_phi1_keeps_the_shape():
    assert phi1(0.0).shape == () and phi1(np.zeros((2, 3))).shape == (2, 3)


@pytest.mark.parametrize("x", [0.0, 1e-18, -1e-17, 1e-8, 0.3, 1.0, 1.5, 2.5])
@pytest.mark.parametrize("k", [0, 1, 2, 7, 50])
def test_geometric_sum_is_the_sum(x, k):
    base = 1 - Fraction(x)
    exact = float(sum((base**i for i in range(k)), Fraction(0)))
    assert float(geometric_sum(x, k)) == pytest.approx(exact, rel=1e-13)


def test_geometric_sum_tends_to_phi1():
    """η Σ_{i<k} (1 − ηλ)ⁱ → τ φ₁(−λτ) for ηk = τ, at first order in η."""
    tau, lam = 3.0, 0.7
    gaps = [
        abs(step * float(geometric_sum(step * lam, tau / step)) - tau * float(phi1(-lam * tau)))
        for step in (tau / 1000, tau / 2000)
    ]
    assert gaps[0] / gaps[1] == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("k", [100, 1024])
def test_products_that_cancel(k):
    """Rows orthogonal to the columns but for 1e-6 of their length, against exact fractions."""
    rng = np.random.default_rng(k)
    b = rng.standard_normal((k, 2)) * np.logspace(0, 3, k)[:, None]
    a = rng.standard_normal((2, 3, k)) * np.logspace(4, 0, k)
    directions, _ = np.linalg.qr(b)
    a -= a @ directions @ directions.T * (1.0 - 1e-6)
    exact = np.array(
        [
            float(sum(Fraction(x) * Fraction(y) for x, y in zip(row, column, strict=True)))
            for row in a.reshape(6, k)
            for column in b.T
        ]
    ).reshape(2, 3, 2)
    terms = np.abs(a) @ np.abs(b)
    assert (np.abs(accurate_product(a, b) - exact) < 2.0**-50 * np.abs(exact) + 1e-19 * terms).all()
    # A plain product keeps fewer digits.
    assert np.abs((a @ b - exact) / exact).max() > 1e-12


def test_products_of_zeros():
    assert (accurate_product(np.zeros((2, 5)), np.ones((5, 3))) == 0.0).all()
