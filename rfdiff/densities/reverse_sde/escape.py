"""What a solve of the reverse Fokker–Planck equation may lose at the ends of its grid.

The ends reflect: mass that would have left piles up there. How much of it there is, is known; where
it would be now is bounded by the score at the ends, continued along a line, which it is beyond the
outermost kink of a ReLU score. With g the rate at which |ξ| then grows and D = (v/S)² the
mobility, what leaves at a time u is displaced by the end by no more than, in the mean square,

    (A − 1)² + 4A² ∫D du,   A = exp ∫ max(g, 0) du,   both integrals from u to the end.
"""

from dataclasses import dataclass

import numpy as np

from ...support.validation import FloatArray


@dataclass(frozen=True, eq=False)
class Escape:
    """Mass that may have left the grid, of n training times.

    Attributes:
        largest: the largest mass ever found on a node at an end of the grid (n,).
        mass: what may be beyond, or in the layer that its reflection fills (n,).
        square: its mean square displacement in ξ, times the mass (n,); +∞ where that overflows.
    """

    largest: FloatArray
    mass: FloatArray
    square: FloatArray


def outward_slopes(increments: FloatArray, nodes: FloatArray) -> FloatArray:
    """Return the larger of ∂ψ/ξ and ∂²ψ at both ends, (n, k, 2), from ψ's increments (n, k, N).

    |ξ| beyond an end grows at the rate (v/S)² times that, or more slowly.
    """
    ends = [0, 1, -2, -1]
    left, right = nodes[:, :-1][:, ends], nodes[:, 1:][:, ends]
    slope, middle = increments[..., ends] / (right - left)[:, None], 0.5 * (left + right)[:, None]
    chord = (slope / middle)[..., [0, 3]]
    curvature = np.diff(slope)[..., [0, 2]] / np.diff(middle)[..., [0, 2]]
    return np.maximum(chord, curvature)


def escape(
    edge: FloatArray, slopes: FloatArray, mobility: FloatArray, length: FloatArray, step: float
) -> Escape:
    """Return what may have left, from both ends at k times.

    Args:
        edge: masses on the two nodes at the ends (n, k, 2).
        slopes: their `outward_slopes` (n, k, 2).
        mobility: (v/S)² (n, k).
        length: of ξ that a node at an end owns (n,).
        step: time between two of the k times.
    """
    diffusion = mobility[..., None]
    # Reflected mass fills a layer in which drift and diffusion balance.
    layer = np.sqrt(diffusion) / np.maximum(np.sqrt(diffusion) * slopes, 1.0)
    beyond = edge * np.maximum(layer / length[:, None, None], 1.0)
    leaving = np.maximum(np.diff(beyond, axis=1, prepend=0.0), 0.0)
    with np.errstate(over="ignore"):
        growth = np.exp(_remaining(np.maximum(diffusion * slopes, 0.0)) * step)
        square = (growth - 1.0) ** 2 + 4.0 * growth**2 * _remaining(diffusion) * step
        displaced = np.where(leaving > 0.0, leaving * square, 0.0)
    return Escape(edge.max((1, 2)), beyond.max(1).sum(-1), displaced.sum((1, 2)))


def _remaining(rates: FloatArray) -> FloatArray:
    """Return the sums over axis 1 from each time to the last."""
    return np.cumsum(rates[:, ::-1], axis=1)[:, ::-1]
