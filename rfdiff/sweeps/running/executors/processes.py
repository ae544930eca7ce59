"""Points in worker processes of this machine."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

from ....support.validation import count


class Processes:
    """The backend of spawned worker processes.

    Spawned, because forked workers die once the parent has run a parallel Numba kernel. A Python
    script that runs a sweep in this way needs `if __name__ == "__main__":` around it.
    """

    lost: tuple[type[BaseException], ...] = (BrokenExecutor,)
    may_exit = True
    knows_begun = True

    def __init__(self, jobs: int) -> None:
        self.jobs = count("jobs", jobs)
        self._pool: _Pool | None = None

    def window(self) -> int:
        """One at work and one in waiting for each worker."""
        return 2 * self.jobs

    def notice(self) -> None:
        """Nothing: workers are started as they are needed."""

    def executor(self) -> Executor:
        """Return the pool."""
        if self._pool is None:
            self._pool = _Pool(self.jobs)
        return self._pool

    def discard(self) -> None:
        """Give up a pool after one of its workers died: the executor can do no more."""
        if self._pool is not None:
            self._pool.end(kill=True)
            self._pool = None

    @contextmanager
    def isolated(self) -> Iterator[Executor]:
        """Yield a pool of one."""
        pool = _Pool(1)
        try:
            yield pool
        finally:
            pool.end(kill=True)

    def close(self, *, kill: bool = False) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.end(kill=kill)
            self._pool = None


class _Pool(Executor):
    """A process pool whose workers leave Ctrl-C to the parent, die with it, and can be killed."""

    def __init__(self, jobs: int) -> None:
        context: Any = _RecordingContext()
        self._started: list[BaseProcess] = context.started
        self._executor = ProcessPoolExecutor(jobs, context, initializer=_start_worker)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        # Workers are started in here and inherit the signal mask: a Ctrl-C that comes before a
        # worker can ignore it must not kill it. The parent gets its own when the mask is lifted.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            return self._executor.submit(fn, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def end(self, *, kill: bool) -> None:
        """End the workers; with `kill`, every task under way ends as if its worker had died."""
        if kill:
            for process in self._started:
                if process.is_alive():
                    process.kill()
        self._executor.shutdown(wait=True)


class _RecordingContext:
    """The spawn context, remembering the processes it has made."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self.started: list[BaseProcess] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def Process(self, *args: Any, **kwargs: Any) -> BaseProcess:
        process = self._context.Process(*args, **kwargs)
        self.started.append(process)
        return process


def _start_worker() -> None:
    """Prepare a worker: Ctrl-C is the parent's affair; SIGTERM ends it; it dies with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def _die_with(parent: BaseProcess) -> None:
    """End this process when the parent has ended: a pool's worker would wait for ever."""
    parent.join()
    os._exit(1)
