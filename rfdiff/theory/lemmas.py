"""The lemmas behind the theorems, as measured curves beside their bounds.

- Lemma 1: |x(t)| ≤ C_T (|x(0)| + √log(1/δ²)) with probability 1 − δ; here C_T = sup_t max(r, σ_t).
- Lemma 4: L(θ(τ)) ≤ L(θ) + ‖θ₀ − θ‖²/(2τ) for every θ. The best θ is a ridge solution.
- Lemma 5: ‖θ(τ) − θ₀‖ ≤ √(τ (L(θ₀) − L(θ(τ)))): growth no faster than √τ.
- Lemmas 6, 8: m random features reach the infinite model's score at E_t λE‖s_m − s̄‖² = V/m, with
  V ≲ μ² for modes at ±μ.

The constants are explicit, so each is an inequality that a run must respect.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, roots_hermitenorm

from ..diffusion.mixtures import GaussianMixture
from ..diffusion.sde import ForwardSDE
from ..diffusion.targets import Target
from ..model.features import draw_features
from ..support.errors import ArgumentError
from ..support.validation import FloatArray, count, finite_array, increasing_counts, training_times
from ..training.gradient_flow import GradientFlow
from ..training.infinite_width import InfiniteWidth
from ..training.infinite_width_kernel import KernelFlow
from .spectrum import mode_ages


@dataclass(frozen=True, eq=False)
class Check:
    """A measured curve beside its bound.

    Attributes:
        lemma: which statement.
        axis: name of the abscissa.
        x: abscissa, shape (k,).
        measured: what the lemma bounds.
        bound: its bound.
    """

    lemma: str
    axis: str
    x: FloatArray
    measured: FloatArray
    bound: FloatArray

    @property
    def worst_ratio(self) -> float:
        """Largest measured/bound; at most 1 if the lemma is respected."""
        positive = self.bound > 0
        return float((self.measured[positive] / self.bound[positive]).max(initial=0.0))

    @property
    def holds(self) -> bool:
        """Whether the bound is respected everywhere, to rounding."""
        slack = 1e-9 * (np.abs(self.bound).max() + np.abs(self.measured).max())
        return bool((self.measured <= self.bound + slack).all())


def tail_check(
    law: Target, sde: ForwardSDE, delta: ArrayLike = (0.3, 0.1, 0.03, 0.01, 1e-3), n_times: int = 64
) -> Check:
    """Lemma 1: the largest probability over t of |x(t)| > C_T(|x(0)| + √log(1/δ²)), beside δ.

    Args:
        law: law of x(0), in one dimension.
        sde: forward process.
        delta: probabilities δ in (0, 1), shape (k,).
        n_times: even times in (0, T] over which the largest probability is taken.

    >>> from rfdiff.diffusion.mixtures import bimodal
    >>> from rfdiff.diffusion.sde import VESDE
    >>> tail_check(bimodal(3.0), VESDE()).holds
    True
    """
    delta = finite_array("delta", delta, ndim=1)
    if (delta <= 0).any() or (delta >= 1).any():
        raise ArgumentError(f"delta must be in (0, 1), got {delta}")
    mixture = law if isinstance(law, GaussianMixture) else law.atoms
    node, weight = roots_hermitenorm(48)
    start = (mixture.means[:, 0, None] + mixture.stds[:, None] * node).ravel()
    mass = (mixture.weights[:, None] * weight / weight.sum()).ravel()
    t = np.linspace(0.0, sde.T, count("n_times", n_times) + 1)[1:]
    r, std = sde.scale(t), sde.std(t)
    constant = float(max(r.max(), std.max(), sde.scale(0.0)))
    reach = constant * (np.abs(start) + np.sqrt(np.log(1.0 / delta**2))[:, None])
    outside = np.zeros(delta.shape)
    for scale, noise in zip(r, std, strict=True):
        exceed = ndtr((scale * start - reach) / noise) + ndtr((-scale * start - reach) / noise)
        outside = np.maximum(outside, exceed @ mass)
    return Check("Lemma 1", "δ", delta, outside, delta)


def convergence_check(flow: GradientFlow, tau: ArrayLike) -> Check:
    """Lemma 4: L(θ(τ)) − L(∞) beside min_θ [L(θ) + ‖θ₀ − θ‖²/(2τ)] − L(∞), for τ > 0.

    In the eigenbasis, with e_k the excess loss of mode k at τ = 0: Σ e_k e^{−4λ_kτ} beside
    Σ e_k/(1 + 2λ_kτ).

    Args:
        flow: a gradient flow.
        tau: finite training times above 0, shape (k,).
    """
    tau = _positive_times(tau)
    excess, age = flow.modes.excess, mode_ages(tau, flow.eigenvalues)
    measured, bound = np.exp(-2.0 * age) @ excess, (1.0 / (1.0 + age)) @ excess
    return Check("Lemma 4", "τ", tau, measured, bound)


def growth_check(flow: GradientFlow, tau: ArrayLike) -> Check:
    """Lemma 5: ‖θ(τ) − θ₀‖ beside √(τ (L(θ₀) − L(θ(τ)))), for τ > 0.

    Args:
        flow: a gradient flow.
        tau: finite training times above 0, shape (k,).
    """
    tau = _positive_times(tau)
    moved = np.linalg.norm(flow.theta(tau) - flow.theta0, axis=(-2, -1))
    # The loss's fall without cancellation: Σ e_k (1 − e^{−4λ_kτ}).
    fall = -np.expm1(-2.0 * mode_ages(tau, flow.eigenvalues)) @ flow.modes.excess
    return Check("Lemma 5", "τ", tau, moved, np.sqrt(tau) * np.sqrt(fall))


def feature_sampling_errors(
    limit: InfiniteWidth[KernelFlow],
    tau: float,
    widths: ArrayLike,
    *,
    seeds: int = 10,
    seed: int = 0,
) -> FloatArray:
    """Lemmas 6 and 8: E_t λE‖s_m − s̄_τ‖² for m features drawn at random, shape (seeds, widths).

    s_m = (1/m) Σ_j a(v_j) φ_j is the Monte-Carlo version of the infinite flow's own output layer
    a(v) = Σ_q c_q φ(v·z_q) at τ: unbiased, with an error of exactly V/m in the mean.

    Args:
        limit: the flow at infinite width of the `gaussian` law with ReLU.
        tau: training time.
        widths: increasing m.
        seeds: repetitions, nested in m.
        seed: first seed.
    """
    widths = increasing_counts("widths", widths)
    flow = limit.flows.fine
    nodes, gain = flow.nodes, flow.model.gain(flow.nodes.t)
    coefficients, exact = flow.coefficients(float(tau)), flow.at_nodes(float(tau))
    weights = nodes.weights * limit.objective.weighting_values(nodes.t)
    errors = np.empty((count("seeds", seeds), len(widths)))
    for k in range(len(errors)):
        drawn = draw_features("gaussian", int(widths[-1]), flow.model.embedding, seed=seed + k)
        pre_activation = np.outer(nodes.x, drawn.W[:, 0]) + drawn.biases(nodes.t)
        phi = np.maximum(pre_activation, 0.0)
        output = coefficients @ phi
        for i, m in enumerate(widths):
            score = gain * (phi[:, :m] @ output[:m]) / m
            errors[k, i] = weights @ (score - exact) ** 2
    return errors


def _positive_times(tau: ArrayLike) -> FloatArray:
    tau = training_times("tau", tau)
    if tau.ndim != 1 or (tau == 0).any() or np.isinf(tau).any():
        raise ArgumentError("tau must be a list of finite training times above 0")
    return tau
