"""τ_gen: where the loss on what was not trained on is lowest, with its interval."""

import numpy as np

from ...numerics.curve_minimum import grid_minimum
from ...support.interval_estimate import IntervalEstimate
from ...support.random import stream
from ...support.validation import FloatArray
from ...training.early_stopping import early_stopping
from ..densities import TrainedDensities
from ..state import Loss

# Groups of held-out points, each of which has a loss of its own.
_GROUPS = 20
_REPLICATES = 1000
# Training times a decade between which a parabola in ln τ finds the minimum.
_A_DECADE = 8


def generalisation_time(
    run: TrainedDensities, kind: Loss, *, confidence: float = 0.95
) -> IntervalEstimate:
    """Return where the population loss or the test loss is lowest.

    The population loss has no sampling error: its interval is where it is lowest to within rounding
    and quadrature, of confidence 1. That of the test loss is a bootstrap over 20 groups of held-out
    points.
    """
    best = early_stopping(lambda tau: run.loss(kind, tau), run.tau, f"{kind} loss")
    ends, confidence = (best.low, best.high), confidence if kind == "test" else 1.0
    if kind == "test":
        ends = _over_groups(run, best.tau, confidence)
    value, low, high = (np.asarray(tau, dtype=np.float64) for tau in (best.tau, *ends))
    return IntervalEstimate(value, low, high, confidence)


def _over_groups(run: TrainedDensities, tau: float, confidence: float) -> tuple[float, float]:
    """Return the interval of the minimum over resamples of groups of held-out points."""
    problem = run.problem
    assert problem.held_out is not None, "a test loss has held-out points"
    order = stream(run.seed, "bootstrap", 1).permutation(len(problem.held_out))
    groups = np.array_split(problem.held_out[order], min(_GROUPS, len(order)))
    times = _times_about(run.tau, tau)
    losses = np.array([
        run.flow.loss(times, problem.quadratic(problem.empirical(group))) for group in groups
    ])  # fmt: skip
    sizes = np.array([len(group) for group in groups], dtype=np.float64)
    k = len(groups)
    drawn = stream(run.seed, "bootstrap").multinomial(k, np.full(k, 1.0 / k), _REPLICATES) * sizes
    curves = drawn @ losses / drawn.sum(1, keepdims=True)
    tail = 0.5 * (1.0 - confidence)
    lowest = np.append(_lowest(times, curves), tau)
    low, high = np.quantile(lowest, [tail, 1.0 - tail], method="inverted_cdf")
    return float(low), float(high)


def _times_about(grid: FloatArray, tau: float) -> FloatArray:
    """Return times even in ln τ over the positive finite part of a grid, and τ itself, (k,)."""
    inside = np.append(grid.ravel(), tau)
    inside = inside[(inside > 0.0) & np.isfinite(inside)]
    if not len(inside):
        return np.array([tau])
    ends = np.log10([inside.min(), inside.max()])
    n = max(3, int(np.ceil((ends[1] - ends[0]) * _A_DECADE)) + 1)
    return np.logspace(float(ends[0]), float(ends[1]), n)


def _lowest(tau: FloatArray, curves: FloatArray) -> FloatArray:
    """Return where curves (b, k) are lowest, by parabolas in ln τ, (b,)."""
    if len(tau) < 3:
        return tau[curves.argmin(1)]
    return np.asarray(np.exp(grid_minimum(np.log(tau), curves).x))
