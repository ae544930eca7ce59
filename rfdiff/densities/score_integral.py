"""The score-integral density [11]: log p̂(x) = ∫ˣ s(y, t) dy − log Z on a domain, in 1-D.

p̂_θ is an exponential family in θ with sufficient statistics ψ_j(x) = ∫ˣ h_j, so the mean of log p̂
under any law needs only the law's moments E ψ_j: one dot product per training time.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ..diffusion.law_on_domain import Domain, Reference, parse_domain
from ..diffusion.sde import ForwardSDE
from ..model.line.x_integral import XIntegral, x_integral
from ..model.score import RandomFeatureScore
from ..numerics.bisection import Mask, bisect
from ..numerics.panels import Panels, distribution
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray, real
from .interfaces import Escaped
from .panel_comparison import PanelComparison, may_hide_a_peak
from .theta_error import LogDensityThetaError

# Rounding of θ·ψ: m products whose errors add like a random walk.
_DOT_ROUNDING = 32.0 * 2.0**-53
# Training times handled at once.
_BATCH = 128
# Integrals in x are resolved to this.
_TOLERANCE = 1e-11
_MOST_HALVINGS = 30
# Points at which the outer pieces of p̂ are probed, each so much farther out than the one before,
# and the log mass that no longer counts.
_PROBES, _GROWTH = 100, 1.5
_NEGLIGIBLE = -46.0
# Points over which the error of log p̂ is averaged.
_POINTS = 17


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

    method: ClassVar[str] = "score-integral"
    knob: ClassVar[str | None] = "narrow the domain, or evaluate at a larger t or a smaller tau"

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

    @classmethod
    def of_score(
        cls, score: RandomFeatureScore, sde: ForwardSDE, t: float, domain: Domain
    ) -> "ScoreIntegralDensity":
        """Return the density; the score's integral knows nothing of the process."""
        return cls(score, t, domain)

    def on(self, domain: Domain | float) -> "ScoreIntegralDensity":
        """Return the density normalised on another domain."""
        domain = parse_domain(domain)
        return self if domain == self.domain else replace(self, domain=domain)

    def beside(self, law: Any) -> PanelComparison:
        """Return a comparison with a one-dimensional law, on the domain."""
        return PanelComparison(self, law, _TOLERANCE)

    @property
    def support(self) -> Domain:
        """The domain: the density is normalised there."""
        return self.domain

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the training times."""
        return self.score.shape

    @property
    def breakpoints(self) -> FloatArray:
        """Sorted points where log p̂ is not smooth: the kinks inside the domain."""
        return self._integral.breakpoints

    @cached_property
    def _integral(self) -> XIntegral:
        a, b = self.domain
        anchor = 0.5 * (a + b) if np.isfinite([a, b]).all() else 0.0
        if np.isfinite(a) != np.isfinite(b):
            anchor = a if np.isfinite(a) else b
        return x_integral(self.score.features, self.t, anchor, self.domain)

    @cached_property
    def log_normalizer(self) -> Estimate:
        """Log Z of exp(∫_{x₀}^x s), x₀ the middle of the domain (0 on the line): shape (…)."""
        value, error = self._integral.log_partition(self.score.flat_theta)
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
    def escaped(self) -> Escaped:
        """None: all of the mass is known."""
        return Escaped.nothing(self.shape)

    @property
    def error(self) -> FloatArray:
        """Absolute error of log p̂, shape (…): the mean of that of θ, and that of log Z."""
        inside = np.linspace(*self.hull, _POINTS)
        return self.log_normalizer.error + self._of_theta(inside).mean(-1)

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Return log p̂(x), shape (…) + x.shape; −∞ outside the domain."""
        x = np.asarray(x, dtype=np.float64)
        flat = x.ravel()
        inside = (flat >= self.domain[0]) & (flat <= self.domain[1])
        out = np.full((len(self.score.flat_theta), flat.size), -np.inf)
        if inside.any():
            values = self._integral.evaluate(self.score.flat_theta, flat[inside])
            out[:, inside] = values - self.log_normalizer.value.reshape(-1, 1)
        return out.reshape(self.shape + x.shape)

    def log_density_error(self, x: ArrayLike) -> FloatArray:
        """Return the absolute error of log p̂(x), of log Z and of θ: shape (…) + x.shape."""
        x = np.asarray(x, dtype=np.float64)
        return self._of_theta(x) + self.log_normalizer.error.reshape(self.shape + (1,) * x.ndim)

    @cached_property
    def _of_theta(self) -> LogDensityThetaError:
        return LogDensityThetaError(self.score, self.t, self.hull)

    def log_density_slope(self, x: ArrayLike) -> Estimate:
        """Return ∂ₓ log p̂(x), the score itself, in 1/[x]: shape (…) + x.shape."""
        x = np.asarray(x, dtype=np.float64)
        return Estimate(self.score(x, self.t), self._of_theta.of_slope(x))

    def density(self, x: ArrayLike) -> FloatArray:
        """Return p̂(x), shape (…) + x.shape."""
        return np.exp(self.log_density(x))

    def cdf(self, x: ArrayLike) -> FloatArray:
        """Return P̂(X ≤ x), shape (…) + x.shape; NaN where there is no normalisation."""
        x = np.asarray(x, dtype=np.float64)
        below = distribution(*self._resolved, x.ravel()).reshape(self.shape + x.shape)
        exists = self.normalizable.reshape(self.shape + (1,) * x.ndim)
        return np.where(exists, np.clip(below, 0.0, 1.0), np.nan)

    @cached_property
    def hull(self) -> Domain:
        """An interval that holds all of the mass wherever there is a normalisation."""
        low, high = self.domain
        corners = np.array([*self.domain, *self.breakpoints])
        corners = corners[np.isfinite(corners)] if np.isfinite(corners).any() else np.zeros(1)
        steps = (float(np.ptp(corners)) or 1.0) * _GROWTH ** np.arange(_PROBES)
        if not np.isfinite(low):
            low = self._outermost(float(corners.min()), -steps)
        if not np.isfinite(high):
            high = self._outermost(float(corners.max()), steps)
        return low, high

    def _outermost(self, start: float, steps: np.ndarray) -> float:
        """Return where the outer pieces of the densities have fallen to nothing."""
        x = start + np.insert(steps, 0, 0.0)
        log_q = self.log_density(x).reshape(-1, len(x))
        counts = (log_q[:, :-1] + np.log(np.abs(steps)) > _NEGLIGIBLE).any(0)
        return float(x[int(np.flatnonzero(counts).max(initial=-1)) + 1])

    @cached_property
    def _resolved(self) -> tuple[Panels, FloatArray]:
        """Panels from end to end of the hull, and p̂ at their nodes (R, P, n)."""
        accepted: list[Panels] = []
        low, high = self.hull
        inner = self.breakpoints[(self.breakpoints > low) & (self.breakpoints < high)]

        def examine(panels: Panels) -> tuple[Panels, Mask]:
            log_q = self._at(panels)
            unresolved = panels.tails(np.exp(log_q)) > _TOLERANCE / len(panels.left)
            return panels, ~(unresolved | may_hide_a_peak(panels, log_q)).any(0)

        bisect(
            Panels.between(np.unique([low, *inner, high])), examine, accepted.append, Panels.halves,
            most_halvings=_MOST_HALVINGS,
        )  # fmt: skip
        left = np.sort(np.concatenate([panels.left for panels in accepted]))
        panels = Panels.between(np.append(left, high))
        return panels, np.exp(self._at(panels))

    def _at(self, panels: Panels) -> FloatArray:
        return self.log_density(panels.x).reshape(-1, *panels.x.shape)

    def mean_log_density(self, law: Any) -> Estimate:
        """E_p[log p̂] = θ·E_p[ψ] − log Z, p restricted to the domain: shape (…).

        Exact in θ; p is a mixture (point masses allowed: then this is a mean log-likelihood) or
        any law with `log_density` and `domain()`.
        """
        mean, error = self._integral.moments(Reference(law, self.domain))
        theta = self.score.flat_theta
        value = (theta @ mean).reshape(self.shape) - self.log_normalizer.value
        slack = error + _DOT_ROUNDING * np.abs(mean)
        spread = np.concatenate(
            [np.abs(theta[i : i + _BATCH]) @ slack for i in range(0, len(theta), _BATCH)]
        )
        error = spread.reshape(self.shape) + self.log_normalizer.error
        error += _DOT_ROUNDING * (1.0 + np.abs(value))
        return Estimate(value, error + self._of_theta.of_mean(law, self.domain))
