"""Contacts of characteristics with kinks, and the Fisher divergence of the probability flow.

With e(t) = [1, t], a feature x + b₀ + b₁ t and one that is the constant 1, θ = √2 (γ, k): the score
is k left of the kink κ = −b₀ − b₁ t, and its slope is γ to the right. So g = b₁ − ½g²k, which
changes sign where ½g² = b₁/k, and the path that touches the kink there has s = k all the way.
"""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq

import rfdiff
from rfdiff.densities.probability_flow.density import ProbabilityFlowDensity
from rfdiff.densities.probability_flow.kink_contacts import kink_contacts
from rfdiff.diffusion.mixtures import GaussianMixture, bimodal
from rfdiff.diffusion.sde import SDES, VESDE
from rfdiff.divergences.divergences import fisher_divergence
from rfdiff.divergences.flow_fisher import FlowSlope
from rfdiff.model.embeddings import (
    AffineEmbedding,
    FourierEmbedding,
    LogSigmaEmbedding,
    embedding_derivative,
)
from rfdiff.model.features import RandomFeatures, draw_features
from rfdiff.model.score import RandomFeatureScore
from rfdiff.support.errors import ArgumentError

SDE = VESDE()
T_E = 0.065
LOG = np.log(SDE.sigma)
LAW = bimodal(3.0)


def variance(t):
    return float(SDE.std(t)) ** 2


def half_gain(t):
    """½g²."""
    return 0.5 * np.exp(2.0 * LOG * t)


def one_kink(b0, b1, gamma, k, embedding=None):
    """The score of the head of this file."""
    features = RandomFeatures([1.0, 0.0], [[b0, b1], [1.0, 0.0]], embedding or AffineEmbedding())
    return RandomFeatureScore(features, np.sqrt(2.0) * np.array([[gamma, k]]))


# Touched at t* = ½, where ½g² = 12.5.
K, TOUCHED = 0.1, 0.5
B1 = 12.5 * K
B0, GAMMA = -B1, 0.02
PLACE = -B0 - B1 * TOUCHED
START = PLACE + 0.5 * K * (variance(TOUCHED) - variance(T_E))


def test_a_contact_in_closed_form():
    contacts = kink_contacts(one_kink(B0, B1, GAMMA, K), SDE, T_E)
    np.testing.assert_array_equal(contacts.rows, [0])
    np.testing.assert_array_equal(contacts.features, [0])
    np.testing.assert_allclose(contacts.times, [TOUCHED], rtol=1e-13)
    np.testing.assert_allclose(contacts.places, [PLACE], rtol=1e-13)
    for side, expected in ((-1e-5, False), (1e-5, True)):
        assert contacts.inside((-2.0, START + side))[0] == expected
        assert contacts.inside((START + side, 2.0))[0] != expected


def test_the_slope_grows_as_the_root_of_the_distance():
    """T(δ) = 2√(2δ/|g'|) beyond the kink, so |∂ₓ log p̂| → ½g² γ √(2/(|g'| δ)): one side only."""
    learned = ProbabilityFlowDensity(one_kink(B0, B1, GAMMA, K), SDE, T_E)
    rate = half_gain(TOUCHED) * GAMMA * np.sqrt(2.0 / (2.0 * LOG * B1))
    distance = np.logspace(-2, -5, 7)
    slope = FlowSlope(learned)(0, START + distance, 8192)
    near = np.abs(slope) * np.sqrt(distance) / rate
    np.testing.assert_allclose(near[-3:], 1.0, atol=0.02)
    other = START - distance
    end = other - 0.5 * K * (variance(1.0) - variance(T_E))
    np.testing.assert_allclose(FlowSlope(learned)(0, other, 8192), -end / variance(1.0), rtol=1e-6)


def test_a_contact_makes_the_divergence_infinite_where_the_domain_holds_it():
    score = one_kink(B0, B1, GAMMA, K)
    line = fisher_divergence(LAW, ProbabilityFlowDensity(score, SDE, T_E))
    assert float(line) == np.inf and float(line.error) == 0.0
    near = GaussianMixture([1.0], [0.0], [0.05])
    assert 0.3 < START < 1.0
    for domain, infinite in (((-0.3, START - 1e-3), False), ((-0.3, START + 1e-3), True)):
        learned = ProbabilityFlowDensity(score, SDE, T_E, domain=domain)
        found = fisher_divergence(near, learned)
        assert np.isinf(float(found)) == infinite
        assert float(found.error) <= 1e-3 * float(found) or infinite


def crossed_slope(x, b0, b1, gamma, k):
    """∂ₓ log p̂ of a flow that meets its kink only from the left, and the time it does so."""

    def gap(t):
        return x - 0.5 * k * (variance(t) - variance(T_E)) + b0 + b1 * t

    right = gap(T_E) > 0.0
    met = T_E if right else brentq(gap, T_E, 1.0, xtol=1e-14) if gap(1.0) > 0.0 else 1.0
    start = x - 0.5 * k * (variance(met) - variance(T_E))
    end = solve_ivp(
        lambda t, y: -half_gain(t) * (gamma * (y + b0 + b1 * t) + k), (met, 1.0), [start],
        rtol=1e-11, atol=1e-12, method="DOP853",
    ).y[0, -1] if met < 1.0 else start  # fmt: skip
    growth = np.exp(-0.5 * gamma * (variance(1.0) - variance(met)))
    turn = 0.0 if right or met == 1.0 else half_gain(met) * gamma / (b1 - half_gain(met) * k)
    return -end / variance(1.0) * growth - turn


@pytest.mark.parametrize(("gamma", "k"), [(-0.01, -0.05), (0.02, -0.2)])
def test_a_kink_that_is_only_crossed(gamma, k):
    """The flow gains on the kink all the time: finite, against a quadrature of its own."""
    score = one_kink(B0, B1, gamma, k)
    assert len(kink_contacts(score, SDE, T_E).rows) == 0
    found = fisher_divergence(LAW, ProbabilityFlowDensity(score, SDE, T_E))
    at_start = -B0 - B1 * T_E
    at_end = -B0 - B1 + 0.5 * k * (variance(1.0) - variance(T_E))
    cuts = np.unique(np.clip([-11.0, at_end, at_start, 11.0, *np.arange(-8.0, 9.0)], -11.0, 11.0))

    def integrand(x):
        return float(LAW.density(x)) * (
            float(LAW.score(x)) - crossed_slope(x, B0, B1, gamma, k)
        ) ** 2  # fmt: skip

    nodes, weights = np.polynomial.legendre.leggauss(12)
    expected = sum(
        0.5 * (b - a) * sum(
            w * integrand(0.5 * (a + b) + 0.5 * (b - a) * u)
            for u, w in zip(nodes, weights, strict=True)
        )
        for a, b in pairwise(cuts)
    )  # fmt: skip
    assert abs(float(found) - expected) <= float(found.error) + 1e-8
    assert float(found.error) < 1e-4


def test_the_slope_is_that_of_the_log_density():
    run = rfdiff.train_exact(1e3, n=50, m=24)
    learned = run.learned_density(method="probability-flow", domain=np.inf)
    x = np.random.default_rng(0).uniform(-5.0, 5.0, 40)
    learned = ProbabilityFlowDensity(learned.score, SDE, T_E, n_steps=4096)
    h = 1e-4
    difference = (learned.log_density(x + h) - learned.log_density(x - h)) / (2.0 * h)
    slope = FlowSlope(learned)(0, x, 4096)
    # Some differences straddle a jump.
    assert np.quantile(np.abs(slope - difference), 0.9) < 1e-4
    assert np.median(np.abs(slope)) > 0.1


def test_a_trained_flow_and_one_at_the_start():
    """At τ = 0 p̂ = π = N(0, s²) and F = E(∂ log p)² − 2/s² + E x²/s⁴."""
    run = rfdiff.train_exact([0.0, 6e3], n=100, m=256)
    found = run.divergence("fisher", method="probability-flow")
    s = variance(1.0)
    information, _ = quad(lambda x: LAW.density(x) * LAW.score(x) ** 2, -12, 12, limit=200)
    expected = information - 2.0 / s + 10.0 / s**2
    assert abs(found.value[0] - expected) <= found.error[0] + 1e-9 and found.error[0] < 1e-9
    assert found.value[1] == np.inf and found.error[1] == 0.0
    contacts = kink_contacts(run.learned_score(), SDE, T_E)
    assert set(contacts.rows) == {1} and (np.diff(contacts.rows) >= 0).all()
    g = contacts.kinks.speed_at(contacts.rows, contacts.kink, contacts.times)
    around, _ = contacts.kinks.speeds(slice(1, 2))
    assert np.abs(g).max() < 1e-9 * np.abs(around).max()


@pytest.mark.parametrize("name", SDES)
def test_the_table_gives_the_speeds_of_the_sum(name):
    sde = SDES[name]()
    run = rfdiff.train_exact([1e2, 1e5], n=50, m=20, sde=sde)
    moving = kink_contacts(run.learned_score(), sde, T_E).kinks
    assert len(moving.features) == 20
    table, unknown = moving.speeds(slice(0, 2))
    row, time, kink = (index.ravel() for index in np.indices(table.shape))
    summed = moving.speed_at(row, kink, moving.times[time]).reshape(table.shape)
    assert (np.abs(table - summed) <= unknown).all()
    assert unknown.max() < 1e-9 * np.abs(table).max()


def test_kinks_that_move_together_are_one():
    """s = −x/s² from two features has no kink; unequal halves run along theirs, and p̂ jumps."""
    features = RandomFeatures([1.0, -1.0], [[0.0, 0.0], [0.0, 0.0]], LogSigmaEmbedding(SDE))
    theta = np.sqrt(2.0) / SDE.prior_std**2 * np.array([[-1.0, 1.0]])
    straight = ProbabilityFlowDensity(RandomFeatureScore(features, theta), SDE, T_E)
    law = GaussianMixture([1.0], [0.0], [5.0])
    found = fisher_divergence(law, straight)
    growth = np.exp(0.5 * (1.0 - variance(T_E) / SDE.prior_std**2))
    expected = (1.0 / 25.0 - (growth / SDE.prior_std) ** 2) ** 2 * 25.0
    assert abs(float(found) - expected) <= float(found.error) + 1e-12
    bent = RandomFeatureScore(features, theta * [1.0, 1.1])
    assert float(fisher_divergence(law, ProbabilityFlowDensity(bent, SDE, T_E))) == np.inf


def test_a_dip_between_two_nodes_is_seen():
    """g = 3(t − ½)² − 1e-6 for a path of a cubic kink: two contacts within a step of the grid."""

    class Cubic:
        size = 3

        def __call__(self, t):
            t = np.asarray(t, dtype=np.float64)
            return np.stack([np.ones_like(t), t, (t - 0.5) ** 3], axis=-1)

    for dip, number in ((1e-6, 2), (-1e-6, 0)):
        features = RandomFeatures([1.0], [[0.5, -dip, 1.0]], Cubic())
        contacts = kink_contacts(RandomFeatureScore(features, [[0.3]]), SDE, T_E)
        assert len(contacts.rows) == number
        if number:
            found = np.sort(contacts.times)
            np.testing.assert_allclose(
                found, 0.5 + np.sqrt(dip / 3.0) * np.array([-1, 1]), atol=1e-8
            )


def test_rows_may_come_in_any_number_and_shape():
    """Ninety training times at once are ninety alone."""
    run = rfdiff.train_exact(np.logspace(-5, 4, 90).reshape(9, 10), n=100, m=8)
    score = run.learned_score()
    together = kink_contacts(score, SDE, T_E)
    found = fisher_divergence(LAW, ProbabilityFlowDensity(score, SDE, T_E))
    assert found.shape == (9, 10) and 0 < np.isinf(found.value).sum() < 90
    np.testing.assert_array_equal(
        np.isinf(found.value).ravel(), np.isin(np.arange(90), together.rows)
    )
    for row in (0, 44, 89):
        alone = RandomFeatureScore(score.features, score.flat_theta[row][None])
        times = kink_contacts(alone, SDE, T_E).times
        np.testing.assert_allclose(np.sort(times), np.sort(together.times[together.rows == row]))


@pytest.mark.parametrize("embedding", [
    LogSigmaEmbedding(VESDE()), LogSigmaEmbedding(SDES["subvp"]()), AffineEmbedding(),
    FourierEmbedding([0.5, 2.0]),
])  # fmt: skip
def test_derivatives_of_embeddings(embedding):
    t = np.array([[0.01, 0.3], [0.7, 0.95]])
    plain = embedding_derivative(lambda t: embedding(t), t)
    np.testing.assert_allclose(embedding_derivative(embedding, t), plain, rtol=1e-9, atol=1e-9)


def second_derivative(name, z):
    if name == "tanh":
        return -2.0 * np.tanh(z) * (1.0 - np.tanh(z) ** 2)
    return -4.0 / np.sqrt(np.pi) * z * np.exp(-z * z)


@pytest.mark.parametrize(("name", "tau"), [("tanh", 1e2), ("erf", 1e4)])
def test_smooth_scores_stay_finite_and_within_their_error(name, tau):
    """∂ₓ log p̂ by the equation of its own along each path: (∂ₓℓ)' = ∂ₓ²v ∂ₓx."""
    features = draw_features("l1", 16, LogSigmaEmbedding(SDE), seed=3, activation=name)
    run = rfdiff.train_exact(tau, n=60, m=16, features=features)
    found = run.divergence("fisher", method="probability-flow")
    score, w = run.learned_score(), features.W[:, 0]
    nodes, weights = np.polynomial.legendre.leggauss(12)
    # Half as wide panels change the reference by 1e-13 of itself.
    middle, half = np.arange(-9.975, 10.0, 0.05), 0.025
    x = (middle[:, None] + half * nodes).ravel()

    def rates(t, y):
        at, growth, _ = y.reshape(3, -1)
        z = at[:, None] * w + features.biases(t)
        bend = second_derivative(name, z) @ (score.theta[0] * w * w) / np.sqrt(16)
        parts = (score(at, t), score.divergence(at, t) * growth, bend * growth)
        return -half_gain(t) * np.concatenate(parts)

    start = np.concatenate([x, np.ones_like(x), np.zeros_like(x)])
    solved = solve_ivp(rates, (T_E, 1.0), start, method="DOP853", rtol=1e-9, atol=1e-9)
    end, growth, bend = solved.y[:, -1].reshape(3, -1)
    own = bend - end / variance(1.0) * growth
    expected = (np.tile(half * weights, len(middle)) * LAW.density(x)) @ (LAW.score(x) - own) ** 2
    assert abs(float(found) - expected) <= float(found.error) < 1e-2 * expected


def test_a_slope_needs_kinks():
    features = draw_features("l1", 8, LogSigmaEmbedding(SDE), seed=0, activation="tanh")
    smooth = ProbabilityFlowDensity(RandomFeatureScore(features, np.zeros((1, 8))), SDE, T_E)
    with pytest.raises(ArgumentError, match="must be one of ReLU features"):
        FlowSlope(smooth)(0, np.zeros(2), 16)
