"""Mistakes in a shell: one line that names the argument, the value and the rule, and status 2.

They are found before any work, and nothing is written.
"""

import numpy as np
import pytest

from rfdiff.cli import main

SHELL = {
    "unknown command": (["trian"], "invalid choice: 'trian'"),
    "no command": ([], "COMMAND"),
    "unknown option": (["train", "--tua", "1"], "unrecognized arguments: --tua"),
    "abbreviated option": (["train", "--weight", "variance"], "unrecognized arguments: --weight"),
    "missing value": (["train", "--tau"], "argument --tau: expected one argument"),
    "sigma": (["train", "--sigma", "-1"], "sigma must be greater than 1, got -1"),
    "text as sigma": (["train", "--sigma", "big"], "argument --sigma: must be a number, got 'big'"),
    "beta": (["train", "--sde", "vp", "--beta-min", "0"], "beta_min must be positive, got 0"),
    "sigma of vp": (["train", "--sde", "vp", "--sigma", "2"], "sigma belongs to sde ve, not to vp"),
    "std": (["train", "--std", "0"], "std must be positive, got 0"),
    "weights": (["train", "--weights", "0.5,0.6"], "weights must be non-negative and sum to 1"),
    "one weight": (["train", "--weights", "0.5"], "argument --weights: must be A,B, got '0.5'"),
    "half width": (
        ["train", "--target", "smooth-bump", "--half-width", "-2"],
        "half_width must be",
    ),
    "mu of a bump": (
        ["train", "--target", "smooth-bump", "--mu", "2"],
        "mu belongs to target bimodal, not to smooth-bump",
    ),
    "a name with a slip": (["train", "--features", "guassian"], "(did you mean 'gaussian'?)"),
    "support and half width": (
        ["train", "--target", "beta", "--support", "0,1", "--half-width", "2"],
        "support and half_width both say where beta lives: give one",
    ),
    "exponents": (["train", "--target", "beta", "--shape", "1,3"], "a must be at least 2"),
    "eval-time": (["train", "--eval-time", "2"], "t must be between 0.001 and 1, got 2"),
    "t-min": (["train", "--t-min", "2"], "t_min must be below T = 1, got 2"),
    "T": (["train", "--T", "-1"], "T must be positive, got -1"),
    "negative tau": (["train", "--tau", "-3"], "tau must be at least 0 and not NaN, got -3"),
    "tau that is no number": (["train", "--tau", "soon"], "argument --tau: tau must be a number"),
    "reversed tau": (["train", "--tau", "1e3:1:5log"], "START < STOP"),
    "target": (["train", "--target", "trimodal"], "target must be one of 'bimodal'"),
    "sde": (["train", "--sde", "ou"], "sde must be one of 've', 'vp', 'subvp', got 'ou'"),
    "features": (["train", "--features", "L1"], "features must be one of 'l1'"),
    "embedding": (["train", "--embedding", "sine"], "embedding must be one of 'log-sigma'"),
    "activation": (["train", "--activation", "gelu"], "activation must be one of 'relu'"),
    "weighting": (["train", "--weighting", "flat"], "weighting must be one of 'variance'"),
    "method": (["train", "--method", "magic"], "method must be one of 'score-integral'"),
    "against": (["train", "--against", "p1"], "against must be one of 'p0', 'pt', got 'p1'"),
    "m": (["train", "--m", "0"], "m must be at least 1, got 0"),
    "fractional m": (["train", "--m", "2.5"], "argument --m: must be an integer, got '2.5'"),
    "n": (["train", "--n", "0"], "n must be at least 1, got 0"),
    "n-times": (["train", "--n-times", "0"], "n_times must be at least 1, got 0"),
    "noise-samples": (["train", "--noise-samples", "0"], "noise_samples must be at least 1, got 0"),
    "seed": (["train", "--seed", "-1"], "seed must be a non-negative integer, got -1"),
    "held-out of a target": (["train", "--held-out", "0.2"], "held_out needs data"),
    "domain": (["train", "--domain", "3,2"], "domain must be a pair (a, b) with a < b"),
    "column without data": (["train", "--column", "x"], "column needs --data FILE"),
    "memory": (["train", "--m", "1000000000"], "training needs about"),
    "memory for data": (["train", "--n", "10000000000000"], "the training data needs about"),
}

FILES = {
    "missing file": (None, "eruptions", "no such file"),
    "missing column": ("a,b\n1,2\n", "c", "bad.csv: no column 'c'; the file has 'a', 'b'"),
    "text in a number column": (
        "a,b\n1,2\n3,four\n", "b", "bad.csv, column 'b', row 2 (line 3): 'four' is not a number"
    ),
    "NaN": ("a,b\n1,2\n3,nan\n", "b", "bad.csv, column 'b', row 2 (line 3): nan is not finite"),
    "infinity": ("a,b\n1,inf\n", "b", "bad.csv, column 'b', row 1 (line 2): inf is not finite"),
    "ragged rows": ("a,b\n1,2\n3\n", "a", "bad.csv, row 2 (line 3): has 1 columns, expected 2"),
    "empty file": ("", None, "bad.csv: holds no data"),
    "header alone": ("a,b\n", "a", "bad.csv: holds no data"),
    "several columns": ("a,b\n1,2\n", None, "bad.csv: choose a column: the file has 'a', 'b'"),
}  # fmt: skip


def refused(capsys, tmp_path, arguments):
    """Return the one line of a command that is refused and writes nothing."""
    before = sorted(tmp_path.rglob("*"))
    out = tmp_path / "new" / "out"
    status = main([*arguments, *(["--out", str(out)] if arguments[:1] == ["train"] else [])])
    captured = capsys.readouterr()
    assert status == 2 and captured.out == ""
    assert captured.err.count("\n") == 1 and captured.err.startswith("rfdiff")
    assert "Traceback" not in captured.err
    assert sorted(tmp_path.rglob("*")) == before
    return captured.err


@pytest.mark.parametrize("case", SHELL)
def test_shell(capsys, tmp_path, case):
    arguments, message = SHELL[case]
    if arguments[:1] == ["train"]:
        for option, value in (("--n", "20"), ("--m", "8"), ("--n-times", "8")):
            arguments = arguments if option in arguments else [*arguments, option, value]
    assert message in refused(capsys, tmp_path, arguments)


@pytest.mark.parametrize("case", FILES)
def test_files(capsys, tmp_path, case):
    text, column, message = FILES[case]
    path = tmp_path / "bad.csv"
    if text is not None:
        path.write_text(text)
    options = [] if column is None else ["--column", column]
    assert message in refused(capsys, tmp_path, ["train", "--data", str(path), *options])


def test_more_principal_coordinates_than_dimensions_in_the_shell(capsys, tmp_path):
    np.save(tmp_path / "plane.npy", np.eye(4)[:, :2])
    options = ["train", "--data", str(tmp_path / "plane.npy"), "--pca", "3"]
    assert "pca must be from 1 to 2 for 4 points" in refused(capsys, tmp_path, options)
    (tmp_path / "equal.txt").write_text("2\n2\n")
    line = refused(capsys, tmp_path, ["train", "--data", str(tmp_path / "equal.txt")])
    assert "data must not all be equal" in line


def test_a_folder_that_cannot_be_made(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        status = main(["train", "--n", "20", "--m", "8", "--out", str(path)])
        captured = capsys.readouterr()
        assert (status, captured.out) == (2, "")
        assert captured.err.count("\n") == 1 and "out must be a folder" in captured.err
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
