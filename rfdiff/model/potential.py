"""x-integrals of the features: the potential A(x) = ∫_{x₀}^x s_θ(y, t) dy = θ·ψ(x) in 1-D [11].

For ReLU, A is piecewise quadratic with the kinks κ_j = −b_j/w_j as knots; for the other
activations ψ_j has a closed form too, and integrals over x are Gauss–Legendre with an error.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr, logsumexp

from .._kernels import piecewise
from ..diffusion.law_on_domain import Domain, Reference
from ..diffusion.mixtures import GaussianMixture
from ..numerics.quadrature import composite_gauss_legendre, gauss_legendre
from ..support.errors import AccuracyWarning, ArgumentError
from ..support.validation import FloatArray
from .features import RandomFeatures


@dataclass(frozen=True, eq=False)
class RectifiedPotential:
    """A(x) of ReLU features at one time t: exact, piecewise quadratic, anchored at x₀.

    ψ_j(x) = h_j(x₀)(x − x₀) + h_j′(x₀)(x − x₀)²/2 ± (|w_j|/(c√m)) (x − κ_j)²/2 beyond κ_j,
    with + to the right of the anchor and − to its left.

    Args:
        features: ReLU features in one dimension.
        t: the time.
        anchor: x₀, inside the domain.
        domain: (a, b), or (−∞, ∞).
    """

    features: RandomFeatures
    t: float
    anchor: float
    domain: Domain

    def __post_init__(self) -> None:
        if not self.features.is_piecewise_linear:
            raise ArgumentError("a piecewise potential needs ReLU features in one dimension")

    @cached_property
    def _kinks(self) -> FloatArray:
        return self.features.kinks(self.t)

    @cached_property
    def _inside(self) -> NDArray[np.intp]:
        """Indices of the features with a kink strictly inside the domain, by position."""
        a, b = self.domain
        inside = np.flatnonzero((self._kinks > a) & (self._kinks < b) & np.isfinite(self._kinks))
        return inside[np.argsort(self._kinks[inside], kind="stable")]

    @property
    def breakpoints(self) -> FloatArray:
        """Sorted kinks inside the domain, where log p̂ changes its second derivative."""
        return self._kinks[self._inside]

    @cached_property
    def _basis(self) -> tuple[FloatArray, FloatArray, FloatArray, int, FloatArray, FloatArray]:
        """The arguments of the kernels, as defined in `_kernels/piecewise.py`."""
        w = self.features.W[:, 0]
        scale = float(self.features.output_scale(self.t))
        active = np.where(w < 0, self._kinks > self.anchor, self._kinks <= self.anchor)
        pre_activation = w * self.anchor + self.features.biases(self.t)
        value0 = scale * np.where(active, np.maximum(pre_activation, 0.0), 0.0)
        slope0 = scale * np.where(active, w, 0.0)
        left = int(np.searchsorted(self.breakpoints, self.anchor, side="right"))
        knots = np.insert(self.breakpoints, left, self.anchor)
        index = np.insert(self._inside, left, -1)
        position = left
        a, b = self.domain
        if np.isfinite(a) and a < knots[0]:
            knots, index, position = np.insert(knots, 0, a), np.insert(index, 0, -1), left + 1
        if np.isfinite(b) and b > knots[-1]:
            knots, index = np.append(knots, b), np.append(index, -1)
        return knots, index.astype(np.int64), scale * np.abs(w), position, value0, slope0

    def evaluate(self, thetas: FloatArray, x: FloatArray, derivative: int = 0) -> FloatArray:
        """Return A (derivative 0), s (1) or ∂ₓs (2) at x (N,) for thetas (n, m): shape (n, N)."""
        order = np.argsort(x, kind="stable")
        ordered = np.empty((len(thetas), len(x)))
        piecewise.evaluate(thetas, *self._basis, x[order], derivative, ordered)
        out = np.empty_like(ordered)
        out[:, order] = ordered
        return out

    def log_partition(self, thetas: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return log ∫ exp A over the domain and its error, each (n,); +∞ if it diverges."""
        n = len(thetas)
        value, error, ends = np.empty(n), np.empty(n), np.empty((n, 2, 3))
        piecewise.log_partitions(thetas, *self._basis, value, error, ends)
        a, b = self.domain
        if not np.isfinite(a):
            value = np.logaddexp(value, _log_tail(ends[:, 0, 0], -ends[:, 0, 1], ends[:, 0, 2]))
        if not np.isfinite(b):
            value = np.logaddexp(value, _log_tail(ends[:, 1, 0], ends[:, 1, 1], ends[:, 1, 2]))
        return value, np.where(np.isfinite(value), error, 0.0)

    def moments(self, reference: Reference) -> tuple[FloatArray, FloatArray]:
        """Return E_p[ψ_j] and its error, each (m,), in closed form from tail moments of p."""
        _, _, jump, _, value0, slope0 = self._basis
        x0 = np.array([self.anchor])
        above, below = reference.upper_tails(x0), reference.lower_tails(x0)
        first = above.value[1, 0] - below.value[1, 0]
        second = 0.5 * (above.value[2, 0] + below.value[2, 0])
        mean = value0 * first + slope0 * second
        error = np.abs(value0) * (above.error[1, 0] + below.error[1, 0])
        error += 0.5 * np.abs(slope0) * (above.error[2, 0] + below.error[2, 0])
        right = self._inside[self._kinks[self._inside] > self.anchor]
        left = self._inside[self._kinks[self._inside] <= self.anchor]
        for sign, index, tails in (
            (0.5, right, reference.upper_tails),
            (-0.5, left, reference.lower_tails),
        ):
            if len(index):
                beyond = tails(self._kinks[index])
                mean[index] += sign * jump[index] * beyond.value[2]
                error[index] += 0.5 * jump[index] * beyond.error[2]
        return mean, error + 2.0**-51 * np.abs(mean)


def _log_tail(value: FloatArray, slope: FloatArray, curvature: FloatArray) -> FloatArray:
    """Return log ∫₀^∞ exp(value + slope·u + curvature·u²/2) du, +∞ where it diverges."""
    result = np.full(value.shape, np.inf)
    flat = (curvature == 0) & (slope < 0)
    result[flat] = value[flat] - np.log(-slope[flat])
    curved = curvature < 0
    v, s, root = value[curved], slope[curved], np.sqrt(-curvature[curved])
    z = s / root
    # Past its peak (z < 0) the tail is v + log erfcx, before it the peak itself is outside.
    with np.errstate(over="ignore"):
        past = np.log(erfcx(-np.minimum(z, 0.0) / np.sqrt(2.0)) / 2.0)
        before = 0.5 * np.square(np.maximum(z, 0.0)) + log_ndtr(np.maximum(z, 0.0))
    result[curved] = v + 0.5 * np.log(2.0 * np.pi) - np.log(root) + np.where(z < 0, past, before)
    return result


# Gauss–Legendre nodes of a panel and the most panels tried for a smooth potential.
_ORDER = 16
_MOST_PANELS = 1 << 12
_TOLERANCE = 1e-12
# Entries of ψ held at once: 64 MB.
_CHUNK = 1 << 23


@dataclass(frozen=True, eq=False)
class SmoothPotential:
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
            raise ArgumentError("a smooth potential needs smooth features in one dimension")
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


Potential = RectifiedPotential | SmoothPotential


def potential(features: RandomFeatures, t: float, anchor: float, domain: Domain) -> Potential:
    """Return the potential that fits the activation."""
    kind = RectifiedPotential if features.is_piecewise_linear else SmoothPotential
    return kind(features, t, anchor, domain)
