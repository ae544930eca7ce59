"""Where and how points are done changes nothing: serial, processes and dask give the same bits."""

import logging
import os
import signal
import sys
import threading
import time
import warnings

import numpy as np
import psutil
import pytest

from reference import sweep_points
from reference.sweep_points import BAD, LOG, RECIPE, grid, table_of, undisturbed
from rfdiff.diffusion.mixtures import bimodal
from rfdiff.diffusion.sde import VPSDE
from rfdiff.runs.train_exact import train_exact
from rfdiff.support.errors import AccuracyWarning, ArgumentError, SchedulerError
from rfdiff.sweeps import OBSERVABLES, Grid, Recipe, Store, run_sweep
from rfdiff.sweeps.measuring import sharing
from rfdiff.sweeps.measuring.evaluate import evaluate_point
from rfdiff.sweeps.measuring.recipe import DEFAULT_OBSERVABLES
from rfdiff.sweeps.running.executors import dask
from rfdiff.sweeps.running.limits import OutOfTime, one_thread, time_limit
from rfdiff.sweeps.running.progress import Progress
from rfdiff.sweeps.running.tasks import Task, execute
from rfdiff.theory.decomposition import InfiniteWidthLoss

REAL = Recipe.of("1e0:1e8:9log", DEFAULT_OBSERVABLES)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A grid of real trainings and its table, made serially."""
    points = grid([5, 10, 20], m=(8, 16), seeds=4)
    path = tmp_path_factory.mktemp("serial") / "s.db"
    run_sweep(path, points, REAL, jobs=0)
    return points, table_of(path)


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


def test_a_point_does_not_depend_on_its_neighbours(real):
    """The population that points share, and warm caches, change no bit."""
    ids, ordered, _, curves = real[1]
    for i in np.random.default_rng(1).permutation(len(ids))[:6]:
        with one_thread():
            alone = evaluate_point(dict(ordered[i]), REAL)
        assert {name: curve.tobytes() for name, curve in alone.curves.items()} == curves[i]


def test_a_point_is_what_train_exact_gives():
    """Curves and early stopping are those of the run that a user would make by hand."""
    point = Grid.of({"n": 40, "m": 32, "mu": 2.0, "sde": "vp", "seed": 3}).points[0]
    recipe = Recipe.of("1e0:1e8:17log", "kl,loss_train,loss_population,tau_es,spectrum", t=0.1)
    result = evaluate_point(point, recipe)
    run = train_exact(recipe.times, target=bimodal(2.0), sde=VPSDE(), n=40, m=32, seed=3)
    best = run.early_stopping(t=0.1)
    kl = run.kl(t=0.1)
    np.testing.assert_allclose(result.curves["kl"], kl.value, rtol=1e-12)
    np.testing.assert_array_less(result.curves["kl_error"], 1e-6)
    np.testing.assert_allclose(result.curves["loss_train"], run.loss("train"), rtol=1e-12)
    np.testing.assert_allclose(result.curves["loss_population"], run.loss("population"), rtol=1e-9)
    assert result.scalars["tau_es"] == pytest.approx(best.tau, rel=1e-6)
    assert result.scalars["kl_best"] == pytest.approx(float(best.value), rel=1e-9)
    assert result.scalars["kl_end"] == result.curves["kl"][-1]
    assert result.scalars["tau_es_at"] == best.at
    assert result.scalars["gram_trace"] == pytest.approx(np.trace(run.quadratic.gram), rel=1e-9)
    assert 1 <= result.scalars["gram_participation"] <= result.scalars["gram_rank"] <= 32
    assert set(result.timings) == {"train", *recipe.observables}


def test_bound_terms_are_those_of_the_run(monkeypatch):
    """Bound and decomposition as by hand, and the points share one model of infinite width."""
    monkeypatch.setattr(sharing, "WIDE", 128)
    built, build = [], InfiniteWidthLoss.build

    def counted(*arguments, **choices):
        built.append(1)
        return build(*arguments, **choices)

    monkeypatch.setattr(InfiniteWidthLoss, "build", counted)
    recipe = Recipe.of("1e2:1e8:4log", "bound,decomposition", t=0.1)
    for point in Grid.of({"n": [20, 40], "m": 16, "n_times": 32, "seeds": 2}).points:
        result = evaluate_point(point, recipe)
        curves, scalars = result.curves, result.scalars
        total = curves["bound_integral"] + scalars["bound_prior"]
        np.testing.assert_allclose(total, curves["bound"], rtol=1e-9)
        parts = curves["bound_sample"] + curves["bound_infinite"] + curves["bound_width"]
        np.testing.assert_allclose(parts, curves["bound_integral"], rtol=1e-9)
    assert built == [1]
    run = train_exact(recipe.times, n=40, m=16, n_times=32, seed=1)
    terms, bound = run.decomposition(t=0.1, wide=128), run.bound(t=0.1)
    np.testing.assert_allclose(curves["bound"], bound.total.value, rtol=1e-9)
    np.testing.assert_allclose(curves["bound_error"], bound.total.error, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(curves["bound_infinite"], terms.infinite.value, rtol=1e-9)
    np.testing.assert_allclose(curves["bound_width"], terms.width.value, rtol=1e-9)
    assert scalars["approximation_finite"] == pytest.approx(float(terms.finite_error), rel=1e-6)


def test_every_observable_can_be_recorded(monkeypatch):
    """KL by its three definitions is that of the run, and every curve stands beside its error."""
    monkeypatch.setattr(sharing, "WIDE", 64)
    recipe = Recipe.of("1e2:1e6:3log", OBSERVABLES, against="pt")
    result = evaluate_point(Grid.of({"n": 20, "m": 8, "n_times": 16}).points[0], recipe)
    run = train_exact(recipe.times, n=20, m=8, n_times=16)
    for name, method in {"kl_flow": "probability-flow", "kl_sde": "reverse-sde"}.items():
        expected = run.kl(method=method, against="pt")
        np.testing.assert_allclose(result.curves[name], expected.value, rtol=1e-9)
        np.testing.assert_allclose(result.curves[f"{name}_error"], expected.error, rtol=1e-6)
    slack = result.curves["kl_sde_error"] + result.curves["bound_error"]
    assert (result.curves["kl_sde"] <= result.curves["bound"] + slack).all()
    curves = set(result.curves) - {"loss_train", "loss_population"}
    assert all(f"{name.removesuffix('_error')}_error" in curves for name in curves)
    assert all(np.isfinite(curve).all() for curve in result.curves.values())
    assert {"tau_es", "tau_es_flow", "tau_es_sde", "tau_es_population"} <= set(result.scalars)


def test_missed_tolerances_are_recorded(monkeypatch):
    def warning(taken):
        warnings.warn("kl misses by 1e-3: raise n_times", AccuracyWarning, stacklevel=2)
        return {}, {}

    monkeypatch.setattr("rfdiff.sweeps.measuring.evaluate.MEASURES", {"kl": warning})
    result = evaluate_point(grid([3]).points[0], Recipe.of("1,10", "kl"))
    assert result.scalars == {"warnings": "kl misses by 1e-3: raise n_times"}


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


@pytest.mark.parametrize(
    ("jobs", "evaluate", "message"),
    [
        (0, "endless", "took more than 0.5 s"),
        (2, "endless", "took more than 0.5 s"),
        (1, "deaf", "took more than 0.5 s and its process had to be ended"),
    ],
)
def test_a_point_out_of_time_fails_alone(tmp_path, jobs, evaluate, message):
    """The others take no time to speak of, so that a busy machine puts none beyond the limit."""
    points = grid([*range(2, 6), BAD])
    summary = run_sweep(
        tmp_path / "s.db",
        points,
        RECIPE,
        jobs=jobs,
        timeout=0.5,
        evaluate=getattr(sweep_points, evaluate),
    )
    assert (summary.done, summary.failed) == (4, 1)
    with Store.open(tmp_path / "s.db") as store:
        (failure,) = store.failures()
    assert failure.point["n"] == BAD and message in failure.error


@pytest.mark.parametrize("in_main_thread", [True, False])
def test_time_limits(in_main_thread):
    """Late blocks are interrupted, quick ones are not, and nothing rings afterwards."""
    heard = []

    def body():
        with time_limit(5.0, may_exit=False):
            heard.append("quick")
        with time_limit(None, may_exit=False):
            heard.append("unlimited")
        try:
            with time_limit(0.05, may_exit=False):
                while True:
                    time.sleep(0.001)
        except OutOfTime as error:
            heard.append(str(error))
        for _ in range(100):
            time.sleep(0.001)
        heard.append("quiet")

    before = signal.getsignal(signal.SIGALRM)
    if in_main_thread:
        body()
    else:
        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
    assert heard == ["quick", "unlimited", "the point took more than 0.05 s", "quiet"]
    assert signal.getsignal(signal.SIGALRM) == before


def test_one_thread_is_set_back():
    import numba
    from threadpoolctl import threadpool_info

    def threads():
        blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
        return blas, numba.get_num_threads()

    before = threads()
    with one_thread():
        blas, kernels = threads()
        assert set(blas) == {1} and kernels == 1
    assert threads() == before


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
