"""Theorems 1 and 2 as functions of (τ, n, m, μ), with constants fitted to measurements.

Theorem 1 (compact support), τ ≥ 1::

    KL ≲ [τ⁴/(mn) + τ³/m² + 1/τ] + [1/m + L̃̄(θ̄*) + L̃(θ*)] + KL(p_T‖π).

Theorem 2 (two Gaussian modes at ±μ)::

    KL ≲ Poly(μ)[τ⁴/(mn) + τ³/m²] + 1/τ + [μ²/m + L̃̄(θ̄*) + L̃(θ*)] + KL(p_T‖π).

The minimiser over τ solves 4a τ⁵/(mn) + 3b τ⁴/m² = c, which has exactly one root; only with m ∝ n
does it grow as n^{2/5}, and the bound there fall as n^{−2/5} + m^{−4/5}.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import nnls

from ..numerics.curve_minimum import grid_minimum
from ..support.errors import ArgumentError
from ..support.validation import FloatArray, count, finite_array


@dataclass(frozen=True, eq=False)
class RateFunction:
    """The bound of Theorem 1 or 2 with explicit constants.

    Value: P_n(μ) τ⁴/(mn) + P_m(μ) τ³/m² + optimisation/τ + width μ^{width_power}/m + floor, with
    P(μ) = Σ_k coefficient_k μᵏ. Theorem 1 is one coefficient each and width_power 0.

    >>> rate = RateFunction([1.0], [1.0], 1.0, 1.0, 0.0)
    >>> n = np.array([1e6, 1e7])
    >>> tau = rate.best_time(n, n)
    >>> round(float(np.log10(tau[1] / tau[0])), 3)
    0.4
    """

    sample: FloatArray
    kernel: FloatArray
    optimisation: float
    width: float
    floor: float
    width_power: int = 0

    def __post_init__(self) -> None:
        for name in ("sample", "kernel"):
            coefficients = finite_array(name, getattr(self, name), ndim=1)
            if (coefficients < 0).any():
                raise ArgumentError(f"{name} must be non-negative, got {coefficients.min():g}")
            object.__setattr__(self, name, coefficients)
        for name in ("optimisation", "width", "floor"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ArgumentError(f"{name} must be non-negative, got {getattr(self, name)}")

    def __call__(
        self, tau: ArrayLike, n: ArrayLike, m: ArrayLike, mu: ArrayLike = 1.0
    ) -> FloatArray:
        """Return the bound at training time τ > 0; arguments broadcast."""
        tau, n, m, mu = _broadcast(tau, n, m, mu)
        gap = _polynomial(self.sample, mu) * tau**4 / (m * n)
        gap = gap + _polynomial(self.kernel, mu) * tau**3 / m**2
        return gap + self.optimisation / tau + self.width * mu**self.width_power / m + self.floor

    def best_time(self, n: ArrayLike, m: ArrayLike, mu: ArrayLike = 1.0) -> FloatArray:
        """Return τ_es(n, m), the minimiser: the one root of 4a τ⁵/(mn) + 3b τ⁴/m² = c.

        Zero if the optimisation constant is 0, infinite if nothing grows with τ.

        Args:
            n: sample sizes.
            m: widths.
            mu: half the distance of the modes.
        """
        n, m, mu = _broadcast(n, m, mu)
        fifth = 4.0 * _polynomial(self.sample, mu) / (m * n)
        fourth = 3.0 * _polynomial(self.kernel, mu) / m**2
        if self.optimisation == 0.0:
            return np.zeros(n.shape)
        # Either term alone gives an upper end of the root. In log τ the equation is convex and
        # increasing, so Newton's method from there converges monotonically.
        with np.errstate(divide="ignore"):
            log_c = np.log(self.optimisation)
            ends = np.minimum((log_c - np.log(fifth)) / 5.0, (log_c - np.log(fourth)) / 4.0)
            log_fifth, log_fourth = np.log(fifth), np.log(fourth)
        grows = np.isfinite(ends)
        log_tau = np.where(grows, ends, 0.0)
        for _ in range(60):
            a = np.exp(np.where(grows, log_fifth + 5.0 * log_tau, 0.0))
            b = np.exp(np.where(grows, log_fourth + 4.0 * log_tau, 0.0))
            residual = np.log(a + b) - log_c
            log_tau = np.where(grows, log_tau - residual * (a + b) / (5.0 * a + 4.0 * b), 0.0)
        return np.where(grows, np.exp(log_tau), np.inf)

    def lowest_on(
        self, tau: FloatArray, n: ArrayLike, m: ArrayLike, mu: ArrayLike = 1.0
    ) -> tuple[FloatArray, FloatArray]:
        """Return τ_es and the bound there, found on a grid of τ as measured curves' minima are.

        At an end of the grid where the bound has no minimum between its points.

        Args:
            tau: positive grid, even in ln τ, shape (k,), k ≥ 3.
            n: sample sizes.
            m: widths.
            mu: half the distance of the modes.
        """
        n, m, mu = (part[..., None] for part in _broadcast(n, m, mu))
        found = grid_minimum(np.log(tau), np.log(self(tau, n, m, mu)))
        return np.exp(found.x), np.exp(found.value)

    def best(self, n: ArrayLike, m: ArrayLike, mu: ArrayLike = 1.0) -> FloatArray:
        """Return the bound at its minimiser τ_es(n, m); arguments as in `best_time`.

        Raises:
            ArgumentError: no interior minimum with these constants.
        """
        tau = self.best_time(n, m, mu)
        if not np.isfinite(tau).all() or (tau == 0).any():
            raise ArgumentError("the bound has no interior minimum with these constants")
        return self(tau, n, m, mu)


@dataclass(frozen=True, eq=False)
class RateFit:
    """A rate function fitted to measurements, and how far it is from them.

    Attributes:
        rate: the function with fitted, non-negative constants.
        log_misfit: root mean square of log(fitted/measured) over the measurements.
        worst_ratio: the largest of fitted/measured and its inverse.
    """

    rate: RateFunction
    log_misfit: float
    worst_ratio: float


def fit_rate(
    tau: ArrayLike,
    n: ArrayLike,
    m: ArrayLike,
    values: ArrayLike,
    *,
    mu: ArrayLike | None = None,
    degree: int = 2,
) -> RateFit:
    """Fit the constants of Theorem 1 (mu=None) or Theorem 2 by non-negative least squares.

    Every measurement counts by its relative residual. Arguments broadcast together; values > 0.

    Args:
        tau: training times, positive.
        n: sample sizes.
        m: widths.
        values: measured KL or bound.
        mu: half the distance of the modes; given, Poly(μ) has `degree`.
        degree: degree of Poly(μ).

    >>> tau, n, m = np.meshgrid(np.logspace(0, 4, 30), [1e2, 1e3], [1e2, 1e3])
    >>> truth = RateFunction([1e-3], [2e-3], 0.5, 3.0, 0.01)
    >>> fit = fit_rate(tau, n, m, truth(tau, n, m))
    >>> round(fit.rate.optimisation, 6), round(fit.worst_ratio, 6)
    (0.5, 1.0)
    """
    at = 1.0 if mu is None else mu
    tau, n, m, at, values = _broadcast(tau, n, m, at, values)
    powers = np.arange(count("degree", degree, 0) + 1) if mu is not None else np.arange(1)
    width_power = 0 if mu is None else 2
    tau, n, m, at, values = (part.ravel() for part in (tau, n, m, at, values))
    if values.size < 2 * len(powers) + 3:
        raise ArgumentError(
            f"values must number at least {2 * len(powers) + 3} to fit as many constants, "
            f"got {values.size}"
        )
    columns = [at**k * tau**4 / (m * n) for k in powers]
    columns += [at**k * tau**3 / m**2 for k in powers]
    columns += [1.0 / tau, at**width_power / m, np.ones_like(tau)]
    design = np.stack(columns, axis=1) / values[:, None]
    # Columns differ by many decades: scaled to unit norm, the active set is found reliably.
    scale = np.linalg.norm(design, axis=0)
    constants = nnls(design / scale, np.ones(len(values)))[0] / scale
    k = len(powers)
    rate = RateFunction(
        constants[:k],
        constants[k : 2 * k],
        float(constants[2 * k]),
        float(constants[2 * k + 1]),
        float(constants[2 * k + 2]),
        width_power,
    )
    ratio = np.abs(np.log(rate(tau, n, m, at) / values))
    return RateFit(rate, float(np.sqrt((ratio**2).mean())), float(np.exp(ratio.max())))


def _polynomial(coefficients: FloatArray, mu: FloatArray) -> FloatArray:
    return np.asarray(np.polynomial.polynomial.polyval(mu, coefficients), dtype=np.float64)


def _broadcast(*arguments: ArrayLike) -> tuple[FloatArray, ...]:
    """Return positive finite arguments broadcast together."""
    names = ["n", "m", "mu"] if len(arguments) == 3 else ["tau", "n", "m", "mu", "values"]
    arrays = [finite_array(name, value) for name, value in zip(names, arguments, strict=False)]
    for name, array in zip(names, arrays, strict=False):
        if (array <= 0).any():
            raise ArgumentError(f"{name} must be positive, got {array[array <= 0].flat[0]:g}")
    try:
        return tuple(np.broadcast_arrays(*arrays))
    except ValueError:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ArgumentError(f"{', '.join(names)} must broadcast together, got {shapes}") from None
