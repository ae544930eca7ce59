"""The probability-flow density [4]: the law at t of the flow run back from a prior at T.

log p̂(x) = log π(X) + ∫_t^T (f d − ½g² ∇·s) dt' along the characteristic from x at t to X at T.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ...diffusion.law_on_domain import Domain, Reference
from ...diffusion.time_grids import time_grid
from ...support.errors import AccuracyWarning, ArgumentError
from ...support.estimate import Estimate
from ...support.validation import FloatArray, count, finite_array
from ..transported import TransportedDensity
from .characteristics import Characteristics, characteristics_of
from .interval_comparison import IntervalComparison
from .interval_quadrature import (
    Quantity,
    Rows,
    Rule,
    density_mass,
    first_edges,
    integrate_along,
    left_at_cliffs,
    left_at_kinks,
    log_slope_mean,
)
from .transported_intervals import CarriedCells, Node, Steps

# Steps tried first and last when the density chooses them itself.
_FIRST_STEPS = 128
_MOST_STEPS = 8192
# Shares of the tolerance for the steps and for the cells in x.
_STEPS_SHARE, _CELLS_SHARE = 0.25, 0.75
# Widths of the prior whose images hold the mass, and its bulk, on which steps are chosen.
_MASS_WIDTHS, _BULK_WIDTHS = 8.0, 2.0
_PANELS = 96
_PROBES = 96

# A number of steps and an error for each of some rows.
Choice = tuple[Steps, FloatArray]


@dataclass(frozen=True, eq=False)
class ProbabilityFlowDensity(TransportedDensity):
    """The law p^{ODE}_{t,θ} of the probability flow [4] at t, for every training time at once.

    Characteristics run from t to T on a grid uniform in ln(σ_t/r). ReLU scores in one dimension
    are integrated from kink to kink, order 3; smooth scores by Runge–Kutta, order 4, in any d;
    ReLU scores in d ≥ 2 the same way, order 1, since their divergence jumps. Errors in time
    compare n steps with n/2. Integrals in x are refined for each training time where its log p̂
    is rough.

    Args:
        score: a score in any dimension, training times leading.
        sde: the forward process.
        t: evaluation time, 0 < t < T.
        prior: law at T; π = N(0, prior_std² I) if None.
        domain: (a, b) where the density is compared; the line if None. The density is not
            renormalised there. One dimension only.
        tolerance: of `mean_log_density` and `mass`. A quarter of it is for the steps, which are
            doubled until the mean error of log p̂ is as small; the rest is for integrals in x.
        n_steps: number of steps for all training times instead, even.

    Raises:
        ArgumentError: bad arguments, or a domain that holds less than 1 % of the mass.

    >>> from rfdiff.diffusion.mixtures import bimodal
    >>> from rfdiff.model.score import ExactScore
    >>> from rfdiff.diffusion.sde import VESDE
    >>> law, sde = bimodal(3.0), VESDE()
    >>> start = law.diffuse(1.0, sde.prior_std)
    >>> learned = ProbabilityFlowDensity(ExactScore(law, sde), sde, 0.065, prior=start)
    >>> exact = law.diffuse(1.0, float(sde.std(0.065))).density(3.0)
    >>> abs(float(learned.density(3.0) / exact) - 1.0) < 1e-6
    True
    """

    method: ClassVar[str] = "probability-flow"

    n_steps: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_steps is not None and count("n_steps", self.n_steps, 2) % 2:
            raise ArgumentError(f"n_steps must be even, got {self.n_steps}")
        if self._bounded:
            self._check_domain()

    def beside(self, law: Any) -> IntervalComparison:
        """Return a comparison with a one-dimensional law, on the domain."""
        return IntervalComparison(self, law)

    @property
    def order(self) -> int:
        """Order of the error of log p̂ in the step."""
        return self._flow.order

    @property
    def steps(self) -> Steps:
        """Number of steps of the log density, shape (…)."""
        return self._bulk_choice[0].reshape(self.shape)

    @property
    def error(self) -> FloatArray:
        """Estimated mean absolute error of log p̂ over the bulk of the mass, shape (…)."""
        return self._bulk_choice[1].reshape(self.shape)

    @cached_property
    def hull(self) -> Domain:
        """An interval that holds all of the mass at every training time."""
        self._need_line("an interval of the mass")
        ends = np.array(self.start_law.domain(_MASS_WIDTHS))
        image = self._images(np.arange(self._n_rows), ends, self._bulk_choice[0])
        return float(image.min()), float(image.max())

    @cached_property
    def mass(self) -> Estimate:
        """∫ p̂ over the domain, shape (…): one on the line.

        p̂ is integrated from its log density. The flow itself carries that mass from T, which
        knows nothing of the divergence: what the two differ by, cell by cell, is the error.
        """

        def locate(rows: Rows, start: FloatArray) -> tuple[FloatArray, FloatArray]:
            x, _ = self._follow(rows, start, self._bulk_choice[0][rows], back=True)
            return x, self.log_density_of(rows, x)

        low, high = self.start_law.domain(_MASS_WIDTHS)
        ends = np.tile([low, high], (self._n_rows, 1))
        if self._bounded:
            rows, points, _ = self._points(self.domain)
            end, _ = self._follow(rows, points, self._bulk_choice[0][rows])
            ends = np.clip(end.reshape(-1, 2), low, high)
        edges = np.linspace(ends[:, 0], ends[:, 1], _PANELS + 1, axis=1)
        mass = density_mass(locate, self.start_law.cdf, edges, _CELLS_SHARE * self.tolerance)
        step_error = self._bulk_choice[1] * mass.value if self._bounded else 0.0
        return self._estimate("mass", mass.value, mass.error + step_error, self.tolerance)

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Return log p̂(x), shape (…) + x.shape (in d ≥ 2 without x's last axis)."""
        rows, points, shape = self._points(x)
        return self.log_density_of(rows, points).reshape(shape)

    def log_density_error(self, x: ArrayLike) -> FloatArray:
        """Return the estimated absolute error of log p̂(x), shaped as `log_density`."""
        rows, points, shape = self._points(x)
        steps = self._bulk_choice[0][rows]
        change = self._transport(rows, points, steps) - self._transport(rows, points, steps // 2)
        return (max(1.0, self._share) * np.abs(change)).reshape(shape)

    def log_density_of(self, rows: Rows, x: FloatArray) -> FloatArray:
        """Return log p̂ of the training time rows[i] (a flat index) at x[i], shape (P,)."""
        return self._transport(rows, x, self._bulk_choice[0][rows])

    def cdf(self, x: ArrayLike) -> FloatArray:
        """Return P̂(X ≤ x) = Π(X(x)), shape (…) + x.shape: the flow keeps order on the line."""
        self._need_line("cdf")
        rows, points, shape = self._points(x)
        end, _ = self._follow(rows, points, self._bulk_choice[0][rows])
        return self.start_law.cdf(end).reshape(shape)

    def integral(
        self, name: str, quantity: Quantity, node: Node, panels: FloatArray, *,
        back: bool = False, unit: float = 1.0, left: Rule = left_at_cliffs,
    ) -> Estimate:  # fmt: skip
        """Return what cells along the flow add up to, shape (…), refined for each training time.

        The error adds that of the cells and that of the steps. Half the steps are tried on the
        first cells, and on the last, since the flow may do within a cell what its ends do not
        show; training times that miss the tolerance for it are done again in twice the steps.

        Args:
            name: what is integrated, for the warning if it misses the tolerance.
            quantity: what a cell adds, from the images of its ends, the log slopes there and
                `node`.
            node: what else the quantity wants to know of points, their images and log slopes.
            panels: edges of panels from which cells start, at t, or at T if `back`.
            back: cells lie at T and are carried to t, instead of from t to T.
            unit: of the integral; it may err by `tolerance` units.
            left: what halving a cell leaves of its error.
        """
        self._need_line(name)
        cells = CarriedCells(partial(self._follow, back=back), node, first_edges(panels))
        rows, tolerance = np.arange(self._n_rows), unit * self.tolerance
        value, error = np.empty(len(rows)), np.empty(len(rows))
        steps, step_error = self._choose_steps(partial(cells.change, quantity), tolerance)
        while len(rows):
            n = steps[rows]
            found, leaves = integrate_along(
                cells.trace(rows, n), quantity, cells.first(rows, n), len(rows),
                _CELLS_SHARE * tolerance, left,
            )  # fmt: skip
            change = np.maximum(
                cells.change(quantity, rows, n), cells.change_on(leaves, quantity, rows, n)
            )
            step_error[rows] = self._share * change
            value[rows], error[rows] = found.value, found.error + step_error[rows]
            again = ~(error[rows] <= tolerance) & ~(step_error[rows] <= _STEPS_SHARE * tolerance)
            rows = rows[again & (n < _MOST_STEPS) & (self.n_steps is None)]
            steps[rows] *= 2
        return self._estimate(name, value, error, tolerance)

    def _mean_under(self, reference: Reference) -> Estimate:
        """Return E_p[log p̂] = E_p[ℓ + log π] on cells at t."""

        def prior_at(_: FloatArray, end: FloatArray, log_slope: FloatArray) -> list[FloatArray]:
            return [self.start_law.log_density(end), self.start_law.score(end) * np.exp(log_slope)]

        mean = log_slope_mean(lambda x: np.exp(reference.log_density(x)))
        return self.integral("E log p", mean, prior_at, reference.edges, left=left_at_kinks)

    def _check_domain(self) -> None:
        rows, points, _ = self._points(self.domain)
        end, _ = self._follow(rows, points, np.full(len(rows), self.n_steps or _FIRST_STEPS))
        mass = np.diff(self.start_law.cdf(end.reshape(-1, 2))).ravel()
        # Paths that so few steps lose are left to the solve itself.
        self._require_mass(np.nan_to_num(mass, nan=1.0))

    def _estimate(
        self, name: str, value: FloatArray, error: FloatArray, tolerance: float
    ) -> Estimate:
        missed = ~(error <= tolerance)
        if missed.any():
            warnings.warn(
                f"{name} of the probability flow: estimated error {error.max():.1e} exceeds the "
                f"tolerance {tolerance:g} at {missed.sum()} training time(s); raise "
                "n_steps or tolerance",
                AccuracyWarning,
                stacklevel=4,
            )
        return Estimate(value.reshape(self.shape), error.reshape(self.shape), "steps and cells")

    @cached_property
    def _flow(self) -> Characteristics:
        return characteristics_of(self.score, self.sde)

    @property
    def _share(self) -> float:
        """Twice what the finer of two solutions errs by, as a share of their difference."""
        return 2.0 / (2.0**self.order - 1.0)

    def _points(self, x: ArrayLike) -> tuple[Rows, FloatArray, tuple[int, ...]]:
        """Return rows and points in pairs, every row with every point, and the answer's shape."""
        x, d, n = finite_array("x", x), self.score.dimension, self._n_rows
        if d == 1:
            return np.repeat(np.arange(n), x.size), np.tile(x.ravel(), n), self.shape + x.shape
        if x.ndim == 0 or x.shape[-1] != d:
            raise ArgumentError(f"x must have last axis {d}, got shape {x.shape}")
        points, shape = np.tile(x.reshape(-1, d), (n, 1)), self.shape + x.shape[:-1]
        return np.repeat(np.arange(n), x.size // d), points, shape

    def _follow(
        self, rows: Rows, x: FloatArray, steps: Steps, *, back: bool = False
    ) -> tuple[FloatArray, FloatArray]:
        """Return where x ends and the log slope of the map, x[i] in steps[i] steps."""
        end, log_jacobian = np.empty(x.shape), np.empty(len(x))
        for n in np.unique(steps):
            here = np.flatnonzero(steps == n)
            times = time_grid("log", self.sde, self.t, int(n))
            # Too few steps may overflow: the result is then not finite, and more are taken.
            with np.errstate(over="ignore", invalid="ignore"):
                carried = self._flow.carry(rows[here], x[here], times if back else times[::-1])
            end[here], log_jacobian[here] = carried.x, carried.log_jacobian
        return end, log_jacobian

    def _transport(self, rows: Rows, x: FloatArray, steps: Steps) -> FloatArray:
        """Return log p̂ at x, x[i] in steps[i] steps."""
        end, log_jacobian = self._follow(rows, x, steps)
        with np.errstate(over="ignore", invalid="ignore"):
            return self.start_law.log_density(end) + log_jacobian

    def _choose_steps(
        self, mean_change: Callable[[Rows, Steps], FloatArray], tolerance: float
    ) -> Choice:
        """Double the steps of each row until what the last doubling changed says they are enough.

        A share of the tolerance is theirs.
        """
        rows = np.arange(self._n_rows)
        steps, error = np.empty(len(rows), dtype=np.int64), np.empty(len(rows))
        n = self.n_steps or _FIRST_STEPS
        while len(rows):
            steps[rows] = n
            error[rows] = self._share * mean_change(rows, steps[rows])
            if self.n_steps is not None or 2 * n > _MOST_STEPS:
                break
            rows = rows[~(error[rows] <= _STEPS_SHARE * tolerance)]
            n *= 2
        if not np.isfinite(error).all():
            raise ArgumentError("score must keep the flow finite, paths leave it at some time τ")
        return steps, error

    def _change(self, rows: Rows, x: FloatArray, steps: Steps) -> FloatArray:
        """Return what half the steps change of log p̂ of rows (k,) at x (k, N) or (k, N, d)."""
        every, n, points = (
            np.repeat(rows, x.shape[1]), np.repeat(steps, x.shape[1]), x.reshape(-1, *x.shape[2:]),
        )  # fmt: skip
        finite = np.isfinite(points).reshape(len(points), -1).all(1)
        change = np.full(len(points), np.inf)
        if finite.any():
            fine, coarse = (
                self._transport(every[finite], points[finite], k[finite]) for k in (n, n // 2)
            )
            with np.errstate(invalid="ignore"):
                change[finite] = np.abs(fine - coarse)
        change[np.isnan(change)] = np.inf
        return change.reshape(x.shape[:2])

    @cached_property
    def _bulk_choice(self) -> Choice:
        """Steps of every row, and the mean error of log p̂ over the bulk of its mass."""
        steps, error = self._choose_steps(
            lambda rows, n: self._change(rows, self._bulk(rows, n), n).mean(1), self.tolerance
        )
        missed = error > _STEPS_SHARE * self.tolerance
        if missed.any() and self.n_steps is None:
            warnings.warn(
                f"log p of the probability flow: estimated mean error {error.max():.1e} exceeds "
                f"{_STEPS_SHARE * self.tolerance:.1e} at {missed.sum()} training time(s) with "
                f"{_MOST_STEPS} steps; raise n_steps or tolerance",
                AccuracyWarning,
                stacklevel=4,
            )
        return steps, error

    def _bulk(self, rows: Rows, steps: Steps) -> FloatArray:
        """Return points at t that cover the bulk of each row's mass, (k, N) or (k, N, d)."""
        d = self.score.dimension
        if d > 1:
            start = self.start_law.sample(_PROBES, np.random.default_rng(0))
        else:
            start = np.array(self.start_law.domain(_BULK_WIDTHS))
        image = self._images(rows, start, steps)
        if d > 1:
            return image
        return image[:, :1] + np.diff(image) * np.linspace(0.0, 1.0, _PROBES)

    def _images(self, rows: Rows, start: FloatArray, steps: Steps) -> FloatArray:
        """Return where points of the prior (N,) or (N, d) come to lie at t, (k, N) or (k, N, d)."""
        tiled = np.tile(start, (len(rows),) + (1,) * (start.ndim - 1))
        every, steps = np.repeat(rows, len(start)), np.repeat(steps, len(start))
        end, _ = self._follow(every, tiled, steps, back=True)
        return end.reshape(len(rows), *start.shape)
