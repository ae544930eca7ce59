"""log p̂ of the score integral: exact pieces for ReLU, spectral integration for smooth scores.

θ may be large where its terms cancel, so coefficients are formed in high precision; what is left
of them, of the size of log p̂ itself, goes to doubles.
"""

from dataclasses import dataclass

import numpy as np
from flint import arb

from .arithmetic import ZERO, double_gauss_legendre, exact
from .assembly import value
from .process import Features


@dataclass(frozen=True)
class Pieces:
    """q(x) = q_i + s_i (x − x_i) + ½α_i (x − x_i)² right of knot x_i; q = 0 at its highest knot.

    The first piece also serves left of the first knot.
    """

    knots: np.ndarray
    value: np.ndarray
    slope: np.ndarray
    curvature: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return q(x)."""
        i = np.clip(np.searchsorted(self.knots, x, side="right") - 1, 0, len(self.knots) - 1)
        d = x - self.knots[i]
        return self.value[i] + d * (self.slope[i] + 0.5 * self.curvature[i] * d)

    def score(self, x: np.ndarray) -> np.ndarray:
        """Return q′(x)."""
        i = np.clip(np.searchsorted(self.knots, x, side="right") - 1, 0, len(self.knots) - 1)
        return self.slope[i] + self.curvature[i] * (x - self.knots[i])


def relu_pieces(
    features: Features, theta: list[arb], t: float, low: float, high: float, extra: np.ndarray
) -> Pieces:
    """Return the exact pieces of ∫ s with knots at low, at kinks and at extra points.

    Far from its knot a piece cancels: extra knots belong where q counts.
    """
    moment = exact(t)
    gain, b, w = features.gain(moment), features.biases(moment), features.w
    a = [x * gain for x in theta]
    alpha = beta = ZERO
    left = exact(low)
    crossings = [(exact(x), None) for x in extra if low < x < high]
    for j in range(features.m):
        if w[j] == 0:
            beta += a[j] * b[j] if b[j] > 0 else ZERO
            continue
        kink = (-b[j] / w[j]).mid()
        if w[j] * left + b[j] > 0 or (kink == left and w[j] < 0):
            alpha, beta = alpha + a[j] * w[j], beta + a[j] * b[j]
        if low < float(kink) < high:
            crossings.append((kink, j))
    crossings.sort(key=lambda pair: float(pair[0]))
    knots, values, slopes, curvatures = [left], [ZERO], [alpha * left + beta], [alpha]
    for kink, j in crossings:
        if j is not None:
            sign = 1 if w[j] > 0 else -1
            alpha, beta = alpha + sign * a[j] * w[j], beta + sign * a[j] * b[j]
        d = kink - knots[-1]
        values.append((values[-1] + d * (slopes[-1] + curvatures[-1] * d / 2)).mid())
        knots.append(kink)
        slopes.append((alpha * kink + beta).mid())
        curvatures.append(alpha.mid())
    top = max(values, key=lambda v: float(v.mid()))
    as_doubles = [np.array([float(v.mid()) for v in vs]) for vs in (knots, slopes, curvatures)]
    value = np.array([float((v - top).mid()) for v in values])
    return Pieces(as_doubles[0], value, as_doubles[1], as_doubles[2])


class Smooth:
    """∫ s on panels, by integrating the interpolation of s at Gauss–Legendre nodes."""

    def __init__(
        self, features: Features, theta: list[arb], t: float, edges: np.ndarray, order: int
    ) -> None:
        moment = exact(t)
        self.name, self.w, self.b = features.activation, features.w, features.biases(moment)
        self.a = [x * features.gain(moment) for x in theta]
        u, v = double_gauss_legendre(order)
        self.edges, self.width = edges, np.diff(edges)
        x = edges[:-1, None] + self.width[:, None] * u
        self.at_nodes = np.array([self._score(y) for y in x.ravel()]).reshape(x.shape)
        self.series = self.at_nodes @ _to_series(order).T
        self.integral = np.apply_along_axis(_integrated, 1, self.series)
        masses = self.width * (self.at_nodes @ v)
        self.ends = np.concatenate([[0.0], np.cumsum(masses)])

    def _score(self, x: float) -> float:
        at = exact(x)
        terms = (
            a * value(self.name, w * at + b) for a, w, b in zip(self.a, self.w, self.b, strict=True)
        )
        return float(sum(terms, ZERO).mid())

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return q(x)."""
        i, z = self._place(x)
        inner = _series_at(self.integral[i], z)
        return self.ends[i] + self.width[i] * inner

    def score(self, x: np.ndarray) -> np.ndarray:
        """Return q′(x)."""
        i, z = self._place(x)
        return _series_at(self.series[i], z)

    def _place(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        i = np.clip(np.searchsorted(self.edges, x, side="right") - 1, 0, len(self.width) - 1)
        return i, 2.0 * (x - self.edges[i]) / self.width[i] - 1.0


def _series_at(coefficients: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return Σ_k c_k P_k(z) with coefficients of their own for every z."""
    basis = np.polynomial.legendre.legvander(z, coefficients.shape[-1] - 1)
    return (basis * coefficients).sum(-1)


def _to_series(order: int) -> np.ndarray:
    """Return the matrix from values at Gauss–Legendre nodes to Legendre coefficients."""
    u, v = double_gauss_legendre(order)
    basis = np.polynomial.legendre.legvander(2.0 * u - 1.0, order - 1)
    return (basis * v[:, None]).T * (2 * np.arange(order)[:, None] + 1)


def _integrated(series: np.ndarray) -> np.ndarray:
    """Return the series of the integral over (0, 1), from 0."""
    return np.polynomial.legendre.legint(series, lbnd=-1.0) / 2.0


def integration(order: int) -> np.ndarray:
    """Return the matrix from values at nodes of (0, 1) to integrals from 0 to the nodes."""
    u, _ = double_gauss_legendre(order)
    integrated = np.apply_along_axis(_integrated, 0, _to_series(order))
    return np.polynomial.legendre.legvander(2.0 * u - 1.0, order) @ integrated
