"""`rfdiff sweep plot`: from a store to a picture, with the fitted exponents as a table."""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ...support.errors import ArgumentError
from .. import options


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of the action."""
    parser.add_argument("--x", default="tau", metavar="AXIS", help="an axis, or tau (the default)")
    parser.add_argument(
        "--y", metavar="NAME", help="what is drawn (default: kl against tau, else tau_es)"
    )
    parser.add_argument("--group", metavar="AXIS", help="a line for each value of this axis")
    parser.add_argument(
        "--heat", metavar="AXIS", help="draw y over x and this axis as a heat map instead"
    )
    parser.add_argument(
        "--where", metavar="AXIS=VALUE", action="append", default=[], help="only these points"
    )
    parser.add_argument(
        "--predict", type=options.number, metavar="B", help="draw a line of slope B"
    )
    parser.add_argument("--png", metavar="FILE", required=True, help="the picture to write")


def run(args: argparse.Namespace) -> int:
    """Draw, and print the fits."""
    from ...plotting.style import new_figure, save_figure
    from ...sweeps import Store, read_table
    from ..output import Writer

    png = Path(args.png)
    if png.suffix != ".png":
        raise ArgumentError(f"png must end in .png, got {args.png!r}")
    with Store.open(args.store) as store:
        table = read_table(store)
    if not len(table):
        raise ArgumentError(f"{args.store} has no finished points yet")
    table = table.where(**dict(_condition(text) for text in args.where))
    figure, (ax,) = new_figure()
    draw = _heat if args.heat else _family if args.x == "tau" else _trends
    draw(ax, table, args)
    Writer(png.parent, quiet=False).write(png.name, lambda path: save_figure(figure, path))
    return 0


def _condition(text: str) -> tuple[str, Any]:
    from ...sweeps.points.axes import axis

    name, equals, value = text.partition("=")
    known = axis(name)
    values = known.parse(value) if equals else []
    if len(values) != 1:
        raise ArgumentError(f"where must be AXIS=VALUE with one value, got {text!r}")
    return known.name, values[0]


def _heat(ax: Any, table: Any, args: argparse.Namespace) -> None:
    from ...plotting.sweeps import plot_heat
    from ...sweeps.results.trends import heat

    if args.x == "tau":
        raise ArgumentError("a heat map needs --x AXIS beside --heat AXIS")
    name = args.y or "tau_es"
    plot_heat(ax, *heat(table, args.x, args.heat, name), label=f"{_label(name)}, median over seeds")
    ax.set(xlabel=_label(args.x), ylabel=_label(args.heat))


def _family(ax: Any, table: Any, args: argparse.Namespace) -> None:
    from ...plotting.sweeps import finish, plot_family
    from ...sweeps.results.trends import curve_trends, lowest

    name = args.y or "kl"
    found = curve_trends(table, name, args.group)
    bands = [trend.quantiles() for trend in found]
    marks = [lowest(table.tau, band[1]) for band in bands]
    plot_family(ax, table.tau, bands, [trend.label for trend in found], marks=marks)
    finish(ax, "training time $\\tau$", _label(name), table.tau, [band[1] for band in bands])


def _trends(ax: Any, table: Any, args: argparse.Namespace) -> None:
    from ...plotting.style import PALETTE
    from ...plotting.sweeps import finish, plot_trend
    from ...sweeps.results.trends import at_the_ends, theorem, through_middle, trends

    name = args.y or "tau_es"
    found = trends(table, args.x, name, args.group)
    theory = theorem(table, args.x, name, args.group) if args.predict is None else args.predict
    law = "" if theory is None else _theory(theory, args.x)
    for i, trend in enumerate(found):
        low, middle, high = trend.quantiles()
        fit = trend.fit()
        line = None if theory is None or i > 0 else through_middle(trend, theory)
        dots = trend.label if args.group and fit is None else "" if args.group else _DOTS
        plot_trend(
            ax, trend.x, middle, low, high, label=dots, colour=PALETTE[i % len(PALETTE)],
            fit=None if fit is None else _fitted(fit, args.x, trend.label),
            predicted=None if line is None else (*line, law),
        )  # fmt: skip
        _report(name, args.x, trend, fit)
    _say(theory)
    ends = at_the_ends(table, name)
    if ends:
        print(f"{ends} of {len(table)} points have their {name} at an end of the range of tau")
    shown = np.concatenate([trend.quantiles().ravel() for trend in found])
    finish(ax, _label(args.x), _label(name), found[0].x, shown, law=True)


_DOTS = "median, quartiles of seeds"


def _fitted(fit: Any, x: str, label: str) -> tuple[Any, Any, str]:
    """Return a fitted law as a line, with exponent, interval and window as legend entry."""
    (low, high), window = fit.interval, fit.window
    text = f"{label}: " if label else ""
    text += f"{_power(x, fit.exponent)}, {fit.level:.0%} interval [{low:.2f}, {high:.2f}]"
    said = f"{window[0]:g} … {window[1]:g}" if fit.decided else "not decided"
    text += f", {said}" if fit.holds else ", no power law"
    return list(window), fit(list(window)), text


def _theory(theory: Any, x: str) -> str:
    """Return the legend entry of an exponent, or of a theorem's function by its local slopes."""
    if isinstance(theory, float):
        return f"slope: {_power(x, theory)}"
    first, last = theory.local[0], theory.local[-1]
    return f"Theorem 1, {theory.constants} constants: slope {first:.2f} … {last:.2f}"


def _say(theory: Any) -> None:
    """Print a theorem's local slopes at the trend's points, and that they bind no measurement."""
    from ...theory.verdicts import CAVEAT, signed

    if theory is not None and not isinstance(theory, float):
        slopes = " ".join(signed(slope, ".2f") for slope in theory.local)
        print(f"Theorem 1, {theory.constants} constants, local slopes: {slopes}\n{CAVEAT}")


def _power(x: str, exponent: float) -> str:
    return f"${_SYMBOLS.get(x, x)}^{{{exponent:.3g}}}$"


def _report(name: str, x: str, trend: Any, fit: Any) -> None:
    """Print medians, and the fit below them."""
    print(f"{name} against {x}" + (f", {trend.label}" if trend.label else ""))
    for value, (low, middle, high), seeds in zip(
        trend.x, trend.quantiles().T, (trend.y == trend.y).sum(0), strict=True
    ):
        print(
            f"  {x} = {value!s:<8} median {middle:<11.5g} quartiles {low:.4g} … {high:.4g}", end=""
        )
        print(f"  ({seeds} seeds)")
    if fit is None:
        print("  no power law fitted: it needs 3 positive points on an axis of numbers")
    else:
        joined = " ∝ " if fit.holds and fit.decided else ", "
        print(f"  fit: {name}{joined}{str(fit).replace('x^', f'{x}^', 1)}")
        sys.stdout.flush()


def _label(name: str) -> str:
    return _LABELS.get(name, name)


_SYMBOLS = {"mu": "\\mu", "sigma": "\\sigma", "t_min": "t_{\\min}", "n_times": "n_t"}

_LABELS = {
    "tau_es": "early-stopping time $\\tau_{\\mathrm{es}}$",
    "kl": "KL divergence (nats)",
    "kl_best": "best KL (nats)",
    "kl_end": "KL at the end (nats)",
    "loss_train": "training loss",
    "loss_population": "population loss",
    "n": "number of data $n$",
    "m": "number of features $m$",
    "mu": "modes at $\\pm\\mu$",
    "sigma": "$\\sigma$",
    "seconds": "seconds per point",
}
