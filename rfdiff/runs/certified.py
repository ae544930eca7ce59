"""A curve of training whose error covers the time rule, from runs with twice and 4 times the nodes.

The value is that of the most nodes. Its error is what the last doubling changed, and a quarter of
what the one before changed: true where errors do not grow with the nodes, and fall at first order
at least once nodes resolve the embedding. Errors of curves pass through zero along τ, where
changes say nothing: the largest changes within half a decade of τ count.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from ..support.estimate import Estimate
from ..support.validation import FloatArray
from .state import TrainedState

_HALF_A_DECADE = 10.0**0.5
Run = TypeVar("Run", bound=TrainedState)
_COVERS = "quadrature, rounding and time rule"


def certified(run: Run, tau: FloatArray, curve: Callable[[Run, FloatArray], Estimate]) -> Estimate:
    """Return a curve of τ for the run's refinement's refinement, with an error from all three.

    Args:
        run: the run.
        tau: training times (…).
        curve: the curve of a run.
    """
    around = np.stack([tau, tau / _HALF_A_DECADE, tau * _HALF_A_DECADE])
    finite = np.where(np.isfinite(tau), around, tau)
    fine, coarse, coarsest = (
        curve(each, finite) for each in (run.refined.refined, run.refined, run)
    )
    change = _change(fine, coarse) + 0.25 * _change(coarse, coarsest)
    return Estimate(fine.value[0], fine.error[0] + change.max(0), _COVERS)


def _change(fine: Estimate, coarse: Estimate) -> FloatArray:
    """Return what doubling the nodes changes; equal infinities agree."""
    with np.errstate(invalid="ignore"):
        change = np.abs(fine.value - coarse.value)
    return np.where(fine.value == coarse.value, 0.0, change)
