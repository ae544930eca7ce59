"""Theory beside measurement: bounds, error terms, spectra, and stochastic paths over the flow."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from ..theory.verdicts import signed
from .style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    TAU_LABEL,
    log_ticks,
    on_log_axis,
)

# Terms of the bound by their names in `Decomposition.parts`: label and colour, as stacked.
TERMS = MappingProxyType(
    {
        "infinite": ("infinite width I$_2$", ORANGE),
        "width": ("width I$_3$", PURPLE),
        "sample": ("sampling I$_1$", BLUE),
    }
)


def plot_bound(
    ax: Axes,
    tau: ArrayLike,
    bound: ArrayLike,
    *,
    prior: float | None = None,
    terms: Mapping[str, ArrayLike] | None = None,
    measured: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
) -> Axes:
    """Draw the bound along τ with its terms, and the measured KL that it bounds.

    Args:
        ax: where to draw.
        tau: training times (n,).
        bound: total bound (n,).
        prior: KL(p_T‖π), a level.
        terms: terms of the bound by their names in `TERMS`, each (n,); where they are negative a
            log axis cannot show them.
        measured: (τ, KL) by definition of the learned density, drawn as dots.
    """
    tau, terms = np.asarray(tau, np.float64), terms or {}
    shown = on_log_axis(tau)
    ax.plot(tau[shown], np.asarray(bound)[shown], color=BLACK, linewidth=2.2, label="bound")
    for name, (label, colour) in TERMS.items():
        if name in terms:
            values = np.asarray(terms[name], np.float64)
            values = np.where(values > 0, values, np.nan)
            ax.plot(tau[shown], values[shown], color=colour, linewidth=1.3, label=label)
    if prior is not None:
        ax.axhline(prior, color=GREY, linestyle=":", linewidth=1.6, label="KL$(p_T\\|\\pi)$")
    for (name, (at, kl)), colour, marker in zip(
        (measured or {}).items(), (RED, GREEN), ("o-", "s:"), strict=False
    ):
        ax.plot(at, kl, marker, color=colour, markersize=5, linewidth=1.2, label=name)
    log_ticks(ax, x=True, y=True)
    ax.set(xlabel=TAU_LABEL, ylabel="nats")
    ax.legend(frameon=False, fontsize=9)
    return ax


def plot_decomposition(ax: Axes, tau: ArrayLike, shares: Mapping[str, ArrayLike]) -> Axes:
    """Draw terms as stacked shares of their total; negative ones are stacked below zero.

    Args:
        ax: where to draw.
        tau: training times (n,).
        shares: terms over total by their names in `TERMS`, each (n,); they add up to one.
    """
    tau = np.asarray(tau, np.float64)
    shown = on_log_axis(tau)
    up, down = np.zeros(shown.sum()), np.zeros(shown.sum())
    for name, (label, colour) in TERMS.items():
        values = np.asarray(shares[name], np.float64)[shown]
        for base, part, entry in (
            (up, np.maximum(values, 0.0), label),
            (down, np.minimum(values, 0.0), None),
        ):
            ax.fill_between(
                tau[shown], base, base + part, color=colour, alpha=0.8, linewidth=0, label=entry
            )
            base += part
    ax.axhline(1.0, color=BLACK, linewidth=1.0, label="total")
    ax.axhline(0.0, color=BLACK, linewidth=0.6)
    log_ticks(ax, x=True)
    ax.set(xlabel=TAU_LABEL, ylabel="share of the bound's integral")
    ax.legend(fontsize=9, loc="center left", framealpha=0.9, edgecolor="none")
    return ax


def plot_spectrum(
    ax: Axes, eigenvalues: ArrayLike, fit: tuple[ArrayLike, ArrayLike, str] | None = None
) -> Axes:
    """Draw eigenvalues in descending order against their rank, and a fitted decay."""
    eigenvalues = np.asarray(eigenvalues, np.float64)
    k = np.arange(1, len(eigenvalues) + 1)
    ax.plot(k, eigenvalues, "o", color=BLUE, markersize=3, label="eigenvalues $\\lambda_k$")
    if fit is not None:
        ax.plot(fit[0], fit[1], color=RED, linewidth=1.5, label=fit[2])
    log_ticks(ax, x=True, y=True)
    ax.set(xlabel="mode k", ylabel="eigenvalue")
    ax.legend(frameon=False, fontsize=9)
    return ax


def plot_slopes(
    ax: Axes, tau: ArrayLike, slopes: ArrayLike, predicted: tuple[tuple[float, float], float]
) -> Axes:
    """Draw local exponents of the excess training loss along τ, and the predicted one.

    Args:
        ax: where to draw.
        tau: training times (n,).
        slopes: d ln(L(τ) − L(∞)) / d ln τ, (n,).
        predicted: the range of τ that the prediction is for, and the exponent.
    """
    ax.plot(tau, slopes, color=BLUE, linewidth=2.0, label="measured slope")
    (first, last), exponent = predicted
    ax.plot(
        [first, last], [exponent, exponent], color=RED, linewidth=1.6, linestyle="--",
        label=f"predicted by the spectrum: {signed(exponent, '.2f')}",
    )  # fmt: skip
    ax.set_ylim(min(3.0 * exponent, -1.0), 0.0)
    log_ticks(ax, x=True)
    ax.set(xlabel=TAU_LABEL, ylabel="local exponent of the excess loss")
    ax.legend(frameon=False, fontsize=9)
    return ax


def plot_emergence(
    ax: Axes,
    times: ArrayLike,
    *,
    turned: ArrayLike | None = None,
    marks: Mapping[str, float] | None = None,
) -> Axes:
    """Draw when each mode emerges, when it turns against the population, and marked τ.

    Args:
        ax: where to draw.
        times: emergence times 1/(2λ_k), ascending (k,).
        turned: τ from which each mode fits the sample's own noise (k,); infinite ones left out.
        marks: named training times, drawn as horizontal lines where finite.
    """
    times = np.asarray(times, np.float64)
    k = np.arange(1, len(times) + 1)
    ax.plot(k, times, color=BLUE, linewidth=2.0, label="mode emerges, $1/(2\\lambda_k)$")
    if turned is not None:
        turned = np.asarray(turned, np.float64)[: len(times)]
        seen = on_log_axis(turned)
        ax.plot(k[seen], turned[seen], ".", color=ORANGE, label="mode fits the sample's noise")
    for (name, tau), colour in zip((marks or {}).items(), (RED, GREEN, PURPLE), strict=False):
        if np.isfinite(tau) and tau > 0:
            ax.axhline(tau, color=colour, linestyle="--", linewidth=1.3, label=name)
    log_ticks(ax, x=True, y=True)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high * (high / low) ** 0.35)
    ax.set(xlabel="mode k", ylabel=TAU_LABEL)
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    return ax


def plot_optimiser_paths(
    ax: Axes,
    paths: Mapping[str, tuple[ArrayLike, ArrayLike]],
    exact: tuple[ArrayLike, ArrayLike],
    *,
    predicted: tuple[ArrayLike, ArrayLike] | None = None,
    y_label: str = "KL (nats)",
) -> Axes:
    """Draw stochastic training over the exact flow on the flow's clock.

    Args:
        ax: where to draw.
        paths: (τ (k,), values (repetitions, k)) by name.
        exact: (τ, values) of the exact flow.
        predicted: (τ, values) of the flow with the optimiser's predicted noise, as diamonds.
        y_label: label of the ordinate.
    """
    ax.plot(*exact, color=BLACK, linewidth=3.0, label="exact flow")
    for (name, (tau, values)), colour in zip(paths.items(), (ORANGE, GREEN, PURPLE), strict=False):
        for i, path in enumerate(np.atleast_2d(np.asarray(values, np.float64))):
            label = name if i == 0 else None
            ax.plot(tau, path, color=colour, linewidth=0.9, alpha=0.7, label=label)
    if predicted is not None:
        ax.plot(*predicted, "D", color=BLUE, markersize=6, label="flow + predicted SGD noise")
    log_ticks(ax, x=True, y=True)
    ax.set(xlabel=TAU_LABEL, ylabel=y_label)
    ax.legend(frameon=False, fontsize=9)
    return ax
