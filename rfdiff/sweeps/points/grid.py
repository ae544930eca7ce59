"""What to run: blocks of axes, multiplied out into points.

A block is the product of its axes; axes named together in `zipped` advance together instead
(m ~ n of Theorem 1). A grid is the union of its blocks, each point once.
"""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...support.errors import ArgumentError
from .axes import AXES, axis
from .identity import Point, Value, canonical_json, grid_id, point_id

# More points than anyone waits for: a mistyped range, not a sweep.
_LARGEST = 10_000_000


GridRow = tuple[str, str, int]


@dataclass(frozen=True)
class Block:
    """A product of axes, some of them advancing together."""

    axes: Mapping[str, Sequence[Value]]
    zipped: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, axes: Mapping[str, Any], zipped: Iterable[Iterable[str]] = ()) -> "Block":
        """Return a block from names and values as a user writes them.

        Values are one value, a list, or text such as "100,300" or "1e1:1e4:7log". `seeds` is a
        number of seeds (10 means 0 … 9) or a list of them.
        """
        checked: dict[str, Sequence[Value]] = {}
        for name, values in axes.items():
            known, values = _seeds(values) if name == "seeds" else (axis(name), values)
            if known.name in checked:
                raise ArgumentError(f"{known.name} is given twice")
            checked[known.name] = known.values(values)
        groups = tuple(tuple(axis(name).name for name in group) for group in zipped)
        for group in groups:
            _check_group(group, checked)
        named = [name for group in groups for name in group]
        for name in named:
            if named.count(name) > 1:
                raise ArgumentError(f"zip must name {name} once")
        return cls({name: checked[name] for name in AXES if name in checked}, groups)

    def __len__(self) -> int:
        size = 1
        for values in self._dimensions():
            size *= len(values)
        return size

    def points(self) -> list[dict[str, Value]]:
        """Return the points, with every axis set and None where an axis does not apply."""
        found, used = [], set()
        defaults = {name: known.default for name, known in AXES.items()}
        for combination in itertools.product(*self._dimensions()):
            chosen = dict(itertools.chain.from_iterable(combination))
            point = defaults | chosen
            meaningless = [name for name, known in AXES.items() if not known.applies(point)]
            used.update(set(chosen).difference(meaningless))
            found.append({**point, **dict.fromkeys(meaningless)})
        for name in self.axes:
            if name not in used:
                raise ArgumentError(f"{name} does not apply to any point: {AXES[name].help}")
        return found

    def _dimensions(self) -> list[list[tuple[tuple[str, Value], ...]]]:
        """Return the factors of the product: each a list of ((name, value), …)."""
        together = {name: group for group in self.zipped for name in group}
        dimensions, seen = [], set()
        for name in self.axes:
            group = together.get(name, (name,))
            if group in seen:
                continue
            seen.add(group)
            columns = [[(member, value) for value in self.axes[member]] for member in group]
            dimensions.append(list(zip(*columns, strict=True)))
        return dimensions


@dataclass(frozen=True)
class Grid:
    """The points of a sweep.

    >>> grid = Grid.of({"n": [100, 300], "m": 64, "seeds": 3})
    >>> len(grid), grid.points[0]["n"], grid.points[-1]["seed"]
    (6, 100, 2)
    """

    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, axes: Mapping[str, Any], zipped: Iterable[Iterable[str]] = ()) -> "Grid":
        """Return the grid of one block; see `Block.of`."""
        return cls((Block.of(axes, zipped),))

    @classmethod
    def of_blocks(
        cls, blocks: Iterable[tuple[Mapping[str, Any], Iterable[Iterable[str]]]]
    ) -> "Grid":
        """Return the union of blocks, each axes and the groups of them that advance together."""
        return cls(tuple(Block.of(axes, zipped) for axes, zipped in blocks))

    @cached_property
    def points(self) -> list[dict[str, Value]]:
        """The points in canonical order, each once."""
        return sorted(self._by_id.values(), key=sort_key)

    @cached_property
    def id(self) -> str:
        """Identity of the set of points."""
        return grid_id(self._by_id)

    @cached_property
    def _by_id(self) -> dict[str, dict[str, Value]]:
        total = sum(map(len, self.blocks))
        if total > _LARGEST:
            raise ArgumentError(f"the grid must have at most {_LARGEST} points, got {total}")
        return {point_id(point): point for block in self.blocks for point in block.points()}

    @property
    def row(self) -> GridRow:
        """Identity, definition and size, as a store keeps them."""
        return self.id, self.definition, len(self)

    @property
    def definition(self) -> str:
        """The blocks as canonical JSON, for people and for messages."""
        return canonical_json(
            [
                {"axes": {k: list(v) for k, v in block.axes.items()}}
                | ({"zip": [list(group) for group in block.zipped]} if block.zipped else {})
                for block in self.blocks
            ]
        )

    def __len__(self) -> int:
        return len(self.points)


def sort_key(point: Point) -> tuple[tuple[bool, float, str], ...]:
    """Return the key of the canonical order: axis by axis, numbers by size, None last."""
    return tuple(
        (value is None, 0.0, value) if isinstance(value, str) else (value is None, value or 0, "")
        for value in (point.get(name) for name in AXES)
    )


def brief(definition: str) -> str:
    """Return a grid's definition in a few words.

    >>> brief(Grid.of({"n": "10,100", "seeds": 12}).definition)
    'n 10,100, seed 12 values'
    """
    blocks = []
    for block in json.loads(definition):
        chosen = {name: block["axes"][name] for name in AXES if name in block["axes"]}
        axes = [
            f"{name} {len(values)} values" if len(values) > 4 else f"{name} {_listed(values)}"
            for name, values in chosen.items()
        ]
        blocks.append(", ".join(axes) or "one point")
    return " + ".join(blocks)


def _listed(values: list[Value]) -> str:
    return ",".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values)


def _seeds(values: Any) -> tuple[Any, Any]:
    """Return the seed axis and its values from a number of seeds or a list of them."""
    known = axis("seed")
    if isinstance(values, str):
        values = known.parse(values) if "," in values or ":" in values else known.parse(values)[0]
    if isinstance(values, int) and not isinstance(values, bool):
        if values < 1:
            raise ArgumentError(f"seeds must be at least 1, got {values}")
        return known, list(range(values))
    return known, values


def _check_group(group: tuple[str, ...], checked: Mapping[str, Sequence[Value]]) -> None:
    """Refuse axes that cannot advance together."""
    if len(group) < 2:
        raise ArgumentError(f"zip must name at least two axes, got {', '.join(group) or 'none'}")
    missing = [name for name in group if name not in checked]
    if missing:
        raise ArgumentError(f"zip names {missing[0]}, which is not among the axes given")
    lengths = {name: len(checked[name]) for name in group}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {size}" for name, size in lengths.items())
        raise ArgumentError(f"zipped axes must have equally many values, but {listed}")
