"""Paths: the same bits however they are drawn, trajectories, progress, and what is refused."""

import sys

import numpy as np
import pytest

import rfdiff
from reference.paper import SDE
from reference.samples import draw
from rfdiff.diffusion.mixtures import GaussianMixture, bimodal
from rfdiff.diffusion.sde import VPSDE
from rfdiff.model.score import ExactScore, RandomFeatureScore
from rfdiff.sampling.schemes import SCHEMES
from rfdiff.support.errors import ArgumentError, MemoryLimitError


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("model", ["table", "planar", "mixture"])
def test_batch_order_and_threads(name, model, trained, planar, on_one_thread):
    score, sde = {
        "table": (trained.learned_score(), SDE),
        "planar": (planar, VPSDE()),
        "mixture": (ExactScore(bimodal(2.0), VPSDE()), VPSDE()),
    }[model]
    axis = -1 if score.dimension == 1 else -2

    def paths(n, first=0):
        return draw(score, sde, n, t=0.1, scheme=name, n_steps=70, seed=3, first=first)

    whole = paths(1100)
    assert np.array_equal(paths(7), np.take(whole, range(7), axis))
    assert np.array_equal(paths(33, first=1060), np.take(whole, range(1060, 1093), axis))
    assert np.array_equal(on_one_thread(lambda: paths(1100)), whole)


def test_array_of_training_times_equals_a_loop(trained, planar):
    together = trained.sample(9, n_steps=20)
    assert together.shape == (2, 9)
    for i, tau in enumerate(trained.tau):
        # θ(τ) for one τ or many is rounded differently; the noise is the same.
        np.testing.assert_allclose(trained.sample(9, tau, n_steps=20), together[i], rtol=1e-11)
    line = trained.learned_score()
    together = draw(line, SDE, 9, t=0.1, n_steps=20)
    for i in range(2):
        alone = RandomFeatureScore(line.features, line.theta[i])
        assert np.array_equal(draw(alone, SDE, 9, t=0.1, n_steps=20), together[i])
    together = draw(planar, VPSDE(), 5, t=0.1, n_steps=20)
    assert together.shape == (3, 5, 2)
    for i in range(3):
        alone = RandomFeatureScore(planar.features, planar.theta[i])
        assert np.array_equal(draw(alone, VPSDE(), 5, t=0.1, n_steps=20), together[i])


def test_seeds_differ(trained):
    a, b = (trained.sample(50, 1e6, n_steps=20, seed=seed) for seed in (0, 1))
    assert not (a == b).any()


@pytest.mark.parametrize("model", ["table", "planar"])
def test_trajectories_end_in_the_samples(model, trained, planar):
    score, sde = (trained.learned_score(), SDE) if model == "table" else (planar, VPSDE())
    choices = {"t": 0.1, "n_steps": 70, "scheme": "euler-maruyama"}
    paths = draw(score, sde, 6, trajectories=True, **choices)
    points = (6,) if score.dimension == 1 else (6, 2)
    assert paths.shape == (*score.shape, 71, *points)
    last = np.take(paths, 70, len(score.shape))
    assert np.array_equal(last, draw(score, sde, 6, **choices))
    shorter = draw(score, sde, 2, trajectories=True, **choices)
    assert np.array_equal(shorter, paths[..., :2] if len(points) == 1 else paths[..., :2, :])


def test_own_units():
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
        monkeypatch.setattr("rfdiff.sampling.sampler.PATIENCE", 0.0)
        trained.sample(10, n_steps=200, progress=True)
        captured = capsys.readouterr()
        assert "sampling" in captured.err and "400" in captured.err
        assert captured.out == ""

    def test_bar_only_on_a_terminal(self, trained, capsys, monkeypatch):
        monkeypatch.setattr("rfdiff.sampling.sampler.PATIENCE", 0.0)
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
            draw(self.score, SDE, 3, **{"t": 0.1, **choices})

    @pytest.mark.parametrize("n", [0, -1, 1.5])
    def test_number_of_paths(self, n):
        with pytest.raises(ArgumentError, match="n must be"):
            draw(self.score, SDE, n, t=0.1)

    def test_paths_that_do_not_stay_finite(self, trained):
        wild = RandomFeatureScore(trained.features, 1e6 * np.ones((1, 64)))
        with pytest.raises(ArgumentError, match=r"paths must stay finite, at t = .* n_steps = 200"):
            draw(wild, SDE, 3, t=0.1, n_steps=200)

    def test_own_scores_and_those_that_are_not_finite(self):
        class Broken:
            dimension, shape = 1, (2,)

            def __call__(self, x, t):
                values = np.stack([-x, -x])
                return values if t > 0.5 else np.full_like(values, np.nan)

        with pytest.raises(ArgumentError, match="the score is not finite"):
            draw(Broken(), VPSDE(), 3, t=0.1)
        assert draw(Broken(), VPSDE(), 3, t=0.6, n_steps=9).shape == (2, 3)

    def test_memory_is_estimated_first(self, monkeypatch):
        monkeypatch.setattr("rfdiff.support.validation.available_memory", lambda: 10_000_000)
        with pytest.raises(MemoryLimitError, match="the trajectories need"):
            draw(self.score, SDE, 10_000, t=0.1, trajectories=True)
        assert draw(self.score, SDE, 100, t=0.1, n_steps=3).shape == (100,)
