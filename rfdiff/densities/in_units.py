"""A learned density of training seen in the data's own units."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.units import Units
from ..diffusion.law_on_domain import Domain, parse_domain
from ..support.estimate import Estimate
from ..support.validation import FloatArray
from .interfaces import Comparison, Divergence, LearnedDensity


@dataclass(frozen=True, eq=False)
class DensityInUnits:
    """p̂(x) = p̂_u(u)/scale at x = shift + scale·u: a learned density in the data's own units.

    Points, domains and laws are in the data's units [x]; t is the process's time, as in training.

    Args:
        learned: p̂_u, in units of training, one-dimensional.
        units: of training.
        domain: where p̂ is compared, in [x]: the domain of p̂_u before it was rounded there.

    >>> import rfdiff
    >>> learned = rfdiff.train_exact(tau=1e4, n=100, m=64).learned_density()
    >>> own = in_units(learned, Units(70.0, 10.0))
    >>> own.domain, bool(np.isclose(own.density(100.0), learned.density(3.0) / 10.0))
    ((-30.0, 170.0), True)
    """

    learned: LearnedDensity
    units: Units
    domain: Domain

    @property
    def method(self) -> str:
        """Name of the definition."""
        return self.learned.method

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the training times."""
        return self.learned.shape

    @property
    def t(self) -> float:
        """Evaluation time."""
        return self.learned.t

    @property
    def support(self) -> Domain:
        """Where all of the mass may be, in [x]."""
        same = self.learned.support == self.learned.domain
        return self.domain if same else self.units.domain_to_own(self.learned.support)

    @property
    def knob(self) -> str | None:
        """What to change where the error of a divergence leaves little of it."""
        return self.learned.knob

    @property
    def normalizable(self) -> NDArray[np.bool_]:
        """Whether the density exists, shape (…)."""
        return self.learned.normalizable

    @property
    def mass(self) -> Estimate:
        """∫ p̂ over the domain, shape (…)."""
        return self.learned.mass

    @property
    def error(self) -> FloatArray:
        """Estimated mean absolute error of log p̂ where it has mass, shape (…)."""
        return self.learned.error

    @property
    def hull(self) -> Domain:
        """An interval that holds all of the mass at every training time, in [x]."""
        return self.units.domain_to_own(self.learned.hull)

    @property
    def breakpoints(self) -> FloatArray:
        """Sorted points (k,) where log p̂ is known to be not smooth, in [x]."""
        return self.units.to_own(self.learned.breakpoints)

    def on(self, domain: Domain | float) -> "DensityInUnits":
        """Return the same density compared on another domain, in [x]."""
        domain = parse_domain(domain)
        learned = self.learned.on(self.units.domain_to_training(domain))
        return DensityInUnits(learned, self.units, domain)

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Return log p̂(x) in nats, shape (…) + x.shape."""
        return self.units.log_density_to_own(self.learned.log_density(self.units.to_training(x)))

    def log_density_error(self, x: ArrayLike) -> FloatArray:
        """Return the estimated absolute error of log p̂(x), shape (…) + x.shape."""
        return self.learned.log_density_error(self.units.to_training(x))

    def density(self, x: ArrayLike) -> FloatArray:
        """Return p̂(x) in 1/[x], shape (…) + x.shape."""
        return self.units.density_to_own(self.learned.density(self.units.to_training(x)))

    def cdf(self, x: ArrayLike) -> FloatArray:
        """Return the distribution function P̂(X ≤ x), shape (…) + x.shape."""
        return self.learned.cdf(self.units.to_training(x))

    def mean_log_density(self, law: Any) -> Estimate:
        """Return E_p[log p̂] of a law in [x] that can be standardised, on the domain: shape (…)."""
        mean = self.learned.mean_log_density(self.units.law_to_training(law))
        value = self.units.log_density_to_own(mean.value)
        return Estimate(value, mean.error, mean.error_covers)

    def beside(self, law: Any) -> "ComparisonInUnits":
        """Return a comparison with a law in [x] that can be standardised, on the domain."""
        law = self.units.law_to_training(law)
        return ComparisonInUnits(self.learned.beside(law), self.units)


@dataclass(frozen=True, eq=False)
class ComparisonInUnits:
    """A comparison made in units of training; what has the unit of a length is given in [x].

    Args:
        comparison: in units of training.
        units: of training.
    """

    comparison: Comparison
    units: Units

    @property
    def knows_slope(self) -> bool:
        """Whether ∂ₓ log p̂ is known, which some divergences need."""
        return self.comparison.knows_slope

    def integrate(self, divergence: Divergence) -> Estimate:
        """Return a divergence with its error, shape (…), in its power of [x]."""
        found = self.comparison.integrate(divergence)
        value, error = (
            self.units.length_to_own(part, divergence.power_of_length)
            for part in (found.value, found.error)
        )
        return Estimate(value, error, found.error_covers)


def in_units(learned: LearnedDensity, units: Units, domain: Domain | None = None) -> LearnedDensity:
    """Return a learned density in the data's own units: itself where those are training's.

    Args:
        learned: in units of training, one-dimensional.
        units: of training.
        domain: that of p̂ in the data's units, if it was given there: points at its very ends are
            then inside whatever rounding does; converted from `learned` if None.
    """
    if units.is_identity:
        return learned
    own = units.domain_to_own(learned.domain) if domain is None else domain
    return DensityInUnits(learned, units, own)
