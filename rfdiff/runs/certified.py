"""A curve of training whose error covers the time rule, from runs with twice and 4 times the nodes.

The value is that of the most nodes. Its error is three halves of what the last doubling changed,
Δ₁, and 0.15 of what the one before changed, Δ₂, as Δ₁ may be small by chance: true where errors do
not grow with the nodes, and fall at first order at least once nodes resolve the embedding.

With a smooth activation the integrand has no corners, and once its rule converges it does so faster
than a geometric series: where r = Δ₁/Δ₂ is small, the error is ten times the series' Δ₁ r/(1 − r).
Corners leave changes that are small by chance; there such a series has been off a thousandfold.

Errors of curves pass through zero along τ, where changes say nothing: the largest changes within
half a decade of τ count.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from ..support.estimate import Estimate
from ..support.validation import FloatArray
from .state import TrainedState

_HALF_A_DECADE = 10.0**0.5
# The share of changes that is the error where errors may fall slowly, and beside their accidents.
_OF_LAST, _OF_BEFORE = 1.5, 0.15
# Ratio of changes below which the rule of a smooth integrand is seen to converge, and by how much
# the error may be larger than that of a geometric series.
_SMALL_RATIO, _SAFETY = 0.03, 10.0
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
    last, before = _change(fine, coarse).max(0), _change(coarse, coarsest).max(0)
    smooth = not run.features.act.is_piecewise_linear
    return Estimate(fine.value[0], fine.error[0] + _remaining(last, before, smooth), _COVERS)


def _remaining(last: FloatArray, before: FloatArray, smooth: bool) -> FloatArray:
    """Return the error of the finest rule by the last change and the one before it."""
    slowly = _OF_LAST * last + _OF_BEFORE * before
    falling = (last < before) & np.isfinite(before)
    ratio = np.divide(last, before, out=np.ones_like(last), where=falling)
    quickly = _SAFETY * last * ratio / np.maximum(1.0 - ratio, 0.5)
    return np.where(smooth & (ratio < _SMALL_RATIO), quickly, slowly)


def _change(fine: Estimate, coarse: Estimate) -> FloatArray:
    """Return what doubling the nodes changes; equal infinities agree."""
    with np.errstate(invalid="ignore"):
        change = np.abs(fine.value - coarse.value)
    return np.where(fine.value == coarse.value, 0.0, change)
