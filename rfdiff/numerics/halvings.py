"""Something at a resolution, its half and its quarter: what follows from it has an error."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from ..support.estimate import Estimate

T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True, eq=False)
class Halvings(Generic[T]):
    """Something discretised at a resolution, at half of it and at a quarter.

    Attributes:
        fine: at the full resolution.
        coarse: at half.
        coarsest: at a quarter.
        resolution: what is halved, as errors say what they cover.

    >>> sums = Halvings.build(
    ...     lambda share: np.linspace(0.0, 1.0, 64 // share + 1), "grid of the trapezoidal rule"
    ... )
    >>> integral = sums.estimate(lambda x: np.trapezoid(x**2, x))
    >>> bool(abs(float(integral) - 1.0 / 3.0) < float(integral.error))
    True
    """

    fine: T
    coarse: T
    coarsest: T
    resolution: str

    @classmethod
    def build(cls, make: Callable[[int], T], resolution: str) -> "Halvings[T]":
        """Return what `make` gives for shares 1, 2 and 4: it divides the resolution by them."""
        return cls(make(1), make(2), make(4), resolution)

    def map(self, function: Callable[[T], S]) -> "Halvings[S]":
        """Return a function of each, as halvings of the same resolution."""
        fine, coarse, coarsest = (function(part) for part in self._parts)
        return Halvings(fine, coarse, coarsest, self.resolution)

    def estimate(self, function: Callable[[T], ArrayLike | Estimate]) -> Estimate:
        """Return a function of the finest, with an error from its values at the two halvings.

        One halving alone can miss by chance, where its change passes zero: the error is that
        change plus a quarter of the second's, what second-order convergence would leave of it. An
        error that the finest value has of its own is added.

        >>> Halvings(1.0, 1.25, 2.25, "grid").estimate(lambda value: value)
        1 ± 0.5
        """
        first, *coarser = (function(part) for part in self._parts)
        fine = first if isinstance(first, Estimate) else Estimate(first)
        coarse, coarsest = (np.asarray(value, dtype=np.float64) for value in coarser)
        change = np.abs(fine.value - coarse) + 0.25 * np.abs(coarse - coarsest)
        return Estimate(fine.value, fine.error + change, self.resolution)

    @property
    def _parts(self) -> tuple[T, T, T]:
        return self.fine, self.coarse, self.coarsest
