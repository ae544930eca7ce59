"""How many orders the series needs, and which pairs are cheaper by an integral.

What orders beyond P leave out is at most |ρ_ij|^{P+1} √(R_i R_j), R the diagonal beyond P. A few
rows say how R falls; then the largest |ρ| that is left to the series is chosen so that the whole
work, orders and integrals, is least.
"""

from dataclasses import dataclass

import numpy as np

from ...support.validation import FloatArray
from .coefficients import FeatureCoefficients
from .near_pairs import NODES, NearPairs, rules
from .rows import rows_of

# Components and times that are looked at, and orders.
_COMPONENTS, _TIMES, _ORDERS = 16, 24, 32
# One node of a pair's integral costs what so many orders of the pair cost (measured).
_NODE_COST = 20.0
# A few rows know the largest diagonal entry so well, mostly.
_OF_ACCURACY = 0.75
# What integrals of pairs may take of the tolerance, beside single precision in their first orders.
_OF_INTEGRALS = 0.25
# |ρ| at which to divide, among the pairs' own: so many quantiles.
_CANDIDATES = 64


@dataclass(frozen=True, eq=False)
class Plan:
    """What the assembly does.

    Attributes:
        cosines: ρ, shape (m, m); zero where a direction is.
        largest: the largest |ρ_ij| that is left to the series.
        near: pairs beyond that.
        tolerance: error asked of entries of G, absolute.
        expected: orders that each time will need about, shape (n_t,).
    """

    cosines: FloatArray
    largest: float
    near: NearPairs
    tolerance: float
    expected: np.ndarray


def plan(
    coefficients: FeatureCoefficients,
    accuracy: float,
    max_order: int,
    largest_entry: float | None = None,
) -> Plan:
    """Return the plan for an error of G relative to its largest diagonal entry, if known."""
    residuals, peak, spread = _probe(coefficients, max_order)
    tolerance = _OF_ACCURACY * accuracy * (peak if largest_entry is None else largest_entry)
    cosines = direction_cosines(coefficients.features.W)
    first, second = np.tril_indices(len(cosines), -1)
    size = np.abs(cosines[first, second])
    own = _OF_INTEGRALS * tolerance / max(spread, np.finfo(float).tiny)
    largest = float(size.max(initial=0.0))
    if coefficients.closed:
        largest = _cheapest(np.sort(size), residuals, tolerance, own)
    near = size > largest
    chosen = cosines[first[near], second[near]]
    pairs = NearPairs(first[near], second[near], chosen, own)
    return Plan(cosines, largest, pairs, tolerance, _orders(residuals, largest, tolerance))


def direction_cosines(w: FloatArray) -> FloatArray:
    """Return ρ_ij = w_i·w_j/(|w_i||w_j|), shape (m, m); zero for w_i = 0.

    >>> direction_cosines(np.array([[3.0, 4.0], [0.0, 2.0], [0.0, 0.0]])).round(12).tolist()
    [[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    norms = np.linalg.norm(w, axis=1, keepdims=True)
    unit = w / np.where(norms > 0.0, norms, 1.0)
    return np.clip(unit @ unit.T, -1.0, 1.0)


def _probe(coefficients: FeatureCoefficients, max_order: int) -> tuple[FloatArray, float, float]:
    """Return max_j R_j(p) by time if all rows were like its own (n_t, max_order + 1), and more.

    The others are the largest diagonal entry and the largest Σ ω s_j², from a few rows.
    """
    law, times, features = coefficients.law, coefficients.times, coefficients.features
    norms = np.linalg.norm(features.W, axis=1)
    step = -(-law.n_components // _COMPONENTS)
    components = slice(0, law.n_components, step)
    share = float(law.weights[components].sum())
    nodes = np.unique(np.linspace(0, len(times.t) - 1, _TIMES).round().astype(int))
    found = np.zeros((len(nodes), max_order + 1))
    diagonals, spreads = np.empty((2, len(nodes), features.width))
    for k, node in enumerate(nodes):
        rows = rows_of(law, times, features, components, np.array([node]))
        block = coefficients.at(rows, _ORDERS, kernel=False)
        rest = block.diagonal.copy()
        for p, (matrix, factor, _) in zip(range(_ORDERS + 1), block.terms, strict=False):
            rest -= factor * np.einsum("rj,rj->j", matrix, matrix)
            found[k, p : p + 1] = max(float(rest.max()), 0.0)
        diagonals[k], spreads[k] = (
            block.diagonal,
            (rows.root * rows.width) @ (rows.root * rows.width) * np.square(norms),
        )
    beyond = np.arange(_ORDERS + 1.0, max_order + 1.0)
    # R of a kink falls like p^{-3/2}; that of smooth functions faster.
    found[:, _ORDERS + 1 :] = found[:, _ORDERS, None] * (_ORDERS / beyond) ** 1.5
    each = np.searchsorted(nodes, np.arange(len(times.t)))
    totals = [part[each].sum(axis=0).max() / share for part in (diagonals, spreads)]
    return found[each] * (len(times.t) / share), float(totals[0]), float(totals[1])


def _orders(residuals: FloatArray, largest: float, tolerance: float) -> np.ndarray:
    """Return the orders each time needs for pairs up to |ρ| = largest, shape (n_t,)."""
    powers = largest ** np.arange(1.0, residuals.shape[1] + 1.0)
    enough = residuals * powers <= tolerance
    enough[:, -1] = True
    return np.maximum(np.argmax(enough, axis=1), 1)


def _cheapest(size: FloatArray, residuals: FloatArray, tolerance: float, own: float) -> float:
    """Return the largest |ρ| to leave to the series for the least work; size: all |ρ|, sorted."""
    if not len(size):
        return 0.0
    nodes = np.asarray(NODES)[rules(size, own)[0]]
    # Work by integrals if all pairs from the k-th on are near.
    of_integrals = _NODE_COST * np.append(np.cumsum(nodes[::-1])[::-1], 0.0)
    quantiles = np.unique(np.linspace(0, len(size), _CANDIDATES + 1).astype(int))
    tail = len(size) - np.unique(np.geomspace(1, len(size), _CANDIDATES).astype(int))
    best, least = 1.0, np.inf
    for k in np.union1d(quantiles, tail):
        largest = float(size[k - 1]) if k else 0.0
        orders = _orders(residuals, largest, tolerance)
        work = of_integrals[k] + len(size) * float(orders.mean())
        if largest < 1.0 and work < least:
            best, least = largest, work
    return best
