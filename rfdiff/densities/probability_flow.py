"""The probability-flow density [4]: the law at t of the flow run back from a prior at T.

log p̂(x) = log π(X) + ∫_t^T (f d − ½g² ∇·s) dt' along the characteristic from x at t to X at T.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import AccuracyWarning, ArgumentError
from ..estimate import Estimate
from ..mixtures import GaussianMixture
from ..quadrature import composite_gauss_legendre
from ..reference import Domain, Reference, parse_domain
from ..score import Score
from ..sde import ForwardSDE
from ..time_grids import reverse_time, time_grid
from ..validation import FloatArray, count, finite_array, positive
from .characteristics import Carried, Characteristics, characteristics_of

# Steps tried first and last when the density chooses them itself.
_FIRST_STEPS = 128
_MOST_STEPS = 8192
# The prior is followed over its outermost modes widened by this many standard deviations.
_PRIOR_WIDTHS = 8.0
_PROBES = 48
# Gauss–Legendre nodes of a panel, and how often panels are halved.
_ORDER = 8
_MOST_HALVINGS = 4
_MOST_MASS_HALVINGS = 6
_MINIMUM_MASS = 0.01


@dataclass(frozen=True, eq=False)
class ProbabilityFlowDensity:
    """The law p^{ODE}_{t,θ} of the probability flow [4] at t, for every training time at once.

    Characteristics run from t to T on a grid uniform in ln(σ_t/r). ReLU scores in one dimension
    are integrated from kink to kink, order 3; smooth scores by Runge–Kutta, order 4, in any d.
    Each error compares n steps with n/2.

    Args:
        score: a score in any dimension, training times leading.
        sde: the forward process.
        t: evaluation time, 0 < t < T.
        prior: law at T; π = N(0, prior_std² I) if None.
        domain: (a, b) where the density is compared; the line if None. The density is not
            renormalised there. One dimension only.
        tolerance: of the mean absolute error of log p̂ under p̂; steps are doubled until it is met.
        n_steps: number of steps for all training times instead, even.

    Raises:
        ArgumentError: bad arguments, or a domain that holds less than 1 % of the mass.

    >>> from rfdiff.mixtures import bimodal
    >>> from rfdiff.score import ExactScore
    >>> from rfdiff.sde import VESDE
    >>> law, sde = bimodal(3.0), VESDE()
    >>> start = law.diffuse(1.0, sde.prior_std)
    >>> learned = ProbabilityFlowDensity(ExactScore(law, sde), sde, 0.065, prior=start)
    >>> exact = law.diffuse(1.0, float(sde.std(0.065))).density(3.0)
    >>> abs(float(learned.density(3.0) / exact) - 1.0) < 1e-6
    True
    """

    score: Score
    sde: ForwardSDE
    t: float
    prior: GaussianMixture | None = None
    domain: Domain | None = None
    tolerance: float = 1e-4
    n_steps: int | None = None

    def __post_init__(self) -> None:
        d = self.score.dimension
        prior = self.prior
        if prior is None:
            prior = GaussianMixture([1.0], np.zeros((1, d)), self.sde.prior_std)
        elif prior.dimension != d:
            raise ArgumentError(f"prior must have dimension {d}, got {prior.dimension}")
        if self.n_steps is not None and count("n_steps", self.n_steps, 2) % 2:
            raise ArgumentError(f"n_steps must be even, got {self.n_steps}")
        if self.domain is not None and d > 1:
            raise ArgumentError(f"domain needs one dimension, got d = {d}")
        domain = parse_domain(np.inf if self.domain is None else self.domain)
        values = {
            "t": reverse_time(self.sde, self.t),
            "prior": prior,
            "domain": domain,
            "tolerance": positive("tolerance", self.tolerance),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if np.isfinite(domain).any():
            self._check_domain(domain)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the training times."""
        return self.score.shape

    @property
    def breakpoints(self) -> FloatArray:
        """No points known in advance: the kinks of log p̂ are carried by the flow."""
        return np.empty(0)

    @property
    def order(self) -> int:
        """Order of the error of log p̂ in the step."""
        return self._flow.order

    @cached_property
    def steps(self) -> np.ndarray:
        """Number of steps, shape (…)."""
        return self._choice[0].reshape(self.shape)

    @property
    def error(self) -> FloatArray:
        """Estimated mean absolute error of log p̂ under p̂, shape (…)."""
        return self._choice[1].reshape(self.shape)

    @cached_property
    def hull(self) -> Domain:
        """An interval that holds all of the mass at every training time."""
        return float(self._edges.min()), float(self._edges.max())

    @cached_property
    def mass(self) -> Estimate:
        """∫ p̂ over the domain, shape (…): one on the line, to the error of the characteristics.

        Panels are the images of panels of the prior, so narrow peaks have as many as their mass
        deserves. The error is Σ |∫ p̂ − ΔP̂| over panels, P̂ from `cdf`: two levels of panels can
        agree when both miss a peak, the flow's own distribution function cannot. Panels are
        halved until it meets the tolerance.
        """
        self._need_line("mass")
        rows = self._rows
        value, error = np.empty(len(rows)), np.full(len(rows), np.inf)
        for halving in range(_MOST_MASS_HALVINGS + 1):
            value[rows], error[rows] = self._mass_on(rows, 2**halving)
            rows = np.flatnonzero(error > self.tolerance)
            if not len(rows):
                break
        if error.max() > _MINIMUM_MASS:
            warnings.warn(
                f"mass of the probability flow: estimated error {error.max():.1e} at "
                f"{(error > _MINIMUM_MASS).sum()} training time(s), whose density has peaks "
                "narrower than its panels; cdf resolves them",
                AccuracyWarning,
                stacklevel=2,
            )
        return Estimate(value.reshape(self.shape), error.reshape(self.shape))

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Return log p̂(x), shape (…) + x.shape (in d ≥ 2 without x's last axis)."""
        points, shape = self._points(x)
        return self._solve(self._rows, self._tile(points), 1)[0].reshape(shape)

    def log_density_error(self, x: ArrayLike) -> FloatArray:
        """Return the estimated absolute error of log p̂(x), shaped as `log_density`."""
        points, shape = self._points(x)
        return self._evaluate(self._rows, self._tile(points))[1].reshape(shape)

    def density(self, x: ArrayLike) -> FloatArray:
        """Return p̂(x), shaped as `log_density`."""
        return np.exp(self.log_density(x))

    def cdf(self, x: ArrayLike) -> FloatArray:
        """Return P̂(X ≤ x) = Π(X(x)), shape (…) + x.shape: the flow keeps order on the line."""
        self._need_line("cdf")
        points, shape = self._points(x)
        return self._prior.cdf(self._solve(self._rows, self._tile(points), 1)[1]).reshape(shape)

    def mean_log_density(self, law: Any) -> Estimate:
        """E_p[log p̂], p restricted to the domain: shape (…).

        Panels on which the law is resolved are halved until two levels agree; the error adds what
        they differ by to what halving the number of steps changes.
        """
        self._need_line("mean_log_density")
        reference = Reference(law, self.domain)
        rows, edges = self._rows, reference.edges
        value, error = np.empty(len(rows)), np.empty(len(rows))
        coarse, coarse_error = self._mean(reference, edges, rows, with_error=True)
        for halving in range(_MOST_HALVINGS):
            edges = np.insert(edges, np.arange(1, len(edges)), 0.5 * (edges[1:] + edges[:-1]))
            fine, _ = self._mean(reference, edges, rows, with_error=False)
            gap = np.abs(fine - coarse)
            value[rows], error[rows] = fine, gap + coarse_error
            again = gap > max(0.1 * self.tolerance, 1e-14)
            if halving == _MOST_HALVINGS - 1 or not again.any():
                break
            rows, coarse, coarse_error = rows[again], fine[again], coarse_error[again]
        return Estimate(value.reshape(self.shape), error.reshape(self.shape))

    def _mean(
        self, reference: Reference, edges: FloatArray, rows: np.ndarray, *, with_error: bool
    ) -> tuple[FloatArray, FloatArray]:
        """Return E_p[log p̂] of some rows by one rule, and its error from the steps."""
        x, weights = composite_gauss_legendre(_ORDER, edges)
        p = np.exp(reference.log_density(x)) * weights
        tiled = np.broadcast_to(x, (len(rows), len(x)))
        value = self._solve(rows, tiled, 1)[0]
        if not with_error:
            return value @ p, np.zeros(len(rows))
        change = value - self._solve(rows, tiled, 2)[0]
        return value @ p, np.maximum(np.abs(change @ p), self._share * (np.abs(change) @ p))

    @cached_property
    def _flow(self) -> Characteristics:
        return characteristics_of(self.score, self.sde)

    @property
    def _prior(self) -> GaussianMixture:
        if self.prior is None:
            raise ArgumentError("prior must be a GaussianMixture")
        return self.prior

    @property
    def _rows(self) -> np.ndarray:
        return np.arange(int(np.prod(self.shape)))

    @property
    def _share(self) -> float:
        """Twice what the finer of two solutions errs by, as a share of their difference."""
        return 2.0 / (2.0**self.order - 1.0)

    def _need_line(self, name: str) -> None:
        if self.score.dimension != 1:
            raise ArgumentError(f"{name} needs one dimension, got d = {self.score.dimension}")

    def _points(self, x: ArrayLike) -> tuple[FloatArray, tuple[int, ...]]:
        """Return points as (N,) or (N, d), and the shape of the answer."""
        x, d = finite_array("x", x), self.score.dimension
        if d == 1:
            return x.ravel(), self.shape + x.shape
        if x.ndim == 0 or x.shape[-1] != d:
            raise ArgumentError(f"x must have last axis {d}, got shape {x.shape}")
        return x.reshape(-1, d), self.shape + x.shape[:-1]

    def _tile(self, points: FloatArray) -> FloatArray:
        return np.broadcast_to(points, (len(self._rows), *points.shape))

    def _carry(self, rows: np.ndarray, x: FloatArray, n_steps: int, *, back: bool) -> Carried:
        falling = time_grid("log", self.sde, self.t, n_steps)
        # Too few steps may overflow: the result is then not finite, and more are taken.
        with np.errstate(over="ignore", invalid="ignore"):
            carried = self._flow.carry(
                np.repeat(rows, x.shape[1]),
                x.reshape(-1, *x.shape[2:]),
                falling if back else falling[::-1],
            )
        return Carried(carried.x.reshape(x.shape), carried.log_jacobian.reshape(x.shape[:2]))

    def _pulled_back(
        self, rows: np.ndarray, x: FloatArray, n_steps: int
    ) -> tuple[FloatArray, FloatArray]:
        """Return log p̂ at x (k, N, …) with n steps, and where x ends at T."""
        carried = self._carry(rows, x, n_steps, back=False)
        with np.errstate(over="ignore", invalid="ignore"):
            return self._prior.log_density(carried.x) + carried.log_jacobian, carried.x

    def _solve(
        self, rows: np.ndarray, x: FloatArray, coarsening: int
    ) -> tuple[FloatArray, FloatArray]:
        """Return log p̂ and the end points for some rows, each with its number of steps."""
        steps = self._choice[0][rows]
        value, end = np.empty(x.shape[:2]), np.empty(x.shape)
        for n in np.unique(steps):
            here = np.flatnonzero(steps == n)
            value[here], end[here] = self._pulled_back(rows[here], x[here], int(n) // coarsening)
        return value, end

    def _evaluate(self, rows: np.ndarray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return log p̂ and its error at x (k, N, …), by steps n and n/2."""
        value = self._solve(rows, x, 1)[0]
        return value, max(1.0, self._share) * np.abs(value - self._solve(rows, x, 2)[0])

    @cached_property
    def _choice(self) -> tuple[np.ndarray, FloatArray]:
        """Steps and estimated mean error of every row: doubled where points of p̂ differ."""
        rows = self._rows
        steps, error = np.empty(len(rows), dtype=np.int64), np.empty(len(rows))
        start, weights = self._probes
        n = self.n_steps or _FIRST_STEPS
        while len(rows):
            tiled = np.broadcast_to(start, (len(rows), *start.shape))
            x = self._carry(rows, tiled, n, back=True).x
            gap = self._probe_gap(rows, x, n)
            steps[rows], error[rows] = n, self._share * (gap @ weights)
            if self.n_steps is not None or 2 * n > _MOST_STEPS:
                break
            rows = rows[~(error[rows] <= self.tolerance)]
            n *= 2
        self._warn(error)
        return steps, error

    def _probe_gap(self, rows: np.ndarray, x: FloatArray, n: int) -> FloatArray:
        """Return |log p̂ − log p̂ with n/2 steps| at x (k, N, …), +∞ where a path was lost."""
        gap = np.full(x.shape[:2], np.inf)
        kept = np.isfinite(x).reshape(len(x), -1).all(1)
        if kept.any():
            fine, coarse = (
                self._pulled_back(rows[kept], x[kept], steps)[0] for steps in (n, n // 2)
            )
            gap[kept] = np.where(
                np.isfinite(fine) & np.isfinite(coarse), np.abs(fine - coarse), np.inf
            )
        return gap

    def _warn(self, error: FloatArray) -> None:
        missed = ~(error <= self.tolerance)
        if missed.any() and self.n_steps is None:
            warnings.warn(
                f"log p of the probability flow: estimated mean error {error.max():.1e} exceeds "
                f"the tolerance {self.tolerance:g} at {missed.sum()} training time(s), with "
                f"{_MOST_STEPS} steps; raise n_steps or tolerance",
                AccuracyWarning,
                stacklevel=4,
            )

    @property
    def _probes(self) -> tuple[FloatArray, FloatArray]:
        """Points of the prior that probe the flow, and their weights."""
        if self.score.dimension > 1:
            x = self._prior.sample(_PROBES, np.random.default_rng(0))
            return x, np.full(_PROBES, 1.0 / _PROBES)
        x = np.linspace(*self._prior.domain(0.5 * _PRIOR_WIDTHS), _PROBES)
        p = self._prior.density(x)
        return x, p / p.sum()

    def _mass_on(self, rows: np.ndarray, finer: int) -> tuple[FloatArray, FloatArray]:
        """Return the mass of some rows on `finer` times as many panels, and its error."""
        edges = np.clip(self._images(rows, 2 * _PROBES * finer + 1), *self.domain)
        x, weights = _panel_nodes(edges, _ORDER)
        p = np.exp(self._solve(rows, x, 1)[0]) * weights
        panels = p.reshape(len(rows), -1, _ORDER).sum(2)
        exact = np.diff(self._prior.cdf(self._solve(rows, edges, 1)[1]), axis=1)
        return panels.sum(1), np.abs(panels - exact).sum(1)

    @cached_property
    def _edges(self) -> FloatArray:
        self._need_line("an interval of the mass")
        return self._images(self._rows, 2 * _PROBES + 1)

    def _images(self, rows: np.ndarray, n_edges: int) -> FloatArray:
        """Points at t of each row that come from evenly spaced ones of the prior, (n, n_edges)."""
        start = np.linspace(*self._prior.domain(_PRIOR_WIDTHS), n_edges)
        edges, steps = np.empty((len(rows), n_edges)), self._choice[0][rows]
        for n in np.unique(steps):
            here = np.flatnonzero(steps == n)
            tiled = np.broadcast_to(start, (len(here), n_edges))
            edges[here] = self._carry(rows[here], tiled, int(n), back=True).x
        return np.sort(edges, axis=1)

    def _check_domain(self, domain: Domain) -> None:
        ends = np.clip(domain, *self.hull)
        mass = np.diff(self.cdf(ends)).min()
        if mass < _MINIMUM_MASS:
            raise ArgumentError(
                f"domain must hold at least {_MINIMUM_MASS:.0%} of the learned density, "
                f"{domain} holds {mass:.2g}"
            )


def _panel_nodes(edges: FloatArray, order: int) -> tuple[FloatArray, FloatArray]:
    """Return Gauss–Legendre nodes and weights on the panels of each row of edges (n, E)."""
    pairs = [composite_gauss_legendre(order, row) for row in edges]
    return np.stack([x for x, _ in pairs]), np.stack([w for _, w in pairs])
