"""The bound of Lemma 2 [14] for vectors, its expectation over (x, t) by Monte Carlo.

½ ∫ g² E_{p_t}‖s_θ − ∇log p_t‖² dt over (t, T) is taken at points x ~ p_t of random times: in strata
of u, t = t_min + (T − t_min)u², two each, mirrored in the middle: what varies linearly within a
stratum drops out. Batches are independent: how they differ is the standard error. All training
times see the same points.
"""

import numpy as np

from ...diffusion.mixtures import GaussianMixture
from ...diffusion.sde import ForwardSDE
from ...diffusion.targets import Target
from ...model.score import ExactScore, RandomFeatureScore
from ...support.errors import ArgumentError
from ...support.estimate import Estimate
from ...support.random import stream
from ...support.validation import FloatArray, count
from ..bounds import Bound

# Independent batches, strata of time in each, and standard errors that an error covers.
_BATCHES, _STRATA, _DEVIATIONS = 16, 32, 3.0
# One point at both times of every stratum and batch.
_FEWEST = 2 * _BATCHES * _STRATA


def vector_bound(
    score: RandomFeatureScore,
    law: Target | None,
    sde: ForwardSDE,
    *,
    t: float = 0.065,
    n_points: int = 8192,
    seed: int = 0,
) -> Bound:
    """Return the bound on KL(p_t‖p^{SDE}_{t,θ}) in d dimensions, errors three standard errors.

    Args:
        score: a learned score, training times (…) leading.
        law: target p₀, with marginals that have densities.
        sde: forward process, whose prior is π.
        t: evaluation time in (0, T).
        n_points: points (x, t) in all, at least 1024.
        seed: of the points.

    Raises:
        ArgumentError: no target, or t outside (0, T).
    """
    if not isinstance(law, GaussianMixture):
        raise ArgumentError("a bound needs a law with a density: a target, not data of unknown law")
    if not 0.0 < t < sde.T:
        raise ArgumentError(f"t must be in (0, T) = (0, {sde.T:g}), got {t:g}")
    n_each = count("n_points", n_points, _FEWEST) // _FEWEST
    integrals = np.empty((_BATCHES, *score.shape))
    priors = np.empty(_BATCHES)
    for batch in range(_BATCHES):
        rng = stream(seed, "judging", 0, batch)
        integrals[batch] = _integral(score, law, sde, t, n_each, rng)
        priors[batch] = _prior(law, sde, 2 * n_each * _STRATA, rng)
    return Bound(_mean(integrals), _mean(priors), t)


def _mean(batches: FloatArray) -> Estimate:
    """Return the mean over independent batches and its error."""
    error = _DEVIATIONS * batches.std(axis=0, ddof=1) / np.sqrt(len(batches))
    return Estimate(batches.mean(axis=0), error, "Monte Carlo over (x, t)")


def _integral(
    score: RandomFeatureScore,
    law: GaussianMixture,
    sde: ForwardSDE,
    t_min: float,
    n_each: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Return one batch's ½ ∫ g² E‖s_θ − ∇log p_t‖² dt, shape (…)."""
    exact, total = ExactScore(law, sde), np.zeros(score.shape)
    mirrored = np.stack([place := rng.random(_STRATA), 1.0 - place], axis=1)
    for u in (np.arange(_STRATA)[:, None] + mirrored).ravel() / _STRATA:
        t = t_min + (sde.T - t_min) * u * u
        x = law.diffuse(float(sde.scale(t)), float(sde.std(t))).sample(n_each, rng)
        gap = np.square(score(x, t) - exact(x, t)).sum(-1).mean(-1)
        # dt = 2 (T − t_min) u du
        total += float(sde.diffusion_squared(t)) * (sde.T - t_min) * u * gap / (2 * _STRATA)
    return total


def _prior(law: GaussianMixture, sde: ForwardSDE, n: int, rng: np.random.Generator) -> float:
    """Return one batch's KL(p_T‖π) = E log p_T(x) − log π(x)."""
    at_end = law.diffuse(float(sde.scale(sde.T)), float(sde.std(sde.T)))
    x = at_end.sample(n, rng)
    prior = GaussianMixture([1.0], np.zeros((1, law.dimension)), sde.prior_std)
    return float((at_end.log_density(x) - prior.log_density(x)).mean())
