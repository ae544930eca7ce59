"""The x-integral of a score at one time: A(x) = ∫_{x₀}^x s_θ(y, t) dy = θ·ψ(x) in 1-D [11].

ψ_j(x) = ∫_{x₀}^x h_j is closed for every activation. For ReLU, A is piecewise quadratic with the
kinks κ_j = −b_j/w_j as knots, and its integrals are exact (`relu_integral`); for the others
integrals over x are Gauss–Legendre with an error.
"""

import warnings
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from scipy.special import logsumexp

from ...diffusion.law_on_domain import Domain, Reference
from ...diffusion.mixtures import GaussianMixture
from ...numerics.quadrature import composite_gauss_legendre, gauss_legendre
from ...support.errors import AccuracyWarning, ArgumentError
from ...support.validation import FloatArray
from ..features import RandomFeatures
from .relu_integral import ReLUIntegral

# Gauss–Legendre nodes of a panel and the most panels tried of log Z.
_ORDER = 16
_MOST_PANELS = 1 << 12
_TOLERANCE = 1e-12
# Entries of ψ held at once: 64 MB.
_CHUNK = 1 << 23


class XIntegral(Protocol):
    """A(x) = ∫_{x₀}^x s_θ(y, t) dy on a domain, for any number of θ at once."""

    @property
    def breakpoints(self) -> FloatArray:
        """Sorted points inside the domain where A is not smooth."""

    def evaluate(self, thetas: FloatArray, x: FloatArray, derivative: int = 0) -> FloatArray:
        """Return A (derivative 0), s (1) or ∂ₓs (2) at x (N,) for thetas (n, m): shape (n, N)."""

    def log_partition(self, thetas: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return log ∫ exp A over the domain and its error, each (n,); +∞ if it diverges."""

    def moments(self, reference: Reference) -> tuple[FloatArray, FloatArray]:
        """Return E_p[ψ_j] under a reference law p and its error, each (m,)."""


@dataclass(frozen=True, eq=False)
class SmoothIntegral:
    """A(x) of features with a smooth activation at one time t: closed-form ψ, quadrature in x.

    Args:
        features: swish, erf or tanh features in one dimension.
        t: the time.
        anchor: x₀, inside the domain.
        domain: (a, b), finite.
    """

    features: RandomFeatures
    t: float
    anchor: float
    domain: Domain

    breakpoints: ClassVar[FloatArray] = np.empty(0)

    def __post_init__(self) -> None:
        if self.features.dimension != 1 or self.features.is_piecewise_linear:
            raise ArgumentError("an integral by quadrature needs smooth features in one dimension")
        if not np.isfinite(self.domain).all():
            raise ArgumentError(
                f"domain must be finite for {self.features.activation} features, got {self.domain}"
            )

    def psi(self, x: FloatArray) -> FloatArray:
        """Return ψ_j(x) = ∫_{x₀}^x h_j, shape (N, m)."""
        w = self.features.W[:, 0]
        b = self.features.biases(self.t)
        act = self.features.act
        gap = x[:, None] - self.anchor
        start = w * self.anchor + b
        step = gap * w
        near = np.abs(step) <= 1.0
        divisor = np.where(near, 1.0, w)
        out = np.where(near, 0.0, act.integral(start + step) - act.integral(start))
        out /= divisor
        # Short steps would cancel in the primitive: twelve Gauss nodes are exact to rounding.
        nodes, weights = gauss_legendre(12, 0.0, 1.0)
        short = np.where(near, step, 0.0)
        average = np.zeros_like(out)
        for node, weight in zip(nodes, weights, strict=True):
            average += weight * act(start + node * short)
        return np.where(near, gap * average, out) * self.features.output_scale(self.t)

    def evaluate(self, thetas: FloatArray, x: FloatArray, derivative: int = 0) -> FloatArray:
        """Return A (derivative 0), s (1) or ∂ₓs (2) at x (N,) for thetas (n, m): shape (n, N)."""
        out = np.empty((len(thetas), len(x)))
        step = max(1, _CHUNK // self.features.width)
        for i in range(0, len(x), step):
            chunk = x[i : i + step]
            if derivative == 0:
                basis = self.psi(chunk)
            elif derivative == 1:
                basis = self.features(chunk, self.t)
            else:
                basis = self.features.derivative(chunk, self.t) * self.features.W[:, 0]
            out[:, i : i + step] = thetas @ basis.T
        return out

    def log_partition(self, thetas: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return log ∫ exp A over the domain and its error, each (n,).

        Panels are doubled until two resolutions agree for every θ; the error compares the two.
        """
        panels = 32
        value = self._log_partition(thetas, panels)
        while True:
            panels *= 2
            coarse, value = value, self._log_partition(thetas, panels)
            error = np.abs(value - coarse) + 1e-15 * (1.0 + np.abs(value))
            if error.max() <= _TOLERANCE or panels >= _MOST_PANELS:
                break
        if error.max() > 1e-6:
            warnings.warn(
                f"log Z of the score integral is known to {error.max():.1e} only, "
                f"with {panels} panels; narrow the domain",
                AccuracyWarning,
                stacklevel=2,
            )
        return value, error

    def _log_partition(self, thetas: FloatArray, panels: int) -> FloatArray:
        x, weights = composite_gauss_legendre(_ORDER, np.linspace(*self.domain, panels + 1))
        value = np.empty(len(thetas))
        step = max(1, _CHUNK // len(x))
        for i in range(0, len(thetas), step):
            value[i : i + step] = logsumexp(
                self.evaluate(thetas[i : i + step], x), b=weights, axis=1
            )
        return value

    def moments(self, reference: Reference) -> tuple[FloatArray, FloatArray]:
        """Return E_p[ψ_j] and its error, each (m,), by quadrature on the law's own panels."""
        if isinstance(reference.law, GaussianMixture) and (reference.law.stds == 0).all():
            return self._point_moments(reference.law)
        fine, coarse = (
            self._moments(reference, order, reference.edges) for order in (_ORDER, _ORDER // 2)
        )
        return fine, np.abs(fine - coarse) + 1e-15 * np.abs(fine)

    def _moments(self, reference: Reference, order: int, edges: FloatArray) -> FloatArray:
        x, weights = composite_gauss_legendre(order, edges)
        return np.exp(reference.log_density(x)) * weights @ self.psi(x)

    def _point_moments(self, law: GaussianMixture) -> tuple[FloatArray, FloatArray]:
        x = law.means[:, 0]
        mean = np.zeros(self.features.width)
        step = max(1, _CHUNK // self.features.width)
        for i in range(0, len(x), step):
            mean += law.weights[i : i + step] @ self.psi(x[i : i + step])
        return mean, 1e-15 * np.abs(mean)


def x_integral(features: RandomFeatures, t: float, anchor: float, domain: Domain) -> XIntegral:
    """Return A for features in one dimension.

    Args:
        features: the frozen first layer.
        t: the time.
        anchor: x₀, inside the domain.
        domain: (a, b); (−∞, ∞) for ReLU only.
    """
    if features.is_piecewise_linear:
        return ReLUIntegral(features, t, anchor, domain)
    return SmoothIntegral(features, t, anchor, domain)
