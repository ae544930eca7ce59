"""The reverse-SDE density [3]: the law at t of the reverse diffusion run from a prior at T, in 1-D.

dx = [−f x + g² s_θ] ds' + g dW in reverse time s' = T − t: the third sense of p_{t,θ}, the one the
bound [14] speaks of.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline

from ..errors import ArgumentError
from ..estimate import Estimate
from ..mixtures import GaussianMixture
from ..quadrature import composite_gauss_legendre
from ..reference import Domain, Reference
from ..score import Score
from ..sde import ForwardSDE
from ..time_grids import noise_ratio, reverse_time
from ..validation import FloatArray, interval, positive
from .drops import drops_of
from .moving_grid import MovingGrid
from .refinement import ReverseProblem, SolvedRow, solve_rows, widened_grid

# A domain that holds less than this of a learned density misses it.
_MINIMUM_MASS = 0.01
# Beyond the grid log p̂ goes on along the chord of its last twentieth.
_CHORD = 0.1
# Gauss–Legendre nodes of a panel, and the width of a panel in cells of the finest grid.
_ORDER = 8
_CELLS_PER_PANEL = 8
# Where a reference law is thinner than this, nothing that log p̂ can be there counts.
_THIN = 1e-60


@dataclass(frozen=True, eq=False)
class ReverseSDEDensity:
    """The law p^{SDE}_{t,θ} of the reverse SDE [3] at time t, for every training time at once.

    Conservative, positive finite volumes on a grid that moves with the noise, extrapolated to
    fourth order in step and cell; each training time is refined until the estimated mean error of
    its log density is below `tolerance`, or a warning says that it is not. The solve goes as far
    as there is mass; beyond it, log p̂ is continued along a line and its error is what that adds.

    Args:
        score: a one-dimensional score, training times leading.
        sde: the forward process.
        t: evaluation time, 0 < t < T.
        prior: law at T from which the reversal starts; π = N(0, prior_std²) if None.
        domain: (a, b), where the density is wanted; None: wherever there is mass.
        tolerance: of the mean absolute error of log p̂ under p̂.

    Raises:
        ArgumentError: bad arguments, a score that is not finite, or, once solved, a domain that
            holds less than 1 % of the mass at some training time.

    >>> from rfdiff.mixtures import bimodal
    >>> from rfdiff.score import ExactScore
    >>> from rfdiff.sde import VESDE
    >>> law, sde = bimodal(3.0), VESDE()
    >>> start = law.diffuse(1.0, sde.prior_std)
    >>> learned = ReverseSDEDensity(ExactScore(law, sde), sde, 0.065, prior=start)
    >>> exact = law.diffuse(1.0, float(sde.std(0.065))).density(3.0)
    >>> abs(float(learned.density(3.0) / exact) - 1.0) < 1e-5
    True
    """

    score: Score
    sde: ForwardSDE
    t: float
    prior: GaussianMixture | None = None
    domain: Domain | None = None
    tolerance: float = 2e-4
    _grid: MovingGrid = field(init=False, repr=False)
    _rows: list[SolvedRow] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.score.dimension != 1:
            raise ArgumentError(
                f"the reverse-SDE density needs one dimension, got d = {self.score.dimension}"
            )
        t, tolerance = reverse_time(self.sde, self.t), positive("tolerance", self.tolerance)
        prior = self.prior
        if prior is None:
            prior = GaussianMixture([1.0], [0.0], self.sde.prior_std)
        elif prior.dimension != 1:
            raise ArgumentError(f"prior must be one-dimensional, got d = {prior.dimension}")
        wanted = None if self.domain is None else interval("domain", self.domain)
        n_rows = int(np.prod(self.score.shape))
        problem = ReverseProblem(drops_of(self.score), n_rows, self.sde, t, prior)
        grid = widened_grid(problem, wanted)
        rows = solve_rows(problem, grid, tolerance)
        ends = grid.points(float(noise_ratio(self.sde, t)), 1) * float(self.sde.scale(t))
        hull = (float(ends[:, 0].min()), float(ends[:, 1].max()))
        values = {"t": t, "prior": prior, "domain": wanted or hull, "_grid": grid, "_rows": rows}
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if wanted is not None:
            self._check_domain()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the training times."""
        return self.score.shape

    @property
    def breakpoints(self) -> FloatArray:
        """No points of lesser smoothness: diffusion has smoothed the kinks of the score."""
        return np.empty(0)

    @cached_property
    def mass(self) -> Estimate:
        """Mass on the domain, shape (…).

        The error is what the extrapolation and the ends of the grid may have gained or lost.
        """
        value = np.diff(self.cdf(np.array(self.domain)))[..., 0]
        error = [row.defect + row.edge for row in self._rows]
        return Estimate(value, np.reshape(error, self.shape))

    @property
    def error(self) -> FloatArray:
        """Estimated mean absolute error of log p̂ under p̂, shape (…)."""
        return np.reshape([row.mean_error for row in self._rows], self.shape)

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Return log p̂(x), shape (…) + x.shape."""
        return self._evaluate(x)[0]

    def log_density_error(self, x: ArrayLike) -> FloatArray:
        """Return the estimated absolute error of log p̂(x), shape (…) + x.shape."""
        return self._evaluate(x)[1]

    def density(self, x: ArrayLike) -> FloatArray:
        """Return p̂(x), shape (…) + x.shape."""
        return np.exp(self.log_density(x))

    def cdf(self, x: ArrayLike) -> FloatArray:
        """Return the distribution function P̂(X ≤ x), shape (…) + x.shape."""
        x = np.asarray(x, dtype=np.float64)
        flat = x.ravel()
        eta = self._grid.eta(np.clip(self._xi(flat), -1.0, 1.0))
        out = np.empty((len(self._rows), flat.size))
        for i, spline in enumerate(self._cumulative):
            out[i] = np.clip(spline(eta[i]), 0.0, 1.0)
        return out.reshape(self.shape + x.shape)

    def mean_log_density(self, law: Any) -> Estimate:
        """E_p[log p̂], p restricted to the domain: shape (…).

        The error adds the quadrature's to the mean of `log_density_error`.
        """
        reference = Reference(law, self.domain)
        edges = self._panels(reference)
        value, error = self._means(reference, edges, _ORDER)
        coarse, _ = self._means(reference, edges, _ORDER // 2)
        return Estimate(value, np.abs(value - coarse) + error)

    def _check_domain(self) -> None:
        mass = self.mass.value
        if mass.min() < _MINIMUM_MASS:
            worst = tuple(int(i) for i in np.unravel_index(mass.argmin(), mass.shape))
            where = f" at training time {worst}" if worst else ""
            raise ArgumentError(
                f"domain must hold at least {_MINIMUM_MASS:.0%} of the learned density, "
                f"{self.domain} holds {mass.min():.2g}{where}"
            )

    def _panels(self, reference: Reference) -> FloatArray:
        """Panels on which the law and every row are resolved."""
        edges = reference.edges
        cells = np.array([row.cells for row in self._rows])
        kappa = self._grid.grading
        finest = float((2.0 * self._width * kappa / np.sinh(kappa) / cells).min())
        finest *= float(self.sde.scale(self.t))
        n = int(np.ceil((edges[-1] - edges[0]) / (_CELLS_PER_PANEL * finest)))
        return np.unique(np.concatenate([edges, np.linspace(edges[0], edges[-1], n + 1)]))

    def _means(
        self, reference: Reference, edges: FloatArray, order: int
    ) -> tuple[FloatArray, FloatArray]:
        """Return the means of log p̂ and of its error under the law, each (…)."""
        x, weights = composite_gauss_legendre(order, edges)
        density = np.exp(reference.log_density(x))
        counts = density > _THIN
        log_density, log_error = self._evaluate(x[counts])
        p = (density * weights)[counts]
        return (log_density * p).sum(-1), (log_error * p).sum(-1)

    def _evaluate(self, x: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return log p̂ and its error, each (…) + x.shape."""
        x = np.asarray(x, dtype=np.float64)
        flat = x.ravel()
        xi = self._xi(flat)
        eta = self._grid.eta(np.clip(xi, -1.0, 1.0))
        value, error = np.empty(xi.shape), np.empty(xi.shape)
        log_width = np.log(self._width * float(self.sde.scale(self.t)))
        for i, (row, spline) in enumerate(zip(self._rows, self._splines, strict=True)):
            value[i] = spline(eta[i]) - log_width[i]
            error[i] = np.interp(eta[i], np.linspace(-1.0, 1.0, row.cells + 1), row.log_error)
            for end in (-1.0, 1.0):
                beyond = xi[i] * end > 1.0
                inner = float(self._grid.eta(np.full_like(xi, end * (1.0 - _CHORD)))[i, 0])
                fall = float(spline(end) - spline(inner)) / _CHORD
                change = min(fall, 0.0) * (np.abs(xi[i, beyond]) - 1.0)
                value[i, beyond] += change
                error[i, beyond] += np.abs(change)
        return value.reshape(self.shape + x.shape), error.reshape(self.shape + x.shape)

    @cached_property
    def _splines(self) -> list[CubicSpline]:
        """Splines of log q(ξ) in η, one for each row."""
        return [
            CubicSpline(np.linspace(-1.0, 1.0, row.cells + 1), row.log_density)
            for row in self._rows
        ]

    @cached_property
    def _cumulative(self) -> list[CubicSpline]:
        """Splines of the distribution function in η, by Gauss–Legendre on every cell."""
        splines = []
        for i, (row, spline) in enumerate(zip(self._rows, self._splines, strict=True)):
            nodes = np.linspace(-1.0, 1.0, row.cells + 1)
            eta, weights = composite_gauss_legendre(_ORDER, nodes)
            kappa = self._grid.grading[i]
            density = np.exp(spline(eta)) * kappa * np.cosh(kappa * eta) / np.sinh(kappa)
            total = np.cumsum((density * weights).reshape(row.cells, _ORDER).sum(1))
            splines.append(CubicSpline(nodes, np.append(0.0, total) / total[-1]))
        return splines

    @property
    def _v(self) -> FloatArray:
        return np.array([float(noise_ratio(self.sde, self.t))])

    @property
    def _width(self) -> FloatArray:
        """Half-widths S of the grids at t, shape (n,)."""
        return self._grid.half_width(self._v)[:, 0]

    def _xi(self, x: FloatArray) -> FloatArray:
        """Return the grid coordinates of x (N,), shape (n, N)."""
        y = x / float(self.sde.scale(self.t)) - self._grid.middle(self._v)
        return y / self._width[:, None]
