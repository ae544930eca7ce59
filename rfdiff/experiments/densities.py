"""One score, three laws: the KL of each density along training, and the paths of both samplers.

The score integral, the probability flow and the reverse SDE turn one score into three densities.
The bound [14] speaks of the reverse SDE alone: late in training its KL stays low while those of the
other two rise, the probability flow's because deterministic paths gather where the score has kinks.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..densities.learned_density import METHODS, Method
from ..diffusion.time_grids import time_grid
from ..plotting.curves import plot_densities
from ..plotting.densities import DEFINITION_COLOURS, plot_divergences
from ..plotting.samples import plot_paths
from ..plotting.style import new_figure
from ..runs.train_exact import train_exact
from ..runs.trained_flow import TrainedFlow
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray
from ..theory.verdicts import Verdict
from .curves import LongTable, Progress

# The sampler whose paths follow each of the two laws of a process.
_SCHEMES: dict[Method, str] = {"reverse-sde": "heun", "probability-flow": "probability-flow"}

# A curve that ends this far above its least value has risen.
_RISE = 1.5


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment: `QUICK` for a look, `FULL` for a figure to keep."""

    n: int = 100
    m: int = 256
    seed: int = 0
    n_tau: int = 41
    late: float = 1e8
    times: int = 48
    paths: int = 40
    n_steps: int = 400
    reach: float = 16.0
    pixels: int = 320


QUICK = Settings(m=128, n_tau=13, times=24, n_steps=200)
FULL = Settings()


@dataclass(frozen=True, eq=False)
class Evolution:
    """A law of the learned process from T to the evaluation time, and paths that follow it.

    Attributes:
        times: falling times (k,).
        x: middles of bins (j,).
        density: mean density on each bin, (k, j).
        path_times: falling times of the paths (s + 1,).
        paths: positions (s + 1, n).
    """

    times: FloatArray
    x: FloatArray
    density: FloatArray
    path_times: FloatArray
    paths: FloatArray


@dataclass(frozen=True, eq=False)
class DensitiesExperiment:
    """The figure's numbers.

    Attributes:
        settings: sizes.
        tau: training times (n_tau,).
        kl: KL(p_t‖p̂) of each density along training.
        bound: the bound on that of the reverse SDE.
        late: density by each definition at the late τ, at `x`.
        x: abscissae of `late` and `target`.
        target: density of p_t there.
        evolutions: of the two laws of a process, at the late τ.
    """

    settings: Settings
    tau: FloatArray
    kl: dict[Method, Estimate]
    bound: Estimate
    late: dict[Method, FloatArray]
    x: FloatArray
    target: FloatArray
    evolutions: dict[Method, Evolution]

    @cached_property
    def violations(self) -> int:
        """Number of τ at which the reverse SDE's KL exceeds the bound by more than both errors."""
        kl = self.kl["reverse-sde"]
        return int((kl.value - self.bound.value > kl.error + self.bound.error).sum())

    def verdicts(self) -> list[Verdict]:
        """No exponent is predicted for the three densities."""
        return []

    def table(self) -> dict[str, list[Any]]:
        """Return every number in the figure as columns."""
        table = LongTable()
        for name, curve in (*self.kl.items(), ("bound", self.bound)):
            low, high = curve.value - curve.error, curve.value + curve.error
            table.add("kl", name, self.tau, curve.value, low, high)
        for name, density in (("target", self.target), *self.late.items()):
            table.add("late density", name, self.x, density)
        for name, evolution in self.evolutions.items():
            for t, row in zip(evolution.times, evolution.density, strict=True):
                table.add(f"{name} at t={t:.6g}", "density", evolution.x, row)
            for i, path in enumerate(evolution.paths.T):
                table.add(f"{name} paths", f"path {i}", evolution.path_times, path)
        return table.columns

    def summary(self) -> str:
        """Return the claims in numbers."""
        settings = self.settings
        lines = [
            f"modes at ±3: n = {settings.n}, m = {settings.m}, seed {settings.seed}; "
            "KL(p_t‖p̂) in nats, each with its error",
            f"{'density':<17} {'least KL':>9} {'± error':>8} {'at τ':>8} {'KL late':>9} "
            f"{'± error':>8} {'late/least':>10}",
        ]
        for name, kl in self.kl.items():
            best = int(np.argmin(kl.value))
            lines.append(
                f"{name:<17} {kl.value[best]:>9.4f} {kl.error[best]:>8.1e} {self.tau[best]:>8.1e} "
                f"{kl.value[-1]:>9.4f} {kl.error[-1]:>8.1e} {kl.value[-1] / kl.value[best]:>10.2f}"
            )
        lines.append(
            f"bound on the reverse SDE's: {self.bound.value[-1]:.4f} late; exceeded at "
            f"{self.violations} of {len(self.tau)} τ"
        )
        return "\n".join(lines)

    @property
    def _claim(self) -> str:
        """The title that the curves bear out."""
        rises = {name: kl.value[-1] / kl.value.min() for name, kl in self.kl.items()}
        bounded = rises.pop("reverse-sde")
        if bounded < _RISE < min(rises.values()):
            return "one score, three laws: only the bounded one stays low"
        return "one score, three laws"

    def draw(self) -> Any:
        """Return the figure: KL along training, late densities, and both evolutions."""
        figure, (curves, late, *evolutions) = new_figure(2, 2, width=6.4, height=4.2)
        plot_divergences(
            curves,
            self.tau,
            {name: (kl.value, kl.error) for name, kl in self.kl.items()},
            bound=self.bound.value,
        )
        curves.set_title(self._claim)
        tau = f"τ = {self.settings.late:.0e}"
        plot_densities(
            late, self.x, list(self.late.values()), list(self.late), target=self.target,
            colours=[DEFINITION_COLOURS[name] for name in self.late],
        )  # fmt: skip
        late.set_ylim(0.0, 4.0 * float(self.target.max()))
        late.set_title(f"densities late in training, {tau}")
        for ax, (name, evolution) in zip(evolutions, self.evolutions.items(), strict=True):
            plot_paths(
                ax, evolution.path_times, evolution.paths, density_times=evolution.times,
                x=evolution.x, density=evolution.density,
            )  # fmt: skip
            ax.set_title(f"{name}: density and paths, {tau}")
        return figure


def compute(settings: Settings, progress: Progress) -> DensitiesExperiment:
    """Train one run and solve for its three densities along training, and late, along t."""
    tau = np.logspace(0, np.log10(settings.late), settings.n_tau)
    run = train_exact(tau, n=settings.n, m=settings.m, seed=settings.seed)
    t = run.default_time
    kl = {}
    for method in METHODS:
        progress(f"KL of the {method} at {settings.n_tau} training times")
        kl[method] = run.kl(method=method, against="pt")
    x = np.linspace(*run.default_domain(t), 4 * settings.pixels + 1)
    late = {method: run.density(x, settings.late, method=method) for method in METHODS}
    assert run.target is not None
    target = run.target.diffuse(float(run.sde.scale(t)), float(run.sde.std(t))).density(x)
    evolutions = {}
    for method, scheme in _SCHEMES.items():
        progress(f"evolution of the {method} at {settings.times} times")
        evolutions[method] = _evolution(run, method, scheme, settings)
    return DensitiesExperiment(settings, tau, kl, run.bound().total, late, x, target, evolutions)


def with_seeds(settings: Settings, seeds: int) -> Settings:
    """Refuse: the figure is of one run."""
    raise ArgumentError(f"seeds must not be given for one run's densities, got {seeds}")


def _evolution(run: TrainedFlow, method: Method, scheme: str, settings: Settings) -> Evolution:
    t = run.default_time
    path_times = time_grid("log", run.sde, t, settings.n_steps)
    paths = run.sample(
        settings.paths, settings.late, scheme=scheme, n_steps=settings.n_steps, trajectories=True
    )
    some = np.unique(np.linspace(1, settings.n_steps, settings.times).round().astype(int))
    edges = np.linspace(-settings.reach, settings.reach, settings.pixels + 1)
    density = np.empty((len(some), settings.pixels))
    for i, k in enumerate(some):
        learned = run.learned_density(
            settings.late, method=method, t=float(path_times[k]), domain=np.inf
        )
        # Mass per bin: peaks narrower than a bin keep their weight.
        density[i] = np.diff(learned.cdf(edges)) / np.diff(edges)
    middles = 0.5 * (edges[1:] + edges[:-1])
    return Evolution(path_times[some], middles, density, path_times, paths)
