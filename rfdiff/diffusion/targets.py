"""Compactly supported targets: Theorem 1's setting, as laws with a density and as mixtures.

Each law has its own density at t = 0 and is represented, for every t > 0, by the point masses of
a Gauss–Legendre rule: integrals against a Gaussian of width σ_t converge spectrally once the node
spacing is below σ_t, and `atoms_error` says how well.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln

from ..numerics.quadrature import gauss_legendre
from ..support.arguments import check_given
from ..support.errors import ArgumentError
from ..support.registry import Registry
from ..support.validation import FloatArray, count, positive, real
from .mixtures import GaussianMixture, bimodal

# Grid of the inverse distribution function used for sampling: its error is below 1e-9 of the
# half width for all the shapes here.
_SAMPLING_NODES = 20_001
# A C¹ density vanishing at both ends is integrated to about nodes⁻⁴, below 1e-13.
_CONSTANT_NODES = 2048


@dataclass(frozen=True)
class CompactTarget:
    """A continuously differentiable law on [centre − half_width, centre + half_width].

    `shape(u)` is the log density on u ∈ (−1, 1) of a subclass, up to `log_constant`.

    Args:
        centre: middle of the support.
        half_width: half the length of the support, positive.
        n_atoms: number of Gauss–Legendre atoms that stand for the law at t > 0.
    """

    centre: float = 0.0
    half_width: float = 1.0
    n_atoms: int = 512

    def __post_init__(self) -> None:
        check_given(centre=self.centre, half_width=self.half_width)
        count("n_atoms", self.n_atoms, 2)

    dimension = 1

    def shape(self, u: FloatArray) -> FloatArray:
        """Return the log density on the unit interval (−1, 1), up to a constant."""
        raise ArgumentError("CompactTarget is abstract: use raised_cosine, beta or smooth_bump")

    @cached_property
    def log_constant(self) -> float:
        """Log of ∫_{−1}^{1} exp(shape)."""
        u, w = gauss_legendre(_CONSTANT_NODES, -1.0, 1.0)
        return float(np.log(w @ np.exp(self.shape(u))))

    @property
    def support(self) -> tuple[float, float]:
        """The interval outside which the density vanishes."""
        return self.centre - self.half_width, self.centre + self.half_width

    def domain(self, widths: float = 0.0) -> tuple[float, float]:
        """Return the support: beyond it there is nothing to compare."""
        return self.support

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Return log p₀(x), −∞ outside the support."""
        u = (np.asarray(x, dtype=np.float64) - self.centre) / self.half_width
        inside = np.abs(u) < 1
        safe = np.where(inside, u, 0.0)
        value = self.shape(safe) - self.log_constant - np.log(self.half_width)
        return np.where(inside, value, -np.inf)

    def density(self, x: ArrayLike) -> FloatArray:
        """Return p₀(x)."""
        return np.exp(self.log_density(x))

    @cached_property
    def atoms(self) -> GaussianMixture:
        """The law as point masses: exact in the limit of σ_t above the node spacing."""
        u, w = gauss_legendre(self.n_atoms, -1.0, 1.0)
        weights = w * np.exp(self.shape(u) - self.log_constant)
        return GaussianMixture(weights / weights.sum(), self.centre + self.half_width * u, 0.0)

    def diffuse(self, scale: float, std: float) -> GaussianMixture:
        """Return the marginal p_t as a mixture."""
        return self.atoms.diffuse(scale, std)

    def standardised(self, shift: float, scale: float, axes: FloatArray | None = None) -> Self:
        """Return the law of (x − shift)/scale for scale > 0; the line has one axis, itself.

        >>> raised_cosine(70.0, 30.0).standardised(70.0, 10.0).support
        (-3.0, 3.0)
        """
        shift, scale = real("shift", shift), positive("scale", scale)
        return replace(
            self, centre=(self.centre - shift) / scale, half_width=self.half_width / scale
        )

    def atoms_error(self, std: float) -> float:
        """Largest change of the diffused density, relative to its peak, at half the atoms."""
        halved = replace(self, n_atoms=self.n_atoms // 2)
        a, b = self.support
        x = np.linspace(a, b, 257)
        fine = self.diffuse(1.0, std).density(x)
        return float(np.abs(fine - halved.diffuse(1.0, std).density(x)).max() / fine.max())

    def sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw n points, shape (n, 1), by inverting the distribution function; nested."""
        u = np.linspace(-1.0, 1.0, _SAMPLING_NODES)
        density = np.zeros_like(u)
        density[1:-1] = np.exp(self.shape(u[1:-1]) - self.log_constant)
        cdf = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(u))])
        draws = rng.random(count("n", n))
        return (self.centre + self.half_width * np.interp(draws, cdf / cdf[-1], u))[:, None]


@dataclass(frozen=True)
class RaisedCosine(CompactTarget):
    """Density (1 + cos πu)/2 on u ∈ [−1, 1]: continuously differentiable on the line."""

    def shape(self, u: FloatArray) -> FloatArray:
        """Return log((1 + cos πu)/2)."""
        # 1 + cos πu = 2 sin²(π(1 − |u|)/2): exact near the ends of the support.
        return 2.0 * np.log(np.sin(0.5 * np.pi * (1.0 - np.abs(u))))


@dataclass(frozen=True)
class BetaTarget(CompactTarget):
    """Beta(a, b) stretched over the support; a, b ≥ 2."""

    a: float = 3.0
    b: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in (("a", self.a), ("b", self.b)):
            if real(name, value) < 2:
                raise ArgumentError(f"{name} must be at least 2 (a C¹ density), got {value:g}")

    def shape(self, u: FloatArray) -> FloatArray:
        """Return (a − 1) log((1 + u)/2) + (b − 1) log((1 − u)/2) − log(2B(a, b))."""
        return (
            (self.a - 1.0) * np.log(0.5 * (1.0 + u))
            + (self.b - 1.0) * np.log(0.5 * (1.0 - u))
            - betaln(self.a, self.b)
            - np.log(2.0)
        )


@dataclass(frozen=True)
class SmoothBump(CompactTarget):
    """Density ∝ exp(−1/(1 − u²)): infinitely differentiable."""

    def shape(self, u: FloatArray) -> FloatArray:
        """Return −1/(1 − u²)."""
        return -1.0 / ((1.0 - u) * (1.0 + u))


def raised_cosine(centre: float = 0.0, half_width: float = 3.0) -> RaisedCosine:
    """Raised-cosine law on [centre − half_width, centre + half_width].

    >>> float(raised_cosine(0.0, 3.0).density(0.0).round(12)) == round(1 / 3, 12)
    True
    """
    return RaisedCosine(centre, half_width)


def beta(a: float = 3.0, b: float = 3.0, interval: tuple[float, float] = (-3.0, 3.0)) -> BetaTarget:
    """Beta(a, b) on an interval, a, b ≥ 2."""
    low, high = interval
    return BetaTarget(0.5 * (low + high), 0.5 * (high - low), a=a, b=b)


def smooth_bump(centre: float = 0.0, half_width: float = 3.0) -> SmoothBump:
    """Smooth bump ∝ exp(−1/(1 − u²)) on [centre − half_width, centre + half_width]."""
    return SmoothBump(centre, half_width)


Target = GaussianMixture | CompactTarget


def _named_beta(
    shape: tuple[float, float] = (3.0, 3.0),
    support: tuple[float, float] | None = None,
    half_width: float | None = None,
) -> BetaTarget:
    """Return Beta(*shape) on the support, or on (−half_width, half_width)."""
    if support is not None and half_width is not None:
        raise ArgumentError(
            f"support and half_width both say where beta lives: give one, got {support} "
            f"and {half_width:g}"
        )
    if half_width is not None:
        support = (-half_width, half_width)
    return beta(*shape) if support is None else beta(*shape, support)


# The targets that have names, made of the arguments that `support.arguments` says belong to them.
TARGETS: Registry[Callable[..., Target]] = Registry(
    "target",
    {
        "bimodal": bimodal,
        "raised-cosine": raised_cosine,
        "beta": _named_beta,
        "smooth-bump": smooth_bump,
    },
)
