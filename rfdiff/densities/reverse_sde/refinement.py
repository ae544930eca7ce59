"""How wide a grid, how many cells and how many steps a reverse Fokker–Planck solve needs.

A cheap pilot widens the grid of each training time until no mass reaches its ends. Then each is
solved, and solved again with twice the steps or twice the cells, whichever matters more, until the
estimated mean error of its log density is below the tolerance.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ...diffusion.mixtures import GaussianMixture
from ...diffusion.sde import ForwardSDE
from ...diffusion.time_grids import noise_ratio
from ...support.errors import AccuracyWarning
from ...support.validation import FloatArray, memory
from .fokker_planck import LEVELS, Solution, march, solve
from .moving_grid import Clock, MovingGrid
from .potential_increments import PotentialIncrements

# The prior is followed to this many standard deviations: K of the moving grid.
_WIDTHS = 8.0
# The wanted domain is this many times as long as the core of the grid.
_CORE = 6.0
# The most mass allowed at an end of the grid, the factor of a widening, and how many there may be.
EDGE_MASS = 1e-8
_WIDEN = 1.3
_WIDENINGS = 40
# The pilot: cells, and steps for each e-fold of the noise ratio.
_PILOT_CELLS = 128
_PILOT_STEPS = 6.0
# The first solve: steps for each e-fold; cells for each v in the core, doubled from the fewest.
_STEPS = 10.0
_CELLS = 8.0
_FEWEST_CELLS = 400
_FIRST_CELLS = 1600
# Steps and cells may be doubled this often beyond the first solve.
_DOUBLINGS = 3
# Bytes of the training times solved together.
_BATCH_BYTES = 1 << 28


@dataclass(frozen=True, eq=False)
class Solved:
    """The density of ξ of one training time on its final grid, with the effort it took.

    `escaped` are the mass and the square of its `Escape`.
    """

    log_density: FloatArray
    log_error: FloatArray
    mean_error: float
    defect: float
    edge: float
    escaped: tuple[float, float]
    cells: int
    steps: int


@dataclass(frozen=True, eq=False)
class ReverseProblem:
    """What is solved for n training times: increments, the process, the end time, the law at T."""

    increments: PotentialIncrements
    n: int
    sde: ForwardSDE
    t: float
    prior: GaussianMixture

    def log_ratio(self) -> float:
        """Return ln(v_T/v_t), the length of the clock."""
        return float(np.log(self._v(self.sde.T) / self._v(self.t)))

    def log_prior(self, grid: MovingGrid, cells: int) -> FloatArray:
        """Return the log density of the prior at the nodes at T, each up to a constant."""
        return self.prior.log_density(
            float(self.sde.scale(self.sde.T)) * grid.points(grid.v_start, cells)
        )

    def first_grid(self, wanted: tuple[float, float] | None) -> MovingGrid:
        """Return the narrowest grid that holds the prior, and the wanted domain at the end."""
        v_start, v_end = self._v(self.sde.T), self._v(self.t)
        ends = np.abs(self.prior.domain(_WIDTHS)) / float(self.sde.scale(self.sde.T))
        growth = max(_WIDTHS, float(ends.max()) / v_start)
        centre, reach, core = 0.0, growth * v_end, growth * v_end
        if wanted is not None:
            low, high = np.array(wanted) / float(self.sde.scale(self.t))
            centre = 0.5 * (low + high) / (1.0 - (v_end / v_start) ** 2)
            reach, core = max(reach, 0.5 * (high - low)), max(core, (high - low) / _CORE)
        return MovingGrid(centre, np.full(self.n, reach), growth, core, v_start, v_end)

    def _v(self, t: float) -> float:
        return float(noise_ratio(self.sde, t))


def widened_grid(problem: ReverseProblem, wanted: tuple[float, float] | None) -> MovingGrid:
    """Widen each training time's grid until the pilot finds no mass at its ends."""
    grid = problem.first_grid(wanted)
    k = np.arange(problem.n)
    for _ in range(_WIDENINGS):
        _, edge = _first_order(problem, grid, k, _PILOT_CELLS, _PILOT_STEPS)
        k = k[edge > EDGE_MASS]
        if not len(k):
            break
        reach = grid.reach.copy()
        reach[slice(None) if problem.increments.common_grid else k] *= _WIDEN
        grid = replace(grid, reach=reach)
    return grid


def rough_mass(
    problem: ReverseProblem, grid: MovingGrid, wanted: tuple[float, float]
) -> FloatArray:
    """Return the masses on the wanted domain, (n,), by a solve to first order."""
    mass, _ = _first_order(problem, grid, np.arange(problem.n), _FEWEST_CELLS, _STEPS)
    x = float(problem.sde.scale(problem.t)) * grid.points(grid.v_end, _FEWEST_CELLS)
    return np.where((x >= wanted[0]) & (x <= wanted[1]), mass, 0.0).sum(-1)


def _first_order(
    problem: ReverseProblem, grid: MovingGrid, k: np.ndarray, cells: int, steps: float
) -> tuple[FloatArray, FloatArray]:
    """Return the masses at the nodes, without extrapolation, and the largest at an end.

    `steps` are those of an e-fold of the noise ratio.
    """
    clock = Clock.make(problem.sde, problem.t, int(np.ceil(steps * problem.log_ratio())), levels=1)
    parts = [
        march(problem.increments, batch, grid.of(batch), clock, cells, log_prior)
        for batch, log_prior in _batches(problem, k, grid, cells, 1)
    ]
    masses, escaped = zip(*parts, strict=True)
    edges = np.concatenate([each.largest for each in escaped])
    return np.concatenate(masses)[:, -1, 0], edges


def solve_refined(problem: ReverseProblem, grid: MovingGrid, tolerance: float) -> list[Solved]:
    """Solve and refine every training time; warn if one stays above the tolerance."""
    first_steps = int(np.ceil(_STEPS * problem.log_ratio()))
    most = (_FIRST_CELLS << _DOUBLINGS, first_steps << _DOUBLINGS)
    waiting: dict[tuple[int, int], list[int]] = {}
    for k, cells in enumerate(_first_cells(grid)):
        waiting.setdefault((cells, first_steps), []).append(k)
    solved: dict[int, Solved] = {}
    while waiting:
        cells, steps = key = min(waiting)
        due = np.array(sorted(waiting.pop(key)))
        clock = Clock.make(problem.sde, problem.t, steps, LEVELS)
        for batch, log_prior in _batches(problem, due, grid, cells, LEVELS):
            solution = solve(problem.increments, batch, grid.of(batch), clock, cells, log_prior)
            in_time, in_space = solution.mean_errors()
            # Extrapolated mass at an end is wrong, and shifts log p̂ everywhere by normalisation.
            piled = solution.escaped.largest > EDGE_MASS
            shift = np.where(piled, np.log1p(solution.defect), 0.0)
            for i, k in enumerate(batch):
                lost = shift[i] + solution.escaped.largest[i]
                mean_error = float(in_time[i] + in_space[i] + lost)
                solved[k] = _solved(solution, i, mean_error, float(shift[i]), cells, steps)
                escaping = solution.escaped.largest[i] > tolerance
                if mean_error > tolerance and not escaping:
                    finer = (cells, 2 * steps) if in_time[i] > in_space[i] else (2 * cells, steps)
                    if finer[0] <= most[0] and finer[1] <= most[1]:
                        waiting.setdefault(finer, []).append(k)
    found = [solved[k] for k in range(problem.n)]
    _warn(found, tolerance)
    return found


def _first_cells(grid: MovingGrid) -> list[int]:
    """Cells as wide in the core as v over `_CELLS`, between the fewest and the most."""
    finest = grid.half_width(np.array([grid.v_end]))[:, 0] * grid.grading / np.sinh(grid.grading)
    needed = 2.0 * _CELLS * finest / grid.v_end
    doublings = np.ceil(np.log2(np.maximum(needed / _FEWEST_CELLS, 1.0)))
    return np.minimum(_FEWEST_CELLS * 2**doublings, _FIRST_CELLS).astype(int).tolist()


def _batches(
    problem: ReverseProblem, k: np.ndarray, grid: MovingGrid, cells: int, levels: int
) -> Iterator[tuple[np.ndarray, FloatArray]]:
    """Yield batches of training times that fit in memory, with the log prior on their grids."""
    each = 8.0 * (cells + 1) * (3 * levels + 2 ** (levels - 1) + 24)
    memory("the Fokker–Planck solve", each)
    size = max(1, int(_BATCH_BYTES / each))
    for i in range(0, len(k), size):
        batch = k[i : i + size]
        yield batch, problem.log_prior(grid.of(batch), cells)


def _solved(
    solution: Solution, i: int, mean_error: float, shift: float, cells: int, steps: int
) -> Solved:
    return Solved(
        solution.log_density[i],
        solution.time_error[i] + solution.space_error[i] + shift,
        mean_error,
        float(solution.defect[i]),
        float(solution.escaped.largest[i]),
        (float(solution.escaped.mass[i]), float(solution.escaped.square[i])),
        cells,
        steps,
    )


def leaves_the_grid(edge: float) -> str:
    """Return what to say, and to do, where a mass is beyond every grid."""
    return f"a mass of {edge:.1e} leaves the widest grid; take a smaller tau or more data"


def _warn(found: list[Solved], tolerance: float) -> None:
    worst = max(found, key=lambda solved: solved.mean_error)
    if worst.mean_error > tolerance:
        reason = (
            leaves_the_grid(worst.edge)
            if worst.edge > tolerance
            else f"after {worst.cells} cells and {worst.steps} steps; "
            f"loosen tolerance = {tolerance:g}, or evaluate at a larger t"
        )
        warnings.warn(
            f"the log density of the reverse SDE is known to {worst.mean_error:.1e} only, {reason}",
            AccuracyWarning,
            stacklevel=2,
        )
