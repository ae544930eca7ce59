"""Validators return what they checked, or say which argument broke which rule."""

import numpy as np
import pytest

from rfdiff.support import validation as v
from rfdiff.support.errors import (
    AccuracyWarning,
    ArgumentError,
    DataFileError,
    MemoryLimitError,
    RfdiffError,
)


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (lambda: v.real("x", np.float32(0.5)), 0.5),
        (lambda: v.positive("x", 2), 2.0),
        (lambda: v.between("x", 1, 1, 2), 1.0),
        (lambda: v.count("n", np.int32(4)), 4),
        (lambda: v.count("n", 0, minimum=0), 0),
        (lambda: v.one_of("law", "a", ("a", "b")), "a"),
        (lambda: v.interval("domain", (1, 2)), (1.0, 2.0)),
    ],
)
def test_good_values_come_back(check, expected):
    result = check()
    assert result == expected and type(result) is type(expected)


def test_good_arrays_come_back():
    assert v.finite_array("x", [1, 2]).dtype == np.float64
    assert v.points("data", [1, 2, 3]).shape == (3, 1)
    assert v.points("data", [[1, 2, 3]]).shape == (1, 3)
    assert v.training_times("tau", 3).shape == ()
    assert v.training_times("tau", [[0, np.inf]]).shape == (1, 2)


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        (lambda: v.real("x", "a"), "x must be a real number, got 'a'"),
        (lambda: v.real("x", 1j), "x must be a real number"),
        (lambda: v.real("x", None), "x must be a real number, got None"),
        (lambda: v.real("x", -np.inf), "x must be finite, got -inf"),
        (lambda: v.positive("x", 0.0), "x must be positive, got 0"),
        (lambda: v.between("x", 3, 1, 2), "x must be between 1 and 2, got 3"),
        (lambda: v.between("x", np.nan, 1, 2), "x must be finite, got nan"),
        (lambda: v.count("n", 2.0), "n must be an integer, got 2.0"),
        (lambda: v.count("n", True), "n must be an integer, got True"),
        (lambda: v.count("n", 0), "n must be at least 1, got 0"),
        (lambda: v.one_of("law", "c", ("a", "b")), "law must be one of 'a', 'b', got 'c'"),
        (lambda: v.one_of("law", 1, ("a", "b")), "law must be one of 'a', 'b', got 1"),
        (lambda: v.finite_array("x", []), r"x must not be empty, got shape \(0,\)"),
        (lambda: v.finite_array("x", "abc"), "x must be an array of real numbers"),
        (lambda: v.finite_array("x", [[1], [1, 2]]), "x must be an array of real numbers"),
        (lambda: v.finite_array("x", [1j]), "x must be an array of real numbers"),
        (lambda: v.finite_array("x", np.array([1j])), "x must be an array of real numbers"),
        (lambda: v.finite_array("x", [[0, np.inf]]), r"finite, got inf at index \(0, 1\)"),
        (lambda: v.finite_array("x", [1], ndim=2), r"x must have 2 dimension\(s\), got shape"),
        (lambda: v.points("data", np.zeros((1, 1, 1))), r"data must have shape \(n,\) or \(n, d\)"),
        (lambda: v.points("data", 1.0), r"data must have shape \(n,\) or \(n, d\)"),
        (lambda: v.training_times("tau", -1.0), "tau must be at least 0 and not NaN, got -1"),
        (lambda: v.training_times("tau", [0, np.nan]), "tau must be at least 0 .* got nan"),
        (lambda: v.training_times("tau", []), "tau must not be empty"),
        (lambda: v.training_times("tau", "soon"), "tau must be a number or an array"),
        (lambda: v.interval("domain", (2, 1)), r"a pair \(a, b\) with a < b, got \(2, 1\)"),
        (lambda: v.interval("domain", (1, 2, 3)), "domain must be a pair"),
        (lambda: v.interval("domain", (0, np.inf)), "domain must be finite, got inf"),
        (lambda: v.interval("domain", "wide"), "domain must be an array of real numbers"),
    ],
)
def test_bad_values_name_argument_value_and_rule(check, fault):
    with pytest.raises(ArgumentError, match=fault):
        check()


def test_memory_is_refused_before_it_is_allocated():
    v.memory("a small thing", 1)
    with pytest.raises(MemoryLimitError, match=r"the Gram matrix needs about 931322574\.6 GiB"):
        v.memory("the Gram matrix", 1e18)
    assert v.available_memory() > 2**20


def test_errors_are_the_builtins_a_caller_would_guess():
    assert issubclass(ArgumentError, ValueError) and issubclass(DataFileError, ValueError)
    assert issubclass(MemoryLimitError, MemoryError) and issubclass(AccuracyWarning, UserWarning)
    for error in (ArgumentError, DataFileError, MemoryLimitError):
        assert issubclass(error, RfdiffError)
