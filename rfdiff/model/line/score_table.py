"""The exact piecewise-linear table of a 1-D ReLU score at given times: O(1) per evaluation.

At fixed t the score s_θ(·, t) is piecewise linear with kinks at κ_j(t), which do not depend on θ:
they are sorted once per time for all training times, slopes and intercepts are prefix sums.

Layout (plain arrays for `_kernels/score_table.py`, which has `locate` and `table_score`):

    times       (n_t,)
    kinks       (n_t, m)              sorted; ±∞ for features without a kink
    slopes      (n_tau, n_t, m + 1)   ∂ₓs on interval k, k = #{kinks < x}
    intercepts  (n_tau, n_t, m + 1)   s = slopes·x + intercepts
    starts      (n_t, B + 1) int32    kinks before each bucket
    centre      (n_t,), spread (n_t,) the bucket map u = (x − centre)/(spread + |x − centre|)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._kernels import score_table as kernels
from ...support.errors import ArgumentError
from ...support.validation import FloatArray, count, finite_array, memory
from ..score import RandomFeatureScore

# Buckets per kink: about half of them hold none, so a look-up scans one kink on average.
_BUCKETS_PER_KINK = 2


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """A 1-D ReLU score tabulated exactly at `times`; arrays as in the head of the module."""

    times: FloatArray
    kinks: FloatArray
    slopes: FloatArray
    intercepts: FloatArray
    starts: NDArray[np.int32]
    centre: FloatArray
    spread: FloatArray
    shape: tuple[int, ...]

    def evaluate(self, x: ArrayLike, time: int) -> tuple[FloatArray, FloatArray]:
        """Return s and ∂ₓs at points x and time index `time`, each of shape (…) + x.shape."""
        x = finite_array("x", x)
        if not 0 <= time < len(self.times):
            raise ArgumentError(f"time must be an index below {len(self.times)}, got {time}")
        flat = x.ravel()
        value = np.empty((len(self.slopes), len(flat)))
        slope = np.empty_like(value)
        kernels.evaluate_table(
            flat, count("time", time, 0), self.kinks, self.starts, self.centre, self.spread,
            self.slopes, self.intercepts, value, slope,
        )  # fmt: skip
        return value.reshape(self.shape + x.shape), slope.reshape(self.shape + x.shape)


def table_bytes(n_tau: int, n_times: int, width: int) -> float:
    """Memory of a table: two coefficients per training time and interval, and the look-up."""
    return 16.0 * n_tau * n_times * (width + 1) + n_times * width * (32 + 4 * _BUCKETS_PER_KINK)


def score_table(score: RandomFeatureScore, times: ArrayLike) -> ScoreTable:
    """Tabulate a one-dimensional ReLU score at `times` (n_t,).

    Cost O(n_t m log m) for the kinks, shared by all training times, and O(n_tau n_t m).

    Raises:
        ArgumentError: if the score is not one-dimensional or not ReLU.
        MemoryLimitError: if the table will not fit; tabulate fewer training times or times at once.

    >>> import numpy as np
    >>> from rfdiff.model.embeddings import AffineEmbedding
    >>> from rfdiff.model.features import RandomFeatures
    >>> features = RandomFeatures([1.0, -1.0], [[0.0, 1.0], [0.0, 0.0]], AffineEmbedding())
    >>> score = RandomFeatureScore(features, [[1.0, 2.0]])
    >>> table = score_table(score, [0.25, 0.5])
    >>> table.kinks
    array([[-0.25,  0.  ],
           [-0.5 ,  0.  ]])
    >>> value, slope = table.evaluate([-1.0, 0.7], 1)
    >>> bool(np.allclose(value, score([-1.0, 0.7], 0.5)))
    True
    """
    features = score.features
    if not features.is_piecewise_linear:
        raise ArgumentError("a score table needs ReLU features in one dimension")
    times = finite_array("times", times, ndim=1)
    thetas = score.flat_theta
    memory("the score table", table_bytes(len(thetas), len(times), features.width))
    unsorted = features.kinks(times)
    order = np.argsort(unsorted, axis=1, kind="stable")
    kappa = np.take_along_axis(unsorted, order, axis=1)
    centre, spread = _bucket_map(kappa)
    starts = np.empty((len(times), _BUCKETS_PER_KINK * features.width + 1), dtype=np.int32)
    kernels.fill_starts(kappa, centre, spread, starts)
    slopes = np.empty((len(thetas), len(times), features.width + 1))
    intercepts = np.empty_like(slopes)
    kernels.fill_pieces(
        thetas, features.W[:, 0], features.biases(times), features.output_scale(times), order,
        slopes, intercepts,
    )  # fmt: skip
    return ScoreTable(times, kappa, slopes, intercepts, starts, centre, spread, score.shape)


def _bucket_map(kappa: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return centre and spread (n_t,): the median kink and half the interquartile range."""
    bounded = np.clip(kappa, -1e100, 1e100)
    m = kappa.shape[1]
    low, centre, high = bounded[:, m // 4], bounded[:, m // 2], bounded[:, (3 * m) // 4]
    spread = 0.5 * (high - low)
    return centre.copy(), np.where(spread > 0, spread, 1.0)
