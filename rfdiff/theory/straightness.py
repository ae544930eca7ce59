"""Whether curves are straight: the p-value of their departures from a line, and the widest run."""

import numpy as np
from scipy.special import fdtrc

from ..support.validation import FloatArray

# Significance at which a departure from the straight line is believed.
SIGNIFICANCE = 0.05


def straight_run(log_x: FloatArray, log_y: FloatArray) -> tuple[int, int]:
    """Return (first, last + 1) of the widest straight run of points; all of them if none is."""
    k = len(log_x)
    shortest = max(3, (k + 1) // 2)
    for length in range(k, shortest - 1, -1):
        runs = [
            (straightness(log_x[i : i + length], log_y[:, i : i + length]), i)
            for i in range(k - length + 1)
        ]
        p_value, start = max(runs)
        if p_value > SIGNIFICANCE:
            return start, start + length
    return 0, k


def straightness(log_x: FloatArray, log_y: FloatArray) -> float:
    """Return the p-value of "straight", from what is left of the curves off the straight line.

    Several seeds: Hotelling's T² of all k − 2 departures, or the curvature alone if the seeds are
    too few for their covariance. One curve: the F test of a parabola against the line.
    """
    seeds, k = log_y.shape
    # Orthonormal polynomials in log x: columns 2, 3, … are what a straight line cannot make.
    basis, _ = np.linalg.qr(np.vander(_standardised(log_x), k, increasing=True))
    departures = log_y @ basis[:, 2:]
    if seeds == 1:
        if k < 4:
            return 1.0
        curvature, rest = departures[0, 0] ** 2, float((departures[0, 1:] ** 2).sum())
        return float(fdtrc(1, k - 3, curvature * (k - 3) / rest)) if rest > 0 else 1.0
    if seeds < 2 * (k - 2) + 2:
        departures = departures[:, :1]
    p = departures.shape[1]
    mean = departures.mean(0)
    covariance = np.atleast_2d(np.cov(departures, rowvar=False))
    # Exact power laws leave departures at rounding level: those are straight.
    floor = 1e-12 * (1.0 + float(np.abs(log_y).max()))
    if np.abs(mean).max() < floor:
        return 1.0
    covariance[np.diag_indices(p)] += floor**2
    t_squared = seeds * float(mean @ np.linalg.solve(covariance, mean))
    return float(fdtrc(p, seeds - p, t_squared * (seeds - p) / (p * (seeds - 1))))


def _standardised(x: FloatArray) -> FloatArray:
    return (x - x.mean()) / (0.5 * np.ptp(x))
