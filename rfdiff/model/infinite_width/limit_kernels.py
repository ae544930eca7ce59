"""Kernels of infinitely wide random features: k(z, z') = E_v[act(v·z) act(v·z')].

z = (x, e(t)) ∈ R^D, D = d + d_e. The `gaussian` law, v ~ N(0, I/D), has closed forms for ReLU
(arc-cosine, order 1: Cho and Saul 2009) and erf (arc-sine: Williams 1998).
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...support.validation import FloatArray


class Kernel(Protocol):
    """k(z, z') for rows z (P, D) and z' (Q, D), and its derivative along the first axis of z."""

    def __call__(self, z: FloatArray, other: FloatArray) -> FloatArray:
        """Return k, shape (P, Q)."""

    def derivative(self, z: FloatArray, other: FloatArray) -> FloatArray:
        """Return ∂k/∂z₀, shape (P, Q)."""


@dataclass(frozen=True)
class ArcCosineKernel:
    """E[ReLU(v·z) ReLU(v·z')], v ~ N(0, I/D): |z||z'| (sin ϑ + (π − ϑ) cos ϑ)/(2πD).

    ϑ is the angle between z and z'.

    >>> z = np.array([[3.0, 4.0]])
    >>> float(ArcCosineKernel()(z, z)[0, 0])  # |z|²/(2D)
    6.25
    """

    def __call__(self, z: FloatArray, other: FloatArray) -> FloatArray:
        """Return k, shape (P, Q)."""
        lengths, cosine = _cosines(z, other)
        angle = np.arccos(cosine)
        # The slope in cos ϑ is π − ϑ: bounded, so rounding near ϑ = 0 is harmless.
        angular = np.sqrt(1.0 - cosine**2) + (np.pi - angle) * cosine
        return lengths * angular / (2.0 * np.pi * z.shape[1])

    def derivative(self, z: FloatArray, other: FloatArray) -> FloatArray:
        """Return ∂k/∂z₀ = (z₀ |z'|/|z| sin ϑ + (π − ϑ) z'₀)/(2πD)."""
        _, cosine = _cosines(z, other)
        length, other_length = np.linalg.norm(z, axis=1), np.linalg.norm(other, axis=1)
        along = np.outer(z[:, 0] / np.where(length > 0, length, 1.0), other_length)
        slope = along * np.sqrt(1.0 - cosine**2) + (np.pi - np.arccos(cosine)) * other[:, 0]
        return slope / (2.0 * np.pi * z.shape[1])


@dataclass(frozen=True)
class ArcSineKernel:
    """E[erf(v·z) erf(v·z')], v ~ N(0, I/D): (2/π) arcsin(2z·z'/√((D + 2|z|²)(D + 2|z'|²)))."""

    def __call__(self, z: FloatArray, other: FloatArray) -> FloatArray:
        """Return k, shape (P, Q)."""
        return 2.0 / np.pi * np.arcsin(self._sine(z, other))

    def derivative(self, z: FloatArray, other: FloatArray) -> FloatArray:
        """Return ∂k/∂z₀."""
        length = self._length(z)
        sine = self._sine(z, other)
        direct = 2.0 * other[:, 0] / np.sqrt(np.outer(length, self._length(other)))
        through_length = sine * (2.0 * z[:, 0] / length)[:, None]
        return 2.0 / np.pi * (direct - through_length) / np.sqrt(1.0 - sine**2)

    def _sine(self, z: FloatArray, other: FloatArray) -> FloatArray:
        return 2.0 * z @ other.T / np.sqrt(np.outer(self._length(z), self._length(other)))

    @staticmethod
    def _length(z: FloatArray) -> FloatArray:
        return z.shape[1] + 2.0 * (z**2).sum(1)


def _cosines(z: FloatArray, other: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return |z||z'| and cos ϑ, clipped to [−1, 1]; a zero vector is orthogonal to all."""
    lengths = np.outer(np.linalg.norm(z, axis=1), np.linalg.norm(other, axis=1))
    cosine = np.divide(z @ other.T, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return lengths, np.clip(cosine, -1.0, 1.0)
