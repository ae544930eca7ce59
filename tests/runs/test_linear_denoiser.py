"""Identity features are a linear denoiser: its flow and the Gaussian that it generates."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.stats import multivariate_normal

import rfdiff
from rfdiff.densities.probability_flow.of_vectors import vector_log_density
from rfdiff.model.score import RandomFeatureScore

SDE = rfdiff.VPSDE()
RNG = np.random.default_rng(0)
DATA = RNG.standard_normal((40, 3)) * [2.0, 1.0, 0.5] + 1.0
TAU = [0.0, 0.1, 1.0, 10.0, np.inf]


@pytest.fixture(scope="module")
def run():
    """s = θWx/√m at one time: no bias, more features than dimensions."""
    features = rfdiff.RandomFeatures(
        RNG.standard_normal((7, 3)), np.zeros((7, 2)), rfdiff.AffineEmbedding(), "identity"
    )
    return rfdiff.train_exact(
        TAU, data=DATA, features=features, sde=SDE, times=[0.3], weighting=np.ones_like
    )


def matrix(run, tau=None):
    """Return K with s(x) = Kx."""
    return run.theta(tau) @ run.features.W / np.sqrt(run.m)


def test_flow_is_that_of_its_matrix(run):
    """dK/dτ = −2(KS + 1)WᵀW/m, S = E x_t x_tᵀ, which ends at −S⁻¹."""
    r, sigma = float(SDE.scale(0.3)), float(SDE.std(0.3))
    second = r * r * DATA.T @ DATA / len(DATA) + sigma**2 * np.eye(3)
    inner = run.features.W.T @ run.features.W / run.m
    for k, tau in enumerate(TAU[:-1]):
        expected = (expm(-2.0 * tau * second @ inner) - np.eye(3)).T @ np.linalg.inv(second)
        np.testing.assert_allclose(matrix(run)[k], expected.T, atol=1e-10)
    np.testing.assert_allclose(matrix(run)[-1], -np.linalg.inv(second), atol=1e-10)
    least = 3 / sigma**2 - np.trace(np.linalg.inv(second))
    assert float(run.loss("train", np.inf)) == pytest.approx(least, abs=1e-10)


def test_it_generates_a_gaussian(run):
    """The probability flow of Kx from N(0, 1) is a linear ODE: its law, by adaptive Runge–Kutta."""
    k = matrix(run, 1.0)

    def backwards(t, flat):
        f, g2 = float(SDE.drift(t)), float(SDE.diffusion_squared(t))
        return ((f * np.eye(3) - 0.5 * g2 * k) @ flat.reshape(3, 3)).ravel()

    ends = solve_ivp(
        backwards, (1.0, 0.1), np.eye(3).ravel(), method="DOP853", rtol=1e-13, atol=1e-15
    ).y[:, -1].reshape(3, 3)  # fmt: skip
    x = RNG.standard_normal((5, 3))
    found = vector_log_density(RandomFeatureScore(run.features, run.theta(1.0)), SDE, 0.1, x, 512)
    expected = multivariate_normal(np.zeros(3), ends @ ends.T).logpdf(x)
    np.testing.assert_allclose(found.value, expected, rtol=1e-10, atol=1e-10)
