"""Activations: value, derivative, integral, Hermite coefficients and the code kernels know it by.

Hermite coefficients c_p(a, s) = E[act(a + s Z) He_p(Z)]/√p!, Z ~ N(0, 1), are what expectations
over Gaussian x consist of: E[act(a + s Z) act(a' + s' Z')] = Σ_p ρᵖ c_p(a, s) c_p(a', s') for
normals of correlation ρ. A new activation is a class here, a line of `ACTIVATIONS`, a branch of
`_kernels.activations` and a name in `support.arguments`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erf, expit, ndtr, spence

from .._kernels import activations as kernels
from ..support.estimate import Estimate
from ..support.registry import Registry
from ..support.validation import FloatArray, count
from .infinite_width.limit_kernels import ArcCosineKernel, ArcSineKernel, Kernel

# Rounding of a Hermite coefficient of order p, relative to √E act²: this many units times p + 8.
_ROUNDOFF = 2.0**-53
# |He_p(z)| ϕ(z)/√p! ≤ e^{−z²/4}, below 1e-17 from here on whatever p.
_REACH = 12.5
# Beyond this |ω| − √p the Fourier transform of He_p ϕ/√p! is below 1e-17.
_NORMAL_BAND = 9.0
# Values of the activation held at once by the rule for Hermite coefficients: 32 MB.
_CHUNK = 1 << 22


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
        a, s = _gaussians(a, s)
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
        return Estimate(value, _rounding(np.sqrt((a * a + s * s) * above), order))


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
        return _hermite_by_rule(self, a, s, order, np.pi)


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
        a, s = _gaussians(a, s)
        width = np.sqrt(s * s + 0.5)
        alpha, ratio = a / width, s / width
        below = hermite_functions(-alpha, max(count("order", order, 0) - 1, 0))
        value = np.empty((order + 1, *a.shape))
        value[0] = erf(alpha / np.sqrt(2.0))
        for p in range(1, order + 1):
            value[p] = 2.0 * ratio**p * below[p - 1] / np.sqrt(p)
        return Estimate(value, _rounding(np.ones_like(a), order))


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
        return _hermite_by_rule(self, a, s, order, 0.5 * np.pi)


ACTIVATIONS: Registry[Activation] = Registry(
    "activation", {act.name: act for act in (ReLU(), Swish(), Erf(), Tanh())}
)


def hermite_functions(z: FloatArray, order: int) -> FloatArray:
    """Return He_p(z) ϕ(z)/√p! for p = 0 … order, shape (order + 1,) + z.shape.

    √(p + 1) H_{p+1} = z H_p − √p H_{p−1}, started from ϕ so that nothing overflows.
    """
    out = np.empty((order + 1, *z.shape))
    out[0] = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    if order > 0:
        out[1] = z * out[0]
    for p in range(1, order):
        out[p + 1] = (z * out[p] - np.sqrt(p) * out[p - 1]) / np.sqrt(p + 1.0)
    return out


def _gaussians(a: ArrayLike, s: ArrayLike) -> tuple[FloatArray, FloatArray]:
    a, s = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(s, dtype=np.float64))
    return a, s


def _rounding(size: FloatArray, order: int) -> FloatArray:
    """Return the rounding error of coefficients up to `order` of functions of rms `size`."""
    return _ROUNDOFF * np.multiply.outer(np.arange(order + 1.0) + 8.0, size)


def _hermite_by_rule(
    act: Callable[[FloatArray], FloatArray], a: ArrayLike, s: ArrayLike, order: int, pole: float
) -> Estimate:
    """Return Hermite coefficients by the trapezoidal rule in Z, which converges exponentially.

    An activation analytic in |Im z| < pole has a Fourier transform that falls like
    e^{−pole |ω|/s} in Z. The step is half of what leaves no aliasing above rounding, 2π over the
    bands' sum, so its nodes grow as s (Gauss–Hermite's would as s²), and the error compares it
    with every other node.
    """
    a, s = _gaussians(a, s)
    band = np.sqrt(count("order", order, 0)) + _NORMAL_BAND + 37.0 / pole * s.max(initial=0.0)
    half = int(np.ceil(_REACH * band / np.pi))
    spacing = _REACH / half
    z = spacing * np.arange(-half, half + 1.0)
    weighted = spacing * hermite_functions(z, order).T
    doubled = 2.0 * weighted[half % 2 :: 2]
    value, gap = np.empty((order + 1, a.size)), np.empty((order + 1, a.size))
    size = np.empty(a.size)
    flat, widths = a.ravel(), s.ravel()
    step = max(1, _CHUNK // len(z))
    for i in range(0, a.size, step):
        part = slice(i, i + step)
        at_nodes = act(flat[part, None] + widths[part, None] * z)
        value[:, part] = (at_nodes @ weighted).T
        gap[:, part] = value[:, part] - (at_nodes[:, half % 2 :: 2] @ doubled).T
        size[part] = np.sqrt(at_nodes**2 @ weighted[:, 0])
    error = np.abs(gap) + _rounding(size, order)
    shape = (order + 1, *a.shape)
    return Estimate(value.reshape(shape), error.reshape(shape))
