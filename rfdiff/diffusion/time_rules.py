"""Quadrature in t for losses: nodes and weights for an expectation over t ~ U(t_min, T)."""

from dataclasses import dataclass

from ..numerics.quadrature import gauss_legendre
from ..support.validation import FloatArray, between, count, positive


@dataclass(frozen=True)
class TimeRule:
    """Nodes t_k and weights ω_k with Σ ω_k f(t_k) ≈ E f(t), t ~ U(t_min, t_max); Σ ω_k = 1."""

    nodes: FloatArray
    weights: FloatArray
    t_min: float
    t_max: float

    def __len__(self) -> int:
        return len(self.nodes)


def graded_time_rule(t_min: float, t_max: float, n_times: int) -> TimeRule:
    """Gauss–Legendre in u with t = t_min + (t_max − t_min)u²: graded towards small t.

    Late training times lean on small eigenvalues of the Gram matrix and so on this rule; nodes
    uniform in log t are far worse.

    >>> rule = graded_time_rule(1e-3, 1.0, 16)
    >>> abs(float(rule.weights @ rule.nodes) - 0.5005) < 1e-14
    True
    """
    t_max = positive("t_max", t_max)
    t_min = between("t_min", positive("t_min", t_min), 0.0, t_max)
    u, w = gauss_legendre(count("n_times", n_times), 0.0, 1.0)
    return TimeRule(t_min + (t_max - t_min) * u * u, 2.0 * w * u, t_min, t_max)
