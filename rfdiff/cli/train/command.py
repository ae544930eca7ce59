"""`rfdiff train`: the generalisation curve of one exactly trained model."""

import argparse
from typing import Any

from .. import options


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "train",
        help="train exactly; print losses, KL or likelihood along the training time",
        description=(
            "Train a random-feature diffusion model exactly at every training time tau, on a "
            "sample of a known law or on a data file, and say when to stop."
        ),
    )
    options.add_tau_option(parser)
    options.add_law_options(parser)
    options.add_model_options(parser)
    group = options.add_density_options(parser)
    group.add_argument("--against", metavar="LAW", help="reference of KL: p0 (default) or pt")
    group.add_argument(
        "--certify",
        action="store_true",
        help="train again with twice the time nodes and add the change to the error",
    )
    options.add_output_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, measure, print and write."""
    from ...runs.train_exact import train_exact
    from ...support.validation import one_of
    from ..output import check_folder, deliver
    from ..problem import data_name, density_arguments, training_arguments
    from .files import write_files
    from .results import measure

    arguments = training_arguments(args)
    density = density_arguments(args, arguments["sde"])
    against = None if args.against is None else one_of("against", args.against, ("p0", "pt"))
    folder = check_folder(args.out)
    trained = train_exact(**arguments)
    results = measure(trained, density, law=data_name(args), against=against, certify=args.certify)
    return deliver(args, folder, results, write_files)
