"""The map between x at t and X at T of the probability flow, in as many steps as it needs.

log p̂(x) = log π(X) + ∫_t^T (f d − ½g² ∇·s) dt' along the characteristic from x to X. Steps lie on a
grid uniform in ln(σ_t/r); the error in time compares n steps with n/2.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...diffusion.mixtures import GaussianMixture
from ...diffusion.sde import ForwardSDE
from ...diffusion.time_grids import time_grid
from ...model.score import Score
from ...support.errors import AccuracyWarning, ArgumentError
from ...support.validation import FloatArray
from .characteristics import Characteristics, characteristics_of
from .intervals import Indices

# Numbers of steps, one for each training time or point.
Steps = NDArray[np.int64]
# A number of steps and an error for each training time.
Choice = tuple[Steps, FloatArray]

# Steps tried first and last when they are not given.
FIRST_STEPS, MOST_STEPS = 128, 8192
# Share of a tolerance for the steps; the rest is for intervals.
STEPS_SHARE = 0.25
# Widths of the prior whose image is the bulk of the mass; points there, on which steps are chosen.
_BULK_WIDTHS, _PROBES = 2.0, 96


@dataclass(frozen=True, eq=False)
class Transport:
    """The map, for every training time k, a flat index.

    Args:
        score: a score in any dimension, training times leading.
        sde: the forward process.
        t: where one end of the characteristics lies; the other is T.
        start_law: the law at T.
        tolerance: of log p̂, of which steps take their share.
        n_steps: number of steps for all training times; doubled until they are enough if None.
    """

    score: Score
    sde: ForwardSDE
    t: float
    start_law: GaussianMixture
    tolerance: float
    n_steps: int | None

    @property
    def n(self) -> int:
        """Number of training times."""
        return int(np.prod(self.score.shape))

    @property
    def order(self) -> int:
        """Order of the error of log p̂ in the step."""
        return self._characteristics.order

    @property
    def share(self) -> float:
        """Twice what the finer of two solutions errs by, as a share of their difference."""
        return 2.0 / (2.0**self.order - 1.0)

    @property
    def steps(self) -> Steps:
        """Number of steps of log p̂, (n,)."""
        return self._choice[0]

    @property
    def error(self) -> FloatArray:
        """Mean error of log p̂ over the bulk of the mass, (n,)."""
        return self._choice[1]

    def __call__(
        self, k: Indices, x: FloatArray, steps: Steps, *, back: bool = False
    ) -> tuple[FloatArray, FloatArray]:
        """Return where points end, shaped as x (P,) or (P, d), and the log slopes there, (P,).

        Args:
            k: training times of the points, (P,).
            x: points at t, or at T if `back`.
            steps: of each point.
            back: from T to t instead of from t to T.
        """
        end, log_jacobian = np.empty(x.shape), np.empty(len(x))
        for n in np.unique(steps):
            here = np.flatnonzero(steps == n)
            times = time_grid("log", self.sde, self.t, int(n))
            # Too few steps may overflow: the result is then not finite, and more are taken.
            with np.errstate(over="ignore", invalid="ignore"):
                found = self._characteristics.transport(
                    k[here], x[here], times if back else times[::-1]
                )
            end[here], log_jacobian[here] = found.x, found.log_jacobian
        return end, log_jacobian

    def log_density(self, k: Indices, x: FloatArray, steps: Steps | None = None) -> FloatArray:
        """Return log p̂ of training times k at x, (P,), in the steps chosen unless given."""
        end, log_jacobian = self(k, x, self.steps[k] if steps is None else steps)
        with np.errstate(over="ignore", invalid="ignore"):
            return self.start_law.log_density(end) + log_jacobian

    def images(self, k: Indices, start: FloatArray, steps: Steps) -> FloatArray:
        """Return where points of the prior (N,) or (N, d) come to lie at t, one row for each k."""
        tiled = np.tile(start, (len(k),) + (1,) * (start.ndim - 1))
        every, steps = np.repeat(k, len(start)), np.repeat(steps, len(start))
        end, _ = self(every, tiled, steps, back=True)
        return end.reshape(len(k), *start.shape)

    def choose_steps(
        self, mean_change: Callable[[Indices, Steps], FloatArray], tolerance: float
    ) -> Choice:
        """Double the steps of each training time until their error is within their share.

        Args:
            mean_change: what n steps instead of n/2 change for training times k, (len(k),).
            tolerance: of which steps take their share.
        """
        k = np.arange(self.n)
        steps, error = np.empty(len(k), dtype=np.int64), np.empty(len(k))
        n = self.n_steps or FIRST_STEPS
        while len(k):
            steps[k] = n
            error[k] = self.share * mean_change(k, steps[k])
            if self.n_steps is not None or 2 * n > MOST_STEPS:
                break
            k = k[~(error[k] <= STEPS_SHARE * tolerance)]
            n *= 2
        if not np.isfinite(error).all():
            raise ArgumentError(
                "score must keep the probability flow finite, trajectories leave it at some time τ"
            )
        return steps, error

    @cached_property
    def _characteristics(self) -> Characteristics:
        return characteristics_of(self.score, self.sde)

    @cached_property
    def _choice(self) -> Choice:
        """Steps of every training time, and the mean error of log p̂ over the bulk of its mass."""
        steps, error = self.choose_steps(
            lambda k, n: self._change(k, self._bulk(k, n), n).mean(1), self.tolerance
        )
        missed = error > STEPS_SHARE * self.tolerance
        if missed.any() and self.n_steps is None:
            warnings.warn(
                f"log p of the probability flow: estimated mean error {error.max():.1e} exceeds "
                f"{STEPS_SHARE * self.tolerance:.1e} at {missed.sum()} training time(s) with "
                f"{MOST_STEPS} steps; raise n_steps or tolerance",
                AccuracyWarning,
                stacklevel=4,
            )
        return steps, error

    def _bulk(self, k: Indices, steps: Steps) -> FloatArray:
        """Return points at t that cover the bulk of the mass, (len(k), N) or (len(k), N, d)."""
        if self.score.dimension > 1:
            start = self.start_law.sample(_PROBES, np.random.default_rng(0))
            return self.images(k, start, steps)
        image = self.images(k, np.array(self.start_law.domain(_BULK_WIDTHS)), steps)
        return image[:, :1] + np.diff(image) * np.linspace(0.0, 1.0, _PROBES)

    def _change(self, k: Indices, x: FloatArray, steps: Steps) -> FloatArray:
        """Return what half the steps change of log p̂ at x (len(k), N) or (len(k), N, d)."""
        every, n = np.repeat(k, x.shape[1]), np.repeat(steps, x.shape[1])
        points = x.reshape(-1, *x.shape[2:])
        finite = np.isfinite(points).reshape(len(points), -1).all(1)
        change = np.full(len(points), np.inf)
        if finite.any():
            fine, coarse = (
                self.log_density(every[finite], points[finite], part[finite])
                for part in (n, n // 2)
            )
            with np.errstate(invalid="ignore"):
                change[finite] = np.abs(fine - coarse)
        change[np.isnan(change)] = np.inf
        return change.reshape(x.shape[:2])
