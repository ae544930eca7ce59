"""Piecewise polynomials on panels against closed forms."""

import numpy as np
import pytest
from scipy.stats import norm

from rfdiff.numerics.panels import Panels, quantiles


@pytest.fixture
def panels():
    return Panels.between(np.array([-2.0, -1.5, 0.1, 0.7, 3.0]))


def test_polynomials_are_exact(panels):
    """Degree 15 through 16 nodes: antiderivative, derivative and tails to rounding."""
    c = np.random.default_rng(0).standard_normal(16) / 3.0 ** np.arange(16)
    f = np.polynomial.Polynomial(c)
    values = f(panels.x)
    primitive = f.integ(lbnd=-2.0)
    assert np.allclose(
        panels.cumulative(values), primitive([-2.0, -1.5, 0.1, 0.7, 3.0]), rtol=1e-12
    )
    assert np.allclose(panels.antiderivative(values), primitive(panels.x), rtol=1e-11, atol=1e-13)
    assert np.allclose(panels.derivative(values), f.deriv()(panels.x), rtol=1e-8, atol=1e-10)
    low = np.polynomial.Polynomial(c[:14])
    assert panels.tails(low(panels.x)).max() < 1e-13 < panels.tails(values).max()


def test_absolute_integrals_are_cut_at_every_root(panels):
    values = np.sin(7.0 * panels.x + 0.3)
    roots = (np.pi * np.arange(-4, 8) - 0.3) / 7.0
    edges = np.concatenate([[-2.0], roots[(roots > -2) & (roots < 3)], [3.0]])
    expected = np.abs(np.diff(np.cos(7.0 * edges + 0.3))).sum() / 7.0
    gap = abs(panels.absolute_integrals(values).sum() - expected)
    assert gap <= panels.tails(values).sum() < 0.1
    finer = Panels.between(np.linspace(-2.0, 3.0, 30))
    fine = finer.absolute_integrals(np.sin(7.0 * finer.x + 0.3)).sum()
    assert fine == pytest.approx(expected, abs=1e-13)


def test_leading_axes_and_no_root(panels):
    rows = np.stack([np.ones((4, 16)), -np.exp(panels.x), panels.x])
    value = panels.absolute_integrals(rows).sum(-1)
    assert np.allclose(value, [5.0, np.exp(3.0) - np.exp(-2.0), 6.5], rtol=1e-13)
    assert value[2] == panels.absolute_integrals(rows[2]).sum()


def test_quantiles_invert_the_distribution_function():
    panels = Panels.between(np.linspace(-9.0, 9.0, 37))
    u = np.array([1e-9, 1e-3, 0.25, 0.5, 0.9, 1.0 - 1e-6])
    assert np.allclose(quantiles(panels, norm.pdf(panels.x), u), norm.ppf(u), atol=1e-9)


def test_quantiles_jump_over_a_gap():
    """Two boxes: no mass between 1 and 2."""
    panels = Panels.between(np.array([0.0, 1.0, 1.5, 2.0, 3.0]))
    density = np.where((panels.x < 1.0) | (panels.x > 2.0), 0.5, 0.0)
    u = np.array([0.0, 0.25, 0.5 - 1e-12, 0.5 + 1e-12, 0.75, 1.0])
    expected = [0.0, 0.5, 1.0, 2.0, 2.5, 3.0]
    assert np.allclose(quantiles(panels, density, u), expected, atol=1e-10)
