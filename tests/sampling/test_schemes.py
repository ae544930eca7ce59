"""Schemes against textbook formulas, and their orders."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from reference.paper import SDE, marginal
from reference.samples import draw
from rfdiff.diffusion.mixtures import bimodal
from rfdiff.diffusion.sde import VESDE, VPSDE, LinearSDE
from rfdiff.diffusion.time_grids import GRIDS, time_grid
from rfdiff.model.score import ExactScore, RandomFeatureScore
from rfdiff.sampling.schemes import SCHEMES


def step_by_hand(name, score, sde, x, t0, t1, z):
    """One step from the schemes' textbook formulas, in t or in y = x/r."""
    if name == "euler-maruyama":
        f, g, h = float(sde.drift(t0)), np.sqrt(float(sde.diffusion_squared(t0))), t0 - t1
        return x + (-f * x + g**2 * score(x, t0)) * h + g * np.sqrt(h) * z
    r0, r1 = float(sde.scale(t0)), float(sde.scale(t1))
    v0, v1 = float(sde.std(t0)) / r0, float(sde.std(t1)) / r1

    def s_y(y, r, t):
        return r * score(r * y, t)

    y = x / r0
    if name == "probability-flow":
        slope = -v0 * s_y(y, r0, t0)
        ahead = y + (v1 - v0) * slope
        return r1 * (y + (v1 - v0) * 0.5 * (slope - v1 * s_y(ahead, r1, t1)))
    h = v0**2 - v1**2
    if name == "exponential":
        denoised = y + v0**2 * s_y(y, r0, t0)
        return r1 * (denoised + (v1 / v0) ** 2 * (y - denoised) + v1 / v0 * np.sqrt(h) * z)
    ahead = y + h * s_y(y, r0, t0) + np.sqrt(h) * z
    return r1 * (y + 0.5 * h * (s_y(y, r0, t0) + s_y(ahead, r1, t1)) + np.sqrt(h) * z)


def hermite(n):
    z, weights = np.polynomial.hermite_e.hermegauss(n)
    return z, weights / weights.sum()


def backward(name, score, times, value):
    """x ↦ E[value(end of the scheme) | x(T) = x], as a spline on nodes that widen with σ_t."""
    z, weights = hermite(24)
    for k in reversed(range(len(times) - 1)):
        reach = 9.0 * float(np.hypot(1.6, SDE.std(times[k])))
        x = reach * np.sinh(np.linspace(-4.0, 4.0, 1201)) / np.sinh(4.0)
        after = step_by_hand(name, score, SDE, x[:, None], times[k], times[k + 1], z[None, :])
        after = np.broadcast_to(after, (len(x), len(z)))  # the flow draws no noise
        value = clipped_spline(x, value(after) @ weights)
    return value


def clipped_spline(x, y):
    spline = CubicSpline(x, y)
    return lambda points: spline(np.clip(points, x[0], x[-1]))


def mixture_mean(law, f):
    """E f by the trapezoidal rule: a flow without noise may map a narrow strip far apart."""
    x = np.linspace(*law.domain(8.5), 40_001)
    return (law.density(x) * f(x)).sum() * (x[1] - x[0])


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("sde", [VESDE(), VPSDE(), LinearSDE(lambda t: 0.4 * t, lambda t: 2 + t)])
def test_against_the_textbook_with_noise_handed_in(name, sde, trained):
    """The fused kernel on the table and the plain one, each a path of seven steps."""
    noise = np.random.default_rng(0).standard_normal((8, 6))
    tabulated = RandomFeatureScore(trained.features, trained.theta(1e3))
    for score in (tabulated, ExactScore(bimodal(2.0), sde)):
        x = draw(score, sde, 6, t=0.1, scheme=name, n_steps=7, noise=noise)
        by_hand = sde.prior_std * noise[0]
        times = time_grid("log", sde, 0.1, 7)
        for k in range(7):
            by_hand = step_by_hand(name, score, sde, by_hand, times[k], times[k + 1], noise[k + 1])
        assert np.allclose(x, by_hand, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("grid", GRIDS)
def test_order_of_the_variance(name, grid):
    """A Gaussian target: the scheme's variance by recursion, no sampling, against the truth."""
    sde, t, width = VPSDE(), 0.1, 0.7

    def slope(t):
        return -1.0 / (float(sde.scale(t)) ** 2 * width**2 + float(sde.std(t)) ** 2)

    errors = []
    for n_steps in (100, 200, 400):
        times = time_grid(grid, sde, t, n_steps)
        variance = -1.0 / slope(sde.T)
        for k, (a, b, c, p, q) in enumerate(SCHEMES[name].coefficients(sde, times)):
            gain, kick = a + b * slope(times[k]), c
            if SCHEMES[name].corrected:
                s0, s1 = slope(times[k]), slope(times[k + 1])
                gain, kick = a + p * s0 + q * s1 * gain, c + q * s1 * c
            variance = gain**2 * variance + kick**2
        errors.append(abs(variance + 1.0 / slope(t)))
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.abs(rates - SCHEMES[name].order).max() < 0.1


@pytest.mark.parametrize("name", SCHEMES)
def test_weak_order_against_the_density(name):
    """E cos(x/2) of the scheme itself, by backward recursion with 24-point Gauss–Hermite.

    The target has two modes, the score is far from linear; the truth is p_t's own integral.
    """
    law, t = bimodal(1.5, weights=(0.3, 0.7), std=0.6), 0.15
    score, end = ExactScore(law, SDE), marginal(law, SDE, t)
    truth = (end.weights * np.exp(-(end.stds**2) / 8) * np.cos(end.means[:, 0] / 2)).sum()
    start, f = marginal(law, SDE, 1.0), lambda x: np.cos(x / 2)
    errors = []
    for n_steps in (192, 384) if SCHEMES[name].order == 1 else (48, 96):
        value = backward(name, score, time_grid("log", SDE, t, n_steps), f)
        errors.append(abs(mixture_mean(start, value) - truth))
    assert abs(np.log2(errors[0] / errors[1]) - SCHEMES[name].order) < 0.1
