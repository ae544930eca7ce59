"""Curves of training time by interpolation in ln τ: many values for the price of few.

Along a gradient flow every mode is a multiple of e^{−2λτ} or of 1 − e^{−2λτ}. In u = ln τ both are
analytic and bounded for |Im u| < π/2, whatever λ is. A quadratic of θ(τ) on a panel one decade
wide therefore has Chebyshev coefficients that fall at least as 3⁻ᵏ (the ellipse of sum 3 stays in
that strip), from a size of order λ_max (‖θ₀‖ + ‖θ‖)². At degree 40 they are below the rounding
of the quadratic itself, ε times that size: nothing is left to adapt or to estimate.
"""

from collections.abc import Callable

import numpy as np
from numpy.polynomial import chebyshev

from ..support.validation import FloatArray
from .quadrature import chebyshev_transform

_PANEL = np.log(10.0)
_DEGREE = 40
_POINTS = chebyshev.chebpts1(_DEGREE + 1)
_TRANSFORM = chebyshev_transform(_DEGREE)

Curve = Callable[[FloatArray], FloatArray]


def interpolate_log(curve: Curve, tau: FloatArray) -> FloatArray:
    """Return a curve at training times: its own values, or interpolated ones where that is cheaper.

    The curve is called at no more than 41 times a decade however many τ there are, and at τ = 0
    and ∞ where they are asked for.

    Args:
        curve: F, a quadratic of a gradient flow's θ(τ): takes times (k,) and returns (k,).
        tau: training times, any shape.

    >>> tau = np.logspace(-3, 3, 10_000)
    >>> values = interpolate_log(lambda s: (1.0 - np.exp(-s)) ** 2, tau)
    >>> bool(abs(values - (1.0 - np.exp(-tau)) ** 2).max() < 1e-14)
    True
    """
    flat = tau.ravel()
    inside = np.isfinite(flat) & (flat > 0)
    u = np.log(flat[inside])
    n_panels = int((u.max() - u.min()) // _PANEL) + 1 if u.size else 0
    if u.size <= n_panels * len(_POINTS):
        return curve(flat).reshape(tau.shape)
    out = np.empty(flat.shape)
    out[inside] = _interpolate(curve, u, np.linspace(u.min(), u.max(), n_panels + 1))
    ends, places = np.unique(flat[~inside], return_inverse=True)
    if ends.size:
        out[~inside] = curve(ends)[places]
    return out.reshape(tau.shape)


def _interpolate(curve: Curve, u: FloatArray, edges: FloatArray) -> FloatArray:
    """Return the curve at e^u from its values at the Chebyshev points of each panel."""
    half = 0.5 * np.diff(edges)
    centres = edges[:-1] + half
    nodes = centres[:, None] + half[:, None] * _POINTS
    coefficients = curve(np.exp(nodes).ravel()).reshape(nodes.shape) @ _TRANSFORM.T
    panel = np.clip(np.searchsorted(edges, u) - 1, 0, len(half) - 1)
    out = np.empty_like(u)
    for i, own in enumerate(coefficients):
        here = panel == i
        out[here] = chebyshev.chebval((u[here] - centres[i]) / half[i], own)
    return out
