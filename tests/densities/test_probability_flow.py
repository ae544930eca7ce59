"""The probability-flow density against closed forms, brute force and far finer solves."""

import warnings

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.stats import norm

import rfdiff
from reference.finer_densities import KINDS, Truth, random_case
from reference.paper import LAW, SDE, T_EVAL, marginal
from rfdiff.densities.probability_flow.characteristics import (
    ReluCharacteristics,
    SmoothCharacteristics,
)
from rfdiff.densities.probability_flow.density import ProbabilityFlowDensity
from rfdiff.densities.probability_flow.interval_quadrature import (
    integrate_intervals,
    log_slope_mean,
    remaining_at_kinks,
)
from rfdiff.densities.probability_flow.intervals import Intervals
from rfdiff.diffusion.law_on_domain import Reference
from rfdiff.diffusion.mixtures import GaussianMixture, bimodal
from rfdiff.diffusion.sde import SDES
from rfdiff.diffusion.time_grids import time_grid
from rfdiff.divergences.by_name import DIVERGENCES
from rfdiff.model.embeddings import FourierEmbedding, LogSigmaEmbedding
from rfdiff.model.features import RandomFeatures, draw_features
from rfdiff.model.score import ExactScore, RandomFeatureScore
from rfdiff.numerics.adaptive_panels import adaptive_panels
from rfdiff.numerics.special import phi1
from rfdiff.support.errors import AccuracyWarning, ArgumentError, MemoryLimitError

ONE_ROW = np.zeros(1, dtype=np.intp)


def kl(law, learned):
    entropy, mean = Reference(law, learned.domain).entropy, learned.mean_log_density(law)
    return -entropy.value - mean.value, entropy.error + mean.error


def rising(n):
    return time_grid("log", SDE, T_EVAL, n)[::-1]


def transported(flow, x, times):
    return flow.transport(np.repeat(ONE_ROW, len(x)), x, times)


@pytest.fixture(scope="module")
def run():
    return rfdiff.train_exact(n=100, m=64, tau=[1e2, 1e4, 1e6])


class TestExactScore:
    @pytest.mark.parametrize(
        ("name", "t"),
        [("ve", 0.01), ("ve", T_EVAL), ("vp", T_EVAL), ("subvp", T_EVAL), ("vp", 0.3)],
    )
    def test_gives_the_marginal(self, name, t):
        sde = SDES[name]()
        learned = ProbabilityFlowDensity(
            ExactScore(LAW, sde), sde, t, prior=marginal(LAW, sde, sde.T)
        )
        value, error = kl(marginal(LAW, sde, t), learned)
        assert abs(value) < 1e-6
        assert abs(value) <= error
        assert abs(learned.mass.value - 1.0) <= learned.mass.error < 1e-3
        x, exact = np.linspace(-6.0, 6.0, 41), marginal(LAW, sde, t)
        np.testing.assert_allclose(learned.log_density(x), exact.log_density(x), atol=1e-5)
        np.testing.assert_allclose(learned.cdf(x), exact.cdf(x), atol=1e-6)

    def test_gives_the_marginal_in_two_dimensions(self):
        law = GaussianMixture([0.4, 0.6], [[1.0, -1.0], [-2.0, 0.5]], [0.5, 0.7])
        learned = ProbabilityFlowDensity(
            ExactScore(law, SDE), SDE, T_EVAL, prior=marginal(law, SDE, SDE.T)
        )
        x = np.random.default_rng(1).normal(size=(10, 5, 2))
        exact = marginal(law, SDE, T_EVAL).log_density(x)
        np.testing.assert_allclose(learned.log_density(x), exact, atol=1e-6)
        assert learned.log_density_error(x).shape == (10, 5)
        with pytest.raises(ArgumentError, match="cdf needs one dimension"):
            learned.cdf(x)

    def test_of_another_law_is_told_apart(self):
        learned = ProbabilityFlowDensity(
            ExactScore(bimodal(3.2), SDE), SDE, T_EVAL, prior=marginal(LAW, SDE, SDE.T)
        )
        value, error = kl(marginal(LAW, SDE, T_EVAL), learned)
        assert value > 1e-2 > error

    def test_a_gaussian_has_a_closed_form(self):
        """s = −x/σ_T²: dx/dt = ½g² x/σ_T², so X = x exp(½(σ_T² − σ_t²)/σ_T²)."""
        features = RandomFeatures([1.0, -1.0], [[0, 0], [0, 0]], LogSigmaEmbedding(SDE))
        variance = SDE.prior_std**2
        theta = np.sqrt(2.0) / variance * np.array([[-1.0, 1.0]])
        learned = ProbabilityFlowDensity(RandomFeatureScore(features, theta), SDE, T_EVAL)
        growth = np.exp(0.5 * (1.0 - float(SDE.std(T_EVAL)) ** 2 / variance))
        x = np.linspace(-20, 20, 9)
        np.testing.assert_allclose(
            learned.log_density(x), norm.logpdf(x, scale=SDE.prior_std / growth), atol=1e-9
        )

    def test_the_domain_normalises_the_reference_and_not_the_density(self):
        """p on (a, b) against itself on the line: KL = −log P(a, b)."""
        exact = marginal(LAW, SDE, T_EVAL)
        learned = ProbabilityFlowDensity(
            ExactScore(LAW, SDE), SDE, T_EVAL, prior=marginal(LAW, SDE, SDE.T), domain=(-5.5, 6.0)
        )
        inside = float(np.diff(exact.cdf(learned.domain))[0])
        value, error = kl(exact, learned)
        assert 0.98 < inside < 0.995
        assert abs(value + np.log(inside)) <= error < 1e-3
        assert abs(value + np.log(inside)) < 1e-6
        assert abs(learned.mass.value - inside) <= learned.mass.error < 1e-3
        assert learned.log_density(7.0) == pytest.approx(exact.log_density(7.0), abs=1e-5)


class TestOrder:
    """The declared orders, measured."""

    def test_smooth_scores(self):
        prior, exact = marginal(LAW, SDE, SDE.T), marginal(LAW, SDE, T_EVAL)
        x = np.linspace(-4.0, 4.0, 41)
        error = []
        for n in (64, 128, 256):
            learned = ProbabilityFlowDensity(
                ExactScore(LAW, SDE), SDE, T_EVAL, prior=prior, n_steps=n
            )
            error.append(np.abs(learned.log_density(x) - exact.log_density(x)).mean())
        assert learned.order == 4
        assert np.log2(error[0] / error[2]) / 2 == pytest.approx(4.0, abs=0.1)

    def test_relu_scores_on_the_line(self, run):
        score, x = run.learned_score(1e2), np.linspace(-4.0, 4.0, 201)

        def solve(n):
            return ProbabilityFlowDensity(score, run.sde, T_EVAL, n_steps=n)

        finest = solve(8192).log_density(x)
        error = [np.abs(solve(n).log_density(x) - finest).mean() for n in (128, 1024)]
        assert solve(128).order == 3
        assert np.log2(error[0] / error[1]) / 3 == pytest.approx(3.0, abs=0.1)

    def test_relu_scores_in_the_plane(self):
        """Kinks are lines that Runge–Kutta steps over: first order, on average over points."""
        features = draw_features("l1", 12, LogSigmaEmbedding(SDE), seed=3, dimension=2)
        theta = 0.3 * np.random.default_rng(4).standard_normal((2, 12))
        score = RandomFeatureScore(features, theta)
        x = np.random.default_rng(5).normal(0.0, 2.0, (2000, 2))

        def solve(n):
            return ProbabilityFlowDensity(score, SDE, T_EVAL, n_steps=n)

        finest = solve(2048).log_density(x)
        error = [np.abs(solve(n).log_density(x) - finest).mean() for n in (32, 256)]
        assert solve(32).order == 1
        assert np.log2(error[0] / error[1]) / 3 == pytest.approx(1.0, abs=0.1)


def brute_force_flow(score, x, n_steps):
    """Carry x from t to T by an adaptive solver that knows nothing of kinks, in short steps."""
    w, theta = score.features.W[:, 0], score.theta[0] / np.sqrt(score.features.width)

    def velocity(t, state):
        half = 0.5 * float(SDE.diffusion_squared(t))
        pre = np.outer(state[: len(x)], w) + score.features.biases(t)
        return -half * np.concatenate([np.maximum(pre, 0.0) @ theta, (pre > 0) @ (theta * w)])

    start = np.concatenate([x, np.zeros(len(x))])
    solved = solve_ivp(
        velocity, (T_EVAL, 1.0), start, rtol=1e-7, atol=1e-9, max_step=(1.0 - T_EVAL) / n_steps
    )
    return solved.y[: len(x), -1], solved.y[len(x) :, -1]


class TestCharacteristics:
    @pytest.mark.parametrize("embedding", ["log-sigma", "fourier"])
    def test_kinked_characteristics_against_adaptive_integration(self, embedding):
        fourier = FourierEmbedding(np.array([0.3, 1.1]))
        embedding = fourier if embedding == "fourier" else embedding
        run = rfdiff.train_exact(1e4, n=50, m=20, embedding=embedding)
        x = np.array([-4.1, -1.3, 0.2, 0.7, 3.3, 8.0])
        end, log_jacobian = brute_force_flow(run.learned_score(), x, 500)
        got = transported(ReluCharacteristics(run.learned_score(), SDE), x, rising(1024))
        np.testing.assert_allclose(got.x, end, atol=2e-4)
        np.testing.assert_allclose(got.log_jacobian, log_jacobian, atol=2e-3)

    def test_constant_far_and_repeated_kinks_flow_as_the_sum_says(self):
        features = RandomFeatures(
            [0.0, 0.0, 1e-120, 1.0, -1.0, 0.5, 0.5, -1e-9],
            [[1.0, 0.3], [-0.2, 1.0], [0.5, 1.0], [0, 0], [0, 0], [0.1, 0.2], [0.1, 0.2], [0.3, 1]],
            LogSigmaEmbedding(SDE),
        )  # fmt: skip
        theta = np.array([[0.02, -0.03, 0.01, -0.2, 0.2, 0.05, -0.02, 0.03]])
        score, x = RandomFeatureScore(features, theta), np.linspace(-4, 4, 9)
        end, log_jacobian = brute_force_flow(score, x, 2000)
        got = transported(ReluCharacteristics(score, SDE), x, rising(512))
        np.testing.assert_allclose(got.x, end, atol=1e-5)
        np.testing.assert_allclose(got.log_jacobian, log_jacobian, atol=1e-4)

    def test_an_integrator_that_ignores_kinks_is_far_worse(self, run):
        score, x = run.learned_score(1e4), np.linspace(-5.0, 5.0, 41)
        fine = transported(ReluCharacteristics(score, SDE), x, rising(2048))
        aware, blind = (
            transported(kind(score, SDE), x, rising(128))
            for kind in (ReluCharacteristics, SmoothCharacteristics)
        )

        def error(got):
            return np.abs(got.log_jacobian - fine.log_jacobian).mean()

        assert error(aware) < 0.02 * error(blind)

    def test_transport_and_its_reverse_undo_each_other(self, run):
        flow, x = ReluCharacteristics(run.learned_score(1e4), SDE), np.linspace(-6.0, 6.0, 50)
        there = transported(flow, x, rising(1024))
        back = transported(flow, there.x, rising(1024)[::-1])
        np.testing.assert_allclose(back.x, x, atol=1e-6)
        np.testing.assert_allclose(back.log_jacobian, -there.log_jacobian, atol=1e-4)

    def test_places_and_log_slopes_agree_in_few_steps(self):
        """A flow that contracts by e¹⁵ in places: Δz against ∫ e^ℓ on cells, 128 steps."""
        case = random_case(60)
        x = np.linspace(*case.domain, 20_001)
        times = time_grid("log", case.sde, case.t, 128)[::-1]
        got = transported(ReluCharacteristics(case.score, case.sde), x, times)
        slope = np.exp(got.log_jacobian)
        defect = np.diff(got.x) / (0.5 * (slope[1:] + slope[:-1]) * np.diff(x)) - 1.0
        p = case.law.density(x[1:]) / case.law.density(x[1:]).sum()
        assert got.log_jacobian.min() < -14.0
        assert abs(defect @ p) < 1e-3

    def test_thread_count_does_not_matter(self, run, on_one_thread):
        flow, x = ReluCharacteristics(run.learned_score(1e6), SDE), np.linspace(-6, 6, 600)

        def solve():
            return transported(flow, x, rising(256)).log_jacobian

        assert np.array_equal(on_one_thread(solve), solve())


class TestQuadrature:
    def test_rough_maps_are_integrated_within_their_errors(self):
        """ℓ with 100 random kinks of random height: ∫ (ℓ − z²/2) dy, piece by piece."""
        n, kinks, rng = 60, 100, np.random.default_rng(1)
        ends = np.zeros((n, 1)), np.ones((n, 1))
        y_k = np.sort(np.concatenate([ends[0], rng.random((n, kinks)), ends[1]], axis=1), axis=1)
        l_k = rng.standard_normal((n, kinks + 2))
        h, rise = np.diff(y_k), np.diff(l_k)
        pieces = h * np.exp(l_k[:, :-1]) * phi1(rise)
        z_k = np.concatenate([ends[0], np.cumsum(pieces, axis=1)], axis=1)

        def trace(which, y):
            k = (y_k[which] <= y[:, None]).sum(1).clip(1, kinks + 1) - 1
            u = y - y_k[which, k]
            change = rise[which, k] * u / h[which, k]
            z = z_k[which, k] + u * np.exp(l_k[which, k]) * phi1(change)
            log_slope = l_k[which, k] + change
            return z, log_slope, -0.5 * z**2, -z * np.exp(log_slope)

        def integrand(i):
            return lambda y: np.stack([sum(trace(np.full(len(y), i), y)[1:3])])

        exact = [adaptive_panels(integrand(i), y_k[i], 1e-9)[1].value[0] for i in range(n)]
        edges = np.linspace(0.0, 1.0, 161)
        every = np.repeat(np.arange(n), len(edges))
        at = np.stack(trace(every, np.tile(edges, n))).reshape(4, n, len(edges))
        intervals, mean = Intervals.between(edges, at), log_slope_mean(np.ones_like)
        got, accepted = integrate_intervals(trace, mean, intervals, n, 1e-3, remaining_at_kinks)
        gaps = accepted.left[1:] - accepted.right[:-1]
        assert (gaps[np.diff(accepted.k) == 0] == 0.0).all()
        assert (accepted.left.min(), accepted.right.max(), accepted.k.max()) == (0.0, 1.0, n - 1)
        np.testing.assert_array_equal(mean(accepted.traced(trace)).value, accepted.value)
        assert got.error.max() <= 1e-3
        assert (np.abs(got.value - exact) <= got.error).mean() >= 0.95
        assert (np.abs(got.value - exact) <= 1e-3 * got.error).mean() < 0.5

    def test_mean_is_brute_force(self, run):
        learned = ProbabilityFlowDensity(run.learned_score([1e2, 1e4]), run.sde, T_EVAL)
        x, dx = np.linspace(-9.0, 9.0, 60001, retstep=True)
        log_p = learned.log_density(x)
        brute = (LAW.density(x) * (LAW.log_density(x) - log_p)).sum(-1) * dx
        value, error = kl(LAW, learned)
        assert (np.abs(value - brute) <= error + 1e-5).all()
        assert error.max() < 1e-3

    def test_mean_over_point_masses_is_a_mean_over_points(self, run):
        learned = ProbabilityFlowDensity(run.learned_score([1e2, 1e4]), run.sde, T_EVAL)
        points = np.array([-3.1, 0.2, 4.0])
        mean = learned.mean_log_density(GaussianMixture.from_points(points))
        np.testing.assert_allclose(mean.value, learned.log_density(points).mean(-1), rtol=1e-14)
        nll = rfdiff.train_exact(1e4, n=50, m=32).nll(on="train", method="probability-flow")
        assert np.isfinite(nll.value) and nll.error < 1e-2

    def test_mass_is_one_within_its_error(self, run):
        mass = ProbabilityFlowDensity(run.learned_score([1e2, 1e4]), run.sde, T_EVAL).mass
        assert (np.abs(mass.value - 1.0) <= mass.error).all()
        assert mass.error.max() < 1e-3

    def test_mass_in_peaks_that_floats_do_not_resolve_is_what_is_transported(self, run):
        """At τ = 10⁶ the flow of 64 features contracts by e³⁴ in places."""
        mass = ProbabilityFlowDensity(run.learned_score(1e6), run.sde, T_EVAL).mass
        assert abs(mass.value - 1.0) <= mass.error < 1e-3

    def test_mass_sees_a_wrong_divergence(self):
        class Doubled(ExactScore):
            def divergence(self, x, t):
                return 2.0 * super().divergence(x, t)

        learned = ProbabilityFlowDensity(Doubled(LAW, SDE), SDE, T_EVAL, n_steps=32, tolerance=0.1)
        with pytest.warns(AccuracyWarning, match="mass"):
            assert learned.mass.error > 0.1

    def test_the_law_is_the_derivative_of_the_flow(self, run):
        learned = ProbabilityFlowDensity(run.learned_score(1e2), run.sde, T_EVAL)
        x, h = np.linspace(-5.0, 5.0, 23), 1e-4
        slope = (learned.cdf(x + h) - learned.cdf(x - h)) / (2 * h)
        np.testing.assert_allclose(learned.density(x), slope, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(learned.cdf(np.array(learned.hull)), [0.0, 1.0], atol=1e-9)


class TestTrainingTimes:
    def test_batch_equals_loop(self, run):
        score, x = run.learned_score([[1e2, 1e4]]), np.linspace(-3.0, 3.0, 6).reshape(2, 3)
        together = ProbabilityFlowDensity(score, SDE, T_EVAL)
        assert together.log_density(x).shape == (1, 2, 2, 3)
        mean = together.mean_log_density(LAW)
        for i, tau in enumerate((1e2, 1e4)):
            alone = ProbabilityFlowDensity(run.learned_score(tau), SDE, T_EVAL)
            assert alone.log_density(0.5).shape == alone.mass.shape == ()
            gap = np.abs(alone.log_density(x) - together.log_density(x)[0, i])
            assert gap.max() < 1e-12
            assert float(alone.mean_log_density(LAW)) == pytest.approx(mean.value[0, i], abs=1e-12)

    def test_smooth_activations_flow_by_runge_kutta(self):
        features = draw_features("l1", 20, LogSigmaEmbedding(SDE), seed=0, activation="tanh")
        theta = 0.3 * np.random.default_rng(0).standard_normal((1, 20))
        learned = ProbabilityFlowDensity(RandomFeatureScore(features, theta), SDE, T_EVAL)
        assert learned.order == 4
        slope = (learned.cdf(0.5 + 1e-4) - learned.cdf(0.5 - 1e-4)) / 2e-4
        np.testing.assert_allclose(learned.density(0.5), slope, rtol=1e-4)
        assert abs(learned.mass.value - 1.0) <= learned.mass.error < 1e-3


@pytest.mark.parametrize("method", ["probability-flow", "reverse-sde"])
def test_errors_are_honest_in_random_cases(method):
    gaps, errors = [], []
    for seed in range(200, 204):
        case = random_case(seed, widest=40)
        truth = Truth(case, method)
        for kind in KINDS:
            found = DIVERGENCES[kind](case.law, case.density(method))
            value, error = float(found), float(found.error)
            gaps.append(abs(value - truth.divergence(kind, value, 0.1 * error)[0]))
            errors.append(error)
    gaps, errors = np.array(gaps), np.array(errors)
    assert (gaps <= errors).all()
    assert not (gaps <= 1e-3 * errors).all()


@pytest.mark.parametrize(("seed", "kind"), [(44, "kl"), (48, "wasserstein-1")])
def test_what_steps_miss_inside_the_initial_intervals_is_in_the_error(seed, kind):
    """ℓ of −23 in a twentieth of an interval; a line that 128 steps fold: unseen at first ends."""
    case = random_case(seed)
    found = DIVERGENCES[kind](case.law, case.density("probability-flow"))
    value, error = float(found), float(found.error)
    true, _ = Truth(case, "probability-flow").divergence(kind, value, 0.1 * error)
    assert abs(value - true) <= error < 3e-3


class TestBadInput:
    @pytest.mark.parametrize(
        ("choice", "match"),
        [
            ({"t": 0.0}, "t must lie strictly between"),
            ({"t": 1.0}, "t must lie strictly between"),
            ({"n_steps": 0}, "n_steps must be at least 2"),
            ({"n_steps": 3}, "n_steps must be even"),
            ({"tolerance": 0.0}, "tolerance must be positive"),
            ({"prior": GaussianMixture([1.0], [[0.0, 0.0]], 1.0)}, "prior must have dimension 1"),
            ({"domain": (200.0, 300.0)}, r"domain must hold .* at training time \(0,\)"),
            ({"domain": (1.0, 0.0)}, "domain must"),
        ],
    )
    def test_is_named(self, run, choice, match):
        with pytest.raises(ArgumentError, match=match):
            ProbabilityFlowDensity(
                **{"score": run.learned_score(), "sde": SDE, "t": T_EVAL, **choice}
            )

    def test_a_domain_in_the_plane(self):
        law = GaussianMixture([1.0], [[0.0, 0.0]], 1.0)
        with pytest.raises(ArgumentError, match="domain needs one dimension, got d = 2"):
            ProbabilityFlowDensity(ExactScore(law, SDE), SDE, T_EVAL, domain=(0.0, 1.0))

    def test_a_score_that_is_not_finite(self):
        class Broken:
            dimension, shape = 1, ()

            def __call__(self, x, t):
                return np.where(np.asarray(x) > 1.0, np.nan, 0.0)

            def divergence(self, x, t):
                return np.zeros(np.shape(x))

        with pytest.raises(ArgumentError, match="score must be finite"):
            ProbabilityFlowDensity(Broken(), SDE, T_EVAL).log_density(2.0)

    def test_a_missed_tolerance_warns_and_returns_its_estimate(self, run):
        learned = ProbabilityFlowDensity(run.learned_score(1e6), run.sde, T_EVAL, tolerance=1e-13)
        with pytest.warns(AccuracyWarning, match="probability flow.*raise n_steps or tolerance"):
            assert learned.error > 1e-13
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.isfinite(learned.log_density(0.0))
        coarse = ProbabilityFlowDensity(run.learned_score(1e6), run.sde, T_EVAL, n_steps=16)
        with pytest.warns(AccuracyWarning, match="E log p of the probability flow"):
            assert coarse.mean_log_density(LAW).error > 1e-3

    def test_memory_is_estimated_first(self, run, monkeypatch):
        monkeypatch.setattr("rfdiff.support.validation.available_memory", lambda: 1000)
        with pytest.raises(MemoryLimitError, match="kinks of the probability flow"):
            ProbabilityFlowDensity(run.learned_score(), SDE, T_EVAL).log_density(0.0)


class Counting:
    """An exact score that counts the points it is asked for."""

    dimension, shape = 1, ()

    def __init__(self):
        self.score, self.points = ExactScore(LAW, SDE), 0

    def __call__(self, x, t):
        self.points += np.size(x)
        return self.score(x, t)

    def divergence(self, x, t):
        self.points += np.size(x)
        return self.score.divergence(x, t)


def test_a_law_compared_on_several_domains_is_solved_once():
    score = Counting()
    learned = ProbabilityFlowDensity(score, SDE, T_EVAL)
    learned.on((-9.0, 9.0)).log_density(0.0)
    solving, score.points = score.points, 0
    learned.on((-8.0, 8.0)).log_density(0.0)
    learned.log_density(0.0)
    assert 0 < score.points < 0.1 * solving
