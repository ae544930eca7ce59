"""Components along training: samples against densities, losses that add up, emergence."""

import numpy as np
import pytest

import rfdiff
from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.support.errors import ArgumentError

LAW = rfdiff.bimodal(3.0, (0.1, 0.9))


@pytest.fixture(scope="module")
def run():
    return rfdiff.train_exact(np.logspace(1, 5, 9), n=300, m=64, target=LAW, n_times=32)


def test_samples_follow_the_density_they_are_drawn_from(run):
    tau = [1e3, 1e5]
    drawn = run.components(tau, by="samples", n_samples=4000, n_steps=200)
    density = run.components(tau, by="reverse-sde")
    assert drawn.mass.shape == density.mass.shape == (2, 2)
    assert (np.abs(drawn.mass.value - density.mass.value) < 5.0 * drawn.mass.error).all()
    assert (drawn.mass.error < 0.01).all()
    # The control: another definition of the density, another mass.
    other = run.components(tau).mass.value
    assert (np.abs(drawn.mass.value - other) > 5.0 * drawn.mass.error).any()


def test_losses_are_those_of_components_alone_and_add_up(run):
    found = run.components()
    np.testing.assert_allclose(
        found.loss.value @ LAW.weights, run.loss("population").value, rtol=1e-10
    )
    rare = GaussianMixture([1.0], [-3.0], 1.0)
    loss = rfdiff.denoising_quadratic(rare, run.problem.objective, run.features)
    np.testing.assert_allclose(found.loss.value[:, 0], loss(run.theta()), rtol=1e-10)
    # The rare component is learned last.
    assert (found.loss.value[4:, 0] > found.loss.value[4:, 1]).all()


def test_emergence_is_when_masses_come_close_to_weights(run):
    found = run.components(factor=1.3)
    dense = np.logspace(1, 5, 401)
    mass = run.components(dense, factor=1.3).mass.value
    close = np.abs(np.log(mass / LAW.weights)) < np.log(1.3)
    first = dense[close.argmax(0)]
    assert close.any(0).all()
    # Half a decade apart, linear in ln τ.
    np.testing.assert_allclose(np.log(found.emergence.value / first), 0.0, atol=0.15)
    assert (found.emergence.low <= found.emergence.value).all()
    assert (found.emergence.value <= found.emergence.high).all()
    drawn = run.components(factor=1.3, by="samples", n_samples=500, n_steps=50).emergence
    assert (drawn.low < drawn.high).any() and drawn.confidence == 0.95
    assert len(found.table().splitlines()) == 15


@pytest.mark.parametrize(
    ("target", "choices", "message"),
    [
        (rfdiff.raised_cosine(), {}, "target that is a Gaussian mixture"),
        (LAW, {"factor": 1.0}, "factor must be greater than 1"),
        (LAW, {"by": "kde"}, "by must be one of"),
        (LAW, {"by": "samples", "n_samples": 1}, "n_samples must be at least 2"),
    ],
)
def test_mistakes(target, choices, message):
    run = rfdiff.train_exact(1e3, n=4, m=8, n_times=4, target=target)
    with pytest.raises(ArgumentError, match=message):
        run.components(**choices)
