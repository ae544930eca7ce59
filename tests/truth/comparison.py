"""Divergences between a known law and a score-integral density, by brute force.

Everything is integrated on panels between all kinks and edges, halved until log p̂ changes little
over each; the same with rules of lower order says how well the integrals are known.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from flint import arb

from .arithmetic import double_gauss_legendre, exact
from .laws import Density, Domain
from .potentials import Pieces, Smooth, integration, relu_pieces
from .process import Features

_ORDERS = 20, 14
_CHANGE = 4.0
_UNSEEN = 760.0
_ROUNDING = 4e-15
# Halvings of panels over which an integrand's modulus has a kink.
_SIGN_ROUNDS = 26
_NEWTON_STEPS = 12
_KINKED = "total-variation", "wasserstein-1"


@dataclass
class Known:
    """A number and how well the reference itself knows it."""

    value: float
    error: float


class Learned:
    """A score-integral density on a domain: its potential, panels, and whether Z is finite."""

    def __init__(
        self, features: Features, theta: list[arb], t: float, law: Density, domain: Domain
    ) -> None:
        self.law, self.domain, self.normalizable = law, domain, True
        if features.activation != "relu":
            self.edges = _smooth_edges(features, theta, t, law, domain)
            self.potentials = [Smooth(features, theta, t, self.edges, order) for order in _ORDERS]
            return
        low, high = domain
        infinite = not np.isfinite(domain).all()
        if infinite:
            b = features.biases(exact(t))
            kinks = [float((-x / w).mid()) for x, w in zip(b, features.w, strict=True) if w != 0]
            low, high = min([law.hull[0], *kinks]) - 1.0, max([law.hull[1], *kinks]) + 1.0
        pieces = relu_pieces(features, theta, t, float(low), float(high), law.edges)
        if infinite:
            low, high, self.normalizable = _extended(pieces, low, high)
        edges = np.unique(np.concatenate([[low, high], pieces.knots, law.edges]))
        self.edges = _halved(edges[(edges >= low) & (edges <= high)], pieces)
        self.potentials = [pieces, pieces]

    def known(self, kind: str) -> Known:
        """Return a divergence from the law and how well it is known."""
        if not self.normalizable:
            return Known(_UNNORMALIZABLE.get(kind, np.inf), 0.0)
        results = []
        for potential, order in zip(self.potentials, _ORDERS, strict=True):
            both = Compared(potential, self.edges, self.law, self.domain, order)
            for _ in range(_SIGN_ROUNDS if kind in _KINKED else 0):
                split = both.changing_sign(kind)
                if not split.any():
                    break
                middle = 0.5 * (both.edges[:-1] + both.edges[1:])[split]
                edges = np.sort(np.concatenate([both.edges, middle]))
                both = Compared(potential, edges, self.law, self.domain, order)
            if kind == "wasserstein-2":
                both = Compared(potential, both.edges_of_transport(), self.law, self.domain, order)
            results.append(KINDS[kind](both))
        (fine, size), (coarse, _) = results
        return Known(fine, abs(fine - coarse) + _ROUNDING * (1.0 + abs(size)))

    def mean_log(self, points: np.ndarray) -> Known:
        """Return (1/n) Σ log p̂(x_i)."""
        if not self.normalizable:
            return Known(-np.inf, 0.0)
        values, size = [], 1.0
        for potential, order in zip(self.potentials, _ORDERS, strict=True):
            q = potential(points)
            log_z = Compared(potential, self.edges, self.law, self.domain, order).log_z
            values.append(float(q.mean()) - log_z)
            size = 1.0 + float(np.abs(q).mean())
        return Known(values[0], abs(values[0] - values[1]) + _ROUNDING * size)


def _extended(pieces: Pieces, low: float, high: float) -> tuple[float, float, bool]:
    """Return ends beyond which p̂ has nothing, or that its outer pieces rise for ever."""
    left = -pieces.slope[0], pieces.curvature[0]
    right = float(pieces.score(np.array([high]))[0]), pieces.curvature[-1]
    reach = []
    for slope, curvature in (left, right):
        if curvature > 0 or (curvature == 0 and slope >= 0):
            return low, high, False
        top = max(0.0, -slope / curvature) if curvature else 0.0
        drop = np.sqrt(2 * _UNSEEN / -curvature) if curvature else _UNSEEN / -slope
        reach.append(top + drop)
    return low - reach[0], high + reach[1], True


def _halved(edges: np.ndarray, pieces: Pieces) -> np.ndarray:
    """Return edges between which log p̂ changes little, wherever it counts."""
    top = -np.inf
    for _ in range(60):
        a, b = edges[:-1], edges[1:]
        middle = 0.5 * (a + b)
        i = np.clip(np.searchsorted(pieces.knots, middle, side="right") - 1, 0, None)
        d = a - pieces.knots[i], b - pieces.knots[i]
        with np.errstate(divide="ignore", invalid="ignore"):
            vertex = np.clip(np.nan_to_num(-pieces.slope[i] / pieces.curvature[i]), *d)
        ends = np.stack([
            pieces.value[i] + e * (pieces.slope[i] + 0.5 * pieces.curvature[i] * e)
            for e in (*d, vertex)
        ])  # fmt: skip
        most, least = ends.max(0), ends.min(0)
        top = max(top, most.max())
        split = (most - least > _CHANGE) & (most > top - _UNSEEN) & (b - a > 1e-13 * np.abs(b))
        if not split.any():
            break
        edges = np.sort(np.concatenate([edges, middle[split]]))
    return edges


def _smooth_edges(
    features: Features, theta: list[arb], t: float, law: Density, domain: Domain
) -> np.ndarray:
    low, high = domain
    steepest = max(abs(float(w)) for w in features.w) or 1.0
    n = int(np.ceil((high - low) * steepest / 1.5)) + 1
    edges = np.unique(np.concatenate([np.linspace(low, high, n + 1), law.edges]))
    edges = edges[(edges >= low) & (edges <= high)]
    for _ in range(30):
        fine = Smooth(features, theta, t, edges, 6)
        change = np.abs(fine.at_nodes).max(1) * np.diff(edges)
        most = np.maximum(fine.ends[:-1], fine.ends[1:])
        split = (change > _CHANGE) & (most + change > fine.ends.max() - _UNSEEN)
        if not split.any():
            break
        edges = np.sort(np.concatenate([edges, 0.5 * (edges[:-1] + edges[1:])[split]]))
    return edges


class Compared:
    """A law p and p̂ at the nodes of panels, both normalised on the domain."""

    def __init__(
        self, potential: "Pieces | Smooth", edges: np.ndarray, law: Density, domain: Domain,
        order: int,
    ) -> None:  # fmt: skip
        u, self.w = double_gauss_legendre(order)
        self.edges, self.width, self.order = edges, np.diff(edges), order
        self.potential, self.law = potential, law
        self.x = edges[:-1, None] + self.width[:, None] * u
        q = potential(self.x)
        log_p = law.log_density(self.x)
        inside = (self.x > domain[0]) & (self.x < domain[1])
        log_p = np.where(inside, log_p, -np.inf)
        shift = q.max()
        self.log_z = shift + np.log(self.total(np.exp(q - shift)))
        self.log_mass = np.log(self.total(np.exp(log_p)))
        self.log_p, self.log_q = log_p - self.log_mass, q - self.log_z

    def changing_sign(self, kind: str) -> np.ndarray:
        """Return the panels over which the difference under a modulus changes sign."""
        if kind == "total-variation":
            inner = self.p - self.q
            # Just inside the ends, where a bounded law still has its density.
            ends = [self._difference(self.edges[:-1]), self._difference(self.edges[1:])]
        else:
            inner = self.cdfs[0] - self.cdfs[1]
            masses = [np.cumsum((density @ self.w) * self.width) for density in (self.p, self.q)]
            at_edges = np.concatenate([[0.0], masses[0] - masses[1]])
            ends = [at_edges[:-1], at_edges[1:]]
        gap = np.column_stack([ends[0], inner, ends[1]])
        size = np.abs(gap).max(1)
        crossing = (gap.min(1) < 0) & (gap.max(1) > 0)
        return crossing & (size * self.width > 1e-15) & (self.width > 1e-12)

    def _difference(self, x: np.ndarray) -> np.ndarray:
        """Return p − p̂."""
        return np.exp(self.law_log_density(x)) - np.exp(self.potential(x) - self.log_z)

    def total(self, values: np.ndarray) -> float:
        """Return the integral of nodal values."""
        return float(((values @ self.w) * self.width).sum())

    @cached_property
    def p(self) -> np.ndarray:
        """Density of the law."""
        return np.exp(self.log_p)

    @cached_property
    def q(self) -> np.ndarray:
        """Learned density."""
        return np.exp(self.log_q)

    @cached_property
    def gap(self) -> np.ndarray:
        """Log p − log p̂ where p > 0, else 0."""
        return np.where(self.p > 0, self.log_p, self.log_q) - self.log_q

    def kl(self) -> tuple[float, float]:
        """Return ∫ p log(p/p̂) and the integral of its modulus."""
        return self.total(self.p * self.gap), self.total(self.p * np.abs(self.gap))

    def reverse_kl(self) -> tuple[float, float]:
        """Return ∫ p̂ log(p̂/p)."""
        ratio = self.log_q - self.log_p
        terms = np.where(self.q > 0, self.q * np.where(np.isfinite(ratio), ratio, 0.0), 0.0)
        return self.total(terms), self.total(np.abs(terms))

    def jensen_shannon(self) -> tuple[float, float]:
        """Return ½KL(p‖m) + ½KL(p̂‖m)."""
        middle = np.logaddexp(self.log_p, self.log_q) - np.log(2.0)
        terms = 0.0
        for density, log in ((self.p, self.log_p), (self.q, self.log_q)):
            terms = terms + 0.5 * np.where(density > 0, density * np.where(
                density > 0, log - middle, 0.0), 0.0)  # fmt: skip
        return self.total(terms), self.total(np.abs(terms))

    def total_variation(self) -> tuple[float, float]:
        """Return ½∫|p − p̂|."""
        value = 0.5 * self.total(np.abs(self.p - self.q))
        return value, 1.0

    def fisher(self) -> tuple[float, float]:
        """Return ∫ p (∂ log p − ∂ log p̂)²."""
        values = self.p * (self.law.score(self.x) - self.potential.score(self.x)) ** 2
        return self.total(values), self.total(np.abs(values))

    @cached_property
    def cdfs(self) -> tuple[np.ndarray, np.ndarray]:
        """Distribution functions at the nodes."""
        out = []
        for density in (self.p, self.q):
            masses = (density @ self.w) * self.width
            left = np.concatenate([[0.0], np.cumsum(masses)])[:-1]
            inner = self.width[:, None] * (density @ integration(self.order).T)
            out.append(left[:, None] + inner)
        return out[0], out[1]

    def wasserstein_1(self) -> tuple[float, float]:
        """Return ∫|F − F̂|."""
        law, learned = self.cdfs
        return self.total(np.abs(law - learned)), self.total(np.ones_like(self.x) * 1e-1)

    def wasserstein_2(self) -> tuple[float, float]:
        """Return (∫ (x − F̂⁻¹(F(x)))² p dx)^½."""
        y = self.learned_mass.quantiles(np.clip(self.cdfs[0].ravel(), 0.0, 1.0))
        value = float(np.sqrt(self.total((self.x - y.reshape(self.x.shape)) ** 2 * self.p)))
        # Distribution functions round to 1e-16, which the square of the length multiplies.
        length = self.edges[-1] - self.edges[0]
        return value, 1.0 + value + 0.2 * length**2 / max(value, 1e-6)

    def edges_of_transport(self) -> np.ndarray:
        """Return edges between which the map from p to p̂ is smooth."""
        mass = Mass(self.edges, lambda x: np.exp(self.law_log_density(x)))
        return np.union1d(self.edges, mass.quantiles(self.learned_mass.ends[1:-1]))

    def law_log_density(self, x: np.ndarray) -> np.ndarray:
        """Return log p(x), normalised."""
        return self.law.log_density(x) - self.log_mass

    @cached_property
    def learned_mass(self) -> "Mass":
        """The distribution of p̂."""
        return Mass(self.edges, lambda x: np.exp(self.potential(x) - self.log_z))


class Mass:
    """Masses of a density on panels, and its quantiles."""

    def __init__(self, edges: np.ndarray, density: Callable[[np.ndarray], np.ndarray]) -> None:
        self.edges, self.width, self.density = edges, np.diff(edges), density
        self.u, self.w = double_gauss_legendre(16)
        x = edges[:-1, None] + self.width[:, None] * self.u
        self.masses = (density(x) @ self.w) * self.width
        self.ends = np.concatenate([[0.0], np.cumsum(self.masses)])

    def quantiles(self, level: np.ndarray) -> np.ndarray:
        """Return F⁻¹ by Newton's method within panels, on exact masses."""
        i = np.clip(np.searchsorted(self.ends, level, side="right") - 1, 0, len(self.masses) - 1)
        left, width, target = self.edges[i], self.width[i], level - self.ends[i]
        low, high = np.zeros_like(level), np.ones_like(level)
        whole = self.masses[i]
        s = np.divide(target, whole, out=np.full_like(level, 0.5), where=whole > 0)
        s = np.clip(s, 0.0, 1.0)
        for _ in range(_NEWTON_STEPS):
            x = left[:, None] + (width * s)[:, None] * self.u
            excess = (self.density(x) @ self.w) * width * s - target
            low, high = np.where(excess < 0, s, low), np.where(excess < 0, high, s)
            slope = self.density(left + width * s) * width
            step = np.divide(excess, slope, out=np.zeros_like(s), where=slope > 0)
            s = s - step
            s = np.where((s >= low) & (s <= high), s, 0.5 * (low + high))
        return left + width * s


KINDS = {
    "kl": Compared.kl,
    "reverse-kl": Compared.reverse_kl,
    "jensen-shannon": Compared.jensen_shannon,
    "total-variation": Compared.total_variation,
    "wasserstein-1": Compared.wasserstein_1,
    "wasserstein-2": Compared.wasserstein_2,
    "fisher": Compared.fisher,
}
_UNNORMALIZABLE = {"kl": np.inf, "reverse-kl": np.inf, "jensen-shannon": np.log(2.0),
                   "total-variation": 1.0}  # fmt: skip


def flat(points: np.ndarray) -> Density:
    """Return a density to lay panels by where there is no law: flat around the points."""
    spread = max(float(np.ptp(points)), 1e-3)
    ends = np.linspace(points.min() - spread, points.max() + spread, 65)
    return Density(lambda x: np.zeros(x.shape), (ends[0], ends[-1]), ends)
