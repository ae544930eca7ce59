"""Characteristics of the probability flow [4]: dx/dt = f x − ½g² s, with exact divergence.

Two integrators behind one face. ReLU in one dimension: steps that stop at every kink, order 3
(`_kernels/characteristics.py`). Any other score, any d: classical Runge–Kutta, order 4 where the
score is smooth; kinks in d ≥ 2 leave order 1 for the divergence.
"""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..._kernels.characteristics.advance import advance
from ..._kernels.characteristics.sorted_kinks import lay_out
from ...diffusion.sde import ForwardSDE
from ...model.score import RandomFeatureScore, Score, fast_score, is_piecewise_linear
from ...support.errors import ArgumentError
from ...support.threads import blas_threads
from ...support.validation import FloatArray, memory

# Steps handed to the kernel at once, and the bytes of each for a feature.
_BLOCK, _STEP_BYTES = 256, 104
# Bytes of blocks that are kept for the next points to be transported along the same times.
_KEPT_BYTES = 1 << 28
# A feature flatter than this has its kink at infinity: a function of time alone.
_FLAT = 1e-100
# Points that share one pass over the kinks; fixed, so results do not depend on threads.
_TASK = 256


class Characteristics(Protocol):
    """A way to transport points along the probability flow."""

    @property
    def order(self) -> int:
        """Order of the log-density's error in the step."""

    def transport(self, k: NDArray[np.intp], x: FloatArray, times: FloatArray) -> "Transported":
        """Transport points x (P,) or (P, d) along `times` (n + 1,), rising or falling.

        Point i belongs to the training time k[i], a flat index.
        """


@dataclass(frozen=True)
class Transported:
    """Where points end, shaped as they began, and the map's slope there.

    Attributes:
        x: the ends.
        log_jacobian: log |∂x(end)/∂x(start)|, (P,).
    """

    x: FloatArray
    log_jacobian: FloatArray


@dataclass(frozen=True, eq=False)
class ReluCharacteristics:
    """The characteristics of a one-dimensional ReLU score; every kink is met exactly."""

    score: RandomFeatureScore
    sde: ForwardSDE
    order: int = 3
    _kept: dict[bytes, tuple[Any, ...]] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def _sloped(self) -> NDArray[np.intp]:
        """Indices of the features that have a kink."""
        return np.flatnonzero(np.abs(self.score.features.W[:, 0]) > _FLAT)

    def transport(self, k: NDArray[np.intp], x: FloatArray, times: FloatArray) -> Transported:
        """Transport points x (P,) along `times`."""
        order = np.lexsort((x, k))
        used, member = np.unique(k[order], return_inverse=True)
        task_start = _cut(member)
        thetas, points = self.score.flat_theta[used], x[order]
        log_jacobian = np.zeros(len(x))
        sloped = np.ascontiguousarray(thetas[:, self._sloped])
        for start in range(0, len(times) - 1, _BLOCK):
            steps = self._steps(thetas, times[start : start + _BLOCK + 1])
            tasks = member[task_start[:-1]], task_start
            advance(*(sloped, *steps, *tasks, points, log_jacobian))
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return Transported(points[back], log_jacobian[back])

    def _steps(self, thetas: FloatArray, times: FloatArray) -> tuple[Any, ...]:
        """The arguments of the kernel for the steps between `times`."""
        kinks, drift, gain, left, offsets = self._layout(times)
        w, shape = self.score.features.W[:, 0], (len(thetas), *drift.shape)
        # A second thread of BLAS would spin on for milliseconds and take a core from the kernel.
        with blas_threads(len(thetas)):
            left_slope, left_bias = thetas @ (left * w), thetas @ offsets.T
        return (*kinks, drift, gain, left_slope, np.ascontiguousarray(left_bias).reshape(shape))

    def _layout(self, times: FloatArray) -> tuple[Any, ...]:
        """What the steps between `times` owe to the features alone: kept, while there is room."""
        key = times.tobytes()
        if key in self._kept:
            return self._kept[key]
        features, sde, h = self.score.features, self.sde, np.diff(times)[:, None]
        at = np.stack([times[:-1], 0.5 * (times[1:] + times[:-1]), times[1:]], axis=1)
        w, biases = features.W[:, 0], features.biases(at)
        left = np.zeros(features.width)
        left[self._sloped] = w[self._sloped] < 0
        flat = np.maximum(biases, 0.0)
        flat[..., self._sloped] = 0.0
        layout = (
            _sorted_kinks(w[self._sloped], np.ascontiguousarray(biases[..., self._sloped])),
            h * sde.drift(at),
            0.5 * h * sde.diffusion_squared(at) * features.output_scale(at),
            left,
            (left * biases + flat).reshape(-1, features.width),
        )
        if (len(self._kept) + 1) * _BLOCK * features.width * _STEP_BYTES <= _KEPT_BYTES:
            self._kept[key] = layout
        return layout


def _sorted_kinks(w: FloatArray, biases: FloatArray) -> tuple[Any, ...]:
    """Return order, jump, bias, kinks, ahead and behind of the kernels for biases (n, 3, m)."""
    shape = len(biases), len(w)
    memory("the kinks of the probability flow", _STEP_BYTES * shape[0] * shape[1])
    arrays = (
        np.empty(shape, np.int64), np.empty(shape), np.empty((*shape, 3)), np.empty((*shape, 3)),
        np.empty(shape), np.empty(shape),
    )  # fmt: skip
    lay_out(w, biases, *arrays)
    return arrays


def _cut(member: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return where tasks of at most _TASK points, each of one member of a sorted list, begin.

    A member's tasks are of one size: threads that take them in turn have equal work.
    """
    ends = np.searchsorted(member, np.arange(member[-1] + 2))
    starts = [
        np.linspace(first, end, -(-(end - first) // _TASK), endpoint=False, dtype=np.intp)
        for first, end in pairwise(ends)
    ]
    return np.append(np.concatenate(starts), len(member))


@dataclass(frozen=True, eq=False)
class SmoothCharacteristics:
    """The characteristics of any score in any dimension by the classical Runge–Kutta method."""

    score: Score
    sde: ForwardSDE

    @property
    def order(self) -> int:
        """4, or 1 where the divergence jumps at the kinks of ReLU features."""
        return 4 if fast_score(self.score).is_smooth else 1

    def transport(self, k: NDArray[np.intp], x: FloatArray, times: FloatArray) -> Transported:
        """Transport points x (P,) or (P, d) along `times`."""
        end, log_jacobian = np.array(x, dtype=np.float64), np.zeros(len(x))
        for member in np.unique(k):
            here, score = np.flatnonzero(k == member), fast_score(self.score).select(int(member))
            for t0, t1 in pairwise(times):
                end[here], change = self._step(score, end[here], float(t0), float(t1))
                log_jacobian[here] += change
        return Transported(end, log_jacobian)

    def _step(
        self, score: Score, x: FloatArray, t0: float, t1: float
    ) -> tuple[FloatArray, FloatArray]:
        h, middle = t1 - t0, 0.5 * (t0 + t1)
        k1, d1 = self._velocity(score, x, t0)
        k2, d2 = self._velocity(score, x + 0.5 * h * k1, middle)
        k3, d3 = self._velocity(score, x + 0.5 * h * k2, middle)
        k4, d4 = self._velocity(score, x + h * k3, t1)
        end = x + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        return end, h / 6.0 * (d1 + 2.0 * d2 + 2.0 * d3 + d4)

    def _velocity(self, score: Score, x: FloatArray, t: float) -> tuple[FloatArray, FloatArray]:
        """Return f x − ½g² s and its divergence."""
        f, half = float(self.sde.drift(t)), 0.5 * float(self.sde.diffusion_squared(t))
        s, divergence = score(x, t), score.divergence(x, t)
        if not (np.isfinite(s).all() and np.isfinite(divergence).all()):
            raise ArgumentError(
                f"score must be finite along the probability flow, it is not at t = {t:g}"
            )
        return f * x - half * s, f * self.score.dimension - half * divergence


def characteristics_of(score: Score, sde: ForwardSDE) -> Characteristics:
    """Return the integrator that fits the score."""
    if is_piecewise_linear(score):
        return ReluCharacteristics(score, sde)
    return SmoothCharacteristics(score, sde)
