"""One point's work in whatever process it is done: `execute(task)` is all an executor must call."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ...support.errors import ArgumentError, MemoryLimitError
from ..measuring.recipe import Recipe
from ..measuring.result import Packed, Result, pack
from ..points.identity import Value
from .limits import OutOfTime, one_thread, time_limit
from .provenance import host_free_traceback, provenance

Evaluate = Callable[[dict[str, Value], Recipe], Result]
"""Measures one point. Must be importable by name, so that it can be sent to another process."""

# Thread limits belong to the process, so a process does one point at a time, whatever the number
# of threads a scheduler believes it has.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Task:
    """A point to be done, self-contained and picklable.

    Attributes:
        id: identity of the point.
        point: its values.
        recipe: what to record.
        evaluate: measures it.
        timeout: seconds it may take; None is no limit.
        may_exit: whether its process may end with it when it does not stop in time.
    """

    id: str
    point: dict[str, Value]
    recipe: Recipe
    evaluate: Evaluate
    timeout: float | None = None
    may_exit: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a task: a packed result, or an error.

    Attributes:
        packed: the result, or None.
        error: traceback of the failure, or "".
        retryable: whether another attempt may do better (a wrong argument stays wrong).
        seconds: wall time.
        timings: seconds by what took them.
        provenance: versions of what computed it.
    """

    packed: Packed | None
    error: str
    retryable: bool
    seconds: float
    timings: dict[str, float]
    provenance: str


def execute(task: Task) -> Outcome:
    """Do a task and return its outcome; a failure is an outcome too, never an exception."""
    with _ONE_AT_A_TIME:
        start = time.perf_counter()
        try:
            with one_thread(), time_limit(task.timeout, may_exit=task.may_exit):
                result = task.evaluate(task.point, task.recipe)
            packed = pack(result, len(task.recipe.tau))
        except Exception as error:
            retryable = not isinstance(error, ArgumentError | MemoryLimitError | OutOfTime)
            seconds = time.perf_counter() - start
            return Outcome(None, host_free_traceback(error), retryable, seconds, {}, provenance())
        seconds = time.perf_counter() - start
        return Outcome(packed, "", False, seconds, dict(result.timings), provenance())
