"""Points for tests of sweeps: importable by name, so that worker processes find them too.

The light ones stand for a training: a result that depends on the point alone, a known duration.
"""

import os
import signal
import time
from pathlib import Path

import numpy as np

from rfdiff.support.random import stream
from rfdiff.sweeps import Grid, Recipe, Store, Table, point_id, prepare_store, read_table, run_store
from rfdiff.sweeps.measuring.recipe import DEFAULT_OBSERVABLES
from rfdiff.sweeps.measuring.result import Result
from rfdiff.sweeps.running.executors import Serial

LOG = "RFDIFF_TEST_LOG"
BAD = 13
RECIPE = Recipe.of("1e0:1e4:9log", "kl,loss_train")
REAL = Recipe.of("1e0:1e8:9log", DEFAULT_OBSERVABLES)


def grid(n, m=(8,), seeds=1):
    """Return a grid whose points are cheap even when they are trained."""
    return Grid.of({"n": list(n), "m": list(m), "seeds": seeds, "n_times": 8})


def log(line):
    """Append a line to the log of this test, whole, from any process."""
    if LOG in os.environ:
        file = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{line}\n".encode())
        os.close(file)


def light(point, recipe):
    """Diagonalise a small random matrix: one millisecond of real linear algebra."""
    draw = stream(point["seed"], "data", point["n"]).standard_normal((point["m"], point["n"]))
    values = np.linalg.eigvalsh(draw @ draw.T)
    curve = np.exp(-np.outer(recipe.times, np.abs(values))).sum(1)
    return Result(
        {"kl": curve, "kl_error": np.full_like(curve, np.nan)},
        {"top": float(values[-1]), "where": "interior", "infinite": np.inf},
        {"train": 1e-3},
    )


def allow(path, acknowledged):
    """Let points of a log pass the gate while fewer than so many are acknowledged; None: all."""
    gate = Path(f"{path}.gate")
    if acknowledged is None:
        gate.unlink(missing_ok=True)
    else:
        draft = gate.with_suffix(".draft")
        draft.write_text(str(acknowledged))
        draft.replace(gate)


def pass_the_gate():
    """Wait until `allow` lets a point pass: how far a sweep is never depends on the clock."""
    path = Path(os.environ.get(LOG, os.devnull))
    while True:
        try:
            allowed = int(Path(f"{path}.gate").read_text())
        except FileNotFoundError:
            return
        if sum(line.startswith("ack") for line in path.read_text().splitlines()) < allowed:
            return
        time.sleep(0.002)


def logged(point, recipe):
    """A light point that says when it starts and waits at the gate."""
    log(f"start {point_id(point)}")
    pass_the_gate()
    return light(point, recipe)


def instant(point, recipe):
    """Take no time to speak of: no limit of time strikes it, however busy the machine is."""
    return Result({"kl": np.zeros(len(recipe.tau))}, {})


def poisoned(point, recipe):
    """Kill the worker at one n."""
    if point["n"] == BAD:
        os.kill(os.getpid(), signal.SIGKILL)
    return light(point, recipe)


def failing(point, recipe):
    """Raise at one n."""
    if point["n"] == BAD:
        raise FloatingPointError("the bad point")
    return light(point, recipe)


def flaky(point, recipe):
    """Raise at the first attempt of each point."""
    mark = f"{os.environ[LOG]}.{point['n']}"
    if not os.path.exists(mark):
        open(mark, "w").close()
        raise OSError("only the first time")
    return light(point, recipe)


def endless(point, recipe):
    """Never end at one n, in Python."""
    while point["n"] == BAD:
        pass
    return instant(point, recipe)


def deaf(point, recipe):
    """Never end at one n, in compiled code that holds the interpreter."""
    if point["n"] == BAD:
        sum(range(10**12))
    return instant(point, recipe)


def trained(point, recipe):
    """A real training that says when it starts and waits at the gate."""
    # Only here: the workers of light points must not wait for what trains.
    from rfdiff.sweeps.measuring.evaluate import evaluate_point

    log(f"start {point_id(point)}")
    pass_the_gate()
    return evaluate_point(point, recipe)


def made(axes, scalars, zipped=(), curves=lambda point: {}, tau="1e0:1e4:9log"):
    """Return a table whose results are given functions of the point."""
    points = Grid.of(axes, zipped).points
    results = [Result(curves(point), scalars(point)) for point in points]
    times = Recipe.of(tau).times
    ids = [str(i) for i in range(len(points))]
    return Table(times, ids, points, results, np.ones(len(points)), [{}] * len(points))


def contents(folder):
    """Return the files of a folder."""
    return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def table_of(path):
    """Return everything of a store's table that must not depend on how it was made."""
    with Store.open(path) as store:
        table = read_table(store)
    scalars = [dict(result.scalars) for result in table.results]
    curves = [{k: v.tobytes() for k, v in result.curves.items()} for result in table.results]
    return table.ids, table.points, scalars, curves


def undisturbed(path, sweep_grid, evaluate=light, recipe=RECIPE):
    """Run a sweep serially in this process and return its table."""
    with prepare_store(path, recipe, sweep_grid) as store:
        run_store(store, Serial(), evaluate)
    return table_of(path)
