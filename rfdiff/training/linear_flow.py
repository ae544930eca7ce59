"""A linear ODE mode by mode: da/dτ = −2(aΛ − c), at every τ, for finite and for infinite width.

With φ₁(z) = (eᶻ − 1)/z,
    a(τ) = a₀ e^{−2Λτ} + c · 2τ φ₁(−2Λτ),
so each mode relaxes on its own clock 1/(2λ), and no eigenvalue is ever divided by: a null mode has
φ₁ = 1. τ = ∞ is a branch of its own, with a stated rank tolerance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..numerics.special import phi1
from ..support.validation import FloatArray, training_times

# Below it φ₁(z) = −1/z loses digits to underflow.
_FAR = -1e300


@dataclass(frozen=True, eq=False)
class LinearFlow:
    """The solution a(τ) of da/dτ = −2(aΛ − c), a(0) = a₀, in the eigenbasis.

    Attributes:
        eigenvalues: Λ ≥ 0, shape (m,), ascending.
        drive: c, shape (…, m).
        start: a₀, of the shape of `drive`.

    >>> flow = LinearFlow(np.array([0.0, 2.0]), np.array([0.0, 1.0]), np.array([3.0, 0.0]))
    >>> flow([0.0, np.inf]).tolist()  # the null mode stays, the other one ends at c/λ
    [[3.0, 0.0], [3.0, 0.5]]
    """

    eigenvalues: FloatArray
    drive: FloatArray
    start: FloatArray

    @property
    def rank_tolerance(self) -> float:
        """Eigenvalues up to m · ε · λ_max count as null at τ = ∞."""
        return len(self.eigenvalues) * np.finfo(float).eps * float(self.eigenvalues[-1])

    @property
    def learned(self) -> np.ndarray:
        """Which modes are above the rank tolerance, shape (m,)."""
        return self.eigenvalues > self.rank_tolerance

    @property
    def excess(self) -> FloatArray:
        """What each mode adds to the loss at τ = 0 above its end, |c − a₀λ|²/λ, shape (m,).

        It falls as e^{−4λτ}; null modes have none.
        """
        square = (self._initial_residual**2).reshape(-1, len(self.eigenvalues)).sum(axis=0)
        out = np.zeros_like(self.eigenvalues)
        return np.divide(square, self.eigenvalues, out=out, where=self.learned)

    def __call__(self, tau: ArrayLike) -> FloatArray:
        """Return a(τ), shape τ.shape + the shape of `drive`; a(∞) has null modes unmoved."""
        at_end, finite, z = self._exponents(tau)
        moving = 2.0 * (self.drive * self._half_growth(finite, z))
        if self.start.any():
            moving += self.start * np.exp(z)
        null = ~self.learned
        limit = np.where(null, self.start, self.drive / np.where(null, 1.0, self.eigenvalues))
        return np.where(at_end, limit, moving)

    def residual(self, tau: ArrayLike) -> FloatArray:
        """Return c − a(τ)Λ = (c − a₀Λ) e^{−2Λτ}, half the negative gradient, of a's shape."""
        at_end, _, z = self._exponents(tau)
        initial = self._initial_residual
        return np.where(at_end, np.where(self.learned, 0.0, initial), initial * np.exp(z))

    def loss(self, tau: ArrayLike) -> FloatArray:
        """Return Σ (λa − 2c)a at τ, shape τ.shape: the quadratic loss without its constant."""
        a = self(tau)
        axes = tuple(range(-self.drive.ndim, 0))
        return ((self.eigenvalues * a - 2.0 * self.drive) * a).sum(axis=axes)

    @property
    def _initial_residual(self) -> FloatArray:
        return self.drive - self.start * self.eigenvalues

    def _half_growth(self, finite: FloatArray, z: FloatArray) -> FloatArray:
        """Return τφ₁(−2λτ), half of what a unit drive adds, at any finite τ.

        It is 1/(2λ) where φ₁ = −1/z would underflow, and 2τ, which may overflow, is never formed.
        """
        far = z < _FAR
        ended = 0.5 / np.where(far, self.eigenvalues, 1.0)
        return np.where(far, ended, finite * phi1(np.where(far, 0.0, z)))

    def _exponents(self, tau: ArrayLike) -> tuple[np.ndarray, FloatArray, FloatArray]:
        """Return whether τ = ∞, τ with 0 there, and −2Λτ, with the axes of `drive` behind τ's."""
        tau = training_times("tau", tau)
        tau = tau.reshape(*tau.shape, *(1,) * self.drive.ndim)
        at_end = np.isinf(tau)
        finite = np.where(at_end, 0.0, tau)
        # −∞ where −2Λτ is beyond the floats: every exponential of it is zero.
        with np.errstate(over="ignore"):
            return at_end, finite, -2.0 * self.eigenvalues * finite
