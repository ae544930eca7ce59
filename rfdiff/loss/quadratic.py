"""A loss that is a quadratic of θ: L(θ) = tr(θ G θᵀ) − 2 tr(θ Cᵀ) + c₀ [5, 6, 7].

`Quadratic` is what the rest of the package asks of one; `QuadraticLoss` keeps G as a matrix, and
only its assemblers, the dense gradient flow and the saving of runs look at it.
"""

from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from ..support.threads import blas_threads
from ..support.validation import FloatArray
from .completed_square import CompletedSquare


class Quadratic(Protocol):
    """L(θ) = tr(θ G θᵀ) − 2 tr(θ Cᵀ) + c₀, in whatever form G is kept."""

    @property
    def cross(self) -> FloatArray:
        """C, shape (d, m)."""

    @property
    def constant(self) -> float:
        """c₀ = L(0)."""

    @property
    def error(self) -> float:
        """Estimated absolute error of the entries of G and C beyond rounding."""

    @property
    def coarse(self) -> "Self | None":
        """The loss by a coarser quadrature in x, where there is one."""

    @property
    def diagonal(self) -> FloatArray:
        """E λ h_j² of every feature, the diagonal of G, shape (m,)."""

    def image(self, theta: ArrayLike) -> FloatArray:
        """Return θG for θ of shape (…, d, m), of the shape of θ."""

    def __call__(self, theta: ArrayLike) -> FloatArray:
        """Return L(θ) for θ of shape (…, d, m), shape (…)."""

    def gradient(self, theta: ArrayLike) -> FloatArray:
        """Return ∇L(θ) = 2(θG − C), of the shape of θ."""

    def difference(self, theta: ArrayLike, other: ArrayLike) -> FloatArray:
        """Return L(θ) − L(θ') without cancellation of the constant, shape (…)."""

    def with_constant(self, constant: float) -> Self:
        """Return the same G and C with another constant."""

    def of_first_features(self, m: int) -> Self:
        """Return the loss of a model of the first m features."""

    def completed_square(self) -> CompletedSquare:
        """Return the loss as ‖θF − v‖² + least, which keeps digits where θ is large."""


@dataclass(frozen=True, eq=False)
class QuadraticLoss:
    """L(θ) = tr(θ G θᵀ) − 2 tr(θ Cᵀ) + c₀, with G as a dense matrix.

    Attributes:
        gram: G, shape (m, m), symmetric positive semi-definite.
        cross: C, shape (d, m).
        constant: c₀ = L(0).
        error: estimated absolute error of the entries of `gram` and `cross` beyond rounding:
            zero where they are closed forms, the x-quadrature's estimate where they are not, and
            in d ≥ 2 the bound on what the series leaves out.
        coarse: the loss by a coarser quadrature in x, or in d ≥ 2 less what the series may have
            left out: how the two differ says what the error of G and C does to results.

    >>> loss = QuadraticLoss(np.diag([1.0, 4.0]), np.array([[1.0, 2.0]]), 3.0)
    >>> float(loss([[1.0, 0.5]])), loss.gradient([[1.0, 0.5]]).tolist()  # at its minimum
    (1.0, [[0.0, 0.0]])
    """

    gram: FloatArray
    cross: FloatArray
    constant: float
    error: float = 0.0
    coarse: "QuadraticLoss | None" = None

    @property
    def diagonal(self) -> FloatArray:
        """E λ h_j² of every feature, the diagonal of G, shape (m,)."""
        return np.asarray(np.diagonal(self.gram))

    def __call__(self, theta: ArrayLike) -> FloatArray:
        """Return L(θ) for θ of shape (…, d, m), shape (…)."""
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
            # One matrix of all θ: a stack of small ones would be multiplied one by one.
            return (theta.reshape(-1, m) @ self.gram).reshape(theta.shape)

    def difference(self, theta: ArrayLike, other: ArrayLike) -> FloatArray:
        """Return L(θ) − L(θ') as ⟨θ − θ', G(θ + θ') − 2C⟩, shape (…).

        Args:
            theta: θ, shape (…, d, m).
            other: θ', of a shape that broadcasts with θ's.
        """
        theta, other = np.asarray(theta, np.float64), np.asarray(other, np.float64)
        slope = self.image(theta + other) - 2.0 * self.cross
        return np.einsum("...dm,...dm->...", theta - other, slope)

    def beside(self, coarse: "QuadraticLoss") -> "QuadraticLoss":
        """Return this loss with the same by a coarser quadrature beside it, and its error."""
        gaps = (np.abs(self.gram - coarse.gram).max(), np.abs(self.cross - coarse.cross).max())
        return replace(self, coarse=coarse, error=float(max(gaps)))

    def with_constant(self, constant: float) -> "QuadraticLoss":
        """Return the same G and C with another constant, as that of the score-matching loss."""
        return replace(self, constant=constant)

    def of_first_features(self, m: int) -> "QuadraticLoss":
        """Return the loss of a model of the first m of the M features: h = φ/√m, not φ/√M."""
        share = len(self.gram) / m
        coarse = None if self.coarse is None else self.coarse.of_first_features(m)
        gram, cross = share * self.gram[:m, :m], np.sqrt(share) * self.cross[:, :m]
        return replace(self, gram=gram, cross=cross, coarse=coarse)

    def completed_square(self) -> CompletedSquare:
        """Return the loss as ‖θF − v‖² + least, G = FFᵀ, which keeps digits where θ is large."""
        return CompletedSquare.of(self.gram, self.cross, self.constant)
