"""The error terms of [15]: they add up, vanish where they must, and cover their errors."""

import numpy as np
import pytest

import rfdiff
from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.diffusion.sde import VESDE, VPSDE, SubVPSDE
from rfdiff.loss.noise_expectation import denoising_quadratic
from rfdiff.loss.objective import DenoisingObjective
from rfdiff.loss.score_matching import score_norm
from rfdiff.model.embeddings import LogSigmaEmbedding
from rfdiff.model.features import RandomFeatures
from rfdiff.support.errors import ArgumentError

TAU = np.concatenate([[0.0], np.logspace(0, 9, 10), [np.inf]])
WIDE = 256


@pytest.fixture(scope="module")
def run():
    return rfdiff.train_exact(TAU, n=100, m=64)


@pytest.fixture(scope="module")
def terms(run):
    return run.decomposition(wide=WIDE)


@pytest.mark.parametrize(
    ("sde", "n", "m"), [(VESDE(), 10, 128), (VPSDE(), 100, 32), (SubVPSDE(), 1000, 256)]
)
def test_terms_add_up_to_the_loss(sde, n, m):
    """I₁ is a difference of parameters and I₃ of two models: the total is computed apart.

    In the last case ‖θ‖² is 8.6e7 at τ = ∞: the plain form θGθᵀ misses by 1e-8.
    """
    run = rfdiff.train_exact(TAU, n=n, m=m, sde=sde)
    terms = run.decomposition(wide=WIDE)
    parts = terms.sample.value + terms.infinite.value + terms.width.value
    assert np.abs(parts / terms.total.value - 1.0).max() < 1e-9
    assert sum(terms.shares().values()) == pytest.approx(np.ones(len(TAU)), rel=1e-9)


def test_total_is_the_bounds_integral(run, terms):
    bound = run.bound().integral
    assert np.allclose(terms.total.value, bound.value, rtol=1e-12)
    assert terms.scale == pytest.approx(0.5 * (1.0 - 0.065))


def test_each_term_against_its_definition(run, terms):
    """By separate trainings and the denoising loss with its constant replaced."""
    objective = DenoisingObjective.graded(run.sde, 0.065, 64, "likelihood")
    population = rfdiff.train_exact(TAU, n=None, m=64, population=True)
    loss = denoising_quadratic(run.target, objective, run.features)
    shift = float(score_norm(run.target, objective)) - loss.constant
    of_sample, of_population = loss(run.theta()) + shift, loss(population.theta()) + shift
    scale = terms.scale
    assert np.allclose(terms.total.value, scale * of_sample, rtol=1e-9)
    assert np.allclose(terms.sample.value, scale * (of_sample - of_population), atol=1e-9)
    width = terms.infinite.value + terms.width.value
    assert np.allclose(width, scale * of_population, rtol=1e-9)
    assert float(terms.finite_error) == pytest.approx(scale * of_population[-1], rel=1e-9)


def test_ends_of_training(terms):
    """At τ = 0 nothing depends on data or width; at τ = ∞ population training has its error."""
    assert terms.sample.value[0] == 0.0
    assert abs(terms.width.value[0]) < 1e-9 * terms.total.value[0]
    assert terms.infinite.value[-1] == pytest.approx(float(terms.infinite_error), rel=1e-9)
    assert (np.diff(terms.infinite.value) < 0).all()


def test_population_training_has_no_sampling_error():
    terms = rfdiff.train_exact(TAU, m=32, population=True).decomposition(wide=WIDE)
    assert np.abs(terms.sample.value).max() <= 1e-9 * terms.total.value.min()


def test_infinite_width_is_within_its_error(run, terms):
    """The prediction of 256 quasi-Monte Carlo features against that of 1024."""
    better = run.decomposition(TAU[:-1], wide=1024).infinite
    change = np.abs(terms.infinite.value[:-1] - better.value)
    assert (change <= terms.infinite.error[:-1] + better.error).all()
    # Not by being vast: four times the width earns a far smaller error.
    assert (better.error[1:] < 0.35 * terms.infinite.error[1:-1]).all()


def test_shares_of_a_measured_divergence(run, terms):
    kl = run.kl(TAU).value
    shares = terms.shares(of=kl)
    assert np.allclose(sum(shares.values()) * kl, terms.total.value, rtol=1e-9)
    with pytest.raises(ArgumentError, match="one non-zero value for each τ"):
        terms.shares(of=kl[:3])


class TestBadInput:
    def test_data_of_unknown_law(self):
        run = rfdiff.train_exact(1.0, data=np.linspace(-1, 1, 10), m=8)
        with pytest.raises(ArgumentError, match="law with a density"):
            run.decomposition()

    def test_features_of_unknown_law(self):
        features = RandomFeatures([1.0, -1.0], np.zeros((2, 2)), LogSigmaEmbedding(VESDE()))
        run = rfdiff.train_exact(1.0, n=10, features=features)
        with pytest.raises(ArgumentError, match="no infinite-width limit"):
            run.decomposition()

    def test_start_away_from_zero(self):
        run = rfdiff.train_exact(1.0, n=10, m=8, theta0="gaussian")
        with pytest.raises(ArgumentError, match="theta0 = 0"):
            run.decomposition()

    def test_time_at_the_end(self):
        run = rfdiff.train_exact(1.0, n=10, m=8)
        with pytest.raises(ArgumentError, match=r"t must be in \(0, T\)"):
            run.decomposition(t=1.0)

    def test_odd_width(self):
        run = rfdiff.train_exact(1.0, n=10, m=8, target=GaussianMixture([1.0], [0.0], 1.0))
        with pytest.raises(ArgumentError, match="wide must be a multiple of 4, got 7"):
            run.decomposition(wide=7)
