"""The best training time: τ_es minimises a continuous curve, not a grid."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..numerics.curve_minimum import zoom
from ..numerics.evaluated_curve import EvaluatedCurve
from ..support.estimate import Estimate
from ..support.validation import FloatArray, training_times

# Points of ln τ this close lie on a parabola to 1e-6 of their distance from its vertex, and far
# enough apart for it to stand out from a curve's rounding.
_LOG_TAU_SPACING = 1e-3
# Late in training, where θ is large, a loss is known to no more than this share of itself.
_ROUNDING = 1e-10
# Intervals of τ narrower than this ratio of their ends go without saying.
_NARROW = 1.01


@dataclass(frozen=True)
class EarlyStopping:
    """A curve's minimum over training time.

    Attributes:
        tau: τ_es.
        value: the curve there, with its own error.
        at: "interior", or the end of the range it sits at: "start" or "end".
        quantity: what was minimised.
        low: from here to `high` the curve equals its minimum to within its error: any τ between
            them may be the true minimiser.
        high: see `low`; infinite where the curve is flat up to the end of training.
    """

    tau: float
    value: Estimate
    at: str
    quantity: str
    low: float
    high: float

    @property
    def flat(self) -> bool:
        """Whether `low` and `high` are more than a per cent apart."""
        return self.high > _NARROW * self.low

    def __str__(self) -> str:
        where = "" if self.at == "interior" else f", at the {self.at} of the range of τ"
        text = f"best {self.quantity} {self.value!r} at τ = {self.tau:.4g}{where}"
        if self.flat:
            text += f"; within its error from τ = {self.low:.4g} to {self.high:.4g}"
        return text


def early_stopping(
    curve: Callable[[FloatArray], Estimate], tau: FloatArray, quantity: str = "KL"
) -> EarlyStopping:
    """Minimise a curve of τ: bracket it on the grid `tau`, refine between its points in ln τ.

    Between 0 and the first positive τ, and between the last finite τ and ∞, where no grid can be
    even in ln τ, the curve is followed a few points a decade until it has its limit.

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
    known = EvaluatedCurve(curve, grid, quantity)
    lowest = float(known.tau[known.lowest])
    known.follow_to_limits()
    beyond = float(known.tau[known.lowest])
    # Outside the grid only if that is lower by more than the errors: else a curve that has come
    # to its limit would be said to have its minimum wherever rounding puts it.
    if known.difference(lowest, beyond) > max(
        known.error(lowest) + known.error(beyond), _ROUNDING * abs(known.value(beyond))
    ):
        lowest = beyond
    at = "start" if lowest == grid[0] else "end" if lowest == grid[-1] else "interior"
    refined = _refine(known, lowest)
    # The same between points of the grid: a curve that falls to the end of the range has no
    # minimum just before it.
    if known.difference(lowest, refined) > _ROUNDING * abs(known.value(lowest)):
        lowest, at = refined, "interior"
    low, high = known.interval_about(lowest)
    return EarlyStopping(lowest, curve(np.asarray(lowest)), at, quantity, low, high)


def _refine(known: EvaluatedCurve, best: float) -> float:
    """Return the minimum between the neighbours of `best`, in ln τ where that exists."""
    low, high = known.neighbours(best)
    if np.isinf(high):
        high = best
    if high <= low or np.isinf(best) or not np.isfinite(known.value(best)):
        return best
    if low > 0.0:
        ends = float(np.log(low)), float(np.log(high))
        refined = float(np.exp(zoom(lambda x: known.at(np.exp(x)), *ends, _LOG_TAU_SPACING)))
        return min(max(refined, low), high)
    return zoom(known.at, low, high, _LOG_TAU_SPACING * high)
