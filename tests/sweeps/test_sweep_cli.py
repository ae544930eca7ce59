"""`rfdiff sweep` from the shell: what it prints, writes and refuses."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rfdiff.cli import main
from rfdiff.sweeps.running.executors import dask

SCRIPTS = Path(__file__).parents[2] / "scripts"
GRID = ["--n", "10,20,40", "--m", "8", "--n-times", "8", "--seeds", "3"]
RECIPE = ["--tau", "1e0:1e8:9log", "--observables", "kl,tau_es"]


def run(*arguments):
    return main(["sweep", *map(str, arguments)])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A finished sweep of nine points."""
    path = tmp_path_factory.mktemp("cli") / "s.db"
    assert run("run", "--out", path, *GRID, *RECIPE, "--jobs", 0, "--quiet") == 0
    return path


def test_the_same_command_goes_on(tmp_path, capsys):
    command = ["run", "--out", tmp_path / "s.db", *GRID, *RECIPE, "--jobs", 0]
    assert run(*command) == 0
    out, err = capsys.readouterr()
    assert "9 of 9 points done (0 before, 9 now), 0 failed, 0 to do" in out
    assert "0 of 9 points are done already, 9 to do" in err
    assert run(*command) == 0
    out, err = capsys.readouterr()
    assert "9 of 9 points done (9 before, 0 now)" in out
    assert "9 of 9 points are done already, 0 to do" in err
    # The store alone is enough; a larger grid must be asked for.
    assert run("run", "--out", tmp_path / "s.db", "--jobs", 0, "--quiet") == 0
    larger = ["run", "--out", tmp_path / "s.db", *GRID, "--n", "10,80", "--jobs", 0, "--quiet"]
    assert run(*larger) == 2
    assert "--extend" in capsys.readouterr().err
    assert run(*larger, "--extend") == 0
    assert "12 of 12 points done (9 before, 3 now)" in capsys.readouterr().out


def test_status(store, capsys):
    assert run("status", store, "--check") == 0
    out = capsys.readouterr().out
    assert "9 of 9 points done" in out and "grid: n 10,20,40, m 8, n_times 8, seed 0,1,2" in out
    assert "records: kl, tau_es at 9 training times" in out
    assert "checked: pages, identities and hashes are sound" in out
    assert run("status", store, "--json", "--check") == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["done"], status["pending"], status["faults"]) == (9, 0, [])
    assert status["recipe"]["observables"] == ["kl", "tau_es"]


def test_failures_are_listed_and_retried(tmp_path, capsys):
    """A point without time fails; it is listed, set waiting, and done with more time."""
    path = tmp_path / "s.db"
    command = ["run", "--out", path, *GRID, *RECIPE, "--jobs", 0]
    assert run(*command, "--timeout", 1e-5) == 1
    out, err = capsys.readouterr()
    assert "0 of 9 points done" in out and "9 failed" in out
    assert f"see: rfdiff sweep failed {path}" in err
    assert run("failed", path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9 and all("the point took more than 1e-05 s" in line for line in lines)
    assert "n=10 m=8 n_times=8" in lines[0]
    assert run("failed", path, "--traceback") == 0
    assert "Traceback (most recent call last)" in capsys.readouterr().out
    assert run("status", path) == 0
    assert "failed: 9" in capsys.readouterr().out
    assert run(*command) == 1
    assert "9 have failed, 0 to do" in capsys.readouterr().err
    assert run("retry", path) == 0
    assert "9 points wait again" in capsys.readouterr().out
    assert run("status", path) == 0
    assert "to do: 9" in capsys.readouterr().out
    assert run(*command) == 0
    assert run("failed", path) == 0
    assert capsys.readouterr().out.endswith("no point has failed\n")


def test_export(store, tmp_path, capsys):
    assert run("export", store) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["n"] for row in rows] == ["10"] * 3 + ["20"] * 3 + ["40"] * 3
    files = {name: tmp_path / f"s.{name}" for name in ("csv", "npz", "parquet")}
    curves = tmp_path / "curves.csv"
    options = [item for name, path in files.items() for item in (f"--{name}", path)]
    assert run("export", store, *options, "--curves", curves, "--timings") == 0
    out, err = capsys.readouterr()
    assert out == "" and err.count("wrote") == 4
    assert "seconds" in files["csv"].read_text().splitlines()[0]
    assert len(curves.read_text().splitlines()) == 1 + 81


def test_toml_and_options(tmp_path, capsys):
    file = tmp_path / "sweep.toml"
    file.write_text(
        '[axes]\nn = "10,20"\nm = 8\nn_times = 8\nseeds = 2\n'
        '[recipe]\ntau = "1e0:1e4:3log"\nobservables = ["kl"]\n'
    )
    path = tmp_path / "s.db"
    assert run("run", "--grid", file, "--out", path, "--seed", "5", "--jobs", 0, "--quiet") == 0
    assert "2 of 2 points done" in capsys.readouterr().out
    zipped = ["--n", "10,20", "--m", "5,10", "--zip", "n,m", "--n-times", "8", "--tau", "1,10"]
    assert run("run", "--out", tmp_path / "z.db", *zipped, "--jobs", 0, "--quiet") == 0
    assert "2 of 2 points done" in capsys.readouterr().out


def test_shards_and_merge(tmp_path, store, capsys):
    shards = []
    for i in (1, 2):
        shards.append(tmp_path / f"{i}.db")
        options = ["--shard", f"{i}/2", "--journal", "delete", "--jobs", 0, "--quiet"]
        assert run("run", "--out", shards[-1], *GRID, *RECIPE, *options) == 0
    merged = tmp_path / "merged.db"
    assert run("merge", merged, *shards) == 0
    assert "9 points added, 0 there already" in capsys.readouterr().out
    tables = []
    for path in (merged, store):
        assert run("export", path) == 0
        tables.append(capsys.readouterr().out)
    assert tables[0] == tables[1]


def test_plots(store, tmp_path, capsys):
    assert run("plot", store, "--x", "n", "--png", tmp_path / "n.png") == 0
    out, err = capsys.readouterr()
    assert "tau_es against n" in out and "fit: tau_es" in out and f"{tmp_path / 'n.png'}" in err
    assert out.count("(3 seeds)") == 3
    for name, options in {
        "kl": ["--group", "n"],
        "kl_one": ["--where", "n=10", "--y", "kl"],
        "heat": ["--x", "n", "--heat", "m", "--y", "kl_best"],
        "slope": ["--x", "n", "--y", "kl_best", "--predict", "-0.5"],
        "seconds": ["--x", "n", "--y", "seconds"],
    }.items():
        png = tmp_path / f"{name}.png"
        assert run("plot", store, *options, "--png", png) == 0
        assert png.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--out", "NEW", "--nn", "10"], "--nn (did you mean '--n'?)"),
        (["run", "--out", "NEW", "--n", "100:10:3log"], "START < STOP"),
        (["run", "--out", "NEW", "--n", ""], "empty item"),
        (["run", "--out", "NEW", "--n", "0"], "n must be at least 1, got 0"),
        (["run", "--out", "NEW", "--features", "l2"], "did you mean 'l1'"),
        (["run", "--out", "NEW", "--n", "10", "--observables", "klx"], "did you mean 'kl'"),
        (["run", "--out", "NEW", "--n", "10", "--tau", "10:1:5log"], "START < STOP"),
        (["run", "--out", "NEW", "--sde", "vp", "--sigma", "9"], "sigma does not apply"),
        (["run", "--out", "NEW", "--sigma", "0.5"], "sigma must be greater than 1"),
        (["run", "--out", "NEW", "--n", "10,20", "--zip", "n,q"], "unknown axis 'q'"),
        (["run", "--out", "NEW", "--n", "10", "--shard", "3/2"], "shard must be i/N"),
        (["run", "--out", "NEW", "--n", "10", "--jobs", "-1"], "jobs must be at least 0"),
        (["run", "--out", "NEW", "--grid", "NEW.toml"], "cannot be read"),
        (["run", "--out", "NEW"], "axes are needed"),
        (["run", "--n", "10"], "--out"),
        (["run", "--out", "STORE", "--n", "10", "--m", "9"], "belongs to another grid"),
        (["run", "--out", "STORE", *GRID, "--tau", "1,2"], "records something else"),
        (["status", "NEW"], "no such store"),
        (["export", "STORE", "--csv", "MISSING/s.csv"], "cannot be written"),
        (["merge", "NEW", "NEW2"], "no such store"),
        (["merge", "NEW"], "SHARD"),
        (["plot", "STORE", "--x", "q", "--png", "NEW.png"], "unknown axis 'q'"),
        (["plot", "STORE", "--x", "n", "--y", "tau", "--png", "NEW.png"], "did you mean 'tau_es'"),
        (["plot", "STORE", "--y", "klx", "--group", "n", "--png", "NEW.png"], "did you mean 'kl'"),
        (["plot", "STORE", "--png", "NEW.png"], "n varies too"),
        (["plot", "STORE", "--where", "n=11", "--png", "NEW.png"], "no finished point has n = 11"),
        (["plot", "STORE", "--where", "n", "--png", "NEW.png"], "AXIS=VALUE"),
        (["plot", "STORE", "--heat", "n", "--png", "NEW.png"], "needs --x AXIS"),
        (["plot", "STORE", "--x", "n", "--png", "NEW.pdf"], "must end in .png"),
        (["dance", "STORE"], "dance"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line_and_write_nothing(store, tmp_path, capsys, arguments, message):
    before = store.read_bytes()
    names = {"STORE": str(store)}
    arguments = [
        names.get(word, str(tmp_path / word) if word.startswith(("NEW", "MISSING")) else word)
        for word in arguments
    ]
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("rfdiff sweep"), err
    assert message in err
    assert list(tmp_path.iterdir()) == [] and store.read_bytes() == before
    assert [path.name for path in store.parent.iterdir()] == ["s.db"]


def test_an_unreachable_scheduler_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(dask, "CONNECT_SECONDS", 0.2)
    scheduler = ["--scheduler", "tcp://127.0.0.1:9"]
    assert run("run", "--out", tmp_path / "s.db", *GRID, *scheduler) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "cannot be reached" in err
    assert list(tmp_path.iterdir()) == []


def test_processes_from_the_shell(tmp_path):
    """As installed: the console entry, two worker processes, a log file for stderr."""
    command = [sys.executable, "-m", "rfdiff", "sweep", "run", "--out", str(tmp_path / "s.db")]
    done = subprocess.run(
        [*command, *GRID, *RECIPE, "--jobs", "2"], capture_output=True, text=True, check=True
    )
    assert "9 of 9 points done (0 before, 9 now)" in done.stdout
    assert done.stderr == "0 of 9 points are done already, 9 to do\n"


def test_help_is_quick_and_complete(capsys):
    assert run("run", "--help") == 0
    text = capsys.readouterr().out
    for word in ("--noise-samples", "--seeds", "--zip", "--scheduler", "--shard", "--timeout"):
        assert word in text


STUB = """#!/usr/bin/env bash
printf '%s\\n' "$*" >> "$LOG"
"""


@pytest.mark.parametrize("axis", ["n", "m", "mu", "tau"])
def test_scripts(tmp_path, axis):
    """Each script's commands, with tiny overrides: store, tables and pictures."""
    name = f"sweep_{axis}.sh"
    for folder in ("bin", "scripts", "out"):
        (tmp_path / folder).mkdir()
    shutil.copy(SCRIPTS / name, tmp_path / "scripts")
    (tmp_path / "scripts" / "environment.sh").touch()
    (tmp_path / "bin" / "rfdiff").write_text(STUB)
    (tmp_path / "bin" / "rfdiff").chmod(0o755)
    overrides = {"N": "5,10,20", "M": "8", "MU": "1,2", "SEEDS": "2", "TAU": "1e0:1e6:5log"}
    overrides |= {"m": {"N": "5", "M": "4,6,8"}, "mu": {"N": "5"}}.get(axis, {})
    places = {"LOG": str(tmp_path / "log"), "OUT": str(tmp_path / "out"), "JOBS": "0"}
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    environment = {**os.environ, **overrides, **places, "PATH": path}
    subprocess.run(["bash", str(tmp_path / "scripts" / name)], env=environment, check=True)
    commands = (tmp_path / "log").read_text().splitlines()
    assert commands[0].startswith("sweep run") and len(commands) >= 4
    for command in commands:
        assert main(command.split()) == 0
    made = {path.suffix for path in (tmp_path / "out").iterdir()}
    assert made == {".db", ".csv", ".png"}


def test_all_sweeps_are_in_sweep_all():
    text = (SCRIPTS / "sweep_all.sh").read_text()
    assert "for axis in n m mu tau" in text and 'bash "scripts/sweep_$axis.sh"' in text
