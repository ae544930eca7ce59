"""Eigenvalues as a histogram in ln λ beside predicted bulks."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from .style import BLACK, GREY, ORANGE, RED, log_ticks


def plot_bulks(
    ax: Axes,
    eigenvalues: ArrayLike,
    bulks: Sequence[tuple[ArrayLike, ArrayLike]],
    *,
    bins: int,
    atom: tuple[float, float] | None = None,
) -> Axes:
    """Draw shares of the eigenvalues per unit of ln λ on log axes, and predicted densities.

    Args:
        ax: where to draw.
        eigenvalues: positive, of any shape.
        bulks: (λ, density in ln λ) over each bulk.
        bins: number of bins, even in ln λ.
        atom: (λ, share) of a predicted atom, drawn as a point at the height of its bin.
    """
    values = np.ravel(np.asarray(eigenvalues, np.float64))
    low, high = np.log(values.min()) - 0.02, np.log(values.max()) + 0.02
    edges = np.exp(np.linspace(low, high, bins + 1))
    step = (high - low) / bins
    heights = np.histogram(values, edges)[0] / (len(values) * step)
    ax.stairs(heights, edges, fill=True, color=GREY, label="eigenvalues of G")
    for k, (x, density) in enumerate(bulks):
        label = "predicted bulks" if k == 0 else None
        ax.plot(x, density, color=RED, linewidth=1.8, label=label)
    if atom is not None:
        at, share = atom
        ax.plot(
            at, share / step, "D", color=ORANGE, markeredgecolor=BLACK, markersize=7,
            label=f"predicted atom, {share:.0%} of the modes",
        )  # fmt: skip
    # Room above the data for the legend.
    tallest = max(heights.max(), 0.0 if atom is None else atom[1] / step)
    ax.set_ylim(0.5 / (len(values) * step), 30.0 * tallest)
    log_ticks(ax, x=True, y=True)
    ax.set(xlabel="eigenvalue $\\lambda$", ylabel="share of the modes per unit of ln $\\lambda$")
    ax.legend(frameon=False, fontsize=9, loc="upper right")
    return ax
