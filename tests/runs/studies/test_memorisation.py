"""Memorisation of runs: brute force on the same samples, the empirical score, the two times."""

import numpy as np
import pytest

import rfdiff
from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.model.score import ExactScore
from rfdiff.runs.studies.generalisation_time import generalisation_time
from rfdiff.sampling.reversal import Reversal
from rfdiff.sampling.sampler import sample
from rfdiff.support.errors import ArgumentError
from rfdiff.training.early_stopping import early_stopping

POINTS = np.array([-4.0, -1.5, 1.5, 4.0])
LITTLE = {"n_samples": 400, "n_steps": 100, "n_boot": 20}
TAU = [1e8, 1e2, 1e5, 1e8]


@pytest.fixture(scope="module")
def run():
    return rfdiff.train_exact(TAU, data=POINTS, target=rfdiff.bimodal(), m=256)


@pytest.fixture(scope="module")
def found(run):
    return run.memorisation(**LITTLE)


def copies(x, training=POINTS):
    distances = np.sort(np.abs(x[..., None] - training), axis=-1)
    return distances[..., 0] < distances[..., 1] / 3.0


def test_against_brute_force_on_the_same_samples(run, found):
    assert found.tau.tolist() == [1e2, 1e5, 1e8]
    t_min = run.problem.objective.rule.t_min
    x = run.sample(400, found.tau, t=t_min, n_steps=100)
    np.testing.assert_array_equal(found.share.value, copies(x).mean(-1))
    nearest = np.abs(x[..., None] - POINTS).min(-1)
    np.testing.assert_allclose(found.to_training.value, nearest.mean(-1), rtol=1e-12)
    np.testing.assert_allclose(found.to_training.error, nearest.std(-1, ddof=1) / 20.0, rtol=1e-12)
    # Chance and the empirical score, as far as independent draws tell.
    fresh = rfdiff.bimodal().sample(20_000, np.random.default_rng(5))[:, 0]
    chance = copies(fresh).mean()
    assert found.share_fresh.low < chance < found.share_fresh.high
    assert found.share_empirical.value > 0.99


def test_copies_appear_late_and_after_the_best_time(found):
    low, high = found.share.low, found.share.high
    assert high[0] < low[2] and found.share_fresh.high < low[2]
    assert found.tau_gen.low <= found.tau_gen.value <= found.tau_gen.high
    assert found.tau_gen.high < found.tau_mem.value < 1e8
    assert found.tau_mem.low <= found.tau_mem.value <= found.tau_mem.high
    assert found.accuracy.value[0] > found.accuracy.value[1] + 3.0 * found.accuracy.error[0]
    assert found.distance.value[0] > found.distance.value[1]
    text = found.table()
    assert len(text.splitlines()) == 9 and "400 samples at t = 0.001" in text


def test_distances_are_in_the_datas_unit_and_copies_know_no_unit():
    rng = np.random.default_rng(0)
    data = 70.0 + 12.0 * np.concatenate([rng.normal(-1, 0.3, 12), rng.normal(1, 0.3, 12)])
    tau = [1e4, 1e7]
    runs = [rfdiff.train_exact(tau, data=scale * data, held_out=0.5, m=64) for scale in (1.0, 1e-3)]
    one, milli = (run.memorisation(**LITTLE) for run in runs)
    np.testing.assert_array_equal(one.share.value, milli.share.value)
    for name in ("to_training", "to_fresh", "distance"):
        large, small = getattr(one, name).value, getattr(milli, name).value
        np.testing.assert_allclose(small, 1e-3 * large, rtol=1e-6)
    assert (
        one.share_fresh.value == copies(runs[0].problem.held_out[:, 0], runs[0].data[:, 0]).mean()
    )


def test_the_test_loss_has_an_interval_over_held_out_points():
    """Groups of one point: the interval is that of minima for points drawn anew."""
    data = rfdiff.bimodal().sample(36, np.random.default_rng(3))[:, 0]
    run = rfdiff.train_exact(np.logspace(2, 9, 15), data=data, held_out=0.5, m=48, n_times=24)
    found = generalisation_time(run, "test")
    held_out, rng, minima = run.problem.held_out, np.random.default_rng(0), []
    for _ in range(40):
        drawn = held_out[rng.integers(0, len(held_out), len(held_out))]
        loss = run.problem.quadratic(run.problem.empirical(drawn))
        curve = early_stopping(
            lambda tau, loss=loss: rfdiff.Estimate(run.flow.loss(tau, loss)), run.tau
        )
        minima.append(np.log(curve.tau))
    ends = np.log([float(found.low), float(found.high)])
    np.testing.assert_allclose(ends, np.quantile(minima, [0.025, 0.975]), atol=0.5 * np.ptp(ends))
    assert found.low < found.value < found.high
    assert sum(ends[0] <= tau <= ends[1] for tau in minima) >= 32


@pytest.mark.parametrize("d", [2, 5])
def test_the_empirical_score_in_more_dimensions(d):
    """Its samples are copies; those of the law itself are so by chance, cᵈ about evenly spread."""
    law, sde = GaussianMixture([1.0], np.zeros((1, d)), 1.0), rfdiff.VESDE()
    training, fresh = (law.sample(n, np.random.default_rng(n)) for n in (100, 300))
    score = ExactScore(GaussianMixture.from_points(training), sde)
    x = sample(score, Reversal(sde, 1e-4, n_steps=100), 300)
    assert rfdiff.share_memorised(x, training).value > 0.95
    assert rfdiff.share_memorised(fresh, training).high < 0.25


@pytest.mark.parametrize(
    ("arguments", "choices", "message"),
    [
        ({"population": True}, {}, "needs training data, not the population"),
        ({"data": POINTS}, {}, "needs fresh points: pass held_out"),
        ({"n": 1}, {}, "at least 2 distinct"),
        ({"n": 5}, {"ratio": 2.0}, "ratio must be between"),
        ({"n": 5}, {"n_samples": 1}, "n_samples must be at least 2"),
        ({"n": 5}, {"n_boot": 2}, "n_boot must be at least 10"),
        ({"n": 5}, {"scheme": "rk4"}, "scheme must be one of"),
    ],
)
def test_mistakes(arguments, choices, message):
    run = rfdiff.train_exact(1e3, m=8, n_times=4, **arguments)
    with pytest.raises(ArgumentError, match=message):
        run.memorisation(**choices)
