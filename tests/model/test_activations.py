"""Activations against differences, adaptive quadrature and 20 digits."""

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad

from rfdiff.model.activations import ACTIVATIONS
from rfdiff.support.errors import ArgumentError

EACH = pytest.mark.parametrize("act", ACTIVATIONS.values(), ids=ACTIVATIONS)
EXACT = {
    "relu": lambda z: max(z, mpmath.mpf(0)),
    "swish": lambda z: z / (1 + mpmath.exp(-z)),
    "erf": mpmath.erf,
    "tanh": mpmath.tanh,
    "identity": lambda z: z,
}


def coefficient(name, a, s, p):
    """c_p(a, s) in 20 digits; the range is cut where ReLU has its kink."""
    with mpmath.workdps(20):
        a, s = mpmath.mpf(a), mpmath.mpf(s)

        def integrand(z):
            before, he = mpmath.mpf(0), mpmath.mpf(1)
            for k in range(p):
                before, he = he, z * he - k * before
            return EXACT[name](a + s * z) * he * mpmath.exp(-z * z / 2)

        cuts = {mpmath.mpf(c) for c in (-16, -6, -2, 0, 2, 6, 16)}
        if abs(a) < 16 * s:
            cuts.add(-a / s)
        norm = mpmath.sqrt(2 * mpmath.pi * mpmath.factorial(p))
        return mpmath.quad(integrand, sorted(cuts), method="gauss-legendre") / norm


@EACH
def test_derivative_and_integral(act):
    z, step = np.array([-9.0, -2.0, -0.3, 0.2, 1.7, 9.0]), 1e-5
    slope = (act(z + step) - act(z - step)) / (2 * step)
    np.testing.assert_allclose(act.derivative(z), slope, atol=1e-9)
    expected = [quad(act, 0.0, end, epsabs=1e-13, epsrel=1e-13)[0] for end in z]
    np.testing.assert_allclose(act.integral(z), expected, atol=1e-11)


@EACH
def test_large_arguments_stay_finite(act):
    z = np.array([-800.0, 0.0, 800.0])
    for values in (act(z), act.derivative(z), act.integral(z)):
        assert np.isfinite(values).all()


@EACH
@pytest.mark.parametrize(("a", "s"), [(0.3, 1.0), (-3.0, 8.0), (-14.0, 0.7)])
def test_hermite_coefficients_are_within_their_error_of_20_digits(act, a, s):
    found = act.hermite(a, s, 30)
    assert found.value.shape == found.error.shape == (31,)
    assert found.error.max() < 1e-14 * (1.0 + abs(a) + s)
    for p in (0, 1, 6, 30):
        exact = coefficient(act.name, a, s, p)
        assert abs(float(exact - mpmath.mpf(float(found.value[p])))) <= found.error[p] + 1e-17


@EACH
@pytest.mark.parametrize(("a", "s"), [(0.3, 1.0), (-3.0, 2.0), (2.0, 0.0)])
def test_mean_squares_are_within_their_error_of_quadrature(act, a, s):
    found = act.mean_square(a, s)
    cuts = [-a / s] if s and abs(a) < 12.0 * s else None

    def integrand(z):
        return act(np.array(a + s * z)) ** 2 * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)

    expected, _ = quad(integrand, -12.0, 12.0, points=cuts, epsabs=1e-12, epsrel=1e-12, limit=200)
    assert abs(found.value - expected) <= found.error + 1e-12 * (1.0 + expected)
    assert found.error <= 1e-13 * (1.0 + a * a + s * s)


@EACH
def test_hermite_coefficients_of_a_point_are_the_value_there(act):
    found = act.hermite([-2.0, 0.0, 3.0], 0.0, 4)
    np.testing.assert_allclose(found.value[0], act(np.array([-2.0, 0.0, 3.0])), atol=1e-15)
    assert np.abs(found.value[1:]).max() < 1e-15


@EACH
def test_hermite_coefficients_of_an_array_are_those_of_its_entries(act):
    a, s = np.linspace(-2.0, 2.0, 6).reshape(3, 2), np.array([0.5, 2.0])
    together = act.hermite(a, s, 5)
    assert together.value.shape == (6, 3, 2)
    for i, j in np.ndindex(3, 2):
        alone = act.hermite(a[i, j], s[j], 5)
        np.testing.assert_allclose(together.value[:, i, j], alone.value, rtol=1e-13, atol=1e-14)


@EACH
def test_products_of_features_are_the_hermite_series(act):
    """E[act(X) act(X')], corr(X, X') = ρ: Σ ρᵖ c_p c_p' against a Gauss–Hermite product rule.

    Half of it is the negative control.
    """
    (a, s), (b, r), rho = (0.4, 0.6), (-0.2, 0.9), 0.5
    z, w = np.polynomial.hermite_e.hermegauss(120)
    w = w / w.sum()
    second = b + r * (rho * z[:, None] + np.sqrt(1 - rho**2) * z)
    expected = w @ (act(a + s * z)[:, None] * act(second)) @ w
    c, d = act.hermite(a, s, 40).value, act.hermite(b, r, 40).value
    series = (rho ** np.arange(41) * c * d).sum()
    # The rule meets ReLU's kink to first order only.
    assert abs(series - expected) < (1e-3 if act.name == "relu" else 1e-12)
    assert abs(0.5 * series - expected) > 1e-2


def test_bad_orders_and_names():
    for act in ACTIVATIONS.values():
        with pytest.raises(ArgumentError, match="order must be at least 0, got -1"):
            act.hermite(0.0, 1.0, -1)
    with pytest.raises(ArgumentError, match="activation must be one of 'relu'"):
        ACTIVATIONS["gelu"]
