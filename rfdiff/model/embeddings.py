"""Time embeddings e(t): how the features see the time. One class each, a line of `EMBEDDINGS`.

Their names are also in `support.arguments`, which the command line reads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..diffusion.sde import ForwardSDE
from ..support.errors import ArgumentError
from ..support.random import stream
from ..support.registry import Registry
from ..support.validation import FloatArray, count, finite_array, positive


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


@dataclass(frozen=True)
class AffineEmbedding:
    """e(t) = [1, t]."""

    size: ClassVar[int] = 2

    def __call__(self, t: ArrayLike) -> FloatArray:
        """Return e(t)."""
        t = np.asarray(t, dtype=np.float64)
        return np.stack([np.ones_like(t), t], axis=-1)


# How each embedding is made for a process and a seed.
EMBEDDINGS: Registry[Callable[[ForwardSDE, int], Embedding]] = Registry(
    "embedding",
    {
        "log-sigma": lambda sde, seed: LogSigmaEmbedding(sde),
        "fourier": lambda sde, seed: FourierEmbedding.draw(seed),
        "affine": lambda sde, seed: AffineEmbedding(),
    },
)


def make_embedding(embedding: str | Embedding, sde: ForwardSDE, seed: int) -> Embedding:
    """Return an embedding from its name, or the object itself."""
    if callable(embedding):
        return embedding
    return EMBEDDINGS[embedding](sde, seed)
