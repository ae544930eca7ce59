"""A known law and learned densities on common panels in x that resolve what is compared."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..diffusion.law_on_domain import Reference
from ..numerics.bisection import Mask, bisect
from ..numerics.panels import ORDER, Panels
from ..support.estimate import Estimate
from ..support.validation import FloatArray, memory
from .interfaces import DensityWithSlope, Divergence, Escaped

# Panels are halved until the integral is resolved to the tolerance, or each to a share of what is
# not known of log p̂, there or on average.
_SHARE_OF_ERROR = 0.2
_ROUNDING = 1e-14
_MOST_HALVINGS = 30
_MOST_PANELS = 1 << 14
# Equal panels laid over the bulk of the law, so that no mode of p̂ between its own is missed.
_BULK_PANELS = 64
# The outer panels of p̂ grow by this factor, so often at the most.
_GROWTH, _MOST_GROWN = 1.5, 100
# Log mass that no longer counts.
_NEGLIGIBLE = -46.0
# A fall of log p̂ over a panel that nodes can still follow, and what stands for no density at all.
_STEEP = 80.0
_LOWEST = -1e6
# Arrays of the size of the nodal values that a comparison holds at once.
_ARRAYS = 8


@dataclass(frozen=True, eq=False)
class NodalValues:
    """log p and log p̂ at the n nodes of P panels, for R training times.

    Attributes:
        panels: the panels.
        log_p: log density of the law, normalised on the domain (P, n); −∞ outside it.
        log_q: log p̂ of every training time (R, P, n).
        log_error: estimated error of log p̂ (R, P, n).
        integrand: what is integrated, there (R, P, n).
    """

    panels: Panels
    log_p: FloatArray
    log_q: FloatArray
    log_error: FloatArray
    integrand: FloatArray

    def __getitem__(self, index: np.ndarray) -> "NodalValues":
        return NodalValues(
            self.panels[index],
            self.log_p[index],
            self.log_q[:, index],
            self.log_error[:, index],
            self.integrand[:, index],
        )

    @classmethod
    def joined(cls, parts: list["NodalValues"]) -> "NodalValues":
        """Return the panels of all parts, from left to right."""

        def together(name: str, axis: int) -> FloatArray:
            return np.concatenate([getattr(part, name) for part in parts], axis)

        left, right = (
            np.concatenate([getattr(part.panels, end) for part in parts])
            for end in ("left", "right")
        )
        unordered = cls(
            Panels(left, right),
            together("log_p", 0),
            *(together(name, 1) for name in ("log_q", "log_error", "integrand")),
        )
        return unordered[np.argsort(left, kind="stable")]

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

    @property
    def missed(self) -> FloatArray:
        """What of the defect the known errors of p̂ on the panels do not explain, (R,)."""
        explained = self.weighted_error() + self.panels.tails(self.q).sum(-1)
        return np.asarray(np.maximum(self.defect - explained, 0.0))

    def integral(self) -> FloatArray:
        """Return the integral, (R,)."""
        return self.panels.integrals(self.integrand).sum(-1)

    def absolute_integral(self) -> FloatArray:
        """Return the integral of the absolute value, (R,)."""
        return self.panels.absolute_integrals(self.integrand).sum(-1)

    def unresolved(self) -> FloatArray:
        """Return the quadrature error of the integral, (R,)."""
        rounding = _ROUNDING * self.panels.integrals(np.abs(self.integrand))
        return (self.panels.tails(self.integrand) + rounding).sum(-1)

    def weighted_error(self, weight: FloatArray | float = 1.0) -> FloatArray:
        """Return ∫ p̂·weight·|error of log p̂|, (R,)."""
        return self.panels.integrals(self.q * self.log_error * weight).sum(-1)


# What is integrated: nodes x (P, n), log p there and log p̂ (R, P, n) to values (R, P, n).
Integrand = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True, eq=False)
class PanelComparison:
    """p beside a p̂ that is known as a function of x.

    Args:
        learned: p̂.
        law: p.
        tolerance: of an integral, to which panels are halved.
    """

    learned: DensityWithSlope
    law: Any
    tolerance: float

    knows_slope = True

    @cached_property
    def reference(self) -> Reference:
        """P on the domain."""
        return Reference(self.law, self.learned.domain)

    @property
    def escaped(self) -> Escaped:
        """Mass of p̂ that may be elsewhere, (R,)."""
        found = self.learned.escaped
        return Escaped(found.mass.ravel(), found.square.ravel(), found.ends.reshape(2, -1))

    def integrate(self, divergence: Divergence) -> Estimate:
        """Return a divergence with its error, shape (…)."""
        found, shape = divergence.on_panels(self), self.learned.shape
        value, error = found.value.reshape(shape), found.error.reshape(shape)
        if divergence.limit is not None:
            value = np.where(self.learned.normalizable, value, divergence.limit)
            error = np.where(self.learned.normalizable, error, 0.0)
        error = np.where(np.isfinite(value), error, 0.0)
        if np.isfinite(self.learned.support).all():
            # A density exists on a bounded domain: where log Z is not finite it is not known.
            error = np.where(self.learned.normalizable, error, np.inf)
        return Estimate(value, error, found.error_covers)

    def resolved(self, integrand: Integrand) -> NodalValues:
        """Return both laws on panels, halved until the integrand is resolved."""
        error = self.learned.error
        noise = _SHARE_OF_ERROR * np.where(np.isfinite(error), error, 0.0).reshape(-1, 1)
        n_panels, accepted = 0, list[NodalValues]()

        def examine(panels: Panels) -> tuple[NodalValues, Mask]:
            nonlocal n_panels
            n_panels += len(panels.left)
            memory("the comparison", 8.0 * _ARRAYS * len(noise) * n_panels * ORDER)
            values = self._evaluate(integrand, panels)
            done = _resolved(values, self.tolerance / len(panels.left), noise)
            if n_panels + 2 * (~done).sum() > _MOST_PANELS:
                done[:] = True
            return values, done

        bisect(
            Panels.between(self._first_edges()), examine, accepted.append,
            lambda found: found.panels.halves(), most_halvings=_MOST_HALVINGS,
        )  # fmt: skip
        return NodalValues.joined(accepted)

    def _evaluate(self, integrand: Integrand, panels: Panels) -> NodalValues:
        x = panels.x
        log_p = self.reference.log_density(x)
        log_q = self.learned.log_density(x).reshape(-1, *x.shape)
        error = self.learned.log_density_error(x).reshape(log_q.shape)
        error = np.where(np.isneginf(log_q), 0.0, error)
        return NodalValues(panels, log_p, log_q, error, integrand(x, log_p, log_q))

    def _first_edges(self) -> FloatArray:
        """Return edges of panels from one end of both laws to the other, corners among them."""
        edges, learned = self.reference.edges, self.learned
        core = edges[[0, -1]] if len(edges) < 4 else edges[[1, -2]]
        low, high = min(edges[0], learned.hull[0]), max(edges[-1], learned.hull[1])
        bulk = np.linspace(float(core[0]), float(core[1]), _BULK_PANELS + 1)
        reach = (edges[-1] - edges[0]) * _GROWTH ** np.arange(_MOST_GROWN)
        ends = np.array([low, high, *learned.domain])
        parts = [edges, bulk, learned.breakpoints, edges[0] - reach, edges[-1] + reach, ends]
        merged = np.unique(np.concatenate(parts))
        return merged[(merged >= low) & (merged <= high)]


def spread(reference: Reference) -> float:
    """Return the standard deviation of a law on a domain."""
    panels = Panels.between(reference.edges)
    weighted = np.exp(reference.log_density(panels.x))
    total, mean = (float(panels.integrals(weighted * panels.x**k).sum()) for k in (0, 1))
    square = panels.integrals(weighted * (panels.x - mean / total) ** 2).sum()
    return float(np.sqrt(square / total))


def _resolved(values: NodalValues, share: float, noise: FloatArray) -> Mask:
    """Return which panels, (P,), need no halving: unknown p̂ is not worth resolving further."""
    size = np.abs(values.integrand).max(-1) * 2.0 * values.panels.half
    noise = np.maximum(noise, _SHARE_OF_ERROR * values.log_error.max(-1))
    allowed = np.maximum(share, size * np.maximum(noise, _ROUNDING))
    unresolved = values.panels.tails(values.integrand) > allowed
    return np.asarray(~(unresolved | may_hide_a_peak(values.panels, values.log_q)).any(0))


def may_hide_a_peak(panels: Panels, log_q: FloatArray) -> np.ndarray:
    """Return where p̂ may have mass between nodes at which it underflows, (R, P).

    The top of log p̂ is taken at the nodes, at both ends, and above an inner node by what a parabola
    can add, which is all that log p̂ is between the kinks of a score integral.
    """
    log_q = np.maximum(log_q, _LOWEST)
    ends = panels.at_ends(log_q)
    node = np.clip(log_q.argmax(-1)[..., None], 1, ORDER - 2)
    before, at, after = (np.take_along_axis(log_q, node + k, -1)[..., 0] for k in (-1, 0, 1))
    bulge = 0.25 * np.maximum(at - np.minimum(before, after), 0.0)
    top = np.maximum(log_q.max(-1) + bulge, ends.max(-1))
    steep = top - np.minimum(log_q.min(-1), ends.min(-1)) > _STEEP
    return np.asarray(steep & (top + np.log(2.0 * panels.half) > _NEGLIGIBLE))
