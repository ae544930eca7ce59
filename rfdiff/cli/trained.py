"""The trained model of a command: trained from options, or read from a file."""

import argparse
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from . import options

if TYPE_CHECKING:
    from ..runs.trained_flow import TrainedFlow
    from ..support.validation import FloatArray


def add_training_options(
    parser: argparse.ArgumentParser, default: str = "the best training time"
) -> None:
    """Add the options that train a model, or name a saved one, and its training times."""
    parser.add_argument(
        "--load", metavar="FILE", help="use the run.npz of `rfdiff train --out`, train nothing"
    )
    options.add_tau_option(parser, default=default)
    _add_model(parser)


def prepare(
    args: argparse.Namespace,
) -> tuple[Callable[[], "TrainedFlow"], dict[str, Any]]:
    """Return what trains or has loaded the run, and the checked arguments of its density."""
    from ..runs.train_exact import load, train_exact
    from ..support.errors import ArgumentError
    from .problem import density_arguments, training_arguments

    if args.load is None:
        arguments = training_arguments(args)
        density = density_arguments(args, arguments["sde"])
        return partial(train_exact, **arguments), density
    defaults = argparse.ArgumentParser()
    _add_model(defaults)
    for name, value in vars(defaults.parse_args([])).items():
        if getattr(args, name) != value:
            raise ArgumentError(f"{name} is a matter of training: it cannot be with --load")
    trained = load(args.load)
    return lambda: trained, density_arguments(args, trained.sde)


def chosen_times(
    args: argparse.Namespace, trained: "TrainedFlow", density: dict[str, Any]
) -> "FloatArray":
    """Return the training times asked for, or else the best one, as an array (n_tau,)."""
    import numpy as np

    if args.tau is not None:
        return np.atleast_1d(args.tau)
    choices = {key: value for key, value in density.items() if key in ("t", "domain")}
    return np.array([trained.early_stopping(**choices).tau])


def _add_model(parser: argparse.ArgumentParser) -> None:
    options.add_law_options(parser)
    options.add_model_options(parser)
