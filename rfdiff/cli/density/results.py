"""What `rfdiff density` evaluates, as CSV, as text and as files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...densities.interfaces import Comparison
from ...densities.learned_density import Method
from ...divergences.by_name import DIVERGENCES
from ...plotting.curves import plot_densities
from ...plotting.style import new_figure, save_figure
from ...runs.trained_flow import TrainedFlow
from ...support.errors import ArgumentError
from ...support.estimate import Estimate
from ...support.validation import FloatArray, one_of
from ..output import Writer, table

_POINTS = 401


@dataclass(frozen=True)
class DensityResults:
    """Densities of a run at training times, by one or more definitions.

    Attributes:
        run: the run.
        time: evaluation time t.
        tau: training times (n_tau,).
        x: points in the data's units (n,).
        density: one array (n_tau, n) for each method.
        mass: mass on the domain, for each method.
        error: estimated error of log p̂ (n_tau,), for each method.
        divergences: from p₀ by kind for each method, where the law is known: the KL first, and
            what else was asked for.
    """

    run: TrainedFlow
    time: float
    tau: FloatArray
    x: FloatArray
    density: dict[Method, FloatArray]
    mass: dict[Method, Estimate]
    error: dict[Method, FloatArray]
    divergences: dict[Method, dict[str, Estimate]]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as a dictionary of arrays and numbers."""
        methods = {}
        for method, density in self.density.items():
            mass, error = self.mass[method], self.error[method]
            methods[method] = {
                "density": density,
                "mass": {"value": mass.value, "error": mass.error},
                "log_density_error": error,
            }
            for kind, found in self.divergences.get(method, {}).items():
                methods[method][kind] = {"value": found.value, "error": found.error}
        return {"t": self.time, "tau": self.tau, "x": self.x, "methods": methods}

    def csv(self) -> str:
        """Return one line for each method, training time and point, after a heading."""
        lines = ["method,tau,x,density"]
        for method, density in self.density.items():
            for tau, row in zip(self.tau, density, strict=True):
                pairs = zip(self.x, row, strict=True)
                lines += [f"{method},{tau:.17g},{x:.17g},{value:.17g}" for x, value in pairs]
        return "\n".join(lines)

    def text(self) -> str:
        """Return a table with a row for each method and training time."""
        parts = [f"t: {self.time:g}"]
        for method in self.density:
            mass, error = self.mass[method], self.error[method]
            columns = [
                ("tau", ".3e", self.tau),
                ("mass", ".6f", mass.value),
                ("log p error", ".1e", error),
            ]
            others = dict(self.divergences.get(method, {}))
            if "kl" in others:
                kl = others.pop("kl")
                columns += [("KL", ".5f", kl.value), ("± error", ".1e", kl.error)]
            parts.append(f"\n{method}\n{table(columns)}")
            if others:
                columns = columns[:1]
                for kind, found in others.items():
                    columns += [(kind, ".5f", found.value), ("±", ".0e", found.error)]
                parts.append(table(columns))
        return "\n".join(parts)


def divergence_kinds(names: str | None) -> tuple[str, ...] | None:
    """Return the kinds of divergence in a comma list, beside the KL; None for "all".

    >>> divergence_kinds("fisher,wasserstein-1"), divergence_kinds(None), divergence_kinds("all")
    (('fisher', 'wasserstein-1'), (), None)
    """
    if names is None or names == "all":
        return () if names is None else None
    others = [kind for kind in DIVERGENCES if kind != "kl"]
    return tuple(one_of("divergence", name, others) for name in names.split(","))


def measure(
    run: TrainedFlow,
    tau: FloatArray,
    methods: Sequence[Method],
    choices: dict[str, Any],
    x: FloatArray | None,
    kinds: Sequence[str] | None = (),
) -> DensityResults:
    """Evaluate the densities of a run; `choices` are t and the domain.

    Divergences are the KL and those of the `kinds`, or all that a density has if None.
    """
    if kinds != () and run.target is None:
        raise ArgumentError("divergence needs a known law: give --target beside --data")
    time = float(choices.get("t", run.default_time))
    if x is None:
        given = choices.get("domain", np.inf)
        low, high = run.default_domain(time) if given == np.inf else given
        x = np.linspace(low, high, _POINTS)
    density, mass, error, divergences = {}, {}, {}, {}
    for method in methods:
        learned = run.learned_density(tau, method=method, **choices)
        density[method] = learned.density(np.atleast_1d(x))
        mass[method], error[method] = learned.mass, learned.error
        if run.target is not None:
            # As `TrainedFlow.divergence` does, but solving once for all kinds.
            compared = learned if "domain" in choices else learned.on(learned.support)
            divergences[method] = _divergences(compared.beside(run.target), kinds)
    return DensityResults(run, time, tau, np.atleast_1d(x), density, mass, error, divergences)


def _divergences(comparison: Comparison, kinds: Sequence[str] | None) -> dict[str, Estimate]:
    """Return the KL and the divergences asked for, or all that the density has if None."""
    chosen = {
        kind: DIVERGENCES[kind] for kind in ("kl", *(DIVERGENCES if kinds is None else kinds))
    }
    if kinds is None and not comparison.knows_slope:
        chosen = {kind: formula for kind, formula in chosen.items() if not formula.needs_slope}
    return {kind: comparison.integrate(formula) for kind, formula in chosen.items()}


def write_files(writer: Writer, results: DensityResults) -> None:
    """Write densities.csv, densities.npz and density.png."""
    text = results.csv()
    writer.write("densities.csv", lambda path: path.write_text(text + "\n", encoding="utf-8"))
    arrays: dict[str, Any] = {"t": results.time, "tau": results.tau, "x": results.x}
    arrays |= {method.replace("-", "_"): rows for method, rows in results.density.items()}
    writer.write("densities.npz", lambda path: np.savez(path, **arrays))
    writer.write("density.png", lambda path: _draw(path, results))


def _draw(path: Path, results: DensityResults) -> None:
    run, order = results.run, np.argsort(results.x)
    figure, axes = new_figure(1, len(results.density))
    shown = np.argsort(results.tau)
    for ax, (method, rows) in zip(axes, results.density.items(), strict=True):
        plot_densities(
            ax,
            results.x[order],
            rows[shown][:, order],
            [f"τ = {tau:.3g}" for tau in results.tau[shown]],
            target=None if run.target is None else run.target.density(results.x[order]),
            points=run.data if run.target is None else None,
        )
        ax.set_title(method, fontsize="medium")
    save_figure(figure, path)
