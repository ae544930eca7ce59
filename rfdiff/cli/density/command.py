"""`rfdiff density`: learned densities by their three definitions, as numbers and as a figure."""

import argparse
from typing import Any

from .. import options
from ..trained import add_training_options, chosen_times, prepare


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "density",
        help="learned densities: score integral, probability flow, reverse SDE",
        description=(
            "Evaluate the density that a model has learned at given training times, by one of "
            "three definitions or by all of them. Prints CSV with the columns method, tau, x and "
            "density; with --out DIR writes it into files and prints a summary."
        ),
    )
    add_training_options(parser)
    group = options.add_density_options(parser)
    group.add_argument(
        "--x",
        type=options.numbers("x"),
        metavar="POINTS",
        help="where the density is wanted, such as -10:10:401lin (default: 401 on the domain)",
    )
    group.add_argument(
        "--divergence",
        metavar="KINDS",
        help="divergences from the law beside the KL, such as wasserstein-1,fisher, or all",
    )
    options.add_output_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train or load, evaluate, print and write."""
    from ...densities.learned_density import METHODS
    from ...support.validation import finite_array
    from ..output import check_folder, deliver
    from .results import divergence_kinds, measure, write_files

    if args.x is not None:
        finite_array("x", args.x)
    kinds = divergence_kinds(args.divergence)
    everything = args.method == "all"
    if everything:
        args.method = None
    obtain, density = prepare(args)
    method = density.pop("method", METHODS[0])
    folder = check_folder(args.out)
    trained = obtain()
    tau = chosen_times(args, trained, density)
    methods = METHODS if everything else (method,)
    results = measure(trained, tau, methods, density, args.x, kinds)
    return deliver(args, folder, results, write_files, without_files=results.csv)
