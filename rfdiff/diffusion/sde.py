"""Linear forward processes dx = f(t) x dt + g(t) dW on [0, T] (equations [1, 2, 8]).

With r(t) = exp ∫₀ᵗ f and v²(t) = ∫₀ᵗ g²/r²:  x(t) | x(0) ~ N(r x(0), σ_t² I), σ_t = r v.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ..numerics.quadrature import CumulativeIntegral
from ..support.arguments import check_given
from ..support.errors import ArgumentError
from ..support.registry import Registry
from ..support.validation import FloatArray, between, positive


class ForwardSDE(ABC):
    """A linear SDE: what every process offers. All functions of t take scalars or arrays."""

    T: float

    @abstractmethod
    def drift(self, t: ArrayLike) -> FloatArray:
        """Return f(t)."""

    @abstractmethod
    def diffusion_squared(self, t: ArrayLike) -> FloatArray:
        """Return g²(t)."""

    @abstractmethod
    def scale(self, t: ArrayLike) -> FloatArray:
        """Return r(t), the factor of x(0) in the mean of x(t)."""

    @abstractmethod
    def std(self, t: ArrayLike) -> FloatArray:
        """Return σ_t, the standard deviation of x(t) given x(0)."""

    @property
    @abstractmethod
    def prior_std(self) -> float:
        """Standard deviation of the prior π = N(0, prior_std² I), from which reversal starts."""

    def time_of_std(self, std: float, t_min: float = 0.0) -> float:
        """Return the t in [t_min, T] at which σ_t equals `std`, or the nearer end."""
        std = positive("std", std)
        if std <= self.std(t_min):
            return float(t_min)
        if std >= self.std(self.T):
            return float(self.T)
        low, high = float(t_min), float(self.T)
        while high - low > 1e-15 * high:
            middle = 0.5 * (low + high)
            if middle in (low, high):
                break
            low, high = (middle, high) if self.std(middle) < std else (low, middle)
        return high


def evaluation_time(sde: ForwardSDE, t: float, t_min: float) -> float:
    """Return t if the score is known there: t_min ≤ t ≤ T."""
    return between("t", t, t_min, sde.T)


@dataclass(frozen=True)
class VESDE(ForwardSDE):
    """Variance exploding: f = 0, g = σᵗ, r = 1, σ_t² = (σ^{2t} − 1)/(2 ln σ). The paper's code.

    >>> float(VESDE(25.0).std(0.065).round(3))
    0.284
    """

    sigma: float = 25.0
    T: float = 1.0

    def __post_init__(self) -> None:
        check_given(sigma=self.sigma, T=self.T)

    def drift(self, t: ArrayLike) -> FloatArray:
        """Return f(t) = 0."""
        return np.zeros(np.shape(t))

    def diffusion_squared(self, t: ArrayLike) -> FloatArray:
        """Return g² = σ^{2t}."""
        return np.exp(2.0 * np.log(self.sigma) * np.asarray(t, dtype=np.float64))

    def scale(self, t: ArrayLike) -> FloatArray:
        """Return r(t) = 1."""
        return np.ones(np.shape(t))

    def std(self, t: ArrayLike) -> FloatArray:
        """Return σ_t."""
        log_sigma = np.log(self.sigma)
        t = np.asarray(t, dtype=np.float64)
        return np.sqrt(np.expm1(2.0 * log_sigma * t) / (2.0 * log_sigma))

    @property
    def prior_std(self) -> float:
        """σ_T."""
        return float(self.std(self.T))


class _BetaSchedule(ForwardSDE):
    """β(t) linear from beta_min to beta_max: f = −β/2 and r = exp(−½∫β) of VP and sub-VP."""

    beta_min: float
    beta_max: float
    T: float

    def __post_init__(self) -> None:
        check_given(beta_min=self.beta_min, beta_max=self.beta_max, T=self.T)

    def beta(self, t: ArrayLike) -> FloatArray:
        """Return β(t)."""
        t = np.asarray(t, dtype=np.float64)
        return self.beta_min + (self.beta_max - self.beta_min) * t / self.T

    def integrated_beta(self, t: ArrayLike) -> FloatArray:
        """Return ∫₀ᵗ β."""
        t = np.asarray(t, dtype=np.float64)
        return self.beta_min * t + 0.5 * (self.beta_max - self.beta_min) * t * t / self.T

    def drift(self, t: ArrayLike) -> FloatArray:
        """Return f(t) = −β(t)/2."""
        return -0.5 * self.beta(t)

    def scale(self, t: ArrayLike) -> FloatArray:
        """Return r(t) = exp(−½ ∫₀ᵗ β)."""
        return np.exp(-0.5 * self.integrated_beta(t))

    @property
    def prior_std(self) -> float:
        """One: π = N(0, I)."""
        return 1.0


@dataclass(frozen=True)
class VPSDE(_BetaSchedule):
    """Variance preserving: f = −β/2, g² = β, σ_t² = 1 − r². Equal β's: Ornstein–Uhlenbeck.

    >>> import math
    >>> sde = VPSDE(beta_min=2.0, beta_max=2.0)  # constant β
    >>> abs(float(sde.scale(1.0)) - math.exp(-1.0)) < 1e-15
    True
    """

    beta_min: float = 0.1
    beta_max: float = 20.0
    T: float = 1.0

    def diffusion_squared(self, t: ArrayLike) -> FloatArray:
        """Return g² = β(t)."""
        return self.beta(t)

    def std(self, t: ArrayLike) -> FloatArray:
        """Return σ_t = √(1 − r²)."""
        return np.sqrt(-np.expm1(-self.integrated_beta(t)))


@dataclass(frozen=True)
class SubVPSDE(_BetaSchedule):
    """Sub-VP: f = −β/2, g² = β(1 − r⁴), σ_t = 1 − r² (Song et al. 2021)."""

    beta_min: float = 0.1
    beta_max: float = 20.0
    T: float = 1.0

    def diffusion_squared(self, t: ArrayLike) -> FloatArray:
        """Return g² = β (1 − e^{−2∫β})."""
        return -self.beta(t) * np.expm1(-2.0 * self.integrated_beta(t))

    def std(self, t: ArrayLike) -> FloatArray:
        """Return σ_t = 1 − r²."""
        return -np.expm1(-self.integrated_beta(t))


@dataclass(frozen=True)
class LinearSDE(ForwardSDE):
    """Any linear SDE from callables f(t) and g(t), smooth on [0, T]; r and σ_t by quadrature.

    Args:
        f: drift coefficient, vectorised over t.
        g: diffusion coefficient, vectorised over t.
        T: end of the forward process.
        prior: standard deviation of π; σ_T if None.

    >>> import numpy as np
    >>> ve = LinearSDE(lambda t: 0.0 * t, lambda t: 25.0**t)
    >>> abs(float(ve.std(0.3) / VESDE().std(0.3)) - 1) < 1e-12
    True
    """

    f: Callable[[FloatArray], FloatArray]
    g: Callable[[FloatArray], FloatArray]
    T: float = 1.0
    prior: float | None = None

    def __post_init__(self) -> None:
        check_given(T=self.T)
        if self.prior is not None:
            positive("prior", self.prior)
        probe = np.linspace(0.0, self.T, 65)
        for name, coefficient in (("f", self.f), ("g", self.g)):
            values = self._evaluate(coefficient, probe)
            if not np.isfinite(values).all():
                t = probe[~np.isfinite(values)][0]
                raise ArgumentError(f"{name} must be finite on [0, T], it is not at t = {t:g}")

    @staticmethod
    def _evaluate(coefficient: Callable[[FloatArray], FloatArray], t: ArrayLike) -> FloatArray:
        t = np.asarray(t, dtype=np.float64)
        return np.broadcast_to(np.asarray(coefficient(t), dtype=np.float64), t.shape)

    @cached_property
    def _log_scale(self) -> CumulativeIntegral:
        return CumulativeIntegral(self.drift, self.T)

    @cached_property
    def _variance(self) -> CumulativeIntegral:
        return CumulativeIntegral(
            lambda t: self.diffusion_squared(t) * np.exp(-2.0 * self._log_scale(t)), self.T
        )

    @property
    def quadrature_error(self) -> float:
        """Estimated absolute error of ln r and of v², the larger of the two."""
        return max(self._log_scale.error, self._variance.error)

    def drift(self, t: ArrayLike) -> FloatArray:
        """Return f(t)."""
        return self._evaluate(self.f, t)

    def diffusion_squared(self, t: ArrayLike) -> FloatArray:
        """Return g²(t)."""
        return self._evaluate(self.g, t) ** 2

    def scale(self, t: ArrayLike) -> FloatArray:
        """Return r(t) = exp ∫₀ᵗ f."""
        return np.exp(self._log_scale(np.asarray(t, dtype=np.float64)))

    def std(self, t: ArrayLike) -> FloatArray:
        """Return σ_t = r (∫₀ᵗ g²/r²)^½."""
        # Rounding may leave v² just below zero at t = 0.
        variance = np.maximum(self._variance(np.asarray(t, dtype=np.float64)), 0.0)
        return self.scale(t) * np.sqrt(variance)

    @property
    def prior_std(self) -> float:
        """The prior's standard deviation: as given, or σ_T."""
        return self.prior if self.prior is not None else float(self.std(self.T))


SDES: Registry[Callable[..., ForwardSDE]] = Registry(
    "sde", {"ve": VESDE, "vp": VPSDE, "subvp": SubVPSDE}
)
