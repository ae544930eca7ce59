"""The reverse-SDE density [3]: the law at t of the reverse diffusion run from a prior at T, in 1-D.

dx = [−f x + g² s_θ] ds' + g dW in reverse time s' = T − t: the third sense of p_{t,θ}, the one the
bound [14] speaks of.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ArgumentError
from ..estimate import Estimate
from ..mixtures import GaussianMixture
from ..quadrature import composite_gauss_legendre
from ..reference import Domain, Reference, parse_domain
from ..score import Score
from ..sde import ForwardSDE
from ..time_grids import reverse_time
from ..validation import FloatArray, positive
from .drops import drops_of
from .moving_grid import MovingGrid
from .refinement import ReverseProblem, SolvedRow, rough_mass, solve_rows, widened_grid
from .row_density import RowDensity

# A domain that holds less than this of a learned density misses it.
_MINIMUM_MASS = 0.01
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
        domain: (a, b), where the density is compared; the line if None. The density is not
            renormalised there.
        tolerance: of the mean absolute error of log p̂ under p̂.

    Raises:
        ArgumentError: bad arguments, a score that is not finite, or a domain that holds less than
            about 1 % of the mass at some training time.

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
    domain: Domain = (-np.inf, np.inf)
    tolerance: float = 2e-4
    _grid: MovingGrid = field(init=False, repr=False)
    _solved: list[SolvedRow] = field(init=False, repr=False)

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
        domain = parse_domain(np.inf if self.domain is None else self.domain)
        wanted = domain if np.isfinite(domain).all() else None
        n_rows = int(np.prod(self.score.shape))
        problem = ReverseProblem(drops_of(self.score), n_rows, self.sde, t, prior)
        grid = widened_grid(problem, wanted)
        if wanted is not None:
            self._require_mass(rough_mass(problem, grid, wanted), wanted)
        rows = solve_rows(problem, grid, tolerance)
        values = {"t": t, "prior": prior, "domain": domain, "_grid": grid, "_solved": rows}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the training times."""
        return self.score.shape

    @property
    def breakpoints(self) -> FloatArray:
        """No points of lesser smoothness: diffusion has smoothed the kinks of the score."""
        return np.empty(0)

    @property
    def hull(self) -> Domain:
        """An interval that holds all of the mass at every training time."""
        low = min(row.middle - row.width for row in self._rows)
        high = max(row.middle + row.width for row in self._rows)
        return low, high

    @cached_property
    def mass(self) -> Estimate:
        """Mass on the domain, shape (…).

        The error is what the extrapolation and the ends of the grid may have gained or lost.
        """
        value = np.diff(self.cdf(np.array(self.domain)))[..., 0]
        error = [row.defect + row.edge for row in self._solved]
        return Estimate(value, np.reshape(error, self.shape))

    @property
    def error(self) -> FloatArray:
        """Estimated mean absolute error of log p̂ under p̂, shape (…)."""
        return np.reshape([row.mean_error for row in self._solved], self.shape)

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Return log p̂(x), shape (…) + x.shape."""
        return self._evaluate(x)[0]

    def log_density_error(self, x: ArrayLike) -> FloatArray:
        """Return the estimated absolute error of log p̂(x), shape (…) + x.shape."""
        return self._evaluate(x)[1]

    def density(self, x: ArrayLike) -> FloatArray:
        """Return p̂(x), shape (…) + x.shape."""
        return np.exp(self.log_density(x))

    def log_density_of(self, rows: NDArray[np.intp], x: FloatArray) -> FloatArray:
        """Return log p̂ of the training time rows[i] (a flat index) at x[i], shape (P,)."""
        out = np.empty(len(x))
        for row in np.unique(rows):
            here = rows == row
            out[here] = self._rows[row].evaluate(x[here])[0]
        return out

    def cdf(self, x: ArrayLike) -> FloatArray:
        """Return the distribution function P̂(X ≤ x), shape (…) + x.shape."""
        x = np.asarray(x, dtype=np.float64)
        values = np.stack([row.cdf(x.ravel()) for row in self._rows])
        return values.reshape(self.shape + x.shape)

    def mean_log_density(self, law: Any) -> Estimate:
        """E_p[log p̂], p restricted to the domain: shape (…).

        The error adds the quadrature's to the mean of `log_density_error`; point masses need none.
        """
        if isinstance(law, GaussianMixture) and law.dimension == 1 and not law.stds.any():
            value, error = self._evaluate(law.means[:, 0])
            return Estimate((value * law.weights).sum(-1), (error * law.weights).sum(-1))
        reference = Reference(law, self.domain)
        edges = self._panels(reference)
        value, error = self._means(reference, edges, _ORDER)
        coarse, _ = self._means(reference, edges, _ORDER // 2)
        return Estimate(value, np.abs(value - coarse) + error)

    def _require_mass(self, mass: FloatArray, domain: Domain) -> None:
        worst = int(mass.argmin())
        if mass[worst] < _MINIMUM_MASS:
            index = tuple(int(i) for i in np.unravel_index(worst, self.shape))
            where = f" at training time {index}" if index else ""
            raise ArgumentError(
                f"domain must hold at least {_MINIMUM_MASS:.0%} of the learned density, "
                f"{domain} holds about {mass[worst]:.2g}{where}"
            )

    def _panels(self, reference: Reference) -> FloatArray:
        """Panels on which the law and every row are resolved."""
        edges = reference.edges
        finest = min(row.finest for row in self._rows)
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
        pairs = [row.evaluate(x.ravel()) for row in self._rows]
        value, error = (np.stack(part) for part in zip(*pairs, strict=True))
        return value.reshape(self.shape + x.shape), error.reshape(self.shape + x.shape)

    @cached_property
    def _rows(self) -> list[RowDensity]:
        """The densities of the training times, in x."""
        r, grid = float(self.sde.scale(self.t)), self._grid
        v = np.array([grid.v_end])
        middle, widths = r * float(grid.middle(v)[0]), r * grid.half_width(v)[:, 0]
        return [
            RowDensity(middle, float(width), float(kappa), row.log_density, row.log_error)
            for width, kappa, row in zip(widths, grid.grading, self._solved, strict=True)
        ]
