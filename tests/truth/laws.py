"""Known laws in doubles: log density on a domain, and edges that resolve it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from .arithmetic import double_gauss_legendre

Domain = tuple[float, float]
_FAR = 38.0
_OFFSETS = np.concatenate(
    [np.arange(-10.0, 10.01, 0.5), [-38, -30, -24, -19, -15, -12, 12, 15, 19, 24, 30, 38]]
)
_COMPACT_PANELS = 64


@dataclass(frozen=True)
class Density:
    """log p up to normalisation, the ends of all that counts of it, edges, the mass of (a, b)."""

    log_density: Callable[[np.ndarray], np.ndarray]
    hull: Domain
    edges: np.ndarray
    score: Callable[[np.ndarray], np.ndarray] | None = None
    mass: Callable[[Any, Any], np.ndarray] | None = None


def gaussians(weights: np.ndarray, means: np.ndarray, stds: np.ndarray) -> Density:
    """Return a mixture's density."""
    scale = np.log(weights) - np.log(stds) - 0.5 * np.log(2.0 * np.pi)

    def terms(x: np.ndarray) -> np.ndarray:
        return scale - 0.5 * ((x[..., None] - means) / stds) ** 2

    def log_density(x: np.ndarray) -> np.ndarray:
        return np.logaddexp.reduce(terms(x), axis=-1)

    def score(x: np.ndarray) -> np.ndarray:
        log_terms = terms(x)
        share = np.exp(log_terms - log_terms.max(-1, keepdims=True))
        return (share * (means - x[..., None]) / stds**2).sum(-1) / share.sum(-1)

    def mass(a: Any, b: Any) -> np.ndarray:
        a, b = ((np.asarray(x)[..., None] - means) / stds for x in (a, b))
        # Of two upper tails the mirrored lower ones keep their digits.
        return np.where(a > 0, ndtr(-a) - ndtr(-b), ndtr(b) - ndtr(a)) @ weights

    edges = np.unique((means[:, None] + _OFFSETS * stds[:, None]).ravel())
    cells = np.floor((edges - edges[0]) / (0.4 * stds.min()))
    edges = edges[np.unique(cells, return_index=True)[1]]
    hull = float((means - _FAR * stds).min()), float((means + _FAR * stds).max())
    return Density(log_density, hull, edges, score, mass)


def compact(target: Any) -> Density:
    """Return the density of a compact target at t = 0."""
    centre, half, name = target.centre, target.half_width, type(target).__name__

    def shape(u: np.ndarray) -> np.ndarray:
        if name == "RaisedCosine":
            return 2.0 * np.log(np.sin(0.5 * np.pi * (1.0 - np.abs(u))))
        if name == "BetaTarget":
            return (target.a - 1.0) * np.log1p(u) + (target.b - 1.0) * np.log1p(-u)
        return -1.0 / ((1.0 - u) * (1.0 + u))

    grid = np.linspace(-1.0, 1.0, _COMPACT_PANELS + 1)
    # Half-integer exponents of a Beta law ask for grading towards the ends.
    grid = np.unique(np.concatenate([grid, *(s * (1 - 2.0 ** -np.arange(5, 40)) for s in (-1, 1))]))
    x, w = double_gauss_legendre(20)
    nodes, widths = grid[:-1, None] + np.diff(grid)[:, None] * x, np.diff(grid)
    constant = np.log(((np.exp(shape(nodes)) @ w) * widths).sum()) + np.log(half)

    def log_density(x: np.ndarray) -> np.ndarray:
        u = (x - centre) / half
        inside = np.abs(u) < 1.0
        return np.where(inside, shape(np.where(inside, u, 0.0)) - constant, -np.inf)

    return Density(log_density, (centre - half, centre + half), centre + half * grid)
