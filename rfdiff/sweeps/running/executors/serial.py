"""Points one after another in this process."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any


class _Inline(Executor):
    """An executor whose `submit` does the work before it returns."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Serial:
    """The backend without workers: for debugging, and as the reference of the others."""

    lost: tuple[type[BaseException], ...] = ()
    may_exit = False
    knows_begun = True

    def __init__(self) -> None:
        self._executor = _Inline()

    def window(self) -> int:
        """One."""
        return 1

    def notice(self) -> None:
        """Nothing: this process is always there."""

    def executor(self) -> Executor:
        """Return the executor."""
        return self._executor

    def discard(self) -> None:
        """Nothing: this executor breaks only with the whole process."""

    @contextmanager
    def isolated(self) -> Iterator[Executor]:
        """Yield the executor."""
        yield self._executor

    def close(self, *, kill: bool = False) -> None:
        """Nothing."""
