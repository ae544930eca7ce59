"""Doing the points of a store, with whatever executor, until each is done or has failed.

Few tasks are under way at a time. When a worker dies, executors do not say which task killed it:
all that were under way become suspects and are done again one by one, so that only a point that
kills its worker by itself fails. What is stored stays stored, so there is nothing to recover: a
runner that is killed is simply started again.
"""

import secrets
import time
from collections import Counter, deque
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field

from ...support.errors import SchedulerError, StoreError
from ..points.identity import point_id
from ..points.schedule import cost, in_order
from ..store.store import Counts, Store
from .executors import Backend
from .progress import Progress
from .stopping import StopRequest, stop_on_signals
from .tasks import Evaluate, Outcome, Task, execute

# How often, in seconds, a waiting runner looks whether it was asked to stop.
_PATIENCE = 0.25

_SAFE = "what is done is stored, and the same command goes on from there"


@dataclass(frozen=True)
class Summary:
    """What a run came to.

    Attributes:
        already: points done before it began.
        done: points done by it.
        elsewhere: points done meanwhile by another runner on the same store.
        failed: points that failed in it.
        counts: the store's points by state, at the end.
        interrupted: whether it was asked to stop before the end.
        seconds: wall time.
    """

    already: int
    done: int
    elsewhere: int
    failed: int
    counts: Counts
    interrupted: bool
    seconds: float


def run_store(
    store: Store,
    backend: Backend,
    evaluate: Evaluate,
    *,
    timeout: float | None = None,
    retries: int = 2,
    progress: Progress | None = None,
) -> Summary:
    """Do all points of a store that wait; the workers are ended when it returns.

    Args:
        store: open for writing.
        backend: where points are done.
        evaluate: measures a point.
        timeout: seconds a point may take.
        retries: further attempts at a point that failed or killed its worker. A point that is out
            of time, or whose arguments are wrong, gets none.
        progress: where progress is told; None is nowhere.

    Raises:
        StoreError: the store can no longer be written; what was stored is safe.
        SchedulerError: the scheduler was lost.
        KeyboardInterrupt: a second Ctrl-C.
    """
    progress = progress or Progress(quiet=True)
    with stop_on_signals(progress.say) as stop:
        return _Run(store, backend, evaluate, timeout, retries, progress, stop).run()


@dataclass
class _Run:
    """The state of one run."""

    store: Store
    backend: Backend
    evaluate: Evaluate
    timeout: float | None
    retries: int
    progress: Progress
    stop: StopRequest
    owner: str = field(default_factory=lambda: secrets.token_hex(8))
    waiting: deque[Task] = field(default_factory=deque)
    held: deque[Task] = field(default_factory=deque)
    running: dict[Future[Outcome], Task] = field(default_factory=dict)
    suspects: deque[Task] = field(default_factory=deque)
    attempts: Counter[str] = field(default_factory=Counter)
    tally: Counter[str] = field(default_factory=Counter)

    def run(self) -> Summary:
        begun = time.monotonic()
        before = self.store.counts()
        self._line_up()
        tasks = [*self.waiting, *self.held]
        self.progress.start(
            before.total - len(tasks), before.total, sum(cost(task.point) for task in tasks)
        )
        failed = f", {before.failed} have failed" if before.failed else ""
        self.progress.say(
            f"{before.done} of {before.total} points are done already{failed}, {len(tasks)} to do"
        )
        finished = False
        try:
            self._work()
            finished = True
        except StoreError as error:
            raise StoreError(f"{error}; {_SAFE}") from error
        finally:
            self.progress.close()
            self.backend.close(kill=not finished)
            # Marks are advice: a disk too full to take them back may keep them.
            with nullcontext() if finished else suppress(StoreError):
                self.store.release(self.owner)
        after = self.store.counts()
        return Summary(
            already=before.done,
            done=self.tally["done"],
            elsewhere=self.tally["elsewhere"],
            failed=self.tally["failed"],
            counts=after,
            interrupted=self.stop.requested and after.pending > 0,
            seconds=time.monotonic() - begun,
        )

    def _line_up(self) -> None:
        """Queue what waits; points that a runner has marked, alive or killed, come last."""
        recipe = self.store.recipe
        pending = {item.id: item for item in self.store.pending()}
        for point in in_order([item.point for item in pending.values()]):
            identity = point_id(point)
            task = Task(
                identity,
                point,
                recipe,
                self.evaluate,
                self.timeout,
                self.backend.may_exit,
            )
            (self.held if pending[identity].claimed else self.waiting).append(task)

    def _work(self) -> None:
        while self.waiting or self.held or self.running or self.suspects:
            if self.stop.requested:
                self._wind_down()
                return
            if self.suspects:
                # Alone: nothing else may be under way when blame is laid.
                if self.running:
                    self._collect()
                else:
                    self._try_suspects()
                continue
            self._fill()
            self._collect()

    def _wind_down(self) -> None:
        """Take back what has not begun, where that can be known, and wait for the rest."""
        for future in list(self.running):
            if self.backend.knows_begun and future.cancel():
                del self.running[future]
        while self.running:
            self._collect()

    def _fill(self) -> None:
        """Submit tasks until the window is full."""
        room = self.backend.window() - len(self.running)
        while room > 0 and not self.stop.requested:
            task = self._next()
            if task is None:
                return
            try:
                future = self.backend.executor().submit(execute, task)
            except self.backend.lost:
                # The pool broke before it could take this one, which is no suspect.
                self.waiting.appendleft(task)
                self.backend.discard()
                return
            self.running[future] = task
            room -= 1

    def _next(self) -> Task | None:
        """Return the next task that is still to be done, marked as this runner's."""
        while self.waiting or self.held:
            take_over = not self.waiting
            task = self.held.popleft() if take_over else self.waiting.popleft()
            state = self.store.claim(task.id, self.owner, take_over=take_over)
            if state == "claimed":
                return task
            if state == "held":
                self.held.append(task)
            else:
                self.tally["elsewhere"] += 1
                self.progress.advance(task.id, cost(task.point), failed=state == "failed")
        return None

    def _collect(self) -> None:
        """Wait for some tasks to end, not for long, and settle them."""
        ended = self._wait(self.running)
        broken = False
        for future in ended:
            task = self.running.pop(future)
            try:
                self._settle(task, self._outcome(future))
            except self.backend.lost:
                self.suspects.append(task)
                broken = True
        if broken:
            self.backend.discard()

    def _outcome(self, future: "Future[Outcome]") -> Outcome:
        if future.cancelled():
            raise SchedulerError(f"the scheduler was lost; {_SAFE}")
        return future.result()

    def _try_suspects(self) -> None:
        """Do suspects one by one, each death being its own fault."""
        with self.backend.isolated() as executor:
            while self.suspects and not self.stop.requested:
                task = self.suspects.popleft()
                begun = time.monotonic()
                try:
                    outcome = self._alone(executor, task)
                except self.backend.lost:
                    self._died(task, time.monotonic() - begun)
                    return
                self._settle(task, outcome)

    def _alone(self, executor: Executor, task: Task) -> Outcome:
        future = executor.submit(execute, task)
        while not future.done():
            self._wait([future])
        return self._outcome(future)

    def _wait(self, futures: Iterable["Future[Outcome]"]) -> set["Future[Outcome]"]:
        """Wait for some futures to end, not for long; tell what the backend has noticed."""
        if notice := self.backend.notice():
            self.progress.say(notice)
        return wait(futures, timeout=_PATIENCE, return_when=FIRST_COMPLETED).done

    def _died(self, task: Task, seconds: float) -> None:
        """Count a death in isolation against the task, and fail it when it has had its chances."""
        self.attempts[task.id] += 1
        attempts = self.attempts[task.id]
        if task.timeout is not None and seconds >= task.timeout:
            error = f"the point took more than {task.timeout:g} s and its process had to be ended"
        elif attempts > self.retries:
            error = f"the worker process died {attempts} times while doing this point alone"
        else:
            self.suspects.append(task)
            return
        self._fail(task, error, seconds, "")

    def _settle(self, task: Task, outcome: Outcome) -> None:
        """Store what came of a task, or queue it again."""
        self.attempts[task.id] += 1
        if outcome.packed is not None:
            self.store.finish(
                task.id,
                outcome.packed,
                attempts=self.attempts[task.id],
                seconds=outcome.seconds,
                timings=outcome.timings,
                provenance=outcome.provenance,
            )
            self.tally["done"] += 1
            self.progress.advance(task.id, cost(task.point))
        elif outcome.retryable and self.attempts[task.id] <= self.retries:
            self.waiting.append(task)
        else:
            self._fail(task, outcome.error, outcome.seconds, outcome.provenance)

    def _fail(self, task: Task, error: str, seconds: float, provenance: str) -> None:
        self.store.fail(
            task.id,
            error,
            attempts=self.attempts[task.id],
            seconds=seconds,
            provenance=provenance,
        )
        self.tally["failed"] += 1
        self.progress.advance(task.id, cost(task.point), failed=True)
        last = error.rstrip().rsplit("\n", 1)[-1]
        self.progress.say(f"failed: {task.id[:12]} ({last})")
