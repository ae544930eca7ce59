"""One look for every figure, applied to Axes and never to matplotlib's global state."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import ArrayLike

from ..support.validation import FloatArray

# Okabe and Ito's palette: told apart under all common colour-vision deficiencies.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, BLACK = "#CC79A7", "#56B4E9", "#F0E442", "#222222"
PALETTE = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY)
GREY = "#B8B8B8"

TAU_LABEL = "training time $\\tau$"


def new_figure(
    n_rows: int = 1, n_cols: int = 1, *, width: float = 6.4, height: float = 4.0
) -> tuple[Figure, list[Axes]]:
    """Return a figure of n_rows × n_cols panels, each `width` × `height` inches, row by row."""
    figure = Figure(figsize=(width * n_cols, height * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, n_cols, squeeze=False)
    for ax in axes.flat:
        tidy(ax)
    return figure, list(axes.flat)


def tidy(ax: Axes) -> Axes:
    """Remove the box, draw a faint grid behind the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, which="major", color="#E4E4E4", linewidth=0.7)
    ax.set_axisbelow(True)
    return ax


def log_ticks(ax: Axes, *, x: bool = False, y: bool = False) -> Axes:
    """Put an axis on a log scale: labelled decades, and 2 and 5 between where they are few.

    Call it after drawing: it looks at the limits.
    """
    for wanted, scale, axis in ((x, ax.set_xscale, ax.xaxis), (y, ax.set_yscale, ax.yaxis)):
        if not wanted:
            continue
        scale("log")
        low, high = axis.get_view_interval()
        axis.set_minor_formatter(NullFormatter())
        if high < 100.0 * low:
            axis.set_major_locator(LogLocator(base=10.0, subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        else:
            axis.set_major_locator(LogLocator(base=10.0, numticks=9))
    return ax


def room_above(ax: Axes, share: float) -> Axes:
    """Raise the upper limit by a share of the axis's length, for a legend above the data."""
    low, high = ax.get_ylim()
    log = ax.get_yscale() == "log"
    ax.set_ylim(low, high * (high / low) ** share if log else high + share * (high - low))
    return ax


def on_log_axis(tau: ArrayLike) -> np.ndarray:
    """Return which τ a log axis can show: positive and finite ones."""
    tau = np.asarray(tau, dtype=np.float64)
    return np.asarray(np.isfinite(tau) & (tau > 0))


def at_infinity(tau: ArrayLike, values: ArrayLike) -> FloatArray:
    """Return the values at τ = ∞, an empty array where there are none."""
    tau = np.asarray(tau, dtype=np.float64)
    return np.asarray(values, dtype=np.float64)[np.isposinf(tau)]


def scientific(value: float) -> str:
    """Return a number as mathtext with one digit, for legends.

    >>> scientific(2.1e6), scientific(1e10), scientific(3.0)
    ('2·10$^{6}$', '10$^{10}$', '3')
    """
    digit, exponent = f"{value:.0e}".split("e")
    power = f"10$^{{{int(exponent)}}}$"
    if int(exponent) == 0:
        return digit
    return power if digit == "1" else f"{digit}·{power}"


def sequence(n: int, *, start: str = "#9ECAE1", end: str = "#08306B") -> list[str]:
    """Return n colours from light to dark, for curves in an order such as time."""
    low, high = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) for c in (start, end))
    shares = np.linspace(0.0, 1.0, n) if n > 1 else np.array([1.0])
    rgb = (np.round(low + share * (high - low)).astype(int) for share in shares)
    return ["#{:02X}{:02X}{:02X}".format(*colour) for colour in rgb]


def save_figure(figure: Figure, path: str | Path, *, dpi: int = 150) -> Path:
    """Write the figure and return its path; the bytes do not depend on the time of day."""
    path = Path(path)
    figure.savefig(path, dpi=dpi, metadata={"Software": None} if path.suffix == ".png" else None)
    return path
