"""A learned density in other units: change of variable, quadrature, and the same comparisons."""

import numpy as np
import pytest

import rfdiff
from rfdiff.data.units import Units
from rfdiff.densities.in_units import in_units
from rfdiff.densities.learned_density import METHODS
from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.diffusion.targets import raised_cosine
from rfdiff.divergences.by_name import DIVERGENCES
from rfdiff.divergences.kl import negative_log_likelihood

UNITS = Units(70.0, 10.0)
LAW = rfdiff.bimodal(3.0).affine(70.0, 10.0)


@pytest.fixture(scope="module", params=METHODS)
def learned(request):
    run = rfdiff.train_exact([1e2, 1e4], n=50, m=32, n_times=32)
    return run.learned_density(method=request.param)


def test_change_of_variable(learned):
    own, x = in_units(learned, UNITS), np.linspace(20.0, 120.0, 6).reshape(2, 3)
    u = (x - 70.0) / 10.0
    np.testing.assert_allclose(
        own.log_density(x), learned.log_density(u) - np.log(10.0), rtol=1e-14
    )
    np.testing.assert_allclose(own.density(x), learned.density(u) / 10.0, rtol=1e-14)
    np.testing.assert_array_equal(own.cdf(x), learned.cdf(u))
    np.testing.assert_array_equal(own.log_density_error(x), learned.log_density_error(u))
    assert own.domain == (-30.0, 170.0) and own.hull == UNITS.domain_to_own(learned.hull)
    assert (own.method, own.t, own.shape) == (learned.method, learned.t, learned.shape)
    np.testing.assert_array_equal(own.breakpoints, UNITS.to_own(learned.breakpoints))
    assert own.on((0.0, 140.0)).domain == pytest.approx((0.0, 140.0))
    assert own.on(np.inf).domain == (-np.inf, np.inf) == UNITS.domain_to_own(own.on(np.inf).domain)


def test_quadrature(learned):
    """Mass, distribution function and mean log density against sums on a fine grid."""
    own, (x, dx) = in_units(learned, UNITS), np.linspace(-30.0, 170.0, 40001, retstep=True)
    density = own.density(x)
    mass = density.sum(-1) * dx
    np.testing.assert_allclose(own.mass.value, mass, atol=2e-4)
    np.testing.assert_allclose(own.cdf(x)[:, -1] - own.cdf(x)[:, 0], mass, atol=2e-4)
    mean = (LAW.density(x) * own.log_density(x)).sum(-1) * dx
    found = own.mean_log_density(LAW)
    assert (np.abs(found.value - mean) <= found.error + 1e-5).all()
    points = own.mean_log_density(GaussianMixture.from_points([40.0, 71.0]))
    np.testing.assert_allclose(
        points.value, own.log_density([40.0, 71.0]).mean(-1), rtol=0.0, atol=1e-11
    )


@pytest.mark.parametrize("kind", DIVERGENCES)
def test_divergences_have_the_unit_of_their_formula(learned, kind):
    """Nats stay, distances grow by the scale; so for the same law under either name."""
    own, divergence = in_units(learned.on(learned.support), UNITS), DIVERGENCES[kind]
    comparison = own.beside(LAW)
    if divergence.needs_slope and not comparison.knows_slope:
        with pytest.raises(
            rfdiff.ArgumentError, match="is \\+∞ for nearly every trained ReLU score"
        ):
            comparison.integrate(divergence)
        return
    factor = {"wasserstein-1": 10.0, "wasserstein-2": 10.0, "fisher": 0.01}.get(kind, 1.0)
    found, expected = comparison.integrate(divergence), divergence(rfdiff.bimodal(3.0), own.learned)
    np.testing.assert_allclose(found.value, factor * expected.value, rtol=1e-9)
    np.testing.assert_allclose(found.error, factor * expected.error, rtol=1e-6, atol=1e-13)


def test_any_law_on_the_line_is_converted(learned):
    own = in_units(learned.on(learned.support), UNITS)
    found = rfdiff.wasserstein_distance(raised_cosine(70.0, 30.0), own)
    expected = rfdiff.wasserstein_distance(raised_cosine(0.0, 3.0), own.learned)
    assert (np.abs(found.value - 10.0 * expected.value) <= found.error).all()


def test_the_ends_of_a_domain_are_inside(learned):
    """3·0.1 is not 0.3: a domain given in [x] is kept as given, and its ends count."""
    units, domain = Units(0.1, 3.0), (-14.7, 15.3)
    own = in_units(learned.on(units.domain_to_training(domain)), units, domain)
    assert own.domain == domain and np.isfinite(own.log_density(domain)).all()
    assert own.support in (domain, (-np.inf, np.inf))
    assert own.on(own.support).support == own.support
    assert own.on((-13.1, 13.7)).domain == (-13.1, 13.7)
    assert np.isfinite(negative_log_likelihood(np.array(domain), own).value).all()


def test_identity_units_change_nothing(learned):
    assert in_units(learned, Units()) is learned
