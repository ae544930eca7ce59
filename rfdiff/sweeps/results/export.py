"""Tables as files: CSV and npz always, Parquet where pyarrow is there.

Files appear whole or not at all, and hold the same bytes whoever computed the points.
"""

import csv
import io
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ...support.errors import ArgumentError, StoreError
from ..store.table import Table


def write_csv(
    table: Table, path: str | Path, *, curves: bool = False, timings: bool = False
) -> int:
    """Write one line per point, or with `curves` one per point and training time.

    Numbers are written so that they read back as the same doubles.

    Returns:
        The number of lines below the header.
    """
    text = csv_text(table, curves=curves, timings=timings)
    _whole(Path(path), lambda file: file.write_text(text, encoding="utf-8", newline="\n"))
    return text.count("\n") - 1


def csv_text(table: Table, *, curves: bool = False, timings: bool = False) -> str:
    """Return what `write_csv` writes."""
    header, lines = _long(table) if curves else _wide(table, timings)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([["" if v is None else _text(v) for v in line] for line in lines])
    return stream.getvalue()


def write_npz(table: Table, path: str | Path, *, timings: bool = False) -> int:
    """Write `tau`, `id`, every axis and scalar (points,) and every curve (points, n_tau)."""
    arrays: dict[str, Any] = {"tau": table.tau, "id": np.array(table.ids, dtype=np.str_)}
    arrays |= {name: table.column(name) for name in [*table.axes, *table.scalars]}
    arrays |= {name: table.curve(name) for name in table.curves}
    if timings:
        arrays["seconds"] = table.seconds

    def write(file: Path) -> None:
        with open(file, "wb") as stream:
            np.savez_compressed(stream, **arrays)

    _whole(Path(path), write)
    return len(table)


def write_parquet(table: Table, path: str | Path, *, timings: bool = False) -> int:
    """Write axes and scalars, and curves as lists, one row per point. Needs pyarrow."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ArgumentError("a Parquet file needs pyarrow: pip install 'rfdiff[tables]'") from None
    columns: dict[str, Any] = {"id": table.ids}
    columns |= {name: table.column(name) for name in [*table.axes, *table.scalars]}
    columns |= {name: list(table.curve(name)) for name in table.curves}
    if timings:
        columns["seconds"] = table.seconds
    content = pyarrow.table(columns)
    times = ",".join(repr(float(time)) for time in table.tau)
    content = content.replace_schema_metadata({"tau": times})
    _whole(Path(path), lambda file: pyarrow.parquet.write_table(content, file))
    return len(table)


def _wide(table: Table, timings: bool) -> tuple[list[str], Iterator[list[Any]]]:
    header = [*table.axes, *table.scalars]
    steps = sorted({name for taken in table.timings for name in taken}) if timings else []
    if timings:
        header += ["seconds", *(f"seconds_{name}" for name in steps)]

    def lines() -> Iterator[list[Any]]:
        for i, (point, result) in enumerate(zip(table.points, table.results, strict=True)):
            line = [point[name] for name in table.axes]
            line += [result.scalars.get(name) for name in table.scalars]
            if timings:
                line += [float(table.seconds[i]), *(table.timings[i].get(name) for name in steps)]
            yield line

    return header, lines()


def _long(table: Table) -> tuple[list[str], Iterator[list[Any]]]:
    def lines() -> Iterator[list[Any]]:
        for point, result in zip(table.points, table.results, strict=True):
            axes = [point[name] for name in table.axes]
            for i, tau in enumerate(table.tau):
                values = [
                    float(result.curves[name][i]) if name in result.curves else None
                    for name in table.curves
                ]
                yield [*axes, float(tau), *values]

    return [*table.axes, "tau", *table.curves], lines()


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name and rename it: it is there whole, or not at all."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write(draft)
        os.replace(draft, path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        with suppress(OSError):
            draft.unlink()
