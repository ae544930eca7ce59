"""The score-integral density against adaptive quadrature and 40-digit closed forms."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import norm

import rfdiff
from reference.paper import SDE, T_EVAL
from reference.quadrature import fine_integral
from reference.scores import (
    fitted_score,
    gaussian_score,
    interpolated_score,
    random_score_and_domain,
)
from rfdiff.densities.score_integral import ScoreIntegralDensity
from rfdiff.diffusion.mixtures import GaussianMixture, bimodal
from rfdiff.diffusion.targets import raised_cosine
from rfdiff.divergences.kl import kl_divergence
from rfdiff.model.embeddings import LogSigmaEmbedding
from rfdiff.model.features import RandomFeatures, draw_features
from rfdiff.model.line.x_integral import SmoothIntegral
from rfdiff.model.score import RandomFeatureScore
from rfdiff.support.errors import ArgumentError


def test_the_score_of_a_law_gives_the_law():
    """The exact score of a mixture, linear between knots: KL below 1e-6, fourth order in them."""
    law = bimodal(3.0)
    end = law.diffuse(float(SDE.scale(T_EVAL)), float(SDE.std(T_EVAL)))
    domain = end.domain(8.0)
    coarse, fine, finest = (
        kl_divergence(end, ScoreIntegralDensity(score, T_EVAL, domain))
        for score in (interpolated_score(law, np.linspace(*domain, n)) for n in (101, 201, 1601))
    )
    assert abs(np.log2(float(coarse) / float(fine)) - 4.0) < 0.1
    assert abs(float(finest)) + float(finest.error) < 1e-9


def exact_log_z(score, density):
    """Log Z in 40 digits: erf or erfi between consecutive kinks."""
    with mpmath.workdps(40):
        w = [mpmath.mpf(v) for v in score.features.W[:, 0]]
        b = [mpmath.mpf(v) for v in score.features.biases(density.t)]
        scale = mpmath.mpf(float(score.features.output_scale(density.t)))
        theta = [mpmath.mpf(v) * scale for v in score.theta[0]]
        a, z = (mpmath.mpf(v) for v in density.domain)
        inner = sorted(k for k in (-bj / wj for wj, bj in zip(w, b, strict=True)) if a < k < z)
        knots = [a, *inner, z]
        total, potential = mpmath.mpf(0), mpmath.mpf(0)
        at_middle = mpmath.mpf(0)
        middle = (a + z) / 2
        for left, right in pairwise(knots):
            centre = (left + right) / 2
            on = [j for j in range(len(w)) if w[j] * centre + b[j] > 0]
            g = mpmath.fsum(theta[j] * w[j] for j in on)
            s = mpmath.fsum(theta[j] * (w[j] * left + b[j]) for j in on)
            if left <= middle <= right:
                at_middle = potential + s * (middle - left) + g * (middle - left) ** 2 / 2
            h = right - left
            if g == 0:
                piece = mpmath.expm1(s * h) / s if s else h
            else:
                root = mpmath.sqrt(2 * abs(g))
                u0, u1 = s / root, (s + g * h) / root
                if g > 0:
                    piece = mpmath.erfi(u1) - mpmath.erfi(u0)
                    piece *= mpmath.exp(-(u0**2))
                else:
                    low, high = (-u0, -u1) if -u0 > 0 or -u1 > 0 else (u1, u0)
                    piece = (
                        mpmath.erfc(low) - mpmath.erfc(high)
                        if low > 0
                        else (mpmath.erf(high) - mpmath.erf(low))
                    )
                    piece *= mpmath.exp(u0**2)
                piece *= mpmath.sqrt(mpmath.pi) / root
            total += mpmath.exp(potential) * piece
            potential += s * h + g * h * h / 2
        return float(mpmath.log(total) - at_middle)


def test_log_normalizer_and_its_error_against_forty_digits():
    # 100 random cases, weights from 1e-2 to 1e3: the stated error must hold in 95 of them.
    honest = 0
    for seed in range(100):
        score, domain = random_score_and_domain(seed)
        density = ScoreIntegralDensity(score, T_EVAL, domain)
        estimate = density.log_normalizer
        gap = abs(float(estimate) - exact_log_z(score, density))
        assert gap <= 1e-11 * (1.0 + abs(float(estimate)))
        honest += gap <= estimate.error
    assert honest >= 95


@pytest.mark.parametrize("activation", ["relu", "swish", "erf", "tanh"])
def test_the_density_integrates_to_one(activation):
    score = fitted_score(bimodal(3.0), ridge=(1e-3, 1e-7), activation=activation)
    density = ScoreIntegralDensity(score, T_EVAL, (-10.0, 10.0))
    total = fine_integral(density.density, -10.0, 10.0, density.breakpoints)
    np.testing.assert_allclose(total, 1.0, atol=1e-12)
    np.testing.assert_array_equal(density.density(np.array([-10.1, 10.1])), 0.0)
    assert density.mass.value.shape == (2,)


def test_log_density_is_the_integral_of_the_score():
    score = fitted_score(bimodal(3.0), ridge=(1e-3, 1e-7))
    density = ScoreIntegralDensity(score, T_EVAL, (-10.0, 10.0))
    x = np.linspace(-9.0, 9.0, 7)
    np.testing.assert_allclose(
        density.log_density(x) - density.log_density(0.0)[:, None],
        score.integral(x, T_EVAL), atol=1e-11,
    )  # fmt: skip


def test_batch_equals_loop():
    score = fitted_score(bimodal(3.0), ridge=np.logspace(-9, 0, 6))
    batch = ScoreIntegralDensity(score, T_EVAL, (-10.0, 10.0)).log_normalizer.value
    loop = [
        float(ScoreIntegralDensity(RandomFeatureScore(score.features, th), T_EVAL, (-10.0, 10.0))
              .log_normalizer)
        for th in score.theta
    ]  # fmt: skip
    np.testing.assert_array_equal(batch, loop)


def test_the_whole_line():
    density = ScoreIntegralDensity(gaussian_score(2.0, 0.7), T_EVAL, np.inf)
    x = np.linspace(-3, 6, 11)
    np.testing.assert_allclose(density.density(x), norm.pdf(x, 2.0, 0.7), rtol=1e-13)
    assert bool(density.normalizable)
    # A peak outside the kinks: the tail integral carries the mass.
    features = RandomFeatures([1.0, -1.0], [[0.0, 0.0], [0.0, 0.0]], LogSigmaEmbedding(SDE))
    lopsided = RandomFeatureScore(features, [[-1.0, 3.0]])
    value = float(ScoreIntegralDensity(lopsided, T_EVAL, np.inf).log_normalizer)
    s = np.sqrt(2.0)
    expected = np.log(0.5 * np.sqrt(2 * np.pi) * (np.sqrt(s) + np.sqrt(s / 3.0)))
    assert abs(value - expected) < 1e-13


def test_a_density_that_cannot_be_normalised_is_reported():
    score = gaussian_score(2.0, 0.7, outer=5.0)
    density = ScoreIntegralDensity(score, T_EVAL, np.inf)
    assert not bool(density.normalizable)
    assert float(density.log_normalizer) == np.inf and float(density.mass) == 0.0
    assert bool(ScoreIntegralDensity(score, T_EVAL, (-10, 10)).normalizable)
    # θ = 0 is flat: no density on the line, the uniform one on a domain.
    flat = RandomFeatureScore(score.features, np.zeros((1, 3)))
    assert float(ScoreIntegralDensity(flat, T_EVAL, np.inf).log_normalizer) == np.inf
    uniform = ScoreIntegralDensity(flat, T_EVAL, (-10, 10)).density(3.0)
    assert abs(float(uniform) - 0.05) < 1e-16


def test_kinks_far_away_do_not_cost_accuracy_on_the_line():
    features = RandomFeatures(
        [1.0, -1.0, 1e-13, 1e-120], [[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]],
        LogSigmaEmbedding(SDE),
    )  # fmt: skip
    score = RandomFeatureScore(features, [[-2.0, 2.0, 1e-3, 1.0]])
    density = ScoreIntegralDensity(score, T_EVAL, np.inf)
    s = 0.5 * 1e-3  # the third feature adds a constant to the score
    expected = np.log(np.sqrt(2 * np.pi)) + 0.5 * s * s
    assert abs(float(density.log_normalizer) - expected) < 1e-12


@pytest.mark.parametrize("domain", [(-10.0, 10.0), (-4.5, 7.0), np.inf])
def test_moments_of_a_mixture_against_quadrature(domain):
    law = GaussianMixture([0.2, 0.5, 0.3], [-2.0, 1.0, 1.5], [0.8, 0.3, 0.05])
    score = gaussian_score(0.5, 1.5)
    extra = draw_features("l1", 25, LogSigmaEmbedding(SDE), seed=3)
    features = RandomFeatures(
        np.concatenate([score.features.W, extra.W, [[0.0]]]),
        np.concatenate([score.features.U, extra.U, [[1.0, 0.0]]]), extra.embedding,
    )  # fmt: skip
    theta = np.concatenate([3.0 * score.theta[0], np.zeros(25), [0.1]])[None, :]
    theta[0, 3:-1] = 0.1 * np.random.default_rng(0).standard_normal(25)
    density = ScoreIntegralDensity(RandomFeatureScore(features, theta), T_EVAL, domain)
    estimate = density.mean_log_density(law)
    low, high = np.clip([-9.0, 9.0], *density.domain)
    expected = fine_integral(
        lambda x: law.density(x) * density.log_density(x), low, high, density.breakpoints
    )
    mass = float(np.diff(law.cdf(np.array([low, high])))[0])
    assert abs(float(estimate) - expected / mass) <= 1e-10
    assert float(estimate.error) < 1e-11


def test_moments_of_any_law_agree_with_the_closed_form():
    class Caller:
        """A mixture that hides what it is."""

        log_density = staticmethod(bimodal(3.0).log_density)

        @staticmethod
        def domain():
            return -12.0, 12.0

    score = fitted_score(bimodal(3.0), ridge=(1e-2, 1e-8))
    density = ScoreIntegralDensity(score, T_EVAL, (-10.0, 10.0))
    closed, by_rule = density.mean_log_density(bimodal(3.0)), density.mean_log_density(Caller())
    assert (np.abs(closed.value - by_rule.value) <= closed.error + by_rule.error).all()
    assert by_rule.error.max() < 1e-9


@pytest.mark.parametrize("activation", ["relu", "swish"])
def test_the_mean_over_points_is_the_mean_over_points(activation):
    x = np.random.default_rng(4).normal(0.0, 2.0, 300)
    x[:5] = x[0]
    score = fitted_score(bimodal(3.0), ridge=(1e-2, 1e-7), activation=activation)
    density = ScoreIntegralDensity(score, T_EVAL, (-10.0, 10.0))
    mean = density.mean_log_density(GaussianMixture.from_points(x))
    np.testing.assert_allclose(mean.value, density.log_density(x).mean(-1), atol=1e-11)


def test_a_compact_law_inside_the_domain():
    law = raised_cosine(0.0, 3.0)
    score = fitted_score(law, ridge=(1e-6,))
    density = ScoreIntegralDensity(score, T_EVAL, (-3.0, 3.0))
    expected = fine_integral(
        lambda x: law.density(x) * density.log_density(x)[0], -3, 3, density.breakpoints
    )
    assert abs(float(density.mean_log_density(law).value[0]) - expected) < 1e-9


def test_bad_arguments_are_named():
    score = gaussian_score(0.0, 1.0)
    with pytest.raises(ArgumentError, match="domain must be a pair"):
        ScoreIntegralDensity(score, T_EVAL, (3.0, 1.0))
    with pytest.raises(ArgumentError, match="domain must hold at least 99%"):
        ScoreIntegralDensity(score, T_EVAL, (5.0, 9.0)).mean_log_density(bimodal(3.0))
    plane = draw_features("l1", 4, LogSigmaEmbedding(SDE), seed=0, dimension=2)
    with pytest.raises(ArgumentError, match="one dimension"):
        ScoreIntegralDensity(RandomFeatureScore(plane, np.zeros((2, 4))), T_EVAL, (-1, 1))
    smooth = draw_features("l1", 4, LogSigmaEmbedding(SDE), seed=0, activation="swish")
    with pytest.raises(ArgumentError, match="domain must be finite"):
        SmoothIntegral(smooth, T_EVAL, 0.0, (-np.inf, np.inf))


@pytest.mark.parametrize("domain", [(-10.0, 10.0), (-3.0, 40.0), np.inf])
def test_distribution_function_against_quadrature(domain):
    score = fitted_score(bimodal(3.0), ridge=(1e-2, 1e-7))
    density = ScoreIntegralDensity(score, T_EVAL, domain)
    low, high = density.hull
    points = np.linspace(max(low, -9.0), min(high, 9.0), 5)
    start = low
    below = np.zeros(2)
    for x in points:
        inner = density.breakpoints[(density.breakpoints > start) & (density.breakpoints < x)]
        below += fine_integral(density.density, start, x, inner) if x > start else 0.0
        start = x
        np.testing.assert_allclose(density.cdf(x), below, atol=1e-10)
    np.testing.assert_allclose(density.cdf([low, high]), [[0.0, 1.0]] * 2, atol=1e-10)


def test_distribution_function_of_needles_and_of_no_density():
    """A peak of width 1e-4 that no first panel's node sees, and an outer slope that rises."""
    needle = ScoreIntegralDensity(gaussian_score(1.23, 1e-4), T_EVAL, (-10.0, 10.0))
    x = 1.23 + 1e-4 * np.array([-2.0, 0.0, 1.0])
    np.testing.assert_allclose(needle.cdf(x), ndtr([-2.0, 0.0, 1.0]), atol=1e-9)
    rising = ScoreIntegralDensity(gaussian_score(0.0, 3.0, outer=5.0), T_EVAL, np.inf)
    assert np.isnan(rising.cdf(0.0))


def test_a_normalisation_beyond_the_floats_is_not_known():
    """A density exists on a bounded domain: infinity there is a failure, and says so."""
    run = rfdiff.train_exact([1.0, 1e6], n=10, m=16, theta0=np.full(16, 1e20))
    kl = run.kl()
    assert np.isinf(kl.value[0]) and np.isinf(kl.error[0])
    assert np.isfinite(kl.value[1]) and kl.error[1] < 1e-9
