"""The files of `rfdiff train --out DIR`: arrays, the run itself, and figures."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ...plotting.curves import plot_densities, plot_gap, plot_kl, plot_losses, plot_nll
from ...plotting.style import new_figure, save_figure
from ...support.validation import FloatArray
from ..output import Writer, plain
from .results import TrainResults

_DENSITY_POINTS = 801


def write_files(writer: Writer, results: TrainResults) -> None:
    """Write run.npz (for `rfdiff.load`), curves.npz, results.json and the figures."""
    line = results.run.dimension == 1
    x, tau, density = _densities(results) if line else (np.empty(0),) * 3
    arrays = _arrays(results)
    if line:
        arrays |= {"x": x, "density_tau": tau, "density": density}
    writer.write("run.npz", lambda path: results.run.save(path))
    writer.write("curves.npz", lambda path: np.savez(path, **arrays))
    text = json.dumps(plain(results.as_dict()), allow_nan=False)
    writer.write("results.json", lambda path: path.write_text(text + "\n", encoding="utf-8"))
    if results.kl is not None:
        writer.write("kl.png", lambda path: _draw_kl(path, results))
    if results.nll:
        writer.write("nll.png", lambda path: _draw_nll(path, results))
    writer.write("losses.png", lambda path: _draw_losses(path, results))
    if line:
        writer.write("densities.png", lambda path: _draw_densities(path, results, x, tau, density))


def _densities(results: TrainResults) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return abscissae, up to three training times (early, best, late) and densities there."""
    finite = results.tau[np.isfinite(results.tau)]
    best = next((b.tau for b in results.best.values()), np.inf)
    if finite.size and np.isfinite(best):
        tau = np.unique([np.sqrt(finite.min() * best), best, finite.max()])
    else:
        tau = np.unique(results.tau)[-3:]
    domain = results.density.get("domain")
    low, high = domain if isinstance(domain, tuple) else results.run.default_domain(results.time)
    x = np.linspace(low, high, _DENSITY_POINTS)
    return x, tau, results.run.density(x, tau, **results.density)


def _arrays(results: TrainResults) -> dict[str, Any]:
    arrays = {"tau": results.tau}
    for kind, curve in results.losses.items():
        arrays |= {f"{kind}_loss": curve.value, f"{kind}_loss_error": curve.error}
    if results.kl is not None:
        arrays |= {"kl": results.kl.value, "kl_error": results.kl.error}
    for on, curve in results.nll.items():
        arrays |= {f"{on}_nll": curve.value, f"{on}_nll_error": curve.error}
    return arrays


def _best(results: TrainResults, of: str) -> tuple[float, float] | None:
    best = results.best.get(of)
    return None if best is None else (best.tau, float(best.value))


def _draw_kl(path: Path, results: TrainResults) -> None:
    assert results.kl is not None
    figure, (ax,) = new_figure()
    plot_kl(ax, results.tau, results.kl.value, results.kl.error, best=_best(results, "kl"))
    save_figure(figure, path)


def _draw_nll(path: Path, results: TrainResults) -> None:
    figure, (ax,) = new_figure()
    test = results.nll.get("test")
    plot_nll(
        ax,
        results.tau,
        results.nll["train"].value,
        held_out=None if test is None else test.value,
        best=_best(results, "nll"),
        baseline=results.baseline,
    )
    save_figure(figure, path)


def _draw_losses(path: Path, results: TrainResults) -> None:
    losses = {kind: curve.value for kind, curve in results.losses.items()}
    others = [kind for kind in losses if kind != "train"]
    figure, axes = new_figure(1, 2 if others else 1)
    plot_losses(
        axes[0],
        results.tau,
        losses["train"],
        population=losses.get("population"),
        held_out=losses.get("test"),
        best=_best(results, f"{others[-1]} loss") if others else None,
        levels={name: float(loss) for name, loss in results.untrained.items()},
    )
    if others:
        name = {"population": "population", "test": "held out"}[others[0]]
        train, other = losses["train"], losses[others[0]]
        plot_gap(axes[1], results.tau, train, other, label=name)
    save_figure(figure, path)


def _draw_densities(
    path: Path, results: TrainResults, x: FloatArray, tau: FloatArray, density: FloatArray
) -> None:
    target = results.run.target
    figure, (ax,) = new_figure()
    names = {tau.max(): "late, "} | {best.tau: "best, " for best in results.best.values()}
    if len(tau) > 1:
        names.setdefault(tau.min(), "early, ")
    plot_densities(
        ax,
        x,
        density,
        [f"{names.get(value, '')}τ = {value:.2g}" for value in tau],
        target=None if target is None else target.density(x),
        points=results.run.data if target is None else None,
    )
    save_figure(figure, path)
