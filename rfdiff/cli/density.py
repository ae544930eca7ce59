"""`rfdiff density`: learned densities in their three senses, as numbers and as a figure."""

import argparse
from typing import Any

from . import options
from .trained import add_training_options, chosen_times, prepare


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "density",
        help="learned densities: score integral, probability flow, reverse SDE",
        description=(
            "Evaluate the density that a model has learned at given training times, in one of its "
            "three senses or in all of them. Prints CSV with the columns method, tau, x and "
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
    options.add_output_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train or load, evaluate, print and write."""
    from ..densities.senses import METHODS
    from ..validation import finite_array
    from .density_results import measure, write_files
    from .output import Writer, check_folder, print_json

    if args.x is not None:
        finite_array("x", args.x)
    methods = METHODS
    if args.method != "all":
        methods = (args.method or METHODS[0],)
    else:
        args.method = None
    obtain, density = prepare(args)
    density.pop("method", None)
    folder = check_folder(args.out)
    flow = obtain()
    tau = chosen_times(args, flow, density)
    results = measure(flow, tau, methods, density, args.x)
    writer = None if folder is None else Writer(folder, args.quiet)
    if writer is not None:
        write_files(writer, results)
    if args.json:
        print_json(results.as_dict() | {"files": [] if writer is None else writer.files})
    else:
        print(results.csv() if writer is None else results.text())
    return 0
