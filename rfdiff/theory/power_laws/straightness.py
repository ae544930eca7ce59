"""Whether curves are straight over the whole claimed range, and what change of slope would show.

A test that cannot fail says nothing, so beside its p-value stands its power: the probability that,
with the curves' own scatter, a slope that changes evenly by a stated amount is found out.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import chdtri, fdtrc, ndtr, stdtr, stdtrit

from ...support.validation import FloatArray

# Significance at which a departure from the straight line is believed.
SIGNIFICANCE = 0.05
# Quantiles of the scatter's own estimate over which power is averaged.
_QUANTILES = 4096


@dataclass(frozen=True)
class Straightness:
    """The outcome of the test.

    Attributes:
        p: p-value of "straight" over all points given.
        power: probability of p ≤ `SIGNIFICANCE` if the slope changes evenly by the stated amount
            from the first point to the last; 0 where no scatter can be told from curvature.
    """

    p: float
    power: float


class _Curvature(NamedTuple):
    """The quadratic component of the curves: its mean, the error of that, and what knows it."""

    mean: float
    error: float
    freedom: int


def straightness(log_x: FloatArray, log_y: FloatArray, slope_change: float) -> Straightness:
    """Return the p-value of "straight" and its power, from what the straight line leaves.

    Several seeds: Student's t of the curvature and, where the seeds suffice for their covariance,
    Hotelling's T² of all higher departures; the smaller of both p-values, doubled. One curve: its
    curvature against the higher departures, which takes scatter to be independent along x.

    Args:
        log_x: abscissae (k,).
        log_y: curves (seeds, k).
        slope_change: of d log y/d log x from the first point to the last, whose power is wanted.
    """
    seeds, k = log_y.shape
    # Orthonormal polynomials in log x: columns 2, 3, … are what a straight line cannot make.
    basis, _ = np.linalg.qr(np.vander(_standardised(log_x), k, increasing=True))
    departures = log_y @ basis[:, 2:]
    if seeds == 1 and k < 4:
        return Straightness(1.0, 0.0)
    # Exact power laws leave departures at rounding level: those are straight.
    floor = 1e-12 * (1.0 + float(np.abs(log_y).max()))
    curvature = _curvature(departures, floor)
    # log y of an evenly changing slope is a parabola with this second derivative.
    signal = 0.5 * slope_change / np.ptp(log_x) * float(basis[:, 2] @ log_x**2)
    rest = departures[:, 1:]
    tests = 2 if 0 < rest.shape[1] <= seeds // 2 - 1 else 1
    power = _power(curvature, signal, SIGNIFICANCE / tests)
    if np.abs(departures.mean(0)).max() < floor:
        return Straightness(1.0, power)
    p = 2.0 * float(stdtr(curvature.freedom, -abs(curvature.mean) / curvature.error))
    if tests == 2:
        p = min(1.0, 2.0 * min(p, _hotelling(rest, floor)))
    return Straightness(p, power)


def _curvature(departures: FloatArray, floor: float) -> _Curvature:
    """Return the mean quadratic component with its error, no less than rounding's."""
    seeds = len(departures)
    if seeds == 1:
        freedom = departures.shape[1] - 1
        error = np.sqrt((departures[0, 1:] ** 2).sum() / freedom)
    else:
        freedom, error = seeds - 1, departures[:, 0].std(ddof=1) / np.sqrt(seeds)
    return _Curvature(float(departures[:, 0].mean()), max(float(error), floor), freedom)


def _power(curvature: _Curvature, signal: float, significance: float) -> float:
    """Return how often the two-sided t test finds a mean of `signal`, with the scatter measured.

    Student's t is averaged over the distribution of the scatter's own estimate.
    """
    quantile = float(stdtrit(curvature.freedom, 1.0 - 0.5 * significance))
    reach = quantile * _estimated_scatter(curvature.freedom)
    centre = abs(signal) / curvature.error
    return float(1.0 - (ndtr(reach - centre) - ndtr(-reach - centre)).mean())


@lru_cache(maxsize=32)
def _estimated_scatter(freedom: int) -> FloatArray:
    """Return quantiles of the scatter's estimate, in units of the scatter, (_QUANTILES,)."""
    share = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    return np.asarray(np.sqrt(chdtri(freedom, share) / freedom))


def _hotelling(departures: FloatArray, floor: float) -> float:
    """Return the p-value of "all means are zero" by Hotelling's T², departures (seeds, p)."""
    seeds, p = departures.shape
    mean, covariance = departures.mean(0), np.atleast_2d(np.cov(departures, rowvar=False))
    covariance[np.diag_indices(p)] += floor**2
    t_squared = seeds * float(mean @ np.linalg.solve(covariance, mean))
    return float(fdtrc(p, seeds - p, t_squared * (seeds - p) / (p * (seeds - 1))))


def _standardised(x: FloatArray) -> FloatArray:
    return (x - x.mean()) / (0.5 * np.ptp(x))
