"""Slopes of log y on log x: over a range, between neighbours, and how well they are known."""

import numpy as np
from scipy.special import stdtrit

from ...support.random import stream
from ...support.validation import FloatArray


def slopes_of(log_x: FloatArray, log_y: FloatArray) -> FloatArray:
    """Least-squares slopes along the last axis."""
    centred = log_x - log_x.mean()
    return log_y @ centred / (centred @ centred)


def line_through(log_x: FloatArray, log_y: FloatArray, slope: float) -> tuple[float, float]:
    """Return offset and R² of the line of a given slope through one curve."""
    offset = float(log_y.mean() - slope * log_x.mean())
    scatter = float(((log_y - log_y.mean()) ** 2).sum())
    misfit = float(((log_y - offset - slope * log_x) ** 2).sum())
    return offset, 1.0 - misfit / scatter if scatter > 0 else 1.0


def residual_interval(
    log_x: FloatArray, log_y: FloatArray, slope: float, level: float
) -> tuple[float, float]:
    """Student interval of one curve's slope, from its own residuals."""
    centred = log_x - log_x.mean()
    residual = log_y - log_y.mean() - slope * centred
    dof = len(log_x) - 2
    error = np.sqrt(residual @ residual / dof / (centred @ centred))
    reach = float(stdtrit(dof, 0.5 + 0.5 * level) * error)
    return slope - reach, slope + reach


def seed_interval(
    slopes: FloatArray, level: float, n_bootstrap: int, seed: int
) -> tuple[float, float]:
    """Studentised bootstrap interval of the mean slope; Student's t below four seeds."""
    k = len(slopes)
    mean, error = float(slopes.mean()), float(slopes.std(ddof=1) / np.sqrt(k))
    if error == 0.0:
        return mean, mean
    tails = np.array([0.5 - 0.5 * level, 0.5 + 0.5 * level])
    if k < 4:
        low, high = stdtrit(k - 1, tails)
    else:
        pick = stream(seed, "bootstrap").integers(0, k, (n_bootstrap, k))
        draws = slopes[pick]
        errors = draws.std(axis=1, ddof=1) / np.sqrt(k)
        varied = errors > 0
        low, high = np.quantile((draws.mean(1)[varied] - mean) / errors[varied], tails)
    return mean - float(high) * error, mean - float(low) * error


def slope_reach(log_x: FloatArray, down: FloatArray, up: FloatArray) -> tuple[float, float]:
    """Return how far the mean slope may fall and rise while every log y moves by down … up."""
    centred = log_x - log_x.mean()
    weights = centred / (centred @ centred)
    falls = np.minimum(weights * down, weights * up).sum(1)
    rises = np.maximum(weights * down, weights * up).sum(1)
    return -float(falls.mean()), float(rises.mean())


def neighbour_slopes(
    log_x: FloatArray, log_y: FloatArray, slope: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return slopes between neighbours and their standard errors.

    Of one curve, whose scatter its own residuals from the line must tell, as of `interval`.
    """
    steps = np.diff(log_x)
    slopes = np.diff(log_y, axis=1) / steps
    if len(slopes) > 1:
        errors = slopes.std(axis=0, ddof=1) / np.sqrt(len(slopes))
    else:
        residual = log_y[0] - log_y[0].mean() - slope * (log_x - log_x.mean())
        errors = np.sqrt(2.0 * (residual @ residual) / (len(log_x) - 2)) / steps
    return tuple(slopes.mean(0).tolist()), tuple(errors.tolist())
