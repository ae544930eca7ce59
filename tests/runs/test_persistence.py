"""Saved runs come back as they were, those of earlier versions too; nothing else is read."""

import json
from pathlib import Path

import numpy as np
import pytest

import rfdiff
from rfdiff.data.units import Units
from rfdiff.runs.plain_data import UNITS, decode, encode

TAU = np.logspace(0, 10, 41)
SAVED = Path(__file__).parent / "saved"


def test_save_and_load_give_the_same_run(tmp_path):
    run = rfdiff.train_exact(TAU, n=50, m=24, n_times=16, noise_samples=2, seed=5)
    path = tmp_path / "run.npz"
    run.save(path)
    again = rfdiff.load(path)
    assert again.kl().value.tobytes() == run.kl().value.tobytes()
    assert again.loss("population").value.tobytes() == run.loss("population").value.tobytes()
    assert repr(again) == repr(run)
    assert list(tmp_path.iterdir()) == [path]


def test_load_refuses_what_is_not_a_run(tmp_path):
    (tmp_path / "text.npz").write_text("not an archive")
    with pytest.raises(rfdiff.DataFileError, match="not a run saved by rfdiff"):
        rfdiff.load(tmp_path / "text.npz")
    with pytest.raises(rfdiff.DataFileError, match="no such file"):
        rfdiff.load(tmp_path / "absent.npz")
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    with pytest.raises(rfdiff.DataFileError, match="not a run saved by rfdiff"):
        rfdiff.load(tmp_path / "other.npz")


@pytest.mark.parametrize("scale", [0.0, 1e-100, 1e100])
def test_runs_of_any_scale_are_true_to_themselves(scale, tmp_path):
    """A Gram matrix of zeros, and such whose squares are not floats."""
    W, U = scale * np.linspace(-1.0, 1.0, 9), -np.ones((9, 2))
    features = rfdiff.RandomFeatures(W, U, rfdiff.AffineEmbedding())
    run = rfdiff.train_exact(1.0, n=5, n_times=8, features=features)
    run.save(tmp_path / "run.npz")
    again = rfdiff.load(tmp_path / "run.npz")
    assert again.quadratic.gram.tobytes() == run.quadratic.gram.tobytes()
    assert again.loss().value == run.loss().value


def test_save_refuses_what_nobody_would_wait_for(tmp_path, monkeypatch):
    monkeypatch.setattr("rfdiff.runs.persistence.MOST_TIMES", 10)
    with pytest.raises(rfdiff.ArgumentError, match="n_times must be at most 10 in a file, got 12"):
        rfdiff.train_exact(1.0, n=5, m=4, n_times=12).save(tmp_path / "run.npz")
    assert not list(tmp_path.iterdir())


def test_save_refuses_callables(tmp_path):
    run = rfdiff.train_exact(1.0, n=5, m=4, weighting=lambda t: t)
    with pytest.raises(rfdiff.ArgumentError, match="cannot be saved"):
        run.save(tmp_path / "run.npz")
    assert not list(tmp_path.iterdir())


def test_a_run_on_standardised_data_comes_back_in_its_own_units(tmp_path):
    data = 70.0 + 12.0 * rfdiff.bimodal(1.5).sample(60, np.random.default_rng(0))
    run = rfdiff.train_exact(1e4, data=data, held_out=0.25, m=8, n_times=8)
    run.save(tmp_path / "run.npz")
    again = rfdiff.load(tmp_path / "run.npz")
    assert again.nll().value.tobytes() == run.nll().value.tobytes()
    assert again.sample(5, n_steps=10).tobytes() == run.sample(5, n_steps=10).tobytes()


def test_units_with_a_shift_for_each_dimension_are_plain_data():
    units = Units([1.0, 2.0, 3.0], 4.0)
    again = decode("units", json.loads(json.dumps(encode(units))), UNITS)
    assert np.array_equal(again.shift, units.shift) and again.scale == 4.0


class TestFormat1:
    """Files that version 0.1.0 wrote in format 1, with the numbers that it gave for them.

    law.npz: train_exact([1e2, 1e5], n=12, m=8, n_times=16, seed=5, sde=VPSDE(), noise_samples=2);
    data.npz: the same τ, m and n_times on the first 40 eruption times, a quarter held out, with
    `embedding="fourier"` and `precondition=True`.
    """

    def test_of_a_known_law(self):
        run = rfdiff.load(SAVED / "format_1_law.npz")
        assert (run.n, run.m, run.seed) == (12, 8, 5)
        np.testing.assert_allclose(run.kl().value, [1.96699144315493, 7.92292130400189], rtol=1e-10)
        np.testing.assert_allclose(
            run.loss("population"), [0.7222418074258982, 0.7295272045831456], rtol=1e-10
        )
        # It is what training gives today.
        today = rfdiff.train_exact(
            [1e2, 1e5], n=12, m=8, n_times=16, seed=5, sde=rfdiff.VPSDE(), noise_samples=2
        )
        np.testing.assert_allclose(today.theta(), run.theta(), rtol=1e-8)

    def test_of_standardised_data(self):
        run = rfdiff.load(SAVED / "format_1_data.npz")
        np.testing.assert_allclose(run.nll().value, [1.91447533686427, 1.4536159251665], rtol=1e-10)
        np.testing.assert_allclose(
            run.loss("test"), [0.483737123569432, 0.3961695880148013], rtol=1e-10
        )
        np.testing.assert_allclose(
            run.density(2.0), [0.36739622135782946, 0.16702294791174452], rtol=1e-10
        )


def test_errors_of_smooth_activations_come_back(tmp_path):
    """What a coarser quadrature changes is part of every error: it is saved with the run."""
    run = rfdiff.train_exact([1e2, 1e6], n=10, m=8, n_times=8, activation="swish")
    run.save(tmp_path / "run.npz")
    again = rfdiff.load(tmp_path / "run.npz")
    assert again.kl().error.tobytes() == run.kl().error.tobytes()
    assert again.loss().error.tobytes() == run.loss().error.tobytes()
