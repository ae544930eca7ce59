"""A number that knows its confidence interval."""

from dataclasses import dataclass
from typing import Any, Self

from .validation import FloatArray


@dataclass(frozen=True, eq=False)
class IntervalEstimate:
    """A statistic of samples with a confidence interval, arrays of one shape.

    Attributes:
        value: the statistic of the samples.
        low: lower end.
        high: upper end.
        confidence: nominal coverage.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    confidence: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value."""
        return self.value.shape

    def reshape(self, shape: tuple[int, ...]) -> Self:
        """Return the same numbers in another shape."""
        value, low, high = (part.reshape(shape) for part in (self.value, self.low, self.high))
        return type(self)(value, low, high, self.confidence)

    def __getitem__(self, index: Any) -> Self:
        return type(self)(self.value[index], self.low[index], self.high[index], self.confidence)

    def __float__(self) -> float:
        return float(self.value)

    def __repr__(self) -> str:
        name = type(self).__name__
        if self.value.ndim:
            return f"{name}(shape={self.shape}, {self.confidence:.0%} intervals)"
        low, high = float(self.low), float(self.high)
        return f"{float(self.value):.6g} ({self.confidence:.0%}: {low:.4g} to {high:.4g})"
