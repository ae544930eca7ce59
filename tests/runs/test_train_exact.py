"""`train_exact` end to end: against independent integration, and the laws of its front door."""

import numpy as np
import pytest

import rfdiff
from reference.matrix_exponential import theta_by_matrix_exponential
from reference.quadrature import gram_and_cross
from rfdiff.densities.learned_density import METHODS
from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.diffusion.time_rules import graded_time_rule
from rfdiff.loss.quadratic import QuadraticLoss

TAU = np.logspace(0, 10, 41)


@pytest.fixture(scope="module")
def explicit():
    """Return explicit data and features, and (G, C) assembled by adaptive quadrature."""
    rng = np.random.default_rng(11)
    sde = rfdiff.VESDE()
    data = np.array([-2.5, -1.0, 0.4, 3.0])
    features = rfdiff.RandomFeatures(
        rng.standard_normal((6, 1)), rng.standard_normal((6, 2)), rfdiff.LogSigmaEmbedding(sde)
    )
    rule = graded_time_rule(1e-3, 1.0, 12)
    law = GaussianMixture.from_points(data)
    gram, cross = np.zeros((6, 6)), np.zeros((1, 6))
    for t, weight in zip(rule.nodes, rule.weights, strict=True):
        part = gram_and_cross(law, sde, features, t)
        lam = weight * sde.std(t) ** 2
        gram += lam * part[0]
        cross += lam * part[1]
    return data, features, QuadraticLoss(0.5 * (gram + gram.T), cross, 1.0)


@pytest.mark.parametrize("tau", [1.0, 1e2, 1e4, 1e6])
def test_agrees_with_dense_integration_in_60_digits(explicit, tau):
    data, features, quadratic = explicit
    run = rfdiff.train_exact(tau, data=data, features=features, n_times=12)
    expected = theta_by_matrix_exponential(quadratic, np.zeros((1, 6)), tau)
    assert np.abs(run.theta() - expected).max() < 1e-8 * max(1.0, np.abs(expected).max())


def test_tau_infinity_is_least_squares_on_the_range(explicit):
    data, features, quadratic = explicit
    run = rfdiff.train_exact(np.inf, data=data, features=features, n_times=12)
    solution = np.linalg.lstsq(quadratic.gram, quadratic.cross.T, rcond=None)[0].T
    residual = run.theta() @ quadratic.gram - quadratic.cross
    assert np.abs(residual).max() < 1e-12 * np.abs(quadratic.cross).max() + 1e-15
    np.testing.assert_allclose(run.theta(), solution, rtol=1e-4)


def test_time_axes_lead_and_a_scalar_gives_scalars():
    run = rfdiff.train_exact(1e4, n=20, m=16, n_times=16)
    assert run.theta().shape == (1, 16)
    assert run.loss().shape == run.kl().shape == ()
    assert isinstance(float(run.kl()), float)
    tau = TAU[:6].reshape(2, 3)
    assert run.theta(tau).shape == (2, 3, 1, 16)
    assert run.kl(tau).shape == run.loss("population", tau).shape == (2, 3)
    assert run.density(np.zeros((4, 2)), tau).shape == (2, 3, 4, 2)
    np.testing.assert_allclose(run.kl(tau).value[1, 2], float(run.kl(tau[1, 2])), rtol=1e-12)


def test_data_and_features_are_nested():
    small = rfdiff.train_exact(1.0, n=30, m=20, n_times=4, noise_samples=1)
    large = rfdiff.train_exact(1.0, n=90, m=50, n_times=4, noise_samples=3)
    assert (large.data[:30] == small.data).all()
    assert (large.features.W[:20] == small.features.W).all()
    assert (large.features.U[:20] == small.features.U).all()
    assert (large.problem.noise[:30, :1] == small.problem.noise).all()


def test_the_seed_is_all_that_matters():
    first, again, other = (rfdiff.train_exact(TAU, n=50, m=32, seed=s) for s in (1, 1, 2))
    assert first.theta().tobytes() == again.theta().tobytes()
    assert first.kl().value.tobytes() == again.kl().value.tobytes()
    assert (first.data != other.data).all()


def test_resuming_from_theta0_equals_one_run():
    arguments = dict(n=40, m=24, n_times=32)
    once = rfdiff.train_exact(3e4, **arguments)
    half = rfdiff.train_exact(1e4, **arguments)
    resumed = rfdiff.train_exact(2e4, theta0=half.theta(), **arguments)
    np.testing.assert_allclose(resumed.theta(), once.theta(), rtol=1e-8)


def test_population_training_needs_no_data_and_has_no_gap():
    run = rfdiff.train_exact(TAU, population=True, m=512)
    assert run.data is None
    np.testing.assert_allclose(run.loss("train"), run.loss("population"), rtol=1e-9)
    assert run.kl().value.min() < 0.05 < run.kl().value[0]


def test_early_stopping_is_interior_and_the_curve_rises_after_it():
    run = rfdiff.train_exact(TAU, n=30, m=256)
    best = run.early_stopping()
    assert best.at == "interior"
    assert float(best.value) <= run.kl().value.min()
    assert float(run.kl(1e10)) > 1.3 * float(best.value)
    around = run.kl(best.tau * np.exp([-1e-2, 0.0, 1e-2])).value
    assert around[1] == around.min()
    assert run.early_stopping("population").quantity == "population loss"


def test_noise_draws_train_towards_the_exact_expectation():
    exact = rfdiff.train_exact(1e4, n=200, m=32, n_times=32)
    gaps = [
        np.linalg.norm(
            rfdiff.train_exact(1e4, n=200, m=32, n_times=32, noise_samples=k).theta()
            - exact.theta()
        )
        for k in (1, 100)
    ]
    # A hundredfold of draws is a tenfold smaller error; a factor 3 allows for luck.
    assert gaps[1] < gaps[0] / 3.0


def test_certified_error_covers_the_time_rule():
    run = rfdiff.train_exact(np.array([1e4, 1e6]), n=30, m=64, n_times=32)
    certified = run.kl(certify=True)
    reference = rfdiff.train_exact(run.tau, n=30, m=64, n_times=512).kl()
    assert (np.abs(certified.value - reference.value) <= certified.error).all()
    assert (certified.error > run.kl().error).all()
    assert certified.error_covers == "quadrature, rounding and time rule"


def test_certified_errors_hold_where_one_change_is_not_enough():
    """The change of one doubling was smaller than the error of the coarser rule, at all three τ."""
    settings = {"tau": [1e4, 1e6, 1e8], "n": 1, "m": 64}
    certified = rfdiff.train_exact(**settings).kl(certify=True)
    reference = rfdiff.train_exact(**settings, n_times=2000).kl()
    assert (np.abs(certified.value - reference.value) <= certified.error).all()
    # The value is the finest rule's: closer to the truth than the run's own.
    own = rfdiff.train_exact(**settings).kl()
    gain = np.abs(own.value - reference.value) / np.abs(certified.value - reference.value)
    assert (gain > 3.0).all()


def test_standardised_data_report_in_their_own_units():
    x = 70.0 + 12.0 * rfdiff.bimodal(1.5, std=0.5).sample(120, np.random.default_rng(0))[:, 0]
    run = rfdiff.train_exact(np.array([1e4, 1e6]), data=x, held_out=0.25, m=64)
    low, high = run.default_domain()
    grid = np.linspace(low, high, 4001)
    mass = np.trapezoid(run.density(grid), grid, axis=-1)
    np.testing.assert_allclose(mass, 1.0, atol=1e-3)
    held_out = run.problem.held_out[:, 0]
    assert len(held_out) == 30
    assert set(held_out) | set(run.data[:, 0]) == set(x)
    direct = -run.log_density(held_out).mean(axis=-1)
    np.testing.assert_allclose(run.nll().value, direct, rtol=1e-10)
    # Affine data give the affine image of the same run.
    scaled = rfdiff.train_exact(run.tau, data=x / 1000.0, held_out=0.25, m=64)
    np.testing.assert_allclose(scaled.nll().value, run.nll().value - np.log(1000.0), rtol=1e-7)
    step = 1e-4
    slope = (run.log_density(60.0 + step, 1e6) - run.log_density(60.0 - step, 1e6)) / (2 * step)
    assert slope == pytest.approx(float(run.score(60.0, run.default_time, 1e6)), rel=1e-5)


def test_units_are_the_datas_with_explicit_features_or_a_known_target(explicit):
    data, features, _ = explicit
    assert rfdiff.train_exact(1.0, data=data, features=features).problem.units.scale == 1.0
    known = rfdiff.train_exact(1.0, data=data, target=rfdiff.bimodal(), m=8)
    assert known.problem.units.scale == 1.0
    assert rfdiff.train_exact(1.0, data=data, m=8).problem.units.scale != 1.0
    assert rfdiff.train_exact(1.0, data=data, m=8, standardise=False).problem.units.scale == 1.0


def test_compact_target_is_compared_on_its_support():
    run = rfdiff.train_exact(TAU, target=rfdiff.raised_cosine(0.0, 3.0), n=300, m=128)
    assert run.default_domain() == (-3.0, 3.0)
    assert float(run.early_stopping().value) < 0.05


def test_kl_on_the_line_reports_what_cannot_be_normalised():
    run = rfdiff.train_exact(np.array([0.0, 1e6]), n=100, m=64)
    line = run.kl(domain=np.inf)
    assert np.isinf(line.value[0])  # the zero score is flat: no density on the line


def test_kl_against_the_marginal_is_smaller_than_against_p0():
    # The learned score targets p_t: with plenty of data it must be nearer to it.
    run = rfdiff.train_exact(1e8, population=True, m=256)
    assert float(run.kl(against="pt", t=0.2)) < float(run.kl(against="p0", t=0.2))


@pytest.mark.parametrize("activation", ["swish", "tanh"])
def test_smooth_activations_train_too(activation):
    run = rfdiff.train_exact(TAU, n=50, m=24, n_times=24, activation=activation)
    assert float(run.early_stopping().value) < float(run.kl(0.0))


def test_repr_is_short():
    assert repr(rfdiff.train_exact(n=10, m=8, n_times=4)) == (
        "<TrainedFlow 2-component mixture, n=10, m=8, 201 times, τ = 1 … 1e+10>"
    )


def test_n_m_and_seed():
    run = rfdiff.train_exact(1.0, n=10, m=8, n_times=4, seed=3)
    assert (run.n, run.m, run.seed) == (10, 8, 3)
    assert rfdiff.train_exact(1.0, population=True, m=8, n_times=4).n is None


@pytest.mark.parametrize(
    ("of", "choices", "message"),
    [
        ("train", {"t": 0.1}, "t is no choice for the early stopping of 'train'"),
        ("kl", {"on": "train"}, "on is no choice for the early stopping of 'kl'"),
        ("nll", {"against": "pt"}, "against is no choice for the early stopping of 'nll'"),
        ("loss", {}, "of must be one of 'kl', 'nll', 'train', 'population', 'test', got 'loss'"),
    ],
)
def test_early_stopping_refuses_choices_of_other_curves(of, choices, message):
    run = rfdiff.train_exact(1.0, n=10, m=8, n_times=4)
    with pytest.raises(rfdiff.ArgumentError, match=message):
        run.early_stopping(of, **choices)


class TestStandardisedDataInTheirOwnUnits:
    @pytest.fixture(scope="class")
    @staticmethod
    def run():
        data = 70.0 + 12.0 * rfdiff.bimodal(1.5).sample(60, np.random.default_rng(0))
        return rfdiff.train_exact(1e4, data=data, m=16, n_times=16)

    @pytest.mark.parametrize("method", METHODS)
    def test_the_learned_density_is_a_law_of_the_data(self, run, method):
        # Early in training: later the probability flow's density has spikes.
        learned = run.learned_density(10.0, method=method)
        assert learned.domain == run.default_domain()
        x, dx = np.linspace(*learned.domain, 20001, retstep=True)
        density = learned.density(x)
        assert density.sum() * dx == pytest.approx(float(learned.mass), abs=1e-3)
        np.testing.assert_allclose(run.density(x, 10.0, method=method), density, rtol=1e-13)
        log_density = run.log_density(x, 10.0, method=method)
        np.testing.assert_allclose(np.exp(log_density), density, rtol=1e-12)
        cdf = learned.cdf(x)
        below = np.cumsum(0.5 * (density[1:] + density[:-1])) * dx
        np.testing.assert_allclose(cdf[1:] - cdf[0], below, atol=1e-4)
        points = run.data[:, 0]
        nll = run.nll(10.0, on="train", method=method)
        assert float(nll) == pytest.approx(-learned.log_density(points).mean(), rel=1e-12)
        # The outermost points are the ends of the domain, and inside it.
        within = run.nll(10.0, on="train", method=method, domain=(points.min(), points.max()))
        assert np.isfinite(within.value)

    def test_samples_follow_the_density(self, run):
        x = np.sort(run.sample(4000, n_steps=200))
        cdf = run.learned_density(method="reverse-sde", domain=np.inf).cdf(x)
        steps = np.arange(4001) / 4000
        distance = max((steps[1:] - cdf).max(), (cdf - steps[:-1]).max())
        # Fixed seed; 1.95/√n is exceeded with probability 1e-3. In units of training it is 1.
        assert distance < 1.95 / np.sqrt(4000)

    def test_a_prior_is_a_law_in_the_datas_units(self, run):
        # The process's own prior, written in the data's units.
        units = run.problem.units
        std = float(units.length_to_own(run.sde.prior_std))
        prior = rfdiff.GaussianMixture([1.0], [units.shift], std)
        given = run.sample(20, n_steps=20, prior=prior)
        np.testing.assert_allclose(given, run.sample(20, n_steps=20), rtol=1e-12)

    def test_paths_end_in_the_samples(self, run):
        paths = run.sample(20, n_steps=20, trajectories=True)
        assert paths.shape == (21, 20)
        assert np.array_equal(paths[-1], run.sample(20, n_steps=20))
        # They start from the prior, around the data's mean.
        assert abs(paths[0].mean() - run.data.mean()) < run.problem.units.scale * run.sde.prior_std

    def test_the_learned_score_is_the_slope_of_the_log_density(self, run):
        x, t = np.linspace(40.0, 100.0, 7), run.default_time
        step = 1e-4
        slope = (run.log_density(x + step) - run.log_density(x - step)) / (2.0 * step)
        np.testing.assert_allclose(run.learned_score()(x, t), slope, rtol=1e-5, atol=1e-8)
        np.testing.assert_array_equal(run.score(x, t), run.learned_score()(x, t))
