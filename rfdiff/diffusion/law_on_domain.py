"""A known law on a domain, as the reference of a divergence: mass, entropy, tail moments, nodes.

The law is restricted to the domain (a, b) and normalised there. Mixtures have closed-form mass and
moments (point masses allowed); any other one-dimensional law with `log_density` and `domain()` is
integrated on panels that are bisected until its density is resolved.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import roots_legendre

from .._kernels.mixture_tails import mixture_tails
from ..numerics.adaptive_panels import adaptive_panels
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray, interval
from .mixtures import GaussianMixture

Domain = tuple[float, float]

# The share of the reference law a domain must hold: below it a comparison means little.
_MINIMUM_MASS = 0.99
# Standard deviations beyond which a normal density underflows.
_FAR = 39.0
_TOLERANCE = 1e-12
# Floats in a standard deviation of the narrowest mode that can be integrated over.
_FEWEST_FLOATS = 4
_ORDER = 16


class Law(Protocol):
    """A one-dimensional law with a density: a mixture, a compact target, or the caller's own."""

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Return log p(x), −∞ where the density vanishes."""

    def domain(self) -> Domain:
        """Return an interval that holds all of the mass that counts."""


def parse_domain(domain: Any) -> Domain:
    """Return a domain as a pair: (a, b), or `np.inf` for the whole line.

    >>> parse_domain(np.inf)
    (-inf, inf)
    """
    if isinstance(domain, float | int) and domain == np.inf:
        return -np.inf, np.inf
    if np.shape(domain) == (2,) and tuple(domain) == (-np.inf, np.inf):
        return -np.inf, np.inf
    return interval("domain", domain)


@dataclass(frozen=True)
class Reference:
    """A law p restricted to `domain` and normalised there.

    >>> from rfdiff.diffusion.mixtures import bimodal
    >>> Reference(bimodal(3.0), (-10.0, 10.0)).entropy
    2.10824 ± ...
    """

    law: Any
    domain: Domain

    def __post_init__(self) -> None:
        if getattr(self.law, "dimension", 1) != 1:
            raise ArgumentError("densities on a domain need a one-dimensional law")
        if isinstance(self.law, GaussianMixture):
            _check_resolvable(self.law.means[:, 0], self.law.stds)
        object.__setattr__(self, "domain", parse_domain(self.domain))
        mass = float(self.mass)
        if mass < _MINIMUM_MASS:
            a, b = self.domain
            raise ArgumentError(
                f"domain must hold at least {_MINIMUM_MASS:.0%} of the reference law, "
                f"({a:g}, {b:g}) holds {mass:.3g}"
            )

    @cached_property
    def mass(self) -> Estimate:
        """Mass of the law on the domain."""
        if isinstance(self.law, GaussianMixture):
            return Estimate(self.law.cdf(self.domain[1]) - self._below(self.law), 4e-16)
        return Estimate(self._integrals.value[0], self._integrals.error[0])

    def _below(self, law: GaussianMixture) -> float:
        """Return P(X < a), a the lower end of the domain: a point mass there is inside."""
        a = self.domain[0]
        at_end = (law.means[:, 0] == a) & (law.stds == 0.0)
        return float(law.cdf(a) - law.weights[at_end].sum())

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Return log p(x), normalised on the domain; −∞ outside it."""
        x = np.asarray(x, dtype=np.float64)
        inside = (x >= self.domain[0]) & (x <= self.domain[1])
        return np.where(inside, self.law.log_density(x) - np.log(float(self.mass)), -np.inf)

    def cdf(self, x: ArrayLike) -> FloatArray:
        """Return P(X ≤ x) of the normalised law, to quadrature error."""
        x = np.clip(np.asarray(x, dtype=np.float64), *self.domain)
        if isinstance(self.law, GaussianMixture):
            return np.asarray((self.law.cdf(x) - self._below(self.law)) / float(self.mass))
        edges = self.edges
        x = np.asarray(np.clip(x, edges[0], edges[-1]))
        panel = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
        below = np.append(0.0, np.cumsum(self._masses(edges[:-1], edges[1:])))
        return np.asarray(below[panel] + self._masses(edges[panel], x))

    def _masses(self, left: FloatArray, right: FloatArray) -> FloatArray:
        """Return the mass of intervals that each lie in one panel, shaped as their ends."""
        nodes, weights = roots_legendre(_ORDER)
        half = 0.5 * (right - left)
        x = left[..., None] + half[..., None] * (1.0 + nodes)
        return np.asarray(half * (np.exp(self.log_density(x)) @ weights))

    @cached_property
    def entropy(self) -> Estimate:
        """Differential entropy −∫ p log p of the normalised law."""
        mass = float(self.mass)
        value = np.log(mass) - self._integrals.value[1] / mass
        return Estimate(value, self._integrals.error.sum() / mass + 1e-15)

    @property
    def edges(self) -> FloatArray:
        """Edges of panels on which the law is resolved, from one end of its range to the other."""
        return self._resolved[0]

    @property
    def _integrals(self) -> Estimate:
        """∫ p and ∫ p log p over the domain, before normalisation."""
        return self._resolved[1]

    @cached_property
    def _resolved(self) -> tuple[FloatArray, Estimate]:
        def integrand(x: FloatArray) -> FloatArray:
            log_p = self.law.log_density(x)
            p = np.exp(log_p)
            return np.stack([p, p * np.where(p > 0, log_p, 0.0)])

        return adaptive_panels(integrand, self._initial_edges(), _TOLERANCE)

    def _initial_edges(self) -> FloatArray:
        if not isinstance(self.law, GaussianMixture):
            low, high = self.law.domain()
            low, high = max(low, self.domain[0]), min(high, self.domain[1])
            if not low < high:
                raise ArgumentError(f"domain must overlap the law's own range, got {self.domain}")
            return np.linspace(low, high, 17)
        means, stds = self.law.means[:, 0], self.law.stds
        low = max(float((means - _FAR * stds).min()), self.domain[0])
        high = min(float((means + _FAR * stds).max()), self.domain[1])
        offsets = np.array([-8.0, -4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 8.0])
        inner = np.unique(means[:, None] + offsets * stds[:, None])
        # Many components share panels: cells of half the smallest width keep one edge each.
        _, first = np.unique(np.floor((inner - low) / (0.5 * stds.min())), return_index=True)
        inner = inner[first]
        return np.concatenate([[low], inner[(inner > low) & (inner < high)], [high]])

    def upper_tails(self, points: FloatArray) -> Estimate:
        """E[(x − κ)ᵏ; x > κ], k = 0, 1, 2, of the normalised law at points κ: (3, P)."""
        return self._tails(points, 1)

    def lower_tails(self, points: FloatArray) -> Estimate:
        """E[(κ − x)ᵏ; x < κ], k = 0, 1, 2, of the normalised law at points κ: (3, P)."""
        return self._tails(points, -1)

    def _tails(self, points: FloatArray, sign: int) -> Estimate:
        end = self.domain[1] if sign > 0 else -self.domain[0]
        mass = float(self.mass)
        if isinstance(self.law, GaussianMixture):
            value, error = _mixture_tails(self.law, sign * points, end, sign)
        else:
            value, error = self._quadrature_tails(points, sign)
        return Estimate(value / mass, error / mass + value / mass * float(self.mass.error))

    def _quadrature_tails(self, points: FloatArray, sign: int) -> tuple[FloatArray, FloatArray]:
        """Tail moments by interval moments between the sorted points and the law's panels."""
        edges = np.unique(np.concatenate([sign * self.edges, sign * points]))
        results = []
        for order in (_ORDER, _ORDER // 2):
            nodes, weights = roots_legendre(order)
            half = 0.5 * np.diff(edges)
            offset = half[:, None] * (1.0 + nodes)
            density = np.exp(self.law.log_density(sign * (edges[:-1, None] + offset)))
            inside = density * weights * half[:, None]
            tails = np.zeros((3, len(edges)))
            width = 2.0 * half
            for k in range(len(width) - 1, -1, -1):
                m0, m1, m2 = tails[:, k + 1]
                h = width[k]
                tails[0, k] = inside[k].sum() + m0
                tails[1, k] = inside[k] @ offset[k] + m1 + h * m0
                tails[2, k] = inside[k] @ offset[k] ** 2 + m2 + 2.0 * h * m1 + h * h * m0
            results.append(tails[:, np.searchsorted(edges, sign * points)])
        fine, coarse = results
        return fine, np.abs(fine - coarse) + 1e-15 * fine


def _check_resolvable(means: FloatArray, stds: FloatArray) -> None:
    """Refuse to integrate over modes that lie between two floats."""
    spacing = np.spacing(np.abs(means))
    narrow = (stds > 0.0) & (stds < _FEWEST_FLOATS * spacing)
    if narrow.any():
        k = int(np.argmax(narrow))
        raise ArgumentError(
            f"law must have modes that floats resolve, got std {stds[k]:g} at {means[k]:g}, where "
            f"floats are {spacing[k]:.2g} apart"
        )


def _mixture_tails(
    law: GaussianMixture, points: FloatArray, end: float, sign: int
) -> tuple[FloatArray, FloatArray]:
    """Moments of (x − κ)ᵏ on (κ, end) of the mixture reflected by `sign`: (3, P), with rounding."""
    means = sign * law.means[:, 0]
    order = np.argsort(means, kind="stable")
    points = np.ascontiguousarray(points, dtype=np.float64)
    finite_end = np.isfinite(end)
    grid = np.append(points, end) if finite_end else points
    tails = np.empty((3, len(grid)))
    mixture_tails(law.weights[order], means[order], law.stds[order], grid, tails)
    spread = means.max() - means.min() + 9.0 * law.stds.max()
    size = tails + spread ** np.arange(3)[:, None] * tails[0]
    if finite_end:
        m0, m1, m2 = tails[:, -1]
        tails, size = tails[:, :-1], size[:, :-1]
        gap = end - points
        beyond = np.stack([np.full_like(gap, m0), m1 + gap * m0, m2 + gap * (2.0 * m1 + gap * m0)])
        tails, size = np.maximum(tails - beyond, 0.0), size + beyond
    return tails, 4e-16 * size
