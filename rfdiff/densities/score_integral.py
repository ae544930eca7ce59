"""The score-integral density [11]: log p̂(x) = ∫ˣ s(y, t) dy − log Z on a domain, in 1-D.

p̂_θ is an exponential family in θ with sufficient statistics ψ_j(x) = ∫ˣ h_j, so the mean of log p̂
under any law needs only the law's moments E ψ_j: one dot product per training time.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..diffusion.law_on_domain import Domain, Reference, parse_domain
from ..model.potential import Potential, potential
from ..model.score import RandomFeatureScore
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray, real

# Rounding of θ·ψ: m products whose errors add like a random walk.
_DOT_ROUNDING = 32.0 * 2.0**-53
# Training times handled at once.
_ROWS = 128


@dataclass(frozen=True, eq=False)
class ScoreIntegralDensity:
    """p̂_θ(x) = exp(∫_{x₀}^x s_θ(y, t) dy) / Z on a domain, for every training time at once.

    Exact between the kinks for ReLU features, by quadrature in x for the smooth activations. On
    the whole line a score whose outer slope is positive has no density: `log_normalizer` is +∞
    there, and `normalizable` says so.

    Args:
        score: a one-dimensional random-feature score, training times leading.
        t: evaluation time.
        domain: (a, b), or `np.inf` for the line (ReLU only).

    >>> import numpy as np
    >>> from rfdiff.model.embeddings import AffineEmbedding
    >>> from rfdiff.model.features import RandomFeatures
    >>> features = RandomFeatures([1.0, -1.0], [[0.0, 0.0], [0.0, 0.0]], AffineEmbedding())
    >>> score = RandomFeatureScore(features, [[-np.sqrt(2.0), np.sqrt(2.0)]])  # s(x) = −x
    >>> float(ScoreIntegralDensity(score, 0.5, np.inf).density(0.0).round(12))  # 1/√(2π)
    0.398942280401
    """

    score: RandomFeatureScore
    t: float
    domain: Domain

    def __post_init__(self) -> None:
        if self.score.dimension != 1:
            raise ArgumentError(
                f"the score integral needs one dimension, got d = {self.score.dimension}"
            )
        object.__setattr__(self, "t", real("t", self.t))
        object.__setattr__(self, "domain", parse_domain(self.domain))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the training times."""
        return self.score.shape

    @property
    def breakpoints(self) -> FloatArray:
        """Sorted points where log p̂ is not smooth: the kinks inside the domain."""
        return self._potential.breakpoints

    @cached_property
    def _potential(self) -> Potential:
        a, b = self.domain
        anchor = 0.5 * (a + b) if np.isfinite([a, b]).all() else 0.0
        if np.isfinite(a) != np.isfinite(b):
            anchor = a if np.isfinite(a) else b
        return potential(self.score.features, self.t, anchor, self.domain)

    @cached_property
    def log_normalizer(self) -> Estimate:
        """Log Z of exp(∫_{x₀}^x s), x₀ the middle of the domain (0 on the line): shape (…)."""
        value, error = self._potential.log_partition(self.score.flat_theta)
        return Estimate(value.reshape(self.shape), error.reshape(self.shape))

    @property
    def normalizable(self) -> np.ndarray:
        """Whether the density exists, shape (…): always on a bounded domain."""
        return np.isfinite(self.log_normalizer.value)

    @property
    def mass(self) -> Estimate:
        """Total mass: one by construction, to the error of log Z; zero where not normalisable."""
        return Estimate(self.normalizable.astype(np.float64), self.log_normalizer.error)

    @property
    def error(self) -> FloatArray:
        """Absolute error of log p̂, shape (…)."""
        return self.log_normalizer.error

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Return log p̂(x), shape (…) + x.shape; −∞ outside the domain."""
        x = np.asarray(x, dtype=np.float64)
        flat = x.ravel()
        inside = (flat >= self.domain[0]) & (flat <= self.domain[1])
        out = np.full((len(self.score.flat_theta), flat.size), -np.inf)
        if inside.any():
            values = self._potential.evaluate(self.score.flat_theta, flat[inside])
            out[:, inside] = values - self.log_normalizer.value.reshape(-1, 1)
        return out.reshape(self.shape + x.shape)

    def density(self, x: ArrayLike) -> FloatArray:
        """Return p̂(x), shape (…) + x.shape."""
        return np.exp(self.log_density(x))

    def mean_log_density(self, law: Any) -> Estimate:
        """E_p[log p̂] = θ·E_p[ψ] − log Z, p restricted to the domain: shape (…).

        Exact in θ; p is a mixture (point masses allowed: then this is a mean log-likelihood) or
        any law with `log_density` and `domain()`.
        """
        mean, error = self._potential.moments(Reference(law, self.domain))
        rows = self.score.flat_theta
        value = (rows @ mean).reshape(self.shape) - self.log_normalizer.value
        slack = error + _DOT_ROUNDING * np.abs(mean)
        spread = np.concatenate(
            [np.abs(rows[i : i + _ROWS]) @ slack for i in range(0, len(rows), _ROWS)]
        )
        return Estimate(value, spread.reshape(self.shape) + self.log_normalizer.error)
