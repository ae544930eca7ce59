"""Activations: value, derivative, integral, Hermite coefficients and the code kernels know it by.

Hermite coefficients c_p(a, s) = E[act(a + s Z) He_p(Z)]/√p!, Z ~ N(0, 1), are what expectations
over Gaussian x consist of: E[act(a + s Z) act(a' + s' Z')] = Σ_p ρᵖ c_p(a, s) c_p(a', s') for
normals of correlation ρ. A new activation is a class here, a line of `ACTIVATIONS`, a branch of
`_kernels.activations` and a name in `support.arguments`.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erf, expit, ndtr, owens_t, spence

from .._kernels import activations as kernels
from ..numerics.quadrature import (
    coefficient_rounding,
    coefficients_by_rule,
    gaussians,
    hermite_functions,
)
from ..support.estimate import Estimate
from ..support.registry import Registry
from ..support.validation import FloatArray, count
from .infinite_width.limit_kernels import ArcCosineKernel, ArcSineKernel, Kernel

# Rounding of a mean square, relative to its terms.
_ROUNDING = 2.0**-50


class Activation(Protocol):
    """A scalar function act, applied to arrays of any shape."""

    @property
    def name(self) -> str:
        """Its name in `ACTIVATIONS`."""

    @property
    def code(self) -> int:
        """The integer by which kernels know it."""

    @property
    def is_piecewise_linear(self) -> bool:
        """Whether act(z) = max(z, 0), homogeneous too: closed forms in x rest on it."""

    @property
    def gaussian_kernel(self) -> Kernel | None:
        """E[act(v·z) act(v·z')], v ~ N(0, I/D), where it has a closed form."""

    def __call__(self, z: FloatArray) -> FloatArray:
        """Return act(z)."""

    def derivative(self, z: FloatArray) -> FloatArray:
        """Return act′(z)."""

    def integral(self, z: FloatArray) -> FloatArray:
        """Return ∫₀^z act."""

    def hermite(self, a: ArrayLike, s: ArrayLike, order: int) -> Estimate:
        """Return c_p(a, s), p = 0 … order, with their errors: shape (order + 1, …).

        Args:
            a: means, of any shape.
            s: standard deviations, of a shape that broadcasts with a's; 0 gives c₀ = act(a) alone.
            order: the highest p.
        """

    def mean_square(self, a: ArrayLike, s: ArrayLike) -> Estimate:
        """Return E act(a + s Z)² with its error, of the shape of a and s."""


@dataclass(frozen=True)
class ReLU:
    """act(z) = max(z, 0).

    >>> ReLU().hermite(0.0, 1.0, 2).value.round(12)  # 1/√(2π), 1/2, 1/√(4π)
    array([0.39894228, 0.5       , 0.28209479])
    """

    name: ClassVar[str] = "relu"
    code: ClassVar[int] = kernels.RELU
    is_piecewise_linear: ClassVar[bool] = True
    gaussian_kernel: ClassVar[Kernel | None] = ArcCosineKernel()

    def __call__(self, z: FloatArray) -> FloatArray:
        """Return max(z, 0)."""
        return np.maximum(z, 0.0)

    def derivative(self, z: FloatArray) -> FloatArray:
        """Return 1 for z > 0, else 0."""
        return (z > 0).astype(np.float64)

    def integral(self, z: FloatArray) -> FloatArray:
        """Return max(z, 0)²/2."""
        return 0.5 * np.square(np.maximum(z, 0.0))

    def hermite(self, a: ArrayLike, s: ArrayLike, order: int) -> Estimate:
        """c₀ = aΦ(α) + sϕ(α), c₁ = sΦ(α), c_p = s He_{p−2}(−α) ϕ(α)/√p!, α = a/s: closed form."""
        a, s = gaussians(a, s)
        with np.errstate(divide="ignore", invalid="ignore"):
            alpha = np.where(s > 0, a / s, np.copysign(np.inf, a))
        # Beyond 40 ϕ is zero and Φ is zero or one.
        alpha = np.clip(alpha, -40.0, 40.0)
        below = hermite_functions(-alpha, max(count("order", order, 0) - 2, 0))
        above = ndtr(alpha)
        value = np.empty((order + 1, *a.shape))
        value[0] = a * above + s * below[0]
        if order > 0:
            value[1] = s * above
        for p in range(2, order + 1):
            value[p] = s * below[p - 2] / np.sqrt(p * (p - 1.0))
        return Estimate(value, coefficient_rounding(np.sqrt((a * a + s * s) * above), order))

    def mean_square(self, a: ArrayLike, s: ArrayLike) -> Estimate:
        """(a² + s²)Φ(α) + a s ϕ(α), as a c₀ + s c₁."""
        a, s = gaussians(a, s)
        zeroth, first = self.hermite(a, s, 1).value
        value = np.maximum(a * zeroth + s * first, 0.0)
        return Estimate(value, _ROUNDING * (np.abs(a) * zeroth + s * first))


@dataclass(frozen=True)
class Swish:
    """act(z) = z/(1 + e^{−z}) (the paper's code)."""

    name: ClassVar[str] = "swish"
    code: ClassVar[int] = kernels.SWISH
    is_piecewise_linear: ClassVar[bool] = False
    gaussian_kernel: ClassVar[Kernel | None] = None

    def __call__(self, z: FloatArray) -> FloatArray:
        """Return z/(1 + e^{−z})."""
        return z * expit(z)

    def derivative(self, z: FloatArray) -> FloatArray:
        """Return act′(z)."""
        gate = expit(z)
        return gate * (1.0 + z * (1.0 - gate))

    def integral(self, z: FloatArray) -> FloatArray:
        """Return z ln(1 + e^z) + Li₂(−e^z) + π²/12; for z > 0 ∫₀^z = z²/2 − ∫₀^{−z}."""
        negative = -np.abs(z)
        below = (
            negative * np.log1p(np.exp(negative)) + spence(1.0 + np.exp(negative)) + np.pi**2 / 12.0
        )
        return np.where(z > 0, 0.5 * z * z - below, below)

    def hermite(self, a: ArrayLike, s: ArrayLike, order: int) -> Estimate:
        """By a rule; the nearest poles of act are ±iπ."""
        return coefficients_by_rule(self, a, s, order, np.pi)

    def mean_square(self, a: ArrayLike, s: ArrayLike) -> Estimate:
        """By the rule of `hermite`."""
        return _mean_square_by_rule(self, a, s, np.pi)


@dataclass(frozen=True)
class Erf:
    """act(z) = erf(z).

    >>> Erf().hermite(0.0, np.sqrt(0.5), 1).value.round(12)  # 0, 1/√π
    array([0.        , 0.56418958])
    """

    name: ClassVar[str] = "erf"
    code: ClassVar[int] = kernels.ERF
    is_piecewise_linear: ClassVar[bool] = False
    gaussian_kernel: ClassVar[Kernel | None] = ArcSineKernel()

    def __call__(self, z: FloatArray) -> FloatArray:
        """Return erf(z)."""
        return erf(z)

    def derivative(self, z: FloatArray) -> FloatArray:
        """Return 2e^{−z²}/√π."""
        return 2.0 / np.sqrt(np.pi) * np.exp(-z * z)

    def integral(self, z: FloatArray) -> FloatArray:
        """Return z erf(z) + (e^{−z²} − 1)/√π."""
        return z * erf(z) + np.expm1(-z * z) / np.sqrt(np.pi)

    def hermite(self, a: ArrayLike, s: ArrayLike, order: int) -> Estimate:
        """c₀ = erf(α/√2), c_p = 2(s/q)ᵖ He_{p−1}(−α) ϕ(α)/√p!, q² = s² + ½, α = a/q: closed."""
        a, s = gaussians(a, s)
        width = np.sqrt(s * s + 0.5)
        alpha, ratio = a / width, s / width
        below = hermite_functions(-alpha, max(count("order", order, 0) - 1, 0))
        value = np.empty((order + 1, *a.shape))
        value[0] = erf(alpha / np.sqrt(2.0))
        for p in range(1, order + 1):
            value[p] = 2.0 * ratio**p * below[p - 1] / np.sqrt(p)
        return Estimate(value, coefficient_rounding(np.ones_like(a), order))

    def mean_square(self, a: ArrayLike, s: ArrayLike) -> Estimate:
        """1 − 8 T(α, 1/√(1 + 4s²)), α as in `hermite`, with Owen's T."""
        a, s = gaussians(a, s)
        share = 8.0 * owens_t(a / np.sqrt(s * s + 0.5), 1.0 / np.sqrt(1.0 + 4.0 * s * s))
        return Estimate(np.maximum(1.0 - share, 0.0), np.full_like(a, _ROUNDING))


@dataclass(frozen=True)
class Tanh:
    """act(z) = tanh(z)."""

    name: ClassVar[str] = "tanh"
    code: ClassVar[int] = kernels.TANH
    is_piecewise_linear: ClassVar[bool] = False
    gaussian_kernel: ClassVar[Kernel | None] = None

    def __call__(self, z: FloatArray) -> FloatArray:
        """Return tanh(z)."""
        return np.tanh(z)

    def derivative(self, z: FloatArray) -> FloatArray:
        """Return 1 − tanh²(z)."""
        return 1.0 - np.tanh(z) ** 2

    def integral(self, z: FloatArray) -> FloatArray:
        """Return ln cosh(z)."""
        return np.logaddexp(z, -z) - np.log(2.0)

    def hermite(self, a: ArrayLike, s: ArrayLike, order: int) -> Estimate:
        """By a rule; the nearest poles of act are ±iπ/2."""
        return coefficients_by_rule(self, a, s, order, 0.5 * np.pi)

    def mean_square(self, a: ArrayLike, s: ArrayLike) -> Estimate:
        """By the rule of `hermite`."""
        return _mean_square_by_rule(self, a, s, 0.5 * np.pi)


@dataclass(frozen=True)
class Identity:
    """act(z) = z: a linear score."""

    name: ClassVar[str] = "identity"
    code: ClassVar[int] = kernels.IDENTITY
    is_piecewise_linear: ClassVar[bool] = False
    gaussian_kernel: ClassVar[Kernel | None] = None

    def __call__(self, z: FloatArray) -> FloatArray:
        """Return z."""
        return np.array(z, dtype=np.float64)

    def derivative(self, z: FloatArray) -> FloatArray:
        """Return 1."""
        return np.ones_like(z, dtype=np.float64)

    def integral(self, z: FloatArray) -> FloatArray:
        """Return z²/2."""
        return 0.5 * np.square(z)

    def hermite(self, a: ArrayLike, s: ArrayLike, order: int) -> Estimate:
        """c₀ = a, c₁ = s and no more."""
        a, s = gaussians(a, s)
        value = np.zeros((count("order", order, 0) + 1, *a.shape))
        value[0] = a
        value[1:2] = s
        return Estimate(value)

    def mean_square(self, a: ArrayLike, s: ArrayLike) -> Estimate:
        """a² + s²."""
        a, s = gaussians(a, s)
        return Estimate(a * a + s * s, _ROUNDING * (a * a + s * s))


ACTIVATIONS: Registry[Activation] = Registry(
    "activation", {act.name: act for act in (ReLU(), Swish(), Erf(), Tanh(), Identity())}
)


def _mean_square_by_rule(act: Activation, a: ArrayLike, s: ArrayLike, pole: float) -> Estimate:
    """Return E act(a + s Z)² by the rule for coefficients: act² has the poles of act."""
    return coefficients_by_rule(lambda z: np.square(act(z)), a, s, 0, pole)[0]
