"""Ctrl-C and SIGTERM: once to finish what is under way, twice to stop at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether somebody has asked the sweep to stop."""

    def __init__(self) -> None:
        self.requested = False


@contextmanager
def stop_on_signals(tell: Callable[[str], None]) -> Iterator[StopRequest]:
    """Yield a request that the first signal sets; the second raises KeyboardInterrupt.

    SIGTERM counts too: a cluster sends it some seconds before it kills a job. Outside the main
    thread, where there are no signals, the request is never set.
    """
    request = StopRequest()

    def handle(signum: int, frame: FrameType | None) -> None:
        if request.requested:
            raise KeyboardInterrupt
        request.requested = True
        tell("stopping: points under way are finished first; once more to stop at once")

    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = [signal.signal(signum, handle) for signum in _SIGNALS]
    try:
        yield request
    finally:
        for signum, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(signum, handler)
