"""Curves along the training time τ, and the learned density beside its target."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from .style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    TAU_LABEL,
    at_infinity,
    log_ticks,
    on_log_axis,
    sequence,
)


def plot_kl(
    ax: Axes,
    tau: ArrayLike,
    kl: ArrayLike,
    error: ArrayLike | None = None,
    *,
    best: tuple[float, float] | None = None,
    colour: str = BLUE,
    label: str = "KL$(p_0\\,\\|\\,\\hat p_\\tau)$",
) -> Axes:
    """Draw KL(τ) on log–log axes, its numerical error as a band, and the best point.

    Args:
        ax: where to draw.
        tau: training times (n,); τ = 0 is left out, τ = ∞ is drawn as a dotted level.
        kl: divergence at each τ (n,), in nats.
        error: absolute numerical error (n,).
        best: (τ_es, KL there), marked and written into the legend.
        colour: colour of the curve.
        label: legend entry of the curve.
    """
    tau, kl = np.asarray(tau, np.float64), np.asarray(kl, np.float64)
    drawable = np.isfinite(kl) & (kl > 0)
    shown = on_log_axis(tau) & drawable
    _line(ax, tau, np.where(drawable, kl, np.nan), colour, label)
    if error is not None:
        error = np.broadcast_to(np.asarray(error, np.float64), kl.shape)
        low = np.maximum(kl - error, 1e-3 * kl)
        ax.fill_between(tau[shown], low[shown], (kl + error)[shown], color=colour, alpha=0.25)
    if best is not None:
        _mark_best(ax, best, "KL", RED)
    log_ticks(ax, x=True, y=True)
    ax.set(xlabel=TAU_LABEL, ylabel="KL divergence (nats)")
    ax.legend(frameon=False)
    return ax


def plot_losses(
    ax: Axes,
    tau: ArrayLike,
    train: ArrayLike,
    *,
    population: ArrayLike | None = None,
    held_out: ArrayLike | None = None,
    best: tuple[float, float] | None = None,
    levels: Mapping[str, float] | None = None,
) -> Axes:
    """Draw the losses of the training set, the population and the held-out points along τ.

    `best` is (τ, loss) at the minimum of the population's or the held-out loss; `levels` are
    losses of scores that are not trained, by name.
    """
    _line(ax, tau, train, BLUE, "training set")
    if population is not None:
        _line(ax, tau, population, ORANGE, "population")
    if held_out is not None:
        _line(ax, tau, held_out, GREEN, "held out")
    if best is not None:
        _mark_best(ax, best, "loss", RED)
    styles = ("--", ":", "-.")
    for (name, level), style in zip((levels or {}).items(), styles, strict=False):
        ax.axhline(level, color=BLACK, linestyle=style, linewidth=1.2, label=f"{name} score")
    log_ticks(ax, x=True)
    ax.set(xlabel=TAU_LABEL, ylabel="denoising loss")
    ax.legend(frameon=False)
    return ax


def plot_gap(
    ax: Axes, tau: ArrayLike, train: ArrayLike, other: ArrayLike, *, label: str = "population"
) -> Axes:
    """Draw the generalisation gap, loss of `label` minus training loss, along τ."""
    gap = np.asarray(other, np.float64) - np.asarray(train, np.float64)
    _line(ax, tau, gap, PURPLE, f"{label} − training set")
    ax.axhline(0.0, color=BLACK, linewidth=0.8)
    log_ticks(ax, x=True)
    ax.set(xlabel=TAU_LABEL, ylabel="generalisation gap")
    ax.legend(frameon=False)
    return ax


def plot_nll(
    ax: Axes,
    tau: ArrayLike,
    train: ArrayLike,
    *,
    held_out: ArrayLike | None = None,
    best: tuple[float, float] | None = None,
    baseline: float | None = None,
    unit: str = "nats per point",
) -> Axes:
    """Draw the mean negative log-likelihood of training and held-out points along τ.

    `baseline` is the held-out value of a kernel density estimate on the same split, a level.
    """
    _line(ax, tau, train, BLUE, "training set")
    if held_out is not None:
        _line(ax, tau, held_out, GREEN, "held out")
    if best is not None:
        _mark_best(ax, best, "NLL", RED)
    if baseline is not None:
        ax.axhline(
            baseline, color=BLACK, linestyle="--", linewidth=1.2, label="kernel density estimate"
        )
    log_ticks(ax, x=True)
    ax.set(xlabel=TAU_LABEL, ylabel=f"negative log-likelihood ({unit})")
    ax.legend(frameon=False)
    return ax


def plot_densities(
    ax: Axes,
    x: ArrayLike,
    densities: ArrayLike,
    labels: Sequence[str],
    *,
    target: ArrayLike | None = None,
    points: ArrayLike | None = None,
    colours: Sequence[str] | None = None,
    x_label: str = "$x$",
) -> Axes:
    """Draw learned densities over the target's, or over a histogram of the data.

    Args:
        ax: where to draw.
        x: abscissae (n,).
        densities: one for each label, (k, n), in order of τ: drawn from light to dark.
        labels: k legend entries.
        target: the target's density (n,), filled in grey.
        points: data, drawn as a grey histogram of unit mass.
        colours: k colours instead, where the densities are in no order.
        x_label: label of the abscissa, with its unit.
    """
    x = np.asarray(x, np.float64)
    densities = np.atleast_2d(np.asarray(densities, np.float64))
    if target is not None:
        ax.fill_between(x, np.asarray(target), color=GREY, alpha=0.6, linewidth=0, label="target")
    if points is not None:
        flat = np.ravel(points)
        ax.hist(flat, bins=30, density=True, color=GREY, alpha=0.6, label="training data")
    colours = sequence(len(densities)) if colours is None else colours
    for density, colour, label in zip(densities, colours, labels, strict=True):
        ax.plot(x, density, color=colour, linewidth=1.6, label=label)
    ax.set(xlabel=x_label, ylabel="density", xlim=(x[0], x[-1]))
    ax.set_ylim(bottom=0.0)
    ax.legend(frameon=False)
    return ax


def _line(ax: Axes, tau: ArrayLike, values: ArrayLike, colour: str, label: str) -> None:
    """Draw values where a log axis can show τ; τ = ∞ as a dotted level."""
    tau = np.asarray(tau, np.float64)
    values = np.asarray(values, np.float64)
    shown = on_log_axis(tau)
    order = np.argsort(tau[shown])
    ax.plot(
        tau[shown][order],
        values[shown][order],
        color=colour,
        marker="o" if shown.sum() < 12 else "",
        linewidth=1.8,
        label=label,
    )
    for level in at_infinity(tau, values)[:1]:
        ax.axhline(level, color=colour, linestyle=":", linewidth=1.2, label=f"{label}, τ = ∞")


def _mark_best(ax: Axes, best: tuple[float, float], what: str, colour: str) -> None:
    """Mark the early-stopping point and write it into the legend."""
    tau, value = best
    text = f"$\\tau_{{\\mathrm{{es}}}}$ = {tau:.2g}, {what} = {value:.3g}"
    if np.isfinite(tau) and tau > 0:
        ax.axvline(tau, color=colour, linestyle="--", linewidth=1.0)
        ax.plot([tau], [value], "o", color=colour, markersize=7, label=text)
    else:
        ax.plot([], [], "o", color=colour, label=text)
