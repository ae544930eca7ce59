"""No finished point is lost or done twice, whatever is killed: runner, worker or both."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from reference import sweep_points
from reference.sweep_points import BAD, LOG, RECIPE, grid, table_of, undisturbed
from rfdiff.sweeps import Store, run_sweep
from rfdiff.sweeps.store.integrity import find_faults

TESTS = Path(__file__).parents[1]


class Sweep:
    """A sweep in another process, watched through the log that it and its workers write."""

    def __init__(self, folder, evaluate, n_values, seeds, jobs=2, extend="no"):
        self.store = folder / "sweep.db"
        self.log = folder / "log"
        self.command = [
            sys.executable, "-m", "reference.sweep_runner", str(self.store), evaluate, str(jobs),
            ",".join(map(str, n_values)), str(seeds), extend,
        ]  # fmt: skip
        self.seen = set()
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            self.command,
            cwd=TESTS,
            env={**os.environ, LOG: str(self.log)},
            stderr=subprocess.PIPE,
        )

    def lines(self, word):
        text = self.log.read_text() if self.log.exists() else ""
        return [line.split()[-1] for line in text.splitlines() if line.startswith(word)]

    def workers(self):
        try:
            children = psutil.Process(self.process.pid).children()
            found = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        except psutil.NoSuchProcess:
            return []
        self.seen.update(found)
        return found

    def wait_for(self, word, count, seconds=60.0):
        """Wait until the log has `count` lines that start with `word`, or the runner has ended."""
        end = time.monotonic() + seconds
        while len(self.lines(word)) < count and self.process.poll() is None:
            assert time.monotonic() < end, f"no {count} lines of {word}"
            time.sleep(0.002)

    def finish(self, seconds=60.0):
        _, errors = self.process.communicate(timeout=seconds)
        return self.process.returncode, errors.decode()


@pytest.fixture
def start(tmp_path):
    """Start sweeps in the test's folder; none outlives the test, however that ends."""
    started = []

    def begin(*arguments, **options):
        started.append(Sweep(tmp_path, *arguments, **options))
        return started[-1]

    yield begin
    for sweep in started:
        sweep.process.kill()
        sweep.process.communicate()


def assert_gone(processes, seconds=5.0):
    """Assert that processes have ended: no orphan goes on burning a core."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []


def test_twenty_kills(tmp_path, start):
    """Runner, worker and both are killed at 20 random moments of a sweep of 200 points."""
    n_values, seeds = range(2, 10), 25
    expected = undisturbed(tmp_path / "serial.db", grid(n_values, seeds=seeds))
    rng = np.random.default_rng(5)
    kinds = rng.permutation(["runner"] * 7 + ["worker"] * 7 + ["both"] * 6)
    sweep = start("logged", n_values, seeds)
    for kind in kinds:
        sweep.wait_for("ack", len(sweep.lines("ack")) + int(rng.integers(1, 5)))
        time.sleep(rng.uniform(0.0, 0.03))
        assert sweep.process.poll() is None, f"ended before its last kill: {sweep.finish()}"
        workers = sweep.workers()
        if kind != "worker":
            sweep.process.kill()
        if kind != "runner" and workers:
            psutil.Process(workers[rng.integers(len(workers))].pid).kill()
        if kind == "worker":
            continue
        sweep.finish()
        acknowledged = set(sweep.lines("ack"))
        with Store.open(sweep.store) as store:
            assert acknowledged <= {row.id for row in store.rows()}
            assert find_faults(store) == []
        sweep.start()
    assert sweep.finish() == (0, "")
    assert table_of(sweep.store) == expected
    assert sweep.lines("failed") == []
    lines = [line.split() for line in sweep.log.read_text().splitlines()]
    finished = set()
    for word, identity in lines:
        assert not (word == "start" and identity in finished), "run again after completion"
        if word == "ack":
            finished.add(identity)
    assert len([1 for word, _ in lines if word == "start"]) > 200, "no kill hit a running point"
    assert_gone(sweep.seen)


def test_real_trainings_survive_kills(tmp_path, start):
    """The same with real trainings: a worker is killed, then both."""
    n_values, seeds = [5, 10], 15
    expected = undisturbed(
        tmp_path / "serial.db", grid(n_values, seeds=seeds), sweep_points.trained
    )
    sweep = start("trained", n_values, seeds)
    for i, kind in enumerate(("worker", "both")):
        sweep.wait_for("ack", 4 + 8 * i)
        workers = sweep.workers()
        if kind == "both":
            sweep.process.kill()
        if workers:
            workers[0].kill()
        if kind == "both":
            sweep.finish()
            sweep.start()
    assert sweep.finish() == (0, "")
    assert table_of(sweep.store) == expected


def test_a_poisoned_point_fails_alone(tmp_path):
    """The point that kills its worker fails, with its name; no innocent one does."""
    path = tmp_path / "s.db"
    points = grid([*range(2, 12), BAD], seeds=2)
    summary = run_sweep(path, points, RECIPE, jobs=2, retries=1, evaluate=sweep_points.poisoned)
    assert (summary.done, summary.failed, summary.counts.pending) == (20, 2, 0)
    with Store.open(path) as store:
        failures = store.failures()
    assert [failure.point["n"] for failure in failures] == [BAD, BAD]
    assert all("died 2 times while doing this point alone" in f.error for f in failures)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_finishes_cleanly(start, signum):
    """Points under way are stored, nothing else is begun, and the sweep goes on later."""
    sweep = start("logged", range(2, 12), 20)
    sweep.wait_for("ack", 10)
    workers = sweep.workers()
    sweep.process.send_signal(signum)
    assert sweep.finish() == (130, "")
    assert_gone(workers)
    with Store.open(sweep.store) as store:
        counts = store.counts()
        assert not any(item.claimed for item in store.pending())
    assert 10 <= counts.done < 200 and counts.failed == 0
    assert set(sweep.lines("start")) == set(sweep.lines("ack")), "a point under way was dropped"


def test_ctrl_c_on_a_terminal_reaches_workers_too(start):
    """A terminal sends SIGINT to the whole group: workers must leave it to the runner."""
    sweep = start("logged", range(2, 12), 20)
    sweep.wait_for("ack", 10)
    for worker in sweep.workers():
        worker.send_signal(signal.SIGINT)
    sweep.process.send_signal(signal.SIGINT)
    assert sweep.finish() == (130, "")
    assert set(sweep.lines("start")) == set(sweep.lines("ack"))


def test_a_second_signal_stops_at_once(start):
    """Twice Ctrl-C does not wait for a point of three seconds."""
    sweep = start("sleepy", [2, 3], 1)
    sweep.wait_for("start", 2)
    workers = sweep.workers()
    begun = time.monotonic()
    sweep.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    sweep.process.send_signal(signal.SIGINT)
    status, errors = sweep.finish()
    assert time.monotonic() - begun < 2.5
    assert status != 0 and "KeyboardInterrupt" in errors
    assert_gone(workers)
    with Store.open(sweep.store) as store:
        assert store.counts().pending == 2 and find_faults(store) == []


def test_two_runners_share_a_store(tmp_path, start):
    """Two runs of one sweep at once lose nothing and share the work instead of doubling it."""
    n_values, seeds = range(2, 12), 10
    expected = undisturbed(tmp_path / "serial.db", grid(n_values, seeds=seeds))
    both = [start("logged", n_values, seeds) for _ in range(2)]
    assert [sweep.finish() for sweep in both] == [(0, ""), (0, "")]
    assert table_of(both[0].store) == expected
    # Each may do again what the other had in hand at the end: four tasks.
    assert 100 <= len(both[0].lines("start")) <= 108


def test_two_different_sweeps_share_a_store(tmp_path, start):
    """Two grids written to one store at once are both complete."""
    first = start("logged", range(2, 7), 10, extend="extend")
    second = start("logged", range(5, 10), 10, extend="extend")
    assert first.finish() == (0, "") and second.finish() == (0, "")
    expected = undisturbed(tmp_path / "serial.db", grid(range(2, 10), seeds=10))
    assert table_of(first.store) == expected
    with Store.open(first.store) as store:
        assert len(store.grids) == 2
