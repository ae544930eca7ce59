"""Samplers: the generator, the schemes' orders, laws of samples, and bits that never depend on how.

Statistical tests have fixed seeds; each Kolmogorov–Smirnov test is at a false-alarm rate of 1e-3
and has a wrong target beside it that must fail.
"""

import sys

import numpy as np
import pytest
from scipy import stats
from scipy.interpolate import CubicSpline

import rfdiff
from rfdiff._kernels import philox as kernels
from rfdiff._kernels import samplers
from rfdiff.densities.probability_flow.density import ProbabilityFlowDensity
from rfdiff.densities.reverse_sde.density import ReverseSDEDensity
from rfdiff.diffusion.mixtures import GaussianMixture, bimodal
from rfdiff.diffusion.sde import VESDE, VPSDE, LinearSDE, SubVPSDE
from rfdiff.diffusion.time_grids import GRIDS, time_grid
from rfdiff.model.activations import ACTIVATIONS
from rfdiff.model.embeddings import AffineEmbedding, LogSigmaEmbedding
from rfdiff.model.features import draw_features
from rfdiff.model.score import ExactScore, RandomFeatureScore
from rfdiff.sampling.sampler import sample
from rfdiff.sampling.schemes import SCHEMES
from rfdiff.support.errors import ArgumentError, MemoryLimitError

SDE = VESDE()
T_EVAL = 0.065
FALSE_ALARM = 1e-3
KEY = np.array([7, 11], dtype=np.uint64)
STOCHASTIC = [name for name, scheme in SCHEMES.items() if scheme.stochastic]


def marginal(law, sde, t):
    return law.diffuse(float(sde.scale(t)), float(sde.std(t)))


@pytest.fixture(scope="module")
def trained():
    return rfdiff.train_exact([1e3, 1e6], n=50, m=64)


@pytest.fixture(scope="module")
def planar():
    """A score in two dimensions, random but tame."""
    features = draw_features("gaussian", 30, AffineEmbedding(), seed=1, dimension=2)
    theta = 0.02 * np.random.default_rng(2).standard_normal((3, 2, 30))
    return RandomFeatureScore(features, theta)


class TestGenerator:
    @pytest.mark.parametrize(
        ("counter", "key", "expected"),
        [
            ((0,) * 4, (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
            ((2**32 - 1,) * 4, (2**32 - 1,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
            (
                (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
                (0xA4093822, 0x299F31D0),
                "d16cfe09 94fdcceb 5001e420 24126ea1",
            ),
        ],
    )
    def test_known_answers_of_random123(self, counter, key, expected):
        words = kernels.philox(*map(np.uint64, (*counter, *key)))
        assert " ".join(f"{int(word):08x}" for word in words) == expected

    def test_normals_are_normal(self):
        z = np.empty((2000, 500))
        kernels.normals(KEY, 0, 0, z)
        flat = z.ravel()
        assert stats.kstest(flat, "norm").pvalue > FALSE_ALARM
        assert stats.kstest(1.02 * flat, "norm").pvalue < FALSE_ALARM
        # The tail beyond the ziggurat's base strip is drawn by another route.
        beyond = np.abs(flat) > kernels._TAIL
        expected = 2.0 * stats.norm.sf(kernels._TAIL)
        low, high = stats.binom.interval(1.0 - FALSE_ALARM, flat.size, expected)
        assert low <= beyond.sum() <= high
        tail = stats.truncnorm(kernels._TAIL, np.inf)
        assert stats.kstest(np.abs(flat[beyond]), tail.cdf).pvalue > FALSE_ALARM

    def test_neighbours_are_uncorrelated(self):
        z = np.empty((1000, 1000))
        kernels.normals(KEY, 0, 0, z)
        bound = stats.norm.isf(FALSE_ALARM / 2) / np.sqrt(z.size)
        for a, b in ((z[1:], z[:-1]), (z[:, 1:], z[:, :-1]), (z[:, 2:], z[:, :-2])):
            assert abs((a * b).mean()) < bound
            assert abs(((a**2 - 1) * (b**2 - 1)).mean() / 2) < bound

    def test_any_rectangle_holds_the_same_numbers(self):
        whole, part = np.empty((40, 31)), np.empty((7, 12))
        kernels.normals(KEY, 0, 0, whole)
        kernels.normals(KEY, 20, 5, part)
        assert np.array_equal(part, whole[20:27, 5:17])

    def test_paths_beyond_32_bits_and_other_keys_differ(self):
        rows = []
        for key, first in ((KEY, 0), (KEY, 2**32), (KEY + np.uint64(1), 0)):
            z = np.empty((1, 64))
            kernels.normals(key, first, 0, z)
            rows.append(z[0])
        assert len(np.unique(rows)) == 3 * 64

    def test_uniforms(self):
        u = np.empty(20_000)
        kernels.uniforms(KEY, 0, 0, u)
        assert stats.kstest(u, "uniform").pvalue > FALSE_ALARM
        assert u.min() > 0 and u.max() < 1


class TestScores:
    @pytest.mark.parametrize("activation", ACTIVATIONS)
    @pytest.mark.parametrize("d", [1, 3])
    def test_random_features(self, activation, d):
        features = draw_features(
            "torch", 37, LogSigmaEmbedding(SDE), seed=3,
            dimension=d, activation=activation, preconditioner=SDE,
        )  # fmt: skip
        theta = np.random.default_rng(1).standard_normal((d, 37))
        x = 3.0 * np.random.default_rng(2).standard_normal((21, d))
        out = np.empty_like(x)
        code, scale = features.act.code, float(features.output_scale(0.3))
        samplers.feature_scores(x, features.W, features.biases(0.3), theta, scale, code, out)
        score = RandomFeatureScore(features, theta)
        expected = score(x[:, 0], 0.3)[:, None] if d == 1 else score(x, 0.3)
        assert np.allclose(out, expected, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("d", [1, 2])
    def test_mixtures(self, d):
        rng = np.random.default_rng(0)
        law = GaussianMixture([0.2, 0.5, 0.3], rng.standard_normal((3, d)), [0.3, 0.6, 1.0])
        x = 4.0 * rng.standard_normal((15, d))
        out = np.empty_like(x)
        log_weights = np.log(law.weights) - d * np.log(law.stds)
        samplers.mixture_scores(x, log_weights, law.means, law.stds**2, out)
        expected = law.score(x[:, 0])[:, None] if d == 1 else law.score(x)
        assert np.allclose(out, expected, rtol=1e-12, atol=1e-12)


def step_by_hand(name, score, sde, x, t0, t1, z):
    """One step from the schemes' textbook formulas, in t or in y = x/r."""
    if name == "euler-maruyama":
        f, g, h = float(sde.drift(t0)), np.sqrt(float(sde.diffusion_squared(t0))), t0 - t1
        return x + (-f * x + g**2 * score(x, t0)) * h + g * np.sqrt(h) * z
    r0, r1 = float(sde.scale(t0)), float(sde.scale(t1))
    v0, v1 = float(sde.std(t0)) / r0, float(sde.std(t1)) / r1

    def s_y(y, r, t):
        return r * score(r * y, t)

    y = x / r0
    if name == "probability-flow":
        slope = -v0 * s_y(y, r0, t0)
        ahead = y + (v1 - v0) * slope
        return r1 * (y + (v1 - v0) * 0.5 * (slope - v1 * s_y(ahead, r1, t1)))
    h = v0**2 - v1**2
    if name == "exponential":
        denoised = y + v0**2 * s_y(y, r0, t0)
        return r1 * (denoised + (v1 / v0) ** 2 * (y - denoised) + v1 / v0 * np.sqrt(h) * z)
    ahead = y + h * s_y(y, r0, t0) + np.sqrt(h) * z
    return r1 * (y + 0.5 * h * (s_y(y, r0, t0) + s_y(ahead, r1, t1)) + np.sqrt(h) * z)


class TestSchemes:
    @pytest.mark.parametrize("name", SCHEMES)
    @pytest.mark.parametrize(
        "sde", [VESDE(), VPSDE(), LinearSDE(lambda t: 0.4 * t, lambda t: 2 + t)]
    )
    def test_against_the_textbook_with_noise_handed_in(self, name, sde, trained):
        """The fused kernel on the table and the plain one, each a path of seven steps."""
        noise = np.random.default_rng(0).standard_normal((8, 6))
        tabulated = RandomFeatureScore(trained.features, trained.theta(1e3))
        for score in (tabulated, ExactScore(bimodal(2.0), sde)):
            x = sample(score, sde, 6, t=0.1, scheme=name, n_steps=7, noise=noise)
            by_hand = sde.prior_std * noise[0]
            times = time_grid("log", sde, 0.1, 7)
            for k in range(7):
                by_hand = step_by_hand(
                    name, score, sde, by_hand, times[k], times[k + 1], noise[k + 1]
                )
            assert np.allclose(x, by_hand, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("name", SCHEMES)
    @pytest.mark.parametrize("grid", GRIDS)
    def test_order_of_the_variance(self, name, grid):
        """A Gaussian target: the scheme's variance by recursion, no sampling, against the truth."""
        sde, t, width = VPSDE(), 0.1, 0.7

        def slope(t):
            return -1.0 / (float(sde.scale(t)) ** 2 * width**2 + float(sde.std(t)) ** 2)

        errors = []
        for n_steps in (200, 400, 800):
            times = time_grid(grid, sde, t, n_steps)
            variance = -1.0 / slope(sde.T)
            for k, (a, b, c, p, q) in enumerate(SCHEMES[name].coefficients(sde, times)):
                gain, kick = a + b * slope(times[k]), c
                if SCHEMES[name].corrected:
                    s0, s1 = slope(times[k]), slope(times[k + 1])
                    gain, kick = a + p * s0 + q * s1 * gain, c + q * s1 * c
                variance = gain**2 * variance + kick**2
            errors.append(abs(variance + 1.0 / slope(t)))
        rates = np.log2(np.array(errors[:-1]) / errors[1:])
        assert np.abs(rates - SCHEMES[name].order).max() < 0.15

    @pytest.mark.parametrize("name", SCHEMES)
    def test_weak_order_against_the_density(self, name):
        """E cos(x/2) of the scheme itself, by backward recursion with 24-point Gauss–Hermite.

        The target has two modes, the score is far from linear; the truth is p_t's own integral.
        """
        law, t = bimodal(1.5, weights=(0.3, 0.7), std=0.6), 0.15
        score, end = ExactScore(law, SDE), marginal(law, SDE, t)
        truth = (end.weights * np.exp(-(end.stds**2) / 8) * np.cos(end.means[:, 0] / 2)).sum()
        start, f = marginal(law, SDE, 1.0), lambda x: np.cos(x / 2)
        errors = []
        for n_steps in (96, 192, 384) if SCHEMES[name].order == 1 else (24, 48, 96):
            value = backward(name, score, time_grid("log", SDE, t, n_steps), f)
            errors.append(abs(mixture_mean(start, value) - truth))
        rates = np.log2(np.array(errors[:-1]) / errors[1:])
        assert np.abs(rates - SCHEMES[name].order).max() < 0.25


def hermite(n):
    z, weights = np.polynomial.hermite_e.hermegauss(n)
    return z, weights / weights.sum()


def backward(name, score, times, value):
    """x ↦ E[value(end of the scheme) | x(T) = x], as a spline on nodes that widen with σ_t."""
    z, weights = hermite(24)
    for k in reversed(range(len(times) - 1)):
        reach = 9.0 * float(np.hypot(1.6, SDE.std(times[k])))
        x = reach * np.sinh(np.linspace(-4.0, 4.0, 1201)) / np.sinh(4.0)
        after = step_by_hand(name, score, SDE, x[:, None], times[k], times[k + 1], z[None, :])
        after = np.broadcast_to(after, (len(x), len(z)))  # the flow draws no noise
        value = clipped_spline(x, value(after) @ weights)
    return value


def clipped_spline(x, y):
    spline = CubicSpline(x, y)
    return lambda points: spline(np.clip(points, x[0], x[-1]))


def mixture_mean(law, f):
    """E f by the trapezoidal rule: a flow without noise may map a narrow strip far apart."""
    x = np.linspace(*law.domain(8.5), 40_001)
    return (law.density(x) * f(x)).sum() * (x[1] - x[0])


class TestLaws:
    """Samples against densities solved without sampling."""

    n = 20_000

    @pytest.mark.parametrize("name", STOCHASTIC)
    def test_reverse_sde(self, name, trained):
        """The learned score at τ = 1e6 and, the wrong target, at τ = 1e3."""
        right, wrong = (
            ReverseSDEDensity(trained.learned_score(tau), SDE, T_EVAL) for tau in (1e6, 1e3)
        )
        x = trained.sample(self.n, 1e6, scheme=name, n_steps=1000, seed=5)
        assert stats.kstest(x, right.cdf).pvalue > FALSE_ALARM
        assert stats.kstest(x, wrong.cdf).pvalue < FALSE_ALARM

    def test_probability_flow(self, trained):
        """The flow's law is another than the reverse SDE's: the wrong target."""
        score = trained.learned_score(1e3)
        x = trained.sample(self.n, 1e3, scheme="probability-flow", n_steps=300, seed=5)
        flow = ProbabilityFlowDensity(score, SDE, T_EVAL)
        sde = ReverseSDEDensity(score, SDE, T_EVAL)
        assert stats.kstest(x, flow.cdf).pvalue > FALSE_ALARM
        assert stats.kstest(x, sde.cdf).pvalue < FALSE_ALARM

    @pytest.mark.parametrize("sde", [VESDE(), VPSDE(), SubVPSDE()])
    @pytest.mark.parametrize("name", SCHEMES)
    def test_exact_score_and_prior(self, name, sde):
        law, t = GaussianMixture([0.7, 0.3], [-2.0, 2.0], [0.8, 0.5]), 0.1
        x = sample(
            ExactScore(law, sde), sde, 2000, t=t, scheme=name, n_steps=200, seed=2,
            prior=marginal(law, sde, sde.T),
        )  # fmt: skip
        assert stats.kstest(x, marginal(law, sde, t).cdf).pvalue > FALSE_ALARM
        shifted = marginal(law.affine(0.15, 1.0), sde, t)
        assert stats.kstest(x, shifted.cdf).pvalue < FALSE_ALARM

    def test_two_dimensions(self):
        """A planar mixture: both coordinates, and a direction across them."""
        sde, t = VPSDE(), 0.05
        law = GaussianMixture([0.4, 0.6], [[-2.0, 1.0], [1.0, -1.5]], [0.5, 0.8])
        x = sample(ExactScore(law, sde), sde, 4000, t=t, n_steps=200, prior=marginal(law, sde, 1.0))
        assert x.shape == (4000, 2)
        end = marginal(law, sde, t)
        for direction in np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]):
            shadow = GaussianMixture(end.weights, end.means @ direction, end.stds)
            assert stats.kstest(x @ direction, shadow.cdf).pvalue > FALSE_ALARM
            assert stats.kstest(x @ -direction, shadow.cdf).pvalue < FALSE_ALARM


class TestSameBits:
    @pytest.mark.parametrize("name", SCHEMES)
    @pytest.mark.parametrize("model", ["table", "planar", "mixture"])
    def test_batch_order_and_threads(self, name, model, trained, planar, on_one_thread):
        score, sde = {
            "table": (trained.learned_score(), SDE),
            "planar": (planar, VPSDE()),
            "mixture": (ExactScore(bimodal(2.0), VPSDE()), VPSDE()),
        }[model]
        axis = -1 if score.dimension == 1 else -2

        def draw(n, **choices):
            return sample(score, sde, n, t=0.1, scheme=name, n_steps=70, seed=3, **choices)

        whole = draw(1100)
        assert np.array_equal(draw(7), np.take(whole, range(7), axis))
        assert np.array_equal(draw(33, first=1060), np.take(whole, range(1060, 1093), axis))
        assert np.array_equal(on_one_thread(lambda: draw(1100)), whole)

    def test_array_of_training_times_equals_a_loop(self, trained, planar):
        together = trained.sample(9, n_steps=20)
        assert together.shape == (2, 9)
        for i, tau in enumerate(trained.tau):
            # θ(τ) for one τ or many is rounded differently; the noise is the same.
            np.testing.assert_allclose(trained.sample(9, tau, n_steps=20), together[i], rtol=1e-11)
        line = trained.learned_score()
        together = sample(line, SDE, 9, t=0.1, n_steps=20)
        for i in range(2):
            alone = RandomFeatureScore(line.features, line.theta[i])
            assert np.array_equal(sample(alone, SDE, 9, t=0.1, n_steps=20), together[i])
        together = sample(planar, VPSDE(), 5, t=0.1, n_steps=20)
        assert together.shape == (3, 5, 2)
        for i in range(3):
            alone = RandomFeatureScore(planar.features, planar.theta[i])
            assert np.array_equal(sample(alone, VPSDE(), 5, t=0.1, n_steps=20), together[i])

    def test_seeds_differ(self, trained):
        a, b = (trained.sample(50, 1e6, n_steps=20, seed=seed) for seed in (0, 1))
        assert not (a == b).any()

    @pytest.mark.parametrize("model", ["table", "planar"])
    def test_trajectories_end_in_the_samples(self, model, trained, planar):
        score, sde = (trained.learned_score(), SDE) if model == "table" else (planar, VPSDE())
        choices = {"t": 0.1, "n_steps": 70, "scheme": "euler-maruyama"}
        paths = sample(score, sde, 6, trajectories=True, **choices)
        points = (6,) if score.dimension == 1 else (6, 2)
        assert paths.shape == (*score.shape, 71, *points)
        last = np.take(paths, 70, len(score.shape))
        assert np.array_equal(last, sample(score, sde, 6, **choices))
        shorter = sample(score, sde, 2, trajectories=True, **choices)
        assert np.array_equal(shorter, paths[..., :2] if len(points) == 1 else paths[..., :2, :])

    def test_own_units(self):
        """Standardised data: samples come back on the data's scale."""
        data = 100.0 + 20.0 * np.random.default_rng(0).standard_normal(300)
        run = rfdiff.train_exact(1e4, data=data, m=64)
        x = run.sample(2000, n_steps=200)
        assert abs(x.mean() - 100.0) < 10.0 and 15.0 < x.std() < 30.0


class TestProgress:
    def test_silent_unless_asked(self, trained, capsys):
        trained.sample(10, n_steps=10)
        assert capsys.readouterr().err == ""

    def test_bar_on_request(self, trained, capsys, monkeypatch):
        monkeypatch.setattr("rfdiff.sampling.sampler._PATIENCE", 0.0)
        trained.sample(10, n_steps=200, progress=True)
        captured = capsys.readouterr()
        assert "sampling" in captured.err and "400" in captured.err
        assert captured.out == ""

    def test_bar_only_on_a_terminal(self, trained, capsys, monkeypatch):
        monkeypatch.setattr("rfdiff.sampling.sampler._PATIENCE", 0.0)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        trained.sample(10, n_steps=200)
        assert "sampling" in capsys.readouterr().err


class TestBadInput:
    score = ExactScore(bimodal(3.0), SDE)

    @pytest.mark.parametrize(
        ("choices", "message"),
        [
            ({"scheme": "milstein"}, "scheme must be one of 'euler-maruyama'"),
            ({"grid": "cosine"}, "grid must be one of 'uniform'"),
            ({"n_steps": 0}, "n_steps must be at least 1, got 0"),
            ({"n_steps": 2.5}, "n_steps must be an integer"),
            ({"t": 0.0}, "t must lie strictly between 0 and T = 1, got 0"),
            ({"t": 1.0}, "t must lie strictly between"),
            ({"seed": -1}, "seed must be a non-negative integer"),
            ({"first": -1}, "first must be at least 0"),
            ({"noise": np.zeros((5, 3))}, r"noise must have shape .* = \(501, 3\), got \(5, 3\)"),
            ({"noise": np.full((501, 3), np.nan)}, "noise must be finite"),
            (
                {"noise": np.zeros((501, 3)), "prior": bimodal(1.0)},
                "noise starts from the sde's own prior",
            ),
            ({"prior": GaussianMixture([1.0], [[0.0, 0.0]], 1.0)}, "prior must have dimension 1"),
        ],
    )
    def test_arguments(self, choices, message):
        with pytest.raises(ArgumentError, match=message):
            sample(self.score, SDE, 3, **{"t": 0.1, **choices})

    @pytest.mark.parametrize("n", [0, -1, 1.5])
    def test_number_of_paths(self, n):
        with pytest.raises(ArgumentError, match="n must be"):
            sample(self.score, SDE, n, t=0.1)

    def test_paths_that_do_not_stay_finite(self, trained):
        wild = RandomFeatureScore(trained.features, 1e6 * np.ones((1, 64)))
        with pytest.raises(ArgumentError, match=r"paths must stay finite, at t = .* n_steps = 200"):
            sample(wild, SDE, 3, t=0.1, n_steps=200)

    def test_own_scores_and_those_that_are_not_finite(self):
        class Broken:
            dimension, shape = 1, (2,)

            def __call__(self, x, t):
                values = np.stack([-x, -x])
                return values if t > 0.5 else np.full_like(values, np.nan)

        with pytest.raises(ArgumentError, match="the score is not finite"):
            sample(Broken(), VPSDE(), 3, t=0.1)
        assert sample(Broken(), VPSDE(), 3, t=0.6, n_steps=9).shape == (2, 3)

    def test_memory_is_estimated_first(self, monkeypatch):
        monkeypatch.setattr("rfdiff.support.validation.available_memory", lambda: 10_000_000)
        with pytest.raises(MemoryLimitError, match="the trajectories need"):
            sample(self.score, SDE, 10_000, t=0.1, trajectories=True)
        assert sample(self.score, SDE, 100, t=0.1, n_steps=3).shape == (100,)
