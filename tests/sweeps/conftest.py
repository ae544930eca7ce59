"""Sweeps that several files look at."""

import pytest

from reference.sweep_points import REAL, RECIPE, grid, light, table_of, undisturbed
from rfdiff.sweeps import prepare_store, read_table, run_store, run_sweep
from rfdiff.sweeps.running.executors import Serial


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """A grid of real trainings and its table, made serially."""
    points = grid([5, 10, 20], m=(8, 16), seeds=4)
    path = tmp_path_factory.mktemp("serial") / "s.db"
    run_sweep(path, points, REAL, jobs=0)
    return points, table_of(path)


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    """The table of a finished sweep over n, m and seeds."""
    path = tmp_path_factory.mktemp("table") / "s.db"
    with prepare_store(path, RECIPE, grid([4, 2, 8], m=(8, 16), seeds=3)) as store:
        run_store(store, Serial(), light)
        return read_table(store)


@pytest.fixture
def path(tmp_path):
    """The path of a finished store of twelve points."""
    undisturbed(tmp_path / "s.db", grid(range(2, 8), seeds=2))
    return tmp_path / "s.db"
