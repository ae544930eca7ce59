"""Where points are done. The seam is `submit(fn, task)` of `concurrent.futures`, and no more."""

from concurrent.futures import Executor
from contextlib import AbstractContextManager
from typing import Protocol

from .processes import Processes
from .serial import Serial

__all__ = ["Backend", "Processes", "Serial"]


class Backend(Protocol):
    """A source of executors, and what the runner must know about them.

    Attributes:
        lost: exceptions that mean "the worker died", by which no task can be blamed yet.
        may_exit: whether a worker's process may end with a point that overruns its time.
        knows_begun: whether cancelling a future spares a task that has begun.
    """

    lost: tuple[type[BaseException], ...]
    may_exit: bool
    knows_begun: bool

    def window(self) -> int:
        """Return how many tasks to have under way: enough to keep every worker busy, no more."""

    def notice(self) -> str | None:
        """Return what has changed that the user should know, each change once."""

    def executor(self) -> Executor:
        """Return the executor in use, a new one if the last was discarded."""

    def discard(self) -> None:
        """Give up an executor that is broken."""

    def isolated(self) -> AbstractContextManager[Executor]:
        """Return an executor in which one suspect harms only itself."""

    def close(self, *, kill: bool = False) -> None:
        """End all workers; with `kill`, without waiting for what they are doing."""
