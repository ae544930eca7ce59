"""C in d dimensions from the Hermite coefficients c₀ and c₁ alone, exact in the noise.

By Stein's lemma E[z_j-part] needs E act' = c₁/s only: E[(x − M) act_j] = S c₁ w_j/|w_j|, and so
E[(−z/σ) act_j] = −(c₁/S) w_j/|w_j|. An affine skip M_t (x − r μ), M_t = −Q diag(v) Qᵀ, takes
E[M_t (x − r μ) act_j] = M_t ((M − r μ) c₀ + S c₁ w_j/|w_j|) from that.
"""

import numpy as np

from ...diffusion.mixtures import GaussianMixture
from ...model.affine_skip import AffineSkip
from ...model.features import RandomFeatures
from ...support.validation import FloatArray
from .rows import Rows, Times
from .tiles import Tiles


class CrossSum:
    """C = E_t λ E[(−z/σ_t − M_t(x − r μ)) hᵀ], summed block by block."""

    def __init__(
        self,
        law: GaussianMixture,
        times: Times,
        features: RandomFeatures,
        skip: AffineSkip | None,
    ) -> None:
        norms = np.linalg.norm(features.W, axis=1)
        self._unit = (features.W / np.where(norms > 0.0, norms, 1.0)[:, None]).T
        self._noise = np.zeros(features.width)
        self._skip = skip
        self._error = 0.0
        if skip is not None:
            self._mean_part, self._noise_part = np.zeros((2, *self._unit.shape))
            self._centred = (law.means - skip.mean) @ skip.axes
            self._rates, self._scales = skip.rates(times.t), times.sde.scale(times.t)

    def add(self, rows: Rows, order: int, matrix: FloatArray, error: float, tiles: Tiles) -> None:
        """Add what order 0 or 1 of a block gives; matrix (rows, m) is √ω c_p, error its own."""
        if order == 1:
            weights = rows.drive / rows.spread
            self._noise += weights @ matrix
            self._error += float(np.linalg.norm(weights)) * error
        if self._skip is None:
            return
        rates = rows.drive[:, None] * self._rates[rows.time]
        if order == 1:
            rates *= rows.spread[:, None]
        else:
            centred = self._centred[rows.components]
            rates *= np.tile(centred, (len(rows) // len(centred), 1))
            rates *= self._scales[rows.time, None]
        target = self._noise_part if order == 1 else self._mean_part

        def strip(columns: slice) -> None:
            target[:, columns] += rates.T @ matrix[:, columns]

        tiles.each_strip(strip)
        self._error += float(np.linalg.norm(rates)) * error

    def result(self) -> tuple[FloatArray, float]:
        """Return C (d, m) and the largest error of an entry."""
        cross = -self._unit * self._noise
        if self._skip is not None:
            axes = self._skip.axes
            cross += axes @ (self._mean_part + (axes.T @ self._unit) * self._noise_part)
        return cross, self._error


def skip_constant(law: GaussianMixture, times: Times, skip: AffineSkip) -> float:
    """Return E_t λ [2 tr M_t + E‖M_t(x − r μ)‖²], what a skip adds to c₀."""
    rates = skip.rates(times.t)
    along = np.square((law.means - skip.mean) @ skip.axes) + np.square(law.stds)[:, None]
    r, std = times.sde.scale(times.t)[:, None], times.sde.std(times.t)[:, None]
    square = np.square(rates) * (np.square(r) * (law.weights @ along) + np.square(std))
    return float(times.weights @ (square - 2.0 * rates).sum(axis=1))
