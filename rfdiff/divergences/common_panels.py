"""A known law and learned densities on common panels that resolve what is compared."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..densities.learned_density import LearnedDensity
from ..densities.score_integral import ScoreIntegralDensity
from ..diffusion.law_on_domain import Domain, Reference
from ..numerics.panels import ORDER, Panels
from ..support.validation import FloatArray, memory

# Panels are halved until the integral is resolved to this (a solved density: to this share of its
# tolerance), or each to a share of what log p̂ is known to, there or on average.
_TOLERANCE = 1e-11
_SHARE = 0.05
_SHARE_OF_ERROR = 0.2
_ROUNDING = 1e-14
_MOST_HALVINGS = 30
_MOST_PANELS = 1 << 14
# Equal panels laid over the bulk of the law, so that no mode of p̂ between its own is missed.
_BULK_PANELS = 64
# Points at which the outer pieces of p̂ are probed, and the log mass that no longer counts.
_PROBES = 100
_NEGLIGIBLE = -46.0
# A fall of log p̂ over a panel that nodes can still follow, and what stands for no density at all.
_STEEP = 80.0
_LOWEST = -1e6
# Arrays of the size of the nodal values that a comparison holds at once.
_ARRAYS = 8

# What is compared: panels, log p (P, n) and log p̂ (R, P, n) at their nodes to values (R, P, n).
Integrand = Callable[[Panels, FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True, eq=False)
class Comparison:
    """log p and log p̂ at the nodes of panels that cover both laws.

    Attributes:
        panels: the panels, P of them with n nodes.
        log_p: log density of the law, normalised on the domain (P, n); −∞ outside it.
        log_q: log p̂ of every training time (R, P, n).
        log_error: estimated error of log p̂ (R, P, n).
        values: what is compared, there (R, P, n).
    """

    panels: Panels
    log_p: FloatArray
    log_q: FloatArray
    log_error: FloatArray
    values: FloatArray

    def some(self, index: np.ndarray) -> "Comparison":
        """Return some of the panels."""
        return Comparison(
            Panels(self.panels.left[index], self.panels.right[index]),
            self.log_p[index],
            self.log_q[:, index],
            self.log_error[:, index],
            self.values[:, index],
        )

    @property
    def p(self) -> FloatArray:
        """Density of the law at the nodes (P, n)."""
        return np.exp(self.log_p)

    @property
    def q(self) -> FloatArray:
        """Learned densities at the nodes (R, P, n)."""
        return np.exp(self.log_q)

    @property
    def mass(self) -> FloatArray:
        """∫ p̂ on the panels, (R,)."""
        return self.panels.integrals(self.q).sum(-1)

    @property
    def defect(self) -> FloatArray:
        """|∫ p̂ − 1| (R,): mass that the panels have missed or counted twice."""
        return np.abs(self.mass - 1.0)

    def integral(self) -> FloatArray:
        """Return ∫ of what is compared, (R,)."""
        return self.panels.integrals(self.values).sum(-1)

    def unresolved(self) -> FloatArray:
        """Return the quadrature error of that integral, (R,)."""
        rounding = _ROUNDING * self.panels.integrals(np.abs(self.values))
        return (self.panels.tails(self.values) + rounding).sum(-1)

    def weighted_error(self, weight: FloatArray | float = 1.0) -> FloatArray:
        """Return ∫ p̂·weight·|error of log p̂|, (R,)."""
        return self.panels.integrals(self.q * self.log_error * weight).sum(-1)


def compare(law: Any, learned: LearnedDensity, integrand: Integrand) -> Comparison:
    """Lay panels over a law and learned densities and halve them until `integrand` is resolved."""
    reference = Reference(law, learned.domain)
    edges = _first_edges(reference, learned)
    tolerance = _TOLERANCE
    if not isinstance(learned, ScoreIntegralDensity):
        tolerance = _SHARE * learned.tolerance
    n_rows = int(np.prod(learned.shape))
    noise = _SHARE_OF_ERROR * np.where(np.isfinite(learned.error), learned.error, 0.0)
    left, right = edges[:-1], edges[1:]
    levels: list[Comparison] = []
    n_panels = 0
    for halving in range(_MOST_HALVINGS + 1):
        n_panels += len(left)
        memory("the comparison", 8.0 * _ARRAYS * n_rows * n_panels * ORDER)
        level = _evaluate(reference, learned, integrand, Panels(left, right))
        coarse = ~_resolved(level, tolerance / len(left), noise.reshape(-1, 1))
        if halving == _MOST_HALVINGS or n_panels + 2 * coarse.sum() > _MOST_PANELS:
            coarse[:] = False
        levels.append(level.some(~coarse))
        if not coarse.any():
            break
        middle = level.panels.middle[coarse]
        left, right = np.append(left[coarse], middle), np.append(middle, right[coarse])
    return _in_order(levels)


def _evaluate(
    reference: Reference, learned: LearnedDensity, integrand: Integrand, panels: Panels
) -> Comparison:
    x = panels.x
    log_p = reference.log_density(x)
    log_q = learned.log_density(x).reshape(-1, *x.shape)
    if isinstance(learned, ScoreIntegralDensity):
        error = learned.error[..., None, None]
    else:
        error = learned.log_density_error(x)
    error = np.broadcast_to(error, learned.shape + x.shape).reshape(log_q.shape)
    error = np.where(np.isneginf(log_q), 0.0, error)
    return Comparison(panels, log_p, log_q, error, integrand(panels, log_p, log_q))


def _resolved(level: Comparison, share: float, noise: FloatArray) -> np.ndarray:
    """Return which panels, (P,), need no halving: unknown p̂ is not worth resolving further."""
    size = np.abs(level.values).max(-1) * 2.0 * level.panels.half
    noise = np.maximum(noise, _SHARE_OF_ERROR * level.log_error.max(-1))
    allowed = np.maximum(share, size * np.maximum(noise, _ROUNDING))
    good = (level.panels.tails(level.values) <= allowed) & ~_may_hide_a_peak(level)
    return np.asarray(good.all(0))


def _may_hide_a_peak(level: Comparison) -> np.ndarray:
    """Return where p̂ may have mass between nodes at which it underflows, (R, P).

    The top of log p̂ is taken at the nodes, at both ends, and above an inner node by what a parabola
    can add, which is all that log p̂ is between the kinks of a score integral.
    """
    log_q = np.maximum(level.log_q, _LOWEST)
    ends = level.panels.at_ends(log_q)
    node = np.clip(log_q.argmax(-1)[..., None], 1, ORDER - 2)
    before, at, after = (np.take_along_axis(log_q, node + k, -1)[..., 0] for k in (-1, 0, 1))
    bulge = 0.25 * np.maximum(at - np.minimum(before, after), 0.0)
    top = np.maximum(log_q.max(-1) + bulge, ends.max(-1))
    steep = top - np.minimum(log_q.min(-1), ends.min(-1)) > _STEEP
    return np.asarray(steep & (top + np.log(2.0 * level.panels.half) > _NEGLIGIBLE))


def _in_order(levels: list[Comparison]) -> Comparison:
    """Return the panels of all levels, from left to right."""
    order = np.argsort(np.concatenate([level.panels.left for level in levels]), kind="stable")

    def joined(parts: list[FloatArray], axis: int = 0) -> FloatArray:
        return np.take(np.concatenate(parts, axis), order, axis)

    return Comparison(
        Panels(
            joined([level.panels.left for level in levels]),
            joined([level.panels.right for level in levels]),
        ),
        joined([level.log_p for level in levels]),
        joined([level.log_q for level in levels], 1),
        joined([level.log_error for level in levels], 1),
        joined([level.values for level in levels], 1),
    )


def _first_edges(reference: Reference, learned: LearnedDensity) -> FloatArray:
    """Return edges of panels from one end of both laws to the other, corners among them."""
    edges = reference.edges
    core = edges[[0, -1]] if len(edges) < 4 else edges[[1, -2]]
    low, high = _range(learned, float(edges[0]), float(edges[-1]))
    bulk = np.linspace(float(core[0]), float(core[1]), _BULK_PANELS + 1)
    reach = (edges[-1] - edges[0]) * 1.5 ** np.arange(_PROBES)
    parts = [edges, bulk, learned.breakpoints, edges[0] - reach, edges[-1] + reach, [low, high]]
    if np.isfinite(learned.domain).all():
        parts.append(np.array(learned.domain))
    merged = np.unique(np.concatenate(parts))
    return merged[(merged >= low) & (merged <= high)]


def _range(learned: LearnedDensity, low: float, high: float) -> Domain:
    """Return an interval that holds the law, on (low, high), and all learned densities."""
    if isinstance(learned, ScoreIntegralDensity):
        if np.isfinite(learned.domain).all():
            return learned.domain
        hull = _outer_reach(learned, low, high)
    else:
        hull = learned.hull
    return min(low, hull[0]), max(high, hull[1])


def _outer_reach(learned: ScoreIntegralDensity, low: float, high: float) -> Domain:
    """Return where the outer pieces of normalisable densities have fallen to nothing."""
    steps = (high - low) * 1.5 ** np.arange(_PROBES)
    ends = []
    for start, sign in ((low, -1.0), (high, 1.0)):
        x = start + sign * np.insert(steps, 0, 0.0)
        log_q = learned.log_density(x).reshape(-1, len(x))
        counts = (log_q[:, :-1] + np.log(steps) > _NEGLIGIBLE).any(0)
        last = int(np.flatnonzero(counts).max(initial=-1)) + 1
        ends.append(float(x[last]))
    return ends[0], ends[1]
