"""The sliced Wasserstein distance between samples in any dimension.

N. Bonneel, J. Rabin, G. Peyré and H. Pfister, "Sliced and Radon Wasserstein barycenters of
measures", Journal of Mathematical Imaging and Vision 51 (2015).
"""

import numpy as np
from numpy.typing import ArrayLike

from ...numerics.bootstrap import BootstrapEstimate, Counts, Statistic, bootstrap
from ...support.errors import ArgumentError
from ...support.random import stream
from ...support.validation import FloatArray, between, count
from .memorised import of_one_dimension
from .on_the_line import sorted_distance


def sliced_wasserstein(
    samples: ArrayLike,
    others: ArrayLike,
    order: int = 1,
    *,
    n_directions: int = 64,
    n_boot: int = 200,
    confidence: float = 0.95,
    seed: int = 0,
) -> BootstrapEstimate:
    """SW_p = (E_u W_p(u·X, u·Y)^p)^{1/p}, u even on the sphere: p = 1 or 2, by random directions u.

    Along each direction W_p is that of the empirical laws, exactly. The interval resamples both
    samples and the directions. On the line there is one direction, and SW_p is W_p.

    Args:
        samples: (N,) or (N, d).
        others: (K,) or (K, d), in the same unit, which is that of the distance.
        order: p, 1 or 2.
        n_directions: number of directions, each a cost of O(N + K) a replicate.
        n_boot: number of bootstrap replicates.
        confidence: of the interval, in (0, 1).
        seed: of the streams "directions" and "bootstrap".

    Raises:
        ArgumentError: bad arguments.

    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.standard_normal((2, 400, 3))
    >>> sliced_wasserstein(x, y + [1.0, 0.0, 0.0])  # E|u₁| = 1/2 for large samples
    0.5... (95%: 0.4... to 0.6...)
    """
    x, y = of_one_dimension(samples, others)
    if isinstance(order, bool) or order not in (1, 2):
        raise ArgumentError(f"order must be 1 or 2, got {order!r}")
    n_directions, n_boot = count("n_directions", n_directions, 2), count("n_boot", n_boot, 10)
    confidence = between("confidence", confidence, 0.5, 0.9999)
    directions = _directions(n_directions, x.shape[1], seed)
    projected = x @ directions.T, y @ directions.T
    of_x, of_y = (_sliced(part, part, order) for part in projected)
    ones = [np.ones((1, len(part)), dtype=np.int64) for part in (x, y)]

    def selves(counts: Counts, others: Counts, weights: Counts) -> FloatArray:
        return of_x(counts, ones[0], weights) + of_y(others, ones[1], weights)

    sizes = (len(x), len(y), len(directions))
    return bootstrap(
        [_sliced(*projected, order)], [selves], [np.arange(size)[None] for size in sizes],
        n_boot=n_boot, confidence=confidence, seed=seed,
    ).reshape(())  # fmt: skip


def _directions(n: int, d: int, seed: int) -> FloatArray:
    """Return n random directions (n, d), nested in n; on the line the only one there is."""
    if d == 1:
        return np.ones((1, 1))
    normals = stream(seed, "directions").standard_normal((n, d))
    return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True))


def _sliced(x: FloatArray, y: FloatArray, order: int) -> Statistic:
    """Return SW of resamples of points with projections x (N, P) and y (K, P).

    How often points and directions are drawn is in the points' own order.
    """
    orders = [np.argsort(part, axis=0, kind="stable") for part in (x, y)]
    ordered = [np.take_along_axis(part, at, 0) for part, at in zip((x, y), orders, strict=True)]
    kind = f"wasserstein-{order}"
    along = [sorted_distance(kind, a, b) for a, b in zip(ordered[0].T, ordered[1].T, strict=True)]

    def statistic(counts: Counts, others: Counts, weights: Counts) -> FloatArray:
        total = np.zeros(())
        for u, distance in enumerate(along):
            in_x, in_y = orders[0][:, u], orders[1][:, u]
            total = total + weights[:, u] * distance(counts[:, in_x], others[:, in_y]) ** order
        return np.asarray((total / len(along)) ** (1.0 / order))

    return statistic
