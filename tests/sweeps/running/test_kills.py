"""No finished point is lost or done twice, whatever is killed: runner, worker or both.

Points wait at a gate that the tests move, so how far a sweep is when it is killed or stopped does
not depend on how busy the machine is. Limits of time only keep a broken sweep from hanging.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from reference import sweep_points
from reference.sweep_points import BAD, LOG, RECIPE, allow, grid, table_of, undisturbed
from rfdiff.sweeps import Store, run_sweep
from rfdiff.sweeps.store.integrity import find_faults

TESTS = Path(__file__).parents[2]
HANGS = 300.0


class Sweep:
    """A sweep in another process, watched through the log that it and its workers write."""

    def __init__(self, folder, evaluate, n_values, seeds, jobs=2, extend="no", allowed=None):
        self.store = folder / "sweep.db"
        self.log = folder / "log"
        self.command = [
            sys.executable, "-m", "reference.sweep_runner", str(self.store), evaluate, str(jobs),
            ",".join(map(str, n_values)), str(seeds), extend,
        ]  # fmt: skip
        self.seen = set()
        allow(self.log, allowed)
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

    def wait_for(self, word, count):
        """Wait until the log has `count` lines that start with `word`."""
        end = time.monotonic() + HANGS
        while len(self.lines(word)) < count:
            assert self.process.poll() is None, f"ended early: {self.finish()}"
            assert time.monotonic() < end, f"no {count} lines of {word}"
            time.sleep(0.002)

    def stop(self, signum):
        """Send a signal and wait until the runner has said that it heard it."""
        self.process.send_signal(signum)
        self.wait_for("say stopping", 1)

    def finish(self):
        _, errors = self.process.communicate(timeout=HANGS)
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


def assert_gone(processes):
    """Assert that processes end: no orphan goes on burning a core."""
    _, alive = psutil.wait_procs(processes, timeout=HANGS)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []


def kill(sweep, kind, rng):
    """Kill the runner, one of its workers, or both."""
    workers = sweep.workers()
    if kind != "worker":
        sweep.process.kill()
    if kind != "runner" and workers:
        # A worker dies with its runner, perhaps before it is killed.
        with suppress(psutil.NoSuchProcess):
            workers[rng.integers(len(workers))].kill()


def assert_nothing_is_lost(sweep):
    acknowledged = set(sweep.lines("ack"))
    with Store.open(sweep.store) as store:
        assert acknowledged <= {row.id for row in store.rows()}
        assert find_faults(store) == []


def test_twenty_kills(tmp_path, start):
    """Runner, worker and both are killed at 20 random moments of a sweep of 200 points."""
    n_values, seeds = range(2, 10), 25
    expected = undisturbed(tmp_path / "serial.db", grid(n_values, seeds=seeds))
    rng = np.random.default_rng(5)
    sweep = start("logged", n_values, seeds, allowed=0)
    for kind in rng.permutation(["runner"] * 7 + ["worker"] * 7 + ["both"] * 6):
        acknowledged = len(sweep.lines("ack"))
        steps = int(rng.integers(1, 5))
        # Few are let through, so that there are always points that wait, and two that have begun.
        allow(sweep.log, acknowledged + steps + 1)
        sweep.wait_for("ack", acknowledged + steps)
        time.sleep(rng.uniform(0.0, 0.03))
        kill(sweep, kind, rng)
        if kind != "worker":
            sweep.finish()
            assert_nothing_is_lost(sweep)
            sweep.start()
    allow(sweep.log, None)
    assert sweep.finish() == (0, "")
    assert table_of(sweep.store) == expected
    assert sweep.lines("failed") == []
    finished = set()
    for line in sweep.log.read_text().splitlines():
        assert not (line.startswith("start") and line.split()[-1] in finished), "run again"
        if line.startswith("ack"):
            finished.add(line.split()[-1])
    assert len(sweep.lines("start")) > 200, "no kill hit a running point"
    assert_gone(sweep.seen)


def test_real_trainings_survive_kills(tmp_path, start):
    """The same with real trainings: a worker is killed, then both."""
    n_values, seeds = [5, 10], 8
    expected = undisturbed(
        tmp_path / "serial.db", grid(n_values, seeds=seeds), sweep_points.trained
    )
    rng = np.random.default_rng(0)
    sweep = start("trained", n_values, seeds, allowed=0)
    for acknowledged, kind in ((3, "worker"), (8, "both")):
        allow(sweep.log, acknowledged + 1)
        sweep.wait_for("ack", acknowledged)
        kill(sweep, kind, rng)
    sweep.finish()
    assert_nothing_is_lost(sweep)
    allow(sweep.log, None)
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
    sweep = start("logged", range(2, 12), 20, allowed=10)
    sweep.wait_for("ack", 10)
    workers = sweep.workers()
    sweep.stop(signum)
    allow(sweep.log, None)
    assert sweep.finish() == (130, "")
    assert_gone(workers)
    with Store.open(sweep.store) as store:
        counts = store.counts()
        assert not any(item.claimed for item in store.pending())
    # Four were in hand when the ninth was acknowledged, and four when the signal came.
    assert 10 <= counts.done <= 9 + 4 + 4 and counts.failed == 0
    assert set(sweep.lines("start")) == set(sweep.lines("ack")), "a point under way was dropped"


def test_ctrl_c_on_a_terminal_reaches_workers_too(start):
    """A terminal sends SIGINT to the whole group: workers must leave it to the runner."""
    sweep = start("logged", range(2, 12), 20, allowed=10)
    sweep.wait_for("ack", 10)
    for worker in sweep.workers():
        worker.send_signal(signal.SIGINT)
    sweep.stop(signal.SIGINT)
    allow(sweep.log, None)
    assert sweep.finish() == (130, "")
    assert set(sweep.lines("start")) == set(sweep.lines("ack"))


def test_a_second_signal_stops_at_once(start):
    """Twice Ctrl-C waits for no point: these would never end."""
    sweep = start("logged", [2, 3], 1, allowed=0)
    sweep.wait_for("start", 2)
    workers = sweep.workers()
    sweep.stop(signal.SIGINT)
    sweep.process.send_signal(signal.SIGINT)
    status, errors = sweep.finish()
    assert status != 0 and "KeyboardInterrupt" in errors
    assert_gone(workers)
    with Store.open(sweep.store) as store:
        assert store.counts().pending == 2 and find_faults(store) == []


def test_two_runners_share_a_store(tmp_path, start):
    """Two runs of one sweep at once lose nothing and share the work instead of doubling it."""
    n_values, seeds = range(2, 12), 10
    expected = undisturbed(tmp_path / "serial.db", grid(n_values, seeds=seeds))
    both = [start("logged", n_values, seeds, allowed=0) for _ in range(2)]
    for sweep in both:
        sweep.wait_for("begin", 2)
    allow(both[0].log, None)
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
