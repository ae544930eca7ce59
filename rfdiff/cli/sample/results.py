"""What `rfdiff sample` draws, as CSV, as text and as files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import kolmogorov

from ...densities.learned_density import Method
from ...diffusion.time_grids import GRIDS, time_grid
from ...divergences.samples.on_the_line import sample_divergence
from ...numerics.bootstrap import BootstrapEstimate
from ...plotting.samples import plot_histogram, plot_paths
from ...plotting.style import new_figure, save_figure
from ...runs.trained_flow import TrainedFlow
from ...sampling.schemes import SCHEMES
from ...support.validation import FloatArray, count, one_of
from ..output import Writer, table

_POINTS = 401
# Times at which the density's evolution is drawn, and paths drawn over it.
_EVOLUTION = 32
_DRAWN_PATHS = 40


@dataclass(frozen=True)
class SampleResults:
    """Samples of a run at training times, with the density they should follow.

    Attributes:
        run: the run.
        scheme: name of the scheme.
        tau: training times (n_tau,).
        time: where paths end.
        times: falling times of the paths (k + 1,).
        paths: positions (n_tau, k + 1, n); only the last, (n_tau, 1, n), unless wanted.
        method: definition of the density that the scheme samples.
        x: points on the domain (k,).
        density: that density there (n_tau, k).
        distance: Kolmogorov–Smirnov distance to it (n_tau,).
        transport: W₁ from the target, with bootstrap intervals (n_tau,), where that is known.
    """

    run: TrainedFlow
    scheme: str
    tau: FloatArray
    time: float
    times: FloatArray
    paths: FloatArray
    method: Method
    x: FloatArray
    density: FloatArray
    distance: FloatArray
    transport: BootstrapEstimate | None

    @property
    def samples(self) -> FloatArray:
        """Positions at the end, (n_tau, n)."""
        return self.paths[:, -1]

    @property
    def p_value(self) -> FloatArray:
        """Chance of such a distance, or a larger one, if the samples follow the density."""
        return kolmogorov(np.sqrt(self.samples.shape[1]) * self.distance)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as a dictionary of arrays and numbers."""
        result: dict[str, Any] = {
            "scheme": self.scheme,
            "t": self.time,
            "tau": self.tau,
            "samples": self.samples,
            "density": {"method": self.method, "ks": self.distance, "p_value": self.p_value},
        }
        if self.transport is not None:
            w1 = self.transport
            result["wasserstein-1"] = {"value": w1.value, "low": w1.low, "high": w1.high}
        if self.paths.shape[1] > 1:
            result |= {"times": self.times, "trajectories": self.paths}
        return result

    def csv(self) -> str:
        """Return one column for each training time, after a heading."""
        lines = [",".join(f"tau={tau:.17g}" for tau in self.tau)]
        lines += [",".join(f"{x:.17g}" for x in row) for row in self.samples.T]
        return "\n".join(lines)

    def text(self) -> str:
        """Return a table with a row for each training time."""
        columns = [
            ("tau", ".3e", self.tau),
            ("mean", ".4f", self.samples.mean(-1)),
            ("std", ".4f", self.samples.std(-1)),
            ("KS distance", ".4f", self.distance),
            ("p-value", ".3f", self.p_value),
        ]
        if self.transport is not None:
            w1 = self.transport
            columns += [("W1 from law", ".4f", w1.value)]
            columns += [("95% from", ".4f", w1.low), ("to", ".4f", w1.high)]
        steps = len(self.times) - 1
        return (
            f"{self.samples.shape[1]} samples  scheme: {self.scheme}  steps: {steps}  "
            f"t: {self.time:g}  density: {self.method}\n\n{table(columns)}"
        )


def check_choices(n: int, choices: dict[str, Any]) -> None:
    """Refuse mistakes before anything is trained."""
    count("paths", n)
    one_of("scheme", choices.get("scheme", "heun"), SCHEMES)
    one_of("grid", choices.get("grid", "log"), GRIDS)
    count("n_steps", choices.get("n_steps", 1))
    count("first", choices.get("first", 0), 0)


def draw(
    run: TrainedFlow, tau: FloatArray, n: int, choices: dict[str, Any], *, trajectories: bool
) -> SampleResults:
    """Sample a run and compare the samples with the density that the scheme samples."""
    chosen = {"scheme": "heun", "grid": "log", "n_steps": 500, **choices}
    time = float(chosen.pop("t", run.default_time))
    paths = run.sample(n, tau, t=time, trajectories=trajectories, **chosen)
    if not trajectories:
        paths = paths[:, None]
    stochastic = SCHEMES[chosen["scheme"]].stochastic
    method: Method = "reverse-sde" if stochastic else "probability-flow"
    x = np.linspace(*run.default_domain(time), _POINTS)
    density, distance = np.empty((len(tau), _POINTS)), np.empty(len(tau))
    for i, ends in enumerate(paths[:, -1]):
        learned = run.learned_density(tau[i], t=time, method=method, domain=np.inf)
        density[i] = learned.density(x)
        distance[i] = _distance(learned.cdf(np.sort(ends)))
    times = time_grid(chosen["grid"], run.sde, time, chosen["n_steps"])
    transport = None
    if run.target is not None and n > 1:
        transport = sample_divergence(
            "wasserstein-1", paths[:, -1], run.target, seed=run.problem.seed
        )
    return SampleResults(
        run, chosen["scheme"], tau, time, times, paths, method, x, density, distance, transport
    )


def _distance(cdf: FloatArray) -> float:
    """Return the Kolmogorov–Smirnov distance from the distribution function at sorted samples."""
    steps = np.arange(len(cdf) + 1) / len(cdf)
    return float(max((steps[1:] - cdf).max(), (cdf - steps[:-1]).max()))


def write_files(writer: Writer, results: SampleResults) -> None:
    """Write samples.csv, samples.npy, histogram.png and, if kept, the paths."""
    text = results.csv()
    writer.write("samples.csv", lambda path: path.write_text(text + "\n", encoding="utf-8"))
    writer.write("samples.npy", lambda path: np.save(path, results.samples))
    writer.write("histogram.png", lambda path: _draw_histograms(path, results))
    if results.paths.shape[1] > 1:
        arrays: dict[str, Any] = {
            "times": results.times,
            "tau": results.tau,
            "paths": results.paths,
        }
        writer.write("trajectories.npz", lambda path: np.savez(path, **arrays))
        writer.write("trajectories.png", lambda path: _draw_paths(path, results))


def _draw_histograms(path: Path, results: SampleResults) -> None:
    run, x = results.run, results.x
    figure, axes = new_figure(1, len(results.tau))
    for ax, tau, samples, density in zip(
        axes, results.tau, results.samples, results.density, strict=True
    ):
        target = None if run.target is None else run.target.density(x)
        plot_histogram(ax, samples, x, density, label=results.method, target=target)
        ax.set_title(f"τ = {tau:.3g}", fontsize="medium")
    save_figure(figure, path)


def _draw_paths(path: Path, results: SampleResults) -> None:
    run = results.run
    some = np.unique(np.linspace(1, len(results.times) - 1, _EVOLUTION).round().astype(int))
    figure, axes = new_figure(1, len(results.tau))
    for ax, tau, paths in zip(axes, results.tau, results.paths, strict=True):
        low, high = paths[:, :_DRAWN_PATHS].min(), paths[:, :_DRAWN_PATHS].max()
        x = np.linspace(low, high, _POINTS)
        density = [
            run.density(x, tau, t=float(results.times[k]), method=results.method, domain=np.inf)
            for k in some
        ]
        plot_paths(
            ax, results.times, paths[:, :_DRAWN_PATHS],
            density_times=results.times[some], x=x, density=np.array(density),
        )  # fmt: skip
        ax.set_title(f"τ = {tau:.3g}", fontsize="medium")
    save_figure(figure, path)
