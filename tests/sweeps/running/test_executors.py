"""Where points are done changes nothing: serial, processes and dask give the same bits."""

import logging
import os
import signal
import sys

import psutil
import pytest

from reference import sweep_points
from reference.sweep_points import BAD, REAL, RECIPE, grid, table_of
from rfdiff.support.errors import SchedulerError
from rfdiff.sweeps import Store, run_sweep
from rfdiff.sweeps.running.executors import dask
from rfdiff.sweeps.running.progress import Progress


def test_two_processes_equal_serial(tmp_path, real):
    points, expected = real
    summary = run_sweep(tmp_path / "s.db", points, REAL, jobs=2)
    assert (summary.done, summary.failed, summary.interrupted) == (24, 0, False)
    assert table_of(tmp_path / "s.db") == expected


@pytest.fixture(scope="module")
def cluster():
    """A real dask cluster of two worker processes with one thread each."""
    import distributed
    from dask.config import set as configured

    # One death is enough to blame a task, and all that were sent to the same worker with it.
    with (
        configured({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as started,
    ):
        yield started


class Refilling(Progress):
    """Starts a worker when the sweep says that there are none.

    dask gives up a worker that dies while it is being started, which happens on a busy machine.
    """

    def __init__(self, cluster):
        super().__init__(quiet=True)
        self.cluster, self.said = cluster, []

    def say(self, line):
        self.said.append(line)
        if "no workers" in line:
            self.cluster.scale(len(self.cluster.worker_spec) + 1)


def test_dask_equals_serial_though_a_worker_is_killed(tmp_path, real, cluster):
    """A worker dies in the middle; dask starts another one, and no point is lost."""
    points, expected = real
    victim = psutil.Process(min(worker.pid for worker in cluster.workers.values()))
    held = []

    class Killing(Refilling):
        def advance(self, identity, work, *, failed=False):
            held.append(len(cluster.scheduler.tasks))
            if len(held) == 3:
                victim.kill()

    summary = run_sweep(
        tmp_path / "s.db",
        points,
        REAL,
        scheduler=cluster.scheduler_address,
        progress=Killing(cluster),
    )
    # Results are dropped as they come: the scheduler never holds the whole sweep.
    assert len(held) == 24 and max(held) < 24
    assert (summary.done, summary.failed) == (24, 0)
    assert table_of(tmp_path / "s.db") == expected


def test_dask_fails_a_poisoned_point_alone(tmp_path, cluster):
    points = grid([*range(2, 8), BAD])
    summary = run_sweep(
        tmp_path / "s.db",
        points,
        RECIPE,
        scheduler=cluster.scheduler_address,
        retries=0,
        progress=Refilling(cluster),
        evaluate=sweep_points.poisoned,
    )
    assert (summary.done, summary.failed) == (6, 1)
    with Store.open(tmp_path / "s.db") as store:
        (failure,) = store.failures()
    assert failure.point["n"] == BAD and "died 1 times while doing this point" in failure.error


def test_dask_finishes_what_is_under_way_when_asked_to_stop(tmp_path, cluster):
    """One Ctrl-C with dask too: what was sent out is stored, the rest waits unmarked."""

    class Stopping(Refilling):
        def advance(self, identity, work, *, failed=False):
            if not stopped:
                stopped.append(identity)
                os.kill(os.getpid(), signal.SIGINT)

    stopped = []
    summary = run_sweep(
        tmp_path / "s.db",
        grid(range(2, 12), seeds=10),
        RECIPE,
        scheduler=cluster.scheduler_address,
        progress=Stopping(cluster),
        evaluate=sweep_points.logged,
    )
    assert summary.interrupted and summary.failed == 0
    assert 2 <= summary.done < 20 and summary.counts.pending == 100 - summary.done
    with Store.open(tmp_path / "s.db") as store:
        assert not any(item.claimed for item in store.pending())


def test_a_scheduler_without_workers_is_told(tmp_path):
    """A sweep waits for workers to come, and says that it does."""
    import distributed

    with distributed.LocalCluster(
        n_workers=0, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
    ) as empty:
        progress = Refilling(empty)
        summary = run_sweep(
            tmp_path / "s.db",
            grid([2, 3, 4, 5]),
            RECIPE,
            scheduler=empty.scheduler_address,
            progress=progress,
            evaluate=sweep_points.light,
        )
    assert summary.done == 4
    assert "the scheduler has no workers: waiting for some" in progress.said


def test_an_unreachable_scheduler_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(dask, "CONNECT_SECONDS", 0.2)
    with pytest.raises(SchedulerError, match=r"tcp://127\.0\.0\.1:9 cannot be reached"):
        run_sweep(tmp_path / "s.db", grid([2]), RECIPE, scheduler="tcp://127.0.0.1:9")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SchedulerError, match="cannot be reached"):
        dask.Distributed("no-such-protocol://127.0.0.1:9")


def test_a_scheduler_is_waited_for_five_seconds(monkeypatch):
    import distributed

    def client(address, timeout, **choices):
        raise OSError(f"{address} waited for {timeout:g} s")

    monkeypatch.setattr(distributed, "Client", client)
    with pytest.raises(SchedulerError, match=r"cannot be reached \(here waited for 5 s\)"):
        dask.Distributed("here")


def test_dask_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SchedulerError, match=r"pip install 'rfdiff\[dask\]'"):
        dask.Distributed("tcp://127.0.0.1:9")
