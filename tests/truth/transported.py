"""Densities of the reverse SDE, by a solver of its own.

It runs in y = x/r against v = σ_t/r, where dy = r s d(v²) + dW; its Fokker–Planck equation is
solved by Crank–Nicolson on a grid that moves with the noise, and with half and a quarter of the
steps and nodes, which says how well it is known.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from flint import arb
from scipy.interpolate import CubicSpline
from scipy.linalg import solve_banded

from .arithmetic import double_gauss_legendre, doubles, exact
from .comparison import Known
from .laws import Density
from .model import Truth

_GRID_STEPS, _CELLS = 3000, 6000
_REACH, _FARTHEST = 13.0, 100.0
# Where rounding and Crank–Nicolson's oscillations take over.
_THIN = 1e-24


class Clock:
    """r, σ, v and the features' biases along times uniform in ln v, from t up to T."""

    def __init__(self, truth: Truth, t: float, n_steps: int, theta: list[arb]) -> None:
        process, features = truth.process, truth.features
        start, end = exact(t), exact(truth.t_max)
        ratios = [process.std(s) / process.scale(s) for s in (start, end)]
        self.log_v = np.linspace(*(float(v.log().mid()) for v in ratios), n_steps + 1)
        self.v = np.exp(self.log_v)
        times = _times(truth, self.v)
        times[0], times[-1] = t, truth.t_max
        self.r = np.array([float(process.scale(exact(s)).mid()) for s in times])
        self.std = self.r * self.v
        self.bias = np.array([doubles(features.biases(exact(s))) for s in times])
        gain = np.array([float(features.gain(exact(s)).mid()) for s in times])
        self.w, self.output = doubles(features.w), doubles(theta) * gain[:, None]

    def score(self, x: np.ndarray, k: int) -> np.ndarray:
        """Return s(x) at the k-th time."""
        return np.maximum(np.multiply.outer(x, self.w) + self.bias[k], 0.0) @ self.output[k]


def _times(truth: Truth, v: np.ndarray) -> np.ndarray:
    """Return the times at which σ_t/r is v, in closed form."""
    process = truth.process
    first, second, T = (float(x.mid()) for x in (process.first, process.second, process.T))
    if process.kind == "VESDE":
        rate = 2.0 * np.log(first)
        return np.log1p(rate * v * v) / rate
    integral = np.log1p(v * v) if process.kind == "VPSDE" else 2.0 * np.arcsinh(0.5 * v)
    slope = (second - first) / T
    # ½ slope t² + first t = integral, without cancellation.
    return 2.0 * integral / (first + np.sqrt(first * first + 2.0 * slope * integral))


@dataclass
class OnNodes:
    """A law and p̂ at nodes of panels, with both distribution functions there."""

    w: np.ndarray
    log_p: np.ndarray
    log_q: np.ndarray
    law_below: np.ndarray
    learned_below: np.ndarray
    beyond: float

    def value(self, kind: str) -> float:
        """Return a divergence."""
        p, q = np.exp(self.log_p), np.exp(self.log_q)
        if kind == "kl":
            return float((self.w * p * (self.log_p - self.log_q)).sum())
        if kind == "total-variation":
            return float(0.5 * (self.w * np.abs(p - q)).sum() + 0.5 * self.beyond)
        if kind == "jensen-shannon":
            middle = np.logaddexp(self.log_p, self.log_q) - np.log(2.0)
            terms = p * (self.log_p - middle) + q * (self.log_q - middle)
            return float(0.5 * (self.w * terms).sum() + 0.5 * np.log(2.0) * self.beyond)
        return float((self.w * np.abs(self.law_below - self.learned_below)).sum())


def _nodes(
    law: Density, parts: int, reach: float, order: int = 8
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return edges, nodes and weights on the bulk of a law and beyond, panels cut into parts."""
    log_p = law.log_density(law.edges)
    edges = _widened(law.edges[log_p > log_p.max() - 110.0], reach)
    cut = np.arange(parts) / parts
    edges = np.append((edges[:-1, None] + np.diff(edges)[:, None] * cut).ravel(), edges[-1])
    u, w = double_gauss_legendre(order)
    width = np.diff(edges)[:, None]
    return edges, (edges[:-1, None] + width * u).ravel(), (width * w).ravel()


def _widened(edges: np.ndarray, reach: float) -> np.ndarray:
    """Return edges that go on for a reach on both sides, in growing panels."""
    grown = np.geomspace(0.02 * reach, reach, 24)
    return np.concatenate([edges[0] - grown[::-1], edges, edges[-1] + grown])


def _law_cdf(law: Density, x: np.ndarray) -> np.ndarray:
    """Return the distribution function of a law at sorted points, by Gauss–Legendre between."""
    u, w = double_gauss_legendre(6)
    ends = np.concatenate([[min(law.hull[0], x[0] - 1.0)], x])
    ends = np.union1d(ends, law.edges[law.edges < x[-1]])
    width = np.diff(ends)[:, None]
    below = np.cumsum((np.exp(law.log_density(ends[:-1, None] + width * u)) @ w) * width[:, 0])
    return below[np.searchsorted(ends, x) - 1]


def reverse_divergences(
    kinds: list[str], truth: Truth, theta: list[arb], t: float, law: Density
) -> dict[str, Known]:
    """Return divergences of the reverse SDE's law."""
    found, quadrature = [], {}
    for share in (1, 2, 4):
        clock = Clock(truth, t, _GRID_STEPS // share, theta)
        log_density, below, reach = _fokker_planck(clock, truth, law, _CELLS // share)
        values = []
        for parts in (16, 11):
            edges, x, w = _nodes(law, parts, reach)
            beyond = 1.0 - float(np.diff(below(edges[[0, -1]]))[0])
            log_p = law.log_density(x)
            nodes = OnNodes(w, log_p, log_density(x), _law_cdf(law, x), below(x), beyond)
            values.append({kind: nodes.value(kind) for kind in kinds})
        found.append(values[0])
        quadrature = {k: abs(values[0][k] - values[1][k]) for k in kinds}
    out, lost = {}, 1e-11 + max(beyond, 0.0) * float(np.abs(edges).max())
    for kind in kinds:
        fine, half, quarter = (values[kind] for values in found)
        better, worse = fine + (fine - half) / 3.0, half + (half - quarter) / 3.0
        doubt = abs(better - worse) + 1e-3 * abs(fine - half) + 2.0 * quadrature[kind] + lost
        out[kind] = Known(better, doubt)
    return out


Function = Callable[[np.ndarray], np.ndarray]


def _fokker_planck(
    clock: Clock, truth: Truth, law: Density, cells: int, ends: float = _REACH
) -> tuple[Function, Function, float]:
    """Return log p̂ and the distribution function at t, and how far beyond the law they reach."""
    log_p = law.log_density(law.edges)
    bulk = law.edges[log_p > log_p.max() - 60.0]
    spread = np.abs(bulk / clock.r[0]).max() / 9.0
    edges = np.linspace(-ends, ends, cells + 1)
    h, z = edges[1] - edges[0], 0.5 * (edges[1:] + edges[:-1])
    size = np.sqrt(spread**2 + clock.v**2)
    start = float(truth.process.prior_std.mid()) / (clock.r[-1] * size[-1])
    density = np.exp(-0.5 * (z / start) ** 2) / (start * np.sqrt(2.0 * np.pi))
    last = len(clock.v) - 1

    def operator(k: int) -> np.ndarray:
        """Return bands of dφ/d ln v (downwards), conservative, no flux through the ends."""
        inner, s = edges[1:-1], size[k]
        drift = clock.r[k] * clock.score(clock.r[k] * s * inner, k) / s + 0.5 * inner / s**2
        spreading = 0.5 / s**2 / h
        rate = 2.0 * clock.v[k] ** 2 / h
        # F at an inner edge is drift (φ_i + φ_{i+1})/2 − D (φ_{i+1} − φ_i)/h.
        left, right = 0.5 * drift + spreading, 0.5 * drift - spreading
        bands = np.zeros((3, cells))
        bands[0, 1:], bands[1, :-1] = -right * rate, -left * rate
        bands[1, 1:] += right * rate
        bands[2, :-1] = left * rate
        return bands

    step = clock.log_v[1] - clock.log_v[0]
    now = operator(last)
    for k in range(last - 1, -1, -1):
        then = operator(k)
        known = density + 0.5 * step * _times_bands(now, density)
        system = -0.5 * step * then
        system[1] += 1.0
        density = solve_banded((1, 1), system, known)
        now = then
    # Mass that is driven to the ends piles up there and oscillates.
    spilled = max(np.abs(density[[0, 1, -2, -1]]).max(), -density.min())
    if spilled > 1e-9 * density.max() and ends < _FARTHEST:
        return _fokker_planck(clock, truth, law, 2 * cells, 2.0 * ends)
    scale = clock.r[0] * size[0]
    log_q = _continued(z, density)
    below = CubicSpline(edges, np.concatenate([[0.0], np.cumsum(density) * h]))
    reach = max(0.9 * ends * scale - np.abs(bulk).max(), 0.1 * scale)
    return (lambda x: log_q(x / scale) - np.log(scale)), (lambda x: below(x / scale)), reach


def _continued(z: np.ndarray, density: np.ndarray) -> Function:
    """Return the logarithm of a density, along lines where it is too thin to be resolved."""
    counts = density > _THIN * density.max()
    top = int(density.argmax())
    first = top - int(np.argmin(np.append(counts[top::-1], False))) + 1
    last = top + int(np.argmin(np.append(counts[top:], False))) - 1
    spline = CubicSpline(z[first : last + 1], np.log(density[first : last + 1]))

    def at(x: np.ndarray) -> np.ndarray:
        inner = np.clip(x, z[first], z[last])
        return spline(inner) + spline(inner, 1) * (x - inner)

    return at


def _times_bands(bands: np.ndarray, x: np.ndarray) -> np.ndarray:
    out = bands[1] * x
    out[:-1] += bands[0, 1:] * x[1:]
    out[1:] += bands[2, :-1] * x[:-1]
    return out
