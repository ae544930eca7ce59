"""Sweeps: an observable against an axis with its spread over seeds, heat maps, curve families."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import LogLocator, StrMethodFormatter
from numpy.typing import ArrayLike

from .style import BLACK, PALETTE, log_ticks, on_log_axis, sequence

# Above this ratio of largest to smallest, positive values are drawn on a log scale.
_WIDE = 8.0


def plot_trend(
    ax: Axes,
    x: ArrayLike,
    middle: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    label: str = "",
    colour: str = PALETTE[0],
    fit: tuple[ArrayLike, ArrayLike, str] | None = None,
    predicted: tuple[ArrayLike, ArrayLike, str] | None = None,
) -> Axes:
    """Draw a median over seeds as dots with a band, and lines that go with it.

    Args:
        ax: where to draw.
        x: abscissae (k,): numbers, or names, which are drawn side by side.
        middle: medians (k,).
        low: lower ends of the band (k,).
        high: upper ends of the band (k,).
        label: legend entry.
        colour: colour of dots, band and fit.
        fit: (x, y, legend entry) of a fitted law, drawn as a line.
        predicted: (x, y, legend entry) of a predicted law, drawn dashed.
    """
    x = np.asarray(x)
    at = x if x.dtype.kind in "if" else np.arange(len(x))
    if x.dtype.kind not in "if":
        ax.set_xticks(at, [str(name) for name in x])
    middle, low, high = (np.asarray(v, np.float64) for v in (middle, low, high))
    ax.fill_between(at, low, high, color=colour, alpha=0.2, linewidth=0)
    ax.plot(at, middle, "o", color=colour, markersize=6, label=label or None)
    if fit is not None:
        ax.plot(fit[0], fit[1], color=colour, linewidth=1.6, label=fit[2])
    else:
        ax.plot(at, middle, color=colour, linewidth=1.0, alpha=0.6)
    if predicted is not None:
        ax.plot(
            predicted[0], predicted[1], color=BLACK, linestyle="--", linewidth=1.4,
            label=predicted[2],
        )  # fmt: skip
    return ax


def plot_family(
    ax: Axes,
    tau: ArrayLike,
    bands: Sequence[ArrayLike],
    labels: Sequence[str],
    *,
    marks: Sequence[tuple[float, float] | None] = (),
) -> Axes:
    """Draw curves along τ in an order such as n, light to dark, each with its band over seeds.

    Args:
        ax: where to draw.
        tau: training times (n_tau,); those a log axis cannot show are left out.
        bands: lower, middle and upper values of each curve, (3, n_tau).
        labels: legend entries.
        marks: a point to mark on each curve, such as its minimum, or None.
    """
    tau = np.asarray(tau, np.float64)
    shown = on_log_axis(tau)
    colours = sequence(len(bands))
    for band, colour, label in zip(bands, colours, labels, strict=True):
        low, middle, high = np.asarray(band, np.float64)[:, shown]
        ax.fill_between(tau[shown], low, high, color=colour, alpha=0.18, linewidth=0)
        ax.plot(tau[shown], middle, color=colour, linewidth=1.7, label=label or None)
    for mark, colour in zip(marks, colours, strict=False):
        if mark is not None:
            ax.plot(*mark, "o", color=colour, markeredgecolor="white", markersize=8)
    return ax


def plot_heat(ax: Axes, x: ArrayLike, y: ArrayLike, z: ArrayLike, *, label: str = "") -> Axes:
    """Draw z (len(y), len(x)) as a heat map, its values written in, with a colour bar.

    Both axes are drawn in equal steps: grids are seldom even. NaN is left white.
    """
    x, y, z = np.asarray(x), np.asarray(y), np.asarray(z, np.float64)
    known = z[np.isfinite(z)]
    log = known.size > 0 and known.min() > 0 and known.max() > _WIDE * known.min()
    norm = LogNorm(known.min(), known.max()) if log else None
    image = ax.imshow(z, origin="lower", aspect="auto", cmap="viridis", norm=norm)
    ax.grid(False)
    ax.set_xticks(range(len(x)), [_tick(value) for value in x])
    ax.set_yticks(range(len(y)), [_tick(value) for value in y])
    for row, column in np.argwhere(np.isfinite(z)):
        shade = float(np.asarray(image.norm(z[row, column])))
        ax.text(
            column, row, f"{z[row, column]:.2g}", ha="center", va="center", fontsize=8,
            color="black" if shade > 0.55 else "white",
        )  # fmt: skip
    bar = ax.figure.colorbar(image, ax=ax, label=label)
    if log:
        bar.locator = LogLocator(subs=(1.0, 2.0, 5.0))
        bar.formatter = StrMethodFormatter("{x:g}")
        bar.minorticks_off()
        bar.update_ticks()
    return ax


def finish(
    ax: Axes, x_label: str, y_label: str, x: ArrayLike, values: ArrayLike, *, law: bool = False
) -> Axes:
    """Label the axes, choose log scales where values are positive and far apart, add the legend.

    With `law` positive values have a log scale wherever x has one, as a power law is read.
    """
    x, values = np.ravel(np.asarray(x)), np.ravel(np.asarray(values, np.float64))
    wide = _is_wide(x)
    positive = bool((values[np.isfinite(values)] > 0).all())
    log_ticks(ax, x=wide, y=_is_wide(values) or (law and wide and positive))
    ax.set(xlabel=x_label, ylabel=y_label)
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False, fontsize=9)
    return ax


def _is_wide(values: np.ndarray) -> bool:
    if values.dtype.kind not in "if":
        return False
    values = values[np.isfinite(values)]
    return bool(values.size and values.min() > 0 and values.max() > _WIDE * values.min())


def _tick(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)
