"""Frozen random features: s_θ(x, t) = θ h(x, t), h = act(W x + U e(t))/(c(t) √m) [12].

c(t) = 1, or σ_t where the output is preconditioned; vectors x may come scaled by the size of the
marginal (`marginal_scaling`). With one seed the first 512 of 1024 features are the 512 of the
smaller model.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..diffusion.sde import ForwardSDE
from ..support.errors import ArgumentError
from ..support.threads import blas_threads
from ..support.validation import FloatArray, count, one_of, squarable_array
from .activations import ACTIVATIONS, Activation
from .embeddings import Embedding
from .feature_laws import FEATURE_LAWS
from .marginal_scaling import MarginalScaling

# A kink farther than this is at infinity: its feature is affine on every domain of interest.
_INFINITELY_FAR = 1e100


@dataclass(frozen=True, eq=False)
class RandomFeatures:
    """The frozen first layer: W (m, d), U (m, d_e), an embedding and an activation.

    Args:
        W: rows w_j, shape (m, d) or (m,) in one dimension.
        U: rows u_j, shape (m, d_e).
        embedding: e(t).
        activation: name of act: "relu" (closed forms), "swish", "erf", "tanh" or "identity"
            (quadrature in one dimension, Hermite series beyond).
        preconditioner: if an SDE, the output is divided by its c(t) = σ_t (the paper's code);
            c(t) = 1 if None.
        law: name of the law the rows were drawn from, which defines the limit m → ∞; None for
            rows of unknown origin.
        scaling: of the input, and of the output if it says so, in d ≥ 2; none if None.
    """

    W: FloatArray
    U: FloatArray
    embedding: Embedding
    activation: str = "relu"
    preconditioner: ForwardSDE | None = None
    law: str | None = None
    scaling: MarginalScaling | None = None

    def __post_init__(self) -> None:
        w = squarable_array("W", self.W)
        w = w[:, None] if w.ndim == 1 else w
        u = squarable_array("U", self.U, ndim=2)
        if w.ndim != 2 or len(w) != len(u):
            raise ArgumentError(
                f"W (m, d) and U (m, d_e) must have the same m, got {w.shape} and {u.shape}"
            )
        if u.shape[1] != self.embedding.size:
            raise ArgumentError(
                f"U must have d_e = {self.embedding.size} columns, got shape {u.shape}"
            )
        one_of("activation", self.activation, ACTIVATIONS)
        if self.law is not None:
            one_of("law", self.law, FEATURE_LAWS)
        if self.scaling is not None and w.shape[1] == 1:
            raise ArgumentError("scaling must be None in one dimension, where W x is not large")
        object.__setattr__(self, "W", w)
        object.__setattr__(self, "U", u)

    @property
    def width(self) -> int:
        """Number of features m."""
        return len(self.W)

    @property
    def dimension(self) -> int:
        """Dimension d of x."""
        return self.W.shape[1]

    @property
    def act(self) -> Activation:
        """The activation itself."""
        return ACTIVATIONS[self.activation]

    @property
    def is_piecewise_linear(self) -> bool:
        """Whether h consists of hinges on the line: ReLU in one dimension, with closed forms."""
        return self.dimension == 1 and self.act.is_piecewise_linear

    def biases(self, t: ArrayLike) -> FloatArray:
        """Return b_j(t) = u_j·e(t), shape t.shape + (m,)."""
        embedded = self.embedding(t)
        # So thin a product that a second thread would only spin beside the kernels' own.
        with blas_threads(self.embedding.size):
            return embedded @ self.U.T

    def kinks(self, t: ArrayLike) -> FloatArray:
        """Return κ_j(t) = −b_j/w_j on the line, shape t.shape + (m,); ±∞ without a kink.

        A feature with w_j < 0 is active left of κ_j, any other to its right.
        """
        w, b = self.W[:, 0], self.biases(t)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            kappa = -b / w
        # w = 0 is constant: active everywhere (κ = −∞) when b > 0, nowhere otherwise.
        kappa = np.where(w == 0, np.where(b > 0, -np.inf, np.inf), kappa)
        return np.where(np.abs(kappa) > _INFINITELY_FAR, np.copysign(np.inf, kappa), kappa)

    def input_scale(self, t: ArrayLike) -> FloatArray:
        """Return the factor of x in act(·), shape t.shape: 1 without scaling."""
        return np.ones(np.shape(t)) if self.scaling is None else self.scaling(t)

    def output_scale(self, t: ArrayLike) -> FloatArray:
        """Return the factor between act(·) and h, 1/(c(t) √m) without scaling, shape t.shape."""
        factor = np.full(np.shape(t), 1.0 / np.sqrt(self.width))
        if self.scaling is not None and self.scaling.output:
            factor = factor * self.scaling(t)
        return factor if self.preconditioner is None else factor / self.preconditioner.std(t)

    def __call__(self, x: ArrayLike, t: float) -> FloatArray:
        """Return h(x, t) for points x at one time t, shape x.shape + (m,).

        In d ≥ 2 x's last axis is the dimension and gives way to the features.
        """
        return self.act(self._pre_activation(x, t)) * self.output_scale(t)

    def derivative(self, x: ArrayLike, t: float) -> FloatArray:
        """Return act′(w_j·x + b_j)/(c(t) √m), ∇h_j without its factor w_j; shape as `__call__`.

        With scaling the factor of x counts in: ∇h_j is w_j times this in any case.
        """
        scale = self.output_scale(t) * self.input_scale(t)
        return self.act.derivative(self._pre_activation(x, t)) * scale

    def _pre_activation(self, x: ArrayLike, t: float) -> FloatArray:
        x = np.asarray(x, dtype=np.float64)
        if self.dimension == 1:
            return x[..., None] * self.W[:, 0] + self.biases(t)
        return self.input_scale(t) * x @ self.W.T + self.biases(t)


def draw_features(
    law: str,
    m: int,
    embedding: Embedding,
    *,
    seed: int,
    dimension: int = 1,
    activation: str = "relu",
    preconditioner: ForwardSDE | None = None,
    scaling: MarginalScaling | None = None,
) -> RandomFeatures:
    """Draw m features; nested in m for one seed.

    Args:
        law: `l1` — Gaussian rows divided so that |w|₁ + |u|₁ = 1 (the paper's normalisation);
            `gaussian` — entries N(0, 1/(d + d_e)), with a closed-form kernel as m → ∞;
            `torch` — uniform on ±1/√fan_in, fan_in d for W and d_e for U (the paper's code).
        m: the number of features.
        embedding: e(t).
        seed: of the draws.
        dimension: d.
        activation: name of act.
        preconditioner: if an SDE, the output is divided by its σ_t.
        scaling: of the input, in d ≥ 2.

    >>> from rfdiff.model.embeddings import AffineEmbedding
    >>> features = draw_features("l1", 4, AffineEmbedding(), seed=0)
    >>> (np.abs(features.W).sum(1) + np.abs(features.U).sum(1)).round(12)
    array([1., 1., 1., 1.])
    """
    m = count("m", m)
    w, u = FEATURE_LAWS[law].draw(m, dimension, embedding.size, seed)
    return RandomFeatures(w, u, embedding, activation, preconditioner, law, scaling)
