"""The files of `rfdiff theory --out DIR`: arrays and figures."""

import json
from pathlib import Path

import numpy as np

from ...plotting.style import new_figure, save_figure
from ...plotting.theory import (
    plot_bound,
    plot_decomposition,
    plot_emergence,
    plot_optimiser_paths,
    plot_slopes,
    plot_spectrum,
)
from ...theory.verdicts import signed
from ..output import Writer, plain
from .results import TheoryResults


def write_files(writer: Writer, results: TheoryResults) -> None:
    """Write theory.json and the figures."""
    text = json.dumps(plain(results.as_dict()), allow_nan=False)
    writer.write("theory.json", lambda path: path.write_text(text + "\n", encoding="utf-8"))
    if len(results.tau) > 1:
        writer.write("bound.png", lambda path: _draw_bound(path, results))
        writer.write("decomposition.png", lambda path: _draw_decomposition(path, results))
    writer.write("spectrum.png", lambda path: _draw_spectrum(path, results))
    if results.sgd is not None:
        writer.write("sgd.png", lambda path: _draw_sgd(path, results))


def _draw_bound(path: Path, results: TheoryResults) -> None:
    figure, (ax,) = new_figure()
    plot_bound(
        ax,
        results.tau,
        results.bound.total.value,
        prior=float(results.bound.prior.value),
        terms={name: part.value for name, part in results.terms.parts.items()},
        measured={"KL, reverse SDE": (results.tau[results.solved], results.kl.value)},
    )
    ax.set_ylim(0.3 * min(float(results.kl.value.min()), float(results.bound.prior.value)), None)
    ax.set_title("the bound and the KL it bounds")
    save_figure(figure, path)


def _draw_decomposition(path: Path, results: TheoryResults) -> None:
    figure, (ax,) = new_figure()
    plot_decomposition(ax, results.tau, results.terms.shares())
    ax.set_title("what the bound is made of")
    save_figure(figure, path)


def _draw_spectrum(path: Path, results: TheoryResults) -> None:
    tau, slopes = results.slopes
    figure, (decay, emergence, *rest) = new_figure(1, 3 if len(tau) else 2, width=5.2)
    modes, onset = results.spectrum, results.onset
    k = np.array(modes.decay.window)
    plot_spectrum(
        decay,
        modes.eigenvalues,
        (k, modes.decay(k), f"fitted decay: slope {signed(modes.decay.exponent, '.2f')}"),
    )
    decay.set_title("spectrum of the Gram matrix")
    marks = {}
    if onset is not None:
        marks = {"sampling gap sets in": onset.gap, "population loss lowest": onset.population}
    plot_emergence(
        emergence,
        modes.emergence_times,
        turned=None if onset is None else onset.modes,
        marks=marks,
    )
    emergence.set_title("when modes emerge")
    for ax in rest:
        # The prediction is for the times at which the fitted modes emerge.
        first, last = 0.5 / modes.decay(k)
        plot_slopes(ax, tau, slopes, ((float(first), float(last)), modes.loss_exponent))
        ax.set_title("slope of the training loss along τ")
    save_figure(figure, path)


def _draw_sgd(path: Path, results: TheoryResults) -> None:
    assert results.sgd is not None
    sgd = results.sgd
    figure, (ax,) = new_figure()
    plot_optimiser_paths(ax, {f"SGD, rate {sgd.rate:.2g}": (sgd.tau, sgd.kl)}, (sgd.tau, sgd.exact))
    ax.set_title("SGD over the exact curve")
    save_figure(figure, path)
