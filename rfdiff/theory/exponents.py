"""Power laws from measured curves: y ≈ A xᵇ, the window it holds on, and an honest interval for b.

The exponent is the mean over seeds of each seed's least-squares slope of log y on log x, so nested
draws (the same features for every n) are handled exactly: errors may be correlated along x, only
seeds have to be independent. Its interval is a studentised bootstrap over seeds. A law is said to
hold only when the slope is told from zero and no departure from a straight line is significant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from ..support.errors import ArgumentError
from ..support.random import stream
from ..support.validation import FloatArray, between, count, finite_array, interval
from .straightness import SIGNIFICANCE, straight_run, straightness


@dataclass(frozen=True)
class PowerLaw:
    """A fitted y = prefactor · x^exponent, with everything needed to judge it.

    Attributes:
        exponent: mean over seeds of the slope of log y on log x.
        interval: confidence interval of the exponent at `level`.
        prefactor: A.
        level: nominal coverage of the interval.
        window: smallest and largest x that were used.
        n_points: number of x used.
        n_seeds: number of seeds; 1 means the interval comes from the residuals of one curve.
        p_straight: p-value of "log y is straight in log x" on the window.
        r_squared: explained share of the variance of the seed-averaged log y.
        holds: whether the data support a power law on the window.
        reason: one sentence why, or why not.
    """

    exponent: float
    interval: tuple[float, float]
    prefactor: float
    level: float
    window: tuple[float, float]
    n_points: int
    n_seeds: int
    p_straight: float
    r_squared: float
    holds: bool
    reason: str

    def __call__(self, x: ArrayLike) -> FloatArray:
        """Return prefactor · x^exponent."""
        return self.prefactor * np.asarray(x, dtype=np.float64) ** self.exponent

    def __str__(self) -> str:
        low, high = self.interval
        text = (
            f"x^{self.exponent:.3g} [{low:.3g}, {high:.3g}] on {self.window[0]:g} … "
            f"{self.window[1]:g} ({self.n_points} points, {self.n_seeds} seeds)"
        )
        return text if self.holds else f"no power law ({self.reason}); slope {text}"


def fit_power_law(
    x: ArrayLike,
    y: ArrayLike | Sequence[ArrayLike],
    *,
    window: tuple[float, float] | None = None,
    level: float = 0.95,
    n_bootstrap: int = 4000,
    seed: int = 0,
) -> PowerLaw:
    """Fit y = A xᵇ to curves of one or more seeds.

    Args:
        x: abscissae, shape (k,), positive and increasing, k ≥ 3.
        y: positive values, shape (k,) for one curve or (seeds, k).
        window: range of x to use. None chooses the widest run of points, at least half of them
            and never fewer than three, on which log y is straight in log x; the choice is
            reported in the result.
        level: coverage of the interval.
        n_bootstrap: resamples of the seeds. Fewer than four seeds use Student's t instead,
            because so few have too few resamples.
        seed: seed of the resampling.

    Raises:
        ArgumentError: fewer than three points, values that are not positive, seeds of different
            shapes.

    >>> x = np.array([10.0, 30.0, 100.0, 300.0, 1000.0])
    >>> wiggle = np.exp(0.02 * np.random.default_rng(0).standard_normal((10, 5)))
    >>> fit = fit_power_law(x, 2.0 * x**-0.4 * wiggle)
    >>> fit.holds, round(fit.exponent, 2), fit.interval[0] < -0.4 < fit.interval[1]
    (True, -0.4, True)
    """
    x, y = _checked(x, y)
    level = between("level", level, 0.5, 0.9999)
    n_bootstrap = count("n_bootstrap", n_bootstrap, 100)
    first, last = straight_run(np.log(x), np.log(y)) if window is None else _inside(x, window)
    log_x, log_y = np.log(x[first:last]), np.log(y[:, first:last])
    slopes = _slopes(log_x, log_y)
    exponent = float(slopes.mean())
    bounds = (
        _residual_interval(log_x, log_y[0], exponent, level)
        if len(slopes) == 1
        else _seed_interval(slopes, level, n_bootstrap, seed)
    )
    offset, r_squared = _line(log_x, log_y.mean(0), exponent)
    p_straight = straightness(log_x, log_y)
    holds, reason = _judge(bounds, p_straight, r_squared)
    return PowerLaw(
        exponent,
        bounds,
        float(np.exp(offset)),
        level,
        (float(x[first]), float(x[last - 1])),
        last - first,
        len(y),
        p_straight,
        r_squared,
        holds,
        reason,
    )


def local_exponents(x: ArrayLike, y: ArrayLike, half_width: int = 2) -> FloatArray:
    """Return d log y / d log x along the last axis, by least squares on 2·half_width + 1 points.

    Near the ends the window is shortened on one side.

    Args:
        x: abscissae, shape (k,), positive and increasing, k ≥ 3.
        y: positive values, shape (…, k).
        half_width: points on each side.

    >>> x = np.logspace(0, 3, 20)
    >>> bool(np.allclose(local_exponents(x, 5 * x**-1.5), -1.5))
    True
    """
    x = _abscissae(x)
    y = finite_array("y", y)
    if y.shape[-1:] != x.shape:
        raise ArgumentError(f"y must have last axis {len(x)} like x, got shape {y.shape}")
    _require_positive("y", y)
    half_width = count("half_width", half_width)
    log_x, log_y = np.log(x), np.log(y)
    result = np.empty(y.shape)
    for i in range(len(x)):
        near = slice(max(0, i - half_width), min(len(x), i + half_width + 1))
        result[..., i] = _slopes(log_x[near], log_y[..., near])
    return result


def _checked(x: ArrayLike, y: Any) -> tuple[FloatArray, FloatArray]:
    """Return x (k,) and y (seeds, k), or say what is wrong with them."""
    x = _abscissae(x)
    try:
        curves = list(y)
    except TypeError:
        raise ArgumentError(f"y must be a curve or one curve a seed, got {y!r}") from None
    if not curves:
        raise ArgumentError("y must not be empty")
    seeds = [finite_array("y", part) for part in ([y] if np.ndim(curves[0]) == 0 else curves)]
    for i, part in enumerate(seeds):
        if part.shape != x.shape:
            raise ArgumentError(
                f"y must have one value per x in every seed, {x.shape}; seed {i} has {part.shape}"
            )
    values = np.array(seeds)
    _require_positive("y", values)
    return x, values


def _abscissae(x: ArrayLike) -> FloatArray:
    x = finite_array("x", x, ndim=1)
    if len(x) < 3:
        raise ArgumentError(f"x must have at least 3 points for a power law, got {len(x)}")
    _require_positive("x", x)
    if (np.diff(x) <= 0).any():
        raise ArgumentError("x must be strictly increasing")
    return x


def _require_positive(name: str, values: FloatArray) -> None:
    if (values <= 0).any():
        raise ArgumentError(
            f"{name} must be positive for a power law, got {values[values <= 0].flat[0]:g}"
        )


def _slopes(log_x: FloatArray, log_y: FloatArray) -> FloatArray:
    """Least-squares slopes along the last axis."""
    centred = log_x - log_x.mean()
    return log_y @ centred / (centred @ centred)


def _inside(x: FloatArray, window: tuple[float, float]) -> tuple[int, int]:
    """Return (first, last + 1) of the points in a window."""
    low, high = interval("window", window)
    inside = np.flatnonzero((x >= low) & (x <= high))
    if len(inside) < 3:
        raise ArgumentError(
            f"window must hold at least 3 points, ({low:g}, {high:g}) holds {len(inside)}"
        )
    return int(inside[0]), int(inside[-1]) + 1


def _line(log_x: FloatArray, log_y: FloatArray, slope: float) -> tuple[float, float]:
    """Return offset and R² of the line of a given slope through one curve."""
    offset = float(log_y.mean() - slope * log_x.mean())
    scatter = float(((log_y - log_y.mean()) ** 2).sum())
    misfit = float(((log_y - offset - slope * log_x) ** 2).sum())
    return offset, 1.0 - misfit / scatter if scatter > 0 else 1.0


def _residual_interval(
    log_x: FloatArray, log_y: FloatArray, slope: float, level: float
) -> tuple[float, float]:
    """Student interval of one curve's slope, from its own residuals."""
    centred = log_x - log_x.mean()
    residual = log_y - log_y.mean() - slope * centred
    dof = len(log_x) - 2
    error = np.sqrt(residual @ residual / dof / (centred @ centred))
    reach = float(stdtrit(dof, 0.5 + 0.5 * level) * error)
    return slope - reach, slope + reach


def _seed_interval(
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


def _judge(bounds: tuple[float, float], p_straight: float, r_squared: float) -> tuple[bool, str]:
    if p_straight <= SIGNIFICANCE:
        return False, f"log y is not straight in log x, p = {p_straight:.2g}"
    if bounds[0] <= 0.0 <= bounds[1]:
        return False, "the slope is not told from zero"
    if r_squared < 0.5:
        return False, f"a power law explains {r_squared:.0%} of the variation"
    return True, f"straight in log x, p = {p_straight:.2g}"
