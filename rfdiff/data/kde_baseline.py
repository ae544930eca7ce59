"""The baseline for data of unknown law: a kernel density estimate judged on the same points."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import gaussian_kde

from ..support.errors import ArgumentError
from ..support.validation import points


def kde_nll(data: ArrayLike, held_out: ArrayLike) -> float:
    """Return −(1/n) Σ log p̂(x_i) of held-out points under `scipy.stats.gaussian_kde` of data.

    Args:
        data: points the estimate is made of, (n,) or (n, d), at least two of them distinct.
        held_out: points it is judged on, (k,) or (k, d).

    Returns:
        Nats per point, with Scott's bandwidth, SciPy's default.

    >>> round(kde_nll([-1.0, 0.0, 1.0], [0.0]), 6)
    1.145213
    """
    train, test = points("data", data), points("held_out", held_out)
    if train.shape[1] != test.shape[1]:
        raise ArgumentError(
            f"held_out must have the dimension of data, got {test.shape} and {train.shape}"
        )
    centred = train - train.mean(0)
    if len(train) < 2 or np.linalg.matrix_rank(centred) < train.shape[1]:
        raise ArgumentError(
            "data must not lie in a plane of lower dimension for a kernel density estimate, "
            f"got {len(train)} points"
        )
    return float(-gaussian_kde(train.T).logpdf(test.T).mean())
