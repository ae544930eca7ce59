"""Something at a resolution, its half and its quarter: what follows from it has an error."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from ..support.estimate import Estimate
from ..support.validation import FloatArray

T = TypeVar("T")
S = TypeVar("S")

# Random variants at half and at a quarter of the resolution.
_VARIANTS = 4
# Standard deviations of the variants at half the resolution that the finest may be off.
_DEVIATIONS = 2.0
# Shares that halving the resolution again is taken to leave of a change, by what was seen of it.
_LEAST_LEFT, _MOST_LEFT = 0.5, 0.75
# Second order leaves so much of the change before.
_SECOND_ORDER = 0.25


@dataclass(frozen=True, eq=False)
class Halvings(Generic[T]):
    """Something discretised at a resolution, at half of it and at a quarter.

    Where the discretisation is random, such as a point set that is shifted at random, there are
    several variants at the lower resolutions, where they are cheap.

    Attributes:
        fine: at the full resolution.
        coarse: at half, one or more.
        coarsest: at a quarter, one or more.
        resolution: what is halved, as errors say what they cover.

    >>> sums = Halvings.build(
    ...     lambda share: np.linspace(0.0, 1.0, 64 // share + 1), "grid of the trapezoidal rule"
    ... )
    >>> integral = sums.estimate(lambda x: np.trapezoid(x**2, x))
    >>> bool(abs(float(integral) - 1.0 / 3.0) < float(integral.error))
    True
    """

    fine: T
    coarse: tuple[T, ...]
    coarsest: tuple[T, ...]
    resolution: str

    @classmethod
    def build(cls, make: Callable[[int], T], resolution: str) -> "Halvings[T]":
        """Return what `make` gives for shares 1, 2 and 4: it divides the resolution by them."""
        return cls(make(1), (make(2),), (make(4),), resolution)

    @classmethod
    def build_random(cls, make: Callable[[int, int], T], resolution: str) -> "Halvings[T]":
        """Return what `make` gives for shares 1, 2 and 4 and the numbers of random variants.

        Variants of different numbers are independent; the finest has number 0.
        """
        coarse = tuple(make(2, 1 + k) for k in range(_VARIANTS))
        coarsest = tuple(make(4, 1 + _VARIANTS + k) for k in range(_VARIANTS))
        return cls(make(1, 0), coarse, coarsest, resolution)

    def map(self, function: Callable[[T], S]) -> "Halvings[S]":
        """Return a function of each, as halvings of the same resolution."""
        coarse = tuple(function(part) for part in self.coarse)
        coarsest = tuple(function(part) for part in self.coarsest)
        return Halvings(function(self.fine), coarse, coarsest, self.resolution)

    def estimate(self, function: Callable[[T], ArrayLike | Estimate]) -> Estimate:
        """Return a function of the finest, with an error from its values at the two halvings.

        The error adds what the trend leaves and what chance may do. The trend: with changes
        Δ₁ from half to full and Δ₂ from a quarter to half, between means over the variants, the
        geometric series Δ₁ r/(1 − r), r = Δ₁/Δ₂ within [½, ¾], so that halvings that have stalled
        do not look converged; and ¼Δ₂, since Δ₁ may pass zero by chance. Chance: two standard
        deviations of the variants at half the resolution, which at full resolution vary less. An
        error that the finest value has of its own is added.

        >>> Halvings(1.0, (1.25,), (2.25,), "grid").estimate(lambda value: value)
        1 ± 0.5
        """
        found = function(self.fine)
        fine = found if isinstance(found, Estimate) else Estimate(found)
        coarse, coarsest = (
            np.stack([np.asarray(function(part), dtype=np.float64) for part in parts])
            for parts in (self.coarse, self.coarsest)
        )
        middle = coarse.mean(0)
        change = _remaining(np.abs(fine.value - middle), np.abs(middle - coarsest.mean(0)))
        if len(coarse) > 1:
            change += _DEVIATIONS * coarse.std(0, ddof=1)
        return Estimate(fine.value, fine.error + change, self.resolution)


def _remaining(last: FloatArray, before: FloatArray) -> FloatArray:
    """Return what is left of a sequence, from its last change and the one before it."""
    ratio = np.divide(last, before, out=np.full_like(last, _MOST_LEFT), where=last < before)
    ratio = np.clip(ratio, _LEAST_LEFT, _MOST_LEFT)
    return np.asarray(last * ratio / (1.0 - ratio) + _SECOND_ORDER * before)
