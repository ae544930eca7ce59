"""Gaussian mixtures against scipy.stats, mpmath and brute-force integration."""

import mpmath
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from rfdiff.diffusion.law_on_domain import Reference
from rfdiff.diffusion.mixtures import GaussianMixture, bimodal
from rfdiff.support.errors import ArgumentError

WEIGHTS, MEANS, STDS = [0.2, 0.5, 0.3], [-2.0, 0.5, 4.0], [0.3, 1.0, 2.0]
LAW = GaussianMixture(WEIGHTS, MEANS, STDS)


def exact_log_density_and_score(x):
    """log p and (log p)′ in 60 digits, the derivative by differences."""

    def log_density(y):
        return mpmath.log(
            mpmath.fsum(
                mpmath.mpf(q) * mpmath.npdf(y, m, s)
                for q, m, s in zip(WEIGHTS, MEANS, STDS, strict=True)
            )
        )

    with mpmath.workdps(60):
        return float(log_density(x)), float(mpmath.diff(log_density, x))


@pytest.mark.parametrize("x", [-90.0, -2.1, 0.0, 3.3, 1e3])
def test_log_density_and_score_hold_in_the_far_tails(x):
    log_density, score = exact_log_density_and_score(x)
    assert float(LAW.log_density(x)) == pytest.approx(log_density, rel=1e-14)
    assert float(LAW.score(x)) == pytest.approx(score, rel=1e-12)


def test_density_has_unit_mass_and_the_stated_moments():
    moments = [
        quad(lambda x, k=k: x**k * float(LAW.density(x)), -30, 40, points=[-2, 0, 4], limit=200)[0]
        for k in range(3)
    ]
    assert moments[0] == pytest.approx(1.0, abs=1e-12)
    assert LAW.mean[0] == pytest.approx(moments[1], abs=1e-10)
    assert LAW.variance[0] == pytest.approx(moments[2] - moments[1] ** 2, abs=1e-9)


def test_diffusion_is_scaling_and_convolution():
    r, std = 0.7, 0.45
    x = np.array([-3.0, -1.0, 0.3, 5.0])
    brute = [
        quad(
            lambda y, v=v: float(LAW.density(y)) * stats.norm.pdf(v, r * y, std),
            -30,
            40,
            points=[-2, 0, 4, v / r],
            limit=400,
            epsabs=1e-13,
        )[0]
        for v in x
    ]
    np.testing.assert_allclose(LAW.diffuse(r, std).density(x), brute, rtol=1e-9)


def test_affine_is_a_change_of_variable():
    x = np.linspace(-5, 5, 11)
    np.testing.assert_allclose(
        LAW.affine(2.0, 3.0).density(2.0 + 3.0 * x), LAW.density(x) / 3.0, rtol=1e-13
    )
    assert LAW.affine(2.0, 3.0).mean[0] == pytest.approx(2.0 + 3.0 * LAW.mean[0])


def test_cdf():
    for x in (-2.5, 0.1, 6.0):
        mass = quad(lambda y: float(LAW.density(y)), -30, x, points=[-2.0, 0.5], limit=200)[0]
        assert float(LAW.cdf(x)) == pytest.approx(mass, abs=1e-11)
    data = np.array([3.0, 1.0, 1.0, 2.0])
    steps = GaussianMixture.from_points(data).cdf([0.9, 1.0, 1.5, 2.0, 5.0])
    np.testing.assert_array_equal(steps, [0.0, 0.5, 0.5, 0.75, 1.0])


def test_two_dimensions():
    weights, means, stds = [0.3, 0.7], [[1.0, -1.0], [0.0, 2.0]], [0.5, 1.5]
    law = GaussianMixture(weights, means, stds)
    x = np.random.default_rng(0).normal(size=(3, 4, 2))
    brute = sum(
        q * stats.multivariate_normal(m, s**2).pdf(x)
        for q, m, s in zip(weights, means, stds, strict=True)
    )
    np.testing.assert_allclose(law.density(x), brute, rtol=1e-13)
    step = 1e-5
    for axis in range(2):
        shift = step * np.eye(2)[axis]
        slope = (law.log_density(x + shift) - law.log_density(x - shift)) / (2 * step)
        np.testing.assert_allclose(law.score(x)[..., axis], slope, atol=1e-8)
    assert law.dimension == 2 and law.sample(5, np.random.default_rng(0)).shape == (5, 2)


def test_shapes_follow_the_points():
    for shape in ((), (4,), (2, 3), (0,)):
        x = np.zeros(shape)
        assert LAW.density(x).shape == LAW.score(x).shape == shape
    assert LAW.n_components == 3 and LAW.means.shape == (3, 1)


def test_many_components_are_summed_in_parts_without_a_trace():
    """Of 20,000 components some fifty points are taken at a time."""
    points = np.random.default_rng(0).normal(size=20_000)
    law = GaussianMixture.from_points(points).diffuse(1.0, 0.3)
    x = np.linspace(-6, 8, 97)
    for f in (law.log_density, law.score, law.cdf):
        np.testing.assert_allclose(f(x), np.concatenate([f(x[:7]), f(x[7:])]), rtol=1e-12)


def test_samples_are_nested_and_follow_the_law():
    draw = LAW.sample(5000, np.random.default_rng(11))
    np.testing.assert_array_equal(LAW.sample(100, np.random.default_rng(11)), draw[:100])
    # False-alarm rate 1e-3; the wrong laws are the negative control.
    assert stats.kstest(draw[:, 0], LAW.cdf).pvalue > 1e-3
    for wrong in (LAW.affine(0.2, 1.0), GaussianMixture([0.25, 0.45, 0.3], MEANS, STDS)):
        assert stats.kstest(draw[:, 0], wrong.cdf).pvalue < 1e-3


def test_components_of_zero_weight_are_inert():
    law = GaussianMixture([0.0, 1.0, 0.0], [100.0, 0.0, -100.0], [1.0, 1.0, 1.0])
    assert np.abs(law.sample(10_000, np.random.default_rng(0))).max() < 10
    np.testing.assert_allclose(law.log_density([0.0, 3.0]), stats.norm.logpdf([0.0, 3.0]))


def test_the_paper_s_target():
    law = bimodal(15.0, weights=(0.25, 0.75), std=2.0)
    np.testing.assert_array_equal(law.means[:, 0], [-15, 15])
    np.testing.assert_array_equal(law.weights, [0.25, 0.75])
    assert law.domain() == (-29.0, 29.0)
    assert law.domain(widths=0.0) == (-15.0, 15.0)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (([0.5, 0.6], [0, 1], 1.0), "weights must be non-negative and sum to 1, got sum 1.1"),
        (([1.5, -0.5], [0, 1], 1.0), "weights must be non-negative .* minimum -0.5"),
        (([1.0], [0, 1], 1.0), r"same components, got shapes \(1,\), \(2, 1\)"),
        (([0.5, 0.5], [0, 1], [1.0, 1.0, 1.0]), "same components"),
        (([0.5, 0.5], [0, 1], [1.0, -1.0]), "stds must be non-negative, got minimum -1"),
        (([], [], []), "weights must not be empty"),
        (([0.5, 0.5], [0, np.nan], 1.0), r"means must be finite, got nan at index \(1,\)"),
        (([0.5, 0.5], [0, 1], np.inf), "stds must be finite, got inf"),
        (([[1.0]], [0.0], 1.0), "weights must have 1 dimension"),
        (([1.0], [[[0.0]]], 1.0), r"means must have shape \(n,\) or \(n, d\)"),
        ((["a"], [0.0], 1.0), "weights must be an array of real numbers"),
    ],
)
def test_bad_mixtures(arguments, fault):
    with pytest.raises(ArgumentError, match=fault):
        GaussianMixture(*arguments)


def test_bad_calls():
    points = GaussianMixture.from_points([1.0, 2.0])
    for call in (points.log_density, points.density, points.score):
        with pytest.raises(ArgumentError, match=r"point masses \(std 0\) has no density"):
            call(0.0)
    plane = GaussianMixture([1.0], [[0.0, 0.0]], 1.0)
    for call in (lambda: plane.cdf([[0.0, 0.0]]), plane.domain):
        with pytest.raises(ArgumentError, match="one-dimensional law"):
            call()
    with pytest.raises(ArgumentError, match=r"x must have last axis 2, got shape \(3,\)"):
        plane.density([1.0, 2.0, 3.0])
    with pytest.raises(ArgumentError, match="n must be at least 1, got 0"):
        LAW.sample(0, np.random.default_rng(0))
    with pytest.raises(ArgumentError, match="scale must be positive, got 0"):
        LAW.affine(0.0, 0.0)
    with pytest.raises(ArgumentError, match="std must be positive, got -1"):
        bimodal(3.0, std=-1.0)
    with pytest.raises(ArgumentError, match="mu must be finite, got nan"):
        bimodal(np.nan)
    with pytest.raises(ArgumentError, match="data must not be empty"):
        GaussianMixture.from_points([])


def test_point_masses_at_the_ends_of_a_domain_are_inside():
    reference = Reference(GaussianMixture.from_points([1.0, 2.0, 4.0, 8.0]), (1.0, 8.0))
    assert float(reference.mass) == 1.0
    np.testing.assert_array_equal(reference.cdf([1.0, 3.0, 8.0]), [0.25, 0.5, 1.0])
