"""The figure of fixed noise draws on digits: losses, order and cost against runs of one's own."""

import numpy as np
import pytest

import rfdiff
from rfdiff.experiments.vectors import draws
from rfdiff.experiments.vectors.digits import HELD_OUT, principal_digits

SETTINGS = draws.Settings(
    draws=(1, 4), coordinates=4, n=60, m=48, seeds=2, n_tau=5, late=1e8,
)  # fmt: skip


@pytest.fixture(scope="module")
def experiment():
    return draws.compute(SETTINGS, lambda _text: None)


def test_digits_are_coordinates_of_their_own_principal_axes():
    x = principal_digits(4)
    assert x.shape == (1797, 4) and np.abs(x.mean(0)).max() < 1e-12
    covariance = x.T @ x / len(x)
    assert np.trace(covariance) == pytest.approx(4.0)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 1e-12
    run = rfdiff.train_exact(1.0, data=x, n=1200, m=4, n_times=2, held_out=HELD_OUT)
    assert len(run.data) == 1200 and len(run.problem.held_out) == 597


def test_fewer_draws_end_higher_and_the_exact_expectation_lowest(experiment):
    one, four, exact = experiment.late
    assert (one > four).all() and (four > exact).all()
    assert experiment.cost[-1] == 1.0 and (experiment.seconds > 0.0).all()


def test_losses_are_those_of_the_score_by_draws(experiment):
    """The test loss of k = 1 at the end, by Monte Carlo over fresh noise."""
    run = rfdiff.train_exact(
        SETTINGS.late, data=principal_digits(4), n=60, m=48, seed=1, held_out=HELD_OUT,
        noise_samples=1, standardise=False, skip="gaussian", scaling="both",
        precondition=True,
    )  # fmt: skip
    rng, total, variance = np.random.default_rng(0), 0.0, 0.0
    x, objective = run.problem.held_out, run.problem.objective
    for t, weight in zip(objective.rule.nodes, objective.node_weights(4), strict=True):
        z, sigma = rng.standard_normal((100, *x.shape)), float(run.sde.std(t))
        error = run.score(x + sigma * z, float(t)) + z / sigma
        losses = np.square(error).sum(-1).mean(-1)
        total, variance = total + weight * losses.mean(), variance + weight**2 * losses.var() / 100
    assert abs(experiment.late[0, 1] - total / 4) < 4.0 * np.sqrt(variance) / 4


def test_says_and_draws_what_it_found(experiment):
    table = experiment.table()
    assert len({len(column) for column in table.values()}) == 1
    assert {"test loss", "late", "least", "assembly over exact"} == set(table["panel"])
    text = experiment.summary()
    assert all(f"{np.median(late):.4f}" in text for late in experiment.late)
    figure = experiment.draw()
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)
    figure.canvas.draw()
