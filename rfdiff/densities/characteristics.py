"""Characteristics of the probability flow [4]: dx/dt = f x − ½g² s, with exact divergence.

Two integrators behind one face. ReLU in one dimension: steps that stop at every kink, order 3
(`_kernels/characteristics.py`). Any other score, any d: classical Runge–Kutta, order 4 where the
score is smooth; kinks in d ≥ 2 leave order 1 for the divergence.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .._kernels import characteristics as kernels
from ..errors import ArgumentError
from ..potential import kinks
from ..score import RandomFeatureScore, Score, members
from ..sde import ForwardSDE
from ..validation import FloatArray

# Steps handed to the kernel at once: bounds the sorted arrays at 22 kB per feature.
_BLOCK = 256
# A feature flatter than this has its kink at infinity: a function of time alone.
_FLAT = 1e-100
# Points that share one pass over the kinks; fixed, so results do not depend on threads.
_TASK = 256


class Characteristics(Protocol):
    """A way to carry points along the flow."""

    @property
    def order(self) -> int:
        """Order of the log-density's error in the step."""

    def carry(self, rows: NDArray[np.intp], x: FloatArray, times: FloatArray) -> "Carried":
        """Carry points x (P,) or (P, d) along `times` (n + 1,), rising or falling.

        Point i belongs to the training time rows[i], a flat index.
        """


@dataclass(frozen=True)
class Carried:
    """Where points end, shaped as they began, and log |∂x(end)/∂x(start)|, (P,)."""

    x: FloatArray
    log_jacobian: FloatArray


@dataclass(frozen=True, eq=False)
class RectifiedCharacteristics:
    """The flow of a one-dimensional ReLU score; every kink is met exactly."""

    score: RandomFeatureScore
    sde: ForwardSDE
    order: int = 3

    @cached_property
    def _sloped(self) -> NDArray[np.intp]:
        """Indices of the features that have a kink."""
        return np.flatnonzero(np.abs(self.score.features.W[:, 0]) > _FLAT)

    def carry(self, rows: NDArray[np.intp], x: FloatArray, times: FloatArray) -> Carried:
        """Carry points x (P,) along `times`."""
        order = np.lexsort((x, rows))
        used, member = np.unique(rows[order], return_inverse=True)
        task_start = _cut(member)
        thetas, paths, log_jacobian = self.score.rows[used], x[order], np.zeros(len(x))
        sloped = np.ascontiguousarray(thetas[:, self._sloped])
        for start in range(0, len(times) - 1, _BLOCK):
            steps = self._steps(thetas, times[start : start + _BLOCK + 1])
            kernels.advance(
                sloped, *steps, member[task_start[:-1]], task_start, paths, log_jacobian
            )
        end, change = np.empty_like(paths), np.empty_like(paths)
        end[order], change[order] = paths, log_jacobian
        return Carried(end, change)

    def _steps(self, thetas: FloatArray, times: FloatArray) -> tuple[Any, ...]:
        """The arguments of the kernel for the steps between `times`."""
        features, sde = self.score.features, self.sde
        h = np.diff(times)[:, None]
        at = np.stack([times[:-1], 0.5 * (times[1:] + times[:-1]), times[1:]], axis=1)
        w = features.W[:, 0]
        w, biases = w[self._sloped], features.biases(at)
        kappa = np.clip(kinks(features, at)[..., self._sloped], -1e100, 1e100)
        order = np.argsort(kappa[:, 0], axis=1, kind="stable")
        kappa = np.ascontiguousarray(
            np.moveaxis(np.take_along_axis(kappa, order[:, None], 2), 1, 2)
        )
        sign = np.where(w < 0, -1.0, 1.0)
        bias = np.take_along_axis(sign * biases[..., self._sloped], order[:, None], 2)
        ahead = np.minimum.accumulate(kappa[:, ::-1, 2], axis=1)[:, ::-1]
        behind = np.maximum.accumulate(kappa[:, :, 2], axis=1)
        left = np.zeros(features.width)
        left[self._sloped] = w < 0
        flat = np.maximum(biases, 0.0)
        flat[..., self._sloped] = 0.0
        left_bias = np.einsum("rj,isj->ris", thetas, left * biases + flat)
        return (
            order, np.abs(w)[order], np.ascontiguousarray(np.moveaxis(bias, 1, 2)), kappa,
            np.ascontiguousarray(ahead), behind, h * sde.drift(at),
            0.5 * h * sde.diffusion_squared(at) * features.output_scale(at),
            thetas @ (left * features.W[:, 0]), left_bias,
        )  # fmt: skip


def _cut(member: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return where tasks of at most _TASK points, each of one member of a sorted list, begin."""
    first = np.searchsorted(member, np.arange(member[-1] + 2))
    starts = [np.arange(a, b, _TASK) for a, b in pairwise(first)]
    return np.append(np.concatenate(starts), len(member))


@dataclass(frozen=True, eq=False)
class SmoothCharacteristics:
    """The flow of any score in any dimension by the classical Runge–Kutta method."""

    score: Score
    sde: ForwardSDE

    @property
    def order(self) -> int:
        """4, or 1 where the divergence jumps at the kinks of ReLU features."""
        rectified = isinstance(self.score, RandomFeatureScore) and (
            self.score.features.activation == "relu"
        )
        return 1 if rectified else 4

    @cached_property
    def _members(self) -> list[Score]:
        return members(self.score)

    def carry(self, rows: NDArray[np.intp], x: FloatArray, times: FloatArray) -> Carried:
        """Carry points x (P,) or (P, d) along `times`."""
        end, log_jacobian = np.array(x, dtype=np.float64), np.zeros(len(x))
        for row in np.unique(rows):
            here = np.flatnonzero(rows == row)
            for t0, t1 in pairwise(times):
                end[here], change = self._step(self._members[row], end[here], float(t0), float(t1))
                log_jacobian[here] += change
        return Carried(end, log_jacobian)

    def _step(
        self, score: Score, x: FloatArray, t0: float, t1: float
    ) -> tuple[FloatArray, FloatArray]:
        h, middle = t1 - t0, 0.5 * (t0 + t1)
        k1, d1 = self._flow(score, x, t0)
        k2, d2 = self._flow(score, x + 0.5 * h * k1, middle)
        k3, d3 = self._flow(score, x + 0.5 * h * k2, middle)
        k4, d4 = self._flow(score, x + h * k3, t1)
        end = x + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        return end, h / 6.0 * (d1 + 2.0 * d2 + 2.0 * d3 + d4)

    def _flow(self, score: Score, x: FloatArray, t: float) -> tuple[FloatArray, FloatArray]:
        """Return f x − ½g² s and its divergence."""
        f, half = float(self.sde.drift(t)), 0.5 * float(self.sde.diffusion_squared(t))
        s, divergence = score(x, t), score.divergence(x, t)
        if not (np.isfinite(s).all() and np.isfinite(divergence).all()):
            raise ArgumentError(f"score must be finite along the flow, it is not at t = {t:g}")
        return f * x - half * s, f * self.score.dimension - half * divergence


def characteristics_of(score: Score, sde: ForwardSDE) -> Characteristics:
    """Return the integrator that fits the score."""
    if (
        isinstance(score, RandomFeatureScore)
        and score.dimension == 1
        and score.features.activation == "relu"
    ):
        return RectifiedCharacteristics(score, sde)
    return SmoothCharacteristics(score, sde)
