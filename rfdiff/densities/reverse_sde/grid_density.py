"""One solved density on the nodes of a graded grid, as a function of x."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

# SciPy loads a subpackage when it is first used: training alone must not pay for this one.
import scipy

from ...numerics.quadrature import composite_gauss_legendre
from ...support.validation import FloatArray

# Beyond the grid log p̂ goes on along the chord of its last twentieth.
_CHORD = 0.1
_ORDER = 8


@dataclass(frozen=True, eq=False)
class GridDensity:
    """A density of x = middle + width·ξ, ξ = sinh(κη)/sinh κ, known at equally spaced η.

    Args:
        middle: middle of the grid.
        width: half its length.
        kappa: grading κ.
        log_values: log density of ξ at the nodes, from η = −1 to 1.
        log_errors: its estimated error there.
    """

    middle: float
    width: float
    kappa: float
    log_values: FloatArray
    log_errors: FloatArray

    @property
    def finest(self) -> float:
        """Length in x of the smallest cell."""
        cells = len(self.log_values) - 1
        return 2.0 * self.width * self.kappa / np.sinh(self.kappa) / cells

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return log p̂ and its error at x; beyond the grid the error is what the chord adds."""
        xi = (x - self.middle) / self.width
        eta = self._eta(xi)
        value = self._spline(eta) - np.log(self.width)
        error = np.interp(eta, self._nodes, self.log_errors)
        left, right = self._falls
        change = np.where(xi > 0, right, left) * np.maximum(np.abs(xi) - 1.0, 0.0)
        return value + change, error + np.abs(change)

    def slope(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ∂ₓ log p̂ and its error at x: that of the interpolated error, or beyond the grid
        all of the chord's slope.
        """
        xi = (x - self.middle) / self.width
        eta, stretch = self._eta(xi), np.sinh(self.kappa)
        eta_slope = stretch / (self.kappa * self.width * np.hypot(1.0, xi * stretch))
        cell = np.clip(np.searchsorted(self._nodes, eta, side="right") - 1, 0, len(self._nodes) - 2)
        error = np.abs(np.diff(self.log_errors) / np.diff(self._nodes))[cell] * eta_slope
        left, right = self._falls
        outer = np.where(xi > 0, right, -left) / self.width
        inside = np.abs(xi) <= 1.0
        value = np.where(inside, self._spline(eta, 1) * eta_slope, outer)
        return value, np.where(inside, error, np.abs(outer))

    def cdf(self, x: FloatArray) -> FloatArray:
        """Return the distribution function at x."""
        return np.clip(self._cumulative(self._eta((x - self.middle) / self.width)), 0.0, 1.0)

    def _eta(self, xi: FloatArray) -> FloatArray:
        return np.arcsinh(np.clip(xi, -1.0, 1.0) * np.sinh(self.kappa)) / self.kappa

    @cached_property
    def _nodes(self) -> FloatArray:
        return np.linspace(-1.0, 1.0, len(self.log_values))

    @cached_property
    def _spline(self) -> "scipy.interpolate.CubicSpline":
        return scipy.interpolate.CubicSpline(self._nodes, self.log_values)

    @cached_property
    def _falls(self) -> tuple[float, float]:
        """Slopes in |ξ| of the chords at both ends; a density does not rise for ever."""
        chords = [
            float(self._spline(end) - self._spline(self._eta(np.array(end * (1.0 - _CHORD)))))
            for end in (-1.0, 1.0)
        ]
        return min(chords[0] / _CHORD, 0.0), min(chords[1] / _CHORD, 0.0)

    @cached_property
    def _cumulative(self) -> "scipy.interpolate.CubicSpline":
        """The distribution function in η, by Gauss–Legendre on every cell."""
        eta, weights = composite_gauss_legendre(_ORDER, self._nodes)
        stretch = self.kappa * np.cosh(self.kappa * eta) / np.sinh(self.kappa)
        pieces = (np.exp(self._spline(eta)) * stretch * weights).reshape(-1, _ORDER).sum(1)
        total = np.append(0.0, np.cumsum(pieces))
        return scipy.interpolate.CubicSpline(self._nodes, total / total[-1])
