"""The probability-flow density [4]: the law at t of the ODE run back from a prior at T."""

import warnings
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ...diffusion.law_on_domain import Domain, Reference
from ...support.errors import AccuracyWarning, ArgumentError
from ...support.estimate import Estimate
from ...support.validation import FloatArray, count, finite_array
from ..transported import TransportedDensity
from .interval_comparison import IntervalComparison
from .interval_quadrature import (
    Quantity,
    Remaining,
    initial_edges,
    integrate_intervals,
    log_slope_mean,
    remaining_at_jumps,
    remaining_at_kinks,
)
from .intervals import Indices
from .transport import FIRST_STEPS, MOST_STEPS, STEPS_SHARE, Steps, Transport
from .transported_intervals import Node, TransportedIntervals
from .transported_mass import transported_mass

# Share of the tolerance for integrals over intervals; the rest is for steps.
_INTERVALS_SHARE = 1.0 - STEPS_SHARE
# Widths of the prior whose image holds the mass, and panels laid over them.
_MASS_WIDTHS = 8.0
_PANELS = 96


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
    knob: ClassVar[str | None] = None

    n_steps: int | None = None
    _transport: Transport = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_steps is not None and count("n_steps", self.n_steps, 2) % 2:
            raise ArgumentError(f"n_steps must be even, got {self.n_steps}")
        transport = Transport(
            self.score, self.sde, self.t, self.start_law, self.tolerance, self.n_steps
        )
        object.__setattr__(self, "_transport", transport)
        if self._bounded:
            self._check_domain()

    def beside(self, law: Any) -> IntervalComparison:
        """Return a comparison with a one-dimensional law, on the domain."""
        return IntervalComparison(self, law)

    @property
    def order(self) -> int:
        """Order of the error of log p̂ in the step."""
        return self._transport.order

    @property
    def steps(self) -> Steps:
        """Number of steps of the log density, shape (…)."""
        return self._transport.steps.reshape(self.shape)

    @property
    def error(self) -> FloatArray:
        """Estimated mean absolute error of log p̂ over the bulk of the mass, shape (…)."""
        return self._transport.error.reshape(self.shape)

    @cached_property
    def hull(self) -> Domain:
        """An interval that holds all of the mass at every training time."""
        self._need_line("an interval of the mass")
        ends, every = np.array(self.start_law.domain(_MASS_WIDTHS)), np.arange(self._n_taus)
        image = self._transport.images(every, ends, self._transport.steps)
        return float(image.min()), float(image.max())

    @cached_property
    def mass(self) -> Estimate:
        """∫ p̂ over the domain, shape (…): one on the line.

        p̂ is integrated from its log density. The mass that the ODE transports from T knows nothing
        of the divergence of the score: what the two differ by on intervals, summed, is the error.
        """
        transport = self._transport

        def trace(k: Indices, start: FloatArray) -> tuple[FloatArray, FloatArray]:
            x, _ = transport(k, start, transport.steps[k], back=True)
            return x, transport.log_density(k, x)

        low, high = self.start_law.domain(_MASS_WIDTHS)
        ends = np.tile([low, high], (self._n_taus, 1))
        if self._bounded:
            k, points, _ = self._points(self.domain)
            end, _ = transport(k, points, transport.steps[k])
            ends = np.clip(end.reshape(-1, 2), low, high)
        edges = np.linspace(ends[:, 0], ends[:, 1], _PANELS + 1, axis=1)
        tolerance = _INTERVALS_SHARE * self.tolerance
        mass = transported_mass(trace, self.start_law.cdf, edges, tolerance)
        step_error = transport.error * mass.value if self._bounded else 0.0
        return self._estimate("mass", mass.value, mass.error + step_error, self.tolerance)

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Return log p̂(x), shape (…) + x.shape (in d ≥ 2 without x's last axis)."""
        k, points, shape = self._points(x)
        return self._transport.log_density(k, points).reshape(shape)

    def log_density_error(self, x: ArrayLike) -> FloatArray:
        """Return the estimated absolute error of log p̂(x), shaped as `log_density`."""
        k, points, shape = self._points(x)
        steps = self._transport.steps[k]
        fine, coarse = (self._transport.log_density(k, points, n) for n in (steps, steps // 2))
        error = (max(1.0, self._transport.share) * np.abs(fine - coarse)).reshape(shape)
        return error if self.score.dimension > 1 else error + self._theta_error_at(np.asarray(x))

    def cdf(self, x: ArrayLike) -> FloatArray:
        """Return P̂(X ≤ x) = Π(X(x)), shape (…) + x.shape: the map keeps order on the line."""
        self._need_line("cdf")
        k, points, shape = self._points(x)
        end, _ = self._transport(k, points, self._transport.steps[k])
        return self.start_law.cdf(end).reshape(shape)

    def integral(
        self, name: str, quantity: Quantity, node: Node, panels: FloatArray, *,
        back: bool = False, unit: float = 1.0, remaining: Remaining = remaining_at_jumps,
    ) -> Estimate:  # fmt: skip
        """Return what transported intervals add up to, shape (…), refined for each training time.

        The error adds that of the intervals and that of the steps, which compares with half the
        steps. Both the initial intervals and the accepted ones are compared: the map may be rough
        inside an initial interval although steps change little at its ends. Training times whose
        steps miss their share of the tolerance are integrated again in twice the steps.

        Args:
            name: what is integrated, for the warning if it misses the tolerance.
            quantity: what an interval adds, from the images of its ends, the log slopes there and
                `node`.
            node: what else the quantity wants to know of points, their images and log slopes.
            panels: edges of panels from which intervals start, at t, or at T if `back`.
            back: intervals lie at T and are transported to t, instead of from t to T.
            unit: of the integral; it may err by `tolerance` units.
            remaining: the error that halving an interval leaves.
        """
        self._need_line(name)
        transport, tolerance = self._transport, unit * self.tolerance
        intervals = TransportedIntervals(partial(transport, back=back), node, initial_edges(panels))
        steps, step_error = transport.choose_steps(partial(intervals.change, quantity), tolerance)
        value, error, k = np.empty(len(steps)), np.empty(len(steps)), np.arange(len(steps))
        while len(k):
            n = steps[k]
            found, accepted = integrate_intervals(
                intervals.trace(k, n), quantity, intervals.initial(k, n), len(k),
                _INTERVALS_SHARE * tolerance, remaining,
            )  # fmt: skip
            change = np.maximum(
                intervals.change(quantity, k, n), intervals.change_on(accepted, quantity, k, n)
            )
            step_error[k] = transport.share * change
            value[k], error[k] = found.value, found.error + step_error[k]
            again = ~(error[k] <= tolerance) & ~(step_error[k] <= STEPS_SHARE * tolerance)
            k = k[again & (n < MOST_STEPS) & (self.n_steps is None)]
            steps[k] *= 2
        return self._estimate(name, value, error, tolerance)

    def _mean_under(self, reference: Reference) -> Estimate:
        """Return E_p[log p̂] = E_p[ℓ + log π] on intervals at t."""

        def prior_at(_: FloatArray, end: FloatArray, log_slope: FloatArray) -> list[FloatArray]:
            return [self.start_law.log_density(end), self.start_law.score(end) * np.exp(log_slope)]

        mean = log_slope_mean(lambda x: np.exp(reference.log_density(x)))
        return self.integral(
            "E log p", mean, prior_at, reference.edges, remaining=remaining_at_kinks
        )

    def _check_domain(self) -> None:
        k, points, _ = self._points(self.domain)
        end, _ = self._transport(k, points, np.full(len(k), self.n_steps or FIRST_STEPS))
        mass = np.diff(self.start_law.cdf(end.reshape(-1, 2))).ravel()
        # Trajectories that so few steps lose are left to the solve itself.
        self._require_mass(np.nan_to_num(mass, nan=1.0))

    def _estimate(
        self, name: str, value: FloatArray, error: FloatArray, tolerance: float
    ) -> Estimate:
        missed = ~(error <= tolerance)
        if missed.any():
            warnings.warn(
                f"{name} of the probability flow: estimated error {error.max():.1e} exceeds the "
                f"tolerance {tolerance:g} at {missed.sum()} training time(s), the worst of index "
                f"{int(np.argmax(error))}; raise n_steps or tolerance",
                AccuracyWarning,
                stacklevel=4,
            )
        return Estimate(value.reshape(self.shape), error.reshape(self.shape), "steps and intervals")

    def _points(self, x: ArrayLike) -> tuple[Indices, FloatArray, tuple[int, ...]]:
        """Return every training time with every point, in pairs, and the answer's shape."""
        x, d, n = finite_array("x", x), self.score.dimension, self._n_taus
        if d == 1:
            return np.repeat(np.arange(n), x.size), np.tile(x.ravel(), n), self.shape + x.shape
        if x.ndim == 0 or x.shape[-1] != d:
            raise ArgumentError(f"x must have last axis {d}, got shape {x.shape}")
        points, shape = np.tile(x.reshape(-1, d), (n, 1)), self.shape + x.shape[:-1]
        return np.repeat(np.arange(n), x.size // d), points, shape
