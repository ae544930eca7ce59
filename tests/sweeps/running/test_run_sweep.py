"""A sweep from its points to its end: failures, further attempts, shards, progress."""

import os

import pytest

from reference import sweep_points
from reference.sweep_points import BAD, LOG, RECIPE, grid, table_of, undisturbed
from rfdiff.support.errors import ArgumentError
from rfdiff.sweeps import Store, run_sweep
from rfdiff.sweeps.running.progress import Progress
from rfdiff.sweeps.running.tasks import Task, execute


@pytest.mark.parametrize("jobs", [0, 2])
def test_a_failing_point_keeps_its_traceback(tmp_path, jobs):
    points = grid([*range(2, 6), BAD])
    summary = run_sweep(
        tmp_path / "s.db", points, RECIPE, jobs=jobs, retries=1, evaluate=sweep_points.failing
    )
    assert (summary.done, summary.failed) == (4, 1)
    with Store.open(tmp_path / "s.db") as store:
        (failure,) = store.failures()
    assert failure.attempts == 2 and failure.point["n"] == BAD
    assert failure.error.endswith("FloatingPointError: the bad point")
    assert 'raise FloatingPointError("the bad point")' in failure.error
    assert str(os.path.dirname(__file__)) not in failure.error
    # It waits for nobody until it is told to.
    again = run_sweep(tmp_path / "s.db", jobs=0, evaluate=sweep_points.light)
    assert (again.already, again.done) == (4, 0)
    with Store.open(tmp_path / "s.db", write=True) as store:
        assert store.retry() == 1
    assert run_sweep(tmp_path / "s.db", jobs=0, evaluate=sweep_points.light).done == 1


def test_a_flaky_point_is_tried_again(tmp_path, monkeypatch):
    monkeypatch.setenv(LOG, str(tmp_path / "log"))
    summary = run_sweep(
        tmp_path / "s.db", grid(range(2, 6)), RECIPE, jobs=0, evaluate=sweep_points.flaky
    )
    assert (summary.done, summary.failed) == (4, 0)
    with Store.open(tmp_path / "s.db") as store:
        assert {row.attempts for row in store.rows()} == {2}


def test_wrong_arguments_are_not_tried_again():
    def wrong(point, recipe):
        raise ArgumentError("m must be even")

    assert not execute(Task("id", {}, RECIPE, wrong)).retryable
    assert execute(Task("id", {}, RECIPE, lambda point, recipe: 1 / 0)).retryable


def test_shards_are_run_one_by_one(tmp_path):
    points = grid(range(2, 9), seeds=2)
    done = 0
    for i in (1, 2, 3):
        summary = run_sweep(
            tmp_path / f"{i}.db",
            points,
            RECIPE,
            jobs=0,
            shard=f"{i}/3",
            journal="delete",
            evaluate=sweep_points.light,
        )
        assert summary.counts.total == summary.done in (4, 5)
        done += summary.done
    assert done == 14


def test_a_sweep_goes_on_without_its_grid(tmp_path):
    """A store is enough to continue: grid and recipe are in it."""
    path = tmp_path / "s.db"
    expected = undisturbed(tmp_path / "t.db", grid(range(2, 9)))
    with sweep_points.prepare_store(path, RECIPE, grid(range(2, 9))):
        pass
    summary = run_sweep(path, jobs=0, evaluate=sweep_points.light)
    assert (summary.already, summary.done) == (0, 7)
    assert table_of(path) == expected
    summary = run_sweep(path, grid(range(2, 9)), jobs=0, evaluate=sweep_points.light)
    assert (summary.already, summary.done) == (7, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"jobs": -1}, "jobs must be at least 0"),
        ({"jobs": 1.5}, "jobs must be an integer"),
        ({"retries": -1}, "retries must be at least 0"),
        ({"timeout": 0}, "timeout must be positive"),
        ({"jobs": 1, "scheduler": "tcp://127.0.0.1:9"}, "jobs must not be set with a scheduler"),
        ({"shard": "3/2"}, "shard must be i/N"),
        ({"grid": None}, "axes are needed"),
        ({"grid": None, "shard": "1/2"}, "shard needs a grid"),
    ],
)
def test_bad_arguments_write_nothing(tmp_path, arguments, message):
    arguments = {"grid": grid([2]), **arguments}
    with pytest.raises(ArgumentError, match=message):
        run_sweep(tmp_path / "s.db", recipe=RECIPE, **arguments)
    assert list(tmp_path.iterdir()) == []


class Screen:
    """A stream that remembers, and may be a terminal."""

    def __init__(self, terminal):
        self.terminal, self.text = terminal, ""

    def isatty(self):
        return self.terminal

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_progress_on_a_terminal_and_in_a_log(tmp_path):
    for terminal in (True, False):
        screen = Screen(terminal)
        run_sweep(
            tmp_path / f"{terminal}.db",
            grid([*range(2, 6), BAD]),
            RECIPE,
            jobs=0,
            retries=0,
            evaluate=sweep_points.failing,
            progress=Progress(screen, every=0.0),
        )
        assert "5/5" in screen.text and "left, 1 failed" in screen.text
        assert "FloatingPointError: the bad point" in screen.text
        assert ("\r" in screen.text) == terminal
        assert "0 of 5 points are done already" in screen.text
