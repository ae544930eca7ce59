"""Frozen random features: s_θ(x, t) = θ h(x, t), h = φ/√m, φ_j = act(w_j·x + u_j·e(t)) [12].

Feature laws draw the rows (w_j, u_j); embeddings give e(t); activations give act. With one seed
the first 512 of 1024 features are the 512 of the smaller model.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erf, expit

from ..diffusion.sde import ForwardSDE
from ..support.errors import ArgumentError
from ..support.random import stream
from ..support.threads import blas_threads
from ..support.validation import FloatArray, count, finite_array, one_of, positive


class Embedding(Protocol):
    """A time embedding e: t ↦ R^{d_e}."""

    @property
    def size(self) -> int:
        """d_e."""

    def __call__(self, t: ArrayLike) -> FloatArray:
        """Return e(t), shape t.shape + (d_e,)."""


@dataclass(frozen=True)
class LogSigmaEmbedding:
    """e(t) = [1, ½ ln σ_t]: deterministic and matched to the noise scale. The default."""

    sde: ForwardSDE
    size: ClassVar[int] = 2

    def __call__(self, t: ArrayLike) -> FloatArray:
        """Return e(t)."""
        half_log = 0.5 * np.log(self.sde.std(t))
        return np.stack([np.ones_like(half_log), half_log], axis=-1)

    def derivative(self, t: ArrayLike) -> FloatArray:
        """Return e′(t): (σ_t²)′ = 2f σ_t² + g² for every linear process."""
        relative = self.sde.diffusion_squared(t) / np.square(self.sde.std(t))
        rate = 0.5 * self.sde.drift(t) + 0.25 * relative
        return np.stack([np.zeros_like(rate), rate], axis=-1)


@dataclass(frozen=True, eq=False)
class FourierEmbedding:
    """e(t) = [sin 2πω_k t, cos 2πω_k t] for given frequencies ω (the paper's code: scale 30)."""

    frequencies: FloatArray

    def __init__(self, frequencies: ArrayLike) -> None:
        object.__setattr__(self, "frequencies", finite_array("frequencies", frequencies, ndim=1))

    @classmethod
    def draw(cls, seed: int, size: int = 4, scale: float = 1.0) -> "FourierEmbedding":
        """Draw ω ~ N(0, scale²) for an embedding of even `size`, from the seed's own stream."""
        if count("size", size, 2) % 2:
            raise ArgumentError(f"size must be even, got {size}")
        draws = stream(seed, "embedding").standard_normal(size // 2)
        return cls(positive("scale", scale) * draws)

    @property
    def size(self) -> int:
        """d_e, twice the number of frequencies."""
        return 2 * len(self.frequencies)

    def __call__(self, t: ArrayLike) -> FloatArray:
        """Return e(t)."""
        phase = 2.0 * np.pi * np.asarray(t, dtype=np.float64)[..., None] * self.frequencies
        return np.concatenate([np.sin(phase), np.cos(phase)], axis=-1)

    def derivative(self, t: ArrayLike) -> FloatArray:
        """Return e′(t)."""
        rate = 2.0 * np.pi * self.frequencies
        phase = np.asarray(t, dtype=np.float64)[..., None] * rate
        return np.concatenate([rate * np.cos(phase), -rate * np.sin(phase)], axis=-1)


@dataclass(frozen=True)
class AffineEmbedding:
    """e(t) = [1, t]."""

    size: ClassVar[int] = 2

    def __call__(self, t: ArrayLike) -> FloatArray:
        """Return e(t)."""
        t = np.asarray(t, dtype=np.float64)
        return np.stack([np.ones_like(t), t], axis=-1)

    def derivative(self, t: ArrayLike) -> FloatArray:
        """Return e′(t) = [0, 1]."""
        t = np.asarray(t, dtype=np.float64)
        return np.stack([np.zeros_like(t), np.ones_like(t)], axis=-1)


EMBEDDINGS = ("log-sigma", "fourier", "affine")
# Step of the differences that stand for the derivative of a caller's own embedding, a share of t.
_DIFFERENCE = 1e-3


def embedding_derivative(embedding: Embedding, t: ArrayLike) -> FloatArray:
    """Return e′(t), shape t.shape + (d_e,): exact for the embeddings of this module.

    A caller's own may have a method `derivative`; without one, differences of fourth order do.

    >>> embedding_derivative(AffineEmbedding(), 0.5)
    array([0., 1.])
    >>> bool(abs(embedding_derivative(lambda t: np.sin(t)[..., None], 0.5) - np.cos(0.5)) < 1e-12)
    True
    """
    exact = getattr(embedding, "derivative", None)
    if exact is not None:
        return np.asarray(exact(t), dtype=np.float64)
    t = np.asarray(t, dtype=np.float64)
    h = _DIFFERENCE * t
    near, far = (embedding(t + k * h) - embedding(t - k * h) for k in (1.0, 2.0))
    return (8.0 * near - far) / (12.0 * h[..., None])


def make_embedding(embedding: str | Embedding, sde: ForwardSDE, seed: int) -> Embedding:
    """Return an embedding from its name, or the object itself."""
    if not isinstance(embedding, str) and callable(embedding):
        return embedding
    name = one_of("embedding", embedding, EMBEDDINGS)
    if name == "log-sigma":
        return LogSigmaEmbedding(sde)
    return FourierEmbedding.draw(seed) if name == "fourier" else AffineEmbedding()


@dataclass(frozen=True)
class Activation:
    """An activation, with its derivative, vectorised."""

    name: str

    def __call__(self, z: FloatArray) -> FloatArray:
        """Return act(z)."""
        if self.name == "relu":
            return np.maximum(z, 0.0)
        if self.name == "swish":
            return z * expit(z)
        return erf(z) if self.name == "erf" else np.tanh(z)

    def derivative(self, z: FloatArray) -> FloatArray:
        """Return act′(z)."""
        if self.name == "relu":
            return (z > 0).astype(np.float64)
        if self.name == "swish":
            gate = expit(z)
            return gate * (1.0 + z * (1.0 - gate))
        if self.name == "erf":
            return 2.0 / np.sqrt(np.pi) * np.exp(-z * z)
        return 1.0 - np.tanh(z) ** 2


# A kink farther than this is at infinity: its feature is affine on every domain of interest.
_INFINITELY_FAR = 1e100

ACTIVATIONS = ("relu", "swish", "erf", "tanh")
FEATURE_LAWS = ("l1", "gaussian", "torch")


@dataclass(frozen=True, eq=False)
class RandomFeatures:
    """The frozen first layer: W (m, d), U (m, d_e), an embedding and an activation.

    Args:
        W: rows w_j, shape (m, d) or (m,) in one dimension.
        U: rows u_j, shape (m, d_e).
        embedding: e(t).
        activation: "relu" (closed forms), "swish", "erf" or "tanh" (quadrature).
        preconditioner: if an SDE, the output is divided by c(t) = σ_t (the paper's code).
        law: name of the law the rows were drawn from, which defines the limit m → ∞; None for
            rows of unknown origin.
    """

    W: FloatArray
    U: FloatArray
    embedding: Embedding
    activation: str = "relu"
    preconditioner: ForwardSDE | None = None
    law: str | None = None

    def __post_init__(self) -> None:
        w = finite_array("W", self.W)
        w = w[:, None] if w.ndim == 1 else w
        u = finite_array("U", self.U, ndim=2)
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
    def is_piecewise_linear(self) -> bool:
        """Whether h is piecewise linear in x on the line: ReLU in one dimension."""
        return self.dimension == 1 and self.activation == "relu"

    def biases(self, t: ArrayLike) -> FloatArray:
        """Return b_j(t) = u_j·e(t), shape t.shape + (m,)."""
        return self._of_time(self.embedding(t))

    def bias_slopes(self, t: ArrayLike) -> FloatArray:
        """Return b_j′(t) = u_j·e′(t), shape t.shape + (m,)."""
        return self._of_time(embedding_derivative(self.embedding, t))

    def _of_time(self, embedded: FloatArray) -> FloatArray:
        """Return U e: so thin a product that a second thread only spins beside the kernels' own."""
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

    def output_scale(self, t: ArrayLike) -> FloatArray:
        """Return 1/(c(t) √m): the factor between act(·) and h, shape t.shape."""
        factor = np.full(np.shape(t), 1.0 / np.sqrt(self.width))
        return factor if self.preconditioner is None else factor / self.preconditioner.std(t)

    def __call__(self, x: ArrayLike, t: float) -> FloatArray:
        """Return h(x, t) for points x at one time t: shape (scalar field's shape of x) + (m,)."""
        pre = self._pre_activation(x, t)
        return Activation(self.activation)(pre) * self.output_scale(t)

    def derivative(self, x: ArrayLike, t: float) -> FloatArray:
        """Return act′(w·x + b)/(c√m), so that ∇h_j = w_j · this; shape as `__call__`."""
        pre = self._pre_activation(x, t)
        return Activation(self.activation).derivative(pre) * self.output_scale(t)

    def _pre_activation(self, x: ArrayLike, t: float) -> FloatArray:
        x = np.asarray(x, dtype=np.float64)
        if self.dimension == 1:
            return x[..., None] * self.W[:, 0] + self.biases(t)
        return x @ self.W.T + self.biases(t)


def draw_features(
    law: str,
    m: int,
    embedding: Embedding,
    *,
    seed: int,
    dimension: int = 1,
    activation: str = "relu",
    preconditioner: ForwardSDE | None = None,
) -> RandomFeatures:
    """Draw m features; nested in m for one seed.

    Laws: `l1` — Gaussian rows divided so that |w|₁ + |u|₁ = 1 (the paper's normalisation);
    `gaussian` — entries N(0, 1/(d + d_e)), with a closed-form kernel as m → ∞;
    `torch` — uniform on ±1/√fan_in, fan_in d for W and d_e for U (the paper's code).
    """
    law = one_of("features", law, FEATURE_LAWS)
    m = count("m", m)
    rng_w, rng_u = stream(seed, "features", 0), stream(seed, "features", 1)
    shape_w, shape_u = (m, dimension), (m, embedding.size)
    if law == "torch":
        w = rng_w.uniform(-1.0, 1.0, shape_w) / np.sqrt(dimension)
        u = rng_u.uniform(-1.0, 1.0, shape_u) / np.sqrt(embedding.size)
    else:
        w, u = rng_w.standard_normal(shape_w), rng_u.standard_normal(shape_u)
        if law == "l1":
            norm = (np.abs(w).sum(1) + np.abs(u).sum(1))[:, None]
        else:
            norm = np.sqrt(dimension + embedding.size)
        w, u = w / norm, u / norm
    return RandomFeatures(w, u, embedding, activation, preconditioner, law)
