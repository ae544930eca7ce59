"""Wasserstein distances on the line between a law and learned densities on common panels.

W₁ = ∫|F − F̂| dx and W₂² = ∫₀¹ (F⁻¹(u) − F̂⁻¹(u))² du. F̂ is known to lie within E(x) of the
truth, E the lesser of ∫p̂·|error of log p̂| on either side of x; hence the errors.
"""

import numpy as np

from ..numerics.panels import Panels, quantiles
from ..support.validation import FloatArray
from .common_panels import Comparison

# Gauss–Legendre nodes in u between the images of panel edges.
_ORDER = 8
_ROUNDING = 4e-16


def first_distance(pair: Comparison) -> tuple[FloatArray, FloatArray]:
    """Return W₁ and its error, each (R,), of a comparison of p̂ with p."""
    panels, p, q = pair.panels, *_normalised(pair)
    gap = panels.antiderivative(p - q)
    value = panels.absolute_integrals(gap).sum(-1)
    error = (_band(pair) * 2.0 * panels.half).sum(-1) + panels.tails(gap).sum(-1)
    return value, error


def second_distance(pair: Comparison) -> tuple[FloatArray, FloatArray]:
    """Return W₂ and its error, each (R,): quantiles of F̂ lie between those of F̂ ± E."""
    panels, p, q = pair.panels, *_normalised(pair)
    bands = _band(pair)
    rows = [_second_distance(panels, p, row, band) for row, band in zip(q, bands, strict=True)]
    value, error = np.array(rows).T
    return value, error


def _normalised(pair: Comparison) -> tuple[FloatArray, FloatArray]:
    """Return p (P, n) and p̂ (R, P, n) of mass one on the panels."""
    p = pair.p
    mass = pair.mass[:, None, None]
    q = np.divide(pair.q, mass, out=np.zeros_like(pair.log_q), where=mass > 0.0)
    return p / pair.panels.integrals(p).sum(), q


def _band(pair: Comparison) -> FloatArray:
    """Return E on every panel, (R, P)."""
    panels, p, q = pair.panels, pair.p, pair.q
    own = panels.integrals(q * pair.log_error) + panels.tails(q) + panels.tails(p)
    left = np.cumsum(own, axis=-1)
    total = left[:, -1:]
    beyond = np.maximum(pair.defect[:, None] - total, 0.0)
    return np.minimum(left, total - left + own) + beyond + _ROUNDING


def _second_distance(
    panels: Panels, p: FloatArray, q: FloatArray, band: FloatArray
) -> tuple[float, float]:
    """Return W₂ and its error for one p̂ by its nodal values (P, n) and E (P,)."""
    cumulative = panels.cumulative(q)
    edges = np.concatenate([panels.cumulative(p), cumulative])
    u = Panels.between(np.unique(np.clip(edges, 0.0, 1.0)), _ORDER)
    at = u.x.ravel()
    x = quantiles(panels, p, at)
    panel = np.clip(np.searchsorted(cumulative, at, side="right") - 1, 0, len(band) - 1)
    y, lowest, highest = (
        quantiles(panels, q, np.clip(shifted, 0.0, 1.0))
        for shifted in (at, at - band[panel], at + band[panel])
    )
    squares = np.square(x - y).reshape(u.x.shape)
    nearest = np.maximum(np.maximum(lowest - x, x - highest), 0.0)
    farthest = np.maximum(np.abs(lowest - x), np.abs(highest - x))
    least, most = (
        float(u.integrals(np.square(part).reshape(u.x.shape)).sum()) for part in (nearest, farthest)
    )
    square, tail = float(u.integrals(squares).sum()), float(u.tails(squares).sum())
    value = np.sqrt(square)
    above, below = np.sqrt(most + tail) - value, value - np.sqrt(max(least - tail, 0.0))
    return value, max(above, below)
