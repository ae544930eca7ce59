"""A sweep written down in a TOML file."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...support.errors import ArgumentError, DataFileError
from .axes import axis

RawBlock = tuple[Mapping[str, Any], Sequence[Sequence[str]]]
"""Axes as written, and the groups of them that advance together."""

_RECIPE = ("tau", "observables", "t", "against", "certify")


@dataclass(frozen=True)
class SweepFile:
    """The content of a sweep file: blocks of axes, and settings of the recipe."""

    blocks: tuple[RawBlock, ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def override(
        self, axes: Mapping[str, Any], zipped: Sequence[Sequence[str]] = ()
    ) -> "SweepFile":
        """Return the file with axes replaced in every block, and groups added."""
        if not axes and not zipped:
            return self
        replaced = {_same(name) for name in axes}
        blocks = [
            (
                {name: values for name, values in own.items() if _same(name) not in replaced}
                | dict(axes),
                [*groups, *zipped],
            )
            for own, groups in self.blocks or (({}, ()),)
        ]
        return SweepFile(tuple(blocks), self.recipe)


def read_toml(path: str | Path) -> SweepFile:
    """Read a sweep file.

    One table `[axes]`, or several `[[grid]]` tables, each with its own `axes`; beside the axes
    there may be `zip = [["n", "m"]]`. `[recipe]` may set tau, observables, t, against, certify.

    Raises:
        DataFileError: a file that cannot be read, or is no TOML.
        ArgumentError: unknown tables or keys.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataFileError(f"{path}: not a TOML file ({error})") from None
    _known_keys(path, "", content, ("axes", "zip", "grid", "recipe"))
    tables = content.get("grid", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ArgumentError(f"{path}: grid must be written as [[grid]]")
    if "axes" in content or "zip" in content:
        tables = [{key: content[key] for key in ("axes", "zip") if key in content}, *tables]
    blocks = []
    for table in tables:
        _known_keys(path, "[[grid]]", table, ("axes", "zip"))
        axes, groups = table.get("axes", {}), table.get("zip", [])
        if not isinstance(axes, dict):
            raise ArgumentError(f"{path}: axes must be a table")
        if not isinstance(groups, list) or not all(isinstance(group, list) for group in groups):
            raise ArgumentError(f'{path}: zip must be a list of lists, such as [["n", "m"]]')
        blocks.append((axes, groups))
    recipe = content.get("recipe", {})
    if not isinstance(recipe, dict):
        raise ArgumentError(f"{path}: recipe must be a table")
    _known_keys(path, "[recipe]", recipe, _RECIPE)
    return SweepFile(tuple(blocks), recipe)


def _known_keys(path: Path, where: str, table: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in table:
        if key not in known:
            place = f"{path}, {where}" if where else str(path)
            raise ArgumentError(f"{place}: unknown key {key!r}; keys are {', '.join(known)}")


def _same(name: str) -> str:
    """Return the axis that a name stands for; seeds and seed are one."""
    return "seed" if name == "seeds" else axis(name).name
