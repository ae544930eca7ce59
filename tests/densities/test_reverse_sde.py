"""The reverse-SDE density against closed forms, dense linear algebra and far finer solves."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

import rfdiff
from reference.paper import SDE, T_EVAL, marginal
from rfdiff.densities.reverse_sde.density import ReverseSDEDensity
from rfdiff.densities.reverse_sde.fokker_planck import LEVELS, march, solve
from rfdiff.densities.reverse_sde.moving_grid import Clock, MovingGrid
from rfdiff.densities.reverse_sde.potential_increments import (
    ReluIncrements,
    SampledIncrements,
    potential_increments,
)
from rfdiff.densities.reverse_sde.refinement import ReverseProblem, widened_grid
from rfdiff.diffusion.law_on_domain import Reference
from rfdiff.diffusion.mixtures import GaussianMixture, bimodal
from rfdiff.diffusion.sde import VESDE, VPSDE, LinearSDE, SubVPSDE
from rfdiff.diffusion.time_grids import noise_ratio
from rfdiff.divergences.by_name import DIVERGENCES
from rfdiff.divergences.kl import kl_divergence, negative_log_likelihood
from rfdiff.model.embeddings import LogSigmaEmbedding
from rfdiff.model.features import RandomFeatures, draw_features
from rfdiff.model.score import ExactScore, RandomFeatureScore
from rfdiff.support.errors import AccuracyWarning, ArgumentError, MemoryLimitError

PROCESSES = [
    VESDE(),
    VPSDE(),
    SubVPSDE(),
    LinearSDE(lambda t: 0.3 * np.cos(3.0 * t), lambda t: 1.0 + 4.0 * t),
]


def linear_score(slope, sde=SDE):
    """s = slope·x from two features whose kinks are at 0."""
    features = RandomFeatures([1.0, -1.0], np.zeros((2, 2)), LogSigmaEmbedding(sde))
    return RandomFeatureScore(features, [[slope * np.sqrt(2.0), -slope * np.sqrt(2.0)]])


@pytest.fixture(scope="module")
def trained():
    """Ten training times of a small model that overfits 20 points."""
    return rfdiff.train_exact(np.logspace(0, 9, 10), n=20, m=128)


class TestIncrements:
    def test_exact_increments_against_adaptive_quadrature(self):
        rng = np.random.default_rng(5)
        w = np.append(rng.standard_normal(12), [0.0, 0.0])
        u = np.concatenate([rng.standard_normal((12, 2)), [[1.0, 0.0], [-1.0, 0.0]]])
        features = RandomFeatures(w, u, LogSigmaEmbedding(SDE))
        score = RandomFeatureScore(features, rng.standard_normal((2, 1, 14)))
        grid = MovingGrid(0.7, np.array([3.0, 5.0]), 8.0, 1.5, float(SDE.std(1.0)), 0.3)
        clock, cells = Clock.make(SDE, T_EVAL, 5, 2), 4
        part = clock.parts(1)[3]
        found = ReluIncrements(score)(np.arange(2), grid, clock, part, cells)
        xi = grid.nodes(cells)
        for row, k in ((0, 0), (1, 1)):
            t, v = clock.times[part][k], clock.v[part][k]
            x = grid.points(v, cells)[row]
            for i in range(cells):
                corners = -features.biases(t)[:12] / w[:12]
                inside = corners[(corners > x[i]) & (corners < x[i + 1])]
                value, _ = quad(
                    lambda y, row=row, t=t: float(score(y, t)[row]),
                    x[i],
                    x[i + 1],
                    points=inside if len(inside) else None,
                    limit=200,
                    epsabs=1e-12,
                )
                motion = 32.0 * np.diff(xi[row] ** 2)[i]
                motion -= grid.tilt * grid.half_width(np.array([v]))[row, 0] * np.diff(xi[row])[i]
                assert found[row, k, i] == pytest.approx(2.0 * value + motion, abs=1e-9)

    def test_sampled_increments_agree_with_exact_ones(self):
        score = linear_score(-0.4)
        grid = MovingGrid(0.2, np.array([4.0]), 8.0, 2.0, float(SDE.std(1.0)), 0.3)
        clock = Clock.make(SDE, T_EVAL, 4, 2)
        arguments = (np.arange(1), grid, clock, clock.parts(1)[1], 16)
        exact, sampled = ReluIncrements(score)(*arguments), SampledIncrements(score)(*arguments)
        assert np.allclose(exact, sampled, rtol=1e-12, atol=1e-12)


class TestClosedForms:
    @pytest.mark.parametrize("sde", PROCESSES)
    def test_exact_score_and_prior_give_the_marginal(self, sde):
        law, t = GaussianMixture([0.7, 0.3], [-1.5, 2.5], [0.6, 0.9]), 0.05
        learned = ReverseSDEDensity(ExactScore(law, sde), sde, t, prior=marginal(law, sde, sde.T))
        kl = kl_divergence(marginal(law, sde, t), learned)
        assert abs(float(kl)) < 1e-7
        assert abs(float(kl)) <= float(kl.error)
        assert float(learned.mass) == pytest.approx(1.0, abs=1e-9)

    @pytest.mark.parametrize("mu", [3.0, 15.0])
    def test_the_papers_targets(self, mu):
        law = bimodal(mu)
        learned = ReverseSDEDensity(
            ExactScore(law, SDE), SDE, T_EVAL, prior=marginal(law, SDE, 1.0)
        )
        exact = marginal(law, SDE, T_EVAL)
        assert abs(float(kl_divergence(exact, learned))) < 1e-7
        x = np.linspace(*exact.domain(5.0), 401)
        gap = np.abs(learned.log_density(x) - exact.log_density(x))
        assert (gap < 1e-3 * (1.0 + np.abs(exact.log_density(x)))).all()
        assert (gap <= learned.log_density_error(x)).mean() > 0.9

    def test_the_prior_costs_at_most_its_own_divergence(self):
        """KL(p_t‖p̂) ≤ KL(p_T‖π): data processing; and π does cost something."""
        law = bimodal(3.0)
        start, end = marginal(law, SDE, 1.0), marginal(law, SDE, T_EVAL)
        learned = ReverseSDEDensity(
            ExactScore(law, SDE), SDE, T_EVAL, domain=end.domain(8.0), tolerance=1e-6
        )
        prior = GaussianMixture([1.0], [0.0], SDE.prior_std)
        bound, _ = quad(
            lambda x: float(
                start.density(x) * (start.log_density(x) - prior.log_density(x))
            ), -90, 90, limit=200, epsabs=1e-12,
        )  # fmt: skip
        kl = kl_divergence(end, learned)
        assert float(kl) - float(kl.error) > 1e-6
        assert float(kl) + float(kl.error) <= bound

    def test_without_a_score_noise_only_adds_up(self):
        learned = ReverseSDEDensity(linear_score(0.0), SDE, 0.3)
        exact = GaussianMixture([1.0], [0.0], np.sqrt(2 * SDE.std(1.0) ** 2 - SDE.std(0.3) ** 2))
        x = np.linspace(-60, 60, 101)
        assert np.abs(learned.log_density(x) - exact.log_density(x)).max() < 1e-3
        assert abs(float(kl_divergence(exact, learned))) < 1e-7

    def test_a_constant_linear_score_is_an_ornstein_uhlenbeck_process(self):
        """VP with s = −k x: the variance solves a linear ODE, here by its own quadrature."""
        sde, t, k = VPSDE(beta_min=2.0, beta_max=2.0), 0.2, 0.8
        learned = ReverseSDEDensity(linear_score(-k, sde), sde, t)
        rate, span = 2.0 * (1.0 - 2.0 * k), 1.0 - t  # of the variance, and reverse time
        variance = np.exp(rate * span) + 2.0 * np.expm1(rate * span) / rate
        exact = GaussianMixture([1.0], [0.0], np.sqrt(variance))
        assert abs(float(kl_divergence(exact, learned))) < 1e-8
        x = np.linspace(-4, 4, 41)
        assert np.abs(learned.log_density(x) - exact.log_density(x)).max() < 1e-3

    def test_a_law_far_from_the_origin(self):
        law = GaussianMixture([0.5, 0.5], [38.0, 42.0], 1.0)
        end = marginal(law, SDE, T_EVAL)
        learned = ReverseSDEDensity(
            ExactScore(law, SDE), SDE, T_EVAL,
            prior=marginal(law, SDE, 1.0), domain=end.domain(),
        )  # fmt: skip
        assert abs(float(kl_divergence(end, learned))) < 1e-6


class TestOrder:
    """The declared orders, measured against the exact marginal on a fixed grid."""

    law = GaussianMixture([0.6, 0.4], [-1.0, 1.5], [0.7, 0.9])

    def march(self, cells, steps, levels):
        sde, v = SDE, noise_ratio
        grid = MovingGrid(0.0, np.array([9.0]), 9.0, 2.0, float(v(sde, 1.0)), float(v(sde, T_EVAL)))
        clock = Clock.make(sde, T_EVAL, steps, levels)
        prior = marginal(self.law, sde, 1.0).log_density(grid.points(grid.v_start, cells))
        increments = SampledIncrements(ExactScore(self.law, sde))
        if levels > 1:
            solution = solve(increments, np.arange(1), grid, clock, cells, prior)
            density = np.exp(solution.log_density[0])
        else:
            mass, _ = march(increments, np.arange(1), grid, clock, cells, prior)
            density = mass[0, -1, 0] / grid.lengths(cells)[0]
        x, width = grid.points(grid.v_end, cells)[0], grid.half_width(np.array([grid.v_end]))[0, 0]
        exact = marginal(self.law, sde, T_EVAL).density(x) * width
        return (np.abs(density - exact) * grid.lengths(cells)[0]).sum()

    def test_implicit_euler_is_of_first_order(self):
        errors = [self.march(1600, steps, 1) for steps in (20, 40, 80)]
        rates = np.log2(np.array(errors[:-1]) / errors[1:])
        assert np.abs(rates - 1.0).max() < 0.1

    def test_extrapolated_steps_are_of_fourth_order(self):
        errors = [self.march(6400, steps, 4) for steps in (40, 80, 160)]
        rates = np.log2(np.array(errors[:-1]) / errors[1:])
        assert np.abs(rates - 4.0).max() < 0.1

    def test_extrapolated_cells_are_of_fourth_order(self):
        errors = [self.march(cells, 160, 4) for cells in (96, 192, 384)]
        rates = np.log2(np.array(errors[:-1]) / errors[1:])
        assert np.abs(rates - 4.0).max() < 0.1


class TestSolve:
    def test_mass_is_conserved_and_positive_on_a_hopeless_grid(self, trained):
        """Twelve cells and two steps for an overfitted score: every solve stays a law."""
        increments = ReluIncrements(trained.learned_score())
        grid = MovingGrid(0.0, np.full(10, 12.0), 8.0, 2.3, float(SDE.std(1.0)), 0.284)
        clock = Clock.make(SDE, T_EVAL, 2, 4)
        prior = -0.5 * (grid.points(grid.v_start, 12) / SDE.prior_std) ** 2
        mass, _ = march(increments, np.arange(10), grid, clock, 12, prior)
        for g, n in enumerate((3, 6, 12)):
            assert (mass[:, g, :, : n + 1] > 0).all()
            assert np.abs(mass[:, g, :, : n + 1].sum(-1) - 1.0).max() < 1e-13

    def test_deep_valleys_stay_positive_and_accurate(self):
        """Between narrow modes 16 apart the density falls to 10⁻⁴⁰ of its peak."""
        law = GaussianMixture([0.5, 0.5], [-8.0, 8.0], 0.5)
        learned = ReverseSDEDensity(
            ExactScore(law, SDE), SDE, T_EVAL, prior=marginal(law, SDE, 1.0)
        )
        exact = marginal(law, SDE, T_EVAL)
        x = np.linspace(-8, 8, 81)
        assert exact.log_density(0.0) < -90
        gap = np.abs(learned.log_density(x) - exact.log_density(x))
        assert gap.max() < 0.05 * np.abs(exact.log_density(0.0))

    def test_array_equals_loop(self, trained):
        x = np.linspace(-12, 12, 31)
        score = trained.learned_score()
        together = ReverseSDEDensity(score, SDE, T_EVAL)
        assert together.shape == (10,) and together.log_density(x).shape == (10, 31)
        for i in (0, 4, 9):
            single = RandomFeatureScore(score.features, score.theta[i])
            alone = ReverseSDEDensity(single, SDE, T_EVAL)
            assert alone.shape == () and alone.mass.shape == ()
            assert np.array_equal(alone.log_density(x), together.log_density(x)[i])

    def test_thread_count_does_not_matter(self, trained, on_one_thread):
        score = trained.learned_score(trained.tau[:4])

        def solve():
            return ReverseSDEDensity(score, SDE, T_EVAL).log_density(0.3)

        assert np.array_equal(on_one_thread(solve), solve())

    def test_the_domain_only_moves_the_grid(self, trained):
        score = trained.learned_score(1e5)
        free = ReverseSDEDensity(score, SDE, T_EVAL)
        given = ReverseSDEDensity(score, SDE, T_EVAL, domain=(-6.0, 14.0))
        x = np.linspace(-5, 5, 41)
        gap = np.abs(free.log_density(x) - given.log_density(x))
        assert (gap <= free.log_density_error(x) + given.log_density_error(x)).all()
        assert given.domain == (-6.0, 14.0)
        assert given.mass.value == pytest.approx(np.diff(free.cdf([-6.0, 14.0]))[0], abs=1e-6)

    def test_smooth_activations_share_the_solver(self):
        features = draw_features("l1", 20, LogSigmaEmbedding(SDE), seed=0, activation="tanh")
        theta = np.random.default_rng(0).standard_normal((2, 1, 20)) * [[[0.01]], [[0.1]]]
        learned = ReverseSDEDensity(RandomFeatureScore(features, theta), SDE, 0.3)
        finer = ReverseSDEDensity(RandomFeatureScore(features, theta[1]), SDE, 0.3, tolerance=1e-5)
        x = np.linspace(-20, 20, 21)
        gap = np.abs(learned.log_density(x)[1] - finer.log_density(x))
        assert (gap <= learned.log_density_error(x)[1] + finer.log_density_error(x)).all()


class TestEscape:
    """A score s = a x beyond all grids: the law is normal with a known, enormous spread."""

    @pytest.mark.parametrize("slope", [0.1, 0.5, 2.0])
    @pytest.mark.filterwarnings("ignore::rfdiff.AccuracyWarning")
    def test_errors_cover_where_the_mass_would_be(self, slope):
        learned = ReverseSDEDensity(linear_score(slope), SDE, T_EVAL)
        first, last = float(SDE.std(1.0)) ** 2, float(SDE.std(T_EVAL)) ** 2
        growth = 2.0 * slope * (first - last)
        variance = first * np.exp(growth) + np.expm1(growth) / (2.0 * slope)
        std, law = np.sqrt(variance), GaussianMixture([1.0], [0.0], 1.0)
        crossing = np.sqrt(2.0 * np.log(std) / (1.0 - 1.0 / variance))
        near = {
            "kl": 0.5 * (1.0 / variance - 1.0 + np.log(variance)),
            "total-variation": 2.0 * (norm.cdf(crossing) - norm.cdf(crossing / std)),
        }
        for kind, true in near.items():
            found = DIVERGENCES[kind](law, learned)
            assert abs(found.value - true) < found.error < true
        exact = {
            "wasserstein-1": (std - 1.0) * np.sqrt(2.0 / np.pi),
            "wasserstein-2": std - 1.0,
            "reverse-kl": 0.5 * (variance - 1.0 - np.log(variance)),
        }
        for kind, true in exact.items():
            found = DIVERGENCES[kind](law, learned)
            gap = abs(found.value - true)
            # Not idle: nine tenths of the truth are missing, and the error is no wild guess.
            assert 0.4 * true < gap < found.error
            assert np.log(found.error) < 1.2 * np.log(true) + 4.0

    @pytest.mark.parametrize("kind", ["kl", "total-variation"])
    def test_errors_that_leave_nothing_warn(self, kind):
        with pytest.warns(AccuracyWarning, match="mass of 5.0e-01 leaves the widest grid"):
            learned = ReverseSDEDensity(linear_score(2.0), SDE, T_EVAL)
        knob = rf"the {DIVERGENCES[kind].title} of the reverse-sde .*; take a smaller tau or more"
        with pytest.warns(AccuracyWarning, match=knob):
            found = DIVERGENCES[kind](GaussianMixture([1.0], [0.0], 1.0), learned)
        assert 0.1 * found.value < found.error

    def test_little_escapes_where_the_grid_holds_the_law(self, trained):
        learned = ReverseSDEDensity(trained.learned_score(), SDE, T_EVAL)
        assert (learned.escaped.mass < 1e-8).all() and (learned.escaped.square < 1e-6).all()
        assert (learned.escaped.mass > 0.0).all()


class TestFace:
    def test_mean_log_density_against_adaptive_quadrature(self, trained):
        law = marginal(trained.target, SDE, T_EVAL)
        learned = ReverseSDEDensity(trained.learned_score(1e7), SDE, T_EVAL, domain=law.domain(8.0))
        value, _ = quad(
            lambda x: float(law.density(x) * learned.log_density(x)),
            *law.domain(8.0), points=np.arange(-8.0, 9.0), limit=400, epsabs=1e-10,
        )  # fmt: skip
        mean = learned.mean_log_density(law)
        assert float(mean) == pytest.approx(value, abs=1e-7)
        entropy = float(Reference(law, learned.domain).entropy)
        assert float(kl_divergence(law, learned)) == pytest.approx(-entropy - value, abs=1e-7)

    def test_mean_over_point_masses_is_a_mean_over_points(self, trained):
        learned = ReverseSDEDensity(trained.learned_score([1e2, 1e7]), SDE, T_EVAL)
        points = np.array([-3.1, 0.2, 4.0])
        mean = learned.mean_log_density(GaussianMixture.from_points(points))
        assert np.allclose(mean.value, learned.log_density(points).mean(-1), rtol=1e-14)
        assert np.allclose(negative_log_likelihood(points, learned).value, -mean.value)

    def test_slope_is_the_derivative_of_the_log_density(self, trained):
        """On the grid and along the chords beyond it."""
        learned = ReverseSDEDensity(trained.learned_score([[1e2, 1e7]]), SDE, T_EVAL)
        low, high = learned.hull
        x, h = np.append(np.linspace(-6.0, 6.0, 13), [low - 5.0, high + 5.0]), 1e-4
        slope = learned.log_density_slope(x)
        change = learned.log_density(x + h) - learned.log_density(x - h)
        np.testing.assert_allclose(slope.value, change / (2.0 * h), rtol=1e-5, atol=1e-5)
        assert slope.shape == (1, 2, 15) and (slope.error > 0.0).all()

    def test_cdf_against_adaptive_quadrature(self, trained):
        learned = ReverseSDEDensity(trained.learned_score(1e7), SDE, T_EVAL)
        low = learned.hull[0]
        for x in (-3.5, 0.2, 3.0):
            corners = np.arange(-8.0, x)
            value, _ = quad(
                lambda y: float(learned.density(y)), low, x,
                points=corners[corners > low], limit=400, epsabs=1e-11,
            )  # fmt: skip
            assert float(learned.cdf(x)) == pytest.approx(value, abs=1e-8)
        assert np.allclose(learned.cdf([-1e6, 1e6]), [0.0, 1.0], rtol=0, atol=1e-14)

    def test_beyond_the_grid_the_tail_goes_on_and_its_error_says_so(self, trained):
        learned = ReverseSDEDensity(trained.learned_score(1e5), SDE, T_EVAL)
        edge = learned.hull[1]
        values = learned.log_density(np.array([edge, 1.5 * edge, 3.0 * edge]))
        assert (np.diff(values) < 0).all() and np.isfinite(values).all()
        errors = learned.log_density_error(np.array([1.5 * edge, 3.0 * edge]))
        assert (errors >= values[0] - values[1:] - 1e-9).all()


def random_problem(seed):
    """Five random training times of a random model, with its process, end time and law."""
    rng = np.random.default_rng(seed)
    sde = (VESDE(), VESDE(10.0), VPSDE(), SubVPSDE())[seed % 4]
    q = rng.uniform(0.2, 0.8)
    law = GaussianMixture([q, 1 - q], rng.uniform(-4, 4, 2), rng.uniform(0.3, 1.2, 2))
    run = rfdiff.train_exact(
        10.0 ** rng.uniform(0, 9, 5),
        target=law,
        n=int(rng.integers(5, 200)),
        m=int(rng.integers(16, 96)),
        n_times=48,
        seed=seed,
        sde=sde,
    )
    t = sde.time_of_std(10.0 ** rng.uniform(-0.8, -0.1))
    prior = GaussianMixture([1.0], [0.0], sde.prior_std)
    problem = ReverseProblem(potential_increments(run.learned_score()), 5, sde, t, prior)
    return problem, marginal(law, sde, t)


def one_solve(problem, grid, cells, steps_per_e_fold):
    steps = int(np.ceil(steps_per_e_fold * problem.log_ratio()))
    clock = Clock.make(problem.sde, problem.t, steps, LEVELS)
    log_prior = problem.log_prior(grid, cells)
    return solve(problem.increments, np.arange(problem.n), grid, clock, cells, log_prior)


def test_error_estimates_are_honest_in_at_least_95_of_100_random_cases():
    """Of the log density, on average under p̂ and under p, against a solve with 81-fold less error.

    The negative control: the errors are real, a hundredth of the estimates would not cover them.
    """
    covered, by_a_hundredth = [], []
    for seed in range(20):
        problem, law = random_problem(seed)
        grid = widened_grid(problem, law.domain())
        estimate, truth = one_solve(problem, grid, 400, 5.0), one_solve(problem, grid, 1200, 15.0)
        error = estimate.log_density - truth.log_density[:, ::3]
        x = float(problem.sde.scale(problem.t)) * grid.points(grid.v_end, 400)
        p = law.density(x) * estimate.lengths
        p /= p.sum(-1, keepdims=True)
        under_p = np.abs((p * error).sum(-1))
        claimed_under_p = (p * (estimate.time_error + estimate.space_error)).sum(-1)
        mean = (np.exp(estimate.log_density) * estimate.lengths * np.abs(error)).sum(-1)
        claimed = sum(estimate.mean_errors())
        covered += [*((mean <= claimed) & (under_p <= claimed_under_p))]
        by_a_hundredth += [*(mean <= 0.01 * claimed)]
    assert len(covered) == 100
    assert np.sum(covered) >= 95
    assert np.sum(by_a_hundredth) < 50


@pytest.mark.parametrize("n", [30, 100, 1000])
def test_the_bound_holds_along_the_whole_empirical_flow(n):
    """KL(p_t‖p^{SDE}) ≤ bound [14] beyond both errors, with a model of the default width."""
    run = rfdiff.train_exact(np.logspace(0, 9, 10), n=n, m=512)
    kl, bound = run.kl(method="reverse-sde", against="pt"), run.bound().total
    assert (kl.value + kl.error <= bound.value - bound.error).all()
    # Not idle: at some τ the law uses up most of what the bound allows, and never all of it.
    assert 0.8 < (kl.value / bound.value).max() < 1.0


class TestBadInput:
    score = linear_score(-0.1)

    @pytest.mark.parametrize("t", [0.0, 1.0, 1.5, np.inf])
    def test_time_outside(self, t):
        with pytest.raises(ArgumentError, match="t must"):
            ReverseSDEDensity(self.score, SDE, t)

    def test_two_dimensions(self):
        law = GaussianMixture([1.0], [[0.0, 0.0]], 1.0)
        with pytest.raises(ArgumentError, match="one dimension, got d = 2"):
            ReverseSDEDensity(ExactScore(law, SDE), SDE, 0.1)
        with pytest.raises(ArgumentError, match="prior must have dimension 1"):
            ReverseSDEDensity(self.score, SDE, 0.1, prior=law)

    def test_domain_that_misses_the_mass(self, trained):
        with pytest.raises(ArgumentError, match=r"domain must hold .* \(40.0, 41.0\) holds"):
            ReverseSDEDensity(trained.learned_score(1e6), SDE, T_EVAL, domain=(40.0, 41.0))
        with pytest.raises(ArgumentError, match=r"training time \(1,\)"):
            score = trained.learned_score([1e0, 1e9])
            ReverseSDEDensity(score, SDE, T_EVAL, domain=(12.0, 40.0))

    @pytest.mark.parametrize("domain", [(1.0, 0.0), (0.0, np.nan), 3.0])
    def test_not_a_domain(self, domain):
        with pytest.raises(ArgumentError, match="domain must"):
            ReverseSDEDensity(self.score, SDE, 0.1, domain=domain)

    @pytest.mark.parametrize("tolerance", [0.0, -1.0, np.nan])
    def test_tolerance(self, tolerance):
        with pytest.raises(ArgumentError, match="tolerance must"):
            ReverseSDEDensity(self.score, SDE, 0.1, tolerance=tolerance)

    def test_score_that_is_not_finite(self):
        class Broken:
            dimension, shape = 1, ()

            def __call__(self, x, t):
                return np.where(t > 0.5, -x, np.nan)

            def divergence(self, x, t):
                return np.full(np.shape(x), -1.0)

        with pytest.raises(ArgumentError, match=r"score must be finite, it is not at t = 0\.[45]"):
            ReverseSDEDensity(Broken(), SDE, 0.1)

    def test_a_missed_tolerance_warns_and_still_answers(self):
        """A score that pushes everything outwards: mass leaves every grid, and that is said."""
        with pytest.warns(AccuracyWarning, match="leaves the widest grid; take a smaller tau"):
            learned = ReverseSDEDensity(linear_score(2.0), SDE, T_EVAL)
        assert float(learned.error) > 0.1

    def test_an_unreachable_tolerance_warns_with_the_estimate(self):
        with pytest.warns(AccuracyWarning, match=r"cells and \d+ steps; loosen tolerance = 1e-12"):
            ReverseSDEDensity(self.score, SDE, 0.5, tolerance=1e-12)

    def test_memory_is_estimated_first(self, monkeypatch):
        monkeypatch.setattr("rfdiff.support.validation.available_memory", lambda: 1000)
        with pytest.raises(MemoryLimitError, match="Fokker–Planck"):
            ReverseSDEDensity(self.score, SDE, 0.1)
