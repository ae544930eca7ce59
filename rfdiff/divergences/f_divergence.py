"""f-divergences: D(p, p̂) = ∫ ½(p + p̂) φ(b) dx, b = (p − p̂)/(p + p̂), φ convex with φ(0) = 0.

On panels in x the integrand is asked for point by point, and how it depends on p̂ says what an error
of log p̂ does to it. On intervals of masses P and Q under the two laws, three numbers are known of
b = −tanh ½ρ, ρ = log p̂/p: both end values and its mean (P − Q)/(P + Q) under p + p̂. The interval
adds ½(P + Q) times the mean of φ(b), which lies between φ of the mean (Jensen) and φ(±1): no
interval can hide more than that.
"""

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from ..densities.panel_comparison import NodalValues, PanelComparison
from ..densities.probability_flow.interval_comparison import IntervalComparison, Masses
from ..densities.probability_flow.interval_quadrature import Part
from ..support.estimate import Estimate
from ..support.validation import FloatArray
from .divergence import COVERS, DivergenceFormula


class FDivergence(DivergenceFormula):
    """A divergence by its generator φ."""

    @abstractmethod
    def integrand(self, log_p: FloatArray, log_q: FloatArray) -> FloatArray:
        """Return ½(p + p̂) φ(b) from log p (P, n) and log p̂ (R, P, n), either of them −∞ at will."""

    @abstractmethod
    def sensitivity(self, log_p: FloatArray, log_q: FloatArray) -> FloatArray:
        """Return ∂/∂p̂ of the integrand, or what bounds its modulus, (R, P, n); finite at p̂ = 0."""

    @abstractmethod
    def of_missed_mass(self, sensitivity: FloatArray) -> FloatArray | float:
        """Return what a unit of mass of p̂ changes that panels have missed, or count twice, (R,)."""

    def integral(self, values: NodalValues) -> FloatArray:
        """Return the integral over panels, (R,)."""
        return values.integral()

    def on_panels(self, comparison: PanelComparison) -> Estimate:
        """Return the divergence by panels in x."""
        values = comparison.resolved(lambda x, log_p, log_q: self.integrand(log_p, log_q))
        sensitivity = self.sensitivity(values.log_p, values.log_q)
        error = self.of_density(values, sensitivity) + values.unresolved()
        error += self.of_missed_mass(sensitivity) * values.missed
        return Estimate(self.integral(values), error, COVERS)

    def of_density(self, values: NodalValues, sensitivity: FloatArray) -> FloatArray:
        """Return what the errors of log p̂ make of the integral, (R,)."""
        return values.weighted_error(np.abs(sensitivity))


class BoundedFDivergence(FDivergence):
    """An f-divergence whose φ is even with a finite φ(1), its largest value: `limit`."""

    limit: ClassVar[float]

    def of_density(self, values: NodalValues, sensitivity: FloatArray) -> FloatArray:
        """Return ∫|δp̂||s − c| + |c||∫δp̂|: errors move mass, and ∫δp̂ is what p̂ lacks of mass one.

        A constant c of the derivative s thus counts with the defect alone; its mean here.
        """
        known = values.weighted_error()
        mean = values.panels.integrals(values.q * values.log_error * sensitivity).sum(-1)
        mean = np.divide(mean, known, out=np.zeros_like(known), where=known > 0.0)
        moved = values.weighted_error(np.abs(sensitivity - mean[:, None, None]))
        return np.asarray(moved + np.abs(mean) * values.defect)

    @abstractmethod
    def mean_of_generator(self, start: FloatArray, end: FloatArray, mean: FloatArray) -> FloatArray:
        """Return the mean of φ(b) over (0, 1) for the parabola b with these end values and mean."""

    def on_intervals(self, comparison: IntervalComparison) -> Estimate:
        """Return the divergence by intervals that the probability flow transports."""
        found = comparison.over_masses(self.title, self._part)
        return Estimate(np.minimum(found.value, self.limit), found.error, found.error_covers)

    def _part(self, masses: Masses) -> Part:
        mean = np.tanh(0.5 * (masses.log_p - masses.log_q))
        half = 0.5 * (np.exp(masses.log_p) + np.exp(masses.log_q))
        start, end = -np.tanh(0.5 * masses.ratio_start), -np.tanh(0.5 * masses.ratio_end)
        least = self.mean_of_generator(mean, mean, mean)
        value = np.clip(self.mean_of_generator(start, end, mean), least, self.limit)
        # A bump of b that moves its mean by κ off the chord may be anything of that size.
        kappa = np.abs(mean - 0.5 * (start + end))
        unseen = kappa * (kappa + np.abs(end - start) / 6.0)
        folded = self.limit * masses.folded
        hidden = half * (self.limit - least) + folded
        return Part(half * value, half, half * unseen + folded, hidden)


def parabola(start: FloatArray, end: FloatArray, mean: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the coefficients of s and s² of the parabola on (0, 1) by end values and mean."""
    return 6.0 * mean - 4.0 * start - 2.0 * end, 3.0 * (start + end) - 6.0 * mean
