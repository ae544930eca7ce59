"""Stochastic optimisers against closed forms, a plain reference, and the exact flow as η → 0.

Statistical tests have fixed seeds. Comparisons of mean paths use |z| < 5.5 over at most 100
correlated numbers: a false alarm in fewer than one of 10⁴ draws of the seed.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest

import rfdiff
from rfdiff.loss.noise_draws import noise_draw_quadratic
from rfdiff.support.errors import ArgumentError
from rfdiff.theory.optimiser_noise import gradient_scatter, sgd_covariance
from rfdiff.training.gradient_flow import GradientFlow
from rfdiff.training.optimisers import SGD, Adam, HeavyBall
from rfdiff.training.stability import mean_square_limit, stability_limit
from rfdiff.training.stochastic import train_stochastic

BATCH = 32


@pytest.fixture(scope="module")
def run():
    return rfdiff.train_exact(1.0, n=20, m=16)


def train(run, optimiser, n_steps=1000, *, size=BATCH, noise=None, **choices):
    """Train on independent batches of the run's own problem."""
    return train_stochastic(batches(run, size, noise), optimiser, n_steps, **choices)


def z_scores(run, paths, exact):
    """Deviations of the mean path from a path (k, 1, m), in standard errors of the eight stiffest
    modes: the others have hardly moved.
    """
    deviation = (paths.theta - exact)[:, 1:, 0] @ run.flow.eigenvectors[:, -8:]
    return deviation.mean(0) / (deviation.std(0, ddof=1) / np.sqrt(len(deviation)))


def batches(run, size=BATCH, noise=None):
    """Independent batches of the run's own problem."""
    return replace(run.problem.batches(size, shuffle=False), noise=noise)


class TestMeanPath:
    """Independent batches: the mean path is the deterministic method's, exactly."""

    def test_sgd_is_gradient_descent(self, run):
        marks = [0, 20, 100, 400]
        paths = train(run, SGD(0.004), 400, repetitions=300, record=marks)
        exact = run.flow.gradient_descent(0.004, np.array(marks))
        assert np.abs(z_scores(run, paths, exact)).max() < 5.5
        # The comparison can fail: a clock that is off by a third is told apart.
        wrong = run.flow.gradient_descent(0.003, np.array(marks))
        assert np.abs(z_scores(run, paths, wrong)).max() > 5.5

    def test_heavy_ball(self, run):
        marks = [0, 20, 100]
        paths = train(run, HeavyBall(0.01, 0.8), 100, repetitions=300, record=marks)
        exact = run.flow.heavy_ball(0.01, 0.8, np.array(marks))
        assert np.abs(z_scores(run, paths, exact)).max() < 5.5
        assert (
            np.abs(z_scores(run, paths, run.flow.gradient_descent(0.01, np.array(marks)))).max()
            > 5.5
        )

    def test_fixed_draws_follow_their_own_loss(self, run):
        """The Monte-Carlo loss of two fixed draws a datum, not the loss exact in the noise."""
        noise = np.random.default_rng(0).standard_normal((20, 2))
        loss = noise_draw_quadratic(run.data, noise, run.problem.objective, run.features)
        marks = [0, 50, 400]
        paths = train(run, SGD(0.004), 400, noise=noise, repetitions=300, record=marks)
        exact = GradientFlow(loss).gradient_descent(0.004, np.array(marks))
        assert np.abs(z_scores(run, paths, exact)).max() < 5.5
        fresh = run.flow.gradient_descent(0.004, np.array(marks))
        assert np.abs(z_scores(run, paths, fresh)).max() > 5.5

    def test_small_rates_contain_the_flow(self, run):
        """At lr → 0 the exact flow is within the mean path's interval."""
        paths = train(run, SGD(1e-3), 2000, repetitions=100, record=[0, 2000])
        exact = run.flow.theta(paths.tau)
        assert paths.tau[-1] == pytest.approx(2.0, rel=1e-12)
        assert np.abs(z_scores(run, paths, exact)).max() < 5.5


class TestConvergence:
    def test_bias_is_first_order(self, run):
        """The mean path is gradient descent: its distance to the flow, in closed form."""
        rates = np.array([0.0005, 0.001, 0.002, 0.004])
        exact = run.flow.theta(2.0)
        bias = [
            np.linalg.norm(run.flow.gradient_descent(rate, round(2.0 / rate)) - exact)
            for rate in rates
        ]
        assert abs(np.polyfit(np.log(rates), np.log(bias), 1)[0] - 1.0) < 0.1

    def test_decreasing_rates_keep_the_clock(self, run):
        def decreasing(k):
            return 0.03 / np.sqrt(1.0 + 0.1 * k)

        paths = train(run, SGD(decreasing), 200, record=[0, 7, 200])
        total = [0.0, decreasing(np.arange(7.0)).sum(), decreasing(np.arange(200.0)).sum()]
        assert np.allclose(paths.tau, total, rtol=1e-12)


class TestScatter:
    def test_covariance_against_simulation(self, run):
        """Variances of the stiffest modes after 400 steps of 600 paths: 6 % standard error."""
        rate, steps = 0.002, 400
        paths = train(run, SGD(rate), steps, repetitions=600, record=[steps])
        scatter = gradient_scatter(run.flow.gradient_descent(rate, steps), batches(run), 1 << 16)
        predicted = np.diag(sgd_covariance(run.flow, scatter, rate, BATCH, steps))
        measured = (paths.theta[:, 0, 0] @ run.flow.eigenvectors).var(axis=0, ddof=1)
        ratio = measured[-4:] / predicted[-4:]
        assert (np.abs(ratio - 1.0) < 0.3).all()
        # A batch of twice the size would be told apart.
        assert (np.abs(2.0 * ratio - 1.0) > 0.3).all()

    def test_stationary_limit_of_stiff_modes(self, run):
        scatter = gradient_scatter(run.theta(), batches(run), 1 << 12)
        late = np.diag(sgd_covariance(run.flow, scatter, 0.01, BATCH, 10**7))
        ever = np.diag(sgd_covariance(run.flow, scatter, 0.01, BATCH))
        assert np.allclose(late[-3:], ever[-3:], rtol=1e-6)
        lam, s = run.flow.eigenvalues[-1], run.flow.eigenvectors[:, -1]
        plain = 0.01 * (s @ scatter @ s) / BATCH / (lam * (1.0 - 0.01 * lam))
        assert ever[-1] == pytest.approx(plain, rel=1e-9)

    def test_unstable_rates_are_refused(self, run):
        limit = 1.0 / run.flow.eigenvalues[-1]
        with pytest.raises(ArgumentError, match=r"below 1/λ_max = .*, where the mean path"):
            sgd_covariance(run.flow, np.eye(16), 1.01 * limit, BATCH)


class TestStability:
    """The limit of stability in mean square, by formula, by every batch there is, and by SGD."""

    @pytest.mark.parametrize("batch", [1, 2])
    def test_against_the_second_moment_over_every_batch(self, batch):
        """Σ ↦ E[(I − 2ηH) Σ (I − 2ηH)] as a 16 × 16 matrix, its mean over all batches of five."""
        a = np.random.default_rng(0).standard_normal((5, 4)) * [3.0, 1.0, 0.3, 0.1]
        limit = mean_square_limit(a, batch)

        def growth(rate):
            steps = [
                np.eye(4) - 2.0 * rate / batch * sum(np.outer(row, row) for row in rows)
                for rows in itertools.product(a, repeat=batch)
            ]
            moment = sum(np.kron(step, step) for step in steps) / len(steps)
            return np.abs(np.linalg.eigvals(moment)).max()

        assert growth(0.999 * limit) < 1.0 < growth(1.001 * limit)

    def test_whole_batches_end_where_the_mean_path_does(self):
        a = np.random.default_rng(1).standard_normal((50, 4))
        largest = np.linalg.eigvalsh(a.T @ a / 50)[-1]
        assert mean_square_limit(a, 10**9) == pytest.approx(1.0 / largest, rel=1e-6)

    def test_few_stiff_modes_settle_it(self):
        run = rfdiff.train_exact(1.0, n=50, m=64)
        h, weight, _ = batches(run).samples(2048)
        a = np.sqrt(weight)[:, None] * h
        assert mean_square_limit(a, 32) == pytest.approx(mean_square_limit(a, 32, 24), rel=1e-3)

    def test_error_covers_eight_times_the_samples(self, run):
        few, many = (stability_limit(batches(run), k) for k in (1 << 11, 1 << 14))
        assert abs(float(few) - float(many)) < 2.0 * (float(few.error) + float(many.error))
        assert float(few.error) < 0.3 * float(few)

    def test_scatter_explodes_beyond_it_though_the_mean_path_is_stable(self, run):
        """Batches of 8: the limit is a sixth of 1/λ_max. Rare paths go first, not the median."""
        limit = float(stability_limit(batches(run, 8)))
        assert 2.5 * limit < 0.5 / run.flow.eigenvalues[-1]
        spread = []
        for share in (0.8, 2.5):
            paths = train(
                run, SGD(share * limit), 800, size=8, repetitions=100, record=[100, 200, 400, 800]
            )
            squares = ((paths.theta[:, :, 0] @ run.flow.eigenvectors[:, -3:]) ** 2).sum(-1)
            spread.append(squares.max() / np.median(squares))
        assert spread[0] < 10.0 and spread[1] > 1e4

    def test_divergence_names_it(self, run):
        limit = float(stability_limit(batches(run, 8)))
        with pytest.raises(ArgumentError, match="in batches of 8 is stable in mean square below"):
            train(run, SGD(8.0 * limit), 10_000, size=8)


class TestAdam:
    def test_against_a_plain_reference(self, run):
        x, e, gain, weight, target = batches(run, 3).stream(5, 0).draw(12)
        w, u = run.features.W, run.features.U
        theta, first, second = np.zeros(16), np.zeros(16), np.zeros(16)
        for k in range(12):
            h = np.maximum(x[k] @ w.T + e[k] @ u.T, 0.0) * gain[k][:, None]
            residual = h @ theta - target[k, :, 0]
            gradient = 2.0 * (weight[k] * residual) @ h / 3
            first = 0.8 * first + 0.2 * gradient
            second = 0.95 * second + 0.05 * gradient**2
            mean, scale = first / (1 - 0.8 ** (k + 1)), second / (1 - 0.95 ** (k + 1))
            theta = theta - 0.01 * mean / (np.sqrt(scale) + 1e-6)
        paths = train(run, Adam(0.01, (0.8, 0.95), 1e-6), 12, size=3, seed=5)
        assert np.allclose(paths.theta[0, -1, 0], theta, rtol=1e-10, atol=1e-14)


class TestPaths:
    def test_paths_do_not_depend_on_their_number(self, run):
        few, many = (train(run, SGD(), 50, repetitions=k, seed=3) for k in (2, 5))
        assert np.array_equal(few.theta, many.theta[:2])
        assert not np.array_equal(many.theta[0], many.theta[1])

    def test_epochs_visit_every_point_once(self, run):
        stream = run.problem.batches(5).stream(0)
        for _ in range(3):
            assert sorted(stream.indices(20)) == list(range(20))

    def test_standard_error_needs_two(self, run):
        with pytest.raises(ArgumentError, match="at least 2 repetitions"):
            _ = train(run, SGD(), 5).standard_error

    @pytest.mark.parametrize(
        ("choices", "message"),
        [
            (
                {"optimiser": "rmsprop"},
                "optimiser must be an SGD, HeavyBall or Adam",
            ),
            ({"optimiser": SGD(lambda k: -k)}, "must be positive with one value a step"),
            ({"n_steps": 0}, "n_steps must be at least 1"),
            ({"size": 0}, "size must be at least 1"),
            ({"record": [5, 3]}, "record must increase"),
            ({"record": [0, 10**9]}, "record must increase"),
            ({"record": [0.5]}, "record must be a list of step counts"),
            ({"noise": np.ones((3, 2))}, "noise must have one row of draws a datum"),
            ({"theta0": np.ones(3)}, "theta0 must have shape"),
            ({"optimiser": SGD(1e6), "n_steps": 2000}, "diverged within"),
        ],
    )
    def test_bad_input(self, run, choices, message):
        with pytest.raises(ArgumentError, match=message):
            train(run, **({"optimiser": SGD()} | choices))

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: SGD(0.0), "learning_rate must be positive"),
            (lambda: HeavyBall(momentum=1.0), r"momentum must be in \[0, 1\)"),
            (lambda: Adam(betas=(0.9, 1.0)), r"betas must be in \[0, 1\)"),
            (lambda: Adam(epsilon=0.0), "epsilon must be positive"),
        ],
    )
    def test_constants_out_of_range(self, make, message):
        with pytest.raises(ArgumentError, match=message):
            make()

    def test_the_population_has_no_batches(self):
        population = rfdiff.train_exact(1.0, m=8, population=True)
        with pytest.raises(ArgumentError, match="batches need training data"):
            population.problem.batches(8)
