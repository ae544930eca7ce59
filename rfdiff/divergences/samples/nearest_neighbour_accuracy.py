"""Can a nearest neighbour tell two samples apart? The leave-one-out two-sample test.

D. Lopez-Paz and M. Oquab, "Revisiting classifier two-sample tests", ICLR 2017.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...support.errors import ArgumentError
from ...support.estimate import Estimate
from ...support.random import stream
from ...support.validation import FloatArray
from .memorised import of_one_dimension


def nearest_neighbour_accuracy(samples: ArrayLike, others: ArrayLike, *, seed: int = 0) -> Estimate:
    """Return how often a point's nearest neighbour, of both samples, is one of its own sample.

    Mean of the two samples' own shares. 0.5 where nothing tells them apart (less by ½/(N + K − 1)
    for N and K points), 1 where they lie apart, and below 0.5 where each point has its partner in
    the other sample: copies of it. Between points at the same distance a random order decides.

    The error is one standard error. Points count together where one is the other's nearest: under
    equal laws only partners of each other are correlated, fully (M. Schilling, JASA 81, 1986).
    It is never below that of a single point in each sample.

    Args:
        samples: (N,) or (N, d), N ≥ 2.
        others: (K,) or (K, d), K ≥ 2.
        seed: of the order of equally near points.

    Raises:
        ArgumentError: samples of different dimensions, or of a single point.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((1000, 3))
    >>> nearest_neighbour_accuracy(x[:500], x[500:])
    0.533 ± 0.02
    >>> nearest_neighbour_accuracy(x[:500], x[500:] + 2.0)
    0.92 ± 0.01
    """
    pair = of_one_dimension(samples, others)
    if min(map(len, pair)) < 2:
        raise ArgumentError(
            f"both samples must have at least two points, got {len(pair[0])} and {len(pair[1])}"
        )
    label = np.repeat([0, 1], [len(part) for part in pair])
    nearest = _nearest(np.concatenate(pair), seed)
    right, size = (label == label[nearest]).astype(np.float64), np.bincount(label)
    accuracy = np.bincount(label, right) / size
    share = 0.5 * (right - accuracy[label]) / size[label]
    # At each point meet its own share and those of the points whose nearest it is: a point is
    # counted at two places, and so are partners, whose shares are correlated.
    met = share + np.bincount(nearest, share, len(label))
    variance = max(0.5 * float((met**2).sum()), 0.25 * float((1.0 / size**2).sum()))
    return Estimate(accuracy.mean(), np.sqrt(variance), "one standard error of the samples")


def _nearest(pooled: FloatArray, seed: int) -> NDArray[np.intp]:
    """Return the index of the other point nearest to each, (n,)."""
    # Loaded where it is used: training needs none of it.
    from scipy.spatial import cKDTree

    # Shuffled, so that the tree's choice among equals knows nothing of the samples.
    order = stream(seed, "bootstrap").permutation(len(pooled))
    found = order[cKDTree(pooled[order]).query(pooled, k=2)[1]]
    itself = found[:, 0] == np.arange(len(pooled))
    return np.asarray(np.where(itself, found[:, 1], found[:, 0]))
