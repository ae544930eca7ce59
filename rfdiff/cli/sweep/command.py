"""`rfdiff sweep`: many trainings, none lost: run, status, failed, retry, export, merge, plot."""

import argparse
import re
import sys
from collections.abc import Callable
from typing import Any

from ...support.errors import ArgumentError
from ...support.validation import nearest
from .. import options
from . import plot as sweep_plot

Action = Callable[[argparse.Namespace], int]


def register(subparsers: Any) -> None:
    """Add the command and its actions."""
    parser = subparsers.add_parser(
        "sweep",
        help="run, inspect, export and plot a grid of trainings kept in one file",
        description="Batch sweeps over n, m, mu, seeds and every other argument of train.",
    )
    actions = parser.add_subparsers(
        dest="action", metavar="ACTION", required=True, parser_class=_ActionParser
    )
    _add_run(actions)
    status = _add(actions, "status", _status, "tell how far a sweep is")
    status.add_argument("--check", action="store_true", help="check every page, identity and hash")
    status.add_argument("--json", action="store_true", help="print JSON")
    failed = _add(actions, "failed", _failed, "list the points that failed")
    failed.add_argument("--traceback", action="store_true", help="print the whole of each error")
    _add(actions, "retry", _retry, "let failed points wait for the next run")
    _add_export(actions)
    merge = _add(actions, "merge", _merge, "bring shards together in one store")
    merge.add_argument("shards", nargs="+", metavar="SHARD", help="stores to take points from")
    sweep_plot.add(_add(actions, "plot", sweep_plot.run, "draw an observable against an axis"))


class _ActionParser(options.Parser):
    """A parser that knows what an unknown option may have been meant to be."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and refuse what is not known."""
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:
            name = unknown[0].split("=")[0]
            known = set(re.findall(r"--\w[\w-]*", self.format_help()))
            self.error(f"unknown option or value {name}{nearest(name, known)}")
        return namespace, unknown


def _add(actions: Any, name: str, action: Action, text: str) -> argparse.ArgumentParser:
    """Add an action on a store."""
    parser = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument("store", metavar="STORE.db", help="the store")
    parser.set_defaults(run=action)
    return parser


def _add_run(actions: Any) -> None:
    parser = actions.add_parser(
        "run",
        help="run a sweep, or go on with one",
        description=(
            "Run every point of a grid that is not done yet. The same command goes on where it "
            "stopped, however it stopped. Axes take one value, a comma list, or ranges such as "
            "1e1:1e4:7log; a store that exists may be continued without naming them."
        ),
    )
    parser.set_defaults(run=_run)
    parser.add_argument("--out", metavar="STORE.db", required=True, help="the store")
    _add_grid(parser.add_argument_group("grid"))
    _add_recipe(parser.add_argument_group("what is recorded"))
    _add_execution(parser.add_argument_group("where and how"))


def _add_grid(grid: Any) -> None:
    from ...sweeps import AXES

    for known in AXES.values():
        grid.add_argument(
            known.option, metavar="VALUES", dest=f"axis_{known.name}", help=known.help
        )
    grid.add_argument("--seeds", metavar="N", dest="axis_seeds", help="10 seeds 0 … 9, or a list")
    grid.add_argument(
        "--zip", metavar="AXES", action="append", default=[], dest="zipped",
        help="axes that advance together instead of being multiplied, such as n,m",
    )  # fmt: skip
    grid.add_argument("--grid", metavar="FILE.toml", help="read axes and recipe from a file")
    grid.add_argument("--extend", action="store_true", help="add this grid to the store's own")


def _add_recipe(recipe: Any) -> None:
    from ...sweeps import OBSERVABLES

    recipe.add_argument("--tau", metavar="TIMES", help="training times (default: 1e0:1e10:81log)")
    recipe.add_argument(
        "--observables", metavar="NAMES", help=f"a comma list of {', '.join(OBSERVABLES)}"
    )
    recipe.add_argument("--t", type=options.number, help="evaluation time of densities")
    recipe.add_argument("--against", metavar="LAW", help="reference of KL: p0 (default) or pt")
    recipe.add_argument(
        "--certify", action="store_const", const=True,
        help="let errors of KL cover the time rule: trains each point twice",
    )  # fmt: skip


def _add_execution(where: Any) -> None:
    from ...sweeps import JOURNALS

    where.add_argument(
        "--jobs", type=options.integer, metavar="N",
        help="worker processes (default: one per usable core); 0 for none",
    )  # fmt: skip
    where.add_argument("--scheduler", metavar="tcp://…", help="a dask.distributed scheduler")
    where.add_argument("--shard", metavar="i/N", help="do only the i-th of N parts of the grid")
    where.add_argument("--timeout", type=options.number, metavar="SECONDS", help="for each point")
    where.add_argument(
        "--retries", type=options.integer, default=2, metavar="N",
        help="further attempts at a point that failed (default: 2)",
    )  # fmt: skip
    where.add_argument("--journal", choices=JOURNALS, help="delete for network file systems")
    where.add_argument("--quiet", action="store_true", help="no progress and messages on stderr")


def _add_export(actions: Any) -> None:
    export = _add(actions, "export", _export, "write finished points to files")
    export.add_argument("--csv", metavar="FILE", help="a line for each point; - is stdout")
    export.add_argument(
        "--curves", metavar="FILE", help="CSV with a line for each point and training time"
    )
    export.add_argument("--npz", metavar="FILE", help="NumPy arrays of everything")
    export.add_argument("--parquet", metavar="FILE", help="Parquet (needs pyarrow)")
    export.add_argument("--timings", action="store_true", help="with the seconds each point took")


def _run(args: argparse.Namespace) -> int:
    from ...sweeps import run_sweep
    from ...sweeps.running.progress import Progress

    grid, recipe = _grid_and_recipe(args)
    summary = run_sweep(
        args.out,
        grid,
        recipe,
        jobs=args.jobs,
        scheduler=args.scheduler,
        shard=args.shard,
        timeout=args.timeout,
        retries=args.retries,
        extend=args.extend,
        journal=args.journal,
        progress=Progress(quiet=args.quiet),
    )
    counts = summary.counts
    print(f"{args.out}: {counts.done} of {counts.total} points done", end="")
    print(f" ({summary.already} before, {summary.done + summary.elsewhere} now)", end="")
    print(f", {counts.failed} failed, {counts.pending} to do, {summary.seconds:.1f} s")
    if summary.interrupted:
        return 130
    if counts.failed and not args.quiet:
        print(f"see: rfdiff sweep failed {args.out}", file=sys.stderr)
    return 1 if counts.failed else 0


def _grid_and_recipe(args: argparse.Namespace) -> tuple[Any, Any]:
    """Return the grid and recipe of file and options; None for what neither of them mentions."""
    from ...sweeps import Grid, Recipe
    from ...sweeps.points.sweep_file import SweepFile, read_toml

    file = SweepFile() if args.grid is None else read_toml(args.grid)
    axes = {
        name.removeprefix("axis_"): text
        for name, text in vars(args).items()
        if name.startswith("axis_") and text is not None
    }
    file = file.override(axes, [group.split(",") for group in args.zipped])
    grid = Grid.of_blocks(file.blocks) if file.blocks else None
    settings = dict(file.recipe)
    for name in ("tau", "observables", "t", "against", "certify"):
        if getattr(args, name) is not None:
            settings[name] = getattr(args, name)
    return grid, Recipe.of(**settings) if settings else None


def _status(args: argparse.Namespace) -> int:
    from ...sweeps import Store
    from ...sweeps.results.status import describe, status_of
    from ...sweeps.store.integrity import find_faults
    from ..output import print_json

    with Store.open(args.store) as store:
        faults = find_faults(store) if args.check else None
        status = status_of(store)
    if args.json:
        print_json(status | ({} if faults is None else {"faults": faults}))
    else:
        print(describe(status))
        for fault in faults or ():
            print(f"fault: {fault}")
        if faults == []:
            print("checked: pages, identities and hashes are sound")
    return 1 if faults else 0


def _failed(args: argparse.Namespace) -> int:
    from ...sweeps import Store
    from ...sweeps.results.status import describe_failures

    with Store.open(args.store) as store:
        print(describe_failures(store.failures(), whole=args.traceback))
    return 0


def _retry(args: argparse.Namespace) -> int:
    from ...sweeps import Store

    with Store.open(args.store, write=True) as store:
        print(f"{args.store}: {store.retry()} points wait again")
    return 0


def _export(args: argparse.Namespace) -> int:
    from ...sweeps import Store
    from ...sweeps.results.export import csv_text, write_csv, write_npz, write_parquet
    from ...sweeps.store.table import read_table

    with Store.open(args.store) as store:
        table = read_table(store)
    if args.csv == "-" or not any((args.csv, args.curves, args.npz, args.parquet)):
        sys.stdout.write(csv_text(table, timings=args.timings))
    if args.csv not in (None, "-"):
        _wrote(args.csv, write_csv(table, args.csv, timings=args.timings))
    if args.curves is not None:
        _wrote(args.curves, write_csv(table, args.curves, curves=True))
    if args.npz is not None:
        _wrote(args.npz, write_npz(table, args.npz, timings=args.timings))
    if args.parquet is not None:
        _wrote(args.parquet, write_parquet(table, args.parquet, timings=args.timings))
    return 0


def _wrote(path: str, rows: int) -> None:
    print(f"wrote {path} ({rows} rows)", file=sys.stderr)


def _merge(args: argparse.Namespace) -> int:
    from ...sweeps.store.merge import merge_stores

    merged = merge_stores(args.store, args.shards)
    print(f"{args.store}: {merged.added} points added, {merged.same} there already")
    if merged.differing:
        raise ArgumentError(
            f"{merged.differing} points differ from those in {args.store}, which were kept: "
            "other versions or another kind of processor made them"
        )
    return 0
