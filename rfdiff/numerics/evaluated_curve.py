"""A curve of training time and every point at which it has been evaluated."""

from collections.abc import Callable

import numpy as np

from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray

# Points a decade outside the grid, and how many decades the curve must have its limit.
_A_DECADE, _DECADES = 4, 8
# Beyond these times no float is left for what becomes of them.
_EARLIEST, _LATEST = 1e-300, 1e300
# A curve's own rounding, as a share of itself, where its error claims less.
_EPSILON = 8.0 * float(np.finfo(np.float64).eps)
# Ends of an interval are found to this share of their distance from the minimum in ln τ, or to
# this distance.
_SHARE, _CLOSE, _POINTS = 0.05, 1e-3, 17


class EvaluatedCurve:
    """A curve of τ with what is known of it: sorted τ, values and errors, each of shape (k,).

    Args:
        curve: maps τ of any shape to an Estimate of that shape.
        grid: increasing training times, shape (k,).
        quantity: name used in messages.

    Raises:
        ArgumentError: the curve is not a number somewhere.
    """

    def __init__(
        self, curve: Callable[[FloatArray], Estimate], grid: FloatArray, quantity: str
    ) -> None:
        self._curve, self._quantity = curve, quantity
        self.tau = self.values = self.errors = np.empty(0)
        self.at(grid)

    def at(self, tau: FloatArray) -> FloatArray:
        """Return values at τ (k,), and keep them with their errors."""
        found = self._curve(tau)
        if np.isnan(found.value).any():
            raise ArgumentError(
                f"{self._quantity} is not a number at τ = {tau[np.isnan(found.value)][0]:g}"
            )
        self.tau, first = np.unique(np.concatenate([self.tau, tau]), return_index=True)
        self.values = np.concatenate([self.values, found.value])[first]
        self.errors = np.concatenate([self.errors, found.error])[first]
        return found.value

    def value(self, tau: float) -> float:
        """Return the value at one τ, evaluated if it is not known yet."""
        return float(self.values[self._index(tau)])

    def error(self, tau: float) -> float:
        """Return the error at one τ, evaluated likewise."""
        return float(self.errors[self._index(tau)])

    def difference(self, of: float, at: float) -> float:
        """Return how much lower the curve is at `at` than at `of`; zero for equal infinities."""
        high, low = self.value(of), self.value(at)
        return 0.0 if high == low else high - low

    @property
    def lowest(self) -> int:
        """Index of the first of the lowest values."""
        return int(np.argmin(self.values))

    def neighbours(self, tau: float) -> tuple[float, float]:
        """Return the known times next to one that is known, which stands in for one it lacks."""
        k = self._index(tau)
        return float(self.tau[max(k - 1, 0)]), float(self.tau[min(k + 1, len(self.tau) - 1)])

    def follow_to_limits(self) -> None:
        """Evaluate between 0 and the first positive τ, and between the last finite τ and ∞.

        Each is searched where its end belongs to the grid, a few points a decade, until the curve
        has kept its value at that end to within the errors of both for eight decades.
        """
        if len(self.tau) == 2 and self.tau[0] == 0.0 and np.isinf(self.tau[1]):
            self.at(np.ones(1))
        inside = self.tau[(self.tau > 0.0) & np.isfinite(self.tau)]
        if not len(inside):
            return
        steps = 10.0 ** (np.arange(1, _A_DECADE * _DECADES + 1) / _A_DECADE)
        if np.isinf(self.tau[-1]):
            self._follow(float(inside[-1]), steps, np.inf)
        if self.tau[0] == 0.0:
            self._follow(float(inside[0]), 1.0 / steps, 0.0)

    def _follow(self, start: float, steps: FloatArray, limit: float) -> None:
        while _EARLIEST < start * steps[-1] < _LATEST:
            tau = start * steps
            self.at(tau)
            there = np.searchsorted(self.tau, tau)
            if not self._differs(limit)[there].any():
                return
            start = float(tau[-1])

    def interval_about(self, tau: float) -> tuple[float, float]:
        """Return the ends of the interval about τ on which the curve is its value there.

        That is, to within the errors of both: where they overlap, nobody can tell them apart.
        """
        self._index(tau)
        return self._end(tau, -1), self._end(tau, 1)

    def _end(self, tau: float, step: int) -> float:
        """Return one end of that interval; `step` is −1 to earlier and 1 to later times."""
        while True:
            known, differs = self.tau[::step], self._differs(tau)[::step]
            at = int(np.flatnonzero(known == tau)[0])
            away = np.flatnonzero(differs[at:])
            if not len(away):
                return float(known[-1])
            within, beyond = (float(known[at + int(away[0]) + k]) for k in (-1, 0))
            if within == 0.0 or beyond == 0.0 or np.isinf([within, beyond]).any():
                return within
            # From an infinite minimum every distance is infinite, and any width a small share.
            with np.errstate(divide="ignore"):
                width, distance = abs(np.log(beyond / within)), abs(np.log(beyond / tau))
            if width <= max(_CLOSE, _SHARE * float(distance)):
                return self._between(tau, within, beyond)
            self.at(np.geomspace(within, beyond, _POINTS)[1:-1])

    def _between(self, tau: float, within: float, beyond: float) -> float:
        """Return where the curve leaves its minimum, as the parabola through both points does."""
        heights = np.array([max(self.value(at) - self.value(tau), 0.0) for at in (within, beyond)])
        slack = self._slack(tau)[self._index(beyond)]
        inner, outer = np.sqrt(heights)
        # Not a parabola's: infinite, or lower than what counts as the minimum.
        if np.isinf(outer) or outer <= inner:
            return within
        share = float((np.sqrt(slack) - inner) / (outer - inner))
        return within * float(beyond / within) ** min(max(share, 0.0), 1.0)

    def _slack(self, tau: float) -> FloatArray:
        """Return how far known values may be from that at τ by their errors, shape (k,)."""
        rounding = _EPSILON * np.maximum(np.abs(self.values), abs(self.value(tau)))
        return np.maximum(self.errors + self.error(tau), rounding)

    def _differs(self, tau: float) -> FloatArray:
        """Return where known values are told from that at τ, shape (k,)."""
        with np.errstate(invalid="ignore"):
            apart = np.abs(self.values - self.value(tau)) > self._slack(tau)
        # An infinite value has no error to speak of, and differs from every other.
        return np.asarray(apart | (np.isinf(self.values) != np.isinf(self.value(tau))))

    def _index(self, tau: float) -> int:
        k = int(np.searchsorted(self.tau, tau))
        if k == len(self.tau) or self.tau[k] != tau:
            self.at(np.array([tau]))
            k = int(np.searchsorted(self.tau, tau))
        return k
