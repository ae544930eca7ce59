"""Options that commands share, named after the Python arguments.

Only declared here, without importing what they set, so that `rfdiff --help` is quick; `problem`
turns them into the arguments of `rfdiff.train_exact`, which checks them.
"""

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from ..support.errors import ArgumentError
from ..support.ranges import GRAMMAR, parse_numbers
from ..support.validation import FloatArray

# The options that describe each target and each process, and the arguments they set.
TARGET_OPTIONS = {
    "bimodal": {"mu": "mu", "weights": "weights", "std": "std"},
    "raised-cosine": {"centre": "centre", "half_width": "half_width"},
    "beta": {"shape": "shape", "support": "interval"},
    "smooth-bump": {"centre": "centre", "half_width": "half_width"},
}
SDE_OPTIONS = {
    "ve": {"sigma": "sigma", "T": "T"},
    "vp": {"beta_min": "beta_min", "beta_max": "beta_max", "T": "T"},
    "subvp": {"beta_min": "beta_min", "beta_max": "beta_max", "T": "T"},
}


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
    group.add_argument(
        "--target", choices=tuple(TARGET_OPTIONS), help="law of the data (default: bimodal)"
    )
    group.add_argument("--mu", type=number, help="bimodal: modes at -MU and MU (default: 3)")
    group.add_argument(
        "--weights", type=pair("weights"), metavar="Q1,Q2", help="bimodal: weights of the modes"
    )
    group.add_argument("--std", type=number, help="bimodal: width of each mode (default: 1)")
    group.add_argument(
        "--centre", type=number, help="raised-cosine, smooth-bump: middle of the support"
    )
    group.add_argument(
        "--half-width", type=number, help="raised-cosine, smooth-bump: half the support's length"
    )
    group.add_argument(
        "--shape", type=pair("shape"), metavar="A,B", help="beta: its exponents, at least 2"
    )
    group.add_argument("--support", type=pair("support"), metavar="A,B", help="beta: the interval")
    group.add_argument("--n", type=integer, help="number of training points (default: 1000)")
    group.add_argument(
        "--data",
        metavar="FILE",
        help="learn a data file instead: .csv, .txt or .npy, or old_faithful or galaxies",
    )
    group.add_argument(
        "--column", metavar="NAME", help="column of the file, by name or number counted from 0"
    )
    group.add_argument(
        "--held-out", type=number, metavar="SHARE", help="share of the points kept for testing"
    )
    group.add_argument(
        "--no-standardise",
        action="store_true",
        help="train on the file's numbers as they are, not shifted and scaled to unit variance",
    )
    group.add_argument("--seed", type=integer, help="seed of every random draw (default: 0)")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the process, the features and the loss."""
    group = parser.add_argument_group("process, features and loss")
    group.add_argument("--sde", choices=tuple(SDE_OPTIONS), help="forward process (default: ve)")
    group.add_argument("--sigma", type=number, help="ve: g = SIGMA^t (default: 25)")
    group.add_argument("--beta-min", type=number, help="vp, subvp: beta at t = 0 (default: 0.1)")
    group.add_argument("--beta-max", type=number, help="vp, subvp: beta at t = T (default: 20)")
    group.add_argument("--T", type=number, help="end of the forward process (default: 1)")
    group.add_argument("--m", type=integer, help="number of random features (default: 512)")
    group.add_argument("--features", metavar="LAW", help="l1 (default), gaussian or torch")
    group.add_argument(
        "--embedding", metavar="NAME", help="of time: log-sigma (default), fourier or affine"
    )
    group.add_argument("--activation", metavar="NAME", help="relu (default), swish, erf or tanh")
    group.add_argument(
        "--precondition", action="store_true", help="divide the model's output by sigma_t"
    )
    group.add_argument(
        "--weighting", metavar="NAME", help="variance (default), inverse-norm or likelihood"
    )
    group.add_argument("--t-min", type=number, help="smallest time of the loss (default: 1e-3)")
    group.add_argument("--n-times", type=integer, help="nodes of the time rule (default: 128)")
    group.add_argument(
        "--noise-samples",
        type=integer,
        metavar="K",
        help="train on K fixed noise draws a datum instead of the exact expectation",
    )
    group.add_argument(
        "--population", action="store_true", help="train on the target itself, not on a sample"
    )


def add_tau_option(parser: argparse.ArgumentParser, default: str = "1e0:1e10:201log") -> None:
    """Add the training times; `default` says what stands for them."""
    parser.add_argument(
        "--tau",
        type=numbers("tau"),
        help=f"training times: {GRAMMAR}; inf allowed (default: {default})",
    )


def add_density_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add how the learned density is evaluated; return the group, for a command's own."""
    group = parser.add_argument_group("learned density")
    group.add_argument(
        "--method", metavar="NAME", help="sense of the density (default: score-integral)"
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
