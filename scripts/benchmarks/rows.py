"""One row of a benchmark: a ratio of two timings of the same run, beside its target."""

import time
from collections.abc import Callable


def best(work: Callable[[], object], repetitions: int = 3) -> float:
    """Return the shortest wall time of some repetitions, after one to warm up."""
    work()
    seconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def row(what: str, ratio: float, target: str, detail: str = "") -> None:
    """Print one result."""
    print(f"{what:<74} {ratio:>10.3g}   target {target:<9} {detail}", flush=True)
