"""The best training time: τ_es minimises a continuous curve, not a grid."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray, training_times

# ln τ is found to this accuracy; the minimum's value is then exact to its square.
_LOG_TAU_TOLERANCE = 1e-6
# Late in training, where θ is large, a loss is known to no more than this share of itself.
_ROUNDING = 1e-10
# Points a zoom: curves are computed for many τ at once at little more than the cost of one.
_ZOOM_POINTS = 17


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
    """Zoom in on the minimum between the grid neighbours of `best`, in ln τ where that exists."""
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    if np.isinf(high):
        high = grid[best]
    if high <= low:
        return float(grid[best])
    logarithmic = low > 0.0
    a, b = (np.log(low), np.log(high)) if logarithmic else (low, high)
    tolerance = _LOG_TAU_TOLERANCE * (1.0 if logarithmic else high)
    while True:
        points = np.linspace(a, b, _ZOOM_POINTS)
        tau = np.exp(points) if logarithmic else points
        k = int(np.argmin(curve(tau).value))
        a, b = points[max(k - 1, 0)], points[min(k + 1, _ZOOM_POINTS - 1)]
        if b - a <= tolerance:
            return float(tau[k])
