"""The command line on vectors: from a user's own array to table, files and samples."""

import json

import numpy as np
import pytest

from rfdiff.cli import main

DATA = np.random.default_rng(0).standard_normal((60, 6)) @ np.diag([3, 2, 1, 0.5, 0.1, 0.1]) + 4.0
MODEL = ["--m", "32", "--n-times", "6", "--skip", "gaussian", "--scaling", "both"]


@pytest.fixture
def trained(tmp_path, capsys):
    """Return the folder that a training wrote, and what it printed."""
    np.save(tmp_path / "vectors.npy", DATA)
    out = tmp_path / "out"
    options = ["--data", str(tmp_path / "vectors.npy"), "--pca", "3", "--held-out", "0.25"]
    assert main(["train", *options, *MODEL, "--tau", "1e0:1e6:5log", "--out", str(out)]) == 0
    return out, capsys.readouterr().out


def test_train(trained):
    folder, text = trained
    assert "d: 3" in text
    assert "test loss of the Gaussian with the data's mean and covariance" in text
    found = json.loads((folder / "results.json").read_text())
    assert found["baselines"]["gaussian"]["error"] == 0.0 and "kl" not in found
    assert found["early_stopping"]["test loss"]["value"] < found["loss"]["test"][0] + 1e-9
    names = {path.name for path in folder.iterdir()}
    assert names == {"run.npz", "curves.npz", "results.json", "losses.png"}


def test_sample(trained, tmp_path, capsys):
    options = ["--paths", "50", "--n-steps", "12", "--tau", "1e2,1e4", "--out", str(tmp_path / "x")]
    assert main(["sample", "--load", str(trained[0] / "run.npz"), *options]) == 0
    assert "50 samples of 6 coordinates" in capsys.readouterr().out
    assert np.load(tmp_path / "x" / "samples.npy").shape == (2, 50, 6)
    assert (tmp_path / "x" / "plane.png").stat().st_size > 10_000
