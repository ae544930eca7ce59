"""The figures' numbers on small sizes: minima, the paper's KL, each experiment's claims."""

from dataclasses import replace

import numpy as np
import pytest

import rfdiff
from rfdiff.experiments import bounds, early_stopping, modes_shift
from rfdiff.experiments.curves import Band, BoundOf, LongTable, grid_kl
from rfdiff.experiments.minima import Minima
from rfdiff.experiments.scans import distance_verdict, scan_distance
from rfdiff.model.score import ExactScore
from rfdiff.support.estimate import Estimate
from rfdiff.theory.rates import RateFunction
from rfdiff.training.early_stopping import early_stopping as early_stop


def quiet(_text):
    """Report nothing."""


@pytest.fixture(scope="module")
def stopping():
    settings = early_stopping.Settings(
        n=(10, 50, 250), m=48, seeds=4, n_tau=61, epochs=60, records=21, noise_records=2
    )
    return early_stopping.compute(settings, quiet)


@pytest.fixture(scope="module")
def shift():
    settings = modes_shift.Settings(
        mu=(3, 6, 15), n=300, m=96, seeds=4, n_tau=61, points=801, early=1e1
    )
    return modes_shift.compute(settings, quiet)


@pytest.fixture(scope="module")
def bound():
    settings = bounds.Settings(
        sizes=(16, 32, 64), widths=(16, 32, 64), mu=(3, 6, 12), n=100, m=32, seeds=2, n_tau=31,
        n_times=16, reverse_times=3, wide=64,
    )  # fmt: skip
    return bounds.compute(settings, quiet)


class TestMinima:
    def test_between_grid_points_as_the_run_finds_them(self):
        run = rfdiff.train_exact(np.logspace(0, 10, 201), n=100, m=64, precondition=True)
        exact, best = run.early_stopping(), Minima.of(run.tau, run.kl())
        assert best.interior and exact.at == "interior"
        assert np.isclose(float(best.tau), exact.tau, rtol=0.02)
        assert np.isclose(float(best.value), float(exact.value), rtol=1e-3)

    def test_ends_are_not_interior(self):
        tau = np.logspace(0, 3, 13)
        best = Minima.of(tau, Estimate(np.stack([tau, 1.0 / tau, (tau - 30.0) ** 2 + 1.0])))
        assert best.interior.tolist() == [False, False, True]
        assert best.tau[:2] == pytest.approx([tau[0], tau[-1]])
        assert best.value[:2] == pytest.approx([1.0, 1e-3])

    def test_a_flat_curve_stays_on_the_grid(self):
        tau = np.logspace(0, 3, 7)
        best = Minima.of(tau, Estimate(np.full((2, 7), 0.3)))
        assert best.value == pytest.approx([0.3, 0.3]) and np.isfinite(best.tau).all()
        assert np.allclose(best.low, 1.0) and np.allclose(best.high, 1e3)

    @pytest.mark.parametrize("error", [1e-8, 1e-4, 0.03, 0.3])
    def test_intervals_of_parabolas(self, error):
        """(ln τ/τ₀)² stays within the errors of curve and minimum up to √(2 error)."""
        tau, centres = np.logspace(0, 4, 81), np.array([45.0, 50.0, 51.0])
        height = np.log(tau / centres[:, None]) ** 2
        best = Minima.of(tau, Estimate(1.0 + height, error))
        reach = np.sqrt(2.0 * error)
        # The parabola is that of log curve: its vertex is off by what the curve is not a parabola.
        assert np.allclose(np.log(best.low / centres), -reach, rtol=0.02, atol=3e-4)
        assert np.allclose(np.log(best.high / centres), reach, rtol=0.02, atol=3e-4)

    def test_intervals_as_the_run_finds_them(self):
        run = rfdiff.train_exact(np.logspace(0, 10, 201), n=100, m=64)
        for error in (1e-6, 1e-3):
            kl = run.kl()
            best = Minima.of(run.tau, Estimate(kl.value, error))
            exact = early_stop(lambda tau, error=error: Estimate(run.kl(tau).value, error), run.tau)
            found = np.log([float(best.low), float(best.high)])
            width = np.log(exact.high / exact.low)
            assert np.allclose(found, np.log([exact.low, exact.high]), atol=0.1 * width + 0.01)

    def test_fits_know_how_far_minima_are_open(self):
        x, tau = np.array([1.0, 10.0, 100.0]), np.logspace(0, 8, 161)
        centres = (50.0 * x[:, None]) * np.exp([0.1, -0.1])
        height = np.log(tau / centres[..., None]) ** 2
        sharp, flat = (Minima.of(tau, Estimate(1.0 + height, at)) for at in (1e-12, 0.5))
        narrow, wide = (found.fit_times(x).interval for found in (sharp, flat))
        assert wide[0] < narrow[0] - 0.2 and wide[1] > narrow[1] + 0.2


class TestGridKL:
    """The paper's 51-point quadrature against certified values."""

    x = np.linspace(-10.0, 10.0, 51)

    def test_near_the_exact_one(self):
        run = rfdiff.train_exact(np.logspace(1, 8, 8), n=300, m=64, precondition=True)
        exact = run.kl(t=0.065, domain=(-10, 10)).value
        coarse = grid_kl(run.target, run.score(self.x, 0.065), self.x)
        x = np.linspace(-10.0, 10.0, 4001)
        fine = grid_kl(run.target, run.score(x, 0.065), x)
        assert np.allclose(fine, exact, rtol=1e-3, atol=1e-6)
        assert np.allclose(coarse, exact, rtol=0.25, atol=0.01)
        assert np.abs(coarse - exact).max() > np.abs(fine - exact).max()

    def test_zero_for_the_law_itself(self):
        law = rfdiff.bimodal(3.0)
        score = ExactScore(law, rfdiff.VESDE())(self.x, 0.0)
        x = np.linspace(-10.0, 10.0, 2001)
        assert grid_kl(law, ExactScore(law, rfdiff.VESDE())(x, 0.0), x) < 1e-6
        assert grid_kl(law, score, self.x) < 0.01
        assert grid_kl(law, score + 1.0, self.x) > 0.5


def test_long_table_has_equal_columns():
    table = LongTable()
    table.add("a", "curve", [1.0, 2.0], [3.0, 4.0])
    table.add("a", "level", [1.0, 2.0, 3.0], 5.0)
    table.add_band("b", "band", [1.0], Band.of([[1.0], [2.0], [4.0]]))
    assert {len(column) for column in table.columns.values()} == {6}
    assert table.columns["low"][-1] == 1.5 and table.columns["high"][-1] == 3.0
    assert table.columns["low"][:5] == table.columns["y"][:5]


class TestEarlyStopping:
    def test_more_data_stop_later_at_a_lower_kl(self, stopping):
        assert stopping.kl.value.shape == (3, 4, 61)
        best = np.median(stopping.minima.value, axis=1)
        assert (np.diff(best) < 0).all()
        # The KL has two dips in τ, between which few seeds jump; the bound has one.
        later = np.median(stopping.bound_minima.tau, axis=1)
        assert (np.diff(later) > 0).all() and later[2] > 10.0 * later[0]
        assert stopping.minima.interior.mean() > 0.9

    def test_sgd_at_a_small_rate_is_the_flow(self, stopping):
        """Rate 0.5 on A is 0.5/48 on θ: far closer to the flow than 0.5 on θ."""
        sgd, off = stopping.sgd, []
        for tau, paths in (sgd.on_a, sgd.on_theta):
            late = tau > 0.3 * tau[-1]
            exact = np.interp(np.log(tau[late]), np.log(sgd.tau), np.log(sgd.exact))
            off.append(float(np.abs(np.log(paths[:, late]) - exact).mean()))
        assert off[0] < 0.2 < off[1]

    def test_noise_is_predicted_above_the_flow(self, stopping):
        sgd = stopping.sgd
        flow = np.exp(np.interp(np.log(sgd.noise_tau), np.log(sgd.tau), np.log(sgd.exact)))
        assert (sgd.noise > flow).all() and sgd.noise[-1] > 1.5 * flow[-1]


class TestModesShift:
    def test_best_kl_rises_with_the_distance(self, shift):
        assert (np.diff(np.median(shift.distance.kl.value, axis=1)) > 0).all()

    def test_far_modes_are_misweighed_late_and_near_ones_less(self, shift):
        assert np.median(shift.far.lesser[:, 2]) < 0.2
        assert np.median(shift.near.lesser[:, 2]) > np.median(shift.far.lesser[:, 2])

    def test_densities_are_densities(self, shift):
        for shown in (shift.near, shift.far):
            mass = np.trapezoid(shown.density, shown.x)
            assert np.allclose(mass, 1.0, atol=5e-3)
            assert (shown.lesser >= 0.0).all() and (shown.lesser <= 0.5).all()
            assert np.all(shown.kl[:, 1] <= shown.kl[:, 2] + 1e-6)


class TestBounds:
    def test_the_bound_is_respected(self, bound):
        assert bound.along.violations == 0
        worse = replace(bound.along, bound_there=Estimate(0.5 * bound.along.kl.value))
        assert worse.violations == len(bound.along.kl_tau)

    def test_terms_add_up_to_the_bound(self, bound):
        along = bound.along
        terms = along.terms
        total = terms.sample.value + terms.infinite.value + terms.width.value
        expected = along.bound.total.value - float(along.bound.prior.value)
        assert np.allclose(total, expected, rtol=1e-9)

    def test_scans_agree_with_the_run(self, bound):
        """The scans' coarser time rule, against `TrainedFlow.bound`."""
        run = rfdiff.train_exact(np.logspace(0, 10, 31), n=32, m=32, seed=1)
        best = Minima.of(run.tau, run.bound().total)
        scan = bound.together["modes at ±3"].bound
        assert np.isclose(float(best.value), scan.value[1, 1], rtol=2e-3)

    def test_both_fall_with_size_and_rise_with_distance(self, bound):
        for scan in (*bound.together.values(), *bound.widths.values()):
            middle = np.exp(np.log(scan.bound.value).mean(axis=1))
            assert (np.diff(middle) < 0).all()
        assert (np.diff(np.median(bound.distance.bound.value, axis=1)) > 0).all()

    def test_kl_against_distance_is_one_row_in_both_figures(self, bound):
        """The window starts where modes are apart: smaller μ do not move it."""
        settings = bound.settings
        wider = scan_distance(
            bound.distance.tau, (1, 2, *settings.mu), settings.n, settings.m, settings.seeds,
            settings.n_times,
        )  # fmt: skip
        row = distance_verdict("KL", wider).row()
        assert row == distance_verdict("KL", bound.distance).row()
        assert row["from"] >= 3.0

    def test_rate_functions_are_fitted(self, bound):
        """A factor of the bound everywhere, with constants that are not negative."""
        for number, found in ((1, bound.together["compact"]), (2, bound.distance)):
            fit = found.theorem(number)
            assert 1.0 < np.exp(fit.log_misfit) < fit.worst_ratio < 1e3
            assert len(fit.rate.sample) == (1 if number == 1 else 3)
            assert fit.rate.optimisation > 0.0

    def test_errors_of_scans_are_those_of_rounding(self, bound):
        """Of the run's own, which has its time rule's besides, rounding is the lesser part."""
        run = rfdiff.train_exact(bound.distance.tau, target=rfdiff.bimodal(6.0), n=100, m=32)
        found = BoundOf.build(run.target, run.sde, bound.settings.n_times)(run)
        known = run.bound(n_times=bound.settings.n_times).total
        assert np.allclose(found.value, known.value, rtol=1e-8)
        assert (found.error > 0).all() and (found.error < 1.01 * known.error).all()

    def test_predictions_are_computed_where_it_is_measured(self, bound):
        """On the scan's own τ, three points a decade: parabolas through three points of it."""
        against_m = next(v for v in bound.verdicts() if "least KL against m" in v.quantity)
        rate, u = RateFunction([1.0], [1.0], 1.0, 0.0, 0.0), np.log(bound.widths["compact"].tau)
        least = []
        for m in (16.0, 32.0, 64.0):
            y = np.log(rate(np.exp(u), 100.0, m))
            near = np.argmin(y) + np.arange(-1, 2)
            at = np.polyfit(u[near], y[near], 2)
            least.append(at[2] - 0.25 * at[1] ** 2 / at[0])
        said = against_m.prediction
        assert said.x == (16.0, 32.0, 64.0) and said.summary == -0.8
        assert np.allclose(said.local, np.diff(least) / np.log(2.0), rtol=1e-9)

    def test_a_verdict_for_every_claim(self, bound):
        quantities = [verdict.quantity for verdict in bound.verdicts()]
        assert len(quantities) == len(set(quantities)) == 14


@pytest.mark.parametrize("name", ["stopping", "shift", "bound"])
def test_every_experiment_says_and_draws_what_it_found(name, request):
    experiment = request.getfixturevalue(name)
    columns = experiment.table()
    assert len({len(column) for column in columns.values()}) == 1
    assert all(np.isfinite(columns[key]).all() for key in ("x", "y", "low", "high"))
    text = experiment.summary()
    assert all(f"| {verdict.quantity} |" in text for verdict in experiment.verdicts())
    figure = experiment.draw()
    assert all(ax.get_xlabel() and (ax.get_ylabel() or ax.get_yticks().size) for ax in figure.axes)
    figure.canvas.draw()
