"""The Kullback–Leibler divergence KL(p‖p̂) = −H(p) − E_p[log p̂], and its stand-in for data."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..densities.interfaces import LearnedDensity
from ..densities.panel_comparison import PanelComparison
from ..densities.probability_flow.interval_comparison import IntervalComparison
from ..diffusion.law_on_domain import Domain
from ..diffusion.mixtures import GaussianMixture
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import points
from .accuracy import warn_of_large_errors
from .divergence import DivergenceFormula

# The natural scale of a log-likelihood.
_NAT = 1.0


class KL(DivergenceFormula):
    """Needs p̂ only through E_p[log p̂], which every learned density knows best itself."""

    name = "kl"
    title = "KL divergence"
    limit = np.inf

    def on_panels(self, comparison: PanelComparison) -> Estimate:
        """Return −H(p) − E_p[log p̂]."""
        return self._of(comparison)

    def on_intervals(self, comparison: IntervalComparison) -> Estimate:
        """Return −H(p) − E_p[log p̂]."""
        return self._of(comparison)

    def _of(self, comparison: PanelComparison | IntervalComparison) -> Estimate:
        mean = comparison.learned.mean_log_density(comparison.law)
        return -comparison.reference.entropy - mean


KULLBACK_LEIBLER = KL()


def kl_divergence(
    law: Any, learned: LearnedDensity, *, domain: Domain | float | None = None
) -> Estimate:
    """KL(p‖p̂) = ∫ p log(p/p̂), shape (…); +∞ where p̂ cannot be normalised.

    Args:
        law: p, a one-dimensional law with a density: p₀, or a marginal p_t.
        learned: p̂, training times leading.
        domain: (a, b) or `np.inf`, in the unit of x; the learned density's own if None.

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
    >>> bool(kl_divergence(run.target, run.learned_density()).value == run.kl().value)
    True
    """
    return KULLBACK_LEIBLER(law, learned, domain=domain)


def negative_log_likelihood(data: ArrayLike, learned: LearnedDensity) -> Estimate:
    """−(1/n) Σ log p̂(x_i): shape (…), in nats; +∞ if any point is off the domain.

    For data whose law is unknown this stands in for KL(p₀‖p̂), up to the entropy [Remark 3].

    Args:
        data: points (n,) or (n, 1), in the unit of x.
        learned: p̂, training times leading.
    """
    x = points("data", data)
    if x.shape[1] != 1:
        raise ArgumentError(f"data must be one-dimensional, got shape {x.shape}")
    low, high = learned.domain
    if x.min() < low or x.max() > high:
        return Estimate(np.full(learned.shape, np.inf))
    mean = learned.mean_log_density(GaussianMixture.from_points(x))
    found = Estimate(-mean.value, mean.error)
    title, knob = f"negative log-likelihood by the {learned.method} density", learned.knob
    warn_of_large_errors(title, found, lambda: _NAT, knob or "raise n_steps")
    return found
