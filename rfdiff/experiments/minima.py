"""Where measured curves along τ are lowest, and how far their errors leave that open."""

from dataclasses import dataclass

import numpy as np

from ..numerics.curve_minimum import grid_minimum
from ..support.estimate import Estimate
from ..support.validation import FloatArray
from ..theory.power_laws.exponents import PowerLaw, fit_power_law

# A curve's own rounding, as a share of itself, where its error claims less.
_EPSILON = 8.0 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Minima:
    """Where curves along τ are lowest.

    Attributes:
        tau: τ_es, shape (…).
        value: the curve there, shape (…).
        interior: whether τ_es is inside the range of τ, shape (…).
        low: from here to `high` the curve equals its minimum to within its error, shape (…).
        high: see `low`.
        error: the curve's error where it is lowest on the grid, shape (…).
    """

    tau: FloatArray
    value: FloatArray
    interior: np.ndarray
    low: FloatArray
    high: FloatArray
    error: FloatArray

    @classmethod
    def of(cls, tau: FloatArray, curves: Estimate) -> "Minima":
        """Return the minima of positive curves (…, k) on an even grid of ln τ (k,).

        The vertex of the parabola through the lowest point of log curve and its two neighbours:
        `TrainedFlow.early_stopping` solves for more training times and finds it to six digits.

        >>> tau = np.logspace(0, 4, 41)
        >>> best = Minima.of(tau, Estimate(np.exp(np.log(tau / 50.0) ** 2), 0.02))
        >>> round(float(best.tau), 6), round(float(best.value), 6), bool(best.interior)
        (50.0, 1.0, True)
        >>> bool(best.low < 45.0), bool(best.high > 55.0)
        (True, True)
        """
        found = grid_minimum(np.log(tau), np.log(curves.value))
        value = np.exp(found.value)
        best = np.exp(found.x)
        lowest = np.argmin(curves.value, axis=-1)
        error = _at(curves.error, lowest)
        slack = curves.error + error[..., None]
        slack = np.maximum(slack, _EPSILON * np.abs(curves.value))
        height = np.maximum(curves.value - value[..., None], 0.0)
        low, high = (
            _end(np.log(tau), np.sqrt(height), np.sqrt(slack), lowest, found.x, step)
            for step in (-1, 1)
        )
        low, high = np.minimum(np.exp(low), best), np.maximum(np.exp(high), best)
        return cls(best, value, found.interior, low, high, error)

    def where(self, kept: np.ndarray) -> "Minima":
        """Return the minima at some of the points of the first axis."""
        parts = (self.tau, self.value, self.interior, self.low, self.high, self.error)
        return Minima(*(part[kept] for part in parts))

    def fit_times(self, x: FloatArray) -> PowerLaw:
        """Return the power law of τ_es (k, seeds) in x (k,), wherever minima are in low … high."""
        return fit_power_law(x, self.tau.T, within=(self.low.T, self.high.T))

    def fit_values(self, x: FloatArray) -> PowerLaw:
        """Return the power law of the least values (k, seeds) in x (k,), as their errors let it."""
        # An error as large as the value says no more than that it is positive.
        low = np.maximum(self.value - self.error, 1e-3 * self.value)
        return fit_power_law(x, self.value.T, within=(low.T, (self.value + self.error).T))


def _end(
    u: FloatArray,
    height: FloatArray,
    slack: FloatArray,
    lowest: np.ndarray,
    best: FloatArray,
    step: int,
) -> FloatArray:
    """Return how far to one side curves are told from no minimum, in u = ln τ.

    Between the last grid point within and the first beyond, √height is taken as linear, as a
    parabola's is.

    Args:
        u: the grid (k,).
        height: √(curve − its minimum), shape (…, k).
        slack: √ of the errors of both, likewise.
        lowest: index of each curve's lowest point (…).
        best: where each curve is lowest (…).
        step: −1 to earlier, 1 to later times.
    """
    k, never = np.arange(len(u)), 2 * len(u)
    outside = (height > slack) & (step * (k - lowest[..., None]) > 0)
    away = np.where(outside, step * k, never).min(axis=-1)
    found = away < never
    outer = np.where(found, step * away, 0)
    inner = np.where(found, outer - step, len(u) - 1 if step > 0 else 0)
    alone = inner == lowest
    start, begun = np.where(alone, best, u[inner]), np.where(alone, 0.0, _at(height, inner))
    reach = np.divide(
        _at(slack, outer) - begun, _at(height, outer) - begun,
        out=np.zeros(best.shape), where=found,
    )  # fmt: skip
    return np.where(found, start + np.clip(reach, 0.0, 1.0) * (u[outer] - start), start)


def _at(values: FloatArray, index: np.ndarray) -> FloatArray:
    """Return values (…, k) at one index for each curve (…)."""
    return np.take_along_axis(values, index[..., None], axis=-1)[..., 0]
