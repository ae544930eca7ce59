"""A store read back: points, scalars and curves in the canonical order, checked against their hash.

The table does not depend on who computed what, when and in which order. Timings do, and are apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...support.errors import ArgumentError, StoreError
from ...support.validation import FloatArray
from ..measuring.recipe import known_name
from ..measuring.result import Result, unpack
from ..points.axes import AXES
from ..points.grid import sort_key
from ..points.identity import Value, point_id
from .store import Row, Store

# Short ways to say what is asked for most.
ALIASES: Mapping[str, str] = {"best_kl": "kl_best", "best": "kl_best"}


@dataclass(frozen=True, eq=False)
class Table:
    """The finished points of a store.

    Attributes:
        tau: training times, shape (n_tau,).
        ids: identities of the points.
        points: their axes.
        results: their curves and scalars.
        seconds: wall time of each.
        timings: seconds of each by what took them.
    """

    tau: FloatArray
    ids: list[str]
    points: list[dict[str, Value]]
    results: list[Result]
    seconds: FloatArray
    timings: list[dict[str, float]]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def axes(self) -> list[str]:
        """Axes that apply to any point, in their order."""
        return [name for name in AXES if any(point[name] is not None for point in self.points)]

    @cached_property
    def varying(self) -> list[str]:
        """Axes with more than one value."""
        return [name for name in self.axes if len({point[name] for point in self.points}) > 1]

    @cached_property
    def scalars(self) -> list[str]:
        """Names of the scalars, sorted."""
        return sorted({name for result in self.results for name in result.scalars})

    @cached_property
    def curves(self) -> list[str]:
        """Names of the curves, sorted."""
        return sorted({name for result in self.results for name in result.curves})

    def column(self, name: str) -> NDArray[Any]:
        """Return an axis or a scalar of all points; NaN or "" where a point has none.

        Raises:
            ArgumentError: unknown name; the message says which is nearest.
        """
        name = ALIASES.get(name, name)
        if name == "seconds":
            return self.seconds
        known_name("column", name, [*self.axes, *self.scalars, "seconds"])
        if name in AXES:
            return _column([point[name] for point in self.points])
        return _column([result.scalars.get(name) for result in self.results])

    def curve(self, name: str) -> FloatArray:
        """Return a curve of all points, shape (points, n_tau); NaN where a point has none."""
        known_name("curve", name, self.curves)
        missing = np.full(len(self.tau), np.nan)
        rows = [result.curves.get(name, missing) for result in self.results]
        return np.array(rows, dtype=np.float64).reshape(len(self), len(self.tau))

    def records(self) -> NDArray[Any]:
        """Return axes and scalars as a NumPy record array, one record per point."""
        columns = {name: self.column(name) for name in [*self.axes, *self.scalars]}
        dtype = [(name, column.dtype) for name, column in columns.items()]
        table = np.empty(len(self), dtype=dtype)
        for name, column in columns.items():
            table[name] = column
        return table.view(np.recarray)

    def frame(self) -> Any:
        """Return `records` as a pandas DataFrame, indexed by identity. Needs pandas."""
        try:
            import pandas
        except ImportError:
            raise ArgumentError("frame needs pandas: pip install 'rfdiff[tables]'") from None
        return pandas.DataFrame.from_records(
            self.records(), index=pandas.Index(self.ids, name="id")
        )

    def where(self, **axes: Any) -> "Table":
        """Return the points whose axes have these values.

        Raises:
            ArgumentError: an unknown axis, or no such point.
        """
        for name, value in axes.items():
            known_name("axis", name, self.axes)
            axes[name] = AXES[name].check(value)
        keep = [i for i, p in enumerate(self.points) if all(p[k] == v for k, v in axes.items())]
        if not keep:
            listed = ", ".join(f"{name} = {value}" for name, value in axes.items())
            raise ArgumentError(f"no finished point has {listed}")
        return Table(
            self.tau,
            [self.ids[i] for i in keep],
            [self.points[i] for i in keep],
            [self.results[i] for i in keep],
            self.seconds[keep],
            [self.timings[i] for i in keep],
        )


def read_table(store: Store) -> Table:
    """Read all finished points of a store.

    Raises:
        StoreError: a point or result that does not match its hash.
    """
    times = store.recipe.times
    rows = [(row, check_row(str(store.path), row, len(times))) for row in store.rows()]
    rows.sort(key=lambda pair: sort_key(pair[0].point))
    return Table(
        times,
        [row.id for row, _ in rows],
        [row.point for row, _ in rows],
        [result for _, result in rows],
        np.array([row.seconds for row, _ in rows], dtype=np.float64),
        [row.timings for row, _ in rows],
    )


def check_row(path: str, row: Row, n_tau: int) -> Result:
    """Return a stored result if point and result match their hashes.

    Raises:
        StoreError: they do not.
    """
    where = f"{path}: point {row.id[:12]}"
    if point_id(row.point) != row.id:
        raise StoreError(f"{where} does not match its identity")
    if row.packed.digest != row.digest:
        raise StoreError(f"{where}: its result does not match its hash")
    return unpack(where, row.packed, n_tau)


def _column(values: list[Any]) -> NDArray[Any]:
    """Return values as the narrowest array that holds them all."""
    present = [value for value in values if value is not None]
    if any(isinstance(value, str) for value in present):
        return np.array(["" if value is None else str(value) for value in values], dtype=np.str_)
    if len(present) == len(values) and all(isinstance(value, bool) for value in present):
        return np.array(values, dtype=np.bool_)
    if len(present) == len(values) and all(type(value) is int for value in present):
        return np.array(values, dtype=np.int64)
    return np.array([np.nan if value is None else float(value) for value in values])
