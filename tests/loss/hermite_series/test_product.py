"""Products in single precision against double: the error holds where all roundings go one way."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rfdiff.loss.hermite_series.product import Product, single_rounding
from rfdiff.loss.hermite_series.tiles import Tiles


@pytest.mark.parametrize("rows", [1, 64, 320, 1797])
def test_error_covers_rows_that_are_alike(rows):
    one = 1.0 + np.random.default_rng(0).random((1, 512))
    matrix = np.repeat(one / one.max(), rows, axis=0)
    exact = matrix.T @ matrix
    a = np.diagonal(exact)
    with ThreadPoolExecutor(1) as pool:
        over, worst = Tiles(512, pool), 0.0
        product = Product(matrix, 1.0, float(a.max()), over)

        def tile(at, columns):
            nonlocal worst
            off = np.abs(product.tile(at, columns) - exact[at, columns])
            worst = max(worst, float((off / np.sqrt(np.outer(a[at], a[columns]))).max()))

        over.each(tile)
    assert 0.0 < worst <= single_rounding(rows)
