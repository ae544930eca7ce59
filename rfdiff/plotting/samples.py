"""Samples beside the densities they should follow, and their paths over the density's evolution."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import ArrayLike

from .style import BLACK, BLUE, GREY, RED

# Bins of a histogram: half of Freedman and Diaconis's width, since a law of several modes is
# narrower than its quartiles say, but not more of them than this.
_MOST_BINS = 200


def plot_histogram(
    ax: Axes,
    samples: ArrayLike,
    x: ArrayLike,
    density: ArrayLike,
    *,
    label: str = "learned density",
    target: ArrayLike | None = None,
    x_label: str = "$x$",
) -> Axes:
    """Draw a histogram of samples, the density they are drawn from, and the target's.

    Args:
        ax: where to draw.
        samples: samples (n,); those outside the range of x are counted in the legend.
        x: abscissae (k,), rising.
        density: the learned density there (k,).
        label: its legend entry.
        target: the target's density (k,), dashed.
        x_label: label of the abscissa, with its unit.
    """
    samples, x = np.ravel(np.asarray(samples, np.float64)), np.asarray(x, np.float64)
    inside = samples[(samples >= x[0]) & (samples <= x[-1])]
    edges = _edges(inside, float(x[0]), float(x[-1]))
    counts, _ = np.histogram(inside, edges)
    heights = counts / (len(samples) * np.diff(edges))
    text = f"{len(samples):,} samples"
    if len(inside) < len(samples):
        text += f", {len(samples) - len(inside):,} outside"
    ax.stairs(heights, edges, fill=True, color=GREY, alpha=0.7, label=text)
    ax.plot(x, np.asarray(density), color=BLUE, linewidth=1.8, label=label)
    if target is not None:
        ax.plot(x, np.asarray(target), color=BLACK, linewidth=1.2, linestyle="--", label="target")
    # Room above the curves for one line of legend.
    ax.set(xlabel=x_label, ylabel="density", xlim=(x[0], x[-1]))
    ax.set_ylim(0.0, 1.15 * ax.get_ylim()[1])
    ax.legend(frameon=False, loc="upper center", ncols=3)
    return ax


def plot_paths(
    ax: Axes,
    times: ArrayLike,
    paths: ArrayLike,
    *,
    density_times: ArrayLike | None = None,
    x: ArrayLike | None = None,
    density: ArrayLike | None = None,
    x_label: str = "$x$",
) -> Axes:
    """Draw paths x(t), t falling to the right, over the evolution of their density.

    Args:
        ax: where to draw.
        times: times of the paths, falling (k + 1,).
        paths: positions (k + 1, n).
        density_times: times of the densities, falling (j,).
        x: abscissae of the densities (i,).
        density: p̂_t(x) at each of `density_times`, (j, i), each drawn on the scale of its own peak.
        x_label: label of the position, with its unit.
    """
    times, paths = np.asarray(times, np.float64), np.asarray(paths, np.float64)
    if density is not None:
        densities = np.asarray(density, np.float64)
        shades = LinearSegmentedColormap.from_list("density", ["#FFFFFF", BLUE])
        ax.pcolormesh(
            np.asarray(density_times),
            np.asarray(x),
            (densities / densities.max(axis=1, keepdims=True)).T,
            cmap=shades,
            shading="gouraud",
            rasterized=True,
        )
        ax.grid(False)
        ax.set_ylim(float(np.min(np.asarray(x))), float(np.max(np.asarray(x))))
    ax.plot(times, paths, color=RED, linewidth=0.6, alpha=0.7)
    ax.set(xlabel="time $t$, running backwards", ylabel=x_label, xlim=(times[0], times[-1]))
    return ax


def _edges(samples: np.ndarray, low: float, high: float) -> np.ndarray:
    """Edges of equal bins of width IQR n^{−1/3} on the range."""
    if len(samples) < 2:
        return np.linspace(low, high, 31)
    spread = float(np.subtract(*np.quantile(samples, [0.75, 0.25])))
    width = spread * len(samples) ** (-1.0 / 3.0)
    bins = int(np.ceil((high - low) / width)) if width > 0 else _MOST_BINS
    return np.linspace(low, high, min(max(bins, 10), _MOST_BINS) + 1)


def plot_plane(ax: Axes, samples: ArrayLike, training: ArrayLike | None = None) -> Axes:
    """Draw samples of vectors in their first two coordinates, over the training points.

    Args:
        ax: where to draw.
        samples: (n, 2).
        training: training points (k, 2), if there are some.
    """
    samples = np.asarray(samples, np.float64)
    ax.plot(*samples.T, ".", color=BLUE, markersize=2.5, alpha=0.5, label="samples")
    if training is not None:
        ax.plot(*np.asarray(training).T, "x", color=RED, markersize=4, label="training points")
    ax.set(xlabel="first coordinate", ylabel="second coordinate")
    ax.margins(y=0.12)
    ax.legend(frameon=False, loc="upper center", ncols=2)
    return ax
