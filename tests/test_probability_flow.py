"""The probability-flow density against closed forms, brute force and far finer solves."""

import warnings

import numpy as np
import pytest

import rfdiff
from rfdiff.densities.probability_flow import ProbabilityFlowDensity
from rfdiff.errors import AccuracyWarning, ArgumentError
from rfdiff.mixtures import GaussianMixture, bimodal
from rfdiff.reference import Reference
from rfdiff.score import ExactScore
from rfdiff.sde import SDES, VESDE

T_E = 0.065
LAW = bimodal(3.0)


def marginal(law, sde, t):
    return law.diffuse(float(sde.scale(t)), float(sde.std(t)))


def kl(law, learned):
    entropy, mean = Reference(law, learned.domain).entropy, learned.mean_log_density(law)
    return -entropy.value - mean.value, entropy.error + mean.error


@pytest.fixture(scope="module")
def run():
    return rfdiff.train_exact(n=100, m=64, tau=[1e2, 1e4, 1e6])


@pytest.mark.parametrize("name", ["ve", "vp", "subvp"])
def test_exact_score_gives_the_marginal(name):
    sde = SDES[name]()
    learned = ProbabilityFlowDensity(
        ExactScore(LAW, sde), sde, T_E, prior=marginal(LAW, sde, sde.T)
    )
    value, error = kl(marginal(LAW, sde, T_E), learned)
    assert abs(value) < 1e-6
    assert abs(value) <= error
    assert abs(learned.mass.value - 1.0) <= learned.mass.error + 1e-9


def test_exact_score_gives_the_marginal_in_two_dimensions():
    law = GaussianMixture([0.4, 0.6], [[1.0, -1.0], [-2.0, 0.5]], [0.5, 0.7])
    sde = VESDE()
    learned = ProbabilityFlowDensity(
        ExactScore(law, sde), sde, T_E, prior=marginal(law, sde, sde.T)
    )
    x = np.random.default_rng(1).normal(size=(50, 2))
    exact = marginal(law, sde, T_E).log_density(x)
    np.testing.assert_allclose(learned.log_density(x), exact, atol=1e-6)


def test_the_wrong_score_is_told_from_the_right_one():
    sde = VESDE()
    wrong = ExactScore(bimodal(3.2), sde)
    learned = ProbabilityFlowDensity(wrong, sde, T_E, prior=marginal(LAW, sde, sde.T))
    value, error = kl(marginal(LAW, sde, T_E), learned)
    assert value > 1e-2 > error


def test_declared_order_is_measured_for_smooth_scores():
    sde = VESDE()
    prior, exact = marginal(LAW, sde, sde.T), marginal(LAW, sde, T_E)
    x = np.linspace(-4.0, 4.0, 41)
    error = []
    for n in (32, 64, 128):
        learned = ProbabilityFlowDensity(ExactScore(LAW, sde), sde, T_E, prior=prior, n_steps=n)
        error.append(np.abs(learned.log_density(x) - exact.log_density(x)).mean())
    assert learned.order == 4
    assert np.log2(error[0] / error[2]) / 2 == pytest.approx(4.0, abs=0.5)


def test_declared_order_is_measured_for_rectified_scores(run):
    score, x = run.learned_score(1e2), np.linspace(-4.0, 4.0, 201)

    def solve(n):
        return ProbabilityFlowDensity(score, run.sde, T_E, n_steps=n)

    finest = solve(8192).log_density(x)
    error = [np.abs(solve(n).log_density(x) - finest).mean() for n in (128, 256, 512, 1024)]
    assert solve(128).order == 3
    assert np.log2(error[0] / error[3]) / 3 == pytest.approx(3.0, abs=0.5)


def test_the_law_is_the_derivative_of_the_flow(run):
    learned = ProbabilityFlowDensity(run.learned_score(1e2), run.sde, T_E)
    x, h = np.linspace(-5.0, 5.0, 23), 1e-4
    slope = (learned.cdf(x + h) - learned.cdf(x - h)) / (2 * h)
    np.testing.assert_allclose(learned.density(x), slope, rtol=1e-3, atol=1e-6)


def test_mass_is_one_within_its_error(run):
    mass = ProbabilityFlowDensity(run.learned_score([1e2, 1e4]), run.sde, T_E).mass
    assert (np.abs(mass.value - 1.0) <= mass.error).all()
    assert mass.error.max() < 1e-3


def test_mass_sees_a_wrong_divergence():
    class Doubled(ExactScore):
        def divergence(self, x, t):
            return 2.0 * super().divergence(x, t)

    sde = VESDE()
    learned = ProbabilityFlowDensity(Doubled(LAW, sde), sde, T_E, n_steps=64, tolerance=10.0)
    with pytest.warns(AccuracyWarning, match="mass"):
        assert learned.mass.error > 0.1


def test_mass_in_unresolved_peaks_is_reported(run):
    with pytest.warns(AccuracyWarning, match="mass"):
        mass = ProbabilityFlowDensity(run.learned_score(1e6), run.sde, T_E).mass
    assert abs(mass.value - 1.0) <= mass.error


def test_kl_is_brute_force(run):
    learned = ProbabilityFlowDensity(run.learned_score(1e4), run.sde, T_E)
    x, dx = np.linspace(-9.0, 9.0, 60001, retstep=True)
    brute = (LAW.density(x) * (LAW.log_density(x) - learned.log_density(x))).sum() * dx
    value, error = kl(LAW, learned)
    assert abs(value - brute) <= error + 1e-5


def test_errors_are_honest():
    """At least 95 of 100 random cases have a true error within the estimate."""
    rng, honest = np.random.default_rng(7), 0
    for case in range(20):
        tau = 10.0 ** rng.uniform(1.0, 6.0, 5)
        trained = rfdiff.train_exact(n=60, m=32, tau=tau, seed=case)
        score, sde = trained.learned_score(), trained.sde
        value = ProbabilityFlowDensity(score, sde, T_E, n_steps=128).mean_log_density(LAW)
        finer = ProbabilityFlowDensity(score, sde, T_E, n_steps=1024).mean_log_density(LAW)
        honest += int((np.abs(value.value - finer.value) <= value.error).sum())
    assert honest >= 95


def test_bad_arguments(run):
    score, sde = run.learned_score(), run.sde
    for choice, match in (
        ({"t": 0.0}, "t must"),
        ({"n_steps": 3}, "n_steps must be even"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"prior": GaussianMixture([1.0], [[0.0, 0.0]], 1.0)}, "prior must have dimension 1"),
        ({"domain": (200.0, 300.0)}, "domain must hold"),
    ):
        with pytest.raises(ArgumentError, match=match):
            ProbabilityFlowDensity(**{"score": score, "sde": sde, "t": T_E, **choice})


def test_a_missed_tolerance_warns(run):
    learned = ProbabilityFlowDensity(run.learned_score(1e6), run.sde, T_E, tolerance=1e-13)
    with pytest.warns(AccuracyWarning, match="probability flow"):
        assert learned.error > 1e-13
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(learned.log_density(0.0))
