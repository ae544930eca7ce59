"""Units of data: training happens on a standardised scale, results are in the data's own."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..support.errors import ArgumentError
from ..support.validation import FloatArray


@dataclass(frozen=True)
class Units:
    """x = shift + scale·u, with x in the data's own units and u in training's.

    >>> units = Units(2.0, 4.0)
    >>> float(units.to_training(10.0)), float(units.to_own(2.0))
    (2.0, 10.0)
    """

    shift: float = 0.0
    scale: float = 1.0

    @classmethod
    def standardising(cls, data: FloatArray) -> "Units":
        """Return the units in which data (n, 1) have mean 0 and standard deviation 1."""
        scale = float(data.std())
        if scale == 0.0:
            raise ArgumentError(
                "data must not all be equal to be standardised, got "
                f"{len(data)} copies of {float(data[0, 0]):g}; pass standardise=False"
            )
        return cls(float(data.mean()), scale)

    def to_training(self, x: ArrayLike) -> FloatArray:
        """Return u = (x − shift)/scale."""
        return (np.asarray(x, dtype=np.float64) - self.shift) / self.scale

    def to_own(self, u: ArrayLike) -> FloatArray:
        """Return x = shift + scale·u."""
        return self.shift + self.scale * np.asarray(u, dtype=np.float64)
