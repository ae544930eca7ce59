"""Divergences between a known law and a learned density, batched over training times.

p is a one-dimensional law with a density (p₀, or a marginal p_t), restricted to the learned
density's domain and normalised there. p̂ is a learned density in any of its three senses, shape (…)
of training times: the score integral is normalised on the domain too, the laws of the probability
flow and of the reverse SDE are laws on the line and stay so. Where a score integral on the line
has no normalisation, its divergences are the limits of growing domains.
"""

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ..densities.learned_density import LearnedDensity
from ..densities.probability_flow.density import ProbabilityFlowDensity
from ..densities.score_integral import ScoreIntegralDensity
from ..diffusion.law_on_domain import Domain, Reference, parse_domain
from ..diffusion.mixtures import GaussianMixture
from ..model.score import is_piecewise_linear
from ..numerics.panels import Panels
from ..support.errors import AccuracyWarning, ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray, points
from . import flow_divergences
from .common_panels import compare
from .flow_fisher import flow_fisher
from .wasserstein import first_distance, second_distance

Kind = Literal[
    "kl",
    "reverse-kl",
    "jensen-shannon",
    "total-variation",
    "wasserstein-1",
    "wasserstein-2",
    "fisher",
]
# An error of a Fisher divergence that leaves little of it, as a share of the law's information.
_HOPELESS = 0.1
_COVERS = "quadrature and density"


def kl_divergence(
    law: Any, learned: LearnedDensity, *, domain: Domain | float | None = None
) -> Estimate:
    """KL(p‖p̂) = ∫ p log(p/p̂), shape (…).

    Args:
        law: p, a one-dimensional law with a density: p₀, or a marginal p_t.
        learned: p̂, training times leading.
        domain: (a, b) or `np.inf`; the learned density's own if None.

    Returns:
        The divergence; +∞ where p̂ cannot be normalised.

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
    >>> bool(kl_divergence(run.target, run.learned_density()).value == run.kl().value)
    True
    """
    learned = _on_domain(learned, domain)
    reference = Reference(law, learned.domain)
    entropy, mean = reference.entropy, learned.mean_log_density(law)
    return Estimate(-entropy.value - mean.value, entropy.error + mean.error)


def reverse_kl_divergence(
    law: Any, learned: LearnedDensity, *, domain: Domain | float | None = None
) -> Estimate:
    """KL(p̂‖p) = ∫ p̂ log(p̂/p), shape (…).

    +∞ where p̂ has mass that p has not: outside the support of p, or outside a bounded domain for
    the laws on the line, which are compared with p on `domain=np.inf`.

    Args:
        law: as in `kl_divergence`.
        learned: as there.
        domain: as there.

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
    >>> reverse_kl_divergence(run.target, run.learned_density())
    0.2377... ± ...
    """
    learned = _on_domain(learned, domain)
    if isinstance(learned, ProbabilityFlowDensity):
        return flow_divergences.reverse_kl(law, learned)
    pair = compare(law, learned, _reverse_kl)
    ratio = np.where(np.isneginf(pair.log_p), 0.0, pair.log_q - pair.log_p)
    counted = np.where(pair.q > 0.0, np.abs(ratio), 0.0)
    error = pair.weighted_error(1.0 + counted) + pair.defect * (1.0 + counted.max((1, 2)))
    value = pair.integral()
    value[(np.isneginf(pair.log_p) & ~np.isneginf(pair.log_q)).any((1, 2))] = np.inf
    return _estimate(learned, value, error + pair.unresolved(), np.inf)


def jensen_shannon_divergence(
    law: Any, learned: LearnedDensity, *, domain: Domain | float | None = None
) -> Estimate:
    """JS(p, p̂) = ½KL(p‖(p + p̂)/2) + ½KL(p̂‖(p + p̂)/2), between 0 and ln 2: shape (…).

    ln 2 where p̂ cannot be normalised.

    Args:
        law: as in `kl_divergence`.
        learned: as there.
        domain: as there.

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
    >>> jensen_shannon_divergence(run.target, run.learned_density())
    0.0537... ± ...
    """
    learned = _on_domain(learned, domain)
    if isinstance(learned, ProbabilityFlowDensity):
        return flow_divergences.jensen_shannon(law, learned)
    pair = compare(law, learned, _jensen_shannon)
    # ∂JS/∂p̂ = ½ log(2p̂/(p + p̂)).
    with np.errstate(invalid="ignore"):
        slope = np.abs(np.log(2.0) - np.logaddexp(0.0, pair.log_p - pair.log_q))
    error = 0.5 * pair.weighted_error(np.where(pair.q > 0.0, slope, 0.0))
    error += pair.unresolved() + 0.5 * np.log(2.0) * pair.defect
    return _estimate(learned, pair.integral(), error, np.log(2.0))


def total_variation(
    law: Any, learned: LearnedDensity, *, domain: Domain | float | None = None
) -> Estimate:
    """TV(p, p̂) = ½∫|p − p̂|, between 0 and 1: shape (…); 1 where p̂ cannot be normalised.

    Args:
        law: as in `kl_divergence`.
        learned: as there.
        domain: as there.

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
    >>> total_variation(run.target, run.learned_density())
    0.2714... ± ...
    """
    learned = _on_domain(learned, domain)
    if isinstance(learned, ProbabilityFlowDensity):
        return flow_divergences.total_variation(law, learned)
    pair = compare(law, learned, _difference)
    value = 0.5 * pair.panels.absolute_integrals(pair.values).sum(-1)
    error = 0.5 * (pair.unresolved() + pair.weighted_error() + pair.defect)
    return _estimate(learned, value, error, 1.0)


def wasserstein_distance(
    law: Any, learned: LearnedDensity, *, order: int = 1, domain: Domain | float | None = None
) -> Estimate:
    """W₁ = ∫|F − F̂| dx or W₂ = (∫₀¹ (F⁻¹ − F̂⁻¹)² du)^{1/2}, shape (…), in the unit of x.

    +∞ where p̂ cannot be normalised.

    Args:
        law: as in `kl_divergence`.
        learned: as there.
        order: 1 or 2.
        domain: as there.

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
    >>> wasserstein_distance(run.target, run.learned_density(), order=2)
    2.462... ± ...
    """
    if order not in (1, 2):
        raise ArgumentError(f"order must be 1 or 2, got {order!r}")
    learned = _on_domain(learned, domain)
    if isinstance(learned, ProbabilityFlowDensity):
        return flow_divergences.wasserstein(law, learned, order)
    pair = compare(law, learned, _difference)
    distance = first_distance if order == 1 else second_distance
    return _estimate(learned, *distance(pair), np.inf)


def fisher_divergence(
    law: Any, learned: LearnedDensity, *, domain: Domain | float | None = None
) -> Estimate:
    """F(p‖p̂) = ∫ p (∂ₓ log p − ∂ₓ log p̂)² dx, shape (…), in the inverse square of the unit of x.

    Needs no normalisation of p̂. The score of the score integral is exact, and so is that of the
    probability flow of a ReLU score between the places where it jumps. That divergence is +∞ where
    a path of the flow touches a kink, as with most trained scores of more than a few features:
    `flow_fisher.py` says why. Any other score of p̂ is the derivative of its interpolated
    log density, and its error the derivative of that one's error.

    Args:
        law: a mixture without point masses, such as any marginal p_t.
        learned: as in `kl_divergence`.
        domain: as there.

    Raises:
        ArgumentError: the law has no score: a compact target at t = 0, whose divergence may be +∞.

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
    >>> fisher_divergence(run.target, run.learned_density())
    0.122... ± ...
    """
    if not isinstance(law, GaussianMixture):
        raise ArgumentError("the Fisher divergence needs a mixture; diffuse the law, or take p_t")
    learned = _on_domain(learned, domain)
    if isinstance(learned, ScoreIntegralDensity):
        return _fisher_of_score(law, learned)
    if isinstance(learned, ProbabilityFlowDensity) and is_piecewise_linear(learned.score):
        return _estimate(learned, *flow_fisher(law, learned))
    return _fisher_of_density(law, learned)


def negative_log_likelihood(data: ArrayLike, learned: LearnedDensity) -> Estimate:
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


DIVERGENCES: dict[str, Callable[[Any, LearnedDensity], Estimate]] = {
    "kl": kl_divergence,
    "reverse-kl": reverse_kl_divergence,
    "jensen-shannon": jensen_shannon_divergence,
    "total-variation": total_variation,
    "wasserstein-1": partial(wasserstein_distance, order=1),
    "wasserstein-2": partial(wasserstein_distance, order=2),
    "fisher": fisher_divergence,
}


def _on_domain(learned: Any, domain: Domain | float | None) -> Any:
    if domain is None or parse_domain(domain) == learned.domain:
        return learned
    return replace(learned, domain=parse_domain(domain))


def _estimate(
    learned: LearnedDensity, value: FloatArray, error: FloatArray, limit: float | None = None
) -> Estimate:
    """Return the estimate of every training time, `limit` where p̂ has no normalisation."""
    value, error = value.reshape(learned.shape), error.reshape(learned.shape)
    if limit is not None and isinstance(learned, ScoreIntegralDensity):
        value = np.where(learned.normalizable, value, limit)
        error = np.where(learned.normalizable, error, 0.0)
    return Estimate(value, np.where(np.isfinite(value), error, 0.0), _COVERS)


def _difference(panels: Panels, log_p: FloatArray, log_q: FloatArray) -> FloatArray:
    return np.exp(log_p) - np.exp(log_q)


def _reverse_kl(panels: Panels, log_p: FloatArray, log_q: FloatArray) -> FloatArray:
    counts = ~np.isneginf(log_q) & ~np.isneginf(log_p)
    with np.errstate(invalid="ignore"):
        return np.exp(log_q) * np.where(counts, log_q - log_p, 0.0)


def _jensen_shannon(panels: Panels, log_p: FloatArray, log_q: FloatArray) -> FloatArray:
    """½(p log 2p/(p + p̂) + p̂ log 2p̂/(p + p̂)), whichever of the two vanishes."""
    total = np.logaddexp(log_p, log_q) - np.log(2.0)
    with np.errstate(invalid="ignore"):
        parts = [
            np.exp(log) * np.where(np.isneginf(log), 0.0, log - total) for log in (log_p, log_q)
        ]
    return 0.5 * (parts[0] + parts[1])


def _fisher_of_score(law: GaussianMixture, learned: ScoreIntegralDensity) -> Estimate:
    def integrand(panels: Panels, log_p: FloatArray, log_q: FloatArray) -> FloatArray:
        own = learned.score(panels.x, learned.t).reshape(log_q.shape)
        return np.exp(log_p) * np.square(law.score(panels.x) - own)

    pair = compare(law, learned, integrand)
    return _estimate(learned, pair.integral(), pair.unresolved())


def _fisher_of_density(law: GaussianMixture, learned: LearnedDensity) -> Estimate:
    """Differentiate the interpolant of log p̂, its error, and what is left of it unresolved."""

    def score_gap(panels: Panels, log_q: FloatArray) -> FloatArray:
        return np.asarray(law.score(panels.x) - panels.derivative(log_q))

    pair = compare(
        law, learned, lambda panels, log_p, log_q: np.exp(log_p) * score_gap(panels, log_q) ** 2
    )
    panels, gap = pair.panels, np.abs(score_gap(pair.panels, pair.log_q))
    slope = np.abs(panels.derivative(pair.log_error))
    slope += panels.derivative_tails(pair.log_q)[..., None]
    error = panels.integrals(pair.p * slope * (2.0 * gap + slope)).sum(-1) + pair.unresolved()
    estimate = _estimate(learned, pair.integral(), error)
    information = panels.integrals(pair.p * law.score(panels.x) ** 2).sum()
    hopeless = estimate.error > _HOPELESS * information
    if hopeless.any():
        warnings.warn(
            f"the Fisher divergence is not known at {hopeless.sum()} training time(s): the error "
            "of log p̂ is too rough to differentiate; lower its tolerance, or take the score "
            "integral's",
            AccuracyWarning,
            stacklevel=3,
        )
    return estimate
