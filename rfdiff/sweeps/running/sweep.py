"""A whole sweep in one call: check everything, prepare the store, run what waits."""

import os
from pathlib import Path

from ...support.errors import ArgumentError
from ...support.validation import count, positive
from ..measuring.evaluate import evaluate_point
from ..measuring.recipe import Recipe
from ..points.grid import Grid
from ..points.problem import check_points
from ..points.schedule import parse_shard, shard_of
from ..store.integrity import check_pages
from ..store.preparing import check_belongs, prepare_store
from ..store.store import Store
from .executors import Backend, Processes, Serial
from .executors.dask import Distributed
from .progress import Progress
from .runner import Summary, run_store
from .tasks import Evaluate


def run_sweep(
    path: str | Path,
    grid: Grid | None = None,
    recipe: Recipe | None = None,
    *,
    jobs: int | None = None,
    scheduler: str | None = None,
    shard: str | None = None,
    timeout: float | None = None,
    retries: int = 2,
    extend: bool = False,
    journal: str | None = None,
    progress: Progress | None = None,
    evaluate: Evaluate = evaluate_point,
) -> Summary:
    """Run a sweep, or go on with one: points that are done stay done.

    Args:
        path: the store.
        grid: what to run; None goes on with all points of a store that exists.
        recipe: what to record; None is the store's own, or `Recipe.of()` for a new one.
        jobs: worker processes; 0 does the points in this process; None is one per usable core.
        scheduler: address of a dask.distributed scheduler that does the points instead.
        shard: "i/N": only the i-th of N parts of the grid.
        timeout: seconds that a point may take.
        retries: further attempts at a point that failed or killed its worker.
        extend: let a store take in another grid.
        journal: "wal", or "delete" for network file systems.
        progress: where progress is told.
        evaluate: measures a point; must be importable by name.

    Raises:
        ArgumentError: a bad argument, or a store of another grid. Nothing is written.
        StoreError: the store cannot be used.
        SchedulerError: the scheduler does not answer.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     grid = Grid.of({"n": [20, 40], "m": 8, "n_times": 16})
    ...     summary = run_sweep(f"{folder}/sweep.db", grid, Recipe.of("1e2:1e6:5log"), jobs=0)
    >>> summary.done, summary.counts.pending
    (2, 0)
    """
    count("retries", retries, 0)
    if timeout is not None:
        positive("timeout", timeout)
    if jobs is not None:
        count("jobs", jobs, 0)
    if scheduler is not None and jobs is not None:
        raise ArgumentError("jobs must not be set with a scheduler, which has its own workers")
    if grid is None and shard is not None:
        raise ArgumentError("shard needs a grid to take a part of")
    part = None if shard is None else parse_shard(shard)
    if grid is not None:
        check_points(grid.points)
    points = None if grid is None or part is None else shard_of(grid.points, *part)
    path = Path(path)
    recipe = _check(path, grid, recipe, extend)
    if grid is not None:
        recipe.check(grid.points)
    backend = _backend(jobs, scheduler)
    try:
        if grid is None:
            store = Store.open(path, write=True)
            check_pages(store)
        else:
            store = prepare_store(path, recipe, grid, points=points, extend=extend, journal=journal)
        with store:
            return run_store(
                store, backend, evaluate, timeout=timeout, retries=retries, progress=progress
            )
    finally:
        backend.close(kill=True)


def _check(path: Path, grid: Grid | None, recipe: Recipe | None, extend: bool) -> Recipe:
    """Refuse a store that is not this sweep's before any worker is asked for; give the recipe."""
    if not path.exists():
        if grid is None:
            raise ArgumentError(f"{path}: there is no such store yet, so axes are needed")
        return recipe or Recipe.of()
    if path.stat().st_size == 0 and grid is not None:
        return recipe or Recipe.of()
    with Store.open(path) as store:
        own = store.recipe
        if grid is not None:
            check_belongs(store, recipe or own, grid, extend)
        elif recipe is not None and own.difference(recipe):
            raise ArgumentError(f"{path} records something else ({own.difference(recipe)})")
    return own


def _backend(jobs: int | None, scheduler: str | None) -> Backend:
    if scheduler is not None:
        return Distributed(scheduler)
    if jobs is None:
        jobs = usable_cores()
    return Processes(jobs) if jobs else Serial()


def usable_cores() -> int:
    """Return how many cores this process may use: a cluster's job often has but a few."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
