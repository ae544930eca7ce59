"""A loss that is a quadratic of θ: L(θ) = tr(θ G θᵀ) − 2 tr(θ Cᵀ) + c₀ [5, 6, 7]."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..support.threads import blas_threads
from ..support.validation import FloatArray


@dataclass(frozen=True, eq=False)
class QuadraticLoss:
    """L(θ) = tr(θ G θᵀ) − 2 tr(θ Cᵀ) + c₀.

    Attributes:
        gram: G, shape (m, m), symmetric positive semi-definite.
        cross: C, shape (d, m).
        constant: c₀ = L(0).
        error: estimated absolute error of the entries of `gram` and `cross` beyond rounding:
            zero where they are closed forms, the x-quadrature's estimate where they are not.
    """

    gram: FloatArray
    cross: FloatArray
    constant: float
    error: float = 0.0

    def __call__(self, theta: ArrayLike) -> FloatArray:
        """Return L(θ) for θ of shape (..., d, m), shape (...)."""
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
            # Rows of one matrix: a stack of them would be multiplied one by one.
            return (theta.reshape(-1, m) @ self.gram).reshape(theta.shape)
