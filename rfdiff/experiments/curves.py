"""What the experiments share: bands over seeds, the long table, the bound, the paper's KL."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..diffusion.sde import ForwardSDE
from ..diffusion.targets import Target
from ..loss.noise_expectation import denoising_quadratic
from ..loss.objective import DenoisingObjective
from ..loss.score_matching import score_norm
from ..runs.defaults import EVALUATION_TIME
from ..runs.trained_flow import TrainedFlow
from ..support.estimate import Estimate
from ..support.validation import FloatArray
from ..theory.bounds import bound_objective, prior_divergence
from ..theory.verdicts import Verdict
from ..training.rounding import FlowRounding, FlowRoundingAt

Progress = Callable[[str], None]


class Experiment(Protocol):
    """What a figure of `rfdiff figure` computes, before anything is drawn."""

    def table(self) -> dict[str, list[Any]]:
        """Return every number in the figure as columns of one long table."""

    def verdicts(self) -> list[Verdict]:
        """Return predicted beside measured exponents."""

    def summary(self) -> str:
        """Return the claims in numbers, as lines of text."""

    def draw(self) -> Any:
        """Return the figure, a `matplotlib.figure.Figure`."""


@dataclass(frozen=True, eq=False)
class Band:
    """A median over seeds with its quartiles, along the last axis of the values.

    >>> band = Band.of([[1.0, 4.0], [2.0, 5.0], [3.0, 9.0]])
    >>> band.middle, band.low, band.high
    (array([2., 5.]), array([1.5, 4.5]), array([2.5, 7. ]))
    """

    low: FloatArray
    middle: FloatArray
    high: FloatArray

    @classmethod
    def of(cls, values: ArrayLike) -> "Band":
        """Return the quartiles over the first axis."""
        low, middle, high = np.quantile(np.asarray(values, np.float64), [0.25, 0.5, 0.75], axis=0)
        return cls(low, middle, high)


@dataclass(frozen=True)
class LongTable:
    """Rows (panel, series, x, y, low, high): one CSV for a whole figure."""

    columns: dict[str, list[Any]] = field(
        default_factory=lambda: {name: [] for name in ("panel", "series", "x", "y", "low", "high")}
    )

    def add(
        self,
        panel: str,
        series: str,
        x: ArrayLike,
        y: ArrayLike,
        low: ArrayLike | None = None,
        high: ArrayLike | None = None,
    ) -> None:
        """Append one curve; `low` and `high` are y itself where there is no band."""
        x = np.atleast_1d(np.asarray(x, np.float64))
        ys = [
            np.broadcast_to(np.asarray(y if part is None else part, np.float64), x.shape)
            for part in (y, low, high)
        ]
        rows: Sequence[tuple[str, Sequence[Any]]] = (
            ("panel", [panel] * len(x)),
            ("series", [series] * len(x)),
            ("x", x.tolist()),
            *((name, part.tolist()) for name, part in zip(("y", "low", "high"), ys, strict=True)),
        )
        for name, values in rows:
            self.columns[name].extend(values)

    def add_band(self, panel: str, series: str, x: ArrayLike, band: Band) -> None:
        """Append a band over seeds."""
        self.add(panel, series, x, band.middle, band.low, band.high)


@dataclass(frozen=True, eq=False)
class BoundOf:
    """The bound of many runs on one target: what does not depend on the features, only once."""

    target: Target
    objective: DenoisingObjective
    norm: float
    prior: float

    @classmethod
    def build(cls, target: Target, sde: ForwardSDE, n_times: int) -> "BoundOf":
        """Prepare a target, on a time rule of `n_times` nodes."""
        objective = bound_objective(sde, EVALUATION_TIME, n_times)
        norm = score_norm(target, objective)
        return cls(target, objective, float(norm), float(prior_divergence(target, sde)))

    def __call__(self, run: TrainedFlow) -> Estimate:
        """Return the bound along the run's τ, with the error of its training's rounding.

        That of the time rule is the same along τ to first order; `run.bound` has it, too.
        """
        loss = denoising_quadratic(self.target, self.objective, run.features)
        loss = loss.with_constant(self.norm)
        mismatch = loss(run.theta())
        error = FlowRoundingAt(FlowRounding(run.flow), run.tau).of_loss(loss)
        half_length = 0.5 * (self.objective.sde.T - EVALUATION_TIME)
        return Estimate(half_length * mismatch + self.prior, half_length * error)


def grid_kl(target: Target, score: ArrayLike, x: FloatArray) -> FloatArray:
    """Return the KL of the paper's code: trapezoids on a grid of x, for scores (…, len(x)).

    log p̂ is the cumulative trapezoid sum of the score; both densities are normalised on the grid.
    With the paper's 51 points this has an error of a few per cent; `TrainedFlow.kl` is exact.
    """
    score = np.asarray(score, np.float64)
    step = np.diff(x)
    log_density = np.zeros(score.shape)
    log_density[..., 1:] = np.cumsum(0.5 * (score[..., 1:] + score[..., :-1]) * step, axis=-1)
    log_density -= log_density.max(axis=-1, keepdims=True)
    log_density -= np.log(np.trapezoid(np.exp(log_density), x))[..., None]
    density = target.density(x)
    density = density / np.trapezoid(density, x)
    log_ratio = np.zeros(score.shape)
    there = density > 0
    log_ratio[..., there] = np.log(density[there]) - log_density[..., there]
    return np.asarray(np.trapezoid(density * log_ratio, x))
