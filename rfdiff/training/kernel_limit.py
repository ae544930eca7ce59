"""The flow at m → ∞, in function space [13]: ds/dτ(z) = −2 E_{z'}[λ k(z, z')(s(z') − ∇log p(z'))].

On quadrature nodes with weights ω = pλ the flow is the eigendecomposition √ω k √ω = VΛVᵀ:

    √ω s(τ) = V (1 − e^{−2Λτ}) Vᵀ √ω ∇log p,
    s_τ(z) = Σ_q k(z, z_q) √ω_q [V 2τφ₁(−2Λτ) Vᵀ √ω ∇log p]_q.

θ₀ = 0 throughout: at infinite width a Gaussian θ₀ would add a random function. Every prediction
is compared with those from a half and a quarter of the nodes in x and in t, for its error.
The marginals must be smooth on the scale of the nodes: a data set's are not at small t, and the
empirical flow is better served by `wide_limit`, whose integrals over x are exact.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh

from ..diffusion.marginal_nodes import MarginalNodes, marginal_nodes
from ..diffusion.sde import ForwardSDE
from ..diffusion.targets import Target
from ..loss.objective import DenoisingObjective
from ..loss.score_matching import score_norm
from ..model.embeddings import Embedding
from ..model.feature_laws import limit_kernel
from ..model.limit_kernels import Kernel
from ..numerics.special import phi1
from ..support.estimate import Estimate
from ..support.threads import blas_threads
from ..support.validation import FloatArray, count, memory, multiple, training_times

# Points × nodes of kernel values held at once.
_CHUNK = 1 << 21
# What errors of the limit cover.
_NODES = "quadrature nodes"


@dataclass(frozen=True, eq=False)
class KernelFlow:
    """The infinite-width flow on one set of quadrature nodes.

    Attributes:
        kernel: k(z, z').
        embedding: e(t).
        preconditioner: the SDE whose σ_t divides the output, or None.
        nodes: (x_q, t_q), their probabilities and the score there.
        eigenvalues: Λ of √ω k √ω, ascending, shape (Q,).
        score_norm: E_t λ E‖∇log p_t‖², the loss of s = 0.
    """

    kernel: Kernel
    embedding: Embedding
    preconditioner: ForwardSDE | None
    nodes: MarginalNodes
    eigenvalues: FloatArray
    score_norm: float
    _vectors: FloatArray = field(repr=False)
    _root: FloatArray = field(repr=False)
    _target: FloatArray = field(repr=False)

    @classmethod
    def build(
        cls,
        law: Target,
        objective: DenoisingObjective,
        embedding: Embedding,
        n_panels: int,
        *,
        kernel: Kernel,
        preconditioner: ForwardSDE | None = None,
    ) -> "KernelFlow":
        """Eigendecompose √ω k √ω on `n_panels` panels of p_t at each time node."""
        size = 8 * len(objective.rule) * count("n_panels", n_panels)
        memory("the kernel matrix", 8.0 * 4.0 * size * size)
        nodes = marginal_nodes(law, objective.sde, objective.rule, n_panels)
        root = np.sqrt(nodes.weights * objective.weighting_values(nodes.t))
        z, gain = _inputs(nodes.x, nodes.t, embedding, preconditioner)
        scaled = root * gain
        matrix = np.empty((len(nodes), len(nodes)))
        step = max(1, _CHUNK // len(nodes))
        for i in range(0, len(nodes), step):
            rows = slice(i, i + step)
            matrix[rows] = scaled[rows, None] * kernel(z[rows], z) * scaled
        with blas_threads(len(nodes)):
            eigenvalues, vectors = eigh(matrix, overwrite_a=True, check_finite=False, driver="evd")
        return cls(
            kernel,
            embedding,
            preconditioner,
            nodes,
            np.maximum(eigenvalues, 0.0),
            float(score_norm(law, objective)),
            vectors,
            root,
            vectors.T @ (root * nodes.score),
        )

    def loss(self, tau: ArrayLike) -> FloatArray:
        """Return the score-matching loss E_t λ E‖s_τ − ∇log p_t‖², of the shape of τ."""
        tau = training_times("tau", tau)
        # What the nodes cannot see of ∇log p_t is not learned in their span.
        unseen = max(self.score_norm - float(self._target @ self._target), 0.0)
        return np.exp(-4.0 * self._clock(tau)) @ self._target**2 + unseen

    def at_nodes(self, tau: ArrayLike) -> FloatArray:
        """Return s_τ at the nodes, shape τ.shape + (Q,); 0 at nodes of no weight."""
        tau = training_times("tau", tau)
        modes = -np.expm1(-2.0 * self._clock(tau)) * self._target
        weighted = modes @ self._vectors.T
        return np.divide(weighted, self._root, out=np.zeros_like(weighted), where=self._root > 0)

    def score(self, x: ArrayLike, t: float, tau: ArrayLike) -> FloatArray:
        """Return s_τ(x, t), shape τ.shape + x.shape."""
        return self._expand(self.kernel, x, t, tau)

    def divergence(self, x: ArrayLike, t: float, tau: ArrayLike) -> FloatArray:
        """Return ∂ₓ s_τ(x, t), shape τ.shape + x.shape."""
        return self._expand(self.kernel.derivative, x, t, tau)

    def coefficients(self, tau: ArrayLike) -> FloatArray:
        """Return c(τ), shape τ.shape + (Q,): s_τ(x, t) = Σ_q c_q k(z, z_q)/c(t).

        In features, the infinitely wide output layer is a(v) = Σ_q c_q act(v·z_q).
        """
        tau = training_times("tau", tau)
        at_infinity = np.isinf(tau)[..., None]
        clock = np.where(at_infinity, 0.0, tau[..., None])
        gain = 2.0 * clock * phi1(-2.0 * self.eigenvalues * clock)
        # At τ = ∞: the inverse on the numerical range, null modes unmoved.
        floor = len(self.eigenvalues) * np.finfo(float).eps * self.eigenvalues[-1]
        learned = self.eigenvalues > floor
        inverse = np.where(learned, 1.0 / np.where(learned, self.eigenvalues, 1.0), 0.0)
        gain = np.where(at_infinity, inverse, gain)
        _, precondition = _inputs(self.nodes.x, self.nodes.t, self.embedding, self.preconditioner)
        return (gain * self._target) @ self._vectors.T * (self._root * precondition)

    def _clock(self, tau: FloatArray) -> FloatArray:
        """Return Λτ with 0·∞ = 0, shape τ.shape + (Q,)."""
        with np.errstate(invalid="ignore"):
            return np.where(self.eigenvalues == 0, 0.0, self.eigenvalues * tau[..., None])

    def _expand(
        self,
        kernel: Callable[[FloatArray, FloatArray], FloatArray],
        x: ArrayLike,
        t: float,
        tau: ArrayLike,
    ) -> FloatArray:
        x = np.asarray(x, dtype=np.float64)
        coefficients = self.coefficients(tau)
        centres, _ = _inputs(self.nodes.x, self.nodes.t, self.embedding, self.preconditioner)
        z, gain = _inputs(x.ravel(), np.full(x.size, t), self.embedding, self.preconditioner)
        out = np.empty((*coefficients.shape[:-1], x.size))
        step = max(1, _CHUNK // len(self.nodes))
        for i in range(0, x.size, step):
            chunk = slice(i, i + step)
            out[..., chunk] = gain[chunk] * (coefficients @ kernel(z[chunk], centres).T)
        return out.reshape(*coefficients.shape[:-1], *x.shape)


@dataclass(frozen=True, eq=False)
class KernelLimit:
    """The infinite-width flow with errors: discretisations of n, n/2 and n/4 nodes a direction."""

    fine: KernelFlow
    coarse: KernelFlow
    coarsest: KernelFlow

    @property
    def flows(self) -> tuple[KernelFlow, KernelFlow, KernelFlow]:
        """The three discretisations, finest first."""
        return self.fine, self.coarse, self.coarsest

    def loss(self, tau: ArrayLike) -> Estimate:
        """Return the score-matching loss along τ."""
        fine, coarse, coarsest = (flow.loss(tau) for flow in self.flows)
        return Estimate.from_halvings((fine, coarse, coarsest), _NODES)

    def score(self, x: ArrayLike, t: float, tau: ArrayLike) -> Estimate:
        """Return s_τ(x, t), shape τ.shape + x.shape."""
        fine, coarse, coarsest = (flow.score(x, t, tau) for flow in self.flows)
        return Estimate.from_halvings((fine, coarse, coarsest), _NODES)


def kernel_limit(
    law: Target,
    objective: DenoisingObjective,
    embedding: Embedding,
    *,
    features: str = "gaussian",
    activation: str = "relu",
    n_panels: int = 8,
    preconditioner: ForwardSDE | None = None,
) -> KernelLimit:
    """Return the m → ∞ flow of a feature law with a closed-form kernel.

    Args:
        law: the population.
        objective: process, time rule and weighting of the training loss; a multiple of 4 nodes.
        embedding: e(t).
        features: feature law; "gaussian".
        activation: "relu" or "erf".
        n_panels: panels of 8 points over p_t at each time node, a multiple of 4; the matrix is
            as wide as there are points.
        preconditioner: the SDE whose σ_t divides the output, as in `RandomFeatures`.

    >>> from rfdiff.model.embeddings import LogSigmaEmbedding
    >>> from rfdiff.diffusion.mixtures import bimodal
    >>> from rfdiff.diffusion.sde import VESDE
    >>> sde = VESDE()
    >>> objective = DenoisingObjective.graded(sde, n_times=16)
    >>> limit = kernel_limit(bimodal(), objective, LogSigmaEmbedding(sde), n_panels=4)
    >>> loss = limit.loss([0.0, 1e2, 1e4])
    >>> bool((np.diff(loss.value) < 0).all())
    True
    """
    kernel = limit_kernel(features, activation)

    n_times = len(objective.rule)
    for name, number in (("n_times", n_times), ("n_panels", n_panels)):
        multiple(name, number, 4)

    def build(share: int) -> KernelFlow:
        return KernelFlow.build(
            law,
            objective.with_times(n_times // share),
            embedding,
            n_panels // share,
            kernel=kernel,
            preconditioner=preconditioner,
        )

    return KernelLimit(build(1), build(2), build(4))


def _inputs(
    x: FloatArray, t: FloatArray, embedding: Embedding, preconditioner: ForwardSDE | None
) -> tuple[FloatArray, FloatArray]:
    """Return z = (x, e(t)), shape (N, D), and the output factor 1/c(t), shape (N,)."""
    z = np.concatenate([x[:, None], embedding(t)], axis=1)
    gain = np.ones_like(x) if preconditioner is None else 1.0 / preconditioner.std(t)
    return z, gain
