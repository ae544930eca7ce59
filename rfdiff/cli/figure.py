"""`rfdiff figure`: the paper's figures, as pictures, the numbers behind them, and verdicts."""

import argparse
import csv
from pathlib import Path
from typing import Any

from . import options

FIGURES = {
    "early-stopping": "KL along training for several n, beside SGD in the paper's protocol",
    "modes-shift": "densities early, best and late for near and far modes; best KL against mu",
    "densities": "KL of the three learned densities; paths of both samplers over their evolution",
    "bounds": "the bound beside the KL it bounds; computed and measured slopes",
    "memorisation": "losses, copies, and when they begin, against n in the plane and on digits",
    "spectrum": "eigenvalues of G at one time in many dimensions beside predicted bulks",
    "draws": "fixed noise draws a datum against the exact expectation, on digits",
}
# In a room of their own.
_OF_VECTORS = ("memorisation", "spectrum", "draws")
DEFAULT_FOLDER = "results/figures"


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "figure",
        help="make one of the paper's figures",
        description=(
            "Compute and draw one of the paper's figures: NAME.png, NAME.csv with every number in "
            "it, and on stdout the claims in numbers with computed beside measured slopes. "
            + " ".join(f"{name}: {text}." for name, text in FIGURES.items())
        ),
    )
    parser.add_argument("name", choices=tuple(FIGURES), metavar="NAME", help=", ".join(FIGURES))
    parser.add_argument(
        "--quick", action="store_true", help="fewer seeds and sizes: a minute or two each"
    )
    parser.add_argument(
        "--seeds", type=options.integer, help="number of seeds, at least 2 (default: the figure's)"
    )
    group = parser.add_argument_group("output")
    group.add_argument(
        "--out", metavar="DIR", default=DEFAULT_FOLDER, help=f"folder (default: {DEFAULT_FOLDER})"
    )
    group.add_argument("--json", action="store_true", help="print everything as JSON")
    group.add_argument("--quiet", action="store_true", help="no messages on stderr")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compute, print, draw and write."""
    from dataclasses import asdict
    from importlib import import_module

    from ..plotting.style import save_figure
    from ..support.validation import count
    from .output import Writer, check_folder, message, print_json

    seeds = None if args.seeds is None else count("seeds", args.seeds, 2)
    folder = check_folder(args.out)
    assert folder is not None
    room = "vectors." if args.name in _OF_VECTORS else ""
    module = import_module(f"..experiments.{room}{args.name.replace('-', '_')}", __package__)
    settings = module.QUICK if args.quick else module.FULL
    if seeds is not None:
        settings = module.with_seeds(settings, seeds)
    experiment = module.compute(settings, lambda text: message(args, text))
    table, stem = experiment.table(), args.name.replace("-", "_")
    writer = Writer(folder, args.quiet)
    writer.write(f"{stem}.csv", lambda path: write_csv(path, table))
    writer.write(f"{stem}.png", lambda path: save_figure(experiment.draw(), path))
    if args.json:
        print_json(
            {
                "figure": args.name,
                "settings": asdict(settings),
                "verdicts": [verdict.row() for verdict in experiment.verdicts()],
                "table": table,
                "files": writer.files,
            }
        )
    else:
        print(experiment.summary())
    return 0


def write_csv(path: Path, table: dict[str, list[Any]]) -> None:
    """Write columns of equal length under their names."""
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(table)
        out.writerows(zip(*table.values(), strict=True))
