"""How many samples are copies of training points, by their distances to the two nearest ones.

A sample x is memorised where |x − x₍₁₎| < c |x − x₍₂₎|, x₍₁₎ and x₍₂₎ its nearest and second
nearest training points and c = 1/3: the criterion of T. Yoon, J. Y. Choi, S. Kwon and E. K. Ryu,
"Diffusion probabilistic models generalize when they fail to memorize", ICML 2023 workshop on
structured probabilistic inference and generative modeling, taken over by X. Gu, C. Du, T. Pang,
C. Li, M. Lin and Y. Wang, "On memorization in diffusion models", arXiv 2310.02664.

Fresh points of the same law meet it too, by chance: where training points are dense enough to look
evenly spread, with a chance of cᵈ in d dimensions, 1/3 on the line and 1/9 in the plane. A share is
to be read beside that of held-out points.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...numerics.binomial import binomial_share
from ...support.errors import ArgumentError
from ...support.interval_estimate import IntervalEstimate
from ...support.validation import FloatArray, between, points, squarable_array

# The ratio c of both papers.
RATIO = 1.0 / 3.0


def nearest_distances(samples: ArrayLike, others: ArrayLike, k: int = 1) -> FloatArray:
    """Return the distances of samples to their k nearest distinct points, ascending, (N, k).

    Args:
        samples: (N,) or (N, d).
        others: points (n,) or (n, d) of the same unit; copies of a point count as one.
        k: number of neighbours.

    Raises:
        ArgumentError: samples and points of different dimensions, or fewer than k distinct points.

    >>> nearest_distances([0.0, 5.0], [1.0, 1.0, 3.0], k=2)
    array([[1., 3.],
           [2., 4.]])
    """
    # Loaded where it is used: training needs none of it.
    from scipy.spatial import cKDTree

    samples, others = of_one_dimension(samples, others)
    distinct = np.unique(others, axis=0)
    if len(distinct) < k:
        raise ArgumentError(
            f"points must hold at least {k} distinct ones to have as many neighbours, "
            f"got {len(distinct)}"
        )
    return np.asarray(cKDTree(distinct).query(samples, k=np.arange(1, k + 1))[0])


def memorised(
    samples: ArrayLike, training: ArrayLike, *, ratio: float = RATIO
) -> NDArray[np.bool_]:
    """Return which samples are closer to a training point than `ratio` times to any other, (N,).

    Arguments are as in `share_memorised`.

    >>> memorised([0.2, 1.2, 3.0], [0.0, 1.0, 1.0, 3.0])
    array([ True,  True,  True])
    >>> memorised([0.4, 2.0], [0.0, 1.0, 1.0, 3.0])
    array([False, False])
    """
    ratio = between("ratio", ratio, 0.0, 1.0)
    distances = nearest_distances(samples, training, 2)
    return np.asarray(distances[:, 0] < ratio * distances[:, 1])


def share_memorised(
    samples: ArrayLike, training: ArrayLike, *, ratio: float = RATIO, confidence: float = 0.95
) -> IntervalEstimate:
    """Return the share of samples with |x − x₍₁₎| < ratio·|x − x₍₂₎|, with its interval.

    x₍₁₎ and x₍₂₎ are the nearest and the second nearest distinct training points: copies of a point
    count as one, or what is repeated could never be memorised. The interval is the exact binomial
    one of independent samples, given the training points. The same share of points that were held
    out is the baseline: pass them as samples.

    Args:
        samples: (N,) or (N, d).
        training: points (n,) or (n, d) of the same unit, at least two of them distinct.
        ratio: c, between 0 and 1.
        confidence: nominal coverage of the interval, in (0, 1).

    Raises:
        ArgumentError: bad arguments, or training points that are all the same.

    >>> rng = np.random.default_rng(0)
    >>> training = rng.standard_normal((50, 2))
    >>> share_memorised(training + 1e-3 * rng.standard_normal((50, 2)), training)
    1 (95%: 0.9289 to 1)
    >>> share_memorised(rng.standard_normal((1000, 2)), training)
    0.083 (95%: 0.06665 to 0.1019)
    """
    confidence = between("confidence", confidence, 0.5, 0.9999)
    found = memorised(samples, training, ratio=ratio)
    return binomial_share(found.sum(), len(found), confidence=confidence)


def of_one_dimension(samples: ArrayLike, others: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return two sets of points as (N, d) and (n, d), or refuse them."""
    given = {"samples": samples, "others": others}
    x, y = (points(name, squarable_array(name, part)) for name, part in given.items())
    if x.shape[1] != y.shape[1]:
        raise ArgumentError(
            f"both sets of points must have one dimension, got shapes {x.shape} and {y.shape}"
        )
    return x, y
