"""The best training time: τ_es minimises a continuous curve, not a grid."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..numerics.curve_minimum import zoom
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray, training_times

# Points of ln τ this close lie on a parabola to 1e-6 of their distance from its vertex, and far
# enough apart for it to stand out from a curve's rounding.
_LOG_TAU_SPACING = 1e-3
# Late in training, where θ is large, a loss is known to no more than this share of itself.
_ROUNDING = 1e-10


@dataclass(frozen=True)
class EarlyStopping:
    """A curve's minimum over training time.

    Attributes:
        tau: τ_es.
        value: the curve there, with its own error.
        at: "interior", or the end of the range it sits at: "start" or "end".
        quantity: what was minimised.
    """

    tau: float
    value: Estimate
    at: str
    quantity: str

    def __str__(self) -> str:
        where = "" if self.at == "interior" else f", at the {self.at} of the range of τ"
        return f"best {self.quantity} {self.value!r} at τ = {self.tau:.4g}{where}"


def early_stopping(
    curve: Callable[[FloatArray], Estimate], tau: FloatArray, quantity: str = "KL"
) -> EarlyStopping:
    """Minimise a curve of τ: bracket it on the grid `tau`, refine between its points in ln τ.

    Args:
        curve: maps τ of any shape to an Estimate of that shape.
        tau: grid that brackets the minimum, at least one value; sorted internally.
        quantity: name used in messages.

    >>> import numpy as np
    >>> best = early_stopping(
    ...     lambda tau: Estimate(np.log(tau / 50.0) ** 2), np.array([1.0, 10.0, 100.0, 1000.0])
    ... )
    >>> round(best.tau, 3), best.at
    (50.0, 'interior')
    """
    grid = np.unique(training_times("tau", tau))
    values = curve(grid).value
    if np.isnan(values).any():
        raise ArgumentError(f"{quantity} is not a number at τ = {grid[np.isnan(values)][0]:g}")
    best = int(np.argmin(values))
    at = "start" if best == 0 else "end" if best == len(grid) - 1 else "interior"
    tau_best = float(grid[best])
    if len(grid) > 1 and np.isfinite(values[best]) and np.isfinite(tau_best):
        refined = _refine(curve, grid, best)
        # Between grid points only if that is lower by more than rounding: else a curve that falls
        # to the end of the range would be said to have its minimum just before it.
        gain = values[best] - float(curve(np.asarray(refined)))
        if gain > _ROUNDING * abs(values[best]):
            tau_best, at = refined, "interior"
    return EarlyStopping(tau_best, curve(np.asarray(tau_best)), at, quantity)


def _refine(curve: Callable[[FloatArray], Estimate], grid: FloatArray, best: int) -> float:
    """Return the minimum between the grid neighbours of `best`, in ln τ where that exists."""
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    if np.isinf(high):
        high = grid[best]
    if high <= low:
        return float(grid[best])
    if low > 0.0:
        ends = float(np.log(low)), float(np.log(high))
        return float(np.exp(zoom(lambda x: curve(np.exp(x)).value, *ends, _LOG_TAU_SPACING)))
    spacing = _LOG_TAU_SPACING * float(high)
    return zoom(lambda x: curve(x).value, float(low), float(high), spacing)
