"""Wasserstein distances on the line, W_k = (∫₀¹ |F⁻¹(u) − F̂⁻¹(u)|ᵏ du)^{1/k}, and W₁ = ∫|F − F̂| dx.

On panels in x, F̂ is known to lie within E(x) of the truth, E the lesser of ∫p̂·|error of log p̂| on
either side of x; hence the errors. Mass that has escaped from the solve of p̂ adds at most
(∫|displacement|ᵏ dF̂)^{1/k}, by the triangle inequality. On intervals that the probability flow
transports, the quantiles F̂⁻¹(u) are the points themselves.
"""

from typing import Any

import numpy as np

from ..densities.interfaces import LearnedDensity
from ..densities.panel_comparison import NodalValues, PanelComparison, spread
from ..densities.probability_flow.interval_comparison import Gaps, IntervalComparison
from ..densities.probability_flow.interval_quadrature import Part
from ..diffusion.law_on_domain import Domain, Reference
from ..numerics.panels import Panels, quantiles
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray
from .divergence import COVERS, DivergenceFormula
from .total_variation import mean_of_absolute

# Gauss–Legendre nodes in u between the images of panel edges, and those of a rule beside it. Where
# quantiles grow as log u, in the tails, errors fall as the square of the number of nodes: the finer
# rule errs by 9/7 of the difference there, by far less elsewhere.
_ORDER, _FEWER = 8, 6
_OF_DIFFERENCE = 3.0
_ROUNDING = 4e-16
# W₂² is computed to this share of a distance's tolerance: enough for W₂ above 0.05 of p's spread.
_SQUARE_SHARE = 0.1
# Errors of distances below a tenth of this share of p's spread are small.
_SMALL_SHARE = 0.05


class Wasserstein(DivergenceFormula):
    """What both distances share."""

    power_of_length = 1
    limit = np.inf

    def natural_scale(self, reference: Reference) -> float:
        """Return a twentieth of the standard deviation of p."""
        return _SMALL_SHARE * spread(reference)


class FirstWasserstein(Wasserstein):
    """W₁ = ∫|F − F̂| dx = ∫₀¹ |F⁻¹ − F̂⁻¹| du."""

    name = "wasserstein-1"
    title = "Wasserstein distance W₁"

    def on_panels(self, comparison: PanelComparison) -> Estimate:
        """Return ∫|F − F̂| dx by panels in x."""
        values = comparison.resolved(_difference)
        panels, p, q = values.panels, *_normalised(values)
        gap = panels.antiderivative(p - q)
        error = (_band(values) * 2.0 * panels.half).sum(-1) + panels.tails(gap).sum(-1)
        escaped = comparison.escaped
        error += np.sqrt(escaped.mass) * np.sqrt(escaped.square)
        return Estimate(panels.absolute_integrals(gap).sum(-1), error, COVERS)

    def on_intervals(self, comparison: IntervalComparison) -> Estimate:
        """Return Σ∫|F⁻¹ − F̂⁻¹| du."""
        return comparison.over_ranks("W1", self._part, comparison.spread)

    def _part(self, gaps: Gaps) -> Part:
        mean = mean_of_absolute(gaps.start, gaps.end, 0.5 * (gaps.start + gaps.end))
        mass = gaps.mass
        return Part(mass * mean, mass, mass * gaps.unknown, mass * gaps.hidden)


class SecondWasserstein(Wasserstein):
    """W₂ = (∫₀¹ (F⁻¹ − F̂⁻¹)² du)^{1/2}."""

    name = "wasserstein-2"
    title = "Wasserstein distance W₂"

    def on_panels(self, comparison: PanelComparison) -> Estimate:
        """Return the distance by panels in u: quantiles of F̂ lie between those of F̂ ± E."""
        values = comparison.resolved(_difference)
        p, q = _normalised(values)
        parts = zip(q, _own_error(values), _beyond(values), strict=True)
        found = [_of_quantiles(values.panels, p, *part) for part in parts]
        value, error = np.array(found).T
        return Estimate(value, error + np.sqrt(comparison.escaped.square), COVERS)

    def on_intervals(self, comparison: IntervalComparison) -> Estimate:
        """Return (Σ∫(F⁻¹ − F̂⁻¹)² du)^{1/2}."""
        unit = _SQUARE_SHARE * comparison.spread**2
        square = comparison.over_ranks("W2²", self._part, unit)
        value = np.sqrt(square.value)
        above = np.sqrt(square.value + square.error) - value
        below = value - np.sqrt(np.maximum(square.value - square.error, 0.0))
        return Estimate(value, np.maximum(above, below), square.error_covers)

    def _part(self, gaps: Gaps) -> Part:
        mean = (gaps.start**2 + gaps.start * gaps.end + gaps.end**2) / 3.0
        largest = np.maximum(np.abs(gaps.start), np.abs(gaps.end))
        twice = gaps.mass * (2.0 * largest + gaps.hidden)
        return Part(gaps.mass * mean, gaps.mass, gaps.unknown * twice, gaps.hidden * twice)


def _difference(x: FloatArray, log_p: FloatArray, log_q: FloatArray) -> FloatArray:
    return np.exp(log_p) - np.exp(log_q)


def _normalised(values: NodalValues) -> tuple[FloatArray, FloatArray]:
    """Return p (P, n) and p̂ (R, P, n) of mass one on the panels."""
    p = values.p
    mass = values.mass[:, None, None]
    q = np.divide(values.q, mass, out=np.zeros_like(values.log_q), where=mass > 0.0)
    return p / values.panels.integrals(p).sum(), q


def _own_error(values: NodalValues) -> FloatArray:
    """Return ∫p̂·|error of log p̂| on every panel with the quadrature's error there, (R, P)."""
    panels, q = values.panels, values.q
    return panels.integrals(q * values.log_error) + panels.tails(q) + panels.tails(values.p)


def _beyond(values: NodalValues) -> FloatArray:
    """Return the mass that is missed, or counted twice, beyond what is known to be wrong, (R,)."""
    return np.maximum(values.defect - _own_error(values).sum(-1), 0.0)


def _band(values: NodalValues) -> FloatArray:
    """Return the largest E on every panel, (R, P)."""
    own = _own_error(values)
    left = np.cumsum(own, axis=-1)
    total = left[:, -1:]
    return np.minimum(left, total - left + own) + _beyond(values)[:, None] + _ROUNDING


def _of_quantiles(
    panels: Panels, p: FloatArray, q: FloatArray, own_error: FloatArray, beyond: float
) -> tuple[float, float]:
    """Return W₂ and its error for one p̂ by its nodal values (P, n) and errors (P,)."""
    cumulative = panels.cumulative(q)
    edges = np.unique(np.clip(np.concatenate([panels.cumulative(p), cumulative]), 0.0, 1.0))
    u, sparse = Panels.between(edges, _ORDER), Panels.between(edges, _FEWER)
    at = u.x.ravel()
    x, y = quantiles(panels, p, at), quantiles(panels, q, at)
    # A panel's error lies in it as the mass does: the error of a thin tail is a share of what is
    # left of the tail, and moves no quantile to the end of the line.
    left = np.interp(at, cumulative, np.append(0.0, np.cumsum(own_error)))
    right = np.interp(at, cumulative, np.append(np.cumsum(own_error[::-1])[::-1], 0.0))
    band = np.minimum(left, right) + beyond + _ROUNDING
    lowest, highest = (
        quantiles(panels, q, np.clip(shifted, 0.0, 1.0)) for shifted in (at - band, at + band)
    )
    nearest = np.maximum(np.maximum(lowest - x, x - highest), 0.0)
    farthest = np.maximum(np.abs(lowest - x), np.abs(highest - x))
    pieces, least, most = (_squares(u, gap) for gap in (x - y, nearest, farthest))
    few = sparse.x.ravel()
    beside = _squares(sparse, quantiles(panels, p, few) - quantiles(panels, q, few))
    open_ = _OF_DIFFERENCE * float(np.abs(pieces - beside).sum())
    value = np.sqrt(pieces.sum())
    above = np.sqrt(most.sum() + open_) - value
    below = value - np.sqrt(max(least.sum() - open_, 0.0))
    return float(value), float(max(above, below))


def _squares(u: Panels, gap: FloatArray) -> FloatArray:
    """Return the integrals of the square over each panel."""
    return u.integrals(np.square(gap).reshape(u.x.shape))


FIRST_WASSERSTEIN, SECOND_WASSERSTEIN = FirstWasserstein(), SecondWasserstein()


def wasserstein_distance(
    law: Any, learned: LearnedDensity, *, order: int = 1, domain: Domain | float | None = None
) -> Estimate:
    """W₁ = ∫|F − F̂| dx or W₂ = (∫₀¹ (F⁻¹ − F̂⁻¹)² du)^{1/2}, shape (…), in the unit of x.

    +∞ where p̂ cannot be normalised.

    Args:
        law: p, a one-dimensional law with a density: p₀, or a marginal p_t.
        learned: p̂, training times leading.
        order: 1 or 2.
        domain: (a, b) or `np.inf`, in the unit of x; the learned density's own if None.

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
    >>> wasserstein_distance(run.target, run.learned_density(), order=2)
    2.462... ± ...
    """
    if order not in (1, 2):
        raise ArgumentError(f"order must be 1 or 2, got {order!r}")
    distance = FIRST_WASSERSTEIN if order == 1 else SECOND_WASSERSTEIN
    return distance(law, learned, domain=domain)
