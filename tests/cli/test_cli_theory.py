"""`rfdiff theory` and `rfdiff figure`: results, files and mistakes."""

import csv
import json

import numpy as np
import pytest

import rfdiff
from rfdiff.cli import main
from rfdiff.experiments import modes_shift

SMALL = ["--n", "60", "--m", "32", "--tau", "1e0:1e8:9log", "--wide", "64", "--n-times", "32"]


def test_theory_prints_a_table_and_the_lemmas(capsys):
    assert main(["theory", *SMALL, "--sgd", "0"]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[0].split()[:3] == ["tau", "bound", "±"]
    assert "violations beyond the errors: 0 of 9" in text
    assert text.count("holds, largest measured/bound") == 3
    assert "VIOLATED" not in text and "SGD" not in text


def test_theory_json_is_what_python_returns(capsys, tmp_path):
    out = tmp_path / "theory"
    assert main(["theory", *SMALL, "--sgd", "200", "--out", str(out), "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    run = rfdiff.train_exact(np.logspace(0, 8, 9), n=60, m=32, n_times=32)
    assert np.allclose(results["bound"]["value"], run.bound().total.value, rtol=1e-12)
    parts = results["decomposition"]
    total = sum(np.array(parts[name]["value"]) for name in ("sample", "infinite_width", "width"))
    assert np.allclose(total + results["bound"]["prior"], results["bound"]["value"], rtol=1e-9)
    assert results["kl_reverse_sde"]["violations"] == 0
    kl = np.array(results["kl_reverse_sde"]["value"])
    explained = sum(np.array(share) for share in results["shares_of_kl"].values())
    assert np.allclose(explained * kl, total, rtol=1e-9)
    modes = results["spectrum"]
    assert len(modes["tau"]) == len(modes["local_exponents"]) > 3
    assert max(modes["local_exponents"]) < 0 and modes["loss_exponent"] < 0
    stable = results["sgd"]["largest_stable_rate"]["value"]
    assert results["sgd"]["rate"] == 0.5 * stable < 0.5 / run.flow.eigenvalues[-1]
    assert np.shape(results["sgd"]["kl"]) == (3, len(results["sgd"]["tau"]))
    names = {"theory.json", "bound.png", "decomposition.png", "spectrum.png", "sgd.png"}
    assert {path.name for path in out.iterdir()} == names
    assert len(results["files"]) == len(names)


def test_theory_of_a_population_has_no_sample_to_overfit(capsys):
    small = ["--m", "32", "--tau", "1e1,1e4,1e7", "--wide", "32", "--n-times", "16"]
    arguments = ["theory", *small, "--population", "--target", "raised-cosine", "--json"]
    assert main(arguments) == 0
    results = json.loads(capsys.readouterr().out)
    assert "onset" not in results and "sgd" not in results
    assert np.abs(results["decomposition"]["sample"]["value"]).max() < 1e-12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["theory", "--m", "4", "--n", "10", "--n-times", "16"], "at least 6 modes"),
        (["theory", "--n", "10", "--m", "16", "--eval-time", "1"], "t must lie strictly"),
        (["theory", "--features", "cauchy"], "features must be one of"),
        (["theory", "--n", "0"], "n must be at least 1"),
        (["theory", "--tau", "-1"], "tau must be"),
        (["theory", "--data", "galaxies"], "needs a known law"),
        (["theory", "--wide", "3"], "wide must be at least 4, got 3"),
        (["theory", "--wide", "18"], "wide must be a multiple of 4, got 18"),
        (["theory", "--sgd", "-1"], "sgd must be"),
        (["theory", "--eval-time", "7"], "t must be"),
        (["figure", "bounds", "--seeds", "1"], "seeds must be"),
        (["figure", "nothing"], "invalid choice: 'nothing'"),
        (["figure", "bounds", "--out", __file__], "out must be a folder"),
    ],
)
def test_mistakes_are_one_line(capsys, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "--out" not in arguments:
        arguments = [*arguments, "--out", "results"]
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert message in captured.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["text", "json"])
def test_figure_writes_picture_and_numbers(capsys, tmp_path, monkeypatch, form):
    tiny = modes_shift.Settings(mu=(3, 5, 9), n=50, m=24, seeds=4, n_tau=21, points=101)
    monkeypatch.setattr(modes_shift, "QUICK", tiny)
    arguments = ["figure", "modes-shift", "--quick", "--seeds", "2", "--out", str(tmp_path)]
    assert main([*arguments, *(["--json"] if form == "json" else [])]) == 0
    captured = capsys.readouterr()
    assert "wrote" in captured.err
    assert (tmp_path / "modes_shift.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "modes_shift.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {"panel", "series", "x", "y", "low", "high"}
    if form == "json":
        results = json.loads(captured.out)
        assert results["settings"]["seeds"] == 2
        assert len(results["table"]["x"]) == len(rows)
        assert results["verdicts"][0]["verdict"]
    else:
        assert "mode lost" in captured.out and "| quantity |" in captured.out
