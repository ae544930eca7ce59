"""Mixtures as the assembly sees them: sorted point masses seen at a width, as few as will do.

At noise width s, points closer than s are indistinguishable to rounding error: a box of width
4s holding any number of points is replaced by 26 Chebyshev nodes with the same first 26 moments.
Against Gaussian-smoothed hinges the change is below 3e-16 of the box's mass, so the cost of
assembly hardly depends on the number of data.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .._kernels.assembly.hinges import anchored_moments, chebyshev_atoms
from ..diffusion.mixtures import GaussianMixture
from ..diffusion.sde import ForwardSDE
from ..support.validation import FloatArray

_BOX_WIDTHS = 4.0
# Interpolation error on a box of half width 2s: 2 · (2/2)^p · max|ψ^(p)| / p! with
# |ψ^(p)| ≤ 0.44 √((p − 3)!) for the hinge moments ψ; 3e-16 at p = 26.
_BOX_NODES = 26


class AtomTable(NamedTuple):
    """Arguments of `hinge_moments`, node by node: what p_t looks like at each time node."""

    scale: FloatArray
    widths: FloatArray
    start: np.ndarray
    stop: np.ndarray
    x: FloatArray
    q: FloatArray
    suffix: FloatArray
    prefix: FloatArray


def gaussian_atoms(mixture: GaussianMixture, sde: ForwardSDE, t: FloatArray) -> AtomTable:
    """Return the table of a one-dimensional mixture diffused to each time node.

    Components are grouped by their standard deviation ς; at time t a group is its means smoothed
    by the width s = √(ς² + σ_t²/r²), all scaled by r.

    Args:
        mixture: law of x(0), in one dimension.
        sde: forward process.
        t: time nodes, shape (n_t,).
    """
    scale, std = sde.scale(t), sde.std(t)
    groups = np.unique(mixture.stds)
    widths = np.hypot(groups, (std / scale)[:, None])
    sets: list[tuple[FloatArray, FloatArray]] = []
    place = np.empty(widths.shape, dtype=np.int64)
    for g, own_std in enumerate(groups):
        members = mixture.stds == own_std
        points = _sorted(mixture.means[members, 0], mixture.weights[members])
        points = _reduced(points, widths[:, g].min()) or points
        shared = len(sets)
        sets.append(points)
        for k, width in enumerate(widths[:, g]):
            fewer = _reduced(points, width)
            place[k, g] = shared if fewer is None else len(sets)
            if fewer is not None:
                sets.append(fewer)
    return _table(scale, widths, place, sets)


def point_atoms(x: FloatArray, q: FloatArray) -> AtomTable:
    """Return the table of one node of unsmoothed points x (k,) with signed masses q (k,)."""
    one = np.ones(1)
    return _table(one, np.zeros((1, 1)), np.zeros((1, 1), dtype=np.int64), [_sorted(x, q)])


def _sorted(x: FloatArray, q: FloatArray) -> tuple[FloatArray, FloatArray]:
    order = np.argsort(x, kind="stable")
    return x[order], q[order]


def _reduced(
    points: tuple[FloatArray, FloatArray], width: float
) -> tuple[FloatArray, FloatArray] | None:
    """Return at most half as many points, the same at this width; None if that cannot be."""
    x, q = points
    n_boxes = max(1.0, np.ceil((x[-1] - x[0]) / (_BOX_WIDTHS * width)))
    if 2 * n_boxes * _BOX_NODES > len(x):
        return None
    size = int(n_boxes) * _BOX_NODES
    fewer_x, fewer_q = np.empty(size), np.zeros(size)
    chebyshev_atoms(x, q, int(n_boxes), _BOX_NODES, fewer_x, fewer_q)
    return fewer_x, fewer_q


def _table(
    scale: FloatArray,
    widths: FloatArray,
    place: np.ndarray,
    sets: list[tuple[FloatArray, FloatArray]],
) -> AtomTable:
    """Concatenate point sets and their anchored moments into flat arrays."""
    edges = np.concatenate([[0], np.cumsum([len(x) for x, _ in sets])])
    x = np.concatenate([x for x, _ in sets])
    q = np.concatenate([q for _, q in sets])
    suffix, prefix = np.empty((len(x), 3)), np.empty((len(x), 3))
    for a, b in pairwise(edges):
        anchored_moments(x[a:b], q[a:b], suffix[a:b], prefix[a:b])
    return AtomTable(scale, widths, edges[place], edges[place + 1], x, q, suffix, prefix)
