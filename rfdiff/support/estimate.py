"""A number that knows its error."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .validation import FloatArray


@dataclass(frozen=True, eq=False)
class Estimate:
    """A computed value with an estimate of its absolute numerical error.

    `value` and `error` have one shape (a scalar training time gives 0-d arrays). The error covers
    what `error_covers` says, and nothing else. `float()` and `np.asarray()` give the value.

    >>> Estimate(0.25, 1e-9)
    0.25 ± 1e-09
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

    def __float__(self) -> float:
        return float(self.value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.value, dtype=dtype, copy=copy)

    def __getitem__(self, index: Any) -> "Estimate":
        return Estimate(self.value[index], self.error[index], self.error_covers)

    def __len__(self) -> int:
        return len(self.value)

    def __repr__(self) -> str:
        if self.value.ndim == 0:
            return f"{float(self.value):.6g} ± {float(self.error):.1g}"
        return (
            f"Estimate(shape={self.shape}, from {np.nanmin(self.value):.4g} to "
            f"{np.nanmax(self.value):.4g}, error ≤ {np.nanmax(self.error):.1g})"
        )
