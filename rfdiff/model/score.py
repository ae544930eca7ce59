"""Scores s(x, t), their divergence and their x-integral, for every training time at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._kernels import scores as kernels
from ..diffusion.mixtures import GaussianMixture
from ..diffusion.sde import ForwardSDE
from ..diffusion.targets import Target
from ..support.errors import ArgumentError
from ..support.validation import FloatArray, finite_array, real
from .affine_skip import AffineSkip
from .fast_evaluation import Evaluator, evaluator
from .features import RandomFeatures
from .line.x_integral import x_integral
from .theta_error import ThetaError

# Feature values held at once: 64 MB.
_CHUNK = 1 << 23

# Flat index of one training time, or of several.
Index = int | NDArray[np.intp]


class Score(Protocol):
    """A score: an approximation of ∇ₓ log p_t(x). Training times (…) lead in every result."""

    @property
    def dimension(self) -> int:
        """Dimension d of x."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The leading axes (…) of every result: () for a single score."""

    def __call__(self, x: ArrayLike, t: float) -> FloatArray:
        """Return s(x, t), shape (…) + x.shape."""

    def divergence(self, x: ArrayLike, t: float) -> FloatArray:
        """Return ∇ₓ·s(x, t), shape (…) + x.shape (in d ≥ 2 without x's last axis)."""


@runtime_checkable
class FastScore(Score, Protocol):
    """A score that also hands out single training times, known by their flat index k."""

    @property
    def is_smooth(self) -> bool:
        """Whether the divergence is continuous in x: with ReLU it jumps at the kinks."""

    def select(self, k: Index) -> "FastScore":
        """Return the score of training time k, of shape (), or of several, of shape (len(k),)."""

    def evaluator(self, k: int) -> Evaluator:
        """Return the fast evaluation of s(x, t) at training time k."""


@dataclass(frozen=True, eq=False)
class RandomFeatureScore:
    """s_θ(x, t) = θ h(x, t), h = φ/(c(t) √m) [12], for one θ or a whole training curve.

    Args:
        features: the frozen first layer.
        theta: output weights, shape (…, d, m).
        theta_error: the error of θ, where it is known.
        skip: a fixed affine part that is added, in d ≥ 2.

    >>> import numpy as np
    >>> from rfdiff.model.embeddings import AffineEmbedding
    >>> from rfdiff.model.features import RandomFeatures
    >>> features = RandomFeatures([1.0, -1.0], [[0.0, 0.0], [0.0, 0.0]], AffineEmbedding())
    >>> score = RandomFeatureScore(features, [[-np.sqrt(2.0), np.sqrt(2.0)]])
    >>> score([-1.0, 2.0], 0.5).round(12)  # −x
    array([ 1., -2.])
    >>> score.integral([-1.0, 2.0], 0.5).round(12)  # −x²/2
    array([-0.5, -2. ])
    """

    features: RandomFeatures
    theta: FloatArray
    theta_error: ThetaError | None = None
    skip: AffineSkip | None = None

    def __post_init__(self) -> None:
        theta = finite_array("theta", self.theta)
        expected = (self.features.dimension, self.features.width)
        if theta.shape[-2:] != expected:
            raise ArgumentError(
                f"theta must have shape (…, d, m) = (…, {expected[0]}, {expected[1]}), "
                f"got {theta.shape}"
            )
        object.__setattr__(self, "theta", theta)

    @property
    def dimension(self) -> int:
        """Dimension d of x."""
        return self.features.dimension

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the training times, the leading axes of every result."""
        return self.theta.shape[:-2]

    @property
    def flat_theta(self) -> FloatArray:
        """θ in one dimension with the training times flattened, shape (n_τ, m)."""
        if self.dimension != 1:
            raise ArgumentError(f"this needs a one-dimensional score, got d = {self.dimension}")
        return np.ascontiguousarray(self.theta.reshape(-1, self.features.width))

    @property
    def is_smooth(self) -> bool:
        """Whether ∇ₓ·s is continuous in x."""
        return not self.features.act.is_piecewise_linear

    def select(self, k: Index) -> "RandomFeatureScore":
        """Return the score of training time k, or of several."""
        flat = self.theta.reshape(-1, *self.theta.shape[-2:])
        return RandomFeatureScore(self.features, flat[k], skip=self.skip)

    def evaluator(self, k: int) -> Evaluator:
        """Return the fast evaluation at training time k."""
        return evaluator(self.features, self.select(k).theta, self.skip)

    def __call__(self, x: ArrayLike, t: float) -> FloatArray:
        """Return s_θ(x, t), shape (…) + x.shape."""
        x = self._points(x)
        if self.dimension == 1:
            return self._on_line(x, t, derivative=1)
        out = np.empty((*self.shape, x.size // self.dimension, self.dimension))
        for part, chunk in self._chunks(x):
            h = self.features(chunk, t)
            out[..., part, :] = np.moveaxis(self.theta @ h.T, -1, -2)
        out = out.reshape(self.shape + x.shape)
        return out if self.skip is None else out + self.skip(x, t)

    def divergence(self, x: ArrayLike, t: float) -> FloatArray:
        """Return ∇ₓ·s_θ(x, t), shape (…) + x.shape (in d ≥ 2 without the last axis)."""
        x = self._points(x)
        if self.dimension == 1:
            return self._on_line(x, t, derivative=2)
        contracted = np.einsum("...im,mi->...m", self.theta, self.features.W)
        out = np.empty((*self.shape, x.size // self.dimension))
        for part, chunk in self._chunks(x):
            out[..., part] = contracted @ self.features.derivative(chunk, t).T
        out = out.reshape(self.shape + x.shape[:-1])
        return out if self.skip is None else out + self.skip.divergence(t)

    def integral(self, x: ArrayLike, t: float) -> FloatArray:
        """Return ∫₀^x s_θ(y, t) dy in one dimension, shape (…) + x.shape; closed form."""
        return self._on_line(self._points(x), t, derivative=0)

    def _on_line(self, x: FloatArray, t: float, derivative: int) -> FloatArray:
        flat = x.ravel()
        domain = (min(float(flat.min()), 0.0), max(float(flat.max()), 0.0))
        values = x_integral(self.features, real("t", t), 0.0, domain).evaluate(
            self.flat_theta, flat, derivative
        )
        return values.reshape(self.shape + x.shape)

    def _points(self, x: ArrayLike) -> FloatArray:
        x = finite_array("x", x)
        if self.dimension > 1 and (x.ndim == 0 or x.shape[-1] != self.dimension):
            raise ArgumentError(f"x must have last axis {self.dimension}, got shape {x.shape}")
        return x

    def _chunks(self, x: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
        points = x.reshape(-1, self.dimension)
        step = max(1, _CHUNK // self.features.width)
        for i in range(0, len(points), step):
            yield slice(i, i + step), points[i : i + step]


def is_piecewise_linear(score: Score) -> TypeGuard[RandomFeatureScore]:
    """Say whether a score is one of ReLU features on the line."""
    return isinstance(score, RandomFeatureScore) and score.features.is_piecewise_linear


@dataclass(frozen=True)
class ExactScore:
    """∇ log p_t of the diffused law: what training aims at.

    Args:
        law: p₀, a mixture or a compact target.
        sde: the forward process.

    >>> from rfdiff.diffusion.mixtures import bimodal
    >>> from rfdiff.diffusion.sde import VESDE
    >>> abs(float(ExactScore(bimodal(3.0), VESDE())(0.0, 0.5))) < 1e-15
    True
    """

    law: Target
    sde: ForwardSDE

    @property
    def dimension(self) -> int:
        """Dimension d of x."""
        return self.law.dimension

    @property
    def shape(self) -> tuple[int, ...]:
        """A single score: ()."""
        return ()

    is_smooth: ClassVar[bool] = True

    def select(self, k: Index) -> FastScore:
        """Return the score itself for k = 0, or a stack of copies."""
        return self if np.ndim(k) == 0 else OwnScore(self, k)

    def evaluator(self, k: int) -> Evaluator:
        """Return the fast evaluation: there is one training time."""

        def evaluate(x: FloatArray, t: float) -> FloatArray:
            law, out = self._marginal(t), np.empty_like(x)
            with np.errstate(divide="ignore"):
                log_weights = np.log(law.weights) - law.dimension * np.log(law.stds)
            kernels.mixture_scores(x, log_weights, law.means, law.stds**2, out)
            return out

        return evaluate

    def __call__(self, x: ArrayLike, t: float) -> FloatArray:
        """Return ∇ log p_t(x), of the shape of x."""
        return self._marginal(t).score(x)

    def divergence(self, x: ArrayLike, t: float) -> FloatArray:
        """Return Δ log p_t(x), of the shape of x (in d ≥ 2 without the last axis)."""
        return self._marginal(t).score_divergence(x)

    def _marginal(self, t: float) -> GaussianMixture:
        return self.law.diffuse(float(self.sde.scale(t)), float(self.sde.std(t)))


@dataclass(frozen=True)
class OwnScore:
    """A caller's own score, or some of its training times.

    Args:
        score: any object with `dimension`, `shape`, `__call__` and `divergence`.
        index: flat indices of the training times; None for the score as it is.
    """

    score: Score
    index: Index | None = None

    is_smooth: ClassVar[bool] = True

    @property
    def dimension(self) -> int:
        """Dimension d of x."""
        return self.score.dimension

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the training times."""
        return self.score.shape if self.index is None else np.shape(self.index)

    def __call__(self, x: ArrayLike, t: float) -> FloatArray:
        """Return s(x, t), shape (…) + x.shape."""
        return self._pick(self.score(x, t), np.shape(x))

    def divergence(self, x: ArrayLike, t: float) -> FloatArray:
        """Return ∇ₓ·s(x, t), shape (…) + x.shape (in d ≥ 2 without the last axis)."""
        shape = np.shape(x)
        return self._pick(self.score.divergence(x, t), shape if self.dimension == 1 else shape[:-1])

    def select(self, k: Index) -> "OwnScore":
        """Return the score of training time k, or of several."""
        known = np.arange(int(np.prod(self.shape))) if self.index is None else self.index
        return OwnScore(self.score, np.ravel(known)[k])

    def evaluator(self, k: int) -> Evaluator:
        """Return the evaluation at training time k: all of them are computed, and one is taken."""
        one = self.select(k)

        def evaluate(x: FloatArray, t: float) -> FloatArray:
            return one(x[:, 0] if x.shape[1] == 1 else x, t).reshape(x.shape)

        return evaluate

    def _pick(self, values: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
        values = np.asarray(values, dtype=np.float64)
        return values if self.index is None else values.reshape(-1, *shape)[self.index]


def fast_score(score: Score) -> FastScore:
    """Return the score itself if it is one of the package's, a caller's own in a wrapper."""
    return score if isinstance(score, FastScore) else OwnScore(score)
