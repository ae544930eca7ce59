"""What is known of one argument: its name, kind, default, check, choices, help and axis."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

Kind = Literal[
    "integer", "number", "pair", "times", "flag", "name", "name or object", "described", "object"
]
Check = Callable[[str, Any], Any]


class Owner(NamedTuple):
    """The described argument that another belongs to, and the names for which it has a meaning."""

    argument: str
    names: tuple[str, ...] | None = None
    """None: all of them."""

    def owns(self, name: str) -> bool:
        """Return whether the argument has a meaning for a name."""
        return self.names is None or name in self.names


@dataclass(frozen=True)
class AxisForm:
    """How an argument is written as the axis of a sweep; None is as in the table.

    Attributes:
        kind, default, check, help: of a single value.
        meaning: turns that value into the argument's.
    """

    kind: Kind | None = None
    default: Any = None
    check: Check | None = None
    help: str | None = None
    meaning: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True)
class Argument:
    """One argument of a training.

    Attributes:
        name: as in Python; a shell writes it with dashes.
        kind: what its values are, and so how a shell writes them.
        help: one phrase, without default and choices, which `help_line` adds.
        default: the value if it is not given; None says "see `usual`, or nothing".
        usual: what stands for None where that is a plain value.
        check: returns a value checked and converted, or raises ArgumentError naming it; None
            leaves it to what is made of it.
        choices: the names it may be.
        of: whom it belongs to; None for an argument of `train_exact` itself.
        unless: the argument that makes it meaningless where it is set.
        group: of the command line's options: "law", "model", or None for no option.
        metavar: what stands for the value in help.
        axis: its form as an axis of sweeps; None if it is none.
    """

    name: str
    kind: Kind
    help: str
    default: Any = None
    usual: Any = None
    check: Check | None = None
    choices: tuple[str, ...] = ()
    of: Owner | None = None
    unless: str | None = None
    group: Literal["law", "model"] | None = "model"
    metavar: str | None = None
    axis: AxisForm | None = AxisForm()

    @property
    def option(self) -> str:
        """The option of the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def standard(self) -> Any:
        """The plain value that stands where none is given."""
        return self.default if self.default is not None else self.usual

    def checked(self, value: Any) -> Any:
        """Return a value given in Python, checked and converted; objects are left to their rooms.

        >>> from rfdiff.support.arguments import ARGUMENTS
        >>> ARGUMENTS["m"].checked(0)
        Traceback (most recent call last):
        rfdiff.support.errors.ArgumentError: m must be at least 1, got 0
        """
        if value is None and self.default is None:
            return None
        an_object = self.kind == "name or object" and not isinstance(value, str)
        if an_object or self.kind == "described" or self.check is None:
            return value
        return self.check(self.name, value)

    def help_line(self) -> str:
        """Return the help of the command line: owners, phrase, choices and default.

        >>> from rfdiff.support.arguments import ARGUMENTS
        >>> ARGUMENTS["sigma"].help_line()
        've: g = sigma^t (default: 25)'
        >>> ARGUMENTS["features"].help_line()
        'law of the features: l1 (default), gaussian or torch'
        """
        owners = self.of.names if self.of is not None else None
        text = self.help if owners is None else f"{', '.join(owners)}: {self.help}"
        if self.choices:
            *names, last = (
                f"{name} (default)" if name == self.standard else name for name in self.choices
            )
            return f"{text}: {', '.join(names)} or {last}"
        if self.kind == "flag" or self.standard is None:
            return text
        return f"{text} (default: {_written(self.standard)})"

    def as_axis(self) -> "Argument":
        """Return the argument in its form as an axis."""
        assert self.axis is not None, f"{self.name} is no axis"
        form = self.axis
        return replace(
            self,
            kind=form.kind or self.kind,
            default=self.standard if form.default is None else form.default,
            check=form.check or self.check,
            help=form.help or self.help,
        )


def _written(value: Any) -> str:
    """Return a default as a shell would write it."""
    if isinstance(value, tuple):
        return ",".join(f"{item:g}" for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
