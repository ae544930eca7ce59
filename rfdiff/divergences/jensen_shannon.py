"""The Jensen–Shannon divergence ½KL(p‖m) + ½KL(p̂‖m), m = (p + p̂)/2."""

from typing import Any

import numpy as np
from scipy.special import xlogy

from ..densities.interfaces import LearnedDensity
from ..diffusion.law_on_domain import Domain
from ..numerics.quadrature import gauss_legendre
from ..support.estimate import Estimate
from ..support.validation import FloatArray
from .f_divergence import BoundedFDivergence, parabola

_LN2 = float(np.log(2.0))
_NODES, _WEIGHTS = gauss_legendre(4, 0.0, 1.0)


class JensenShannon(BoundedFDivergence):
    """φ(b) = ln 2 + a ln a + (1 − a) ln (1 − a) with a = (1 + b)/2 = p/(p + p̂)."""

    name = "jensen-shannon"
    title = "Jensen–Shannon divergence"
    limit = _LN2

    def integrand(self, log_p: FloatArray, log_q: FloatArray) -> FloatArray:
        """Return ½(p log 2p/(p + p̂) + p̂ log 2p̂/(p + p̂))."""
        total = np.logaddexp(log_p, log_q) - np.log(2.0)
        with np.errstate(invalid="ignore"):
            parts = [
                np.exp(log) * np.where(np.isneginf(log), 0.0, log - total) for log in (log_p, log_q)
            ]
        return 0.5 * (parts[0] + parts[1])

    def sensitivity(self, log_p: FloatArray, log_q: FloatArray) -> FloatArray:
        """Return ½ log 2p̂/(p + p̂)."""
        with np.errstate(invalid="ignore"):
            slope = np.log(2.0) - np.logaddexp(0.0, log_p - log_q)
        return 0.5 * np.where(np.exp(log_q) > 0.0, slope, 0.0)

    def of_missed_mass(self, sensitivity: FloatArray) -> float:
        """Return ½ ln 2: it is missed where p is far below p̂."""
        return 0.5 * _LN2

    def mean_of_generator(self, start: FloatArray, end: FloatArray, mean: FloatArray) -> FloatArray:
        """Return the mean of φ(b) over (0, 1) for the parabola b with these end values and mean."""
        return mean_of_entropies(start, end, mean)


def mean_of_entropies(start: FloatArray, end: FloatArray, mean: FloatArray) -> FloatArray:
    """Return the mean of φ(b) over (0, 1) for the parabola b with these end values and mean."""
    linear, square = parabola(start, end, mean)
    s = _NODES[:, None]
    a = np.clip(0.5 * (1.0 + start + s * (linear + s * square)), 0.0, 1.0)
    return _WEIGHTS @ (np.log(2.0) + xlogy(a, a) + xlogy(1.0 - a, 1.0 - a))


JENSEN_SHANNON = JensenShannon()


def jensen_shannon_divergence(
    law: Any, learned: LearnedDensity, *, domain: Domain | float | None = None
) -> Estimate:
    """JS(p, p̂) = ½KL(p‖(p + p̂)/2) + ½KL(p̂‖(p + p̂)/2), between 0 and ln 2: shape (…).

    ln 2 where p̂ cannot be normalised.

    Args:
        law: p, a one-dimensional law with a density: p₀, or a marginal p_t.
        learned: p̂, training times leading.
        domain: (a, b) or `np.inf`, in the unit of x; the learned density's own if None.

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
    >>> jensen_shannon_divergence(run.target, run.learned_density())
    0.0537... ± ...
    """
    return JENSEN_SHANNON(law, learned, domain=domain)
