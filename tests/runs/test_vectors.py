"""Runs of vectors: from data to losses, likelihoods, samples and a file, and what they refuse."""

import numpy as np
import pytest

import rfdiff
from rfdiff.model.score import RandomFeatureScore
from rfdiff.support.errors import ArgumentError

DATA = np.random.default_rng(0).standard_normal((60, 5)) @ np.diag([3.0, 2.0, 1.0, 0.3, 0.1]) + 7.0
CHOICES = dict(
    m=48, n_times=6, pca=3, held_out=0.25, skip="gaussian", scaling="both", precondition=True
)


@pytest.fixture(scope="module")
def run():
    return rfdiff.train_exact(np.logspace(0, 6, 4), data=DATA, **CHOICES)


@pytest.fixture(scope="module")
def of_law():
    return rfdiff.train_exact([1e2, 1e5], target=rfdiff.bimodal(1.5, d=2), n=40, m=64, n_times=8)


def test_losses_start_at_the_gaussian_s(run):
    """θ = 0 leaves the skip alone, which is the Gaussian score of the training points."""
    for kind in ("train", "test"):
        start = run.loss(kind, 0.0)
        assert float(start) == pytest.approx(float(run.baselines(kind)["gaussian"]), rel=1e-9)
    assert run.loss().value[-1] < run.loss().value[0] * (1.0 - 1e-3)
    assert run.early_stopping().quantity == "test loss"


def test_loss_is_the_score_s_by_draws(run):
    rng = np.random.default_rng(1)
    u, objective = run.problem.units.to_training(run.problem.held_out), run.problem.objective
    score = RandomFeatureScore(run.features, run.theta(1e4), skip=run.problem.skip)
    value = variance = 0.0
    for t, weight in zip(objective.rule.nodes, objective.node_weights(3), strict=True):
        z = rng.standard_normal((4000, *u.shape))
        sigma = float(run.sde.std(t))
        losses = np.square(score(u + sigma * z, float(t)) + z / sigma).sum(-1).mean(-1)
        value, variance = value + weight * losses.mean(), variance + weight**2 * losses.var() / 4000
    assert abs(float(run.loss("test", 1e4)) - value) < 4 * np.sqrt(variance)


def test_what_leaves_is_in_the_data_s_own_coordinates(run):
    x = run.sample(200, 1e3, n_steps=40)
    assert x.shape == (200, 5) and run.theta().shape == (4, 3, 48)
    # In the plane of three principal axes, about the data's mean.
    plane = run.problem.units
    np.testing.assert_allclose(plane.to_own(plane.to_training(x)), x, atol=1e-9)
    assert np.abs(x.mean(0) - 7.0).max() < 1.0
    step = 1e-5 * plane.axes[:, 0]
    slope = np.diff(run.log_density([DATA[0] - step, DATA[0] + step], 1e3)) / 2e-5
    score = run.score(DATA[0], run.default_time, 1e3)
    # The probability flow's density has the score as its slope up to what training missed.
    assert score.shape == (5,) and np.sign(slope[0]) == np.sign(score @ plane.axes[:, 0])


def test_likelihood_has_an_error(run):
    nll = run.nll([1e2, 1e4])
    assert nll.shape == (2,) and (nll.error > 0).all() and (nll.error < 0.1).all()
    with pytest.raises(ArgumentError, match="method must be 'probability-flow' for vectors"):
        run.nll(1e2, method="reverse-sde")


def test_a_run_comes_back_from_its_file(run, tmp_path):
    run.save(tmp_path / "run.npz")
    back = rfdiff.load(tmp_path / "run.npz")
    assert (back.theta() == run.theta()).all()
    assert (back.sample(5, 1e3, n_steps=8) == run.sample(5, 1e3, n_steps=8)).all()
    assert (back.loss("test").value == run.loss("test").value).all()


def test_a_bound_has_its_standard_error(of_law):
    bound, other = of_law.bound(), of_law.bound(tau=[1e2, 1e5], t=0.065)
    assert (bound.total.value == other.total.value).all() and (bound.total.error > 0).all()
    exact = float(of_law.loss_under(of_law.target, 1e5))
    assert np.isfinite(exact) and float(bound.prior) < 0.1


@pytest.mark.parametrize("ask", ["kl", "divergence", "decomposition", "learned_density"])
def test_what_needs_the_line_says_so(of_law, ask):
    with pytest.raises(ArgumentError, match="needs data on the line, got d = 2: vectors have"):
        getattr(of_law, ask)()


def test_chosen_times_are_all_that_is_trained():
    run = rfdiff.train_exact(1e3, target=rfdiff.bimodal(d=2), n=20, m=16, times=[0.3])
    assert run.problem.objective.rule.nodes.tolist() == [0.3] and run.refined.flow is not None
    assert (run.refined.theta() == run.theta()).all()
    line = rfdiff.train_exact(1e3, n=20, m=16, times=[0.1, 0.2])
    assert len(line.problem.objective.rule) == 2 and float(line.kl()) > 0.0
