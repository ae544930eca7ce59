"""A point's share of time and of threads."""

import signal
import threading
import time

import pytest

from reference import sweep_points
from reference.sweep_points import BAD, RECIPE, grid
from rfdiff.sweeps import Store, run_sweep
from rfdiff.sweeps.running.limits import OutOfTime, one_thread, time_limit


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
