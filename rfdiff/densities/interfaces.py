"""What learned densities, comparisons and divergences ask of each other.

A `Comparison` puts a known law p beside a learned density p̂; p is restricted to the domain of p̂ and
normalised there. It knows how to resolve both, a divergence knows its formula: each asks the other,
and neither asks what the other is. There are two ways to resolve: panels in x
(`panel_comparison.py`), for densities known as functions of x; and intervals of the prior's line
that the probability flow transports to t (`probability_flow/interval_comparison.py`), whose masses
under both laws are known however rough p̂ may be.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..diffusion.law_on_domain import Domain
from ..support.estimate import Estimate
from ..support.validation import FloatArray


class LearnedDensity(Protocol):
    """A density p̂ on the line for every training time; the training times (…) lead in results."""

    @property
    def method(self) -> str:
        """Name of the definition."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the training times."""

    @property
    def t(self) -> float:
        """Evaluation time."""

    @property
    def domain(self) -> Domain:
        """Where p̂ is compared with laws."""

    @property
    def support(self) -> Domain:
        """Where all of the mass of p̂ may be: on it p̂ is a law, and there it is compared by default.

        The domain for a density that is normalised there, the line for a law on the line. On a
        bounded domain the latter keeps its density but lacks the mass outside: no longer a law, it
        would be judged by KL on less than it claims, and its reverse KL would be +∞.
        """

    @property
    def knob(self) -> str | None:
        """What to change where the error of a divergence leaves little of it, for the warning.

        None if the density warns by itself wherever an integral misses its tolerance.
        """

    @property
    def normalizable(self) -> NDArray[np.bool_]:
        """Whether the density exists, shape (…)."""

    @property
    def mass(self) -> Estimate:
        """∫ p̂ over the domain, shape (…)."""

    @property
    def error(self) -> FloatArray:
        """Estimated mean absolute error of log p̂ where it has mass, shape (…)."""

    @property
    def hull(self) -> Domain:
        """An interval that holds all of the mass at every training time."""

    @property
    def breakpoints(self) -> FloatArray:
        """Sorted points (k,) where log p̂ is known to be not smooth."""

    def on(self, domain: Domain | float) -> "LearnedDensity":
        """Return the same density compared on another domain; a law on the line is solved once."""

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Return log p̂(x) in nats, shape (…) + x.shape."""

    def log_density_error(self, x: ArrayLike) -> FloatArray:
        """Return the estimated absolute error of log p̂(x), shape (…) + x.shape."""

    def density(self, x: ArrayLike) -> FloatArray:
        """Return p̂(x), shape (…) + x.shape."""

    def cdf(self, x: ArrayLike) -> FloatArray:
        """Return the distribution function P̂(X ≤ x), shape (…) + x.shape."""

    def mean_log_density(self, law: Any) -> Estimate:
        """Return E_p[log p̂], p restricted to the domain and normalised there: shape (…).

        A law of point masses gives the mean over its points.
        """

    def beside(self, law: Any) -> "Comparison":
        """Return a comparison with a one-dimensional law, on the domain."""


@dataclass(frozen=True, eq=False)
class Escaped:
    """Mass that a solve may have lost, from both ends of where it went, for every training time.

    Attributes:
        mass: how much that may be (…).
        square: that times its mean square displacement, in the square of the unit of x (…).
        ends: between which the displacement begins (2, …).
    """

    mass: FloatArray
    square: FloatArray
    ends: FloatArray

    @classmethod
    def nothing(cls, shape: tuple[int, ...]) -> "Escaped":
        """Return no mass."""
        return cls(np.zeros(shape), np.zeros(shape), np.zeros((2, *shape)))


class DensityWithSlope(LearnedDensity, Protocol):
    """A density whose logarithm has a known slope, and of which little is lost."""

    @property
    def escaped(self) -> Escaped:
        """Mass that may be elsewhere than p̂ has it."""

    def log_density_slope(self, x: ArrayLike) -> Estimate:
        """Return ∂ₓ log p̂(x) in 1/[x], with its error: shape (…) + x.shape."""


class Divergence(Protocol):
    """A formula that compares p with p̂ for every training time."""

    name: ClassVar[str]
    # Power of the unit of x in which it is measured: 0 for nats, 1 for distances.
    power_of_length: ClassVar[int]
    # Whether it asks for ∂ₓ log p̂.
    needs_slope: ClassVar[bool]
    # Its limit for growing domains where p̂ cannot be normalised; None if that does not matter.
    limit: ClassVar[float | None]

    def on_panels(self, comparison: Any) -> Estimate:
        """Return it for every training time by a `PanelComparison`, which hands itself over."""

    def on_intervals(self, comparison: Any) -> Estimate:
        """Return it for every training time by an `IntervalComparison`, which hands itself over."""


class Comparison(Protocol):
    """p beside p̂."""

    @property
    def knows_slope(self) -> bool:
        """Whether ∂ₓ log p̂ is known, which some divergences need."""

    def integrate(self, divergence: Divergence) -> Estimate:
        """Return a divergence with its error, shape (…) of the training times."""
