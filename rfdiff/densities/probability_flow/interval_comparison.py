"""A law beside the probability flow, on intervals that it transports from T to t.

An interval (y₀, y₁) of the prior's line comes to lie at (x₀, x₁) at t. Its mass Q under p̂ is the
prior's, its mass P under p the law's: both are known, however rough p̂ is between the ends. So are
ρ = log p̂/p at the ends, which is followed from y, and the rank u = F̂(x) of every point.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple, Protocol

import numpy as np

from ...diffusion.law_on_domain import Reference
from ...diffusion.mixtures import GaussianMixture
from ...numerics.panels import Panels, quantiles
from ...numerics.quadrature import gauss_legendre
from ...support.estimate import Estimate
from ...support.validation import FloatArray
from ..interfaces import Divergence, LearnedDensity
from ..panel_comparison import spread
from .interval_quadrature import Part, Quantity, rounding
from .intervals import Intervals
from .transported_intervals import Node

# Widths of the prior: where the flow grows without bound, the second moment is in its far tails.
_WIDTHS = 12.0
# Masses below this are integrated where they lie, since differences of F would lose digits.
_SMALL = 1e-8
# The law's distribution function is known to this.
_KNOWN = 1e-15
# Nodes and weights on an interval.
_NODES, _WEIGHTS = gauss_legendre(4, 0.0, 1.0)


class Masses(NamedTuple):
    """What is known of p̂/p on intervals, each (P,).

    Attributes:
        log_p: ln of the masses P under the law.
        log_q: ln of the masses Q under p̂.
        ratio_start: ρ = log p̂/p at their left ends.
        ratio_end: ρ at their right ends.
        folded: mass counted twice where too few steps have folded the line.
        rounding: what rounding of x may do to ln P.
    """

    log_p: FloatArray
    log_q: FloatArray
    ratio_start: FloatArray
    ratio_end: FloatArray
    folded: FloatArray
    rounding: FloatArray


class Gaps(NamedTuple):
    """Gaps F⁻¹(u) − F̂⁻¹(u) between points of equal rank on intervals of u, each (P,).

    Between the ends of an interval their gap is taken as linear in u. Both rise, so that no
    interval can hide more than their rises over it.

    Attributes:
        mass: lengths of the intervals of u.
        start: gaps at their left ends.
        end: gaps at their right ends.
        unknown: what the gap may differ by, from the chord and from what is known of the ends.
        hidden: the most it can differ by.
    """

    mass: FloatArray
    start: FloatArray
    end: FloatArray
    unknown: FloatArray
    hidden: FloatArray


class TransportedLaw(LearnedDensity, Protocol):
    """A law at t that a monotone map transports from a known law at T."""

    @property
    def start_law(self) -> GaussianMixture:
        """The law at T."""

    def theta_error_under(self, reference: Reference) -> FloatArray:
        """Return E_p of the error of log p̂ that the error of θ makes, shape (…)."""

    def integral(
        self, name: str, quantity: Quantity, node: Node, panels: FloatArray, *,
        back: bool = False, unit: float = 1.0,
    ) -> Estimate:  # fmt: skip
        """Return what intervals along the map add up to, shape (…), within `unit` tolerances."""


@dataclass(frozen=True, eq=False)
class IntervalComparison:
    """p beside the law p̂ of the probability flow.

    Args:
        learned: p̂.
        law: p.
    """

    learned: TransportedLaw
    law: Any

    knows_slope = False

    @cached_property
    def reference(self) -> Reference:
        """P on the domain."""
        return Reference(self.law, self.learned.domain)

    def integrate(self, divergence: Divergence) -> Estimate:
        """Return a divergence with its error, shape (…)."""
        return divergence.on_intervals(self)

    def over_masses(self, name: str, part: Callable[[Masses], Part]) -> Estimate:
        """Return the sum over intervals of what their masses and log ratios say, shape (…).

        Args:
            name: what is integrated, for the warning if it misses the tolerance.
            part: what an interval adds.
        """
        edges, prior = self._edges, self.learned.start_law

        def node(y: FloatArray, x: FloatArray, log_slope: FloatArray) -> list[FloatArray]:
            # The outermost intervals take what the law has beyond them.
            below = np.where(
                y <= edges[0], 0.0, np.where(y >= edges[-1], 1.0, self.reference.cdf(x))
            )
            return [below, prior.log_density(y) - log_slope - self.reference.log_density(x)]

        def quantity(intervals: Intervals) -> Part:
            return part(self._masses(intervals))

        found = self.learned.integral(name, quantity, node, edges, back=True)
        return self._with_theta_error(found, 1.0)

    def over_ranks(self, name: str, part: Callable[[Gaps], Part], unit: float) -> Estimate:
        """Return the sum over intervals of u = F̂ of what the gaps between quantiles say, shape (…).

        Args:
            name: what is integrated, for the warning if it misses the tolerance.
            part: what an interval adds.
            unit: of the integral; it may err by the density's tolerance times this.
        """

        def quantity(intervals: Intervals) -> Part:
            return part(self._gaps(intervals))

        found = self.learned.integral(
            name, quantity, self._quantile_node, self._edges, back=True, unit=unit
        )
        return self._with_theta_error(found, unit)

    def mean_under_learned(
        self, name: str, function: Callable[[FloatArray], FloatArray], variation: FloatArray
    ) -> Estimate:
        """Return ∫ p̂ f, shape (…), of a smooth f with values from 0 to 1.

        Args:
            name: what is integrated, for the warning if it misses the tolerance.
            function: f, elementwise.
            variation: points and the variation of f up to each of them, (2, k): where f rises or
                falls throughout an interval, it is between its end values, else by half of what it
                varies beyond these outside.
        """
        prior = self.learned.start_law

        def node(y: FloatArray, x: FloatArray, log_slope: FloatArray) -> list[FloatArray]:
            return [function(x), np.interp(x, *variation)]

        def quantity(intervals: Intervals) -> Part:
            mass = np.exp(_log_mass(prior.log_density, intervals.left, intervals.right))
            (_, _, start, before), (_, _, end, after) = intervals.start, intervals.end
            apart = np.abs(end - start)
            beyond = np.maximum(np.abs(after - before) - apart, 0.0)
            return Part(
                0.5 * (start + end) * mass, mass, 0.5 * beyond * mass, 0.5 * (apart + beyond) * mass
            )

        found = self.learned.integral(name, quantity, node, self._edges, back=True)
        return self._with_theta_error(found, 1.0)

    def _with_theta_error(self, found: Estimate, unit: float) -> Estimate:
        """Add what the error of θ makes of log p̂: it moves masses by as much."""
        error = unit * self.learned.theta_error_under(self.reference)
        return Estimate(found.value, found.error + error, found.error_covers)

    @cached_property
    def spread(self) -> float:
        """Standard deviation of the law."""
        return spread(self.reference)

    @cached_property
    def _edges(self) -> FloatArray:
        """Edges of panels that resolve the prior where it has mass."""
        prior = self.learned.start_law
        low, high = prior.domain(_WIDTHS)
        edges = Reference(prior, (-np.inf, np.inf)).edges
        return np.concatenate([[low], edges[(edges > low) & (edges < high)], [high]])

    @cached_property
    def _panels(self) -> Panels:
        return Panels.between(self.reference.edges)

    @cached_property
    def _density(self) -> FloatArray:
        """Density of the law at the nodes of its panels."""
        return np.exp(self.reference.log_density(self._panels.x))

    def _masses(self, intervals: Intervals) -> Masses:
        """Return what is known on intervals between points whose trace is x, ln dx/dy, F and ρ."""
        (x0, _, below0, ratio0), (x1, _, below1, ratio1) = intervals.start, intervals.end
        with np.errstate(divide="ignore", invalid="ignore"):
            log_p = np.log(below1 - below0)
        small = ~(log_p > np.log(_SMALL))
        log_p[small] = _log_mass(self.reference.log_density, x0[small], x1[small])
        log_q = _log_mass(self.learned.start_law.log_density, intervals.left, intervals.right)
        folded = np.maximum(below0 - below1, 0.0)
        return Masses(log_p, log_q, ratio0, ratio1, folded, rounding(x0, x1))

    def _quantile_node(
        self, y: FloatArray, x: FloatArray, log_slope: FloatArray
    ) -> list[FloatArray]:
        """Return F⁻¹(u) of u = F̂(x), what it is not known to, and dx/du."""
        prior = self.learned.start_law
        u, invert = prior.cdf(y), partial(quantiles, self._panels, self._density)
        low, own, high = (invert(np.clip(u + e, 0.0, 1.0)) for e in (-_KNOWN, 0.0, _KNOWN))
        with np.errstate(over="ignore"):
            return [own, high - low, np.exp(log_slope - prior.log_density(y))]

    def _gaps(self, intervals: Intervals) -> Gaps:
        """Return the gaps on intervals between points with the trace of `_quantile_node`."""
        (x0, _, own0, slack0, rate0), (x1, _, own1, slack1, rate1) = intervals.start, intervals.end
        mass = np.exp(
            _log_mass(self.learned.start_law.log_density, intervals.left, intervals.right)
        )
        # Where too few steps have folded the line, x is no quantile.
        slack = np.maximum(slack0, slack1) + np.maximum(x0 - x1, 0.0)
        # The rates at both ends say how far x strays from its chord.
        rise0, rise1 = mass * rate0, mass * rate1
        stray = (np.abs(rise1 - rise0) + np.abs(x1 - x0 - 0.5 * (rise0 + rise1))) / 12.0
        hidden = np.abs(x1 - x0) + own1 - own0 + slack
        return Gaps(mass, own0 - x0, own1 - x1, slack + stray, hidden)


def _log_mass(
    log_density: Callable[[FloatArray], FloatArray], left: FloatArray, right: FloatArray
) -> FloatArray:
    """Return ln ∫ of a density over intervals, (P,)."""
    length = np.maximum(right - left, 0.0)
    values = log_density(left[:, None] + length[:, None] * _NODES)
    with np.errstate(divide="ignore"):
        return np.log(length) + np.logaddexp.reduce(values + np.log(_WEIGHTS), axis=1)
