"""What rounding and quadrature errors of G and C, and of the spectrum, do to results of training.

A result with gradient u(τ) in θ changes by u·δθ(τ). With a flow θ(τ)V = c f(Λ) + a₀ g(Λ),
f(λ) = 2τφ₁(−2λτ), g(λ) = e^{−2λτ}, and perturbations E of G in its eigenbasis and e of C,
    u·δθ = Σ_ij u_i (f[λ_i, λ_j] c_j + g[λ_i, λ_j] a₀_j) E_ij + Σ_i u_i f(λ_i) e_i,
with divided differences f[λ_i, λ_j] (Daleckii and Krein). Rounding is taken as independent: entries
of G err by ε√(G_ii G_jj), its computed eigenpairs belong to a matrix that errs by ε λ_max an entry,
C by ε|C_j|. That gives a variance: an error is three standard deviations. Where G and C come by
quadrature or a series, their differences from a coarser one stand for E and e, signs and all.

f[λ_i, λ_j] changes slowly with ln λ, so the eigenvalues are gathered in bins of equal ratio: a
deviation costs one product u·V and a sum over pairs of bins.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..loss.quadratic import Quadratic
from ..model.theta_error import Gradient
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
# Standard deviations that an error covers.
_DEVIATIONS = 3.0
# Eigenvalues this close to the rank tolerance may be on its other side, as a factor.
_NEAR_RANK = 4.0
# What the finer of two rules may err by, in units of their difference: next to nothing where they
# converge, but panels too wide for the activation converge slowly.
_QUADRATURE = 3.0
# Rounding of a loss as a whole, in units of ε: σ_t is known to some hundred of them at small t.
_OF_PROCESS = 1024.0
# Training times asked a decade, and the decade beyond which τ counts as 0 or ∞.
_ASKED_A_DECADE, _FAR = 4.0, 330.0
# Arguments of φ₁′ below which its series is used.
_SMALL = 1e-2


@dataclass(frozen=True, eq=False)
class FlowRounding:
    """The error of θ(τ) along a flow, to first order.

    Args:
        flow: the gradient flow of a quadratic.
    """

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

    def of_quadrature(self, tau: FloatArray, gradient: FloatArray) -> FloatArray:
        """Return what the coarser rule of G and C, where there is one, changes of results, (…, k).

        Args:
            tau: as in `deviation`.
            gradient: as in `deviation`.
        """
        u = self.flow.in_modes(gradient)
        out = np.zeros(u.shape[:-2])
        if self._quadrature is None:
            return out
        modes = self.flow.modes
        of_gram, of_cross = self._quadrature
        for k, time in enumerate(tau):
            f_pairs, g_pairs, f = self._divided(float(time), modes.eigenvalues)
            change = modes.drive @ (f_pairs * of_gram) + f * of_cross
            if modes.start.any():
                change = change + modes.start @ (g_pairs * of_gram)
            terms = u[..., k, :, :] * change
            # A sum that passes through zero knows nothing: what its terms are stands beside it.
            spread = np.sqrt(np.square(terms).sum((-2, -1)))
            out[..., k] = _QUADRATURE * (np.abs(terms.sum((-2, -1))) + spread)
        return out

    @cached_property
    def _quadrature(self) -> tuple[FloatArray, FloatArray] | None:
        """Return E and e between the rule of G and C and the coarser one, in the eigenbasis."""
        fine, vectors = self.flow.quadratic, self.flow.eigenvectors
        if fine.coarse is None:
            return None
        of_gram, of_cross = fine.gram - fine.coarse.gram, fine.cross - fine.coarse.cross
        return vectors.T @ of_gram @ vectors, of_cross @ vectors

    def of_rank(self, tau: FloatArray, gradient: FloatArray) -> FloatArray:
        """Return what the rank tolerance decides at τ = ∞, zero elsewhere, shape (…, k).

        Modes within a factor of it might as well be on its other side: they count with all that
        they add.

        Args:
            tau: as in `deviation`.
            gradient: as in `deviation`.
        """
        modes, u = self.flow.modes, self.flow.in_modes(gradient)
        tolerance = max(modes.rank_tolerance, np.finfo(float).tiny)
        near = (modes.eigenvalues > tolerance / _NEAR_RANK) & (
            modes.eigenvalues < tolerance * _NEAR_RANK
        )
        out = np.zeros(u.shape[:-2])
        if near.any():
            learned = modes.drive[..., near] / modes.eigenvalues[near]
            moved = np.abs(learned - modes.start[..., near])
            out[..., np.isinf(tau)] = (np.abs(u[..., np.isinf(tau), :, :][..., near]) * moved).sum(
                (-2, -1)
            )
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
            largest = float(eigenvalues[-1]) or 1.0
            level = np.floor(_A_DECADE * np.log10(eigenvalues / largest))
        level = np.maximum(level, -_A_DECADE * _DECADES)
        return np.flatnonzero(np.diff(level, prepend=-np.inf))

    @cached_property
    def _bins(self) -> FloatArray:
        """The mean eigenvalue of every bin."""
        counts = np.diff(self._starts, append=len(self.flow.eigenvalues))
        return self._gather(self.flow.eigenvalues) / counts

    def _pairs(self, tau: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return f[λ_a, λ_b] and g[λ_a, λ_b] of pairs of bins, and f of every mode."""
        f_pairs, g_pairs, _ = self._divided(tau, self._bins)
        return f_pairs, g_pairs, self._functions(tau, self.flow.eigenvalues)[0]

    def _divided(
        self, tau: float, eigenvalues: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return f[λ_i, λ_j], g[λ_i, λ_j] and f(λ_i) of some eigenvalues."""
        f, f_slope, g, g_slope = self._functions(tau, eigenvalues)
        return _divided(eigenvalues, f, f_slope), _divided(eigenvalues, g, g_slope), f

    def _functions(self, tau: float, eigenvalues: FloatArray) -> tuple[FloatArray, ...]:
        """Return f, f′, g and g′ at eigenvalues; at τ = ∞ null modes keep f = 0 and g = 1."""
        if np.isinf(tau):
            learned = eigenvalues > self.flow.modes.rank_tolerance
            f = np.divide(1.0, eigenvalues, out=np.zeros_like(eigenvalues), where=learned)
            return f, -np.square(f), np.where(learned, 0.0, 1.0), np.zeros_like(f)
        z = -2.0 * eigenvalues * tau
        g = np.exp(z)
        return 2.0 * tau * phi1(z), -2.0 * tau * (2.0 * tau * _phi1_slope(z)), g, -2.0 * tau * g


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


@dataclass(frozen=True, eq=False)
class FlowRoundingAt:
    """The error of θ at given training times: a `ThetaError`.

    Gradients are asked for at some training times a decade, next to which errors change little;
    between two of them the larger error counts.

    Args:
        rounding: the error along the flow.
        tau: training times (n_τ,).
    """

    rounding: FlowRounding
    tau: FloatArray

    def of(self, gradient: Gradient) -> FloatArray:
        """Return the error of results by their gradients in θ, shape (…, n_τ)."""
        chosen, low, high = self._chosen
        tau, u = self.tau[chosen], gradient(chosen)
        # Squares that are no floats leave an error unknown.
        with np.errstate(over="ignore", invalid="ignore"):
            error = _DEVIATIONS * self.rounding.deviation(tau, u)
            error += self.rounding.of_quadrature(tau, u) + self.rounding.of_rank(tau, u)
        error = np.nan_to_num(error, nan=np.inf, posinf=np.inf)
        return np.maximum(error[..., low], error[..., high])

    @cached_property
    def _chosen(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Return the training times asked, and for every one the asked ones around it."""
        with np.errstate(divide="ignore"):
            level = np.clip(np.log10(self.tau), -_FAR, _FAR)
        order = np.argsort(level, kind="stable")
        ascending = level[order]
        step = np.floor(_ASKED_A_DECADE * ascending)
        kept = np.diff(step, prepend=-np.inf) > 0
        kept[-1] = True
        chosen = np.flatnonzero(kept)
        position = np.empty(len(order), dtype=np.intp)
        position[order] = np.arange(len(order))
        high = np.searchsorted(chosen, position)
        low = np.maximum(np.searchsorted(chosen, position, side="right") - 1, 0)
        return order[chosen], low, high

    def of_loss(self, quadratic: Quadratic) -> FloatArray:
        """Return the error of L(θ(τ)) of a quadratic: that of θ, and that of its own G, C and sum.

        Args:
            quadratic: the loss, of the flow or another, in any form.
        """
        flow = self.rounding.flow
        size = _EPSILON * (_OF_EIGH * float(flow.eigenvalues[-1]) + quadratic.diagonal)

        def own(theta: FloatArray) -> FloatArray:
            """Return what L(θ) errs by at a given θ."""
            error = np.abs(theta) @ (_EPSILON * np.abs(quadratic.cross).sum(0))
            error = (np.square(theta) @ size + 2.0 * error).sum(-1)
            size_of_loss = abs(quadratic.constant) + np.abs(quadratic(theta))
            error = _DEVIATIONS * error + _OF_PROCESS * _EPSILON * size_of_loss
            if quadratic.coarse is not None:
                error += _QUADRATURE * np.abs(quadratic.coarse(theta) - quadratic(theta))
            return error

        chosen, low, high = self._chosen
        with np.errstate(over="ignore", invalid="ignore"):
            at_chosen = np.nan_to_num(own(flow.theta(self.tau[chosen])), nan=np.inf, posinf=np.inf)
        of_theta = self.of(lambda k: quadratic.gradient(flow.theta(self.tau[k])))
        return of_theta + np.maximum(at_chosen[low], at_chosen[high])
