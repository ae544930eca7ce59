"""Points on the workers of a dask.distributed scheduler, on this machine or on many."""

import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from ....support.errors import SchedulerError

# An unreachable scheduler is reported after this many seconds.
CONNECT_SECONDS = 5.0

# Workers come and go: how often, in seconds, they are counted.
_COUNT_SECONDS = 5.0


class Distributed:
    """The backend of a running scheduler. Needs `pip install 'rfdiff[dask]'`.

    Raises:
        SchedulerError: dask.distributed is not installed, or the address does not answer.
    """

    may_exit = True
    knows_begun = False

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError:
            raise SchedulerError(
                "a scheduler needs dask.distributed: pip install 'rfdiff[dask]'"
            ) from None
        try:
            self._client: Any = distributed.Client(
                address, timeout=CONNECT_SECONDS, set_as_default=False
            )
        except (OSError, ValueError) as error:
            raise SchedulerError(f"scheduler {address} cannot be reached ({error})") from None
        self.lost: tuple[type[BaseException], ...] = (distributed.KilledWorker,)
        # pure=False: two tasks are never one, however alike they look to dask.
        self._executor: Executor = self._client.get_executor(pure=False)
        self._threads, self._counted = 0, -_COUNT_SECONDS
        self._told_of_none = False

    def window(self) -> int:
        """One at work and one in waiting for each worker thread there is now."""
        self._count()
        return max(2, 2 * self._threads)

    def _count(self) -> None:
        now = time.monotonic()
        if now - self._counted > _COUNT_SECONDS:
            self._threads, self._counted = sum(self._client.nthreads().values()), now

    def notice(self) -> str | None:
        """Say that there are no workers, and that there are some again."""
        self._count()
        none = self._threads == 0
        if none == self._told_of_none:
            return None
        self._told_of_none = none
        return "the scheduler has no workers: waiting for some" if none else "workers have come"

    def executor(self) -> Executor:
        """Return the executor; dask drops a task's result when its future is dropped."""
        return self._executor

    def discard(self) -> None:
        """Nothing: dask starts dead workers again."""

    @contextmanager
    def isolated(self) -> Iterator[Executor]:
        """Yield the executor: a task that is alone in it is alone to blame."""
        yield self._executor

    def close(self, *, kill: bool = False) -> None:
        """Part from the scheduler; its workers stay."""
        self._executor.shutdown(wait=not kill)
        self._client.close()
