"""The grammar of numbers in a shell."""

import numpy as np
import pytest

from rfdiff.support.errors import ArgumentError
from rfdiff.support.ranges import parse_numbers


def test_a_number_is_a_scalar():
    assert parse_numbers("tau", " 1e6 ").shape == ()
    assert parse_numbers("tau", "inf") == np.inf


def test_lists_and_ranges():
    np.testing.assert_array_equal(parse_numbers("tau", "0, 1,inf"), [0, 1, np.inf])
    log = parse_numbers("tau", "1e0:1e10:81log")
    np.testing.assert_allclose(log, np.logspace(0, 10, 81), rtol=1e-14)
    assert log[0] == 1.0 and log[-1] == 1e10
    np.testing.assert_array_equal(parse_numbers("tau", "0:10:11lin"), np.arange(11.0))
    np.testing.assert_allclose(parse_numbers("tau", "0,1:100:3log,inf"), [0, 1, 10, 100, np.inf])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "must be a number, a comma list"),
        ("1,,2", "must be a number, a comma list"),
        ("fast", "got 'fast'"),
        ("1:10", "got '1:10'"),
        ("1:10:5", "got '1:10:5'"),
        ("1:10:5exp", "got '1:10:5exp'"),
        ("1:10:-5log", "got '1:10:-5log'"),
        ("0:10:5log", "positive start"),
        ("10:1:5log", "START < STOP"),
        ("1:1:5lin", "START < STOP"),
        ("1:inf:5log", "finite START < STOP"),
        ("nan:1:5lin", "finite START < STOP"),
        ("1:10:1log", "at least 2 points"),
        ("1:ten:3log", "got 'ten'"),
    ],
)
def test_errors_name_argument_part_and_rule(text, fault):
    with pytest.raises(ArgumentError, match=f"^tau .*{fault}"):
        parse_numbers("tau", text)
