"""Options that commands share; those of a training are made from the table of its arguments.

Only declared here, without importing what they set, so that `rfdiff --help` is quick; `problem`
turns them into the arguments of `rfdiff.train_exact`, which checks them.
"""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from ..support.argument import Argument
from ..support.arguments import ARGUMENTS
from ..support.errors import ArgumentError
from ..support.ranges import GRAMMAR, parse_numbers
from ..support.validation import FloatArray


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line on stderr and exit status 2."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Print the message and where to find help."""
        self.exit(2, f"{self.prog}: {' '.join(message.split())} (see {self.prog} --help)\n")


def attach_negative_values(arguments: Sequence[str]) -> list[str]:
    """Join `--option` and a value such as `-10,10`, which argparse would take for an option.

    >>> attach_negative_values(["train", "--domain", "-10,10", "--json"])
    ['train', '--domain=-10,10', '--json']
    """
    joined: list[str] = []
    for argument in arguments:
        follows = bool(joined) and re.fullmatch(r"--[A-Za-z][\w-]*", joined[-1]) is not None
        if follows and re.match(r"-\.?\d|-inf", argument):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def integer(text: str) -> int:
    """Return an integer of the command line."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be an integer, got {text!r}") from None


def number(text: str) -> float:
    """Return a number of the command line."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from None


def numbers(name: str) -> Callable[[str], FloatArray]:
    """Return a converter of the shell's number grammar (`support.ranges`) for an option."""

    def convert(text: str) -> FloatArray:
        try:
            return parse_numbers(name, text)
        except ArgumentError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def pair(name: str) -> Callable[[str], tuple[float, float]]:
    """Return a converter of `A,B` for the option `name`."""

    def convert(text: str) -> tuple[float, float]:
        values = numbers(name)(text)
        if values.shape != (2,):
            raise argparse.ArgumentTypeError(f"must be A,B, got {text!r}")
        return float(values[0]), float(values[1])

    return convert


def domain(text: str) -> float | tuple[float, float]:
    """Return a domain: `inf` for the line, or `A,B`."""
    return float("inf") if text == "inf" else pair("domain")(text)


def add_law_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is learned: a target's sample, or a data file."""
    group = parser.add_argument_group("what is learned")
    for argument in ARGUMENTS.values():
        if argument.group == "law":
            add_argument(group, argument)
        if argument.name == "data":
            group.add_argument(
                "--column",
                metavar="NAME",
                help="column of the file, by name or number counted from 0",
            )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the process, the features and the loss."""
    group = parser.add_argument_group("process, features and loss")
    for argument in ARGUMENTS.values():
        if argument.group == "model":
            add_argument(group, argument)


def add_argument(group: argparse._ArgumentGroup, argument: Argument) -> None:
    """Add an argument of a training as an option; one that is not given is None.

    A flag that is off by default is switched on by --NAME, any other one off by --no-NAME.
    """
    if argument.kind == "flag":
        on = argument.default is False
        group.add_argument(
            argument.option if on else argument.option.replace("--", "--no-", 1),
            dest=argument.name,
            action="store_const",
            const=on,
            help=argument.help_line(),
        )
        return
    group.add_argument(
        argument.option,
        type=_CONVERTERS.get(argument.kind, lambda name: str)(argument.name),
        metavar=argument.metavar,
        help=argument.help_line(),
    )


_CONVERTERS: Mapping[str, Callable[[str], Callable[[str], Any]]] = {
    "integer": lambda name: integer,
    "number": lambda name: number,
    "pair": pair,
    "times": numbers,
}


def add_tau_option(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add the training times; `default` says what stands for them, if not the usual ones."""
    tau = ARGUMENTS["tau"]
    parser.add_argument(
        tau.option,
        type=numbers(tau.name),
        help=f"{tau.help}: {GRAMMAR}; inf allowed (default: {default or tau.usual})",
    )


def add_density_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add how the learned density is evaluated; return the group, for a command's own."""
    group = parser.add_argument_group("learned density")
    group.add_argument(
        "--method",
        metavar="NAME",
        help="definition of the learned density (default: score-integral)",
    )
    group.add_argument(
        "--eval-time",
        type=number,
        metavar="t",
        help="where densities are evaluated (default: 0.065, or a time fit for the data)",
    )
    group.add_argument(
        "--domain",
        type=domain,
        metavar="A,B",
        help="where densities are compared, or inf (default: the outermost modes widened)",
    )
    return group


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add where results go."""
    group = parser.add_argument_group("output")
    group.add_argument("--out", metavar="DIR", help="write arrays and figures into this folder")
    group.add_argument("--json", action="store_true", help="print everything as JSON")
    group.add_argument("--quiet", action="store_true", help="no messages on stderr")
