"""Modes' shift: learned densities early, at the best τ and late, for near and far modes.

In the default setting (no division by σ_t), as the theory has it. Far modes are joined by next to
no data, so nothing but the few points between fixes their relative weight: it drifts as training
goes on, and late densities misweigh a mode or lose it. The best KL rises with the modes' distance.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..mixtures import bimodal
from ..plotting.curves import plot_densities
from ..plotting.style import new_figure
from ..plotting.sweeps import finish, plot_trend
from ..theory.exponents import fit_power_law
from ..theory.verdicts import Verdict, verdict_table
from ..trained_flow import TrainedFlow
from ..training import train_exact
from ..validation import FloatArray
from .curves import Band, LongTable, Minima, Progress

# Where densities are compared for modes at ±μ; the default domain where μ is not listed.
_DOMAINS = {3.0: (-10.0, 10.0), 15.0: (-30.0, 30.0)}
# From here on the modes, of width 1, do not overlap.
_APART = 3.0
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
    early: float = 1e2
    late: float = 1e10
    points: int = 2001


QUICK = Settings(mu=(1, 2, 3, 5, 8, 11, 15, 20), m=256, seeds=10, n_tau=101, points=1201)
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
        """The seed whose late KL is the (lower) median: the one that is drawn."""
        return int(np.argsort(self.kl[:, 2])[(len(self.kl) - 1) // 2])

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
        tau: training times (n_tau,).
        kl: KL(p₀‖p̂) along training, (mu, seeds, n_tau).
    """

    settings: Settings
    near: Shown
    far: Shown
    tau: FloatArray
    kl: FloatArray

    @cached_property
    def minima(self) -> Minima:
        """Best training times and KL there, (mu, seeds)."""
        return Minima.of(self.tau, self.kl)

    def verdicts(self) -> list[Verdict]:
        """Theorem 2's explicit power is μ²/m; Poly(μ) of the other terms is not given."""
        mu = np.array(self.settings.mu, np.float64)
        fit = fit_power_law(mu, self.minima.value.T, window=(_APART, mu[-1]))
        return [Verdict("KL(τ_es) against μ", 2.0, fit, "upper-bound")]

    def table(self) -> dict[str, list[Any]]:
        """Return every number in the figure as columns."""
        table = LongTable()
        for shown in (self.near, self.far):
            panel = f"density mu={shown.mu:g}"
            table.add(panel, "target", shown.x, shown.target)
            for stage, row in zip(_STAGES, shown.density[shown.typical], strict=True):
                table.add(panel, stage, shown.x, row)
            for k, stage in enumerate(_STAGES):
                seeds = np.arange(len(shown.tau))
                for name, values in (
                    ("tau", shown.tau), ("kl", shown.kl), ("lesser mode", shown.lesser)
                ):  # fmt: skip
                    table.add(f"{name} by seed, mu={shown.mu:g}", stage, seeds, values[:, k])
        table.add_band("best_kl", "median", self.settings.mu, Band.of(self.minima.value.T))
        table.add_band("tau_es", "median", self.settings.mu, Band.of(self.minima.tau.T))
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
        band = Band.of(self.minima.value.T)
        best = zip(settings.mu, band.middle, band.low, band.high, strict=True)
        where = zip(self.minima.tau, self.minima.interior, strict=True)
        lines += [
            f"{mu:>4g} {middle:>9.4f} {low:>8.4f} {high:>8.4f} {np.median(tau):>9.2e} "
            f"{inside.mean():>9.0%}"
            for (mu, middle, low, high), (tau, inside) in zip(best, where, strict=True)
        ]
        return "\n".join([*lines, "", verdict_table(self.verdicts())])

    def draw(self) -> Any:
        """Return the figure: densities for near and far modes, best KL against μ."""
        figure, axes = new_figure(1, 3, width=5.2, height=4.2)
        for ax, shown in zip(axes, (self.near, self.far), strict=False):
            seed = shown.typical
            labels = [
                f"{stage}: τ = {tau:.1g}, KL {kl:.2g}"
                for stage, tau, kl in zip(_STAGES, shown.tau[seed], shown.kl[seed], strict=True)
            ]
            plot_densities(ax, shown.x, shown.density[seed], labels, target=shown.target)
            inside = shown.density[seed][:, np.abs(shown.x) < shown.mu + 5.0]
            ax.set_ylim(0.0, 1.55 * min(float(inside.max()), 3.0 * float(shown.target.max())))
            ax.legend(frameon=False, fontsize=9, loc="upper center", ncols=1)
        near, far, best = axes
        near.set_title("μ = 3: both modes are kept" if not self.near.lost[2] else "μ = 3")
        far.set_title(f"μ = 15: late in training {self.far.lost[2]:.0%} of seeds lose a mode")
        mu, band = np.array(self.settings.mu, np.float64), Band.of(self.minima.value.T)
        fit = self.verdicts()[0].fit
        apart = mu[mu >= _APART]
        plot_trend(
            best, mu, band.middle, band.low, band.high, label="median and quartiles",
            fit=(apart, fit(apart), f"fit for μ ≥ {_APART:g}: slope {fit.exponent:.2f}"),
            predicted=(apart, fit(apart[0]) * (apart / apart[0]) ** 2, "μ² of Theorem 2"),
        )  # fmt: skip
        finish(best, "modes at ±μ", "best KL (nats)", mu, band.middle, law=True)
        best.set_title("the best KL rises with μ")
        return figure


def compute(settings: Settings, progress: Progress) -> ModesShiftExperiment:
    """Train over μ and seeds; keep densities for μ = 3 and μ = 15."""
    tau = np.logspace(0, 10, settings.n_tau)
    kl = np.empty((len(settings.mu), settings.seeds, len(tau)))
    for i, mu in enumerate(settings.mu):
        progress(f"exact flows at μ = {mu:g}, {settings.seeds} seeds")
        for seed in range(settings.seeds):
            kl[i, seed] = _train(tau, float(mu), settings, seed).kl().value
    near, far = (_shown(tau, mu, settings, progress) for mu in _DOMAINS)
    return ModesShiftExperiment(settings, near, far, tau, kl)


def with_seeds(settings: Settings, seeds: int) -> Settings:
    """Return the settings with another number of seeds."""
    return replace(settings, seeds=seeds)


def _train(tau: FloatArray, mu: float, settings: Settings, seed: int) -> TrainedFlow:
    return train_exact(tau, target=bimodal(mu), n=settings.n, m=settings.m, seed=seed)


def _shown(tau: FloatArray, mu: float, settings: Settings, progress: Progress) -> Shown:
    progress(f"densities for μ = {mu:g}")
    domain, law = _DOMAINS[mu], bimodal(mu)
    x = np.linspace(*domain, settings.points)
    stages = np.empty((settings.seeds, len(_STAGES)))
    kl, density = np.empty(stages.shape), np.empty((*stages.shape, len(x)))
    for seed in range(settings.seeds):
        run = _train(tau, mu, settings, seed)
        best = Minima.of(tau, run.kl(domain=domain).value)
        stages[seed] = settings.early, float(best.tau), settings.late
        kl[seed] = run.kl(stages[seed], domain=domain).value
        density[seed] = run.density(x, stages[seed], domain=domain)
    return Shown(mu, x, law.density(x), stages, kl, density)
