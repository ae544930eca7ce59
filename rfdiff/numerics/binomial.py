"""Shares of independent trials, with exact intervals."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv

from ..support.interval_estimate import IntervalEstimate


def binomial_share(
    successes: ArrayLike, trials: int, *, confidence: float = 0.95
) -> IntervalEstimate:
    """Return k/N with the interval of Clopper and Pearson: it covers at least as often as it says.

    Its ends are the chances of success at which k or more, and k or fewer, successes have the
    chance (1 − confidence)/2. A share of 0 or 1 has an interval too.

    Args:
        successes: k, any shape.
        trials: N.
        confidence: nominal coverage.

    >>> binomial_share(0, 100)
    0 (95%: 0 to 0.03622)
    >>> binomial_share(50, 100)
    0.5 (95%: 0.3983 to 0.6017)
    """
    k, tail = np.asarray(successes, dtype=np.float64), 0.5 * (1.0 - confidence)
    low = np.where(k > 0, betaincinv(np.maximum(k, 1.0), trials - k + 1.0, tail), 0.0)
    high = np.where(k < trials, betaincinv(k + 1.0, np.maximum(trials - k, 1.0), 1.0 - tail), 1.0)
    return IntervalEstimate(k / trials, low, high, confidence)
