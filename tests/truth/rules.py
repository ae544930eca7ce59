"""Time rules: the run's own nodes at full precision, and one that needs no certificate.

Entries of G are smooth in t except where two kinks cross; the fine rule has a panel edge at every
crossing, panels graded towards small t, and as many of them as the swiftest kink needs.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from flint import arb
from scipy.optimize import brentq

from .arithmetic import exact, gauss_legendre
from .process import Features, Process

Rule = list[tuple[arb, arb]]

_SAMPLES = 2049
# A kink may move so many of the narrowest widths of p_t over a panel.
_STEP = 2.5
_REACH = 9.0
_LEAST = 2.0**-14


def graded(t_min: float, t_max: float, n_times: int) -> Rule:
    """Return (t, ω) of Gauss–Legendre nodes in u, t = t_min + (T − t_min)u²."""
    low, span = exact(t_min), exact(t_max) - exact(t_min)
    return [((low + span * u * u).mid(), (2 * w * u).mid()) for u, w in gauss_legendre(n_times)]


def panelled(edges: np.ndarray, order: int) -> Rule:
    """Return (t, ω) of a composite rule for the mean over the range of the edges."""
    length = exact(edges[-1]) - exact(edges[0])
    rule = []
    for a, b in itertools.pairwise(edges):
        low, width = exact(a), exact(b) - exact(a)
        rule += [((low + width * u).mid(), (width * w / length).mid())
                 for u, w in gauss_legendre(order)]  # fmt: skip
    return rule


@dataclass(frozen=True)
class Moving:
    """Kinks and widths as functions of t, in doubles, to place the panels by."""

    w: np.ndarray
    u: np.ndarray
    features: Features
    process: Process
    centres: np.ndarray
    widths: np.ndarray

    def at(self, t: float) -> tuple[np.ndarray, float, float, float]:
        """Return b_j, the narrowest width of p_t, and the ends of its support."""
        moment = exact(t)
        e = np.array([float(x.mid()) for x in self.features.embedding(moment)])
        r, s = float(self.process.scale(moment)), float(self.process.std(moment))
        width = np.hypot(r * self.widths, s)
        low, high = (
            (r * self.centres - _REACH * width).min(),
            (r * self.centres + _REACH * width).max(),
        )
        return self.u @ e, float(width.min()), float(low), float(high)


def fine_edges(moving: Moving, t_min: float, t_max: float) -> np.ndarray:
    """Return panel edges in t."""
    octaves = max(1, int(np.ceil(np.log2(t_max / t_min))))
    edges = list(np.geomspace(t_min, t_max, octaves + 1)) + list(np.linspace(t_min, t_max, 9))
    # A smooth activation has its own scale 1/|w| in x, and no kinks that cross.
    smooth = moving.features.activation != "relu"
    rounding = 1.0 / np.abs(moving.w) if smooth else np.zeros_like(moving.w)
    if not smooth:
        edges += _crossings(moving, t_min, t_max)
    edges = np.unique(np.clip(edges, t_min, t_max))
    edges = edges[np.insert(np.diff(edges) > 1e-13, 0, True)]
    edges[-1] = t_max
    done, stack = [t_min], list(itertools.pairwise(edges))[::-1]
    known = {}

    def at(t: float) -> tuple[np.ndarray, float, float, float]:
        if t not in known:
            known[t] = moving.at(t)
        return known[t]

    while stack:
        a, b = stack.pop()
        least = _LEAST * (t_max - t_min) * min(1.0, 8.0 * np.sqrt(b))
        if b - a > least and _moves(moving.w, rounding, at(a), at(b)):
            middle = 0.5 * (a + b)
            stack += [(middle, b), (a, middle)]
        else:
            done.append(b)
    return np.array(done)


def draw_edges(
    features: Features, process: Process, points: list[arb], noise: list[list[arb]],
    t_min: float, t_max: float,
) -> np.ndarray:  # fmt: skip
    """Return panel edges at every time at which a fixed noise draw r x + σ z meets a kink."""
    s = np.linspace(np.sqrt(t_min), np.sqrt(t_max), _SAMPLES)
    t = s * s
    t[0], t[-1] = t_min, t_max
    moments = [exact(x) for x in t]
    scale = np.array([float(process.scale(x).mid()) for x in moments])
    std = np.array([float(process.std(x).mid()) for x in moments])
    b = np.array([[float(x.mid()) for x in features.biases(moment)] for moment in moments])
    octaves = max(1, int(np.ceil(np.log2(t_max / t_min))))
    edges = [*np.geomspace(t_min, t_max, octaves + 1), *np.linspace(t_min, t_max, 9)]
    for x, draws in zip(points, noise, strict=True):
        for z in draws:
            at = float(x.mid()) * scale + float(z.mid()) * std
            for j, w in enumerate(features.w):
                g = at * float(w) + b[:, j]
                for k in np.flatnonzero(g[:-1] * g[1:] < 0):
                    edges.append(brentq(_meeting(features, process, x, z, j), t[k], t[k + 1],
                                        xtol=1e-16, rtol=1e-15))  # fmt: skip
    edges = np.unique(np.clip(edges, t_min, t_max))
    return edges[np.insert(np.diff(edges) > 1e-15, 0, True)]


def _meeting(
    features: Features, process: Process, x: arb, z: arb, j: int
) -> Callable[[float], float]:
    """Return the pre-activation of feature j along a fixed noise draw."""

    def gap(t: float) -> float:
        moment = exact(t)
        at = process.scale(moment) * x + process.std(moment) * z
        return float((features.w[j] * at + features.biases(moment)[j]).mid())

    return gap


def _moves(w: np.ndarray, rounding: np.ndarray, start: tuple, end: tuple) -> bool:
    """Return whether some kink moves too far over a panel, within the support."""
    with np.errstate(divide="ignore", invalid="ignore"):
        first, last = -start[0] / w, -end[0] / w
    width = np.hypot(min(start[1], end[1]), rounding)
    low, high = min(start[2], end[2]), max(start[3], end[3])
    inside = (np.maximum(first, last) > low) & (np.minimum(first, last) < high)
    return bool((inside & (np.abs(first - last) > _STEP * width)).any())


def _crossings(moving: Moving, t_min: float, t_max: float) -> list[float]:
    """Return the times at which two kinks coincide, by secants on a dense grid."""
    s = np.linspace(np.sqrt(t_min), np.sqrt(t_max), _SAMPLES)
    t = s * s
    t[0], t[-1] = t_min, t_max
    e = np.array([[float(x.mid()) for x in moving.features.embedding(exact(x))] for x in t])
    b = e @ moving.u.T
    out = []
    for i in range(len(moving.w)):
        for j in range(i):
            g = b[:, i] * moving.w[j] - b[:, j] * moving.w[i]
            for k in np.flatnonzero(np.sign(g[:-1]) * np.sign(g[1:]) < 0):
                out.append(_root(moving, i, j, t[k], t[k + 1]))
    return out


def _root(moving: Moving, i: int, j: int, low: float, high: float) -> float:
    """Return a crossing by the secant method within a bracket, to rounding."""
    direction = moving.w[j] * moving.u[i] - moving.w[i] * moving.u[j]

    def gap(t: float) -> float:
        e = moving.features.embedding(exact(t))
        return float(sum((exact(d) * x for d, x in zip(direction, e, strict=True)), arb(0)).mid())

    at_low, at_high = gap(low), gap(high)
    for _ in range(60):
        middle = low - at_low * (high - low) / (at_high - at_low)
        if not low < middle < high:
            break
        at_middle = gap(middle)
        if at_middle == 0.0 or high - low < 4e-16 * high:
            return middle
        # The Illinois rule keeps both ends moving.
        if at_middle * at_low < 0:
            high, at_high = middle, at_middle
            at_low *= 0.5
        else:
            low, at_low = middle, at_middle
            at_high *= 0.5
    return 0.5 * (low + high)
