"""The axes of a sweep, made from the table of a training's arguments: what a point may set.

An axis knows its default, how its values are checked and written in a shell, and for which points
it means anything: `sigma` says nothing about a VP process. There it is None, so that points that
differ only in meaningless values are one point.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from ...support.argument import Argument
from ...support.arguments import ARGUMENTS
from ...support.errors import ArgumentError
from ...support.ranges import parse_numbers
from ...support.validation import nearest
from .identity import Point, Value

_FLAGS = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        argument: what the table says of it, in its form as an axis.
        meaning: turns a value of the axis into the argument's.
    """

    argument: Argument
    meaning: Callable[[Any], Any]

    @property
    def name(self) -> str:
        """The argument's name."""
        return self.argument.name

    @property
    def default(self) -> Value:
        """The value of points that do not set it."""
        default: Value = self.argument.default
        return default

    @property
    def optional(self) -> bool:
        """Whether None is a value ("none" in a shell)."""
        return self.default is None

    @property
    def option(self) -> str:
        """The option of the command line."""
        return self.argument.option

    @property
    def help(self) -> str:
        """One line for the command line."""
        text = self.argument.help_line()
        if self.optional or self.argument.kind == "flag":
            return f"{text} (default: {str(self.default).lower()})"
        return text

    def applies(self, point: Point) -> bool:
        """Return whether the axis means anything for a point."""
        owner, unless = self.argument.of, self.argument.unless
        owned = owner is None or owner.owns(point[owner.argument])
        return owned and not (unless is not None and point[unless])

    def check(self, value: Any) -> Value:
        """Return one value, converted to the plain type of this axis."""
        if isinstance(value, np.generic):
            value = value.item()
        if value is None and self.optional:
            return None
        assert self.argument.check is not None, f"the axis {self.name} has a check"
        checked: Value = self.argument.check(self.name, value)
        # One zero: −0 would be another point.
        return checked + 0.0 if isinstance(checked, float) else checked

    def parse(self, text: str) -> list[Value]:
        """Return the values written in a shell: a comma list, or ranges for numbers.

        >>> AXES["n"].parse("10,1e2:1e4:3log")
        [10, 100, 1000, 10000]
        >>> AXES["features"].parse("l1,gaussian")
        ['l1', 'gaussian']
        """
        values: list[Value] = []
        for item in (item.strip() for item in text.split(",")):
            if not item:
                raise ArgumentError(f"{self.name} must not have an empty item, got {text!r}")
            values.extend(self._parse_item(item))
        return self.values(values)

    def values(self, values: Any) -> list[Value]:
        """Return a non-empty list of checked values without repetitions, in the order given."""
        if isinstance(values, str):
            return self.parse(values)
        if isinstance(values, np.ndarray | range):
            values = list(values)
        if not isinstance(values, list | tuple):
            values = [values]
        if len(values) == 0:
            raise ArgumentError(f"{self.name} must not be empty")
        return list(dict.fromkeys(self.check(value) for value in values))

    def _parse_item(self, item: str) -> list[Value]:
        if self.optional and item.lower() == "none":
            return [None]
        if self.argument.kind == "flag":
            return [_FLAGS.get(item.lower(), item)]
        if self.argument.kind == "integer":
            return _integers(self.name, item)
        if self.argument.kind == "number":
            return [float(value) for value in np.atleast_1d(parse_numbers(self.name, item))]
        return [item]


def _integers(name: str, item: str) -> list[Value]:
    """Return the integers of an item; only the inner points of a range are rounded."""
    numbers = np.atleast_1d(parse_numbers(name, item))
    if ":" in item:
        return [int(value) for value in np.rint(numbers)]
    # Straight from the text where possible: a seed may have more digits than a double.
    digits = item.removeprefix("-").isdecimal()
    if not digits and (not np.isfinite(numbers[0]) or numbers[0] != np.rint(numbers[0])):
        raise ArgumentError(f"{name} must be an integer, got {item}")
    return [int(item) if digits else int(numbers[0])]


AXES: Mapping[str, Axis] = MappingProxyType(
    {
        name: Axis(argument.as_axis(), argument.axis.meaning)
        for name, argument in ARGUMENTS.items()
        if argument.axis is not None
    }
)


def axis(name: str) -> Axis:
    """Return the axis called `name` (blanks, dashes and underscores are alike).

    Raises:
        ArgumentError: unknown name; the message says which known name is nearest.
    """
    plain = name.strip().replace("-", "_")
    if plain not in AXES:
        raise ArgumentError(
            f"unknown axis {name!r}{nearest(plain, AXES)}; axes are {', '.join(AXES)}"
        )
    return AXES[plain]


def read_point(text: str) -> dict[str, Value]:
    """Return a point from its JSON; axes that are younger than it are as by default.

    >>> AXES["mu"].default, read_point('{"target": "bimodal", "population": false}')["mu"]
    (3.0, 3.0)
    """
    stored: dict[str, Value] = json.loads(text)
    younger = {name: known.default for name, known in AXES.items() if name not in stored}
    point = stored | younger
    return point | {name: None for name in younger if not AXES[name].applies(point)}
