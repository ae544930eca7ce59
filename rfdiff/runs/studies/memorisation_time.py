"""τ_mem: the first training time at which more samples copy training points than before."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...numerics.binomial import binomial_share
from ...support.interval_estimate import IntervalEstimate
from ...support.random import stream
from ...support.validation import FloatArray
from .onset import middle_of_bracket, onset

# Times about the onset this close are not told apart any further.
_CLOSE = 1.1
_REPLICATES = 1000

Copies = NDArray[np.bool_]


def memorisation_time(
    tau: FloatArray,
    copies: Copies,
    more: Callable[[FloatArray], Copies],
    *,
    fresh: tuple[int, int],
    seed: int,
    confidence: float = 0.95,
) -> IntervalEstimate:
    """Return the first τ at which a share is told from its first value and from that of chance.

    That is, where its lower limit exceeds the upper limits of both. Where more copies are found at
    once than chance makes, it is the first time; +∞ where they never are. The bracket between known
    times is halved by more samples, then the limit is linear in ln τ. The interval resamples paths,
    each at all training times, and the fresh points.

    Args:
        tau: training times (k,), ascending.
        copies: which of the n samples copy a training point, (k, n), paths of the same noise.
        more: returns the same at other times.
        fresh: how many fresh points are as near to a training point, and of how many.
        seed: of the stream "bootstrap".
        confidence: of all limits.
    """
    n = copies.shape[1]
    limits = binomial_share(np.arange(n + 1), n, confidence=confidence)
    of_fresh = binomial_share(np.arange(fresh[1] + 1), fresh[1], confidence=confidence)

    def excess(counts: NDArray[np.int64], fresh_counts: NDArray[np.int64]) -> FloatArray:
        start = np.maximum(limits.high[counts[..., :1]], of_fresh.high[fresh_counts[..., None]])
        return limits.low[counts] - start

    known = np.asarray(fresh[0])
    while (at := middle_of_bracket(tau, excess(copies.sum(1), known), _CLOSE)) is not None:
        k = int(np.searchsorted(tau, at))
        tau = np.insert(tau, k, at)
        copies = np.insert(copies, k, more(np.array([at]))[0], axis=0)
    rng = stream(seed, "bootstrap")
    # Paths that copy at the same times are alike: how many of each kind are drawn is enough.
    kinds, paths = np.unique(copies, axis=1, return_counts=True)
    drawn = rng.multinomial(n, paths / n, _REPLICATES) @ kinds.T.astype(np.int64)
    chance = rng.binomial(fresh[1], fresh[0] / fresh[1], _REPLICATES)
    found = onset(tau, excess(drawn, chance))
    tail = 0.5 * (1.0 - confidence)
    low, high = np.quantile(found, [tail, 1.0 - tail], method="inverted_cdf")
    value = onset(tau, excess(copies.sum(1), known))
    return IntervalEstimate(value, np.asarray(low), np.asarray(high), confidence)
