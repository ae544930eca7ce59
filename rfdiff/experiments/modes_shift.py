"""Modes' shift: learned densities early, at the best τ and late, for near and far modes.

In the default setting (no division by σ_t), as the theory has it. Far modes are joined by next to
no data, so nothing but the few points between fixes their relative weight: it drifts as training
goes on, and late densities misweigh a mode or lose it. The best KL rises with the modes' distance.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..diffusion.mixtures import bimodal
from ..plotting.curves import plot_densities
from ..plotting.style import PALETTE, new_figure, scientific
from ..plotting.sweeps import finish
from ..runs.train_exact import train_exact
from ..support.validation import FloatArray
from ..theory.verdicts import Verdict, local_slope_table, verdict_table
from .curves import Band, LongTable, Progress
from .minima import Minima
from .scans import Scan, distance_verdict, draw_verdict, scan_distance

# Where densities are compared for modes at ±μ; the default domain where μ is not listed.
_DOMAINS = {3.0: (-10.0, 10.0), 15.0: (-30.0, 30.0)}
# A mode with less than this share of the mass is lost, of one half in the target.
_LOST = 0.05
_STAGES = ("early", "best", "late")


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment: `QUICK` for a look, `FULL` for a figure to keep."""

    mu: tuple[float, ...] = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 20)
    n: int = 1000
    m: int = 512
    seeds: int = 24
    n_tau: int = 201
    n_times: int = 48
    early: float = 1e2
    late: float = 1e10
    points: int = 2001


QUICK = Settings(
    mu=(1, 2, 3, 5, 8, 11, 15, 20), m=256, seeds=10, n_tau=101, n_times=32, points=1201
)
FULL = Settings()


@dataclass(frozen=True, eq=False)
class Shown:
    """Densities of modes at ±μ at the three stages.

    Attributes:
        mu: half the distance of the modes.
        x: abscissae (k,).
        target: density of the target (k,).
        tau: τ of the three stages, (seeds, 3).
        kl: KL there, (seeds, 3).
        density: densities (seeds, 3, k).
    """

    mu: float
    x: FloatArray
    target: FloatArray
    tau: FloatArray
    kl: FloatArray
    density: FloatArray

    @cached_property
    def lesser(self) -> FloatArray:
        """Mass of the lesser mode, one half in the target: (seeds, 3)."""
        left = self.x <= 0.0
        masses = [np.trapezoid(np.where(side, self.density, 0.0), self.x) for side in (left, ~left)]
        return np.minimum(*masses) / np.add(*masses)

    @property
    def typical(self) -> int:
        """The seed whose best and late KL are nearest to the medians: the one that is drawn."""
        ranks = self.kl[:, 1:].argsort(axis=0).argsort(axis=0)
        off = np.abs(ranks - (len(self.kl) - 1) // 2)
        return int(off.sum(axis=1).argmin())

    @property
    def lost(self) -> FloatArray:
        """Share of seeds with a lost mode at each stage, (3,)."""
        return (self.lesser < _LOST).mean(axis=0)


@dataclass(frozen=True, eq=False)
class ModesShiftExperiment:
    """The figure's numbers.

    Attributes:
        settings: sizes.
        near: densities for μ = 3.
        far: densities for μ = 15.
        distance: best training times and KL against μ; the scan of `bounds`, from smaller μ on.
    """

    settings: Settings
    near: Shown
    far: Shown
    distance: Scan

    @cached_property
    def verdict(self) -> Verdict:
        """The least KL against μ beside Theorem 2."""
        return distance_verdict("KL", self.distance)

    def verdicts(self) -> list[Verdict]:
        """Return that one claim."""
        return [self.verdict]

    def table(self) -> dict[str, list[Any]]:
        """Return every number in the figure as columns."""
        table = LongTable()
        for shown in (self.near, self.far):
            panel = f"density mu={shown.mu:g}"
            table.add(panel, "target", shown.x, shown.target)
            for stage, density in zip(_STAGES, shown.density[shown.typical], strict=True):
                table.add(panel, stage, shown.x, density)
            for k, stage in enumerate(_STAGES):
                seeds = np.arange(len(shown.tau))
                for name, values in (
                    ("tau", shown.tau), ("kl", shown.kl), ("lesser mode", shown.lesser)
                ):  # fmt: skip
                    table.add(f"{name} by seed, mu={shown.mu:g}", stage, seeds, values[:, k])
        self.distance.add_to(table, "mu")
        return table.columns

    def summary(self) -> str:
        """Return the claims in numbers."""
        settings = self.settings
        lines = [
            f"modes at ±μ: n = {settings.n}, m = {settings.m}, {settings.seeds} seeds (medians); "
            "lesser mode: mass of the lighter half, 0.5 in the target",
            f"{'μ':>4} {'stage':>6} {'τ':>9} {'KL':>8} {'lesser mode':>12} {'mode lost':>10}",
        ]
        for shown in (self.near, self.far):
            rows = zip(_STAGES, shown.tau.T, shown.kl.T, shown.lesser.T, shown.lost, strict=True)
            lines += [
                f"{shown.mu:>4g} {stage:>6} {np.median(tau):>9.2e} {np.median(kl):>8.3f} "
                f"{np.median(mass):>12.3f} {lost:>10.0%}"
                for stage, tau, kl, mass, lost in rows
            ]
        lines += ["", f"{'μ':>4} {'best KL':>9} {'quartiles':>17} {'τ_es':>9} {'interior':>9}"]
        minima = self.distance.kl
        band = Band.of(minima.value.T)
        best = zip(settings.mu, band.middle, band.low, band.high, strict=True)
        where = zip(minima.tau, minima.interior, strict=True)
        lines += [
            f"{mu:>4g} {middle:>9.4f} {low:>8.4f} {high:>8.4f} {np.median(tau):>9.2e} "
            f"{inside.mean():>9.0%}"
            for (mu, middle, low, high), (tau, inside) in zip(best, where, strict=True)
        ]
        tables = verdict_table(self.verdicts()), "", local_slope_table(self.verdicts())
        return "\n".join([*lines, "", *tables])

    def draw(self) -> Any:
        """Return the figure: densities for near and far modes, best KL against μ."""
        figure, axes = new_figure(1, 3, width=5.2, height=4.2)
        for ax, shown in zip(axes, (self.near, self.far), strict=False):
            seed = shown.typical
            labels = [
                f"{stage}: τ = {scientific(tau)}, KL {kl:.2g}"
                for stage, tau, kl in zip(_STAGES, shown.tau[seed], shown.kl[seed], strict=True)
            ]
            plot_densities(ax, shown.x, shown.density[seed], labels, target=shown.target)
            inside = shown.density[seed][:, np.abs(shown.x) < shown.mu + 5.0]
            ax.set_ylim(0.0, 1.55 * min(float(inside.max()), 3.0 * float(shown.target.max())))
            ax.legend(frameon=False, fontsize=9, loc="upper center", ncols=1)
        near, far, best = axes
        near.set_title("μ = 3: both modes are kept" if not self.near.lost[2] else "μ = 3")
        far.set_title(f"μ = 15: late in training {self.far.lost[2]:.0%} of seeds lose a mode")
        values = self.distance.kl.value
        draw_verdict(
            best, self.distance.x, values, self.verdict, "fit", PALETTE[0], predicted="Theorem 2"
        )
        finish(best, "modes at ±μ", "best KL (nats)", self.distance.x, values, law=True)
        best.set_title("the best KL rises with μ")
        return figure


def compute(settings: Settings, progress: Progress) -> ModesShiftExperiment:
    """Train over μ and seeds; keep densities for μ = 3 and μ = 15."""
    tau = np.logspace(0, 10, settings.n_tau)
    progress(f"exact flows at μ = {settings.mu[0]} … {settings.mu[-1]}, {settings.seeds} seeds")
    distance = scan_distance(
        tau, settings.mu, settings.n, settings.m, settings.seeds, settings.n_times
    )
    near, far = (_shown(tau, mu, settings, progress) for mu in _DOMAINS)
    return ModesShiftExperiment(settings, near, far, distance)


def with_seeds(settings: Settings, seeds: int) -> Settings:
    """Return the settings with another number of seeds."""
    return replace(settings, seeds=seeds)


def _shown(tau: FloatArray, mu: float, settings: Settings, progress: Progress) -> Shown:
    progress(f"densities for μ = {mu:g}")
    domain, law = _DOMAINS[mu], bimodal(mu)
    x = np.linspace(*domain, settings.points)
    stages = np.empty((settings.seeds, len(_STAGES)))
    kl, density = np.empty(stages.shape), np.empty((*stages.shape, len(x)))
    for seed in range(settings.seeds):
        run = train_exact(tau, target=law, n=settings.n, m=settings.m, seed=seed)
        best = Minima.of(tau, run.kl(domain=domain))
        stages[seed] = settings.early, float(best.tau), settings.late
        kl[seed] = run.kl(stages[seed], domain=domain).value
        density[seed] = run.density(x, stages[seed], domain=domain)
    return Shown(mu, x, law.density(x), stages, kl, density)
