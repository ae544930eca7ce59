"""The total variation ½∫|p − p̂|."""

from typing import Any

import numpy as np

from ..densities.interfaces import LearnedDensity
from ..densities.panel_comparison import NodalValues
from ..diffusion.law_on_domain import Domain
from ..support.estimate import Estimate
from ..support.validation import FloatArray
from .f_divergence import BoundedFDivergence, parabola


class TotalVariation(BoundedFDivergence):
    """φ(b) = |b|; the integrand keeps its sign, so that panels may be cut where it changes."""

    name = "total-variation"
    title = "total variation"
    limit = 1.0

    def integrand(self, log_p: FloatArray, log_q: FloatArray) -> FloatArray:
        """Return ½(p − p̂)."""
        return 0.5 * (np.exp(log_p) - np.exp(log_q))

    def sensitivity(self, log_p: FloatArray, log_q: FloatArray) -> FloatArray:
        """Return ±½."""
        return np.asarray(0.5 * np.sign(np.exp(log_q) - np.exp(log_p)))

    def of_missed_mass(self, sensitivity: FloatArray) -> float:
        """Return ½."""
        return 0.5

    def integral(self, values: NodalValues) -> FloatArray:
        """Return ½∫|p − p̂| over panels, (R,)."""
        return values.absolute_integral()

    def mean_of_generator(self, start: FloatArray, end: FloatArray, mean: FloatArray) -> FloatArray:
        """Return the mean of |b| over (0, 1) for the parabola b with these end values and mean."""
        return mean_of_absolute(start, end, mean)


def mean_of_absolute(start: FloatArray, end: FloatArray, mean: FloatArray) -> FloatArray:
    """Return the mean of |b| over (0, 1) for the parabola b with these end values and mean."""
    linear, square = parabola(start, end, mean)
    root = np.sqrt(np.maximum(linear * linear - 4.0 * square * start, 0.0))
    half = -0.5 * (linear + np.where(linear < 0.0, -root, root))
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = np.nan_to_num(np.stack([half / square, start / half]))
    cuts = np.sort(np.clip(roots, 0.0, 1.0), axis=0)
    s = np.concatenate([np.zeros((1, len(mean))), cuts, np.ones((1, len(mean)))])
    primitive = s * (start + s * (0.5 * linear + s * square / 3.0))
    return np.asarray(np.abs(np.diff(primitive, axis=0)).sum(0))


TOTAL_VARIATION = TotalVariation()


def total_variation(
    law: Any, learned: LearnedDensity, *, domain: Domain | float | None = None
) -> Estimate:
    """TV(p, p̂) = ½∫|p − p̂|, between 0 and 1: shape (…); 1 where p̂ cannot be normalised.

    Args:
        law: p, a one-dimensional law with a density: p₀, or a marginal p_t.
        learned: p̂, training times leading.
        domain: (a, b) or `np.inf`, in the unit of x; the learned density's own if None.

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
    >>> total_variation(run.target, run.learned_density())
    0.2714... ± ...
    """
    return TOTAL_VARIATION(law, learned, domain=domain)
