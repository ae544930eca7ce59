"""Quadrature rules, and integrals that come with an error estimate."""

from collections.abc import Callable

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike
from scipy.special import roots_legendre

from ..support.estimate import Estimate
from ..support.validation import FloatArray, count

# Rounding of a Hermite coefficient of order p, relative to √E act²: this many units times p + 8.
_ROUNDOFF = 2.0**-53
# |He_p(z)| ϕ(z)/√p! ≤ e^{−z²/4}, below 1e-17 from here on whatever p.
_REACH = 12.5
# Beyond this |ω| − √p the Fourier transform of He_p ϕ/√p! is below 1e-17.
_NORMAL_BAND = 9.0
# Values of the activation held at once by the rule for Hermite coefficients: 32 MB.
_CHUNK = 1 << 22


def gauss_legendre(n: int, a: float, b: float) -> tuple[FloatArray, FloatArray]:
    """Return the n-point Gauss–Legendre nodes and weights on [a, b]."""
    nodes, weights = roots_legendre(n)
    half = 0.5 * (b - a)
    return 0.5 * (a + b) + half * nodes, half * weights


def composite_gauss_legendre(n: int, edges: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return n Gauss–Legendre nodes and weights on each panel between consecutive `edges`."""
    nodes, weights = roots_legendre(n)
    half = 0.5 * np.diff(edges)[:, None]
    middle = 0.5 * (edges[1:] + edges[:-1])[:, None]
    return (middle + half * nodes).ravel(), (half * weights).ravel()


def integrate_panels(
    f: Callable[[FloatArray], FloatArray], edges: FloatArray, order: int = 16
) -> Estimate:
    """Integrate f over panels by Gauss–Legendre of `order`; the error compares half the order.

    `f` maps points (N,) to values (..., N), vectorised over leading axes.
    """
    x, w = composite_gauss_legendre(order, edges)
    x_half, w_half = composite_gauss_legendre(order // 2, edges)
    fine, coarse = f(x) @ w, f(x_half) @ w_half
    return Estimate(fine, np.abs(fine - coarse))


def chebyshev_transform(degree: int) -> FloatArray:
    """Return the matrix that takes values at Chebyshev points to coefficients.

    The points are cos φ_i, φ_i = π(i + ½)/(degree + 1), from −1 to 1 as `chebpts1` gives them; the
    T_k are orthogonal on them, and T_k(cos φ) = cos kφ.

    >>> x = np.polynomial.chebyshev.chebpts1(4)
    >>> abs(chebyshev_transform(3) @ (4.0 * x**3 - 3.0 * x) - [0.0, 0.0, 0.0, 1.0]).max() < 1e-14
    np.True_
    """
    n = degree + 1
    angles = np.pi * (np.arange(n)[::-1] + 0.5) / n
    transform = np.cos(np.outer(np.arange(n), angles)) * (2.0 / n)
    transform[0] /= 2.0
    return transform


class CumulativeIntegral:
    """F(t) = ∫₀ᵗ f for a smooth f on [0, t_max], as piecewise Chebyshev antiderivatives.

    `error` bounds the absolute error of F by the last Chebyshev coefficients of all panels.
    """

    _degree = 24

    def __init__(
        self, f: Callable[[FloatArray], FloatArray], t_max: float, n_panels: int = 32
    ) -> None:
        # Panels graded towards 0, where diffusion coefficients vary fastest on the log scale.
        self._edges = t_max * np.linspace(0.0, 1.0, n_panels + 1) ** 2
        points = chebyshev.chebpts1(self._degree + 1)
        transform = chebyshev_transform(self._degree)
        self._antiderivatives = []
        starts = [0.0]
        self.error = 0.0
        for a, b in zip(self._edges[:-1], self._edges[1:], strict=True):
            half = 0.5 * (b - a)
            coefficients = transform @ f(a + half * (points + 1.0))
            antiderivative = chebyshev.chebint(coefficients, scl=half, lbnd=-1)
            self._antiderivatives.append(antiderivative)
            starts.append(starts[-1] + float(chebyshev.chebval(1.0, antiderivative)))
            self.error += 2.0 * half * float(np.abs(coefficients[-2:]).sum())
        self._starts = np.array(starts)

    def __call__(self, t: FloatArray) -> FloatArray:
        """Return F(t), of the shape of t."""
        t = np.asarray(t, dtype=np.float64)
        panel = np.clip(np.searchsorted(self._edges, t, side="right") - 1, 0, len(self._edges) - 2)
        result = np.empty(t.shape)
        for k in np.unique(panel):
            here = panel == k
            a, b = self._edges[k], self._edges[k + 1]
            u = (2.0 * t[here] - a - b) / (b - a)
            result[here] = self._starts[k] + chebyshev.chebval(u, self._antiderivatives[k])
        return result


def gaussians(a: ArrayLike, s: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return means and standard deviations, broadcast against each other."""
    a, s = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(s, dtype=np.float64))
    return a, s


def hermite_functions(z: FloatArray, order: int) -> FloatArray:
    """Return He_p(z) ϕ(z)/√p! for p = 0 … order, shape (order + 1,) + z.shape.

    √(p + 1) H_{p+1} = z H_p − √p H_{p−1}, started from ϕ so that nothing overflows.
    """
    out = np.empty((order + 1, *z.shape))
    out[0] = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    if order > 0:
        out[1] = z * out[0]
    for p in range(1, order):
        out[p + 1] = (z * out[p] - np.sqrt(p) * out[p - 1]) / np.sqrt(p + 1.0)
    return out


def coefficient_rounding(size: FloatArray, order: int) -> FloatArray:
    """Return the rounding error of coefficients up to `order` of functions of rms `size`."""
    return _ROUNDOFF * np.multiply.outer(np.arange(order + 1.0) + 8.0, size)


def coefficients_by_rule(
    act: Callable[[FloatArray], FloatArray], a: ArrayLike, s: ArrayLike, order: int, pole: float
) -> Estimate:
    """Return Hermite coefficients by the trapezoidal rule in Z, which converges exponentially.

    An activation analytic in |Im z| < pole has a Fourier transform that falls like
    e^{−pole |ω|/s} in Z. The step is half of what leaves no aliasing above rounding, 2π over the
    bands' sum, so its nodes grow as s (Gauss–Hermite's would as s²), and the error compares it
    with every other node.
    """
    a, s = gaussians(a, s)
    band = np.sqrt(count("order", order, 0)) + _NORMAL_BAND + 37.0 / pole * s.max(initial=0.0)
    half = int(np.ceil(_REACH * band / np.pi))
    spacing = _REACH / half
    z = spacing * np.arange(-half, half + 1.0)
    weighted = spacing * hermite_functions(z, order).T
    doubled = 2.0 * weighted[half % 2 :: 2]
    value, gap = np.empty((order + 1, a.size)), np.empty((order + 1, a.size))
    size = np.empty(a.size)
    flat, widths = a.ravel(), s.ravel()
    step = max(1, _CHUNK // len(z))
    for i in range(0, a.size, step):
        part = slice(i, i + step)
        at_nodes = act(flat[part, None] + widths[part, None] * z)
        value[:, part] = (at_nodes @ weighted).T
        gap[:, part] = value[:, part] - (at_nodes[:, half % 2 :: 2] @ doubled).T
        size[part] = np.sqrt(at_nodes**2 @ weighted[:, 0])
    error = np.abs(gap) + coefficient_rounding(size, order)
    shape = (order + 1, *a.shape)
    return Estimate(value.reshape(shape), error.reshape(shape))
