"""Rules against exact integrals; error estimates against the true error."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import erf

from rfdiff.diffusion.time_rules import graded_time_rule
from rfdiff.numerics.quadrature import (
    CumulativeIntegral,
    composite_gauss_legendre,
    gauss_legendre,
    integrate_panels,
)
from rfdiff.support.errors import ArgumentError


def test_gauss_legendre_is_exact_for_its_degree():
    x, w = gauss_legendre(5, -1.0, 3.0)
    for degree in range(10):
        exact = (3.0 ** (degree + 1) - (-1.0) ** (degree + 1)) / (degree + 1)
        assert w @ x**degree == pytest.approx(exact, rel=1e-13)
    assert abs(w @ x**10 - (3.0**11 + 1) / 11) > 1e-3


def test_composite_rule_covers_uneven_panels():
    x, w = composite_gauss_legendre(4, np.array([0.0, 0.1, 1.0, 5.0]))
    assert w.sum() == pytest.approx(5.0) and (np.diff(x) > 0).all()
    assert w @ x**7 == pytest.approx(5.0**8 / 8)


def test_graded_time_rule():
    """Mean of a function as steep at t_min as a score of a VE process."""
    rule = graded_time_rule(1e-3, 1.0, 128)
    exact = quad(lambda t: t**-0.5, 1e-3, 1.0)[0] / 0.999
    assert rule.weights.sum() == pytest.approx(1.0, abs=1e-14)
    assert rule.weights @ rule.nodes**-0.5 == pytest.approx(exact, rel=1e-10)
    assert len(rule) == 128 and (rule.weights > 0).all()
    assert rule.nodes.min() > 1e-3 and rule.nodes.max() < 1.0
    # Graded: half of the nodes lie in the first quarter of the interval.
    assert (rule.nodes < 1e-3 + 0.999 / 4).sum() == 64


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ((0.0, 1.0, 8), "t_min must be positive, got 0"),
        ((2.0, 1.0, 8), "t_min must be between 0 and 1, got 2"),
        ((1e-3, 0.0, 8), "t_max must be positive, got 0"),
        ((1e-3, 1.0, 0), "n_times must be at least 1, got 0"),
        ((1e-3, 1.0, 8.0), "n_times must be an integer, got 8.0"),
        ((np.nan, 1.0, 8), "t_min must be finite, got nan"),
    ],
)
def test_bad_time_rules(arguments, fault):
    with pytest.raises(ArgumentError, match=fault):
        graded_time_rule(*arguments)


def test_panel_integral_reports_an_honest_error():
    """Bells from a seventh of a panel to far wider: a narrower one hides between the nodes."""
    rng = np.random.default_rng(2)
    for _ in range(50):
        edges = np.linspace(-3.0, 3.0, 1 + rng.integers(1, 40))
        centre, width = rng.uniform(-2, 2), edges[1] - edges[0]
        width *= 10.0 ** rng.uniform(-0.85, 1.0)

        def gaussian(x, centre=centre, width=width):
            return np.exp(-(((x - centre) / width) ** 2))

        estimate = integrate_panels(gaussian, edges)
        a, b = (-3 - centre) / width, (3 - centre) / width
        exact = width * np.sqrt(np.pi) / 2 * (erf(b) - erf(a))
        assert abs(float(estimate) - exact) <= float(estimate.error) + 1e-14


def test_panel_integral_is_vectorised_over_leading_axes():
    powers = np.arange(3)[:, None]
    estimate = integrate_panels(lambda x: x**powers, np.array([0.0, 0.5, 2.0]))
    np.testing.assert_allclose(estimate.value, [2.0, 2.0, 8.0 / 3.0], rtol=1e-14)


def test_cumulative_integral():
    integral = CumulativeIntegral(lambda t: np.cos(7 * t) * np.exp(t), 2.0)
    t = np.concatenate([[0.0], np.random.default_rng(0).uniform(0, 2, (99)), [2.0]])
    exact = (np.exp(t) * (np.cos(7 * t) + 7 * np.sin(7 * t)) - 1) / 50
    np.testing.assert_allclose(integral(t), exact, atol=1e-13)
    assert integral(np.ones((2, 3))).shape == (2, 3) and integral(1.0).shape == ()
    assert integral.error < 1e-9
