"""What an error of θ does to log p̂, by the score integral.

log p̂(x) = θ·ψ(x) − log Z has the gradient ψ(x) − E_p̂[ψ] in θ. The laws of the probability flow and
of the reverse SDE change by the same δ log p̂ where the change of the score is that of a law's; for
any change, by one of that size.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..diffusion.law_on_domain import Domain, Reference
from ..model.line.x_integral import XIntegral, x_integral
from ..model.score import RandomFeatureScore
from ..numerics.quadrature import composite_gauss_legendre
from ..support.validation import FloatArray

# Panels and nodes for E_p̂[ψ], and points between which the error of log p̂ is interpolated.
_PANELS, _ORDER, _POINTS = 128, 4, 65


@dataclass(frozen=True, eq=False)
class LogDensityThetaError:
    """The error of log p̂, and of its means, that the error of θ makes.

    Args:
        score: a one-dimensional random-feature score.
        t: evaluation time.
        hull: an interval that holds all of the mass, finite.
    """

    score: RandomFeatureScore
    t: float
    hull: Domain

    def of_mean(self, law: Any, domain: Domain) -> FloatArray:
        """Return the error of E_p[log p̂], p restricted to the domain: shape (…)."""
        theta_error = self.score.theta_error
        if theta_error is None:
            return np.zeros(self.score.shape)
        mean, _ = self._integral.moments(Reference(law, domain))
        error = theta_error.of(lambda k: (mean - self._learned_mean(k))[:, None, :])
        return error.reshape(self.score.shape)

    def __call__(self, x: FloatArray) -> FloatArray:
        """Return the error of log p̂(x), shape (…) + x.shape."""
        if self.score.theta_error is None:
            return np.zeros(self.score.shape + x.shape)
        return self._interpolated(x, self._at_points)

    def of_slope(self, x: FloatArray) -> FloatArray:
        """Return the error of ∂ₓ log p̂(x) = s(x, t), shape (…) + x.shape."""
        if self.score.theta_error is None:
            return np.zeros(self.score.shape + x.shape)
        return self._interpolated(x, self._slope_at_points)

    def _interpolated(self, x: FloatArray, at_points: FloatArray) -> FloatArray:
        flat = np.stack([np.interp(x, self._points, error) for error in at_points])
        return flat.reshape(self.score.shape + x.shape)

    @cached_property
    def _integral(self) -> XIntegral:
        low, high = self.hull
        return x_integral(self.score.features, self.t, 0.5 * (low + high), self.hull)

    @cached_property
    def _nodes(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return nodes (N,), log weights and ψ there (N, m)."""
        x, weights = composite_gauss_legendre(_ORDER, np.linspace(*self.hull, _PANELS + 1))
        return x, np.log(weights), self._psi(x)

    def _psi(self, x: FloatArray) -> FloatArray:
        return self._integral.evaluate(np.eye(self.score.features.width), x).T

    def _learned_mean(self, k: NDArray[np.intp]) -> FloatArray:
        """Return E_p̂[ψ] at training times k, shape (len(k), m)."""
        _, log_weights, psi = self._nodes
        log_mass = self.score.flat_theta[k] @ psi.T + log_weights
        mass = np.exp(log_mass - log_mass.max(1, keepdims=True))
        return (mass @ psi) / mass.sum(1, keepdims=True)

    @cached_property
    def _points(self) -> FloatArray:
        return np.linspace(*self.hull, _POINTS)

    @cached_property
    def _at_points(self) -> FloatArray:
        """Return the error at the points, shape (n_τ, _POINTS)."""
        assert self.score.theta_error is not None
        psi = self._psi(self._points)
        error = self.score.theta_error.of(
            lambda k: (psi[:, None, :] - self._learned_mean(k))[:, :, None, :]
        )
        return error.T

    @cached_property
    def _slope_at_points(self) -> FloatArray:
        """Return the error of the score at the points, shape (n_τ, _POINTS)."""
        assert self.score.theta_error is not None
        h = self.score.features(self._points, self.t)[:, None, None, :]
        error = self.score.theta_error.of(
            lambda k: np.broadcast_to(h, (len(h), len(k), 1, h.shape[-1]))
        )
        return error.T
