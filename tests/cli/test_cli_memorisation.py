"""`rfdiff memorisation`: the Python result as table, JSON and files, and what is refused."""

import json

import numpy as np
import pytest

import rfdiff
from rfdiff.cli import main

SMALL = ("memorisation", "--n", "8", "--m", "16", "--n-times", "16")
LITTLE = ("--paths", "60", "--n-steps", "20")


def found(tau):
    run = rfdiff.train_exact(tau, n=8, m=16, n_times=16)
    return run.memorisation(n_samples=60, n_steps=20, ratio=0.25)


def test_table_json_and_files_are_the_python_result(capsys, tmp_path):
    arguments = [*SMALL, *LITTLE, "--tau", "1e2,1e5", "--ratio", "0.25"]
    assert main([*arguments, "--out", str(tmp_path), "--quiet"]) == 0
    expected = found([1e2, 1e5])
    assert capsys.readouterr().out == expected.table() + "\n"
    assert (tmp_path / "memorisation.txt").read_text() == expected.table() + "\n"
    assert main([*arguments, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.pop("files") == []
    assert printed == json.loads((tmp_path / "memorisation.json").read_text())
    assert printed["share"]["high"] == expected.share.high.tolist()
    assert printed["to_training"]["error"] == expected.to_training.error.tolist()
    assert float(printed["tau_mem"]["value"]) == float(expected.tau_mem)


def test_usual_times_are_spread_over_the_runs(capsys):
    assert main([*SMALL, *LITTLE, "--json"]) == 0
    tau = np.array(json.loads(capsys.readouterr().out)["tau"])
    usual = rfdiff.train_exact(n=8, m=16, n_times=16).tau
    assert len(tau) == 21 and set(tau) <= set(usual) and tau[-1] == usual[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--paths", "1"), "paths must be at least 2, got 1"),
        (("--ratio", "1.5"), "ratio must be between 0 and 1"),
        (("--scheme", "rk4"), "scheme must be one of"),
        (("--n-steps", "0"), "n_steps must be at least 1"),
        (("--eval-time", "2"), "t must be between"),
        (("--population",), "memorisation needs training data"),
    ],
)
def test_mistakes(capsys, options, message):
    arguments = [part for part in SMALL if not (options == ("--population",) and part in "--n8")]
    assert main([*arguments, *options]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
