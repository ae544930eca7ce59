"""From a table to what is plotted: an observable against an axis, seeds as a spread, with its fit.

Everything else that varies must be said: kept at one value (`Table.where`) or told apart (`group`).
Only then is the spread that of the seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...support.errors import ArgumentError
from ...support.validation import FloatArray
from ...theory.power_laws.exponents import PowerLaw, fit_power_law
from ...theory.predictions import UNIT_CONSTANTS, Axis, Prediction
from ..points.axes import axis
from ..points.identity import Point, Value
from ..store.table import Table

# Points over the range of τ at which Theorem 1's function is minimised.
_THEOREM_TIMES = 401


@dataclass(frozen=True, eq=False)
class Trend:
    """One line of a plot.

    Attributes:
        x: abscissae, shape (k,), sorted; numbers, or names in their own order.
        y: shape (seeds, k), NaN where a seed has no such point.
        label: what tells this line from the others, or "".
        within: ends (low, high) of the intervals in which y lies, each of its shape; None if y is
            known as it is.
    """

    x: NDArray[Any]
    y: FloatArray
    label: str = ""
    within: tuple[FloatArray, FloatArray] | None = None

    @property
    def numeric(self) -> bool:
        """Whether x is a number."""
        return self.x.dtype.kind in "if"

    def quantiles(self, shares: Sequence[float] = (0.25, 0.5, 0.75)) -> FloatArray:
        """Return quantiles over seeds at each x, shape (len(shares), k)."""
        return np.nanquantile(self.y, shares, axis=0)

    def fit(self) -> PowerLaw | None:
        """Return the power law through the seeds that have every point, if one can be fitted."""
        whole = ~np.isnan(self.y).any(axis=1)
        complete = self.y[whole]
        usable = self.numeric and len(self.x) >= 3 and len(complete) > 0
        if not usable or self.x.min() <= 0 or not (np.isfinite(complete) & (complete > 0)).all():
            return None
        within = None if self.within is None else (self.within[0][whole], self.within[1][whole])
        return fit_power_law(self.x.astype(np.float64), complete, within=within)


def trends(table: Table, x: str, y: str, group: str | None = None) -> list[Trend]:
    """Return an observable against an axis, one trend for each value of `group`.

    Args:
        table: finished points.
        x: an axis.
        y: a scalar (or "seconds").
        group: another axis.

    Raises:
        ArgumentError: unknown names, or further axes that vary.
    """
    x, group = axis(x).name, None if group is None else axis(group).name
    if not len(table):
        raise ArgumentError("the store has no finished points yet")
    values = table.column(y)
    if values.dtype.kind not in "ifb":
        raise ArgumentError(f"{y} is no number, so it cannot be drawn against {x}")
    if x not in table.axes:
        raise ArgumentError(f"{x} does not apply to any point")
    _refuse_mixtures(table, {x, group, "seed"})
    values = values.astype(np.float64)
    of_points = values, *_ends(table, y, values)
    return [_trend(table, rows, x, of_points, label) for label, rows in _split(table, group)]


def curve_trends(table: Table, y: str, group: str | None = None) -> list[Trend]:
    """Return a curve against τ, one trend for each value of `group`, seeds as its rows."""
    group = None if group is None else axis(group).name
    if not len(table):
        raise ArgumentError("the store has no finished points yet")
    values = table.curve(y)
    _refuse_mixtures(table, {group, "seed"})
    return [Trend(table.tau, values[rows], name) for name, rows in _split(table, group)]


def heat(table: Table, x: str, y: str, z: str) -> tuple[NDArray[Any], NDArray[Any], FloatArray]:
    """Return the values of two axes, and the median over seeds of `z`, shape (len(y), len(x))."""
    x, y = axis(x).name, axis(y).name
    if x == y:
        raise ArgumentError(f"a heat map needs two different axes, got {x} twice")
    columns = trends(table, x, z, group=y)
    xs = np.unique(np.concatenate([column.x for column in columns]))
    grid = np.full((len(columns), len(xs)), np.nan)
    for row, column in zip(grid, columns, strict=True):
        row[np.searchsorted(xs, column.x)] = column.quantiles([0.5])[0]
    return xs, np.array(_values(table.points, y)), grid


def theorem(table: Table, x: str, y: str, group: str | None) -> Prediction | None:
    """Return Theorem 1's function with unit constants, minimised over the sweep's range of τ.

    At the points of the first of `trends`; None for quantities it does not speak of, or of points
    that are not finite samples.

    Args:
        table: finished points.
        x: "n" or "m".
        y: "tau_es" or "kl_best".
        group: another axis.
    """
    rows = [table.points[i] for i in _split(table, group)[0][1]]
    inside = table.tau[(table.tau > 0.0) & np.isfinite(table.tau)]
    if x not in ("n", "m") or y not in ("tau_es", "kl_best") or len(inside) < 2:
        return None
    sizes = {row[x]: (row["n"], row["m"]) for row in rows}
    if len(sizes) < 2 or any(None in pair for pair in sizes.values()):
        return None
    at, n, m = np.array([(size, *sizes[size]) for size in _values(rows, x)], np.float64).T
    tau = np.geomspace(inside.min(), inside.max(), _THEOREM_TIMES)
    axis_of_x = Axis(at, n, m, tau)
    lowest = axis_of_x.best_time if y == "tau_es" else axis_of_x.least
    return lowest(UNIT_CONSTANTS[1], "unit")


def through_middle(
    trend: Trend, theory: float | Prediction
) -> tuple[FloatArray, FloatArray] | None:
    """Return a theory's line (x, y) through the middle of a trend, on log–log axes.

    Theory gives no prefactor, so the line is given its place by the data. None if the trend
    cannot be drawn on log–log axes.

    Args:
        trend: what is drawn.
        theory: an exponent, or a function computed at the trend's own x.
    """
    middle = trend.quantiles([0.5])[0]
    if not trend.numeric or trend.x.min() <= 0 or not (middle > 0).all():
        return None
    x = trend.x.astype(np.float64)
    log_y = np.log(theory.values) if isinstance(theory, Prediction) else theory * np.log(x)
    return x, np.exp(log_y - log_y.mean() + np.log(middle).mean())


def at_the_ends(table: Table, y: str) -> int:
    """Return at how many points an early-stopping time lies at an end of the range of τ."""
    if f"{y}_at" not in table.scalars:
        return 0
    return int(np.isin(table.column(f"{y}_at"), ("start", "end")).sum())


def lowest(tau: FloatArray, curve: FloatArray) -> tuple[float, float] | None:
    """Return where a curve is lowest on the grid, if that is not at an end of it."""
    if np.isnan(curve).any():
        return None
    best = int(np.argmin(curve))
    return (float(tau[best]), float(curve[best])) if 0 < best < len(tau) - 1 else None


def _refuse_mixtures(table: Table, said: set[str | None]) -> None:
    """Refuse axes that vary without being determined by those that are said."""
    known = [name for name in table.varying if name in said and name != "seed"]
    for name in table.varying:
        if name in said:
            continue
        seen: dict[tuple[Value, ...], Value] = {}
        for point in table.points:
            key = tuple(point[other] for other in known)
            if seen.setdefault(key, point[name]) != point[name]:
                values = ", ".join(_text(value) for value in _values(table.points, name)[:4])
                raise ArgumentError(
                    f"{name} varies too ({values}, …): choose one value (--where {name}=…) "
                    f"or draw a line for each (--group {name})"
                )


def _split(table: Table, group: str | None) -> list[tuple[str, list[int]]]:
    """Return the rows of each value of the group, with a label."""
    if group is None:
        return [("", list(range(len(table))))]
    return [
        (
            f"{group} = {_text(value)}",
            [i for i, point in enumerate(table.points) if point[group] == value],
        )
        for value in _values(table.points, group)
    ]


def _ends(table: Table, y: str, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the ends of the intervals in which the values of all points lie.

    Those that early stopping leaves, as far as the sweep's range of τ goes; the values themselves
    where none are recorded.
    """
    inside = table.tau[(table.tau > 0.0) & np.isfinite(table.tau)]
    low, high = (
        table.column(name) if name in table.scalars else values
        for name in (f"{y}_low", f"{y}_high")
    )
    low = np.where(np.isnan(low), values, np.maximum(low, inside.min(initial=np.inf)))
    high = np.where(np.isnan(high), values, np.minimum(high, inside.max(initial=0.0)))
    return np.minimum(low, values), np.maximum(high, values)


def _trend(
    table: Table, rows: list[int], x: str, of_points: tuple[FloatArray, ...], label: str
) -> Trend:
    """Return one trend from a value of each point, and the ends of the interval it lies in."""
    abscissae = _values([table.points[i] for i in rows], x)
    seeds = _values([table.points[i] for i in rows], "seed")
    y, low, high = np.full((3, len(seeds), len(abscissae)), np.nan)
    for i in rows:
        at = seeds.index(table.points[i]["seed"]), abscissae.index(table.points[i][x])
        y[at], low[at], high[at] = (values[i] for values in of_points)
    return Trend(np.array(abscissae), y, label, (low, high))


def _values(points: Sequence[Point], name: str) -> list[Any]:
    """Return the values of an axis in order, None left out."""
    return sorted({point[name] for point in points if point[name] is not None})


def _text(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
