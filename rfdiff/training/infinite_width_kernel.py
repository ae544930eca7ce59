"""The gradient flow at m → ∞ in function space [13], by the closed-form kernel of a feature law.

ds/dτ(z) = −2 E_{z'}[λ k(z, z')(s(z') − ∇log p(z'))], z = (x, e(t)). On quadrature nodes with
weights ω = pλ and √ω k √ω = VΛVᵀ, s_τ(z) = Σ_q k(z, z_q) √ω_q [V a(τ)]_q, where a is a linear flow
(`linear_flow`) with eigenvalues Λ, driven by Vᵀ √ω ∇log p:

    √ω s(τ) = VΛ a(τ),   da/dτ = −2(Λa − Vᵀ √ω ∇log p).

θ₀ = 0 throughout: at infinite width a Gaussian θ₀ would add a random function. The marginals must
be smooth on the scale of the nodes: a data set's are not at small t, and the empirical flow is
better served by `infinite_width_features`, whose integrals over x are exact.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..diffusion.marginal_nodes import MarginalNodes, marginal_nodes
from ..diffusion.sde import ForwardSDE
from ..diffusion.targets import Target
from ..loss.objective import DenoisingObjective
from ..loss.score_matching import score_norm
from ..model.embeddings import Embedding
from ..model.feature_laws import limit_kernel
from ..model.infinite_width.limit_kernels import Kernel
from ..numerics.eigen import symmetric_eigen
from ..numerics.halvings import Halvings
from ..support.validation import FloatArray, count, memory, multiple
from .infinite_width import InfiniteWidth
from .linear_flow import LinearFlow

# Points × nodes of kernel values held at once.
_CHUNK = 1 << 21


@dataclass(frozen=True, eq=False)
class ModelKernel:
    """The kernel of the model's score: k(z, z')/(c(t) c(t')), z = (x, e(t)).

    Attributes:
        kernel: k.
        embedding: e(t).
        preconditioner: the SDE whose σ_t = c(t) divides the output; None for c = 1.
    """

    kernel: Kernel
    embedding: Embedding
    preconditioner: ForwardSDE | None = None

    def inputs(self, x: FloatArray, t: FloatArray) -> FloatArray:
        """Return z for x and t of shape (N,), shape (N, D)."""
        return np.concatenate([x[:, None], self.embedding(t)], axis=1)

    def gain(self, t: FloatArray) -> FloatArray:
        """Return 1/c(t), of the shape of t."""
        return np.ones_like(t) if self.preconditioner is None else 1.0 / self.preconditioner.std(t)

    def matrix(self, nodes: MarginalNodes, root: FloatArray) -> FloatArray:
        """Return √ω k √ω with the output factors, shape (Q, Q), for √ω at Q nodes."""
        z, scaled = self.inputs(nodes.x, nodes.t), root * self.gain(nodes.t)
        matrix = np.empty((len(nodes), len(nodes)))
        step = max(1, _CHUNK // len(nodes))
        for i in range(0, len(nodes), step):
            some = slice(i, i + step)
            matrix[some] = scaled[some, None] * self.kernel(z[some], z) * scaled
        return matrix


@dataclass(frozen=True, eq=False)
class KernelFlow:
    """The infinite-width flow on one set of quadrature nodes.

    Attributes:
        model: the kernel, with embedding and preconditioner.
        nodes: (x_q, t_q), their probabilities and the score there.
        root: √ω at the nodes, shape (Q,).
        modes: a(τ) in the eigenbasis of √ω k √ω.
        eigenvectors: V, shape (Q, Q), columns.
        score_norm: E_t λ E‖∇log p_t‖², the loss of s = 0.
    """

    model: ModelKernel
    nodes: MarginalNodes
    root: FloatArray
    modes: LinearFlow
    eigenvectors: FloatArray
    score_norm: float

    @classmethod
    def build(
        cls, law: Target, objective: DenoisingObjective, model: ModelKernel, n_panels: int
    ) -> "KernelFlow":
        """Eigendecompose √ω k √ω on `n_panels` panels of p_t at each time node."""
        size = 8 * len(objective.rule) * count("n_panels", n_panels)
        memory("the kernel matrix", 8.0 * 4.0 * size * size)
        nodes = marginal_nodes(law, objective.sde, objective.rule, n_panels)
        root = np.sqrt(nodes.weights * objective.weighting_values(nodes.t))
        eigenvalues, vectors = symmetric_eigen(model.matrix(nodes, root), overwrite=True)
        drive = vectors.T @ (root * nodes.score)
        modes = LinearFlow(np.maximum(eigenvalues, 0.0), drive, np.zeros_like(drive))
        return cls(model, nodes, root, modes, vectors, float(score_norm(law, objective)))

    def loss(self, tau: ArrayLike) -> FloatArray:
        """Return the score-matching loss E_t λ E‖s_τ − ∇log p_t‖², of the shape of τ."""
        # What the nodes cannot see of ∇log p_t is not learned in their span.
        unseen = max(self.score_norm - float(self.modes.drive @ self.modes.drive), 0.0)
        return (self.modes.residual(tau) ** 2).sum(-1) + unseen

    def at_nodes(self, tau: ArrayLike) -> FloatArray:
        """Return s_τ at the nodes, shape τ.shape + (Q,); 0 at nodes of no weight."""
        weighted = (self.modes.eigenvalues * self.modes(tau)) @ self.eigenvectors.T
        return np.divide(weighted, self.root, out=np.zeros_like(weighted), where=self.root > 0)

    def score(self, x: ArrayLike, t: float, tau: ArrayLike) -> FloatArray:
        """Return s_τ(x, t), shape τ.shape + x.shape."""
        return self._expand(self.model.kernel, x, t, tau)

    def divergence(self, x: ArrayLike, t: float, tau: ArrayLike) -> FloatArray:
        """Return ∂ₓ s_τ(x, t), shape τ.shape + x.shape."""
        return self._expand(self.model.kernel.derivative, x, t, tau)

    def coefficients(self, tau: ArrayLike) -> FloatArray:
        """Return c(τ), shape τ.shape + (Q,): s_τ(x, t) = Σ_q c_q k(z, z_q)/c(t).

        In features, the infinitely wide output layer is a(v) = Σ_q c_q act(v·z_q).
        """
        return self.modes(tau) @ self.eigenvectors.T * (self.root * self.model.gain(self.nodes.t))

    def _expand(
        self,
        kernel: Callable[[FloatArray, FloatArray], FloatArray],
        x: ArrayLike,
        t: float,
        tau: ArrayLike,
    ) -> FloatArray:
        """Return Σ_q c_q(τ) kernel(z, z_q)/c(t), shape τ.shape + x.shape."""
        x = np.asarray(x, dtype=np.float64)
        times = np.full(x.size, t)
        coefficients = self.coefficients(tau)
        centres = self.model.inputs(self.nodes.x, self.nodes.t)
        z, gain = self.model.inputs(x.ravel(), times), self.model.gain(times)
        out = np.empty((*coefficients.shape[:-1], x.size))
        step = max(1, _CHUNK // len(self.nodes))
        for i in range(0, x.size, step):
            some = slice(i, i + step)
            out[..., some] = gain[some] * (coefficients @ kernel(z[some], centres).T)
        return out.reshape(*coefficients.shape[:-1], *x.shape)


def infinite_width_by_kernel(
    law: Target,
    objective: DenoisingObjective,
    embedding: Embedding,
    *,
    features: str = "gaussian",
    activation: str = "relu",
    preconditioner: ForwardSDE | None = None,
    n_panels: int = 8,
) -> InfiniteWidth[KernelFlow]:
    """Return the m → ∞ flow of a feature law with a closed-form kernel.

    The error of its predictions is what their trend from a quarter to half to all of the nodes in x
    and in t leaves (`rfdiff.numerics.halvings`).

    Args:
        law: the population.
        objective: process, graded time rule and weighting of the training loss; the number of
            time nodes is a multiple of 4.
        embedding: e(t).
        features: name of a feature law: "gaussian".
        activation: name of an activation: "relu" or "erf".
        preconditioner: the SDE whose σ_t divides the output, as in `RandomFeatures`.
        n_panels: panels of 8 points over p_t at each time node, a multiple of 4; the matrix is
            as wide as there are points.

    Raises:
        ArgumentError: a law and activation without a closed-form kernel, or odd numbers of nodes.
        MemoryLimitError: the kernel matrix would not fit.

    >>> import rfdiff
    >>> sde = rfdiff.VESDE()
    >>> limit = infinite_width_by_kernel(
    ...     rfdiff.bimodal(), DenoisingObjective.graded(sde, n_times=16),
    ...     rfdiff.LogSigmaEmbedding(sde), n_panels=4,
    ... )
    >>> loss = limit.loss([0.0, 1e2, 1e4])
    >>> bool((np.diff(loss.value) < 0).all())
    True
    """
    model = ModelKernel(limit_kernel(features, activation), embedding, preconditioner)
    n_times = len(objective.rule)
    for name, number in (("n_times", n_times), ("n_panels", n_panels)):
        multiple(name, number, 4)

    def build(share: int) -> KernelFlow:
        coarser = objective.with_times(n_times // share)
        return KernelFlow.build(law, coarser, model, n_panels // share)

    return InfiniteWidth(law, objective, Halvings.build(build, "quadrature nodes"))
