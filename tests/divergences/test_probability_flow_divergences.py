"""Divergences of the probability flow against closed forms, brute force and rough maps."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

import rfdiff
from reference.gaussian_divergences import gaussian_divergences
from reference.paper import SDE, T_EVAL
from rfdiff.densities.probability_flow.density import ProbabilityFlowDensity
from rfdiff.diffusion.mixtures import GaussianMixture, bimodal
from rfdiff.diffusion.targets import raised_cosine
from rfdiff.divergences.by_name import DIVERGENCES
from rfdiff.divergences.jensen_shannon import jensen_shannon_divergence, mean_of_entropies
from rfdiff.divergences.reverse_kl import reverse_kl_divergence
from rfdiff.divergences.total_variation import mean_of_absolute, total_variation
from rfdiff.divergences.wasserstein import wasserstein_distance
from rfdiff.model.score import ExactScore
from rfdiff.support.errors import AccuracyWarning

KINDS = [kind for kind in DIVERGENCES if kind != "fisher"]


def gaussian_transport(mean, std, start):
    """The law of the exact score of N(mean, std²) from N(start, prior_std²), its mean and std.

    It is linear: x − mean shrinks as the marginal's standard deviation does.
    """
    law = GaussianMixture([1.0], [mean], std)
    prior = GaussianMixture([1.0], [start], SDE.prior_std)
    shrink = np.hypot(std, float(SDE.std(T_EVAL))) / np.hypot(std, SDE.prior_std)
    learned = ProbabilityFlowDensity(ExactScore(law, SDE), SDE, T_EVAL, prior=prior)
    return learned, mean + (start - mean) * shrink, SDE.prior_std * shrink


@pytest.mark.parametrize("kind", KINDS)
def test_gaussians_are_closed_forms(kind):
    learned, mean, std = gaussian_transport(1.0, 0.7, 40.0)
    found = DIVERGENCES[kind](GaussianMixture([1.0], [0.5], 1.3), learned)
    truth = gaussian_divergences(0.5, 1.3, mean, std)[kind]
    assert abs(float(found) - truth) <= float(found.error)
    assert 0.0 < float(found.error) <= (2e-3 if kind.startswith("wasserstein") else 1e-3)


def test_a_mode_that_is_lost():
    """The probability flow reaches one mode of two: the other is beyond the outermost interval."""
    learned, mean, std = gaussian_transport(-15.0, 1.0, -15.0)
    law = GaussianMixture([0.5, 0.5], [mean, 15.0], std)
    tv, js = total_variation(law, learned), jensen_shannon_divergence(law, learned)
    w1, w2 = (wasserstein_distance(law, learned, order=order) for order in (1, 2))
    assert abs(float(tv) - 0.5) <= float(tv.error)
    expected = 0.25 * np.log(4.0 / 3.0) + 0.5 * np.log(4.0 / 3.0)
    assert abs(float(js) - expected) <= float(js.error)
    # F̂ ≥ F everywhere, so that W₁ is what the means differ by.
    assert abs(float(w1) - 15.0) <= float(w1.error)

    def square_gap(z):
        """Points of F̂ at −15 + std·z are coupled with the halves of the law by rank."""
        u = norm.cdf(z)
        own = mean + std * norm.ppf(2.0 * u) if u < 0.5 else 15.0 + std * norm.ppf(2.0 * u - 1.0)
        return norm.pdf(z) * (own - mean - std * z) ** 2

    square = sum(quad(square_gap, *ends, epsabs=1e-10)[0] for ends in ((-8.0, 0.0), (0.0, 8.0)))
    assert abs(float(w2) - np.sqrt(square)) <= float(w2.error)


def test_laws_with_compact_support():
    """The probability flow has mass where the law has none."""
    law, run = raised_cosine(), rfdiff.train_exact(1e3, target=raised_cosine(), n=60, m=32)
    learned = ProbabilityFlowDensity(run.learned_score(), run.sde, T_EVAL)
    assert float(reverse_kl_divergence(law, learned)) == np.inf
    found = total_variation(law, learned)
    x, dx = np.linspace(-3.0, 3.0, 40001, retstep=True)
    inside = np.maximum(law.density(x) - learned.density(x), 0.0).sum() * dx
    assert abs(float(found) - inside) <= float(found.error) + 1e-5
    narrow = wasserstein_distance(law, learned)
    gap = np.abs(np.cumsum(law.density(x)) * dx - learned.cdf(x)).sum() * dx
    low, high = learned.hull
    below = learned.cdf(np.linspace(low, -3.0, 20001)).mean() * (-3.0 - low)
    above = (1.0 - learned.cdf(np.linspace(3.0, high, 20001))).mean() * (high - 3.0)
    assert abs(float(narrow) - gap - below - above) <= float(narrow.error) + 1e-3


def test_a_bounded_domain_leaves_mass_outside():
    law, run = bimodal(3.0), rfdiff.train_exact(1e3, n=60, m=32)
    learned = ProbabilityFlowDensity(run.learned_score(), run.sde, T_EVAL, domain=(-6.0, 6.0))
    outside = 1.0 - float(learned.mass)
    x, dx = np.linspace(-6.0, 6.0, 40001, retstep=True)
    mass = float(np.diff(law.cdf(np.array([-6.0, 6.0])))[0])
    inside = np.abs(law.density(x) / mass - learned.density(x)).sum() * dx
    found = total_variation(law, learned)
    assert outside > 1e-2
    assert abs(float(found) - 0.5 * (inside + outside)) <= float(found.error) + 1e-4
    assert float(reverse_kl_divergence(law, learned)) == np.inf


def test_training_times_are_batched():
    law, run = bimodal(3.0), rfdiff.train_exact([[1e2, 1e4], [1e6, 1e8]], n=40, m=32)
    for kind in KINDS:
        together = DIVERGENCES[kind](law, ProbabilityFlowDensity(run.learned_score(), SDE, T_EVAL))
        assert together.shape == (2, 2)
        alone = DIVERGENCES[kind](law, ProbabilityFlowDensity(run.learned_score(1e6), SDE, T_EVAL))
        gap = abs(float(alone) - together.value[1, 0])
        assert gap <= float(alone.error) + together.error[1, 0], kind


def test_late_densities_are_known_to_the_tolerance():
    """Spikes at training points: panels in x knew the Jensen–Shannon divergence to 10⁻² only."""
    run = rfdiff.train_exact(1e8, n=100, m=128)
    score, law = run.learned_score(), run.target
    for kind in ("reverse-kl", "jensen-shannon", "total-variation"):
        rough, fine = (
            DIVERGENCES[kind](law, ProbabilityFlowDensity(score, SDE, T_EVAL, tolerance=tolerance))
            for tolerance in (1e-3, 1e-4)
        )
        assert float(rough.error) <= 1e-3 and float(fine.error) <= 1e-4
        assert abs(float(rough) - float(fine)) <= float(rough.error)


def test_a_missed_tolerance_warns():
    run = rfdiff.train_exact(1e8, n=40, m=32)
    learned = ProbabilityFlowDensity(run.learned_score(), SDE, T_EVAL, n_steps=16)
    with pytest.warns(AccuracyWarning, match="total variation of the probability flow: estimated"):
        coarse = total_variation(run.target, learned)
    exact = total_variation(run.target, ProbabilityFlowDensity(run.learned_score(), SDE, T_EVAL))
    assert float(coarse.error) > 1e-3
    assert abs(float(coarse) - float(exact)) <= float(coarse.error)


@pytest.mark.parametrize("seed", range(20))
def test_means_over_intervals(seed):
    """Against adaptive quadrature of |b| and of the entropy along random parabolas."""
    rng = np.random.default_rng(seed)
    start, end = rng.uniform(-1.0, 1.0, 2)
    mean = 0.5 * (start + end) + rng.uniform(-0.1, 0.1)
    square = 3.0 * (start + end) - 6.0 * mean

    def b(s):
        return start + s * (6.0 * mean - 4.0 * start - 2.0 * end + s * square)

    roots = np.roots([square, 6.0 * mean - 4.0 * start - 2.0 * end, start])
    cuts = [float(root.real) for root in roots if abs(root.imag) < 1e-12 and 0 < root.real < 1]
    expected, _ = quad(lambda s: abs(b(s)), 0.0, 1.0, points=cuts or None, epsabs=1e-13)
    arrays = [np.array([value]) for value in (start, end, mean)]
    assert abs(mean_of_absolute(*arrays)[0] - expected) < 1e-12
    middle = [np.array([0.5 * value]) for value in (start, end, mean)]

    def entropy(s):
        a = 0.5 + 0.25 * b(s)
        return np.log(2.0) + a * np.log(a) + (1.0 - a) * np.log(1.0 - a)

    expected, _ = quad(entropy, 0.0, 1.0, epsabs=1e-13)
    assert abs(mean_of_entropies(*middle)[0] - expected) < 1e-5
