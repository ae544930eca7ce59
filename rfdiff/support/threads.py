"""How many threads linear algebra gets.

A threaded eigensolver of a small matrix synchronises thousands of times; on a busy machine each
barrier may wait for a time slice (measured: 0.1 s becomes 3 s). Below `SERIAL_SIZE` one thread is
as fast or nearly so, never stalls, and gives the same bits on every machine and in every worker.

Its threads also spin for milliseconds after a product, however small: a parallel kernel that
follows has one core less (measured: samples and the probability flow's KL take 1.4 to 2 times as
long).
"""

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

from threadpoolctl import ThreadpoolController

SERIAL_SIZE = 1024


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def blas_threads(size: int) -> AbstractContextManager[object]:
    """Return a context in which BLAS has one thread if the matrices' order is small."""
    if size > SERIAL_SIZE:
        return nullcontext()
    return _controller().limit(limits=1, user_api="blas")
