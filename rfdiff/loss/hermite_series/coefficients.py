"""Hermite coefficients of all features at the Gaussians of a block, order by order.

E[act_i act_j] = Σ_p ρ_ij^p c_p(i) c_p(j). Coefficients come with the square root of their row's
weight, so that a product of matrices sums over rows, and all orders with their exact sum over p of
c_p², the diagonal.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..._kernels.assembly import hermite as kernels
from ...diffusion.mixtures import GaussianMixture
from ...model.features import RandomFeatures
from ...support.validation import FloatArray
from .rows import Rows, Times

# One order: √ω c_p/√factor (rows, m), that factor, and the error of √(Σ ω c_p²).
Term = tuple[FloatArray, float, float]


@dataclass(frozen=True, eq=False)
class Coefficients:
    """The coefficients of a block.

    Attributes:
        diagonal: Σ ω E act_j² over the rows, shape (m,).
        diagonal_error: the largest error of these.
        terms: orders 0, 1, 2, …; a matrix is valid until the next term is asked for.
        alpha: a/s, shape (rows, m), for ReLU alone.
    """

    diagonal: FloatArray
    diagonal_error: float
    terms: Iterator[Term]
    alpha: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class FeatureCoefficients:
    """Hermite coefficients of frozen features at Gaussians.

    Args:
        law: law of x(0).
        times: time nodes.
        features: frozen features.
    """

    law: GaussianMixture
    times: Times
    features: RandomFeatures
    _projections: dict[str, Any] = field(default_factory=dict)

    @property
    def closed(self) -> bool:
        """Whether a kernel has the coefficients: ReLU."""
        return self.features.act.is_piecewise_linear

    def at(self, rows: Rows, expected: int, kernel: bool = True) -> Coefficients:
        """Return the coefficients of a block.

        Args:
            rows: the block.
            expected: about how many orders will be asked for.
            kernel: whether the kernel may give them, which a few rows are too few for.
        """
        projected = self._projected(rows.components)
        norms = np.linalg.norm(self.features.W, axis=1)
        if self.closed and kernel:
            return self._of_relu(rows, projected, norms)
        biases = self.features.biases(self.times.t)[rows.time]
        a = rows.scale[:, None] * np.tile(projected, (len(rows) // len(projected), 1)) + biases
        return self._of_any(rows, a, rows.width[:, None] * norms, expected)

    def _projected(self, components: slice) -> FloatArray:
        """Return w_j·μ of components, shape (n, m); blocks that follow each other share them."""
        if self._projections.get("of") != components:
            products = self.law.means[components] @ self.features.W.T
            self._projections.update(of=components, products=products)
        return np.asarray(self._projections["products"])

    def _of_relu(self, rows: Rows, projected: FloatArray, norms: FloatArray) -> Coefficients:
        first_time = int(rows.time[0])
        biases = self.features.biases(self.times.t[first_time : int(rows.time[-1]) + 1])
        # Fresh memory is slow to write to: blocks of one size share theirs, one after the other.
        shape = (4, len(rows), len(norms))
        room = self._projections.get("room")
        if room is None or room.shape != shape:
            room = self._projections["room"] = np.empty(shape)
        alpha, zeroth, first, smooth = room
        diagonal = np.empty(len(norms))
        kernels.relu_start(
            projected, rows.scale, rows.time - first_time, biases, rows.width, norms, rows.root,
            alpha, zeroth, first, smooth, diagonal,
        )  # fmt: skip

        def terms() -> Iterator[Term]:
            yield zeroth, 1.0, 0.0
            yield first, 1.0, 0.0
            newer, older = smooth, zeroth
            yield newer, 0.5, 0.0
            kernels.relu_second(alpha, newer, older)
            k = 1
            while True:
                newer, older = older, newer
                yield newer, 1.0 / ((k + 2.0) * (k + 1.0)), 0.0
                kernels.relu_step(alpha, newer, older, float(k))
                k += 1

        return Coefficients(diagonal, 0.0, terms(), alpha)

    def _of_any(self, rows: Rows, a: FloatArray, s: FloatArray, expected: int) -> Coefficients:
        act, root = self.features.act, rows.root[:, None]
        square = act.mean_square(a, s)

        def terms() -> Iterator[Term]:
            start, stop = 0, expected
            while True:
                found = act.hermite(a, s, stop)
                for p in range(start, stop + 1):
                    error = np.sqrt(np.square(root * found.error[p]).sum(axis=0).max())
                    yield root * found.value[p], 1.0, float(error)
                start, stop = stop + 1, 2 * stop + 1

        diagonal, error = (np.square(rows.root) @ part for part in (square.value, square.error))
        return Coefficients(diagonal, float(error.max()), terms())
