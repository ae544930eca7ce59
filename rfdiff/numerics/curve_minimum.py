"""Where curves are lowest: on a grid, by a parabola through three points, or zoomed in on."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..support.validation import FloatArray

# Points a zoom: curves are computed for many x at once at little more than the cost of one.
_ZOOM_POINTS = 17


class GridMinimum(NamedTuple):
    """Minima of curves on an even grid, of the shape of the curves' leading axes.

    Attributes:
        x: where the curve is lowest.
        value: its value there.
        interior: whether the lowest point of the grid is not at an end.
    """

    x: FloatArray
    value: FloatArray
    interior: np.ndarray


def grid_minimum(x: FloatArray, values: ArrayLike) -> GridMinimum:
    """Return the vertex of the parabola through the lowest point and its two neighbours.

    At an end of the grid, or where the three values are not finite, it is the lowest point itself.

    Args:
        x: even grid, shape (k,), k ≥ 3.
        values: curves on it, shape (…, k).

    >>> x = np.linspace(0.0, 3.0, 7)
    >>> found = grid_minimum(x, (x - 1.2) ** 2 + 5.0)
    >>> round(float(found.x), 12), round(float(found.value), 12), bool(found.interior)
    (1.2, 5.0, True)
    """
    values = np.asarray(values, dtype=np.float64)
    lowest = np.argmin(values, axis=-1)
    centre = np.clip(lowest, 1, len(x) - 2)
    before, at, after = (
        np.take_along_axis(values, (centre + k)[..., None], axis=-1)[..., 0] for k in (-1, 0, 1)
    )
    interior = lowest == centre
    with np.errstate(invalid="ignore"):
        curvature = before - 2.0 * at + after
        usable = interior & (curvature > 0) & np.isfinite(curvature)
        tilt = before - after
    shift = np.divide(0.5 * tilt, curvature, out=np.zeros(lowest.shape), where=usable)
    least = at - 0.25 * np.where(usable, tilt, 0.0) * shift
    value = np.where(usable, least, values.min(axis=-1))
    return GridMinimum(x[lowest] + shift * (x[1] - x[0]), value, interior)


def zoom(
    curve: Callable[[FloatArray], FloatArray], low: float, high: float, spacing: float
) -> float:
    """Return where a curve is lowest on [low, high], which holds one minimum.

    Ever finer grids around their lowest point, down to a spacing at which a parabola is the curve
    to its third power; closer points would tell rounding, not the curve, apart.

    Args:
        curve: maps x of shape (k,) to values of that shape.
        low: left end.
        high: right end.
        spacing: of the last grid.

    >>> round(zoom(lambda x: np.cosh(x - 0.3), -2.0, 2.0, 1e-3), 9)
    0.3
    """
    while True:
        x = np.linspace(low, high, _ZOOM_POINTS)
        values = curve(x)
        if x[1] - x[0] <= spacing:
            return float(grid_minimum(x, values).x)
        k = int(np.argmin(values))
        low, high = x[max(k - 1, 0)], x[min(k + 1, _ZOOM_POINTS - 1)]
