"""Divergences between a known law and a learned density, batched over training times."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .densities.score_integral import ScoreIntegralDensity
from .errors import ArgumentError
from .estimate import Estimate
from .mixtures import GaussianMixture
from .reference import Domain, Reference, parse_domain
from .validation import points


def kl_divergence(
    law: Any, learned: ScoreIntegralDensity, *, domain: Domain | float | None = None
) -> Estimate:
    """KL(p‖p̂) = ∫ p log(p/p̂), both normalised on the domain: shape (…).

    Args:
        law: p, a one-dimensional law with a density: p₀, or a marginal p_t.
        learned: p̂, training times leading.
        domain: (a, b) or `np.inf`; the learned density's own if None.

    Returns:
        The divergence; +∞ where p̂ cannot be normalised.
    """
    learned = _on_domain(learned, domain)
    reference = Reference(law, learned.domain)
    entropy, mean = reference.entropy, learned.mean_log_density(law)
    return Estimate(-entropy.value - mean.value, entropy.error + mean.error)


def negative_log_likelihood(data: ArrayLike, learned: ScoreIntegralDensity) -> Estimate:
    """−(1/n) Σ log p̂(x_i) of points (n,) or (n, 1): shape (…); +∞ if any is off the domain.

    For data whose law is unknown this stands in for KL(p₀‖p̂), up to the entropy [Remark 3].
    """
    x = points("data", data)
    if x.shape[1] != 1:
        raise ArgumentError(f"data must be one-dimensional, got shape {x.shape}")
    low, high = learned.domain
    if x.min() < low or x.max() > high:
        return Estimate(np.full(learned.shape, np.inf))
    mean = learned.mean_log_density(GaussianMixture.from_points(x))
    return Estimate(-mean.value, mean.error)


def _on_domain(
    learned: ScoreIntegralDensity, domain: Domain | float | None
) -> ScoreIntegralDensity:
    if domain is None or parse_domain(domain) == learned.domain:
        return learned
    return ScoreIntegralDensity(learned.score, learned.t, parse_domain(domain))
