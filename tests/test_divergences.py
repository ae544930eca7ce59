"""Divergences against adaptive quadrature and closed forms."""

import numpy as np
import pytest
from test_score_integral import T_EVAL, fine_integral, fitted_score, gaussian_score

from rfdiff.densities.score_integral import ScoreIntegralDensity
from rfdiff.divergences import kl_divergence, negative_log_likelihood
from rfdiff.mixtures import GaussianMixture, bimodal
from rfdiff.targets import beta, raised_cosine


def test_kl_between_gaussians():
    density = ScoreIntegralDensity(gaussian_score(0.5, 2.0), T_EVAL, np.inf)
    estimate = kl_divergence(GaussianMixture([1.0], [0.0], [1.0]), density)
    expected = np.log(2.0) + (1.0 + 0.25) / 8.0 - 0.5
    assert abs(float(estimate) - expected) <= float(estimate.error) < 1e-11


@pytest.mark.parametrize("law", [bimodal(3.0), bimodal(3.0, (0.3, 0.7)).diffuse(1.0, 0.284)])
def test_kl_of_a_mixture_against_adaptive_quadrature(law):
    density = ScoreIntegralDensity(fitted_score(law, ridge=(1e-2, 1e-8)), T_EVAL, (-10.0, 10.0))
    estimate = kl_divergence(law, density)
    mass = float(np.diff(law.cdf(np.array([-10.0, 10.0])))[0])

    def log_p(x):
        return law.log_density(x) - np.log(mass)

    expected = fine_integral(
        lambda x: np.exp(log_p(x)) * (log_p(x) - density.log_density(x)), -10, 10,
        density.breakpoints,
    )  # fmt: skip
    np.testing.assert_allclose(estimate.value, expected, atol=1e-11)
    assert estimate.error.max() < 1e-10
    assert (estimate.value > 0).all()


@pytest.mark.parametrize("law", [raised_cosine(), beta(2.0, 2.5)])
def test_kl_of_a_compact_law(law):
    density = ScoreIntegralDensity(fitted_score(law, ridge=(1e-4,)), T_EVAL, (-3.0, 3.0))
    expected = fine_integral(
        lambda x: law.density(x) * (law.log_density(x) - density.log_density(x)[0]), -3, 3,
        density.breakpoints,
    )  # fmt: skip
    estimate = kl_divergence(law, density)
    assert abs(estimate.value[0] - expected) < 1e-8
    assert estimate.error[0] < 1e-8


def test_kl_of_many_components_and_of_a_wide_pair():
    points = np.random.default_rng(0).normal(0.0, 2.0, 400)
    law = GaussianMixture.from_points(points).diffuse(1.0, 0.284)
    density = ScoreIntegralDensity(fitted_score(law, ridge=(1e-5,)), T_EVAL, (-10.0, 10.0))
    estimate = kl_divergence(law, density)
    x = np.linspace(-10, 10, 200_001)
    p, log_p = law.density(x), law.log_density(x)
    expected = np.trapezoid(p * (log_p - density.log_density(x)[0]), x)
    assert abs(estimate.value[0] - expected) < 1e-7
    wide = bimodal(15.0)
    far = ScoreIntegralDensity(fitted_score(wide, ridge=(1e-5,)), T_EVAL, (-22.0, 22.0))
    assert kl_divergence(wide, far).error.max() < 1e-10


def test_kl_on_another_domain_and_where_it_is_infinite():
    law = bimodal(3.0)
    score = gaussian_score(0.0, 3.0, outer=5.0)
    on_line = ScoreIntegralDensity(score, T_EVAL, np.inf)
    assert float(kl_divergence(law, on_line)) == np.inf
    narrow = kl_divergence(law, on_line, domain=(-10.0, 10.0))
    same = kl_divergence(law, ScoreIntegralDensity(score, T_EVAL, (-10.0, 10.0)))
    assert float(narrow) == float(same) < 1.0


def test_negative_log_likelihood_is_minus_the_mean():
    density = ScoreIntegralDensity(
        fitted_score(bimodal(3.0), ridge=(1e-2, 1e-7)), T_EVAL, (-10.0, 10.0)
    )
    data = np.random.default_rng(1).normal(0.0, 3.0, 200)
    estimate = negative_log_likelihood(data, density)
    np.testing.assert_allclose(estimate.value, -density.log_density(data).mean(-1), atol=1e-11)
    outside = negative_log_likelihood(np.append(data, 10.5), density)
    assert np.isposinf(outside.value).all()
