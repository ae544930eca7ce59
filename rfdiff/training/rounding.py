"""What rounding of G, C and the spectrum does to a result of training, to first order in it.

A result with gradient u(τ) in θ changes by u·δθ(τ). With a flow θ(τ)V = c f(Λ) + a₀ g(Λ),
f(λ) = 2τφ₁(−2λτ), g(λ) = e^{−2λτ}, and perturbations E of G in its eigenbasis and e of C,
    u·δθ = Σ_ij u_i (f[λ_i, λ_j] c_j + g[λ_i, λ_j] a₀_j) E_ij + Σ_i u_i f(λ_i) e_i,
with divided differences f[λ_i, λ_j] (Daleckii and Krein). Rounding is taken as independent: entries
of G err by ε√(G_ii G_jj), its computed eigenpairs belong to a matrix that errs by ε λ_max an entry,
C by ε|C_j|. That gives a variance, not a bound: deviations are standard deviations.

f[λ_i, λ_j] changes slowly with ln λ, so the eigenvalues are gathered in bins of equal ratio: a
deviation costs one product u·V and a sum over pairs of bins.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..numerics.special import phi1
from ..support.validation import FloatArray
from .gradient_flow import GradientFlow

_EPSILON = 2.0**-53
# Bins of eigenvalues: so many a decade, over so many decades below the largest.
_A_DECADE, _DECADES = 8, 24
# The entries of what an eigendecomposition errs by, in units of ε λ_max: measured by permuting
# features, 0.02 to 0.3 of λ_max.
_OF_EIGH = 1.0 / 3.0
# Differences of f below this share of f are left to its slopes.
_CANCELLED = 1e-6
# Arguments of φ₁′ below which its series is used.
_SMALL = 1e-2


@dataclass(frozen=True, eq=False)
class ThetaRounding:
    """The rounding of θ(τ) along a flow, as it shows in results."""

    flow: GradientFlow

    def deviation(self, tau: FloatArray, gradient: FloatArray) -> FloatArray:
        """Return the standard deviation of u·δθ(τ), shape (…, k).

        Args:
            tau: training times (k,).
            gradient: u, gradients of results in θ, shape (…, k, d, m).
        """
        modes = self.flow.modes
        u = self.flow.in_modes(gradient)
        drive, start = modes.drive, modes.start
        out = np.zeros(u.shape[:-2])
        for k, time in enumerate(tau):
            f_pairs, g_pairs, f = self._pairs(float(time))
            for d in range(u.shape[-2]):
                square = np.square(u[..., k, d, :])
                pairs = self._spread(square, drive[d], f_pairs)
                if start.any():
                    pairs = pairs + self._spread(square, start[d], g_pairs)
                of_cross = square * np.square(f) @ np.square(self._cross_error[d])
                # The same E acts on all outputs: their deviations add.
                out[..., k] += np.sqrt(2.0 * pairs + of_cross)
        return out

    def _spread(self, square: FloatArray, driven: FloatArray, pairs: FloatArray) -> FloatArray:
        """Return Σ_ij u_i² f[λ_i, λ_j]² c_j² var E_ij, (…)."""
        weighted = np.square(driven)
        total = 0.0
        for variance in (self._of_assembly, np.full(len(driven), self._of_spectrum)):
            left, right = self._gather(square * variance), self._gather(weighted * variance)
            total = total + np.einsum("...a,ab,b->...", left, np.square(pairs), right)
        return np.asarray(total)

    def _gather(self, values: FloatArray) -> FloatArray:
        """Return sums over bins of values (…, m) along modes."""
        return np.add.reduceat(values, self._starts, axis=-1)

    @cached_property
    def _of_assembly(self) -> FloatArray:
        """Return γ with var E_ij ≤ γ_i γ_j from entries of G: γ = ε Σ_k V_ki² G_kk, (m,)."""
        return _EPSILON * self.flow.quadratic.diagonal @ np.square(self.flow.eigenvectors)

    @property
    def _of_spectrum(self) -> float:
        """Return γ of the computed eigenpairs, the same for all entries."""
        return _EPSILON * _OF_EIGH * float(self.flow.eigenvalues[-1])

    @cached_property
    def _cross_error(self) -> FloatArray:
        """Return the standard deviation of e in the eigenbasis, (d, m)."""
        squares = np.square(self.flow.quadratic.cross) @ np.square(self.flow.eigenvectors)
        return _EPSILON * np.sqrt(squares)

    @cached_property
    def _starts(self) -> np.ndarray:
        """First mode of every bin; eigenvalues ascend."""
        eigenvalues = self.flow.eigenvalues
        with np.errstate(divide="ignore"):
            level = np.floor(_A_DECADE * np.log10(eigenvalues / eigenvalues[-1]))
        level = np.maximum(level, -_A_DECADE * _DECADES)
        return np.flatnonzero(np.diff(level, prepend=-np.inf))

    @cached_property
    def _bins(self) -> FloatArray:
        """The mean eigenvalue of every bin."""
        counts = np.diff(self._starts, append=len(self.flow.eigenvalues))
        return self._gather(self.flow.eigenvalues) / counts

    def _pairs(self, tau: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return f[λ_a, λ_b] and g[λ_a, λ_b] of pairs of bins, and f of every mode."""
        modes, bins = self.flow.modes, self._bins
        if np.isinf(tau):
            learned = bins > modes.rank_tolerance
            inverse = np.divide(1.0, bins, out=np.zeros_like(bins), where=learned)
            f_slope, g_slope = -np.square(inverse), np.zeros_like(bins)
            f, g = inverse, np.where(learned, 0.0, 1.0)
            every = np.divide(
                1.0, modes.eigenvalues, out=np.zeros_like(modes.eigenvalues), where=modes.learned
            )
        else:
            z = -2.0 * bins * tau
            f, g = 2.0 * tau * phi1(z), np.exp(z)
            f_slope, g_slope = -4.0 * tau * tau * _phi1_slope(z), -2.0 * tau * g
            every = 2.0 * tau * phi1(-2.0 * modes.eigenvalues * tau)
        return _divided(bins, f, f_slope), _divided(bins, g, g_slope), every


def _phi1_slope(z: FloatArray) -> FloatArray:
    """Return φ₁′(z) = (eᶻ − φ₁(z))/z."""
    small = np.abs(z) < _SMALL
    safe = np.where(small, 1.0, z)
    series = 0.5 + z * (1.0 / 3.0 + z * (0.125 + z / 30.0))
    return np.where(small, series, (np.exp(safe) - phi1(safe)) / safe)


def _divided(x: FloatArray, f: FloatArray, slope: FloatArray) -> FloatArray:
    """Return (f_a − f_b)/(x_a − x_b), or the mean of both slopes where f_a − f_b has no digits."""
    gap = x[:, None] - x
    change = f[:, None] - f
    mean = 0.5 * (slope[:, None] + slope)
    cancelled = np.abs(change) <= _CANCELLED * np.maximum(np.abs(f[:, None]), np.abs(f))
    return np.where(cancelled, mean, change / np.where(gap == 0.0, 1.0, gap))
