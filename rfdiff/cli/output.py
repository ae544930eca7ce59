"""Where results go: tables and JSON on stdout, files in a folder made once there is a result."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..support.errors import ArgumentError


def check_folder(path: str | None) -> Path | None:
    """Return the folder, if it is one or can be made; nothing is written yet."""
    if path is None:
        return None
    folder = Path(path)
    existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not existing.is_dir():
        raise ArgumentError(f"out must be a folder, but {existing} is a file")
    if not os.access(existing, os.W_OK):
        raise ArgumentError(f"out must be a folder that can be written to, got {path!r}")
    return folder


class Writer:
    """Writes files into a folder, says so on stderr, and remembers their names.

    A file appears under its name only when it is complete.
    """

    def __init__(self, folder: Path, quiet: bool) -> None:
        self.folder, self.quiet = folder, quiet
        self.files: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, write: Callable[[Path], object]) -> None:
        """Let `write(path)` make the file `name`."""
        path = self.folder / name
        partial = path.with_name(f".{path.stem}.partial{path.suffix}")
        try:
            write(partial)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        self.files.append(str(path))
        if not self.quiet:
            print(f"wrote {path}", file=sys.stderr)


class Results(Protocol):
    """What a command has found."""

    def as_dict(self) -> dict[str, Any]:
        """Return everything as a dictionary of arrays and numbers."""

    def text(self) -> str:
        """Return the results as lines of text."""


def deliver(
    args: argparse.Namespace,
    folder: Path | None,
    results: Results,
    write_files: Callable[[Writer, Any], None],
    without_files: Callable[[], str] | None = None,
) -> int:
    """Write files if there is a folder, print JSON or text, and return the exit status 0.

    Args:
        args: options --json and --quiet.
        folder: where files go.
        results: what was found.
        write_files: writes them.
        without_files: text to print where no files are written; the results' own if None.
    """
    writer = None if folder is None else Writer(folder, args.quiet)
    if writer is not None:
        write_files(writer, results)
    if args.json:
        print_json(results.as_dict() | {"files": [] if writer is None else writer.files})
    elif writer is None and without_files is not None:
        print(without_files())
    else:
        print(results.text())
    return 0


def print_json(results: dict[str, Any]) -> None:
    """Print results as strict JSON: infinities as "inf" and "-inf", not-a-number as null."""
    print(json.dumps(plain(results), allow_nan=False))


def plain(value: Any) -> Any:
    """Return a value made of what JSON knows."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return None
        return float(value) if np.isfinite(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, np.integer | np.bool_):
        return value.item()
    return value


def table(columns: Sequence[tuple[str, str, ArrayLike]]) -> str:
    """Return right-aligned columns, each (heading, format of a number, numbers).

    >>> print(table([("tau", ".0e", [1.0, 1e3]), ("KL", ".4f", [0.25, 0.1])]))
      tau      KL
    1e+00  0.2500
    1e+03  0.1000
    """
    texts = [
        [heading, *(format(float(number), spec) for number in np.ravel(numbers))]
        for heading, spec, numbers in columns
    ]
    widths = [max(map(len, column)) for column in texts]
    rows = zip(*texts, strict=True)
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def wrap(items: Sequence[str], width: int = 96) -> list[str]:
    """Return lines of items, two blanks between them, broken only between items.

    >>> wrap(["n: 10", "m: 2", "a law: N(0, 1)"], width=12)
    ['n: 10  m: 2', 'a law: N(0, 1)']
    """
    lines = [""]
    for item in items:
        joined = f"{lines[-1]}  {item}" if lines[-1] else item
        if lines[-1] and len(joined) > width:
            lines.append(item)
        else:
            lines[-1] = joined
    return lines


def spread(n: int, at_most: int) -> list[int]:
    """Return up to `at_most` positions of n, evenly spread, both ends among them.

    >>> spread(201, 5), spread(3, 5)
    ([0, 50, 100, 150, 200], [0, 1, 2])
    """
    return np.unique(np.linspace(0, n - 1, min(n, at_most)).round().astype(int)).tolist()


def message(args: argparse.Namespace, text: str) -> None:
    """Print a message on stderr unless --quiet was given."""
    if not args.quiet:
        print(text, file=sys.stderr)
