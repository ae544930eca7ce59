"""`rfdiff memorisation`: when samples begin to copy training points."""

import argparse
import dataclasses
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import options
from .trained import add_training_options, prepare

if TYPE_CHECKING:
    from ..runs.studies.memorisation import Memorisation
    from .output import Writer

# Training times by default, spread over the run's.
_TIMES = 21


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "memorisation",
        help="which share of samples copies training points, and from which training time on",
        description=(
            "Draw samples at several training times from the same noise, and compare them with the "
            "training points and with fresh ones: held-out data, or draws from the target. Prints "
            "a table; with --out DIR writes it and memorisation.json."
        ),
    )
    add_training_options(parser, default=f"{_TIMES} of the usual ones")
    group = parser.add_argument_group("samples")
    group.add_argument("--paths", type=options.integer, help="number of samples (default: 1000)")
    group.add_argument("--scheme", metavar="NAME", help="as in `rfdiff sample` (default: heun)")
    group.add_argument("--n-steps", type=options.integer, help="number of steps (default: 500)")
    group.add_argument(
        "--eval-time", type=options.number, metavar="t", help="where paths end (default: t_min)"
    )
    group.add_argument(
        "--ratio",
        type=options.number,
        help="of the distances to the nearest and the second nearest training point, below which "
        "a sample is a copy (default: 1/3)",
    )
    options.add_output_options(parser)
    parser.set_defaults(run=run, method=None, domain=None)


def run(args: argparse.Namespace) -> int:
    """Train or load, sample, compare, print and write."""
    import numpy as np

    from ..sampling.schemes import SCHEMES
    from ..support.validation import between, count, one_of
    from .output import check_folder, deliver, spread

    obtain, density = prepare(args)
    count("paths", 2 if args.paths is None else args.paths, 2)
    count("n_steps", 1 if args.n_steps is None else args.n_steps)
    one_of("scheme", args.scheme or "heun", SCHEMES)
    between("ratio", 0.5 if args.ratio is None else args.ratio, 0.0, 1.0)
    given = {"n_samples": args.paths, "t": density.get("t")}
    given |= {name: getattr(args, name) for name in ("scheme", "n_steps", "ratio")}
    given["progress"] = False if args.quiet else None
    folder = check_folder(args.out)
    trained = obtain()
    tau = np.unique(trained.tau if args.tau is None else args.tau)
    if args.tau is None:
        tau = tau[spread(len(tau), _TIMES)]
    choices = {name: value for name, value in given.items() if value is not None}
    results = _Results(trained.memorisation(tau, **choices))
    return deliver(args, folder, results, _write_files)


@dataclasses.dataclass(frozen=True)
class _Results:
    """What was found, as text and as arrays."""

    found: "Memorisation"

    def as_dict(self) -> dict[str, Any]:
        """Return values with their errors or intervals."""
        return dataclasses.asdict(self.found)

    def text(self) -> str:
        """Return the table."""
        return self.found.table()


def _write_files(writer: "Writer", results: _Results) -> None:
    """Write the table and everything behind it."""
    from .output import plain

    text = json.dumps(plain(results.as_dict()), allow_nan=False)
    writer.write("memorisation.json", partial(_write, text))
    writer.write("memorisation.txt", partial(_write, results.text()))


def _write(text: str, path: Path) -> None:
    path.write_text(text + "\n", encoding="utf-8")
