"""Training as a linear ODE, solved exactly: dθ/dτ = −∇L = −2(θG − C) [9, 10].

With G = VΛVᵀ, a = θV is a linear flow mode by mode (`linear_flow`), and everything below is a
scalar function of the spectrum.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ..loss.quadratic import Quadratic, QuadraticLoss
from ..numerics.eigen import symmetric_eigen
from ..numerics.log_interpolation import interpolate_log
from ..numerics.special import geometric_sum
from ..support.errors import ArgumentError
from ..support.threads import blas_threads
from ..support.validation import FloatArray, finite_array, positive, training_times
from .linear_flow import LinearFlow

# Training times handled at once, wide enough for BLAS, unless θ of so many has more numbers than
# this: 128 MB.
_CHUNK, _NUMBERS = 128, 1 << 24


class GradientFlow:
    """The gradient flow of a quadratic loss, from θ₀, at every training time.

    Args:
        quadratic: the loss trained on.
        theta0: θ₀, shape (d, m) or (m,) in one dimension; zero if None.
        spectrum: (Λ, V) of the Gram matrix, where it is known already.

    Attributes:
        quadratic: the loss trained on.
        theta0: θ₀, shape (d, m).
        modes: θ(τ)V, the parameters in the eigenbasis of G.
        eigenvectors: V, shape (m, m), columns.
    """

    def __init__(
        self,
        quadratic: QuadraticLoss,
        theta0: ArrayLike | None = None,
        spectrum: tuple[FloatArray, FloatArray] | None = None,
    ) -> None:
        self.quadratic = quadratic
        d, m = quadratic.cross.shape
        self.theta0 = np.zeros((d, m)) if theta0 is None else finite_array("theta0", theta0)
        if self.theta0.shape == (m,) and d == 1:
            self.theta0 = self.theta0[None, :]
        if self.theta0.shape != (d, m):
            raise ArgumentError(f"theta0 must have shape {(d, m)}, got {self.theta0.shape}")
        eigenvalues, self.eigenvectors = spectrum or symmetric_eigen(quadratic.gram)
        self.modes = LinearFlow(
            np.maximum(eigenvalues, 0.0),
            self.in_modes(quadratic.cross),
            self.in_modes(self.theta0),
        )

    @property
    def eigenvalues(self) -> FloatArray:
        """Λ, shape (m,), ascending; those negative by rounding are zero."""
        return self.modes.eigenvalues

    def in_modes(self, vectors: ArrayLike) -> FloatArray:
        """Return vV, vectors (…, m) in the eigenbasis of G."""
        return np.asarray(vectors, dtype=np.float64) @ self.eigenvectors

    def theta(self, tau: ArrayLike) -> FloatArray:
        """Return θ(τ), shape τ.shape + (d, m); τ = ∞ is the limit θ₀ P_null + C G⁺.

        Args:
            tau: training times of any shape, 0 and ∞ allowed; in 1/[λ].
        """
        tau = training_times("tau", tau)
        flat, (d, m) = tau.ravel(), self.theta0.shape
        out = np.empty((tau.size * d, m))
        with blas_threads(m):
            for i in range(0, tau.size, self._chunk):
                # One matrix of all times: a stack of small ones would be multiplied one by one.
                a = self.modes(flat[i : i + self._chunk]).reshape(-1, m)
                np.matmul(a, self.eigenvectors.T, out=out[i * d : i * d + len(a)])
        return out.reshape(*tau.shape, d, m)

    def loss(self, tau: ArrayLike, quadratic: Quadratic | None = None) -> FloatArray:
        """Return a loss L(θ(τ)), shape τ.shape, in at most O(m) a training time.

        The loss trained on is a sum over modes. Any other is not diagonal in them: it is taken at
        m-independent many times, O(m²) each, and interpolated in ln τ to rounding between them
        (`log_interpolation`); few times are taken as they are.

        Args:
            tau: training times, any shape.
            quadratic: the loss; the one trained on if None.
        """
        tau = training_times("tau", tau)
        if quadratic is None or quadratic is self.quadratic:
            return self.quadratic.constant + self._in_chunks(self.modes.loss, tau)
        return interpolate_log(
            lambda times: self._in_chunks(lambda part: quadratic(self.theta(part)), times), tau
        )

    def gradient_descent(self, step: float, n_steps: ArrayLike) -> FloatArray:
        """Return θ after n_steps of gradient descent with a step η, in closed form.

        θ_k V = θ₀V (1 − 2ηλ)ᵏ + CV · 2η Σ_{i<k} (1 − 2ηλ)ⁱ; ηk plays the part of τ and the flow
        is the limit η → 0 at first order. Steps beyond 1/λ_max diverge, as they do in practice.

        Args:
            step: η.
            n_steps: step counts k of any shape, whose axes lead in the result.
        """
        step, k = positive("step", step), _step_counts(n_steps)
        x = 2.0 * step * self.eigenvalues
        sums = geometric_sum(x, k)
        return self._in_parameters(1.0 - x * sums, 2.0 * step * sums)

    def heavy_ball(self, step: float, momentum: float, n_steps: ArrayLike) -> FloatArray:
        """Return θ after n_steps of θ_{k+1} = θ_k − η∇L(θ_k) + β(θ_k − θ_{k−1}), θ_{−1} = θ₀.

        Each mode is the second-order recurrence of its companion matrix [[1 + β − x, −β], [1, 0]],
        x = 2ηλ, raised to the k-th power by squaring.

        Args:
            step: η.
            momentum: β in [0, 1).
            n_steps: step counts k of any shape, whose axes lead in the result.
        """
        step, k = positive("step", step), _step_counts(n_steps)
        if not 0.0 <= momentum < 1.0:
            raise ArgumentError(f"momentum must be in [0, 1), got {momentum!r}")
        x = 2.0 * step * self.eigenvalues
        # It acts on (θ_k, θ_{k−1}, 1): the 1 carries the drive 2ηC, so null modes need no case.
        companion = np.zeros((len(x), 3, 3))
        companion[:, 0, 0], companion[:, 0, 1] = 1.0 + momentum - x, -momentum
        companion[:, 0, 2], companion[:, 1, 0], companion[:, 2, 2] = 2.0 * step, 1.0, 1.0
        powers = _matrix_powers(companion, k)
        kept = powers[..., 0, 0] + powers[..., 0, 1]
        return self._in_parameters(kept, powers[..., 0, 2])

    @property
    def _chunk(self) -> int:
        """Training times handled at once."""
        return min(_CHUNK, max(1, _NUMBERS // self.theta0.size))

    def _in_chunks(self, curve: Callable[[FloatArray], FloatArray], tau: FloatArray) -> FloatArray:
        """Return a curve of one number a training time, with bounded temporaries."""
        flat, out, step = tau.ravel(), np.empty(tau.size), self._chunk
        for i in range(0, tau.size, step):
            out[i : i + step] = curve(flat[i : i + step])
        return out.reshape(tau.shape)

    def _in_parameters(self, kept: FloatArray, driven: FloatArray) -> FloatArray:
        """Return (θ₀V · kept + CV · driven) Vᵀ for factors of shape (..., m)."""
        modes = self.modes
        mixed = modes.start * kept[..., None, :] + modes.drive * driven[..., None, :]
        return (mixed.reshape(-1, mixed.shape[-1]) @ self.eigenvectors.T).reshape(mixed.shape)


def _step_counts(n_steps: ArrayLike) -> FloatArray:
    """Return step counts with a trailing axis for the modes."""
    k = np.asarray(n_steps)
    if k.size == 0 or not np.issubdtype(k.dtype, np.integer) or (k < 0).any():
        raise ArgumentError(f"n_steps must be non-negative integers, got {n_steps!r}")
    return k[..., None].astype(np.float64)


def _matrix_powers(matrices: FloatArray, k: FloatArray) -> FloatArray:
    """Return the k-th powers of matrices (m, 3, 3) for k (..., 1): shape (..., m, 3, 3)."""
    exponents = k[..., 0].astype(np.int64)
    power = np.broadcast_to(np.eye(3), (*exponents.shape, *matrices.shape)).copy()
    square = matrices
    while (exponents > 0).any():
        odd = (exponents & 1).astype(bool)
        power[odd] = power[odd] @ square
        square = square @ square
        exponents = exponents >> 1
    return power
