"""Quadrature in t for losses: nodes and weights for an expectation over t ~ U(t_min, T)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..numerics.quadrature import gauss_legendre
from ..support.errors import ArgumentError
from ..support.validation import FloatArray, between, count, finite_array, positive


@dataclass(frozen=True)
class TimeRule:
    """Nodes t_k and weights ω_k with Σ ω_k f(t_k) ≈ E f(t), t ~ U(t_min, t_max); Σ ω_k = 1.

    Attributes:
        nodes: t_k, shape (n_t,).
        weights: ω_k, shape (n_t,).
        t_min: start of the range.
        t_max: end of the range.
        chosen: whether the nodes are all there is: t is one of them, and no rule is finer.
    """

    nodes: FloatArray
    weights: FloatArray
    t_min: float
    t_max: float
    chosen: bool = False

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


def chosen_times(times: ArrayLike, t_max: float) -> TimeRule:
    """Return the rule of t drawn from a few times with equal weights: training sees no others.

    Args:
        times: one or several, distinct, in (0, t_max].
        t_max: T, the end of the process.

    Raises:
        ArgumentError: times outside (0, T], or equal ones.

    >>> rule = chosen_times([0.5, 0.1], 1.0)
    >>> rule.nodes, rule.weights, rule.t_min
    (array([0.1, 0.5]), array([0.5, 0.5]), 0.1)
    """
    nodes = np.unique(finite_array("times", times))
    if np.ndim(times) > 1 or len(nodes) < np.size(times):
        raise ArgumentError(f"times must be distinct numbers, got {times!r}")
    if not (nodes[0] > 0.0 and nodes[-1] <= t_max):
        raise ArgumentError(
            f"times must be in (0, T] = (0, {t_max:g}], got {nodes[0]:g} … {nodes[-1]:g}"
        )
    return TimeRule(nodes, np.full(len(nodes), 1.0 / len(nodes)), float(nodes[0]), t_max, True)
