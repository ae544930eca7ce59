"""What a sweep costs beyond its trainings, and what a second process gains."""

import tempfile
import time
from pathlib import Path

from benchmarks.rows import row

from rfdiff.runs.train_exact import train_exact
from rfdiff.sweeps import Grid, Recipe, run_sweep
from rfdiff.sweeps.points.problem import training_arguments
from rfdiff.sweeps.running.limits import one_thread

SMALL = Grid.of({"n": [50, 100, 200, 400], "m": 64, "seeds": 50})
HALF_SECOND = Grid.of({"n": 1000, "m": 512, "n_times": 512, "seeds": 40})
BARE = Recipe.of("1e0:1e10:81log", "loss_train")
WHOLE = Recipe.of()


def sweep_seconds(grid: Grid, recipe: Recipe, jobs: int) -> float:
    """Return the wall time of a whole sweep into a new store."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        summary = run_sweep(Path(folder) / "sweep.db", grid, recipe, jobs=jobs)
        seconds = time.perf_counter() - begun
    assert summary.done == len(grid)
    return seconds


def bare_seconds(grid: Grid) -> float:
    """Return the wall time of the same trainings in a loop, with nothing around them."""
    begun = time.perf_counter()
    with one_thread():
        for point in grid.points:
            train_exact(BARE.times, **training_arguments(point)).loss("train")
    return time.perf_counter() - begun


def overhead() -> None:
    """Milliseconds per point over bare calls, in this process."""
    bare_seconds(SMALL)
    pairs = [(sweep_seconds(SMALL, BARE, 0), bare_seconds(SMALL)) for _ in range(3)]
    sweep, bare = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    row(
        "sweep overhead per point over bare train_exact [ms]",
        1e3 * (sweep - bare) / len(SMALL),
        "< 5",
        f"{len(SMALL)} points of {1e3 * bare / len(SMALL):.1f} ms",
    )


def speedup() -> None:
    """One worker process against two, each from a cold start to the closed store."""
    one, two = (sweep_seconds(HALF_SECOND, WHOLE, jobs) for jobs in (1, 2))
    row(
        "sweep with 1 process / with 2 processes",
        one / two,
        "≥ 1.7",
        f"{len(HALF_SECOND)} points of {one / len(HALF_SECOND):.2f} s: {one:.1f} s / {two:.1f} s",
    )


def sweeps() -> None:
    """What a sweep costs beyond its trainings, and what a second process gains."""
    overhead()
    speedup()
