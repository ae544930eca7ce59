"""The mass of p̂ from its log density, held against what the probability flow transports."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...numerics.bisection import Mask, bisect
from ...numerics.special import phi1
from ...support.estimate import Estimate
from ...support.validation import FloatArray
from .interval_quadrature import MOST_HALVINGS
from .intervals import Intervals, Trace

# Intervals narrower than this share of x are lost in its rounding.
_RESOLVED = 1e-9


@dataclass(frozen=True)
class _Weighed:
    """Intervals at T, the mass of p̂ between the images of their ends, and its error."""

    intervals: Intervals
    mass: FloatArray
    error: FloatArray

    def __getitem__(self, keep: Mask) -> "_Weighed":
        return _Weighed(self.intervals[keep], self.mass[keep], self.error[keep])


def transported_mass(
    trace: Trace, cdf: Callable[[FloatArray], FloatArray], edges: FloatArray, tolerance: float
) -> Estimate:
    """Return ∫ p̂ between the images of the first and last of `edges` (n, E), shape (n,).

    Intervals are halved at T, where p̂ is spread evenly, until ∫ p̂ on the image of each, p̂
    log-linear in x, is the mass that is transported there. The error is what they still differ by,
    or all of that mass where it is less: in peaks so narrow that floats do not resolve them.

    Args:
        trace: gives x and log p̂(x) at t of points of training time k at T.
        cdf: the distribution function at T.
        edges: of the intervals to start from.
        tolerance: of each mass.
    """
    n, n_edges = edges.shape
    at = np.stack(trace(np.repeat(np.arange(n), n_edges), edges.ravel()))
    span, value, error = edges[:, -1] - edges[:, 0], np.zeros(n), np.zeros(n)

    def examine(intervals: Intervals) -> tuple[_Weighed, Mask]:
        (x0, log0), (x1, log1) = intervals.start, intervals.end
        transported = cdf(intervals.right) - cdf(intervals.left)
        narrow = x1 - x0 <= _RESOLVED * np.maximum(np.abs(x0), np.abs(x1))
        mass = (x1 - x0) * np.exp(np.maximum(log0, log1)) * phi1(-np.abs(log1 - log0))
        gap = np.abs(mass - transported)
        lost = narrow | (gap > transported)
        mass, gap = np.where(lost, transported, mass), np.minimum(gap, transported)
        # The mass of a peak that floats do not resolve is what is transported, by construction.
        gap[narrow] = 0.0
        width = (intervals.right - intervals.left) / span[intervals.k]
        done = narrow | (gap <= 0.5 * tolerance * (transported + width)) | intervals.crowded
        return _Weighed(intervals, mass, gap), done

    def accept(found: _Weighed) -> None:
        nonlocal value, error
        value += np.bincount(found.intervals.k, found.mass, n)
        error += np.bincount(found.intervals.k, found.error, n)

    bisect(
        Intervals.between(edges, at.reshape(2, n, n_edges)), examine, accept,
        lambda found: found.intervals.halves(trace), most_halvings=MOST_HALVINGS,
    )  # fmt: skip
    return Estimate(value, error + 1e-15 * value)
