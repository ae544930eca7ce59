"""Checks of arguments. Each returns what it checked, converted, or raises one clear error."""

import difflib
import os
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import ArgumentError, MemoryLimitError

FloatArray = NDArray[np.float64]


def real(name: str, value: Any) -> float:
    """Return `value` as a finite float; text and booleans are refused."""
    try:
        if isinstance(value, bool | np.bool_ | str | bytes):
            raise TypeError("text and booleans convert, but nobody means them")
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(f"{name} must be a real number, got {value!r}") from None
    if not np.isfinite(number):
        raise ArgumentError(f"{name} must be finite, got {number}")
    return number


def positive(name: str, value: Any) -> float:
    """Return `value` as a finite float above zero."""
    number = real(name, value)
    if number <= 0:
        raise ArgumentError(f"{name} must be positive, got {number:g}")
    return number


def above(name: str, value: Any, low: float) -> float:
    """Return `value` as a finite float above `low`."""
    number = real(name, value)
    if number <= low:
        raise ArgumentError(f"{name} must be greater than {low:g}, got {number:g}")
    return number


def between(name: str, value: Any, low: float, high: float) -> float:
    """Return `value` as a float in the closed interval [low, high]."""
    number = real(name, value)
    if not low <= number <= high:
        raise ArgumentError(f"{name} must be between {low:g} and {high:g}, got {number:g}")
    return number


def count(name: str, value: Any, minimum: int = 1) -> int:
    """Return `value` as an integer of at least `minimum`; booleans are refused."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise ArgumentError(f"{name} must be an integer, got {value!r}")
    if value < minimum:
        raise ArgumentError(f"{name} must be at least {minimum}, got {value}")
    return int(value)


def multiple(name: str, value: Any, of: int) -> int:
    """Return `value` as a positive multiple of an integer."""
    if count(name, value, of) % of:
        raise ArgumentError(f"{name} must be a multiple of {of}, got {value}")
    return int(value)


def increasing_counts(name: str, value: ArrayLike) -> NDArray[np.int64]:
    """Return `value`, a number or a list, as increasing integers of at least 1."""
    counts = np.atleast_1d(np.asarray(value))
    whole = np.issubdtype(counts.dtype, np.integer) and counts.ndim == 1 and counts.size
    if not whole or (np.diff(counts, prepend=0) <= 0).any():
        raise ArgumentError(f"{name} must be increasing positive integers, got {value!r}")
    return counts.astype(np.int64)


def flag(name: str, value: Any) -> bool:
    """Return `value` as True or False; nothing else counts as either."""
    if not isinstance(value, bool | np.bool_):
        raise ArgumentError(f"{name} must be true or false, got {value!r}")
    return bool(value)


def one_of(name: str, value: Any, choices: Collection[str]) -> str:
    """Return `value` if it is one of the names in `choices`; else the error tells the nearest."""
    if not isinstance(value, str) or value not in choices:
        names = ", ".join(repr(choice) for choice in choices)
        hint = nearest(value, choices) if isinstance(value, str) else ""
        raise ArgumentError(f"{name} must be one of {names}, got {value!r}{hint}")
    return value


def nearest(name: str, known: Collection[str]) -> str:
    """Return " (did you mean …?)" for the known name closest to `name`, or nothing.

    >>> nearest("guassian", ("l1", "gaussian")), nearest("x", ("l1", "gaussian"))
    (" (did you mean 'gaussian'?)", '')
    """
    folded = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), list(folded), n=1, cutoff=0.5)
    return f" (did you mean {folded[close[0]]!r}?)" if close else ""


def _real_array(value: ArrayLike) -> FloatArray:
    """Return `value` as floats; complex values are refused, not stripped with a mere warning."""
    array = np.asarray(value)
    if np.iscomplexobj(array):
        raise TypeError("complex values")
    return array.astype(np.float64, copy=False)


def finite_array(name: str, value: ArrayLike, ndim: int | None = None) -> FloatArray:
    """Return `value` as a non-empty float array without NaN or infinity."""
    try:
        array = _real_array(value)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(f"{name} must be an array of real numbers") from None
    if ndim is not None and array.ndim != ndim:
        raise ArgumentError(f"{name} must have {ndim} dimension(s), got shape {array.shape}")
    if array.size == 0:
        raise ArgumentError(f"{name} must not be empty, got shape {array.shape}")
    bad = ~np.isfinite(array)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ArgumentError(f"{name} must be finite, got {array[where]} at index {where}")
    return array


# Squares of what is larger, and sums of them, are not finite.
LARGEST = 1e150


def squarable_array(name: str, value: ArrayLike, ndim: int | None = None) -> FloatArray:
    """Return `value` as a non-empty finite float array whose squares are finite, too.

    >>> squarable_array("data", [1.0, -1e300])
    Traceback (most recent call last):
    rfdiff.support.errors.ArgumentError: data must be at most 1e+150 in size, ... got -1e+300 ...
    """
    array = finite_array(name, value, ndim)
    bad = np.abs(array) > LARGEST
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ArgumentError(
            f"{name} must be at most {LARGEST:g} in size, for squares of it must be finite, "
            f"got {array[where]:g} at index {where}"
        )
    return array


def points(name: str, value: ArrayLike) -> FloatArray:
    """Return data as an (n, d) array; an (n,) array is one-dimensional data."""
    array = finite_array(name, value)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise ArgumentError(f"{name} must have shape (n,) or (n, d), got {array.shape}")
    return array


def training_times(name: str, value: ArrayLike) -> FloatArray:
    """Return training times τ ≥ 0 as a float array of any shape; infinity is allowed."""
    try:
        tau = _real_array(value)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(f"{name} must be a number or an array of numbers") from None
    if tau.size == 0:
        raise ArgumentError(f"{name} must not be empty")
    bad = np.isnan(tau) | (tau < 0)
    if bad.any():
        raise ArgumentError(f"{name} must be at least 0 and not NaN, got {tau[bad].flat[0]:g}")
    return tau


def interval(name: str, value: Any) -> tuple[float, float]:
    """Return `value` as a pair (a, b) of finite floats with a < b."""
    pair = finite_array(name, value, ndim=1)
    if pair.shape != (2,) or not pair[0] < pair[1]:
        raise ArgumentError(f"{name} must be a pair (a, b) with a < b, got {value!r}")
    return float(pair[0]), float(pair[1])


def available_memory() -> int:
    """Bytes of memory the machine can still give, as the operating system counts them."""
    try:
        with open("/proc/meminfo") as lines:
            fields = dict(line.split(":", 1) for line in lines)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def memory(what: str, n_bytes: float) -> None:
    """Refuse work whose estimated memory does not fit, before anything is allocated."""
    available = available_memory()
    if n_bytes > available:
        raise MemoryLimitError(
            f"{what} needs about {n_bytes / 2**30:.1f} GiB of memory, "
            f"but only {available / 2**30:.1f} GiB are available"
        )
