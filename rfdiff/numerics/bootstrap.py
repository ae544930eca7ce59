"""Bootstrap intervals of statistics of sorted samples, many replicates at once.

A resample of n points is how often each is drawn. Sorted points stay sorted when repeated, so a
replicate costs O(n) and sorts nothing.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..support.interval_estimate import IntervalEstimate
from ..support.random import stream
from ..support.validation import FloatArray

# Resampled points held at once.
CHUNK = 1 << 20

Counts = NDArray[np.int64]
# How often the sorted points of each sample are drawn, (b, n) and so on, to the statistic (b,).
Statistic = Callable[..., FloatArray]


class BootstrapEstimate(IntervalEstimate):
    """A statistic of samples with its bootstrap interval, each of the shape of the leading axes.

    The interval is the basic one, 2·value − quantiles of resampled values: distances of samples are
    biased upwards, those of resamples twice, and reflection takes the bias off. So it speaks of the
    laws that were sampled, and may lie below the value. It begins at 0 where the value is no larger
    than resamples differ from the samples themselves: the laws may then be the same.
    """


def bootstrap(
    statistics: Sequence[Statistic],
    selves: Sequence[Statistic],
    orders: Sequence[NDArray[np.intp]],
    *,
    n_boot: int,
    confidence: float,
    seed: int,
) -> BootstrapEstimate:
    """Return the value and interval of R statistics, each (R,).

    Args:
        statistics: one for each row.
        selves: the same, between resamples and the samples they are drawn from.
        orders: for each sample, the positions that sort the points of every row, (R, n).
        n_boot: number of replicates; point i of a sample is drawn as often in every row.
        confidence: nominal coverage, in (0, 1).
        seed: of the stream "bootstrap".
    """
    once = [np.ones((1, order.shape[1]), dtype=np.int64) for order in orders]
    value = np.array([statistic(*once)[0] for statistic in statistics])
    generators = [stream(seed, "bootstrap", k) for k in range(len(orders))]
    size = max(1, CHUNK // max(order.shape[1] for order in orders))
    replicates, own = np.empty((2, len(statistics), n_boot))
    for i in range(0, n_boot, size):
        rows = min(size, n_boot - i)
        counts = [
            _resampled(rng, rows, order.shape[1])
            for rng, order in zip(generators, orders, strict=True)
        ]
        for k, statistic in enumerate(statistics):
            ordered = [c[:, order[k]] for c, order in zip(counts, orders, strict=True)]
            replicates[k, i : i + rows] = statistic(*ordered)
            own[k, i : i + rows] = selves[k](*ordered)
    tail = 50.0 * (1.0 - confidence)
    below, above = np.percentile(replicates, [tail, 100.0 - tail], axis=1)
    apart = value > np.percentile(own, 100.0 * confidence, axis=1)
    low = np.where(apart, np.maximum(2.0 * value - above, 0.0), 0.0)
    return BootstrapEstimate(value, low, np.maximum(2.0 * value - below, low), confidence)


def _resampled(rng: np.random.Generator, rows: int, n: int) -> Counts:
    """Return how often each of n points is drawn in n draws with replacement, (rows, n)."""
    drawn = rng.integers(0, n, (rows, n)) + n * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)


def repeated(counts: Counts) -> NDArray[np.intp]:
    """Return the indices of the sorted points of each resample, (b, n).

    >>> repeated(np.array([[0, 2, 1]]))
    array([[1, 1, 2]])
    """
    b, n = counts.shape
    return np.repeat(np.tile(np.arange(n), b), counts.ravel()).reshape(b, n)
