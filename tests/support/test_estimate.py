"""An estimate reckons: its error is a bound on what errors of its parts can do."""

import operator

import numpy as np
import pytest

from rfdiff.support.estimate import Estimate

A = Estimate([1.0, -2.0, 0.5], [0.1, 0.2, 0.05], "rounding")
B = Estimate([3.0, 0.5, -4.0], [0.3, 0.05, 0.4])


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv"])
def test_arithmetic_covers_every_corner(name):
    operation = getattr(operator, name)
    found = operation(A, B)
    np.testing.assert_array_equal(found.value, operation(A.value, B.value))
    corners = [
        np.abs(operation(A.value + s * A.error, B.value + r * B.error) - found.value)
        for s in (-1, 0, 1)
        for r in (-1, 0, 1)
    ]
    largest = np.max(corners, axis=0)
    # A bound, and no more than a bound.
    assert (found.error >= largest * (1 - 1e-12)).all() and (found.error < 1.3 * largest).all()
    assert found.error_covers == "rounding, and quadrature"


def test_numbers_and_arrays_on_either_side_are_exact():
    for found in (2.0 * A, A * 2.0, np.full(3, 2.0) * A, A / 0.5):
        np.testing.assert_array_equal(found.error, 2.0 * A.error)
    np.testing.assert_array_equal((1.0 - A).value, 1.0 - A.value)
    assert (-A).error[0] == abs(A).error[0] == 0.1 and abs(A).value[1] == 2.0


@pytest.mark.parametrize("function", [np.exp, np.log, np.sqrt])
def test_functions(function):
    x = Estimate([0.5, 2.0], [0.01, 0.5])
    found = function(x)
    ends = [np.abs(function(x.value + s * x.error) - function(x.value)) for s in (-1, 1)]
    np.testing.assert_allclose(found.error, np.max(ends, axis=0))


def test_what_may_be_zero_has_no_quotient_and_no_logarithm():
    near = Estimate(0.1, 0.2)
    assert (1.0 / near).error == np.inf and np.log(near).error == np.inf


def test_comparisons_look_at_values():
    assert (A < B).tolist() == [True, True, False] and (A.value == A).all()
    assert np.maximum(A, 0.0).tolist() == [1.0, 0.0, 0.5] and np.isfinite(A).all()


def test_the_smallest_may_be_another():
    found = Estimate([1.0, 1.1, 5.0], [0.01, 0.5, 0.0]).min()
    assert float(found) == 1.0 and found.error == pytest.approx(0.4)
    assert [float(x) for x in A] == A.value.tolist()


def test_formats():
    assert f"{Estimate(0.123456, 1e-3):.5f}" == "0.123"
    assert f"{Estimate(0.5, 0.0):.5f}" == "0.50000"
    assert f"{Estimate(12.3456, 20.0):8.2f}" == "      12"
    assert f"{Estimate(1.0, 0.1):.3e}" == "1.000e+00"
    assert f"{Estimate(0.25, 1e-9)}" == "0.25 ± 1e-09"
