"""What x_t is to the series: Gaussians N(M, S²I), one for each component of the law and each time.

They are the rows of every matrix of Hermite coefficients: time is folded into them, since the
cosines between directions w_j know neither the datum nor t.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...diffusion.mixtures import GaussianMixture
from ...diffusion.sde import ForwardSDE
from ...model.features import RandomFeatures
from ...support.validation import FloatArray


@dataclass(frozen=True, eq=False)
class Times:
    """Time nodes as law and features see them.

    Attributes:
        sde: forward process.
        t: nodes, shape (n_t,).
        weights: ω_k λ(t_k), shape (n_t,).
    """

    sde: ForwardSDE
    t: FloatArray
    weights: FloatArray


@dataclass(frozen=True, eq=False)
class Rows:
    """Some components at some times, components fastest; all arrays have shape (rows,).

    Attributes:
        components: which ones, n of them.
        time: index of the time of each row.
        scale: c_in r, by which w_j·μ enters feature j.
        spread: S, the standard deviation of x_t.
        width: c_in S.
        root: √(q ωλ) times the output scale: the root of the weight of act act' in G.
        drive: √(q ωλ).
    """

    components: slice
    time: np.ndarray
    scale: FloatArray
    spread: FloatArray
    width: FloatArray
    root: FloatArray
    drive: FloatArray

    def __len__(self) -> int:
        return len(self.time)


def rows_of(
    law: GaussianMixture,
    times: Times,
    features: RandomFeatures,
    components: slice,
    chosen: np.ndarray,
) -> Rows:
    """Return the rows of some components at some times.

    Args:
        law: law of x(0).
        times: time nodes.
        features: frozen features.
        components: which components.
        chosen: indices of times.
    """
    t, sde = times.t[chosen], times.sde
    r, q = sde.scale(t)[:, None], law.weights[components]
    spread = np.hypot(r * law.stds[components], sde.std(t)[:, None])
    c_in = features.input_scale(t)[:, None]
    drive = np.sqrt(times.weights[chosen][:, None] * q)
    root = drive * features.output_scale(t)[:, None]
    scale = np.broadcast_to(c_in * r, spread.shape)
    columns = (scale, spread, c_in * spread, root, drive)
    return Rows(components, np.repeat(chosen, len(q)), *(column.ravel() for column in columns))


def blocks(
    law: GaussianMixture, times: Times, features: RandomFeatures, size: int
) -> Iterator[Rows]:
    """Yield all rows in blocks of at most about `size`, of neighbouring times where n is small."""
    n = law.n_components
    together = max(1, size // n)
    for start in range(0, n, size):
        components = slice(start, min(start + size, n))
        for first in range(0, len(times.t), together):
            chosen = np.arange(first, min(first + together, len(times.t)))
            yield rows_of(law, times, features, components, chosen)
