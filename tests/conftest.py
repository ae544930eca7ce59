"""What every room's tests share; problems with known answers are in tests/reference."""

import numba
import pytest


@pytest.fixture
def on_one_thread():
    """Call a function while the kernels run on one thread."""

    def call(function):
        threads = numba.get_num_threads()
        numba.set_num_threads(1)
        try:
            return function()
        finally:
            numba.set_num_threads(threads)

    return call
