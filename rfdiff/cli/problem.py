"""From options to the arguments of `rfdiff.train_exact` and of the learned density.

An option that was not given is left out, so that defaults stand in one place only.
"""

import argparse
from typing import Any

from ..data.files import load_data
from ..densities.learned_density import METHODS
from ..diffusion.law_on_domain import parse_domain
from ..diffusion.sde import ForwardSDE, evaluation_time
from ..support.arguments import ARGUMENTS
from ..support.errors import ArgumentError
from ..support.validation import one_of
from ..training.arguments import from_plain_values


def training_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of `rfdiff.train_exact` that the options give."""
    given = {name: getattr(args, name, None) for name in ARGUMENTS}
    if args.data is not None:
        given["data"] = load_data(args.data, args.column)
    elif args.column is not None:
        raise ArgumentError("column needs --data FILE")
    return from_plain_values(given)


def density_arguments(args: argparse.Namespace, sde: ForwardSDE) -> dict[str, Any]:
    """Return the arguments t, method and domain of densities that the options give, checked.

    They are needed only after training, but a mistake in them should not wait for it.
    """
    given: dict[str, Any] = {}
    if args.eval_time is not None:
        t_min = ARGUMENTS["t_min"].default if args.t_min is None else args.t_min
        given["t"] = evaluation_time(sde, args.eval_time, t_min)
    if args.method is not None:
        given["method"] = one_of("method", args.method, METHODS)
    if args.domain is not None:
        parse_domain(args.domain)
        given["domain"] = args.domain
    return given


def data_name(args: argparse.Namespace) -> str | None:
    """Return the data's name, such as `faithful.csv, column eruptions`; None without data."""
    if args.data is None:
        return None
    return args.data if args.column is None else f"{args.data}, column {args.column}"
