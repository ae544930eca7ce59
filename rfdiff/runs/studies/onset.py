"""When a curve of training time first exceeds a level, between the times it is known at."""

import numpy as np
from numpy.typing import ArrayLike

from ...support.interval_estimate import IntervalEstimate
from ...support.validation import FloatArray


def onset(tau: ArrayLike, excess: ArrayLike) -> FloatArray:
    """Return the first τ at which curves are positive, shape (…).

    Between neighbouring times a curve is linear in ln τ. The first time if it is positive there
    already, +∞ if it never is; next to τ = 0 and ∞, where ln τ has no line, the later time.

    Args:
        tau: training times (k,), ascending.
        excess: what curves exceed their level by, (…, k).

    >>> onset([1.0, 100.0, 1e4], [[-1.0, 1.0, 5.0], [2.0, 1.0, 3.0], [-1.0, -1.0, -1.0]])
    array([10.,  1., inf])
    """
    tau, excess = np.asarray(tau, dtype=np.float64), np.asarray(excess, dtype=np.float64)
    positive = excess > 0.0
    first = positive.argmax(-1)
    before = np.maximum(first - 1, 0)
    low, high = (np.take_along_axis(excess, k[..., None], -1)[..., 0] for k in (before, first))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(first > 0, -low / (high - low), 0.0)
        between = tau[before] * (tau[first] / tau[before]) ** share
    inside = (tau[before] > 0.0) & np.isfinite(tau[first])
    found = np.where(inside, between, tau[first])
    return np.asarray(np.where(positive.any(-1), found, np.inf))


def in_words(tau: IntervalEstimate) -> str:
    """Return a training time and its interval.

    >>> in_words(IntervalEstimate(np.array(1e3), np.array(500.0), np.array(np.inf), 0.95))
    'tau = 1000 (500 to inf)'
    """
    return f"tau = {float(tau):.4g} ({float(tau.low):.4g} to {float(tau.high):.4g})"


def middle_of_bracket(tau: FloatArray, excess: FloatArray, ratio: float) -> float | None:
    """Return the τ that halves, in ln τ, the step in which a curve first becomes positive.

    Args:
        tau: training times (k,), ascending.
        excess: the curve (k,).
        ratio: of the ends of a step; none closer is halved, and None returned, as where there is
            no such step between positive finite times.

    >>> middle_of_bracket(np.array([1.0, 100.0, 1e4]), np.array([-1.0, -0.5, 5.0]), 1.1)
    1000.0
    """
    first = int((excess > 0.0).argmax())
    if first == 0:
        return None
    low, high = float(tau[first - 1]), float(tau[first])
    if low <= 0.0 or np.isinf(high) or high <= ratio * low:
        return None
    return float(np.sqrt(low * high))
