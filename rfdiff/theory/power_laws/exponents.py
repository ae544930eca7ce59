"""Power laws from measured curves: y ≈ A xᵇ on a claimed range, and an honest interval for b.

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

from ...support.errors import ArgumentError
from ...support.validation import FloatArray, between, count, finite_array, interval, positive
from .slopes import (
    line_through,
    neighbour_slopes,
    residual_interval,
    seed_interval,
    slope_reach,
    slopes_of,
)
from .straightness import SIGNIFICANCE, Straightness, straightness

# A law is decided on only if the stated change of slope would be found this often.
ENOUGH_POWER = 0.8


@dataclass(frozen=True)
class PowerLaw:
    """A fitted y = prefactor · x^exponent, with everything needed to judge it.

    Attributes:
        exponent: mean over seeds of the slope of log y on log x.
        interval: confidence interval of the exponent at `level`.
        prefactor: A.
        level: nominal coverage of the interval.
        window: smallest and largest x of the claimed range.
        n_points: number of x used.
        n_seeds: number of seeds; 1 means the interval comes from the residuals of one curve.
        local: slopes between neighbouring x, means over seeds, (n_points − 1,).
        local_errors: their standard errors.
        p_straight: p-value of "log y is straight in log x" on the whole claimed range.
        power: probability that `slope_change` would be found with this scatter.
        slope_change: of the local slope from one end of the range to the other.
        r_squared: explained share of the variance of the seed-averaged log y.
        holds: whether nothing speaks against a power law on the claimed range.
        reason: one sentence why, or why not.
    """

    exponent: float
    interval: tuple[float, float]
    prefactor: float
    level: float
    window: tuple[float, float]
    n_points: int
    n_seeds: int
    local: tuple[float, ...]
    local_errors: tuple[float, ...]
    p_straight: float
    power: float
    slope_change: float
    r_squared: float
    holds: bool
    reason: str

    @property
    def decided(self) -> bool:
        """Whether the law was put to a test that it could fail: power of 80 % or more."""
        return not self.holds or self.power >= ENOUGH_POWER

    def __call__(self, x: ArrayLike) -> FloatArray:
        """Return prefactor · x^exponent."""
        return self.prefactor * np.asarray(x, dtype=np.float64) ** self.exponent

    def __str__(self) -> str:
        low, high = self.interval
        text = (
            f"x^{self.exponent:.3g} [{low:.3g}, {high:.3g}] on {self.window[0]:g} … "
            f"{self.window[1]:g} ({self.n_points} points, {self.n_seeds} seeds)"
        )
        if not self.holds:
            return f"no power law ({self.reason}); slope {text}"
        return text if self.decided else f"not decided ({self.reason}); slope {text}"


def fit_power_law(
    x: ArrayLike,
    y: ArrayLike | Sequence[ArrayLike],
    *,
    window: tuple[float, float] | None = None,
    within: tuple[ArrayLike, ArrayLike] | None = None,
    slope_change: float = 0.5,
    level: float = 0.95,
    n_bootstrap: int = 4000,
    seed: int = 0,
) -> PowerLaw:
    """Fit y = A xᵇ to curves of one or more seeds.

    Args:
        x: abscissae, shape (k,), positive and increasing, k ≥ 3.
        y: positive values, shape (k,) for one curve or (seeds, k).
        window: range of x on which the law is claimed and tested; all of them if None.
        within: ends (low, high) of the intervals in which y itself lies, each of y's shape, low
            ≤ y ≤ high. Whatever exponent they allow is added to the interval.
        slope_change: change of the local slope over the range whose power is reported.
        level: coverage of the interval.
        n_bootstrap: resamples of the seeds. Fewer than four seeds use Student's t instead,
            because so few have too few resamples.
        seed: seed of the resampling.

    Raises:
        ArgumentError: fewer than three points, values that are not positive, seeds of different
            shapes, y outside `within`.

    >>> x = np.array([10.0, 30.0, 100.0, 300.0, 1000.0])
    >>> wiggle = np.exp(0.02 * np.random.default_rng(0).standard_normal((10, 5)))
    >>> fit = fit_power_law(x, 2.0 * x**-0.4 * wiggle)
    >>> fit.holds, fit.power > 0.99, round(fit.exponent, 2)
    (True, True, -0.4)
    >>> fit.interval[0] < -0.4 < fit.interval[1]
    True
    """
    x, y = _checked(x, y)
    level = between("level", level, 0.5, 0.9999)
    n_bootstrap = count("n_bootstrap", n_bootstrap, 100)
    slope_change = positive("slope_change", slope_change)
    first, last = (0, len(x)) if window is None else _inside(x, window)
    log_x, log_y = np.log(x[first:last]), np.log(y[:, first:last])
    slopes = slopes_of(log_x, log_y)
    exponent = float(slopes.mean())
    bounds = (
        residual_interval(log_x, log_y[0], exponent, level)
        if len(slopes) == 1
        else seed_interval(slopes, level, n_bootstrap, seed)
    )
    if within is not None:
        low, high = (part[:, first:last] for part in _checked_ends(x, y, within))
        fall, rise = slope_reach(log_x, low - log_y, high - log_y)
        bounds = bounds[0] - fall, bounds[1] + rise
    offset, r_squared = line_through(log_x, log_y.mean(0), exponent)
    straight = straightness(log_x, log_y, slope_change)
    holds, reason = _judge(bounds, straight, slope_change, r_squared)
    local, local_errors = neighbour_slopes(log_x, log_y, exponent)
    return PowerLaw(
        exponent,
        bounds,
        float(np.exp(offset)),
        level,
        (float(x[first]), float(x[last - 1])),
        last - first,
        len(y),
        local,
        local_errors,
        straight.p,
        straight.power,
        slope_change,
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
        result[..., i] = slopes_of(log_x[near], log_y[..., near])
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


def _checked_ends(
    x: FloatArray, y: FloatArray, within: tuple[ArrayLike, ArrayLike]
) -> tuple[FloatArray, FloatArray]:
    """Return the logarithms of the ends of the intervals of y, (seeds, k) each."""
    ends = [_checked(x, part)[1] for part in within]
    if ends[0].shape != y.shape or ends[1].shape != y.shape:
        raise ArgumentError(f"within must have ends of y's shape {y.shape}")
    if (ends[0] > y).any() or (ends[1] < y).any():
        raise ArgumentError("within must hold y: low ≤ y ≤ high")
    return np.log(ends[0]), np.log(ends[1])


def _inside(x: FloatArray, window: tuple[float, float]) -> tuple[int, int]:
    """Return (first, last + 1) of the points in a window."""
    low, high = interval("window", window)
    inside = np.flatnonzero((x >= low) & (x <= high))
    if len(inside) < 3:
        raise ArgumentError(
            f"window must hold at least 3 points, ({low:g}, {high:g}) holds {len(inside)}"
        )
    return int(inside[0]), int(inside[-1]) + 1


def _judge(
    bounds: tuple[float, float], straight: Straightness, slope_change: float, r_squared: float
) -> tuple[bool, str]:
    if straight.p <= SIGNIFICANCE:
        return False, f"log y is not straight in log x, p = {straight.p:.2g}"
    if bounds[0] <= 0.0 <= bounds[1]:
        return False, "the slope is not told from zero"
    if r_squared < 0.5:
        return False, f"a power law explains {r_squared:.0%} of the variation"
    found = f"a change of slope by {slope_change:g} would be found in {straight.power:.0%} of draws"
    return True, f"straight in log x, p = {straight.p:.2g}; {found}"
