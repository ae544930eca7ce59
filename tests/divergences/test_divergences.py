"""Divergences against adaptive quadrature and closed forms."""

import numpy as np
import pytest

import rfdiff
from reference.gaussian_divergences import gaussian_divergences
from reference.paper import T_EVAL
from reference.quadrature import fine_integral
from reference.scores import fitted_score, gaussian_score, random_score_and_domain
from rfdiff.densities.learned_density import METHODS
from rfdiff.densities.probability_flow.density import ProbabilityFlowDensity
from rfdiff.densities.reverse_sde.density import ReverseSDEDensity
from rfdiff.densities.score_integral import ScoreIntegralDensity
from rfdiff.diffusion.mixtures import GaussianMixture, bimodal
from rfdiff.diffusion.sde import VESDE
from rfdiff.diffusion.targets import beta, raised_cosine
from rfdiff.divergences.by_name import DIVERGENCES
from rfdiff.divergences.fisher import fisher_divergence
from rfdiff.divergences.jensen_shannon import jensen_shannon_divergence
from rfdiff.divergences.kl import kl_divergence, negative_log_likelihood
from rfdiff.divergences.reverse_kl import reverse_kl_divergence
from rfdiff.divergences.total_variation import total_variation
from rfdiff.divergences.wasserstein import wasserstein_distance
from rfdiff.model.score import ExactScore, RandomFeatureScore
from rfdiff.support.errors import ArgumentError


def test_kl_between_gaussians():
    density = ScoreIntegralDensity(gaussian_score(0.5, 2.0), T_EVAL, np.inf)
    estimate = kl_divergence(GaussianMixture([1.0], [0.0], [1.0]), density)
    expected = np.log(2.0) + (1.0 + 0.25) / 8.0 - 0.5
    assert abs(float(estimate) - expected) <= float(estimate.error) < 1e-11


@pytest.mark.parametrize("law", [bimodal(3.0), bimodal(3.0, (0.3, 0.7)).diffuse(1.0, 0.284)])
def test_kl_of_a_mixture_against_adaptive_quadrature(law):
    density = ScoreIntegralDensity(fitted_score(law, ridge=(1e-2, 1e-8)), T_EVAL, (-10.0, 10.0))
    estimate = kl_divergence(law, density)
    mass = float(np.diff(law.cdf(np.array([-10.0, 10.0])))[0])

    def log_p(x):
        return law.log_density(x) - np.log(mass)

    expected = fine_integral(
        lambda x: np.exp(log_p(x)) * (log_p(x) - density.log_density(x)), -10, 10,
        density.breakpoints,
    )  # fmt: skip
    np.testing.assert_allclose(estimate.value, expected, atol=1e-11)
    assert estimate.error.max() < 1e-10
    assert (estimate.value > 0).all()


@pytest.mark.parametrize("law", [raised_cosine(), beta(2.0, 2.5)])
def test_kl_of_a_compact_law(law):
    density = ScoreIntegralDensity(fitted_score(law, ridge=(1e-4,)), T_EVAL, (-3.0, 3.0))
    expected = fine_integral(
        lambda x: law.density(x) * (law.log_density(x) - density.log_density(x)[0]), -3, 3,
        density.breakpoints,
    )  # fmt: skip
    estimate = kl_divergence(law, density)
    assert abs(estimate.value[0] - expected) < 1e-8
    assert estimate.error[0] < 1e-8


def test_kl_of_many_components_and_of_a_wide_pair():
    points = np.random.default_rng(0).normal(0.0, 2.0, 400)
    law = GaussianMixture.from_points(points).diffuse(1.0, 0.284)
    density = ScoreIntegralDensity(fitted_score(law, ridge=(1e-5,)), T_EVAL, (-10.0, 10.0))
    estimate = kl_divergence(law, density)
    x = np.linspace(-10, 10, 200_001)
    p, log_p = law.density(x), law.log_density(x)
    expected = np.trapezoid(p * (log_p - density.log_density(x)[0]), x)
    assert abs(estimate.value[0] - expected) < 1e-7
    wide = bimodal(15.0)
    far = ScoreIntegralDensity(fitted_score(wide, ridge=(1e-5,)), T_EVAL, (-22.0, 22.0))
    assert kl_divergence(wide, far).error.max() < 1e-10


def test_kl_on_another_domain_and_where_it_is_infinite():
    law = bimodal(3.0)
    score = gaussian_score(0.0, 3.0, outer=5.0)
    on_line = ScoreIntegralDensity(score, T_EVAL, np.inf)
    assert float(kl_divergence(law, on_line)) == np.inf
    narrow = kl_divergence(law, on_line, domain=(-10.0, 10.0))
    same = kl_divergence(law, ScoreIntegralDensity(score, T_EVAL, (-10.0, 10.0)))
    assert float(narrow) == float(same) < 1.0


def test_negative_log_likelihood_is_minus_the_mean():
    density = ScoreIntegralDensity(
        fitted_score(bimodal(3.0), ridge=(1e-2, 1e-7)), T_EVAL, (-10.0, 10.0)
    )
    data = np.random.default_rng(1).normal(0.0, 3.0, 200)
    estimate = negative_log_likelihood(data, density)
    np.testing.assert_allclose(estimate.value, -density.log_density(data).mean(-1), atol=1e-11)
    outside = negative_log_likelihood(np.append(data, 10.5), density)
    assert np.isposinf(outside.value).all()


@pytest.mark.parametrize("seed", range(10))
def test_random_gaussian_pairs_are_within_their_errors(seed):
    """Ten pairs at a time: every kind, to its own error; 1e-12 is for the fine rule."""
    rng = np.random.default_rng(seed)
    m, n = rng.uniform(-3, 3, 2)
    s, stds = 10.0 ** rng.uniform(-0.7, 0.5), 10.0 ** rng.uniform(-0.7, 0.5, 10)
    law = GaussianMixture([1.0], [m], [s])
    scores = [gaussian_score(n, d) for d in stds]
    score = RandomFeatureScore(scores[0].features, np.stack([one.theta for one in scores]))
    learned = ScoreIntegralDensity(score, T_EVAL, np.inf)
    truths = [gaussian_divergences(m, s, n, d) for d in stds]
    for kind, divergence in DIVERGENCES.items():
        estimate = divergence(law, learned)
        expected = np.array([truth[kind] for truth in truths])
        assert (np.abs(estimate.value - expected) <= estimate.error + 1e-12).all(), kind
        limit = 1e-5 if kind == "wasserstein-2" else 1e-8
        assert (estimate.error <= limit * np.maximum(1.0, expected)).all(), kind


def fine_values(law, learned, domain, panels=300):
    """Reverse KL, Jensen–Shannon and Fisher by 30-point rules, the rest by sums on a fine grid."""
    mass = float(np.diff(law.cdf(np.array(domain)))[0])

    def integrand(name):
        def f(x):
            log_p, log_q = law.log_density(x) - np.log(mass), learned.log_density(x)[0]
            p, q, middle = np.exp(log_p), np.exp(log_q), np.logaddexp(log_p, log_q) - np.log(2.0)
            if name == "reverse-kl":
                return q * (log_q - log_p)
            if name == "jensen-shannon":
                return 0.5 * (p * (log_p - middle) + q * (log_q - middle))
            return p * (law.score(x) - learned.score(x, learned.t)[0]) ** 2

        return f

    values = {
        name: fine_integral(integrand(name), *domain, learned.breakpoints)
        for name in ("reverse-kl", "jensen-shannon", "fisher")
    }
    x = np.linspace(*domain, 2_000_001)
    step = x[1] - x[0]
    p, q = law.density(x) / mass, learned.density(x)[0]
    cumulative = [np.append(0.0, np.cumsum(0.5 * step * (f[1:] + f[:-1]))) for f in (p, q)]
    u = (np.arange(2_000_000) + 0.5) / 2_000_000
    inverse = [np.interp(u, f / f[-1], x) for f in cumulative]
    return values | {
        "total-variation": 0.5 * np.trapezoid(np.abs(p - q), dx=step),
        "wasserstein-1": np.trapezoid(np.abs(cumulative[0] - cumulative[1]), dx=step),
        "wasserstein-2": np.sqrt(np.mean((inverse[0] - inverse[1]) ** 2)),
    }


@pytest.mark.parametrize("ridge", [1e-2, 1e-7])
def test_fitted_scores_against_fine_quadrature(ridge):
    law, domain = bimodal(3.0, (0.3, 0.7)), (-10.0, 10.0)
    learned = ScoreIntegralDensity(fitted_score(law, ridge=(ridge,)), T_EVAL, domain)
    expected = fine_values(law, learned, domain)
    for kind, value in expected.items():
        estimate = DIVERGENCES[kind](law, learned)
        # What the grid of two million points errs by.
        slack = 1e-6 if kind.startswith("wasserstein") else 1e-9
        assert abs(estimate.value[0] - value) <= estimate.error[0] + slack, kind
        assert estimate.error[0] < (1e-6 if kind == "wasserstein-2" else 1e-9), kind


@pytest.mark.parametrize("seed", range(20))
def test_inequalities_hold_for_wild_scores(seed):
    """Pinsker, the bounds of TV and JS, W₁ ≤ W₂, TV² ≤ 1 − e^{−KL}: random θ and domains."""
    score, domain = random_score_and_domain(seed)
    middle, width = 0.5 * (domain[0] + domain[1]), domain[1] - domain[0]
    law = GaussianMixture([1.0], [middle], [width / 12.0])
    learned = ScoreIntegralDensity(score, T_EVAL, domain)
    found = {kind: DIVERGENCES[kind](law, learned) for kind in DIVERGENCES}
    value = {kind: float(estimate) for kind, estimate in found.items()}
    slack = {kind: float(estimate.error) for kind, estimate in found.items()}
    tv = value["total-variation"] - slack["total-variation"]
    assert 0.0 <= tv <= 1.0
    for kind in ("kl", "reverse-kl"):
        above = value[kind] + slack[kind]
        assert tv <= np.sqrt(0.5 * above)
        assert tv**2 <= -np.expm1(-above)
    js = value["jensen-shannon"]
    assert 0.5 * tv**2 <= js + slack["jensen-shannon"] and js <= np.log(2.0) + 1e-9
    assert js <= np.log(2.0) * (value["total-variation"] + slack["total-variation"])
    w1, w2 = (value[f"wasserstein-{k}"] for k in (1, 2))
    assert 0.0 <= w1 <= w2 + slack["wasserstein-1"] + slack["wasserstein-2"]
    assert w2 <= np.sqrt(width * w1) + slack["wasserstein-1"] + slack["wasserstein-2"]


@pytest.mark.parametrize(
    "kind", ["jensen-shannon", "total-variation", "wasserstein-1", "wasserstein-2"]
)
def test_symmetry(kind):
    """N(0, 1) against N(1, 2²), each known and each learned."""
    there = DIVERGENCES[kind](
        GaussianMixture([1.0], [0.0], [1.0]),
        ScoreIntegralDensity(gaussian_score(1.0, 2.0), T_EVAL, np.inf),
    )
    back = DIVERGENCES[kind](
        GaussianMixture([1.0], [1.0], [2.0]),
        ScoreIntegralDensity(gaussian_score(0.0, 1.0), T_EVAL, np.inf),
    )
    assert abs(float(there) - float(back)) <= float(there.error) + float(back.error)


def test_where_there_is_no_normalisation_the_limit_stands():
    """Mass escapes to infinity as the domain grows; the Fisher divergence does not mind."""
    law = bimodal(3.0)
    learned = ScoreIntegralDensity(gaussian_score(0.0, 3.0, outer=5.0), T_EVAL, np.inf)
    limits = {
        "kl": np.inf, "reverse-kl": np.inf, "jensen-shannon": np.log(2.0), "total-variation": 1.0,
        "wasserstein-1": np.inf, "wasserstein-2": np.inf,
    }  # fmt: skip
    for kind, limit in limits.items():
        assert float(DIVERGENCES[kind](law, learned)) == limit, kind
    bounded = ScoreIntegralDensity(learned.score, T_EVAL, (-30.0, 200.0))
    assert float(total_variation(law, bounded)) > 1.0 - 1e-6
    assert float(jensen_shannon_divergence(law, bounded)) > np.log(2.0) - 1e-6
    flat = ScoreIntegralDensity(gaussian_score(0.0, 3.0), T_EVAL, np.inf)
    assert abs(float(fisher_divergence(law, learned)) - float(fisher_divergence(law, flat))) < 1e-12


def test_reverse_kl_is_infinite_where_the_law_has_no_mass():
    law = raised_cosine(0.0, 3.0)
    score = fitted_score(law, ridge=(1e-4,))
    assert np.isposinf(
        reverse_kl_divergence(law, ScoreIntegralDensity(score, T_EVAL, (-4.0, 4.0))).value
    ).all()
    inside = reverse_kl_divergence(law, ScoreIntegralDensity(score, T_EVAL, (-3.0, 3.0)))
    assert 0.0 < inside.value[0] < np.inf and inside.error[0] < 1e-6
    run = rfdiff.train_exact(1e3, n=40, m=16, n_times=16)
    on_line = run.divergence("reverse-kl", method="reverse-sde")
    bounded = run.divergence("reverse-kl", method="reverse-sde", domain=(-10.0, 10.0))
    assert np.isfinite(float(on_line)) and float(bounded) == np.inf


@pytest.mark.parametrize("method", ["probability-flow", "reverse-sde"])
def test_another_domain_is_another_comparison_of_the_same_law(method):
    run = rfdiff.train_exact(1e3, n=40, m=16, n_times=16)
    learned = run.learned_density(method=method, domain=np.inf)
    moved, narrow = kl_divergence(run.target, learned, domain=(-9.0, 9.0)), learned.on((-9.0, 9.0))
    direct = run.kl(method=method, domain=(-9.0, 9.0))
    assert abs(float(moved) - float(direct)) <= moved.error + direct.error
    assert narrow.domain == (-9.0, 9.0) and narrow.on(learned.domain).domain == learned.domain
    assert float(narrow.mass) < float(learned.mass)
    x = np.linspace(-8.0, 8.0, 9)
    assert np.array_equal(narrow.log_density(x), learned.log_density(x))
    with pytest.raises(ArgumentError, match="domain must hold at least"):
        learned.on((300.0, 301.0))


@pytest.mark.parametrize("method", METHODS)
def test_all_divergences_of_a_run_compare_on_the_support(method):
    """The line for laws on the line: KL and reverse KL are of the same two laws there."""
    run = rfdiff.train_exact(1e3, n=40, m=16, n_times=16)
    learned = run.learned_density(method=method)
    for kind in ("kl", "reverse-kl"):
        whole = DIVERGENCES[kind](run.target, learned, domain=learned.support)
        assert float(run.divergence(kind, method=method)) == float(whole)
    assert learned.support == (learned.domain if method == "score-integral" else (-np.inf, np.inf))


def test_shapes_and_mistakes():
    score = fitted_score(bimodal(3.0), ridge=(1e-2, 1e-3, 1e-4, 1e-5))
    grid = RandomFeatureScore(score.features, score.theta.reshape(2, 2, *score.theta.shape[1:]))
    for kind, divergence in DIVERGENCES.items():
        whole = divergence(bimodal(3.0), ScoreIntegralDensity(grid, T_EVAL, (-10.0, 10.0)))
        assert whole.shape == (2, 2)
        one = RandomFeatureScore(score.features, score.theta[2])
        alone = divergence(bimodal(3.0), ScoreIntegralDensity(one, T_EVAL, (-10.0, 10.0)))
        assert alone.shape == ()
        gap = abs(float(alone) - whole.value[1, 0])
        assert gap <= float(alone.error) + whole.error[1, 0], kind
    learned = ScoreIntegralDensity(score, T_EVAL, (-10.0, 10.0))
    with pytest.raises(ArgumentError, match="order must be 1 or 2, got 3"):
        wasserstein_distance(bimodal(3.0), learned, order=3)
    with pytest.raises(ArgumentError, match="needs a mixture"):
        fisher_divergence(raised_cosine(), learned)
    with pytest.raises(ArgumentError, match="domain must hold at least"):
        total_variation(bimodal(3.0), learned, domain=(0.0, 10.0))


@pytest.mark.parametrize("kind", DIVERGENCES)
def test_exact_score_and_prior_leave_nothing(kind):
    """All densities are p_t then: zero, to the error; W₂ only to its root."""
    law, sde = bimodal(3.0), VESDE()
    start, end = law.diffuse(1.0, sde.prior_std), law.diffuse(1.0, float(sde.std(T_EVAL)))
    score = ExactScore(law, sde)
    kinds_of_flow = (ProbabilityFlowDensity,) * (kind != "fisher")
    for density in (ReverseSDEDensity, *kinds_of_flow):
        estimate = DIVERGENCES[kind](end, density(score, sde, T_EVAL, prior=start))
        assert abs(float(estimate)) <= float(estimate.error)
        assert float(estimate.error) < (2e-2 if kind == "wasserstein-2" else 2e-3)


@pytest.fixture(scope="module")
def coarse_and_fine():
    """The same hundred laws of the reverse SDE, solved roughly and well."""
    run = rfdiff.train_exact(np.logspace(0, 8, 100), n=50, m=24, n_times=24)
    return run.target, *(
        ReverseSDEDensity(run.learned_score(), run.sde, T_EVAL, tolerance=tolerance)
        for tolerance in (5e-3, 1e-4)
    )


@pytest.mark.parametrize("kind", DIVERGENCES)
def test_errors_are_honest(coarse_and_fine, kind):
    """At most 5 of 100 errors of a rough solve are beyond their estimate."""
    law, coarse, fine = coarse_and_fine
    rough, good = (DIVERGENCES[kind](law, learned) for learned in (coarse, fine))
    beyond = np.abs(rough.value - good.value) > rough.error
    assert beyond.sum() <= 5 and rough.error.max() > 2.0 * good.error.min()


def test_run_divergence():
    run = rfdiff.train_exact([1e2, 1e5], n=40, m=32, n_times=24)
    assert np.array_equal(run.divergence().value, run.kl().value)
    assert np.array_equal(
        run.divergence("kl", 1e3, method="reverse-sde", t=0.1, against="pt").value,
        run.kl(1e3, method="reverse-sde", t=0.1, against="pt").value,
    )
    wide = run.divergence("total-variation", domain=(-12.0, 12.0))
    assert wide.shape == (2,) and (wide.value > 0.0).all() and (wide.value < 1.0).all()
    with pytest.raises(ArgumentError, match="kind must be one of 'kl', 'reverse-kl'"):
        run.divergence("hellinger")
    with pytest.raises(ArgumentError, match=r'is \+∞ for nearly every .*method="score-integral"'):
        run.divergence("fisher", method="probability-flow")
    unknown = rfdiff.train_exact(1.0, data=[1.0, 2.0], m=4)
    with pytest.raises(ArgumentError, match="needs a known target"):
        unknown.divergence("fisher")
