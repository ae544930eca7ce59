"""How far a sweep is: a bar on a terminal, plain lines in a log file, nothing if quiet."""

import sys
import time
from typing import TextIO

from tqdm import tqdm

# Seconds between two lines of a log.
_LINE_SECONDS = 30.0


class Progress:
    """Reports to a stream, by default stderr.

    Time left is reckoned in the work of the points, not in their number, because dear points come
    first.

    Args:
        stream: where to; a bar is drawn if it is a terminal, else lines are written.
        quiet: write nothing.
        every: seconds between two lines.
    """

    def __init__(
        self, stream: TextIO | None = None, *, quiet: bool = False, every: float = _LINE_SECONDS
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._quiet = quiet
        self._every = every
        self._bar: tqdm | None = None

    def start(self, already: int, total: int, work: float) -> None:
        """Begin, with the number of points done before, of all, and the work that is left."""
        self._begun = self._reported = time.monotonic()
        self._already, self._done, self._failed, self._total = already, 0, 0, total
        self._work, self._worked = work, 0.0
        if not self._quiet and self._stream.isatty():
            self._bar = tqdm(
                total=total,
                initial=already,
                file=self._stream,
                unit="point",
                dynamic_ncols=True,
                bar_format="{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} "
                "[{elapsed}, {rate_fmt}{postfix}]",
            )

    def advance(self, identity: str, work: float, *, failed: bool = False) -> None:
        """Count a point that is now stored as done, or as failed."""
        self._done += 1
        self._failed += failed
        self._worked += work
        if self._bar is not None:
            self._bar.set_postfix_str(self._left(), refresh=False)
            self._bar.update()
        elif not self._quiet and time.monotonic() - self._reported >= self._every:
            self._reported = time.monotonic()
            self.say(self.line())

    def say(self, text: str) -> None:
        """Write one line beside the bar, or into the log."""
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.write(text, file=self._stream)
        else:
            print(text, file=self._stream, flush=True)

    def line(self) -> str:
        """Return the state of things in a line."""
        rate = self._done / max(time.monotonic() - self._begun, 1e-9)
        return f"{self._already + self._done}/{self._total} points, {rate:.3g}/s, {self._left()}"

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _left(self) -> str:
        elapsed = time.monotonic() - self._begun
        seconds = elapsed * max(self._work - self._worked, 0.0) / max(self._worked, 1e-9)
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{tqdm.format_interval(seconds)} left{failed}"
