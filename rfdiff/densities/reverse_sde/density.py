"""The reverse-SDE density [3]: the law at t of the reverse diffusion run from a prior at T, in 1-D.

dx = [−f x + g² s_θ] ds' + g dW in reverse time s' = T − t: the third definition of p_{t,θ}, the one
that the bound [14] speaks of.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ...diffusion.law_on_domain import Domain, Reference
from ...numerics.quadrature import composite_gauss_legendre
from ...support.estimate import Estimate
from ...support.validation import FloatArray
from ..interfaces import Escaped
from ..panel_comparison import PanelComparison
from ..transported import TransportedDensity
from .grid_density import GridDensity
from .moving_grid import MovingGrid
from .potential_increments import potential_increments
from .refinement import (
    EDGE_MASS,
    ReverseProblem,
    Solved,
    leaves_the_grid,
    rough_mass,
    solve_refined,
    widened_grid,
)

# Gauss–Legendre nodes of a panel, and the width of a panel in cells of the finest grid.
_ORDER = 8
_CELLS_PER_PANEL = 8
# Divergences are resolved in x to this share of the tolerance.
_SHARE = 0.05
# Where a reference law is thinner than this, nothing that log p̂ can be there counts.
_THIN = 1e-60


@dataclass(frozen=True, eq=False)
class ReverseSDEDensity(TransportedDensity):
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

    >>> from rfdiff.diffusion.mixtures import bimodal
    >>> from rfdiff.model.score import ExactScore
    >>> from rfdiff.diffusion.sde import VESDE
    >>> law, sde = bimodal(3.0), VESDE()
    >>> start = law.diffuse(1.0, sde.prior_std)
    >>> learned = ReverseSDEDensity(ExactScore(law, sde), sde, 0.065, prior=start)
    >>> exact = law.diffuse(1.0, float(sde.std(0.065))).density(3.0)
    >>> abs(float(learned.density(3.0) / exact) - 1.0) < 1e-5
    True
    """

    method: ClassVar[str] = "reverse-sde"
    tolerance: float = 2e-4
    _solved: list[Solved] = field(init=False, repr=False)
    _densities: list[GridDensity] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._need_line("the reverse-SDE density")
        super().__post_init__()
        wanted = self.domain if self._bounded else None
        increments = potential_increments(self.score)
        problem = ReverseProblem(increments, self._n_taus, self.sde, self.t, self.start_law)
        grid = widened_grid(problem, wanted)
        if wanted is not None:
            self._require_mass(rough_mass(problem, grid, wanted))
        solved = solve_refined(problem, grid, self.tolerance)
        object.__setattr__(self, "_solved", solved)
        object.__setattr__(self, "_densities", _in_x(solved, grid, float(self.sde.scale(self.t))))

    @property
    def knob(self) -> str:
        """What to change where the error of a divergence leaves little of it."""
        edge = max(solved.edge for solved in self._solved)
        if edge > EDGE_MASS:
            return leaves_the_grid(edge)
        return "lower the tolerance, or evaluate at a larger t or a smaller tau"

    def beside(self, law: Any) -> PanelComparison:
        """Return a comparison with a one-dimensional law, on the domain."""
        return PanelComparison(self, law, _SHARE * self.tolerance)

    @property
    def hull(self) -> Domain:
        """An interval that holds all of the mass at every training time."""
        low = min(density.middle - density.width for density in self._densities)
        high = max(density.middle + density.width for density in self._densities)
        return low, high

    @property
    def escaped(self) -> Escaped:
        """Mass that may be beyond the grids."""
        mass, square = np.array([solved.escaped for solved in self._solved]).T
        middle, width = np.array([(each.middle, each.width) for each in self._densities]).T
        ends = np.stack([middle - width, middle + width])
        shape = self.shape
        return Escaped(
            mass.reshape(shape), (square * width**2).reshape(shape), ends.reshape(2, *shape)
        )

    @cached_property
    def mass(self) -> Estimate:
        """Mass on the domain, shape (…).

        The error is what the extrapolation and the ends of the grid may have gained or lost.
        """
        value = np.diff(self.cdf(np.array(self.domain)))[..., 0]
        error = [solved.defect + solved.edge for solved in self._solved]
        return Estimate(value, np.reshape(error, self.shape))

    @property
    def error(self) -> FloatArray:
        """Estimated mean absolute error of log p̂ under p̂, shape (…)."""
        return np.reshape([solved.mean_error for solved in self._solved], self.shape)

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Return log p̂(x), shape (…) + x.shape."""
        return self._evaluate(x)[0]

    def log_density_error(self, x: ArrayLike) -> FloatArray:
        """Return the estimated absolute error of log p̂(x), shape (…) + x.shape."""
        x = np.asarray(x, dtype=np.float64)
        return self._evaluate(x)[1] + self._theta_error_at(x)

    def log_density_slope(self, x: ArrayLike) -> Estimate:
        """Return ∂ₓ log p̂(x) in 1/[x], with what log p̂'s own error leaves unknown of it."""
        x = np.asarray(x, dtype=np.float64)
        pairs = [density.slope(x.ravel()) for density in self._densities]
        value, error = (np.stack(part) for part in zip(*pairs, strict=True))
        return Estimate(value.reshape(self.shape + x.shape), error.reshape(self.shape + x.shape))

    def cdf(self, x: ArrayLike) -> FloatArray:
        """Return the distribution function P̂(X ≤ x), shape (…) + x.shape."""
        x = np.asarray(x, dtype=np.float64)
        values = np.stack([density.cdf(x.ravel()) for density in self._densities])
        return values.reshape(self.shape + x.shape)

    def _check_domain(self) -> None:
        self._require_mass(self.mass.value.ravel())

    def _mean_under(self, reference: Reference) -> Estimate:
        """Return E_p[log p̂]; the error adds the quadrature's to the mean of log p̂'s own."""
        edges = self._panels(reference)
        value, error = self._means(reference, edges, _ORDER)
        coarse, _ = self._means(reference, edges, _ORDER // 2)
        return Estimate(value, np.abs(value - coarse) + error)

    def _panels(self, reference: Reference) -> FloatArray:
        """Panels on which the law and p̂ at every training time are resolved."""
        edges = reference.edges
        finest = min(density.finest for density in self._densities)
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
        pairs = [density.evaluate(x.ravel()) for density in self._densities]
        value, error = (np.stack(part) for part in zip(*pairs, strict=True))
        return value.reshape(self.shape + x.shape), error.reshape(self.shape + x.shape)


def _in_x(solved: list[Solved], grid: MovingGrid, r: float) -> list[GridDensity]:
    """Return the densities of the training times in x = r y."""
    v = np.array([grid.v_end])
    middle, widths = r * float(grid.middle(v)[0]), r * grid.half_width(v)[:, 0]
    return [
        GridDensity(middle, float(width), float(kappa), each.log_density, each.log_error)
        for width, kappa, each in zip(widths, grid.grading, solved, strict=True)
    ]
