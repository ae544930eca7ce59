"""Numbers as one writes them in a shell: `3`, `1,10,inf`, `1e0:1e10:81log`, `0:10:11lin`."""

import re

import numpy as np

from .errors import ArgumentError
from .validation import FloatArray

_RANGE = re.compile(r"(?P<start>[^:,]+):(?P<stop>[^:,]+):(?P<count>\d+)(?P<spacing>log|lin)")

GRAMMAR = "a number, a comma list, START:STOP:COUNTlog or START:STOP:COUNTlin"


def parse_numbers(name: str, text: str) -> FloatArray:
    """Return the numbers that `text` writes; a single number gives a 0-d array.

    Items of a comma list may be numbers (`inf` too) or ranges; ranges include both ends.

    Raises:
        ArgumentError: naming `name`, the part that is wrong and the rule.

    >>> parse_numbers("tau", "1e0:1e4:5log")
    array([1.e+00, 1.e+01, 1.e+02, 1.e+03, 1.e+04])
    >>> parse_numbers("tau", "0,0:10:3lin,inf")
    array([ 0.,  0.,  5., 10., inf])
    >>> parse_numbers("tau", "2.5")
    array(2.5)
    """
    items = [item.strip() for item in text.split(",")]
    parsed = [_parse_item(name, item) for item in items]
    return parsed[0] if len(parsed) == 1 else np.concatenate([np.atleast_1d(p) for p in parsed])


def _parse_item(name: str, item: str) -> FloatArray:
    if ":" not in item:
        return np.asarray(_parse_number(name, item))
    match = _RANGE.fullmatch(item)
    if match is None:
        raise ArgumentError(f"{name} must be {GRAMMAR}, got {item!r}")
    start = _parse_number(name, match["start"])
    stop = _parse_number(name, match["stop"])
    size = int(match["count"])
    if size < 2 or not np.isfinite([start, stop]).all() or not start < stop:
        raise ArgumentError(
            f"{name} needs a range with finite START < STOP and at least 2 points, got {item!r}"
        )
    if match["spacing"] == "lin":
        return np.linspace(start, stop, size)
    if start <= 0:
        raise ArgumentError(f"{name} needs a positive start for a log range, got {item!r}")
    return np.geomspace(start, stop, size)


def _parse_number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ArgumentError(f"{name} must be {GRAMMAR}, got {text!r}") from None
