"""The spectrum of G at one diffusion time as n, m and d grow in proportion.

Features act(w·x_t) without bias, w ~ N(0, I/d), data x ~ N(0, I) and the exact expectation over
the noise. To leading order the features of a datum are Gaussian given W: with u = w·(r x + σ z)::

    m G ≃ Z Zᵀ/n + μ₁²σ² W Wᵀ + s² I,   Z = μ₁ r W X + v Ω,

where μ₁ = E act′(Γg), Γ² = r² + σ²; v² = E[g₀²] − μ₁²r² is what is not linear in x of the
activation smoothed by the noise, g₀(y) = E act(y + σξ); and s² = E[act²] − E[g₀²] − μ₁²σ². Given W
the columns of Z have covariance A = μ₁²r² WWᵀ + v² I, which commutes with B = μ₁²σ² WWᵀ + s² I, so
that the resolvent is that of A/(1 + δ) + B with::

    δ(z) = tr A (A/(1 + δ) + B − z)⁻¹/n,

and W Wᵀ follows Marchenko and Pastur's law. Gaussian equivalents: Pennington and Worah (2017), Mei
and Montanari (2022); of denoising score matching: George, Veiga and Macris (arXiv 2502.00336), and
Bonnaire, Urfin, Biroli and Mézard (arXiv 2505.17638), whose bulks these are.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...model.activations import ACTIVATIONS, Activation
from ...support.errors import ArgumentError
from ...support.validation import FloatArray, count, finite_array, positive

_HERMITE_NODES, _MARCHENKO_PASTUR_NODES = 100, 200
# Levels of Im z/z on the way down to the real axis, and steps of Newton's method at each.
_LEVELS, _ITERATIONS, _NEAR_AXIS = 24, 3, 1e-8
# Grid on which the support is looked for, and the density, times z, that counts as inside.
_GRID, _INSIDE = 1000, 1e-3
_BISECTIONS = 24
# Nodes of a bulk's share.
_SHARE_NODES = 200


@dataclass(frozen=True)
class Bulk:
    """An interval of the spectrum's support.

    Attributes:
        low: its lower edge.
        high: its upper edge.
        share: share of the eigenvalues in it.
    """

    low: float
    high: float
    share: float


@dataclass(frozen=True)
class GramSpectrum:
    """The asymptotic spectrum of G at one time.

    Args:
        n: number of data.
        m: number of features.
        d: dimension.
        linear_signal: μ₁²r².
        linear_noise: μ₁²σ².
        nonlinear_signal: v².
        nonlinear_noise: s².
        mean: E act(Γg): if not zero, an eigenvalue stands alone far above the bulks.

    >>> spectrum = gram_spectrum("tanh", n=400, m=1000, d=100, r=0.8, sigma=0.6)
    >>> [round(bulk.share * 1000) for bulk in spectrum.bulks], round(spectrum.atom_share * 1000)
    ([400, 100], 500)
    """

    n: int
    m: int
    d: int
    linear_signal: float
    linear_noise: float
    nonlinear_signal: float
    nonlinear_noise: float
    mean: float

    @property
    def atom(self) -> float:
        """s²/m: the eigenvalue of features that neither data nor directions can tell apart."""
        return self.nonlinear_noise / self.m

    @property
    def atom_share(self) -> float:
        """Share of the eigenvalues at `atom`: 1 − (n + d)/m, or 0."""
        return max(0.0, 1.0 - (self.n + self.d) / self.m)

    def density(self, eigenvalues: ArrayLike) -> FloatArray:
        """Return the density of eigenvalues of G without its atom, of their shape."""
        z = self.m * finite_array("eigenvalues", eigenvalues)
        return np.asarray(self.m * self._stieltjes(z).imag / np.pi)

    @cached_property
    def bulks(self) -> tuple[Bulk, ...]:
        """The intervals of the support, ascending, without the atom."""
        grid = np.geomspace(0.5 * self.nonlinear_noise, 2.0 * self._largest, _GRID)
        inside = np.concatenate([[False], self._inside(grid[1:-1]), [False]])
        starts = np.flatnonzero(np.diff(inside.astype(int)) == 1)
        ends = np.flatnonzero(np.diff(inside.astype(int)) == -1)
        lows = self._edges(grid[starts], grid[starts + 1])
        highs = self._edges(grid[ends + 1], grid[ends])
        found = [
            Bulk(float(low / self.m), float(high / self.m), self._share(low, high))
            for low, high in zip(lows, highs, strict=True)
        ]
        # What is left of the atom's own width holds no eigenvalue.
        found = [bulk for bulk in found if bulk.share > 0.5 / self.m]
        # The lowest one may touch the atom, where no quadrature is exact: it has what is left.
        left = 1.0 - self.atom_share - sum(bulk.share for bulk in found[1:])
        return (replace(found[0], share=left), *found[1:])

    @property
    def outlier(self) -> float | None:
        """The eigenvalue of the features' common mean, or None where it is zero.

        The root of 1 = mean² tr(λ − G)⁻¹/m above the bulks: a perturbation of rank one.
        """
        if abs(self.mean) < 1e-12:
            return None
        low, high = np.array([self.m * self.bulks[-1].high]), np.array([self.mean**2 * self.m])
        high = high + 2.0 * low
        for _ in range(2 * _BISECTIONS):
            middle = 0.5 * (low + high)
            pulled = -self._stieltjes(middle).real * self.mean**2 * self.m > 1.0
            low, high = np.where(pulled, middle, low), np.where(pulled, high, middle)
        return float(high[0] / self.m)

    @property
    def _largest(self) -> float:
        """An upper limit of the bulks of m G."""
        edge = (1.0 + np.sqrt(self.m / self.d)) ** 2
        sampling = (1.0 + np.sqrt(self.m / self.n)) ** 2
        signal = self.linear_signal * edge + self.nonlinear_signal
        return float(signal * sampling + self.linear_noise * edge + self.nonlinear_noise)

    @cached_property
    def _directions(self) -> tuple[FloatArray, FloatArray]:
        """Nodes and weights of Marchenko and Pastur's law of WWᵀ, its atom at 0 the first."""
        ratio = self.m / self.d
        centre, half = 1.0 + ratio, 2.0 * np.sqrt(ratio)
        k = np.arange(1, _MARCHENKO_PASTUR_NODES + 1) * np.pi / (_MARCHENKO_PASTUR_NODES + 1)
        x = centre + half * np.cos(k)
        weights = half**2 * np.pi / (len(k) + 1) * np.sin(k) ** 2 / (2.0 * np.pi * ratio * x)
        at_zero = max(0.0, 1.0 - 1.0 / ratio)
        return np.append(0.0, x), np.append(at_zero, weights * (1.0 - at_zero) / weights.sum())

    def _stieltjes(self, z: FloatArray) -> NDArray[np.complex128]:
        """Return tr(m G − z)⁻¹/m just above the real axis, less its atom, of the shape of z."""
        x, weights = self._directions
        signal = self.linear_signal * x + self.nonlinear_signal
        noise = self.linear_noise * x + self.nonlinear_noise
        flat, delta = z.ravel(), np.zeros(z.size, np.complex128)
        # δ is small far from the axis, and followed down to it.
        for height in np.geomspace(10.0, _NEAR_AXIS, _LEVELS):
            at = flat * (1.0 + 1j * height)
            for _ in range(_ITERATIONS):
                below = signal / (1.0 + delta[:, None]) + noise - at[:, None]
                image = self.m / self.n * ((signal / below) @ weights)
                slope = self.m / self.n * (np.square(signal / below) @ weights)
                newton = delta - (delta - image) / (1.0 - slope / np.square(1.0 + delta))
                # A step to the lower half plane, where no solution is, gives way to a damped one.
                delta = np.where(newton.imag > 0.0, newton, 0.5 * (delta + image))
        resolvent = 1.0 / (signal / (1.0 + delta[:, None]) + noise - at[:, None])
        total = resolvent @ weights - self.atom_share / (self.nonlinear_noise - at)
        return np.asarray(total.reshape(z.shape))

    def _inside(self, z: FloatArray) -> np.ndarray:
        """Return whether the density is above zero at eigenvalues z of m G."""
        return self._stieltjes(z).imag * z > _INSIDE

    def _edges(self, outside: FloatArray, inside: FloatArray) -> FloatArray:
        """Return the edges between points outside and inside of the support."""
        for _ in range(_BISECTIONS):
            middle = np.sqrt(outside * inside)
            within = self._inside(middle)
            outside, inside = np.where(within, outside, middle), np.where(within, middle, inside)
        return inside

    def _share(self, low: float, high: float) -> float:
        """Return the share of eigenvalues of m G between two edges."""
        k = (np.arange(_SHARE_NODES) + 0.5) * np.pi / _SHARE_NODES
        z = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(k)
        density = self._stieltjes(z).imag / np.pi
        return float((density * 0.5 * (high - low) * np.sin(k)).sum() * np.pi / _SHARE_NODES)


def gram_spectrum(
    activation: str | Activation, *, n: int, m: int, d: int, r: float, sigma: float
) -> GramSpectrum:
    """Return the asymptotic spectrum of G for features act(w·x_t), w ~ N(0, I/d), data N(0, I).

    Args:
        activation: by name, or itself.
        n: number of data.
        m: number of features.
        d: dimension.
        r: factor of the data in x_t.
        sigma: σ_t, the standard deviation of the noise in x_t.

    Raises:
        ArgumentError: an activation that is linear: it has no bulk of memories.
    """
    act = ACTIVATIONS[activation] if isinstance(activation, str) else activation
    for name, value in (("n", n), ("m", m), ("d", d)):
        count(name, value)
    r, sigma = positive("r", r), positive("sigma", sigma)
    nodes, weights = np.polynomial.hermite_e.hermegauss(_HERMITE_NODES)
    weights = weights / weights.sum()
    whole = np.hypot(r, sigma) * nodes
    slope, mean = weights @ act.derivative(whole), weights @ act(whole)
    square = weights @ np.square(act(whole)) - mean**2
    smoothed = act(r * nodes[:, None] + sigma * nodes) @ weights - mean
    signal_square = weights @ np.square(smoothed)
    linear_signal, linear_noise = slope**2 * r**2, slope**2 * sigma**2
    nonlinear = signal_square - linear_signal, square - signal_square - linear_noise
    if min(nonlinear) <= 1e-9 * square:
        raise ArgumentError(f"activation must not be linear, got {act.name!r}")
    return GramSpectrum(n, m, d, *map(float, (linear_signal, linear_noise, *nonlinear, mean)))
