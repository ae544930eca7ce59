"""Integrals by Gauss–Legendre rules on panels that are halved until two rules agree."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..support.estimate import Estimate
from ..support.validation import FloatArray
from .bisection import Mask, bisect
from .panels import Panels

# Nodes of the finer rule; the coarser has half as many.
_ORDER = 16
_MOST_HALVINGS = 39
# What rounding leaves of an integral, as a share of it.
_ROUNDING = 1e-14
# Panels of fewer floats than that are not halved: their nodes could not be told apart.
_FEWEST_FLOATS = 64


@dataclass(frozen=True)
class _Integrated:
    """Panels with their integrals (c, P) and their errors (c, P)."""

    panels: Panels
    value: FloatArray
    error: FloatArray

    def __getitem__(self, keep: Mask) -> "_Integrated":
        return _Integrated(self.panels[keep], self.value[:, keep], self.error[:, keep])


def _spacing(panels: Panels) -> FloatArray:
    """Return the spacing of floats at the outer ends of panels, (P,)."""
    return np.spacing(np.maximum(np.abs(panels.left), np.abs(panels.right)))


def adaptive_panels(
    f: Callable[[FloatArray], FloatArray], edges: FloatArray, tolerance: float
) -> tuple[FloatArray, Estimate]:
    """Halve panels until rules of 16 and 8 nodes agree; return the edges of the last and ∫f.

    The error of the estimate is the sum of the differences of the two rules, which bounds the finer
    one generously, and of what rounding of the nodes leaves: a node is known to the spacing δ of
    floats around it, so a panel's integral to δ times the variation of f on it. No panel is halved
    for less, nor one of a few floats.

    Args:
        f: maps points (N,) to values (c, N).
        edges: of the panels to start from.
        tolerance: of each integral; a panel may use its share by length, or what rounding allows.

    >>> edges, integral = adaptive_panels(lambda x: np.abs(x)[None], np.array([-1.0, 2.0]), 1e-9)
    >>> bool(abs(integral.value[0] - 2.5) <= integral.error[0] < 1e-9), len(edges) > 20
    (True, True)
    """
    edges = np.asarray(edges, np.float64)
    lefts, total, error = [edges[-1:]], 0.0, 0.0

    def values(panels: Panels) -> FloatArray:
        return f(panels.x.ravel()).reshape(-1, *panels.x.shape)

    def examine(panels: Panels) -> tuple[_Integrated, Mask]:
        halved = panels.with_order(_ORDER // 2)
        at_nodes = values(panels)
        fine, coarse = panels.integrals(at_nodes), halved.integrals(values(halved))
        gap, spacing = np.abs(fine - coarse), _spacing(panels)
        of_nodes = spacing * np.abs(np.diff(at_nodes, axis=-1)).sum(-1)
        share = tolerance * (2.0 * panels.half / (edges[-1] - edges[0]))
        done = (gap <= share) | (gap <= _ROUNDING * np.abs(fine)) | (gap <= of_nodes)
        done |= 2.0 * panels.half <= _FEWEST_FLOATS * spacing
        return _Integrated(panels, fine, gap + of_nodes), done.all(0)

    def accept(found: _Integrated) -> None:
        nonlocal total, error
        total, error = total + found.value.sum(1), error + found.error.sum(1)
        lefts.append(found.panels.left)

    bisect(
        Panels.between(edges, _ORDER), examine, accept, lambda found: found.panels.halves(),
        most_halvings=_MOST_HALVINGS,
    )  # fmt: skip
    return np.sort(np.concatenate(lefts)), Estimate(total, error)
