"""Where the noise of paths comes from: each path's own counter-based stream, or the caller.

Path i of a seed gets the same normals whether ten paths are drawn or a million, here or
elsewhere, on one thread or many.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._kernels.philox import normals, uniforms
from ..diffusion.mixtures import GaussianMixture
from ..support.errors import ArgumentError
from ..support.random import stream
from ..support.validation import FloatArray, count, finite_array

# Purposes of the generator's keys.
_STEPS, _START, _COMPONENT = 0, 1, 2


@dataclass(frozen=True, eq=False)
class PathNoise:
    """Starts and noise of the paths first, first + 1, ….

    Args:
        seed: of the streams.
        first: number of the first path: `first=1000` continues a sample of 1000.
        prior: law of x(T); π = N(0, prior_std² I) if None.
        given: standard normals to use instead, (n_steps + 1, n) in one dimension or
            (n_steps + 1, n, d); the first of them make x(T) = prior_std · given[0].

    Raises:
        ArgumentError: bad arguments.
    """

    seed: int = 0
    first: int = 0
    prior: GaussianMixture | None = None
    given: FloatArray | None = None

    def __init__(
        self,
        seed: int = 0,
        first: int = 0,
        prior: GaussianMixture | None = None,
        given: ArrayLike | None = None,
    ) -> None:
        if given is not None:
            if prior is not None:
                raise ArgumentError("noise starts from the sde's own prior: prior must be None")
            given = finite_array("noise", given)
        stream(seed, "sampling", _STEPS)
        object.__setattr__(self, "seed", seed)
        object.__setattr__(self, "first", count("first", first, 0))
        object.__setattr__(self, "prior", prior)
        object.__setattr__(self, "given", given)

    def check(self, n_steps: int, n: int, d: int) -> None:
        """Refuse a prior of another dimension, or given normals of another shape."""
        if self.prior is not None and self.prior.dimension != d:
            raise ArgumentError(f"prior must have dimension {d}, got {self.prior.dimension}")
        expected = (n_steps + 1, n) if d == 1 else (n_steps + 1, n, d)
        if self.given is not None and self.given.shape != expected:
            raise ArgumentError(
                f"noise must have shape (n_steps + 1, n{', d' if d > 1 else ''}) = "
                f"{expected}, got {self.given.shape}"
            )

    @cached_property
    def step_key(self) -> NDArray[np.uint64]:
        """The generator's key for the noise of the steps: two 32-bit words."""
        return self._key(_STEPS)

    def start(self, n: int, d: int, prior_std: float) -> FloatArray:
        """Return x(T), shape (n, d); `prior_std` is that of the process's own prior."""
        if self.given is not None:
            return prior_std * self.given[0].reshape(n, d)
        z = np.empty((n, d))
        normals(self._key(_START), self.first, 0, z)
        if self.prior is None:
            return prior_std * z
        u = np.empty(n)
        uniforms(self._key(_COMPONENT), self.first, 0, u)
        cumulative = np.cumsum(self.prior.weights)
        component = np.minimum(np.searchsorted(cumulative, u), len(cumulative) - 1)
        return self.prior.means[component] + self.prior.stds[component, None] * z

    def step(self, k: int, n: int, d: int) -> FloatArray:
        """Return the normals of step k, shape (n, d)."""
        if self.given is not None:
            return self.given[k + 1].reshape(n, d)
        z = np.empty((n, d))
        normals(self.step_key, self.first, k * d, z)
        return z

    def _key(self, purpose: int) -> NDArray[np.uint64]:
        words = stream(self.seed, "sampling", purpose).integers(0, 1 << 32, 2, dtype=np.uint64)
        return np.asarray(words)
