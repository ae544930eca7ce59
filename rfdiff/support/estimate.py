"""A number that knows its error, and reckons with it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import ArrayLike

from .validation import FloatArray

# A value and its error.
Pair = tuple[FloatArray, FloatArray]


@dataclass(frozen=True, eq=False)
class Estimate(NDArrayOperatorsMixin):
    """A computed value with an estimate of its absolute numerical error.

    `value` and `error` have one shape (a scalar training time gives 0-d arrays). The error covers
    what `error_covers` says, and nothing else. `float()` and `np.asarray()` give the value. Sums,
    products, quotients, `np.exp`, `np.log`, `np.sqrt` and `abs` carry the error on as a bound, as
    if errors were never independent; comparisons and other functions look at values alone.

    >>> kl = Estimate([0.25, 0.5], [1e-3, 1e-4])
    >>> kl[0], 2 * kl[0] - kl[1], kl.min()
    (0.25 ± 0.001, 0 ± 0.002, 0.25 ± 0.001)
    >>> f"{kl[0]:.6f}", bool(kl[0] < kl[1])  # no digit that the error does not justify
    ('0.250', True)
    """

    value: FloatArray
    error: FloatArray
    error_covers: str = "quadrature"

    def __init__(
        self, value: ArrayLike, error: ArrayLike = 0.0, error_covers: str = "quadrature"
    ) -> None:
        value = np.asarray(value, dtype=np.float64)
        error = np.broadcast_to(np.asarray(error, dtype=np.float64), value.shape).copy()
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "error", error)
        object.__setattr__(self, "error_covers", error_covers)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value."""
        return self.value.shape

    def min(self) -> "Estimate":
        """Return the smallest value; its error covers that another may be the smallest in truth."""
        value = self.value.min()
        low, high = (self.value - self.error).min(), (self.value + self.error).min()
        return Estimate(value, max(value - low, high - value), self.error_covers)

    def __float__(self) -> float:
        return float(self.value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.value, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "__call__" and not options and ufunc in _RULES:
            with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
                value, error = _RULES[ufunc](*(_pair(item) for item in inputs))
            covers = dict.fromkeys(i.error_covers for i in inputs if isinstance(i, Estimate))
            return Estimate(value, np.nan_to_num(error, nan=np.inf, posinf=np.inf), _and(covers))
        values = (item.value if isinstance(item, Estimate) else item for item in inputs)
        return getattr(ufunc, method)(*values, **options)

    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> "Estimate":
        return Estimate(self.value[index], self.error[index], self.error_covers)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator["Estimate"]:
        return (self[i] for i in range(len(self)))

    def __format__(self, spec: str) -> str:
        """Return the value in a format whose decimals are cut to those the error justifies."""
        if not spec:
            return repr(self)
        decimals = spec[spec.find(".") + 1 : -1]
        if spec[-1] == "f" and "." in spec and decimals.isdigit() and float(self.error) > 0.0:
            known = max(0, int(np.clip(-np.floor(np.log10(float(self.error))), 0, 99)))
            spec = f"{spec[: spec.find('.')]}.{min(int(decimals), known)}f"
        return format(float(self.value), spec)

    def __repr__(self) -> str:
        if self.value.ndim == 0:
            return f"{float(self.value):.6g} ± {float(self.error):.1g}"
        return (
            f"Estimate(shape={self.shape}, from {np.nanmin(self.value):.4g} to "
            f"{np.nanmax(self.value):.4g}, error ≤ {np.nanmax(self.error):.1g})"
        )


def _pair(item: Any) -> Pair:
    """Return value and error of an estimate, or of a number that is exact."""
    if isinstance(item, Estimate):
        return item.value, item.error
    value = np.asarray(item, dtype=np.float64)
    return value, np.zeros_like(value)


def _and(covers: dict[str, None]) -> str:
    return ", and ".join(covers)


def _product(a: Pair, b: Pair) -> Pair:
    """Return ab with |a|δb + |b|δa + δaδb."""
    error = np.abs(a[0]) * b[1] + np.abs(b[0]) * a[1] + a[1] * b[1]
    return a[0] * b[0], error


def _quotient(a: Pair, b: Pair) -> Pair:
    """Return a/b with (δa + |a/b|δb)/(|b| − δb), infinite where b may be zero."""
    quotient, least = a[0] / b[0], np.abs(b[0]) - b[1]
    return quotient, np.where(least > 0.0, (a[1] + np.abs(quotient) * b[1]) / least, np.inf)


def _monotone(function: np.ufunc) -> Callable[[Pair], Pair]:
    """Return the rule of a function that rises: its ends are those of the interval."""

    def rule(a: Pair) -> Pair:
        value = function(a[0])
        return value, np.maximum(function(a[0] + a[1]) - value, value - function(a[0] - a[1]))

    return rule


_RULES: dict[np.ufunc, Callable[..., Pair]] = {
    np.add: lambda a, b: (a[0] + b[0], a[1] + b[1]),
    np.subtract: lambda a, b: (a[0] - b[0], a[1] + b[1]),
    np.multiply: _product,
    np.true_divide: _quotient,
    np.negative: lambda a: (-a[0], a[1]),
    np.positive: lambda a: a,
    np.absolute: lambda a: (np.abs(a[0]), a[1]),
    np.exp: _monotone(np.exp),
    np.log: _monotone(np.log),
    np.sqrt: _monotone(np.sqrt),
}
