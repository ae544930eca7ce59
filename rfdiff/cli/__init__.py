"""The command line: `rfdiff COMMAND`, the same as `python -m rfdiff COMMAND`.

Each command is a module here with `register(subparsers)`, which adds its parser and sets
`run=run`, and `run(args) -> int`, which returns the exit status. Results go to stdout, messages to
stderr. A mistake of the user's is one line on stderr and exit status 2.
"""

import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from .._version import __version__
from ..support.errors import AccuracyWarning, RfdiffError
from .options import Parser, attach_negative_values

COMMANDS = ("train", "density", "sample", "memorisation", "theory", "figure", "sweep", "cite")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, or 2 for a mistake in the input."""
    arguments = attach_negative_values(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot write τ shows a question mark instead of failing.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    name = "rfdiff"
    try:
        args = parser_of(arguments).parse_args(arguments)
        name = f"rfdiff {args.command}"
        with warnings.catch_warnings():
            warnings.simplefilter("always", AccuracyWarning)
            warnings.showwarning = _show_warning
            status: int = args.run(args)
        sys.stdout.flush()
        return status
    except SystemExit as stop:
        return int(stop.code or 0)
    except BrokenPipeError:
        # The reader of a pipe has gone; nothing more can be said, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (RfdiffError, OSError) as error:
        print(f"{name}: {_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130


def parser_of(arguments: Sequence[str]) -> Parser:
    """Return the parser; where the command is known, only its module is imported."""
    parser = Parser(
        prog="rfdiff", description="How does a diffusion model generalise while it trains? Exactly."
    )
    parser.add_argument("--version", action="version", version=f"rfdiff {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS
    for command in wanted:
        importlib.import_module(f".{command}", __name__).register(subparsers)
    return parser


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    print(f"rfdiff: {category.__name__}: {' '.join(str(message).split())}", file=sys.stderr)
