"""A quadratic loss as ‖θF − v‖² + least, G = FFᵀ: the digits that plain products lose.

The plain form θGθᵀ − 2θCᵀ + c loses what ‖θ‖² multiplies of rounding, eight digits after long
training, where ‖θ‖² passes 10⁷ and the terms cancel. Here it is ‖θ‖, and products are accurate.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..numerics.eigen import symmetric_eigen
from ..numerics.special import accurate_product
from ..support.validation import FloatArray


@dataclass(frozen=True, eq=False)
class CompletedSquare:
    """L(θ) = ‖θF − v‖² + least.

    Attributes:
        factor: F, shape (m, m).
        best: v, shape (d, m).
        least: the smallest value of L.
    """

    factor: FloatArray
    best: FloatArray
    least: float

    @classmethod
    def of(cls, gram: FloatArray, cross: FloatArray, constant: float) -> "CompletedSquare":
        """Factor G by its eigenvectors, C and c₀ as in `QuadraticLoss`."""
        eigenvalues, vectors = symmetric_eigen(gram)
        root = np.sqrt(np.maximum(eigenvalues, 0.0))
        drive = cross @ vectors
        # |c_i| ≤ √(λ_i E‖∇log p‖²): next to no eigenvalue, next to nothing to learn.
        learned = eigenvalues > 1e-3 * np.finfo(float).eps * eigenvalues[-1]
        best = np.divide(drive, root, out=np.zeros_like(drive), where=learned)
        return cls(vectors * root, best, constant - float((best**2).sum()))

    def __call__(self, theta: ArrayLike) -> FloatArray:
        """Return L(θ) for θ of shape (…, d, m), shape (…)."""
        theta = np.asarray(theta, dtype=np.float64)
        return self.least + (self._from_best(theta) ** 2).sum((-2, -1))

    def difference(self, theta: ArrayLike, other: ArrayLike) -> FloatArray:
        """Return L(θ) − L(θ') as ⟨(θ − θ')F, (θ + θ')F − 2v⟩, shape (…)."""
        theta, other = np.asarray(theta, np.float64), np.asarray(other, np.float64)
        both = self._from_best(theta) + self._from_best(other)
        return np.einsum("...dm,...dm->...", accurate_product(theta - other, self.factor), both)

    def _from_best(self, theta: FloatArray) -> FloatArray:
        """Return θF − v, of the shape of θ."""
        return accurate_product(theta, self.factor) - self.best
