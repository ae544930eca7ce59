"""Laws of random features: how the rows (w_j, u_j) of the frozen first layer are drawn.

A law is a class here, a line of `FEATURE_LAWS` and a name in `support.arguments`. Besides random
draws it knows how points of a unit cube or directions become rows, for quasi-Monte Carlo features,
and the kernel E[act(v·z) act(v·z')] of infinite width where that has a closed form.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from scipy.special import ndtri

from ..support.errors import ArgumentError
from ..support.random import stream
from ..support.registry import Registry
from ..support.validation import FloatArray
from .activations import ACTIVATIONS, Activation
from .infinite_width.limit_kernels import Kernel

Rows = tuple[FloatArray, FloatArray]


class FeatureLaw(Protocol):
    """The law of a row v = (w, u) ∈ R^D, D = d + d_e."""

    @property
    def name(self) -> str:
        """Its name in `FEATURE_LAWS`."""

    def draw(self, m: int, d: int, d_e: int, seed: int) -> Rows:
        """Return W (m, d) and U (m, d_e), nested in m for one seed."""

    def at(self, cube: FloatArray, d: int) -> FloatArray:
        """Return rows (m, D) at points (m, D) of the open unit cube; uniform ones give the law."""

    def along(self, directions: FloatArray) -> FloatArray | None:
        """Return rows (m, D) along unit vectors, as long as the law's in the mean square.

        Uniform directions give the law's; None if the law's directions are not uniform.
        """

    def limit_kernel(self, activation: Activation) -> Kernel | None:
        """Return E[act(v·z) act(v·z')] in closed form, or None."""


@dataclass(frozen=True)
class L1Law:
    """Gaussian rows divided so that |w|₁ + |u|₁ = 1: the paper's normalisation."""

    name: ClassVar[str] = "l1"

    def draw(self, m: int, d: int, d_e: int, seed: int) -> Rows:
        """Return W and U."""
        w, u = _normals(m, d, d_e, seed)
        norm = (np.abs(w).sum(1) + np.abs(u).sum(1))[:, None]
        return w / norm, u / norm

    def at(self, cube: FloatArray, d: int) -> FloatArray:
        """Return normal quantiles, normalised."""
        return self.along(ndtri(cube))

    def along(self, directions: FloatArray) -> FloatArray:
        """Return the normalised vectors: a row's length is a function of its direction."""
        return directions / np.abs(directions).sum(1, keepdims=True)

    def limit_kernel(self, activation: Activation) -> Kernel | None:
        """None: no closed form is known."""
        return None


@dataclass(frozen=True)
class GaussianLaw:
    """Entries N(0, 1/D): a closed-form kernel as m → ∞."""

    name: ClassVar[str] = "gaussian"

    def draw(self, m: int, d: int, d_e: int, seed: int) -> Rows:
        """Return W and U."""
        w, u = _normals(m, d, d_e, seed)
        norm = np.sqrt(d + d_e)
        return w / norm, u / norm

    def at(self, cube: FloatArray, d: int) -> FloatArray:
        """Return normal quantiles over √D."""
        return ndtri(cube) / np.sqrt(cube.shape[1])

    def along(self, directions: FloatArray) -> FloatArray:
        """Return the directions: E|v|² = 1."""
        return directions

    def limit_kernel(self, activation: Activation) -> Kernel | None:
        """Return the activation's kernel of isotropic Gaussian rows."""
        return activation.gaussian_kernel


@dataclass(frozen=True)
class TorchLaw:
    """Uniform on ±1/√fan_in, fan_in d for w and d_e for u: the paper's code."""

    name: ClassVar[str] = "torch"

    def draw(self, m: int, d: int, d_e: int, seed: int) -> Rows:
        """Return W and U."""
        rng_w, rng_u = stream(seed, "features", 0), stream(seed, "features", 1)
        w = rng_w.uniform(-1.0, 1.0, (m, d)) / np.sqrt(d)
        return w, rng_u.uniform(-1.0, 1.0, (m, d_e)) / np.sqrt(d_e)

    def at(self, cube: FloatArray, d: int) -> FloatArray:
        """Return the cube, centred and scaled."""
        rows = 2.0 * cube - 1.0
        rows[:, :d] /= np.sqrt(d)
        rows[:, d:] /= np.sqrt(cube.shape[1] - d)
        return rows

    def along(self, directions: FloatArray) -> None:
        """None: a cube's directions are not uniform."""
        return None

    def limit_kernel(self, activation: Activation) -> Kernel | None:
        """None: no closed form is known."""
        return None


FEATURE_LAWS: Registry[FeatureLaw] = Registry(
    "features", {law.name: law for law in (L1Law(), GaussianLaw(), TorchLaw())}
)


def limit_kernel(features: str = "gaussian", activation: str = "relu") -> Kernel:
    """Return the closed-form kernel of a feature law as m → ∞.

    Args:
        features: name of a feature law.
        activation: name of an activation.

    Raises:
        ArgumentError: there is none. Only `gaussian` with "relu" or "erf" has one; a wide model
            with an error estimate (`infinite_width_by_features`) serves the others.
    """
    kernel = FEATURE_LAWS[features].limit_kernel(ACTIVATIONS[activation])
    if kernel is None:
        known = ", ".join(
            f"{law.name!r} with {act.name!r}"
            for law in FEATURE_LAWS.values()
            for act in ACTIVATIONS.values()
            if law.limit_kernel(act) is not None
        )
        raise ArgumentError(
            f"features {features!r} with activation {activation!r} have no closed-form kernel, "
            f"only {known}: use infinite_width_by_features"
        )
    return kernel


def _normals(m: int, d: int, d_e: int, seed: int) -> Rows:
    """Return standard normals (m, d) and (m, d_e) from streams of their own."""
    rng_w, rng_u = stream(seed, "features", 0), stream(seed, "features", 1)
    return rng_w.standard_normal((m, d)), rng_u.standard_normal((m, d_e))
