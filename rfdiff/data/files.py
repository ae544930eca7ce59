"""Data from files: .csv, .txt and .npy, with errors that name the file, the column and the row."""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..support.errors import DataFileError
from ..support.validation import FloatArray

BUNDLED = {"old_faithful": "faithful.csv", "galaxies": "galaxies.csv"}

SUFFIXES = (".csv", ".txt", ".npy")

Column = str | int


def bundled_data(name: str) -> Path:
    """Return the path of a data set that comes with the package: "old_faithful" or "galaxies".

    >>> bundled_data("old_faithful").name
    'faithful.csv'
    """
    if name not in BUNDLED:
        raise DataFileError(f"no bundled data set {name!r}; there are {', '.join(BUNDLED)}")
    return Path(__file__).parent / BUNDLED[name]


def load_data(path: str | Path, column: Column | Sequence[Column] | None = None) -> FloatArray:
    """Read points from a file.

    Args:
        path: a .csv file (one header line or none; separated by commas, semicolons or tabs),
            a .txt file (separated by blanks or commas, `#` starts a comment), a .npy array, or
            the name of a bundled data set.
        column: which column to read, by its name or its number counted from 0; several give
            points of several dimensions. None takes the only column of a text file (unnamed row
            labels, as R and pandas write them, are no column), or a whole .npy array.

    Returns:
        Array of shape (n,), or (n, d) where several columns were chosen or the .npy array has two
        dimensions.

    Raises:
        DataFileError: naming the file, and the column and row where the fault is in one cell.
            Rows are counted from 1 without the header; the line is the one an editor shows.

    >>> load_data("old_faithful", column="eruptions")[:3]
    array([3.6  , 1.8  , 3.333])
    """
    name = str(path)
    path = bundled_data(name) if name in BUNDLED and not Path(path).exists() else Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataFileError(f"{path}: data files end in {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise DataFileError(f"{path}: no such file")
    if suffix == ".npy":
        table: _Array | _Text = _read_npy(path)
    else:
        table = _read_csv(path) if suffix == ".csv" else _read_txt(path)
    if column is None:
        positions, flat = table.default_columns()
    elif isinstance(column, str | int | np.integer):
        positions, flat = [_position(table, column)], True
    else:
        positions, flat = [_position(table, c) for c in column], False
    if not positions:
        raise DataFileError(f"{path}: no column was chosen")
    values = [table.column(position) for position in positions]
    return values[0] if flat else np.stack(values, axis=1)


@dataclass(frozen=True)
class _Text:
    """Cells of a text file as written, with what is needed to say where one stands."""

    path: Path
    names: Sequence[str] | None
    rows: list[list[str]]
    lines: list[int]

    @property
    def n_columns(self) -> int:
        return len(self.rows[0])

    def default_columns(self) -> tuple[list[int], bool]:
        """Return the only column, as flat data."""
        # Row labels, as R and pandas write them: a first column whose header is empty.
        labelled = self.names is not None and self.names[0] == "" and self.n_columns > 1
        candidates = list(range(1 if labelled else 0, self.n_columns))
        if len(candidates) > 1:
            raise DataFileError(
                f"{self.path}: choose a column: the file has {_describe(self.names, candidates)}"
            )
        return candidates, True

    def column(self, position: int) -> FloatArray:
        """Return one column as numbers."""
        cells = [row[position] for row in self.rows]
        try:
            values = np.array(cells, dtype=np.float64)
        except ValueError:
            bad = next(i for i, cell in enumerate(cells) if not _is_number(cell))
            fault = f"{cells[bad]!r} is not a number" if cells[bad] else "the cell is empty"
        else:
            if np.isfinite(values).all():
                return values
            bad = int(np.argmin(np.isfinite(values)))
            fault = f"{cells[bad]} is not finite"
        place = f"column {_name(self.names, position)}, row {bad + 1} (line {self.lines[bad]})"
        raise DataFileError(f"{self.path}, {place}: {fault}")


@dataclass(frozen=True)
class _Array:
    """A .npy array as (n, d) values; `flat` if it had one dimension."""

    path: Path
    names: Sequence[str] | None
    values: FloatArray
    flat: bool

    @property
    def n_columns(self) -> int:
        return self.values.shape[1]

    def default_columns(self) -> tuple[list[int], bool]:
        """Return all columns: an (n, d) array already says that its rows are points."""
        return list(range(self.n_columns)), self.flat

    def column(self, position: int) -> FloatArray:
        """Return one column."""
        values = self.values[:, position]
        finite = np.isfinite(values)
        if not finite.all():
            bad = int(np.argmin(finite))
            place = f"column {_name(self.names, position)}, row {bad + 1}"
            raise DataFileError(f"{self.path}, {place}: {values[bad]} is not finite")
        return values


def _read_csv(path: Path) -> _Text:
    text = _read_text(path)
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True)
    return _parse(path, ((reader.line_num, row) for row in reader))


def _read_txt(path: Path) -> _Text:
    contents = (line.split("#", 1)[0].strip() for line in _read_text(path).splitlines())
    return _parse(
        path, ((i, re.split(r"\s*,\s*|\s+", line)) for i, line in enumerate(contents, start=1))
    )


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataFileError(f"{path}: not a text file in UTF-8") from None
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read ({error.strerror})") from None


def _parse(path: Path, numbered: Iterable[tuple[int, list[str]]]) -> _Text:
    """Drop blank lines, split off the header (a first line with a cell that is no number)."""
    lines, rows = [], []
    for line, row in numbered:
        cells = [cell.strip() for cell in row]
        if any(cells):
            lines.append(line)
            rows.append(cells)
    names = None
    if rows and not all(_is_number(cell) for cell in rows[0]):
        names, rows, lines = rows[0], rows[1:], lines[1:]
    if not rows:
        raise DataFileError(f"{path}: holds no data")
    width = len(names or rows[0])
    for i, row in enumerate(rows):
        if len(row) != width:
            raise DataFileError(
                f"{path}, row {i + 1} (line {lines[i]}): has {len(row)} columns, expected {width}"
            )
    return _Text(path, names, rows, lines)


def _read_npy(path: Path) -> _Array:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataFileError(f"{path}: not a .npy array of numbers ({error})") from None
    names = array.dtype.names
    fields = [array] if names is None else [array[name] for name in names]
    for field in fields:
        if field.dtype.kind not in "iuf":
            raise DataFileError(f"{path}: must hold real numbers, got dtype {field.dtype}")
    if array.size == 0:
        raise DataFileError(f"{path}: holds no data")
    if array.ndim > (2 if names is None else 1) or array.ndim == 0:
        raise DataFileError(f"{path}: must have shape (n,) or (n, d), got {array.shape}")
    if names is None:
        return _Array(path, None, array.astype(np.float64).reshape(len(array), -1), array.ndim == 1)
    values = np.stack([field.astype(np.float64) for field in fields], axis=1)
    return _Array(path, names, values, len(names) == 1)


def _position(table: _Text | _Array, column: Column) -> int:
    """Return the position of a column: by name first, else by number counted from 0."""
    if isinstance(column, str) and table.names is not None and column in table.names:
        return list(table.names).index(column)
    if isinstance(column, str) and not re.fullmatch(r"\d+", column):
        listed = _describe(table.names, range(table.n_columns))
        raise DataFileError(f"{table.path}: no column {column!r}; the file has {listed}")
    number = int(column)
    if not 0 <= number < table.n_columns:
        raise DataFileError(
            f"{table.path}: no column {number}; columns are numbered 0 to {table.n_columns - 1}"
        )
    return number


def _describe(names: Sequence[str] | None, positions: Sequence[int]) -> str:
    """Return a list of columns for a message."""
    listed = ", ".join(_name(names, i) for i in positions[:12])
    return listed + (", …" if len(positions) > 12 else "")


def _name(names: Sequence[str] | None, position: int) -> str:
    """Return a column's name in quotes, or its number where it has none."""
    return repr(names[position]) if names and names[position] else str(position)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
