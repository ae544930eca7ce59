"""The training loss as a quadratic of θ: L(θ) = tr(θ G θᵀ) − 2 tr(θ Cᵀ) + c₀ [5, 6, 7].

G = E_t λ E[h hᵀ], C = E_t λ E[(−z/σ_t) hᵀ], c₀ = E_t λ d/σ_t², with h = φ/√m and the expectation
over the noise z exact. Any law is a Gaussian mixture, so the population, the training set and
held-out data share one assembly.

In one dimension with ReLU, everything follows from the one-sided moments of p_t at the kinks
κ_j = −b_j/w_j (`_kernels.hinges`): G by two multiply-adds a pair and time node
(`_kernels.gram`), and C by Stein's lemma, √m E[(−z/σ_t) h_j] = −w_j P(feature j active).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from .._kernels.gram import relu_gram
from .._kernels.hinges import hinge_moments
from ..diffusion.mixtures import GaussianMixture
from ..diffusion.sde import ForwardSDE
from ..diffusion.targets import Target
from ..diffusion.time_rules import TimeRule
from ..model.features import RandomFeatures
from ..numerics.quadrature import integrate_panels
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.threads import blas_threads
from ..support.validation import FloatArray, finite_array, memory, one_of
from .atoms import AtomTable, gaussian_atoms, point_atoms
from .x_quadrature import smooth_moments

Weighting = str | Callable[[FloatArray], FloatArray]
WEIGHTINGS = ("variance", "inverse-norm", "likelihood")

# A slope this much smaller than the bias is a constant feature: its kink would overflow.
_NO_SLOPE = 1e-100
# The Fisher integrand p (∇log p)² is below 1e-16 this many widths outside the components.
_TAIL = 9.0
_PANEL_ORDER = 12


@dataclass(frozen=True, eq=False)
class QuadraticLoss:
    """L(θ) = tr(θ G θᵀ) − 2 tr(θ Cᵀ) + c₀.

    Attributes:
        gram: G, shape (m, m), symmetric positive semi-definite.
        cross: C, shape (d, m).
        constant: c₀ = L(0).
        error: estimated absolute error of the entries of `gram` and `cross` beyond rounding:
            zero where they are closed forms, the x-quadrature's estimate where they are not.
    """

    gram: FloatArray
    cross: FloatArray
    constant: float
    error: float = 0.0

    def __call__(self, theta: ArrayLike) -> FloatArray:
        """Return L(θ) for θ of shape (..., d, m), shape (...)."""
        theta = np.asarray(theta, dtype=np.float64)
        image = self.image(theta)
        return np.einsum("...dm,...dm->...", image - 2.0 * self.cross, theta) + self.constant

    def gradient(self, theta: ArrayLike) -> FloatArray:
        """Return ∇L(θ) = 2(θG − C), of the shape of θ."""
        return 2.0 * (self.image(theta) - self.cross)

    def image(self, theta: ArrayLike) -> FloatArray:
        """Return θG, of the shape of θ."""
        theta = np.asarray(theta, dtype=np.float64)
        m = len(self.gram)
        with blas_threads(m):
            # Rows of one matrix: a stack of them would be multiplied one by one.
            return (theta.reshape(-1, m) @ self.gram).reshape(theta.shape)


def weighting_values(weighting: Weighting, sde: ForwardSDE, t: ArrayLike, d: int = 1) -> FloatArray:
    """Return λ(t): "variance" σ_t², "inverse-norm" σ_t/√d [6], "likelihood" g², or a callable.

    >>> from rfdiff.diffusion.sde import VESDE
    >>> float(weighting_values("likelihood", VESDE(), 0.0))
    1.0
    """
    t = np.asarray(t, dtype=np.float64)
    if callable(weighting):
        values = np.broadcast_to(finite_array("weighting(t)", weighting(t)), t.shape)
        if (values < 0).any():
            raise ArgumentError(f"weighting must be non-negative, got {values.min():g}")
        return values
    if one_of("weighting", weighting, WEIGHTINGS) == "variance":
        return sde.std(t) ** 2
    return sde.std(t) / np.sqrt(d) if weighting == "inverse-norm" else sde.diffusion_squared(t)


def denoising_quadratic(
    law: Target,
    sde: ForwardSDE,
    features: RandomFeatures,
    rule: TimeRule,
    weighting: Weighting = "variance",
) -> QuadraticLoss:
    """Return the denoising loss for x(0) ~ law, exact in the noise.

    Args:
        law: the population, or `GaussianMixture.from_points(data)` for a data set.
        sde: forward process.
        features: frozen features of width m, in one dimension.
        rule: quadrature over t ~ U(t_min, T).
        weighting: λ(t), see `weighting_values`.

    >>> from rfdiff.model.features import LogSigmaEmbedding, draw_features
    >>> from rfdiff.diffusion.mixtures import bimodal
    >>> from rfdiff.diffusion.time_rules import graded_time_rule
    >>> from rfdiff.diffusion.sde import VESDE
    >>> sde = VESDE()
    >>> features = draw_features("l1", 8, LogSigmaEmbedding(sde), seed=0)
    >>> loss = denoising_quadratic(bimodal(), sde, features, graded_time_rule(1e-3, 1.0, 64))
    >>> loss.gram.shape, loss.cross.shape, round(loss.constant, 12)
    ((8, 8), (1, 8), 1.0)
    """
    _require_one_dimension(features, law.dimension)
    mixture = law if isinstance(law, GaussianMixture) else law.atoms
    lam = rule.weights * weighting_values(weighting, sde, rule.nodes)
    constant = float(lam @ (1.0 / sde.std(rule.nodes) ** 2))
    if features.activation != "relu":
        gram, cross, error = smooth_moments(mixture, sde, features, rule.nodes, lam)
        return QuadraticLoss(gram, cross, constant, error)
    memory("the Gram matrix", 8.0 * features.width * (features.width + 10 * len(rule)))
    hinges = _Hinges(features, rule.nodes)
    moments = hinges.moments(gaussian_atoms(mixture, sde, rule.nodes))
    gain = features.output_scale(rule.nodes)
    cross = -hinges.slopes * hinges.along_slopes(lam * gain, moments[:, 0], moments[:, 3])
    return QuadraticLoss(hinges.gram(lam * gain**2, moments), cross[None, :], constant)


def noise_draw_quadratic(
    data: FloatArray,
    noise: FloatArray,
    sde: ForwardSDE,
    features: RandomFeatures,
    rule: TimeRule,
    weighting: Weighting = "variance",
) -> QuadraticLoss:
    """Return the Monte-Carlo loss L̂_n of k fixed noise draws a datum: the paper's training loss.

    x_il(t) = r x_i + σ_t z_il replaces the expectation over z by the mean over l.

    Args:
        data: training points, shape (n, 1).
        noise: draws z, shape (n, k).
        sde: forward process.
        features: frozen ReLU features in one dimension.
        rule: quadrature over t ~ U(t_min, T).
        weighting: λ(t), see `weighting_values`.
    """
    _require_one_dimension(features, data.shape[1])
    if features.activation != "relu":
        raise ArgumentError(f"noise_samples needs activation 'relu', got {features.activation!r}")
    n_draws = noise.size
    memory("the Gram matrix", 8.0 * features.width * (features.width + 20 * len(rule)))
    t = rule.nodes
    lam = rule.weights * weighting_values(weighting, sde, t)
    gain = features.output_scale(t)
    hinges = _Hinges(features, t)
    moments = np.empty((len(t), 6, features.width))
    covariance = np.empty_like(moments)
    for k, (scale, std) in enumerate(zip(sde.scale(t), sde.std(t), strict=True)):
        positions = (scale * data + std * noise).ravel()
        moments[k] = hinges.moments_at(k, point_atoms(positions, np.full(n_draws, 1 / n_draws)))
        target = -noise.ravel() / (std * n_draws)
        covariance[k] = hinges.moments_at(k, point_atoms(positions, target))
    cross = np.abs(hinges.slopes) * hinges.along_slopes(
        lam * gain, covariance[:, 1], covariance[:, 4]
    )
    flat = hinges.slopes == 0
    target_mean = -noise.mean() / sde.std(t)
    cross[flat] = (lam * gain * target_mean) @ np.maximum(hinges.biases[:, flat], 0.0)
    constant = float(lam @ (1.0 / sde.std(t) ** 2)) * float(np.mean(noise**2))
    return QuadraticLoss(hinges.gram(lam * gain**2, moments), cross[None, :], constant)


def score_norm(
    law: Target, sde: ForwardSDE, rule: TimeRule, weighting: Weighting = "variance"
) -> Estimate:
    """Return E_t λ E‖∇log p_t‖²: the constant of the score-matching loss [7], in one dimension.

    The score-matching loss is the denoising quadratic with this in place of c₀; it vanishes at
    the true score. The error is that of the quadrature in x; the time rule's is not included.

    >>> from rfdiff.diffusion.mixtures import GaussianMixture
    >>> from rfdiff.diffusion.time_rules import graded_time_rule
    >>> from rfdiff.diffusion.sde import VPSDE
    >>> law = GaussianMixture([1.0], [0.0], 1.0)     # p_t = N(0, 1) throughout
    >>> norm = score_norm(law, VPSDE(), graded_time_rule(1e-3, 1.0, 16), lambda t: 1.0 + 0.0 * t)
    >>> abs(float(norm) - 1.0) < 1e-12
    True
    """
    if law.dimension != 1:
        raise ArgumentError(f"score_norm covers dimension 1 only, got {law.dimension}")
    lam = rule.weights * weighting_values(weighting, sde, rule.nodes)
    value = error = 0.0
    for weight, r, std in zip(lam, sde.scale(rule.nodes), sde.std(rule.nodes), strict=True):
        marginal = law.diffuse(float(r), float(std))
        low, high = marginal.domain(_TAIL)
        edges = np.linspace(low, high, int(np.ceil((high - low) / marginal.stds.min())) + 1)
        part = integrate_panels(partial(_fisher_information, marginal), edges, _PANEL_ORDER)
        value += weight * float(part.value)
        error += weight * float(part.error)
    return Estimate(value, error)


def _fisher_information(law: GaussianMixture, x: FloatArray) -> FloatArray:
    return law.density(x) * law.score(x) ** 2


def _require_one_dimension(features: RandomFeatures, dimension: int) -> None:
    if features.dimension != dimension:
        raise ArgumentError(
            f"features of dimension {features.dimension} do not fit a law of dimension {dimension}"
        )
    if dimension != 1:
        raise ArgumentError(f"the exact assembly covers dimension 1 only, got {dimension}")


class _Hinges:
    """One-dimensional ReLU features as hinges |w_j| (±(x − κ_j))₊, and flat ones (b_j)₊."""

    def __init__(self, features: RandomFeatures, t: FloatArray) -> None:
        self.biases = features.biases(t)
        w = features.W[:, 0]
        self.slopes = np.where(np.abs(w) > _NO_SLOPE * np.abs(self.biases).max(axis=0), w, 0.0)
        # Positive slopes first, then negative ones: a pair's formula depends on its signs only.
        self._order = np.concatenate(
            [np.flatnonzero(self.slopes > 0), np.flatnonzero(self.slopes < 0)]
        )
        self._n_positive = int((self.slopes > 0).sum())
        sloped = self.slopes != 0
        self._kinks = np.zeros_like(self.biases)
        self._kinks[:, sloped] = -self.biases[:, sloped] / self.slopes[sloped]

    def moments(self, atoms: AtomTable) -> FloatArray:
        """Return the six hinge moments of every node at every kink, shape (n_t, 6, m)."""
        out = np.empty((len(self._kinks), 6, self._kinks.shape[1]))
        hinge_moments(self._kinks, *atoms, out)
        return out

    def moments_at(self, node: int, atoms: AtomTable) -> FloatArray:
        """Return the six hinge moments at the kinks of one node, shape (6, m)."""
        out = np.empty((1, 6, self._kinks.shape[1]))
        hinge_moments(self._kinks[node : node + 1], *atoms, out)
        return out[0]

    def along_slopes(self, lam: FloatArray, upper: FloatArray, lower: FloatArray) -> FloatArray:
        """Return Σ_k λ_k × the moment on the active side of each kink, shape (m,)."""
        return np.where(self.slopes > 0, lam @ upper, lam @ lower)

    def gram(self, lam: FloatArray, moments: FloatArray) -> FloatArray:
        """Return Σ_k λ_k E φ φᵀ, shape (m, m)."""
        m = len(self.slopes)
        gram = np.empty((m, m))
        # `take`, not fancy indexing: the kernel is fast on C-ordered arrays only.
        weighted = np.take(moments, self._order, axis=2)
        weighted *= lam[:, None, None]
        relu_gram(
            np.take(self._kinks, self._order, axis=1),
            weighted,
            self._n_positive,
            np.abs(self.slopes[self._order]),
            self._order,
            gram,
        )
        flat = np.flatnonzero(self.slopes == 0)
        if len(flat):
            heights = np.maximum(self.biases[:, flat], 0.0)
            active = np.where(self.slopes > 0, moments[:, 1], moments[:, 4])
            border = (lam[:, None] * heights).T @ (np.abs(self.slopes) * active)
            gram[flat], gram[:, flat] = border, border.T
            gram[np.ix_(flat, flat)] = (lam[:, None] * heights).T @ heights
        return gram
