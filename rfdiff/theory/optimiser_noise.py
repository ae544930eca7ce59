"""What of a training curve is optimiser noise: the scatter of SGD around the exact flow.

With independent batches of size B and a constant step η, θ_{k+1} = θ_k − 2η(θ_k G − C) + 2η ξ_k,
ξ of covariance S/B, so the covariance Σ of θ_k obeys in the eigenbasis of G

    Σ_ij = (4η²/B) S_ij Σ_{l<k} ρ_ij^l,   ρ_ij = (1 − 2ηλ_i)(1 − 2ηλ_j),

which tends to the stationary 2η S_ij/(B(λ_i + λ_j − 2ηλ_iλ_j)) as k → ∞, and to zero with η. S
is the scatter of one sample's ½∇ at the mean path: leading order in η, as the scatter of θ itself
also feeds S. Batches drawn without replacement (shuffled epochs) scatter a little less.

log p̂ is an exponential family in θ with statistics ψ_j = ∫ h_j, so to leading order the scatter
adds ½ tr(Σ Cov_p̂(ψ)) to KL(p‖p̂), whatever p is.
"""

import numpy as np
from numpy.typing import ArrayLike

from ..diffusion.law_on_domain import Domain, parse_domain
from ..loss.minibatches import Minibatches
from ..model.features import RandomFeatures
from ..model.line.x_integral import XIntegral, x_integral
from ..numerics.quadrature import composite_gauss_legendre
from ..numerics.special import geometric_sum
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray, count, finite_array, positive
from ..training.gradient_flow import GradientFlow

# Panels of 8 points on the domain: the statistics are piecewise quadratic and the density smooth
# on this scale; halving them is the error.
_PANELS = 64


def gradient_scatter(
    theta: ArrayLike, batches: Minibatches, n_samples: int = 1 << 15, seed: int = 0
) -> FloatArray:
    """Return S, the covariance over single samples of ½∇ = λ(s − target) h, shape (m, m).

    By Monte Carlo over the batches' own law, in one dimension.

    Args:
        theta: parameters, shape (1, m).
        batches: where samples come from; its batch size does not matter here.
        n_samples: draws; the relative error is about √(2/n_samples) a mode.
        seed: of the draws.
    """
    theta = finite_array("theta", theta, ndim=2)
    if batches.features.dimension != 1:
        raise ArgumentError("gradient_scatter covers dimension 1 only")
    h, weight, target = batches.samples(count("n_samples", n_samples, 2), seed)
    gradients = (weight * (h @ theta[0] - target[:, 0]))[:, None] * h
    gradients -= gradients.mean(axis=0)
    return gradients.T @ gradients / (len(gradients) - 1)


def sgd_covariance(
    flow: GradientFlow,
    scatter: ArrayLike,
    learning_rate: float,
    batch: int,
    n_steps: int | None = None,
) -> FloatArray:
    """Return the covariance of θ_k in the eigenbasis of G, shape (m, m).

    Args:
        flow: of the loss trained on.
        scatter: S in the parameters' basis, from `gradient_scatter`.
        learning_rate: η, below 1/λ_max, where the mean path ends being stable. The scatter itself
            is bounded only below the smaller `rfdiff.training.stability.stability_limit`, and this
            leading order holds well below that.
        batch: B.
        n_steps: k; None for the stationary covariance, infinite along null modes.

    Raises:
        ArgumentError: η at or beyond 1/λ_max.
    """
    rate, batch = positive("learning_rate", learning_rate), count("batch", batch)
    limit = 1.0 / float(flow.eigenvalues[-1])
    if rate >= limit:
        raise ArgumentError(
            f"learning_rate must be below 1/λ_max = {limit:.3g}, where the mean path becomes "
            f"unstable, got {rate:g}"
        )
    in_modes = _both_in_modes(flow, finite_array("scatter", scatter, ndim=2))
    lam = flow.eigenvalues
    decay = 2.0 * rate * (lam[:, None] + lam) - 4.0 * rate**2 * np.outer(lam, lam)
    if n_steps is not None:
        sums = geometric_sum(decay, count("n_steps", n_steps, 0))
    else:
        with np.errstate(divide="ignore"):
            sums = 1.0 / decay
    return 4.0 * rate**2 / batch * in_modes * sums


def kl_curvature(features: RandomFeatures, theta: ArrayLike, t: float, domain: Domain) -> Estimate:
    """Return Cov_p̂(ψ), the Hessian of KL(p‖p̂_θ) in θ, shape (m, m).

    Args:
        features: frozen features in one dimension.
        theta: parameters, shape (1, m).
        t: evaluation time.
        domain: (a, b) of the score-integral density.
    """
    theta = finite_array("theta", theta, ndim=2)
    a, b = parse_domain(domain)
    if not np.isfinite([a, b]).all():
        raise ArgumentError("kl_curvature needs a bounded domain (a, b)")
    statistics = x_integral(features, t, 0.5 * (a + b), (a, b))
    rules = [composite_gauss_legendre(8, np.linspace(a, b, k + 1)) for k in (_PANELS, _PANELS // 2)]
    fine, coarse = (_covariance(statistics, theta, x, w) for x, w in rules)
    return Estimate(fine, np.abs(fine - coarse))


def sgd_noise_kl(
    flow: GradientFlow,
    batches: Minibatches,
    learning_rate: float,
    n_steps: ArrayLike,
    *,
    t: float,
    domain: Domain,
    n_samples: int = 1 << 15,
) -> FloatArray:
    """Return the mean KL that SGD's scatter adds to the exact path's, ½ tr(Σ Cov_p̂(ψ)).

    The curve KL(SGD) − KL(gradient descent) beyond this is overfitting or higher order.

    Args:
        flow: of the loss trained on.
        batches: how SGD draws its batches.
        learning_rate: η.
        n_steps: step counts k, shape (K,): the result's shape.
        t: evaluation time.
        domain: of the score-integral density.
        n_samples: Monte-Carlo draws of the gradients' scatter at each k.

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=1.0, n=100, m=32, precondition=True)
    >>> batches = run.problem.batches(32)
    >>> noise = [
    ...     sgd_noise_kl(run.flow, batches, rate, [int(1000 / rate)], t=0.065, domain=(-10, 10))[0]
    ...     for rate in (0.1, 0.05)
    ... ]
    >>> bool(1.8 < noise[0] / noise[1] < 2.2)  # first order in the learning rate
    True
    """
    steps = np.atleast_1d(np.asarray(n_steps))
    added = np.empty(len(steps))
    for i, (k, theta) in enumerate(
        zip(steps, flow.gradient_descent(learning_rate, steps), strict=True)
    ):
        scatter = gradient_scatter(theta, batches, n_samples)
        sigma = sgd_covariance(flow, scatter, learning_rate, batches.size, int(k))
        curvature = kl_curvature(batches.features, theta, t, domain).value
        added[i] = 0.5 * float((sigma * _both_in_modes(flow, curvature)).sum())
    return added


def _both_in_modes(flow: GradientFlow, matrix: FloatArray) -> FloatArray:
    """Return VᵀMV of a symmetric M (m, m)."""
    return flow.in_modes(flow.in_modes(matrix).T)


def _covariance(
    statistics: XIntegral, theta: FloatArray, x: FloatArray, w: FloatArray
) -> FloatArray:
    psi = statistics.evaluate(np.eye(theta.shape[1]), x)
    log_density = theta[0] @ psi
    mass = w * np.exp(log_density - log_density.max())
    mass /= mass.sum()
    centred = psi - (psi @ mass)[:, None]
    return (centred * mass) @ centred.T
