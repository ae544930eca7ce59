"""`rfdiff sample`: samples of the learned diffusion, beside the density they should follow."""

import argparse
from typing import Any

from .. import options
from ..trained import add_training_options, chosen_times, prepare


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "sample",
        help="samples of the learned diffusion, by the reverse SDE or the probability flow",
        description=(
            "Draw samples at given training times. Prints CSV with a column for each training "
            "time; with --out DIR writes CSV, .npy and a histogram over the density, and prints a "
            "summary. Vectors go to .npy alone, with a picture of two coordinates. Path i of a "
            "seed is the same however many are drawn."
        ),
    )
    add_training_options(parser)
    group = parser.add_argument_group("samples")
    group.add_argument("--paths", type=options.integer, default=10_000, help="number of samples")
    group.add_argument(
        "--scheme",
        metavar="NAME",
        help="heun (default), euler-maruyama, exponential or probability-flow",
    )
    group.add_argument("--n-steps", type=options.integer, help="number of steps (default: 500)")
    group.add_argument("--grid", metavar="NAME", help="of time: log (default), uniform or edm")
    group.add_argument(
        "--first", type=options.integer, metavar="I", help="number of the first path (default: 0)"
    )
    group.add_argument(
        "--eval-time", type=options.number, metavar="t", help="where paths end, as for densities"
    )
    group.add_argument(
        "--trajectories", action="store_true", help="keep every position of every path"
    )
    options.add_output_options(parser)
    parser.set_defaults(run=run, method=None, domain=None)


def run(args: argparse.Namespace) -> int:
    """Train or load, sample, print and write."""
    from ..output import check_folder, deliver
    from .results import check_choices, draw, write_files
    from .vectors import draw_vectors, write_vectors

    obtain, density = prepare(args)
    names = ("scheme", "n_steps", "grid", "first")
    choices = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    choices |= density | ({"progress": False} if args.quiet else {})
    check_choices(args.paths, choices)
    folder = check_folder(args.out)
    trained = obtain()
    tau = chosen_times(args, trained, density)
    if trained.dimension > 1:
        vectors = draw_vectors(trained, tau, args.paths, choices, trajectories=args.trajectories)
        return deliver(args, folder, vectors, write_vectors)
    results = draw(trained, tau, args.paths, choices, trajectories=args.trajectories)
    return deliver(args, folder, results, write_files, without_files=results.csv)
