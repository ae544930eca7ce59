"""Symmetric matrices in fixed tiles, worked on by threads: the same bits however many there are.

BLAS deals one product to its threads in a way that depends on their number. Here every tile is a
product of its own on one thread of BLAS.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from ..._kernels.assembly.hermite import thread_count
from ...support.threads import blas_threads

_SMALLEST, _LARGEST, _A_SIDE = 64, 256, 4


class Tiles:
    """The lower triangle of an (m, m) matrix in tiles, and its columns in the same strips."""

    def __init__(self, m: int, pool: ThreadPoolExecutor) -> None:
        size = min(max(-(-m // _A_SIDE), _SMALLEST), _LARGEST)
        self._strips = [slice(i, min(i + size, m)) for i in range(0, m, size)]
        self._pairs = [(a, b) for a in self._strips for b in self._strips if b.start <= a.start]
        self._pool = pool

    def members(
        self, first: np.ndarray, second: np.ndarray
    ) -> dict[tuple[int, int], tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]]:
        """Return which of some pairs (first > second) are in each tile, and where in it.

        Keyed by where rows and columns of the tile start.
        """
        found = {}
        for rows, columns in self._pairs:
            inside = (first >= rows.start) & (first < rows.stop)
            inside &= (second >= columns.start) & (second < columns.stop)
            which = np.flatnonzero(inside)
            found[rows.start, columns.start] = (
                which, (first[which] - rows.start, second[which] - columns.start),
            )  # fmt: skip
        return found

    def each(self, task: Callable[[slice, slice], None]) -> None:
        """Call task(rows, columns) for every tile of the lower triangle."""
        for _ in self._pool.map(lambda pair: task(*pair), self._pairs):
            pass

    def each_strip(self, task: Callable[[slice], None]) -> None:
        """Call task(columns) for every strip of columns."""
        for _ in self._pool.map(task, self._strips):
            pass


@contextmanager
def tiles(m: int) -> Iterator[Tiles]:
    """Give the tiles of an (m, m) matrix to as many threads as kernels have, one of BLAS each."""
    with blas_threads(1), ThreadPoolExecutor(thread_count()) as pool:
        yield Tiles(m, pool)
