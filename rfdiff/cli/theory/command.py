"""`rfdiff theory`: the bound, its terms, the spectrum and SGD beside one exactly trained model."""

import argparse
from typing import Any

from .. import options


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "theory",
        help="the theorems' terms beside what they bound, along the training time",
        description=(
            "Train exactly as `rfdiff train` does and print, along the training time, the bound on "
            "the reverse-SDE density, its sampling, training and width terms, the KL it bounds, "
            "the lemmas, and the spectrum that explains the curves."
        ),
    )
    options.add_tau_option(parser)
    options.add_law_options(parser)
    options.add_model_options(parser)
    group = parser.add_argument_group("theory")
    group.add_argument(
        "--eval-time", type=options.number, metavar="t", help="time of the bound (default: 0.065)"
    )
    group.add_argument(
        "--wide",
        type=options.integer,
        metavar="M",
        help="width of the model that stands for m = infinity (default: 1536)",
    )
    group.add_argument(
        "--sgd",
        type=options.integer,
        metavar="STEPS",
        help="steps of the SGD paths drawn over the exact curve (default: 20000; 0 for none)",
    )
    options.add_output_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, compare, print and write."""
    from ...runs.train_exact import train_exact
    from ...support.errors import ArgumentError
    from ...support.validation import count, multiple
    from ..output import check_folder, deliver
    from ..problem import density_arguments, training_arguments
    from .files import write_files
    from .results import measure

    arguments = training_arguments(args)
    if arguments.get("target") is None and "data" in arguments:
        raise ArgumentError("theory needs a known law: give --target beside --data")
    args.method, args.domain = None, None
    t = density_arguments(args, arguments["sde"]).get("t")
    wide = {} if args.wide is None else {"wide": multiple("wide", args.wide, 4)}
    steps = {} if args.sgd is None else {"sgd_steps": count("sgd", args.sgd, 0)}
    folder = check_folder(args.out)
    results = measure(train_exact(**arguments), t=t, **wide, **steps)
    return deliver(args, folder, results, write_files)
