"""How fast a finite model, a finite sample and SGD approach their limits, as measured errors.

- width: the population flow of m random features against m → ∞, in RMS score, ~ m^{−1/2} [13];
- sample: I₁ = L̃(θ̂_n(τ)) − L̃(θ(τ)) of [15], ~ n^{−1} once it is small;
- SGD: E‖θ_k − θ(τ)‖² between minibatch SGD and the gradient flow at the same τ, ~ the learning
  rate.

The first axis of what they return is the seed or repetition, as
`rfdiff.theory.power_laws.exponents.fit_power_law` takes it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..diffusion.marginal_nodes import marginal_nodes
from ..diffusion.mixtures import GaussianMixture
from ..diffusion.targets import Target
from ..diffusion.time_rules import graded_time_rule
from ..loss.minibatches import Minibatches
from ..loss.noise_expectation import denoising_quadratic
from ..loss.objective import DenoisingObjective
from ..loss.score_matching import ScoreMatching
from ..model.features import RandomFeatures, draw_features
from ..support.estimate import Estimate
from ..support.random import stream
from ..support.validation import FloatArray, count, finite_array, increasing_counts, positive
from ..training.gradient_flow import GradientFlow
from ..training.infinite_width import InfiniteWidth
from ..training.infinite_width_features import WideFlow
from ..training.optimisers import SGD
from ..training.stochastic import train_stochastic
from .bounds import bound_objective

# Where scores are compared: time nodes on (t, T) and panels of 8 points over p_t at each.
_TIMES, _PANELS = 8, 8


def width_errors(
    limit: InfiniteWidth[WideFlow],
    widths: ArrayLike,
    tau: float,
    *,
    t: float = 0.065,
    seeds: int = 8,
    seed: int = 0,
) -> FloatArray:
    """Return (E‖s_m − s_∞‖²)^{1/2} over t ~ U(t, T), x ~ p_t, shape (seeds, widths).

    Args:
        limit: the flow at infinite width of the population; finite models draw features of its
            law and are trained on its objective, from θ₀ = 0.
        widths: increasing m.
        tau: training time.
        t: smallest time of the comparison.
        seeds: draws of the features, nested in m.
        seed: first seed.
    """
    widths = increasing_counts("widths", widths)
    sde, wide = limit.objective.sde, limit.flows.fine
    nodes = marginal_nodes(limit.law, sde, graded_time_rule(t, sde.T, _TIMES), _PANELS)
    exact = _on_nodes(wide.features, nodes.x, nodes.t) @ wide.flow.theta(tau)[0]
    errors = np.empty((count("seeds", seeds), len(widths)))
    for of_draw, draw in zip(errors, range(seed, seed + seeds), strict=True):
        drawn = _drawn_like(wide.features, int(widths[-1]), draw)
        h = _on_nodes(drawn, nodes.x, nodes.t)
        loss = denoising_quadratic(limit.law, limit.objective, drawn)
        for k, m in enumerate(widths):
            theta = GradientFlow(loss.of_first_features(m)).theta(tau)[0]
            # The first m features of M: φ is theirs, h = φ/√m.
            score = np.sqrt(widths[-1] / m) * h[:, :m] @ theta
            of_draw[k] = np.sqrt(nodes.weights @ (score - exact) ** 2)
    return errors


def sample_errors(
    law: Target,
    objective: DenoisingObjective,
    features: RandomFeatures,
    sizes: ArrayLike,
    tau: float,
    *,
    t: float = 0.065,
    seeds: int = 8,
    seed: int = 0,
) -> Estimate:
    """Return I₁ with the bound's weighting g² on (t, T), shape (seeds, sizes); some may be < 0.

    Args:
        law: the population.
        objective: the objective trained on.
        features: frozen features.
        sizes: increasing n.
        tau: training time.
        t: smallest time of L̃.
        seeds: samples, nested in n.
        seed: first seed.
    """
    sizes = increasing_counts("sizes", sizes)
    measure = ScoreMatching.assemble(law, bound_objective(objective.sde, t), features)
    ideal = GradientFlow(denoising_quadratic(law, objective, features)).theta(tau)
    values = np.empty((count("seeds", seeds), len(sizes)))
    errors = np.empty(values.shape)
    for i, draw in enumerate(range(seed, seed + seeds)):
        points = law.sample(int(sizes[-1]), stream(draw, "data"))
        for k, n in enumerate(sizes):
            data = GaussianMixture.from_points(points[:n])
            loss = denoising_quadratic(data, objective, features)
            gap = measure.difference(GradientFlow(loss).theta(tau), ideal)
            values[i, k], errors[i, k] = float(gap), float(gap.error)
    return Estimate(values, errors)


def sgd_distances(
    flow: GradientFlow,
    batches: Minibatches,
    rates: ArrayLike,
    tau: float,
    *,
    decreasing: bool = False,
    repetitions: int = 80,
    seed: int = 0,
) -> FloatArray:
    """Return ‖θ_k − θ(τ)‖² where Σ rates has reached τ, shape (repetitions, rates).

    Args:
        flow: of the loss that the batches are drawn from, from θ₀ = 0.
        batches: how SGD draws; independent draws make its mean path gradient descent.
        rates: learning rates η, increasing; each takes round(τ/η) steps.
        tau: training time.
        decreasing: let the rate fall in equal steps from 3η/2 to η/2, instead of staying at η.
        repetitions: independent paths for each rate.
        seed: of the first rate's paths; the k-th rate has seed + k.
    """
    rates = finite_array("rates", rates, ndim=1)
    positive("rates", float(rates.min(initial=np.inf)))
    squares = np.empty((count("repetitions", repetitions), len(rates)))
    for k, rate in enumerate(rates):
        steps = max(1, round(tau / rate))
        optimiser = SGD(_Falling(tau / steps, steps) if decreasing else tau / steps)
        paths = train_stochastic(
            batches, optimiser, steps, record=[steps], repetitions=repetitions, seed=seed + k
        )
        squares[:, k] = ((paths.theta[:, 0] - flow.theta(tau)) ** 2).sum((-2, -1))
    return squares


@dataclass(frozen=True)
class _Falling:
    """Rates that fall in equal steps from 3η/2 to η/2 over n steps: they sum to nη."""

    rate: float
    steps: int

    def __call__(self, i: FloatArray) -> FloatArray:
        return self.rate * (1.5 - (i + 0.5) / self.steps)


def _drawn_like(features: RandomFeatures, m: int, seed: int) -> RandomFeatures:
    """Return m random features of the same law, embedding, activation and preconditioner."""
    return draw_features(
        str(features.law),
        m,
        features.embedding,
        seed=seed,
        activation=features.activation,
        preconditioner=features.preconditioner,
    )


def _on_nodes(features: RandomFeatures, x: FloatArray, t: FloatArray) -> FloatArray:
    """Return h at nodes that are sorted by t, shape (nodes, m)."""
    return np.concatenate([features(x[t == time], float(time)) for time in np.unique(t)])
