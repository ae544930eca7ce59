"""Divergences between a law and the probability flow, on cells that the flow carries from T to t.

A cell (y₀, y₁) of the prior's line comes to lie at (x₀, x₁) at t. Its mass Q under p̂ is the
prior's, its mass P under p the law's: both are known, however rough p̂ is between the ends. With
ρ = log p̂/p known at the ends, three numbers are known of b = (p − p̂)/(p + p̂) = −tanh ρ/2: two end
values and its mean (P − Q)/(P + Q) under p + p̂. The cell adds ½(P + Q) times the mean of φ(b), φ
convex, which lies between φ of the mean (Jensen) and φ(1): no cell can hide more than that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import xlogy

from ..densities.probability_flow.density import ProbabilityFlowDensity
from ..densities.probability_flow.interval_quadrature import (
    Cells,
    Part,
    Quantity,
    mean_log,
    rounding,
)
from ..diffusion.law_on_domain import Reference
from ..diffusion.mixtures import GaussianMixture
from ..numerics.panels import Panels, quantiles
from ..numerics.quadrature import gauss_legendre
from ..support.estimate import Estimate
from ..support.validation import FloatArray

# Widths of the prior: where the flow grows without bound, the second moment is in its far tails.
_WIDTHS = 12.0
# Masses below this are integrated where they lie, since differences of F would lose digits.
_SMALL = 1e-8
# The law's distribution function is known to this.
_KNOWN = 1e-15
# W₂² is computed to this share of a distance's tolerance: enough for W₂ above 0.05 of p's spread.
_SQUARE_SHARE = 0.1
# Nodes and weights on a cell.
_NODES, _WEIGHTS = gauss_legendre(4, 0.0, 1.0)

# The mean over a cell of φ(b), from b at both ends and its mean.
MeanOfPhi = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]


def reverse_kl(law: Any, learned: ProbabilityFlowDensity) -> Estimate:
    """KL(p̂‖p) = Σ Q·(mean ρ), where the mean of e^{−ρ} under p̂ is P/Q.

    p̂ vanishes nowhere: +∞ if p does.
    """
    reference = Reference(law, learned.domain)
    low, high = reference.edges[[0, -1]]
    beyond = np.array([2.0 * low - high, 2.0 * high - low])
    if np.isneginf(reference.log_density(beyond)).any():
        return Estimate(np.full(learned.shape, np.inf))

    def quantity(cells: Cells) -> Part:
        (x0, _, _, rho0), (x1, _, _, rho1) = cells.start, cells.end
        log_p, log_q = _log_masses(cells, reference, learned)
        q = np.exp(log_q)
        with np.errstate(invalid="ignore"):
            mean, _, doubt = mean_log(log_p - log_q, -rho0, -rho1, rounding(x0, x1))
        return Part(-q * mean, q, q * doubt, np.full(len(q), np.inf))

    return _integral("reverse KL", quantity, reference, learned)


def total_variation(law: Any, learned: ProbabilityFlowDensity) -> Estimate:
    """TV = ½∫|p − p̂|: φ(b) = |b|."""
    return _bounded("total variation", _mean_absolute, law, learned)


def jensen_shannon(law: Any, learned: ProbabilityFlowDensity) -> Estimate:
    """JS: φ(b) = ln 2 + a ln a + (1 − a) ln (1 − a) with a = (1 + b)/2."""
    return _bounded("Jensen–Shannon divergence", _mean_of_entropies, law, learned)


def wasserstein(law: Any, learned: ProbabilityFlowDensity, order: int) -> Estimate:
    """W₁ = Σ∫|F⁻¹ − F̂⁻¹| du or W₂² = Σ∫(F⁻¹ − F̂⁻¹)² du on cells of u = F̂; F̂⁻¹(u) = x."""
    ranks = _Ranks(Reference(law, learned.domain), learned.start_law)
    name, quantity, unit = "W1", ranks.gap, ranks.spread
    if order == 2:
        name, quantity, unit = "W2²", ranks.square_gap, _SQUARE_SHARE * ranks.spread**2
    found = learned.integral(name, quantity, ranks.node, _edges(learned), back=True, unit=unit)
    if order == 1:
        return found
    value = np.sqrt(found.value)
    above = np.sqrt(found.value + found.error) - value
    below = value - np.sqrt(np.maximum(found.value - found.error, 0.0))
    return Estimate(value, np.maximum(above, below), found.error_covers)


@dataclass(frozen=True, eq=False)
class _Ranks:
    """Points of two laws side by side by rank u: x of the flow, F⁻¹(u) of a law.

    Between the ends of a cell their gap is taken as linear in u. Both rise, so that no cell can
    hide more than their rises over it.
    """

    reference: Reference
    start_law: GaussianMixture

    @cached_property
    def _panels(self) -> Panels:
        return Panels.between(self.reference.edges)

    @cached_property
    def _density(self) -> FloatArray:
        return np.exp(self.reference.log_density(self._panels.x))

    @cached_property
    def spread(self) -> float:
        """Standard deviation of the law."""
        x, weighted = self._panels.x, self._density
        total, mean = (float(self._panels.integrals(weighted * x**k).sum()) for k in (0, 1))
        square = self._panels.integrals(weighted * (x - mean / total) ** 2).sum()
        return float(np.sqrt(square / total))

    def node(self, y: FloatArray, x: FloatArray, log_slope: FloatArray) -> list[FloatArray]:
        """Return F⁻¹(u), what it is not known to, and dx/du."""
        u = self.start_law.cdf(y)
        low, own, high = (
            quantiles(self._panels, self._density, np.clip(u + shift, 0.0, 1.0))
            for shift in (-_KNOWN, 0.0, _KNOWN)
        )
        with np.errstate(over="ignore"):
            return [own, high - low, np.exp(log_slope - self.start_law.log_density(y))]

    def gap(self, cells: Cells) -> Part:
        """∫|F⁻¹ − F̂⁻¹| du."""
        mass, start, end, known, stray, hidden = self._gaps(cells)
        mean = _mean_absolute(start, end, 0.5 * (start + end))
        return Part(mass * mean, mass, mass * (known + stray), mass * hidden)

    def square_gap(self, cells: Cells) -> Part:
        """∫(F⁻¹ − F̂⁻¹)² du."""
        mass, start, end, known, stray, hidden = self._gaps(cells)
        mean = (start * start + start * end + end * end) / 3.0
        twice = mass * (2.0 * np.maximum(np.abs(start), np.abs(end)) + hidden)
        return Part(mass * mean, mass, (known + stray) * twice, hidden * twice)

    def _gaps(self, cells: Cells) -> tuple[FloatArray, ...]:
        """Return masses, gaps at both ends, and what of a gap is unknown, may stray, can hide."""
        (x0, _, own0, slack0, rate0), (x1, _, own1, slack1, rate1) = cells.start, cells.end
        mass = np.exp(_log_mass(self.start_law.log_density, cells.left, cells.right))
        # Where too few steps have folded the flow, x is no quantile.
        known = np.maximum(slack0, slack1) + np.maximum(x0 - x1, 0.0)
        # The rates at both ends say how far x strays from its chord.
        rise0, rise1 = mass * rate0, mass * rate1
        stray = (np.abs(rise1 - rise0) + np.abs(x1 - x0 - 0.5 * (rise0 + rise1))) / 12.0
        return mass, own0 - x0, own1 - x1, known, stray, np.abs(x1 - x0) + own1 - own0 + known


def _bounded(
    name: str, mean_of_phi: MeanOfPhi, law: Any, learned: ProbabilityFlowDensity
) -> Estimate:
    reference, one = Reference(law, learned.domain), np.ones(1)
    largest = mean_of_phi(one, one, one)[0]

    def quantity(cells: Cells) -> Part:
        (_, _, below0, rho0), (_, _, below1, rho1) = cells.start, cells.end
        log_p, log_q = _log_masses(cells, reference, learned)
        mean, half = np.tanh(0.5 * (log_p - log_q)), 0.5 * (np.exp(log_p) + np.exp(log_q))
        start, end = -np.tanh(0.5 * rho0), -np.tanh(0.5 * rho1)
        least = mean_of_phi(mean, mean, mean)
        value = np.clip(mean_of_phi(start, end, mean), least, largest)
        # A bump of b that moves its mean by κ off the chord may be anything of that size.
        kappa = np.abs(mean - 0.5 * (start + end))
        doubt = kappa * (kappa + np.abs(end - start) / 6.0)
        # Where too few steps have folded the flow, mass is counted more than once.
        folded = largest * np.maximum(below0 - below1, 0.0)
        hidden = half * (largest - least) + folded
        return Part(half * value, half, half * doubt + folded, hidden)

    found = _integral(name, quantity, reference, learned)
    return Estimate(np.minimum(found.value, largest), found.error, found.error_covers)


def _integral(
    name: str, quantity: Quantity, reference: Reference, learned: ProbabilityFlowDensity
) -> Estimate:
    """Integrate what needs the law's mass below x and ρ = log p̂/p beside x and ln dx/dy."""
    edges, prior = _edges(learned), learned.start_law

    def node(y: FloatArray, x: FloatArray, log_slope: FloatArray) -> list[FloatArray]:
        # The outermost cells take what the law has beyond them.
        below = np.where(y <= edges[0], 0.0, np.where(y >= edges[-1], 1.0, reference.cdf(x)))
        return [below, prior.log_density(y) - log_slope - reference.log_density(x)]

    return learned.integral(name, quantity, node, edges, back=True)


def _edges(learned: ProbabilityFlowDensity) -> FloatArray:
    """Return panels that resolve the prior where it has mass."""
    low, high = learned.start_law.domain(_WIDTHS)
    edges = Reference(learned.start_law, (-np.inf, np.inf)).edges
    return np.concatenate([[low], edges[(edges > low) & (edges < high)], [high]])


def _log_masses(
    cells: Cells, reference: Reference, learned: ProbabilityFlowDensity
) -> tuple[FloatArray, FloatArray]:
    """Return ln P and ln Q of cells between points whose trace is x, ln dx/dy, F(x) and ρ."""
    (x0, _, below0, _), (x1, _, below1, _) = cells.start, cells.end
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.log(below1 - below0)
    small = ~(own > np.log(_SMALL))
    own[small] = _log_mass(reference.log_density, x0[small], x1[small])
    return own, _log_mass(learned.start_law.log_density, cells.left, cells.right)


def _log_mass(
    log_density: Callable[[FloatArray], FloatArray], left: FloatArray, right: FloatArray
) -> FloatArray:
    """Return ln ∫ of a density over intervals, (P,)."""
    length = np.maximum(right - left, 0.0)
    values = log_density(left[:, None] + length[:, None] * _NODES)
    with np.errstate(divide="ignore"):
        return np.log(length) + np.logaddexp.reduce(values + np.log(_WEIGHTS), axis=1)


def _mean_absolute(start: FloatArray, end: FloatArray, mean: FloatArray) -> FloatArray:
    """Return the mean of |b| over (0, 1) for the parabola b with these end values and mean."""
    linear, square = _parabola(start, end, mean)
    root = np.sqrt(np.maximum(linear * linear - 4.0 * square * start, 0.0))
    half = -0.5 * (linear + np.where(linear < 0.0, -root, root))
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = np.nan_to_num(np.stack([half / square, start / half]))
    cuts = np.sort(np.clip(roots, 0.0, 1.0), axis=0)
    s = np.concatenate([np.zeros((1, len(mean))), cuts, np.ones((1, len(mean)))])
    primitive = s * (start + s * (0.5 * linear + s * square / 3.0))
    return np.asarray(np.abs(np.diff(primitive, axis=0)).sum(0))


def _mean_of_entropies(start: FloatArray, end: FloatArray, mean: FloatArray) -> FloatArray:
    """Return the mean of φ(b) of the Jensen–Shannon divergence for that parabola."""
    linear, square = _parabola(start, end, mean)
    s = _NODES[:, None]
    a = np.clip(0.5 * (1.0 + start + s * (linear + s * square)), 0.0, 1.0)
    return _WEIGHTS @ (np.log(2.0) + xlogy(a, a) + xlogy(1.0 - a, 1.0 - a))


def _parabola(
    start: FloatArray, end: FloatArray, mean: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the coefficients of s and s² of the parabola on (0, 1)."""
    return 6.0 * mean - 4.0 * start - 2.0 * end, 3.0 * (start + end) - 6.0 * mean
