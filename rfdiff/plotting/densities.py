"""Divergences of the three definitions of a learned density along training."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from .style import BLACK, BLUE, GREEN, RED, TAU_LABEL, log_ticks, on_log_axis

# One colour for each definition of the learned density, in every figure.
DEFINITION_COLOURS = {"score-integral": BLUE, "probability-flow": RED, "reverse-sde": GREEN}
# A band is drawn no lower than this share of its curve: a log axis has no zero.
_LOWEST = 1e-3


def plot_divergences(
    ax: Axes,
    tau: ArrayLike,
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    bound: ArrayLike | None = None,
    y_label: str = "KL$(p_t\\,\\|\\,\\hat p_\\tau)$ (nats)",
) -> Axes:
    """Draw a divergence of each definition along training, its error as a band, log–log.

    Args:
        ax: where to draw.
        tau: training times (n,); those a log axis cannot show are left out.
        curves: (divergence, error) by definition, each (n,).
        bound: the bound on the reverse SDE's KL (n,), dashed.
        y_label: label of the ordinate, with its unit.
    """
    tau = np.asarray(tau, np.float64)
    for name, (value, error) in curves.items():
        value, error = (np.asarray(part, np.float64) for part in (value, error))
        shown = on_log_axis(tau) & np.isfinite(value) & (value > 0)
        at, middle, reach = tau[shown], value[shown], error[shown]
        low = np.maximum(middle - reach, _LOWEST * middle)
        colour = DEFINITION_COLOURS.get(name, BLACK)
        ax.fill_between(at, low, middle + reach, color=colour, alpha=0.25, linewidth=0)
        ax.plot(at, middle, color=colour, linewidth=1.8, label=name)
    if bound is not None:
        shown = on_log_axis(tau)
        ax.plot(
            tau[shown], np.asarray(bound)[shown], color=BLACK, linewidth=1.6, linestyle="--",
            label="bound on reverse-sde",
        )  # fmt: skip
    log_ticks(ax, x=True, y=True)
    ax.set(xlabel=TAU_LABEL, ylabel=y_label)
    ax.legend(frameon=False, fontsize=9)
    return ax
