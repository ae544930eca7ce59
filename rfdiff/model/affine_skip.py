"""A fixed affine part of the score, beside the trained features: s = M_t (x − r μ) + θ h.

M_t = −(r² Σ + σ_t²)⁻¹ makes it the score of the Gaussian with mean μ and covariance Σ, diffused:
the best affine score of a law with these moments. The loss stays a quadratic of θ.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..diffusion.mixtures import GaussianMixture
from ..diffusion.sde import ForwardSDE
from ..support.registry import Registry
from ..support.validation import FloatArray, finite_array


@dataclass(frozen=True, eq=False)
class AffineSkip:
    """s(x, t) = −Q diag(1/(r² v_k + σ_t²)) Qᵀ (x − r μ), the score of N(μ, Q diag(v) Qᵀ) at t.

    Args:
        sde: forward process.
        mean: μ, shape (d,).
        axes: Q, shape (d, d), orthogonal, columns.
        variances: v, shape (d,), non-negative, along the axes.

    >>> from rfdiff.diffusion.sde import VPSDE
    >>> skip = AffineSkip(VPSDE(), np.zeros(2), np.eye(2), np.ones(2))  # N(0, 1) at all times
    >>> skip([2.0, -1.0], 0.5).round(12)
    array([-2.,  1.])
    """

    sde: ForwardSDE
    mean: FloatArray
    axes: FloatArray
    variances: FloatArray

    @classmethod
    def gaussian(cls, law: GaussianMixture, sde: ForwardSDE) -> "AffineSkip":
        """Return the Gaussian score of a law's mean and covariance."""
        centred = np.sqrt(law.weights)[:, None] * (law.means - law.mean)
        # The singular values of the centred points: no square of them is formed.
        _, singular, axes = np.linalg.svd(centred, full_matrices=True)
        variances = np.full(law.dimension, float(law.weights @ law.stds**2))
        variances[: len(singular)] += singular**2
        return cls(sde, law.mean, np.ascontiguousarray(axes.T), variances)

    @classmethod
    def isotropic(cls, law: GaussianMixture, sde: ForwardSDE) -> "AffineSkip":
        """Return the Gaussian score of a law's mean and mean variance of a coordinate."""
        d = law.dimension
        return cls(sde, law.mean, np.eye(d), np.full(d, float(law.variance.mean())))

    @property
    def dimension(self) -> int:
        """Dimension d of x."""
        return len(self.mean)

    def rates(self, t: ArrayLike) -> FloatArray:
        """Return 1/(r² v + σ_t²), shape t.shape + (d,)."""
        t = np.asarray(t, dtype=np.float64)[..., None]
        return 1.0 / (np.square(self.sde.scale(t)) * self.variances + np.square(self.sde.std(t)))

    def __call__(self, x: ArrayLike, t: float) -> FloatArray:
        """Return s(x, t), shape (…, d), of points (…, d)."""
        x = finite_array("x", x)
        along = (x - float(self.sde.scale(t)) * self.mean) @ self.axes
        return np.asarray(-(along * self.rates(t)) @ self.axes.T)

    def divergence(self, t: float) -> float:
        """Return ∇ₓ·s = tr M_t, the same at every x."""
        return -float(self.rates(t).sum())


def _none(law: GaussianMixture, sde: ForwardSDE) -> AffineSkip | None:
    """Return no skip, as in the paper."""
    return None


SKIPS: Registry = Registry(
    "skip", {"none": _none, "isotropic": AffineSkip.isotropic, "gaussian": AffineSkip.gaussian}
)
