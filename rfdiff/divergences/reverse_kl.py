"""The reverse Kullback–Leibler divergence KL(p̂‖p) = ∫ p̂ log(p̂/p)."""

from typing import Any

import numpy as np

from ..densities.interfaces import LearnedDensity
from ..densities.panel_comparison import NodalValues, PanelComparison
from ..densities.probability_flow.interval_comparison import IntervalComparison, Masses
from ..densities.probability_flow.interval_quadrature import Part, mean_log
from ..diffusion.law_on_domain import Domain
from ..support.estimate import Estimate
from ..support.validation import FloatArray
from .divergence import COVERS
from .f_divergence import FDivergence


class ReverseKL(FDivergence):
    """φ(b) = (1 − b) ln (1 − b)/(1 + b), which has no bound: +∞ where p̂ has mass that p has not."""

    name = "reverse-kl"
    title = "reverse KL divergence"
    limit = np.inf

    def integrand(self, log_p: FloatArray, log_q: FloatArray) -> FloatArray:
        """Return p̂ log(p̂/p) where both are positive."""
        counts = ~np.isneginf(log_q) & ~np.isneginf(log_p)
        with np.errstate(invalid="ignore"):
            return np.exp(log_q) * np.where(counts, log_q - log_p, 0.0)

    def sensitivity(self, log_p: FloatArray, log_q: FloatArray) -> FloatArray:
        """Return 1 + |log(p̂/p)| where both are positive."""
        ratio = np.where(np.isneginf(log_p), 0.0, log_q - log_p)
        return 1.0 + np.where(np.exp(log_q) > 0.0, np.abs(ratio), 0.0)

    def of_missed_mass(self, sensitivity: FloatArray) -> FloatArray:
        """Return the largest sensitivity met, (R,)."""
        return np.asarray(sensitivity.max((1, 2)))

    def on_panels(self, comparison: PanelComparison) -> Estimate:
        """Return the integral; its error adds log(p̂/p) where escaped mass may be.

        Of a law with tails like a normal one's that is no more than at the root mean square
        displacement.
        """
        found, escaped = super().on_panels(comparison), comparison.escaped
        counts = escaped.mass > 0.0
        mass = np.where(counts, escaped.mass, 1.0)
        away = np.sqrt(escaped.square / mass)
        low, high = escaped.ends
        places = np.stack([low, high, low - away, high + away])
        surprise = -comparison.reference.log_density(places).min(0)
        of_learned = np.abs(np.log(mass)) + np.abs(np.log(np.maximum(high - low + away, 1e-300)))
        unknown = np.where(counts, mass * (np.maximum(surprise, 0.0) + of_learned), 0.0)
        return Estimate(found.value, found.error + unknown, COVERS)

    def integral(self, values: NodalValues) -> FloatArray:
        """Return the integral over panels, (R,); +∞ where p̂ has mass and p has none."""
        outside = np.isneginf(values.log_p) & ~np.isneginf(values.log_q)
        return np.where(outside.any((1, 2)), np.inf, values.integral())

    def on_intervals(self, comparison: IntervalComparison) -> Estimate:
        """Return Σ Q·(mean ρ), where the mean of e^{−ρ} under p̂ is P/Q; +∞ if p vanishes anywhere.

        The law of the probability flow vanishes nowhere.
        """
        reference = comparison.reference
        low, high = reference.edges[[0, -1]]
        beyond = np.array([2.0 * low - high, 2.0 * high - low])
        if np.isneginf(reference.log_density(beyond)).any():
            return Estimate(np.full(comparison.learned.shape, np.inf), error_covers=COVERS)
        return comparison.over_masses("reverse KL", self._part)

    def _part(self, masses: Masses) -> Part:
        q, log_ratio = np.exp(masses.log_q), masses.log_p - masses.log_q
        ends = -masses.ratio_start, -masses.ratio_end
        with np.errstate(invalid="ignore"):
            mean, _, unseen = mean_log(log_ratio, *ends, masses.rounding)
        return Part(-q * mean, q, q * unseen, np.full(len(q), np.inf))


REVERSE_KL = ReverseKL()


def reverse_kl_divergence(
    law: Any, learned: LearnedDensity, *, domain: Domain | float | None = None
) -> Estimate:
    """KL(p̂‖p) = ∫ p̂ log(p̂/p), shape (…).

    +∞ where p̂ has mass that p has not: outside the support of p, or outside a bounded domain for
    the laws on the line, which are compared with p on `domain=np.inf`; and where p̂ cannot be
    normalised.

    Args:
        law: p, a one-dimensional law with a density: p₀, or a marginal p_t.
        learned: p̂, training times leading.
        domain: (a, b) or `np.inf`, in the unit of x; the learned density's own if None.

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
    >>> reverse_kl_divergence(run.target, run.learned_density())
    0.2377... ± ...
    """
    return REVERSE_KL(law, learned, domain=domain)
