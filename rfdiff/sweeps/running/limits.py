"""What one point may take: one thread of each library, and its share of time."""

import ctypes
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ...support.threads import blas_threads

# After its time a point is asked to stop. A point inside compiled code does not hear that; when as
# much time again has passed, but at most this many seconds, its process ends.
_LONGEST_GRACE = 5.0


class OutOfTime(Exception):
    """A point took longer than it may."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Run a block with one BLAS and one Numba thread, then set both back.

    Two workers with two BLAS threads each are ten times slower than with one each, and the bits of
    a BLAS result may depend on the number of threads.
    """
    # Only if something has loaded it: a point of another kind need not pay for the import.
    numba = sys.modules.get("numba")
    threads = numba.get_num_threads() if numba else 0
    with blas_threads(1):
        if numba:
            numba.set_num_threads(1)
        try:
            yield
        finally:
            if numba:
                numba.set_num_threads(threads)


@contextmanager
def time_limit(seconds: float | None, *, may_exit: bool) -> Iterator[None]:
    """Raise OutOfTime in a block that takes longer than `seconds`; None is no limit.

    With `may_exit` the whole process ends some seconds later if the block has still not stopped.
    """
    if seconds is None:
        yield
        return
    main = threading.current_thread() is threading.main_thread()
    soft = _alarm(seconds) if main else _asynchronous(seconds)
    if may_exit:
        # A watchdog of the C runtime: compiled code that holds the interpreter cannot block it.
        silent = os.open(os.devnull, os.O_WRONLY)
        faulthandler.dump_traceback_later(
            seconds + min(seconds, _LONGEST_GRACE), exit=True, file=silent
        )
    try:
        with soft:
            yield
    finally:
        if may_exit:
            faulthandler.cancel_dump_traceback_later()
            os.close(silent)


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(signum: int, frame: FrameType | None) -> None:
        raise OutOfTime(_message(seconds))

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _asynchronous(seconds: float) -> Iterator[None]:
    """As `_alarm` for threads other than the main one, which get no signals (dask's workers)."""
    thread = ctypes.c_ulong(threading.get_ident())
    lock = threading.Lock()
    state = {"over": False, "rung": False}
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc

    def ring() -> None:
        with lock:
            if not state["over"]:
                state["rung"] = True
                raise_in(thread, ctypes.py_object(OutOfTime))

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    try:
        yield
    except OutOfTime:
        raise OutOfTime(_message(seconds)) from None
    finally:
        with lock:
            state["over"] = True
            if state["rung"]:
                raise_in(thread, None)
        timer.cancel()


def _message(seconds: float) -> str:
    return f"the point took more than {seconds:g} s"
