"""Early stopping: KL(τ) for several n with τ_es marked, beside SGD in the paper's protocol.

The curves over n are those of the package's default setting; the SGD panel is `sgd_protocol`'s.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..diffusion.mixtures import bimodal
from ..plotting.style import PALETTE, TAU_LABEL, new_figure, scientific
from ..plotting.sweeps import finish, plot_family
from ..support.estimate import Estimate
from ..support.validation import FloatArray
from ..theory.predictions import SUMMARY, UNIT_CONSTANTS, Axis
from ..theory.verdicts import Verdict, local_slope_table, verdict_table
from .curves import Band, LongTable, Progress
from .minima import Minima
from .scans import draw_verdict, train_over
from .sgd_protocol import SGDComparison, compare_sgd

_N_LABEL = "number of training points n"
# Time nodes of the bound, of which only the minimum is wanted.
_BOUND_TIMES = 32


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment: `QUICK` for a look, `FULL` for a figure to keep."""

    n: tuple[int, ...] = (10, 30, 100, 300, 1000)
    m: int = 512
    seeds: int = 24
    n_tau: int = 201
    epochs: int = 2000
    records: int = 201
    noise_records: int = 9


QUICK = Settings(seeds=12, n_tau=101, records=101, noise_records=6)
FULL = Settings()


@dataclass(frozen=True, eq=False)
class EarlyStoppingExperiment:
    """The figure's numbers.

    Attributes:
        settings: sizes.
        tau: training times (n_tau,).
        kl: KL(p₀‖p̂), (n, seeds, n_tau).
        bound: the bound [14] on the reverse-SDE KL, (n, seeds, n_tau).
        sgd: the paper's protocol on the largest n.
    """

    settings: Settings
    tau: FloatArray
    kl: Estimate
    bound: Estimate
    sgd: SGDComparison

    @cached_property
    def minima(self) -> Minima:
        """Best training times and KL there, (n, seeds)."""
        return Minima.of(self.tau, self.kl)

    @cached_property
    def bound_minima(self) -> Minima:
        """Where the bound is lowest, (n, seeds)."""
        return Minima.of(self.tau, self.bound)

    @property
    def quantities(self) -> dict[str, Minima]:
        """What is stopped early, by name."""
        return {"KL": self.minima, "bound": self.bound_minima}

    @cached_property
    def bands(self) -> list[Band]:
        """KL(τ) over seeds for each n."""
        return [Band.of(curves) for curves in self.kl.value]

    def verdicts(self) -> list[Verdict]:
        """Theorem 1's function at fixed m beside what is measured."""
        return [verdict for pair in self._verdicts.values() for verdict in pair]

    @cached_property
    def _verdicts(self) -> dict[str, tuple[Verdict, Verdict]]:
        """Verdicts on τ_es and on the least value, by quantity."""
        n, rate = np.array(self.settings.n, np.float64), UNIT_CONSTANTS[1]
        axis = Axis(n, n, self.settings.m, self.tau)
        times = axis.best_time(rate, "unit", SUMMARY["tau_es(n)"])
        least = axis.least(rate, "unit", SUMMARY["kl(n)"])
        return {
            name: (
                Verdict(f"τ_es of the {name} against n, m fixed", times, minima.fit_times(n)),
                Verdict(f"least {name} against n, m fixed", least, minima.fit_values(n)),
            )
            for name, minima in self.quantities.items()
        }

    def table(self) -> dict[str, list[Any]]:
        """Return every number in the figure as columns."""
        table = LongTable()
        for n, band in zip(self.settings.n, self.bands, strict=True):
            table.add_band("kl", f"n={n}", self.tau, band)
        for name, minima in self.quantities.items():
            table.add_band("tau_es", name, self.settings.n, Band.of(minima.tau.T))
            table.add_band("least", name, self.settings.n, Band.of(minima.value.T))
        self.sgd.add_to(table)
        return table.columns

    def summary(self) -> str:
        """Return the claims in numbers."""
        settings, minima = self.settings, self.minima
        rows = zip(
            settings.n, minima.tau, minima.value, self.kl.value[:, :, -1], minima.interior,
            self.bound_minima.tau, self.bound_minima.value, strict=True,
        )  # fmt: skip
        return "\n".join(
            [
                f"KL along training: modes at ±3, m = {settings.m}, {settings.seeds} seeds "
                "(medians)",
                f"{'n':>6} {'τ_es':>9} {'best KL':>9} {'KL at end':>10} {'interior':>9} "
                f"{'τ_es bound':>10} {'least bound':>11}",
                *(
                    f"{n:>6} {np.median(tau):>9.2e} {np.median(best):>9.4f} "
                    f"{np.median(end):>10.3f} {inside.mean():>9.0%} "
                    f"{np.median(bound_tau):>10.2e} {np.median(bound):>11.4f}"
                    for n, tau, best, end, inside, bound_tau, bound in rows
                ),
                "",
                verdict_table(self.verdicts()),
                "",
                local_slope_table(self.verdicts()),
                "",
                *self.sgd.lines(),
            ]
        )

    def draw(self) -> Any:
        """Return the figure: KL(τ) by n, SGD, τ_es and best KL against n."""
        figure, (curves, sgd, times, best) = new_figure(2, 2, height=4.0)
        self._draw_curves(curves)
        self.sgd.draw(sgd)
        n = np.array(self.settings.n, np.float64)
        for name, colour in zip(self.quantities, PALETTE, strict=False):
            minima = self.quantities[name]
            for ax, values, verdict in zip(
                (times, best), (minima.tau, minima.value), self._verdicts[name], strict=True
            ):
                predicted = "Theorem 1" if name == "KL" else None
                draw_verdict(ax, n, values, verdict, name, colour, predicted=predicted)
        finish(times, _N_LABEL, "best training time τ$_{es}$", n, self.minima.tau, law=True)
        finish(best, _N_LABEL, "least KL and bound (nats)", n, self.minima.value, law=True)
        times.set_title("τ$_{es}$ moves right with n")
        best.set_title("the best KL falls with n")
        return figure

    def _draw_curves(self, ax: Any) -> None:
        """Draw KL(τ) for each n, with its median curve marked at the median τ_es."""
        best = np.median(self.minima.tau, axis=1)
        heights = [
            np.exp(np.interp(np.log(at), np.log(self.tau), np.log(band.middle)))
            for at, band in zip(best, self.bands, strict=True)
        ]
        plot_family(
            ax,
            self.tau,
            [(band.low, band.middle, band.high) for band in self.bands],
            [
                f"n = {n:g}, τ$_{{es}}$ = {scientific(at)}"
                for n, at in zip(self.settings.n, best, strict=True)
            ],
            marks=list(zip(best, heights, strict=True)),
        )
        finish(ax, TAU_LABEL, "KL (nats)", self.tau, self.kl.value)
        ax.set_title(f"KL has a best training time, later for larger n (m = {self.settings.m})")
        ax.set_ylim(0.5 * min(heights), 20.0)


def compute(settings: Settings, progress: Progress) -> EarlyStoppingExperiment:
    """Train over n and seeds, and SGD on the largest n."""
    tau, sizes = np.logspace(0, 10, settings.n_tau), settings.n
    progress(f"exact flows at n = {sizes[0]} … {sizes[-1]}, {settings.seeds} seeds")
    cases = [(bimodal(3.0), n, settings.m) for n in sizes]
    kl, bound = train_over(tau, cases, settings.seeds, _BOUND_TIMES)
    progress(f"SGD: 2 rates, {settings.epochs} epochs")
    sgd = compare_sgd(
        sizes[-1], settings.m, tau, settings.epochs, settings.records, settings.noise_records
    )
    return EarlyStoppingExperiment(settings, tau, kl, bound, sgd)


def with_seeds(settings: Settings, seeds: int) -> Settings:
    """Return the settings with another number of seeds."""
    return replace(settings, seeds=seeds)
