"""The product HᵀH of a block's coefficients of one order, tile by tile as it is asked for.

A tile is made, scaled and added within a cache: what passes through memory is G itself.
"""

import numpy as np
from numpy.typing import NDArray

from ...support.validation import FloatArray
from .tiles import Tiles

# Rows summed in single precision; the sums are added in double.
_SUMMED = 128


def single_rounding(rows: int) -> float:
    """Return what a sum over rows in single precision errs by, relative to √(A_i A_j).

    A is the diagonal of the product. Every entry is rounded, and every partial sum, which is no
    larger: all one way at worst, as where rows are alike.

    >>> single_rounding(1024) < 1e-5
    True
    """
    return (min(rows, _SUMMED) + 4.0) * 2.0**-24


class Product:
    """factor HᵀH in double precision, or in single where entries of it are known to be small.

    Args:
        matrix: H, shape (rows, m).
        factor: of the product.
        largest: in single precision, an upper limit of factor HᵀH, else 0.
        over: the tiles.
        room: for H in single precision, at least as many rows.

    Attributes:
        diagonal: of the product, shape (m,).
    """

    def __init__(
        self,
        matrix: FloatArray,
        factor: float,
        largest: float,
        over: Tiles,
        room: NDArray[np.float32] | None = None,
    ) -> None:
        self._matrix: NDArray[np.floating] = matrix
        self._factor, self._single = factor, largest > 0.0
        if self._single:
            # Entries of one, so that single precision neither overflows nor loses small ones.
            size = float(np.sqrt(largest / factor))
            halved = np.empty(matrix.shape, np.float32) if room is None else room[: len(matrix)]
            self._factor = largest

            def convert(columns: slice) -> None:
                to = halved[:, columns]
                np.multiply(matrix[:, columns], 1.0 / size, out=to, casting="same_kind")

            over.each_strip(convert)
            self._matrix = halved
        self.diagonal = np.empty(matrix.shape[1])
        self._on_diagonal: dict[int, FloatArray] = {}

        def diagonal(columns: slice) -> None:
            tile = self._made(columns, columns)
            self._on_diagonal[columns.start] = tile
            self.diagonal[columns] = np.diagonal(tile)

        over.each_strip(diagonal)

    def tile(self, rows: slice, columns: slice) -> FloatArray:
        """Return a tile of the product, once: it may be written to."""
        if rows == columns:
            return self._on_diagonal.pop(rows.start)
        return self._made(rows, columns)

    def _made(self, rows: slice, columns: slice) -> FloatArray:
        count = len(self._matrix)
        summed = _SUMMED if self._single else count
        out = np.zeros((rows.stop - rows.start, columns.stop - columns.start))
        for i in range(0, count, summed):
            part = self._matrix[i : i + summed]
            out += part[:, rows].T @ part[:, columns]
        out *= self._factor
        return out
