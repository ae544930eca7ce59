"""Compactly supported targets against closed forms, adaptive quadrature and their atoms."""

import mpmath
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from rfdiff.diffusion.targets import CompactTarget, SmoothBump, beta, raised_cosine, smooth_bump
from rfdiff.support.errors import ArgumentError

TARGETS = [
    raised_cosine(1.0, 2.0),
    beta(2.0, 5.0, (-1.0, 3.0)),
    beta(3.0, 3.0),
    smooth_bump(-1.0, 2.5),
]


def test_densities_have_their_closed_forms():
    u = np.linspace(-0.99, 0.99, 41)
    np.testing.assert_allclose(
        raised_cosine(1.0, 2.0).density(1.0 + 2.0 * u), (1 + np.cos(np.pi * u)) / 4, rtol=1e-9
    )
    x = np.linspace(-0.99, 2.99, 41)
    np.testing.assert_allclose(
        beta(2.0, 5.0, (-1.0, 3.0)).density(x), stats.beta(2, 5, loc=-1, scale=4).pdf(x), rtol=1e-12
    )
    constant = mpmath.quad(lambda v: mpmath.exp(-1 / (1 - v * v)), mpmath.linspace(-1, 1, 9))
    np.testing.assert_allclose(
        smooth_bump(-1.0, 2.5).density(-1.0 + 2.5 * u),
        np.exp(-1 / (1 - u * u)) / float(constant) / 2.5,
        rtol=1e-12,
    )


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_unit_mass_on_the_support_and_nothing_outside(target):
    a, b = target.support
    assert quad(lambda x: float(target.density(x)), a, b, epsabs=1e-13)[0] == pytest.approx(1)
    outside = np.array([a - 1.0, a, b, b + 1e-9])
    np.testing.assert_array_equal(target.density(outside), 0.0)
    np.testing.assert_array_equal(target.log_density(outside), -np.inf)
    assert target.domain() == (a, b)


@pytest.mark.parametrize("target", [TARGETS[0], TARGETS[2], TARGETS[3]], ids=repr)
def test_densities_are_continuously_differentiable_at_the_ends(target):
    a, _ = target.support
    h = np.array([1e-3, 1e-4])
    slopes = target.density(a + h) / h
    assert slopes[0] < 5e-3 and slopes[1] <= slopes[0] / 9.9


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_atoms_diffuse_like_the_density(target):
    std = 0.05
    x = np.linspace(target.support[0] - 0.1, target.support[1] + 0.1, 9)
    brute = [
        quad(
            lambda y, v=v: float(target.density(y)) * stats.norm.pdf(v, 0.8 * y, std),
            *target.support,
            points=sorted({float(np.clip(v / 0.8 + k * 0.1, *target.support)) for k in (-4, 0, 4)}),
            epsabs=1e-13,
            limit=200,
        )[0]
        for v in x
    ]
    np.testing.assert_allclose(target.diffuse(0.8, std).density(x), brute, atol=1e-10)


def test_atoms_error_says_when_the_atoms_are_too_few():
    few = SmoothBump(0.0, 3.0, n_atoms=64)
    reference = SmoothBump(0.0, 3.0, n_atoms=2048)
    x = np.linspace(-3, 3, 257)
    for std in (1.0, 0.3, 0.1, 0.03):
        exact = reference.diffuse(1.0, std).density(x)
        truth = np.abs(few.diffuse(1.0, std).density(x) - exact).max() / exact.max()
        assert truth <= few.atoms_error(std) + 1e-12
    assert few.atoms_error(0.3) < 1e-6 < 0.1 < few.atoms_error(0.03)


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_samples_are_nested_and_follow_the_law(target):
    draw = target.sample(4000, np.random.default_rng(5))
    assert draw.shape == (4000, 1)
    np.testing.assert_array_equal(target.sample(50, np.random.default_rng(5)), draw[:50])
    a, b = target.support
    grid = np.linspace(a, b, 4001)
    density = target.density(grid)
    mass = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))])

    def cdf(x):
        return np.interp(x, grid, mass)

    # False-alarm rate 1e-3; a shift by 4 % of the width is the negative control.
    assert stats.kstest(draw[:, 0], cdf).pvalue > 1e-3
    assert stats.kstest(draw[:, 0] + 0.04 * (b - a), cdf).pvalue < 1e-3


def test_atoms_have_the_moments_of_the_law():
    target = beta(2.0, 5.0, (-1.0, 3.0))
    law = stats.beta(2, 5, loc=-1, scale=4)
    assert target.atoms.mean[0] == pytest.approx(law.mean(), abs=1e-13)
    assert target.atoms.variance[0] == pytest.approx(law.var(), abs=1e-13)


def test_bad_targets():
    for make in (raised_cosine, smooth_bump):
        with pytest.raises(ArgumentError, match="half_width must be positive, got 0"):
            make(0.0, 0.0)
        with pytest.raises(ArgumentError, match="centre must be finite, got nan"):
            make(np.nan)
    with pytest.raises(ArgumentError, match=r"a must be at least 2 .* got 1\.5"):
        beta(1.5, 3.0)
    with pytest.raises(ArgumentError, match=r"b must be at least 2 .* got 0"):
        beta(3.0, 0.0)
    with pytest.raises(ArgumentError, match="half_width must be positive"):
        beta(3.0, 3.0, (2.0, -2.0))
    with pytest.raises(ArgumentError, match="n_atoms must be at least 2, got 1"):
        SmoothBump(n_atoms=1)
    with pytest.raises(ArgumentError, match="CompactTarget is abstract"):
        CompactTarget().density(0.0)
    with pytest.raises(ArgumentError, match="n must be at least 1, got 0"):
        smooth_bump().sample(0, np.random.default_rng(0))
