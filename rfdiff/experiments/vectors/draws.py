"""Fixed noise draws against the exact expectation, on digits: late test losses, and their cost.

A loss of k fixed draws a datum is what most code trains on. Late in training the model fits the
draws themselves; the exact expectation, k → ∞, leaves that out.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from time import process_time
from typing import Any

import numpy as np

from ...plotting.style import BLACK, RED, TAU_LABEL, new_figure
from ...plotting.sweeps import finish, plot_family, plot_trend
from ...runs.train_exact import train_exact
from ...support.validation import FloatArray
from ...theory.verdicts import Verdict
from ..curves import Band, LongTable, Progress
from .digits import HELD_OUT, principal_digits


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment: `QUICK` for a look, `FULL` for a figure to keep."""

    draws: tuple[int, ...] = (1, 3, 10, 50)
    coordinates: int = 16
    n: int = 1200
    m: int = 512
    seeds: int = 5
    n_tau: int = 101
    late: float = 1e10


QUICK = Settings(m=256, seeds=3)
FULL = Settings()


@dataclass(frozen=True, eq=False)
class DrawsExperiment:
    """The figure's numbers. Losses are per coordinate; the exact expectation is the last.

    Attributes:
        settings: sizes.
        tau: training times (n_tau,).
        test: loss of held-out digits, (draws + 1, seeds, n_tau).
        seconds: processor time of the assembly of G and C, (draws + 1, seeds).
        gaussian: test loss of the Gaussian score of the training points, (seeds,).
    """

    settings: Settings
    tau: FloatArray
    test: FloatArray
    seconds: FloatArray
    gaussian: FloatArray

    @property
    def names(self) -> list[str]:
        """What each curve was trained on."""
        draws = self.settings.draws
        return [f"{k} draw{'s' if k > 1 else ''}" for k in draws] + ["exact"]

    @cached_property
    def late(self) -> FloatArray:
        """Test loss at the last τ, (draws + 1, seeds)."""
        return self.test[:, :, -1]

    @cached_property
    def least(self) -> FloatArray:
        """Least test loss along τ, (draws + 1, seeds)."""
        return self.test.min(axis=-1)

    @cached_property
    def cost(self) -> FloatArray:
        """Assembly's time over that of the exact expectation, median over seeds, (draws + 1,)."""
        return np.asarray(np.median(self.seconds / self.seconds[-1], axis=1))

    def verdicts(self) -> list[Verdict]:
        """No exponent is predicted here."""
        return []

    def table(self) -> dict[str, list[Any]]:
        """Return every number in the figure as columns."""
        table, draws = LongTable(), self.settings.draws
        for name, curves in zip(self.names, self.test, strict=True):
            table.add_band("test loss", name, self.tau, Band.of(curves))
        for name, values in (("late", self.late), ("least", self.least)):
            table.add_band(name, "draws", draws, Band.of(values[:-1].T))
            table.add_band(name, "exact", 0.0, Band.of(values[-1][:, None]))
        table.add("assembly over exact", "draws", draws, self.cost[:-1])
        table.add_band("test loss", "Gaussian score", 0.0, Band.of(self.gaussian[:, None]))
        return table.columns

    def summary(self) -> str:
        """Return the claims in numbers."""
        settings = self.settings
        excess = self.late - self.late[-1]
        rows = zip(self.names, self.least, self.late, excess, self.cost, strict=True)
        return "\n".join(
            [
                f"digits, {settings.coordinates} principal coordinates, n = {settings.n}, "
                f"m = {settings.m}, {settings.seeds} seeds (medians); test loss per coordinate",
                f"{'trained on':<10} {'least':>8} {'late':>8} {'late − exact':>13} "
                f"{'in how many seeds above':>24} {'assembly / exact':>17}",
                *(
                    f"{name:<10} {np.median(least):>8.4f} {np.median(late):>8.4f} "
                    f"{np.median(more):>13.4f} {(more > 0).sum():>24} {cost:>17.2f}"
                    for name, least, late, more, cost in rows
                ),
                f"Gaussian score of the training points: {np.median(self.gaussian):.4f}; "
                f"late is τ = {settings.late:.0e}, assembly in processor time",
            ]
        )

    def draw(self) -> Any:
        """Return the figure: test losses along τ, and the late excess against k."""
        figure, (curves, late) = new_figure(1, 2)
        bands = [Band.of(values) for values in self.test]
        shown = [(band.low, band.middle, band.high) for band in bands]
        plot_family(curves, self.tau, shown[:-1], self.names[:-1])
        exact = bands[-1]
        curves.fill_between(self.tau, exact.low, exact.high, color=RED, alpha=0.18, linewidth=0)
        curves.plot(self.tau, exact.middle, color=RED, linewidth=1.7, label="exact expectation")
        level = float(np.median(self.gaussian))
        curves.axhline(level, color=BLACK, linestyle=":", linewidth=1.2, label="Gaussian score")
        finish(curves, TAU_LABEL, "test loss per coordinate", self.tau, [1.0])
        low = min(band.middle.min() for band in bands)
        high = max(level, *(band.middle[-1] for band in bands))
        curves.set_ylim(low - 0.1 * (high - low), high + 0.6 * (high - low))
        curves.set_title("few draws are fitted themselves, late in training")
        draws, excess = np.array(self.settings.draws, np.float64), self.late[:-1] - self.late[-1]
        band = Band.of(excess.T)
        plot_trend(late, draws, band.middle, band.low, band.high)
        finish(
            late,
            "noise draws a datum k",
            "late test loss above the exact expectation's",
            draws,
            excess,
            law=True,
        )
        late.set_title(
            f"{self.settings.draws[-1]} draws cost {self.cost[-2]:.1f} exact expectations"
        )
        return figure


def compute(settings: Settings, progress: Progress) -> DrawsExperiment:
    """Train on k draws and on the exact expectation, over seeds."""
    tau = np.logspace(0, np.log10(settings.late), settings.n_tau)
    data = principal_digits(settings.coordinates)
    choices: tuple[int | None, ...] = (*settings.draws, None)
    test = np.empty((len(choices), settings.seeds, len(tau)))
    seconds, gaussian = np.empty(test.shape[:2]), np.empty(settings.seeds)
    for seed in range(settings.seeds):
        for i, k in enumerate(choices):
            progress(f"seed {seed}: {'the exact expectation' if k is None else f'{k} draws'}")
            run = train_exact(
                tau, data=data, n=settings.n, m=settings.m, seed=seed, held_out=HELD_OUT,
                noise_samples=k, standardise=False, skip="gaussian", scaling="both",
                precondition=True,
            )  # fmt: skip
            test[i, seed] = run.loss("test").value / settings.coordinates
            start = process_time()
            run.problem.training_quadratic()
            seconds[i, seed] = process_time() - start
        gaussian[seed] = run.baselines("test")["gaussian"].value / settings.coordinates
    return DrawsExperiment(settings, tau, test, seconds, gaussian)


def with_seeds(settings: Settings, seeds: int) -> Settings:
    """Return the settings with another number of seeds."""
    return replace(settings, seeds=seeds)
