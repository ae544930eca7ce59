"""The figure of memorisation: losses, shares and times against runs of one's own."""

import numpy as np
import pytest

import rfdiff
from rfdiff.experiments.vectors import memorisation
from rfdiff.experiments.vectors.copies import Sampling, of_times

SAMPLING = Sampling(samples=60, n_steps=30, t=1e-3, ratio=0.2, n_tau=3)
SETTINGS = memorisation.Settings(
    plane_n=(3, 12), plane_m=64, digits_n=(20, 80), digits_m=24, seeds=2, n_tau=25, n_times=10,
    plane_sampling=SAMPLING, digits_sampling=SAMPLING,
)  # fmt: skip


@pytest.fixture(scope="module")
def experiment():
    return memorisation.compute(SETTINGS, lambda _text: None)


@pytest.fixture(scope="module")
def run(experiment):
    return rfdiff.train_exact(
        experiment.plane.tau, target=memorisation.ring(), n=3, m=64, seed=1,
        times=np.geomspace(1e-3, 1.0, 10), skip="gaussian", scaling="both", precondition=True,
    )  # fmt: skip


def test_losses_and_minima_are_the_runs_own(experiment, run):
    plane = experiment.plane
    assert np.array_equal(plane.test[0, 1], run.loss("population").value / 2)
    assert np.array_equal(plane.train[0, 1], run.loss("train").value / 2)
    best = run.early_stopping()
    # A parabola over half decades, where the run solves between the points of the grid.
    assert abs(np.log(plane.minima.tau[0, 1] / best.tau)) < np.log(plane.tau[1] / plane.tau[0])
    assert plane.minima.value[0, 1] == pytest.approx(float(best.value) / 2, rel=5e-3)


def test_copies_are_those_of_the_run(experiment, run):
    found = run.memorisation(
        experiment.plane.sampled, n_samples=60, n_steps=30, t=1e-3, ratio=0.2, n_boot=10
    )
    assert np.array_equal(experiment.plane.share[0, 1], found.share.value)
    assert experiment.plane.empirical[0, 1] == found.share_empirical.value
    # Chance is of other fresh points: 60 here, the same law.
    assert abs(experiment.plane.chance[0, 1] - found.share_fresh.value) < 0.25
    ours, its = experiment.plane.tau_mem[0, 1], found.tau_mem
    assert its.low <= ours <= its.high


def test_few_points_are_memorised_and_more_points_less(experiment):
    plane = experiment.plane
    assert (plane.share[0, :, 0] < 0.15).all() and (plane.share[0, :, -1] > 0.5).all()
    assert (plane.share[1, :, -1] < plane.share[0, :, -1]).all()
    assert (plane.later("τ_mem") == 2).all()


def test_on_digits_the_test_loss_turns_later_for_more_points(experiment):
    digits = experiment.digits
    assert digits.minima.interior.all() and (digits.later("τ_gen") == 2).all()
    assert (digits.test[0, :, -1] > 1.01 * digits.minima.value[0]).all()
    assert (digits.train < digits.test).all()


def test_times_that_may_never_come_have_quartiles():
    band = of_times(np.array([[1.0, 2.0, 3.0, np.inf], [np.inf] * 4]))
    assert band.low.tolist() == [1.0, np.inf] and band.middle.tolist() == [2.0, np.inf]
    assert band.high.tolist() == [3.0, np.inf]


def test_says_and_draws_what_it_found(experiment):
    table = experiment.table()
    assert len({len(column) for column in table.values()}) == 1
    assert np.isfinite(table["x"]).all() and not np.isnan(table["y"]).any()
    text = experiment.summary()
    assert "τ_gen is later in 2 of 2 from n = 20 to 80" in text
    assert "τ_mem is later in 2 of 2 from n = 3 to 12" in text
    figure = experiment.draw()
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)
    figure.canvas.draw()
