"""Memorisation: losses, copies, τ_gen and τ_mem against n, in the plane and on digits.

In the plane eight modes on a ring, far more features than points, and training times and weights
that look at small noise: the model goes over from the law to its training points. In the digits' 16
principal coordinates the test loss has its minimum long before, and copies hardly begin.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...diffusion.mixtures import GaussianMixture
from ...divergences.samples.memorised import RATIO
from ...plotting.style import PALETTE, TAU_LABEL, log_ticks, new_figure, room_above, sequence
from ...plotting.sweeps import finish, plot_family, plot_trend
from ...runs.train_exact import train_exact
from ...runs.trained_flow import TrainedFlow
from ...theory.verdicts import Verdict
from ..curves import Band, LongTable, Progress
from .copies import Copies, Sampling, count_copies, of_times
from .digits import HELD_OUT, principal_digits

_MODES, _RADIUS, _WIDTH = 8, 3.0, 0.8
_COORDINATES = 16
# What lets random features see t, and start from the Gaussian score of the data.
_MODEL: dict[str, Any] = {"skip": "gaussian", "scaling": "both", "precondition": True}

# In the plane chance makes c² of copies where points look even, on digits none.
_IN_THE_PLANE = Sampling(samples=400, n_steps=100, t=1e-3, ratio=0.2)
_ON_DIGITS = replace(_IN_THE_PLANE, ratio=RATIO)


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment: `QUICK` for a look, `FULL` for a figure to keep."""

    plane_n: tuple[int, ...] = (4, 8, 16, 32)
    plane_m: int = 1024
    digits_n: tuple[int, ...] = (50, 200, 1200)
    digits_m: int = 1024
    seeds: int = 5
    n_tau: int = 101
    plane_late: float = 1e12
    digits_late: float = 1e9
    n_times: int = 20
    plane_sampling: Sampling = _IN_THE_PLANE
    digits_sampling: Sampling = _ON_DIGITS


QUICK = Settings(
    plane_n=(4, 8, 16), plane_m=512, digits_m=256, seeds=3, n_tau=61,
    plane_sampling=replace(_IN_THE_PLANE, samples=200, n_steps=80),
    digits_sampling=replace(_ON_DIGITS, samples=200, n_steps=50, n_tau=7),
)  # fmt: skip
FULL = Settings()


@dataclass(frozen=True, eq=False)
class MemorisationExperiment:
    """The figure's numbers.

    Attributes:
        settings: sizes.
        plane: eight modes on a ring.
        digits: scikit-learn's digits in 16 principal coordinates.
    """

    settings: Settings
    plane: Copies
    digits: Copies

    def verdicts(self) -> list[Verdict]:
        """No exponent is predicted here."""
        return []

    def table(self) -> dict[str, list[Any]]:
        """Return every number in the figure as columns."""
        table = LongTable()
        self.plane.add_to(table)
        self.digits.add_to(table)
        return table.columns

    def summary(self) -> str:
        """Return the claims in numbers."""
        return "\n".join(
            [
                "losses per coordinate; medians over seeds (quartiles); a copy is nearer to a "
                f"training point than {self.settings.plane_sampling.ratio:g} (plane) or "
                f"{self.settings.digits_sampling.ratio:.2f} (digits) times to any other",
                *self.plane.lines(),
                "",
                *self.digits.lines(),
            ]
        )

    def draw(self) -> Any:
        """Return the figure: losses, shares and times, in the plane and on digits."""
        figure, axes = new_figure(2, 3, width=5.6)
        for (losses, shares, times), copies in zip(
            (axes[:3], axes[3:]), (self.plane, self.digits), strict=True
        ):
            _draw_losses(losses, copies)
            _draw_shares(shares, copies)
            _draw_times(times, copies)
        return figure


def _draw_losses(ax: Any, copies: Copies) -> None:
    """Draw test losses with their minima, and training losses dashed."""
    bands = [Band.of(curves) for curves in copies.test]
    best = np.median(copies.minima.tau, axis=1)
    marks = [
        (at, float(np.interp(np.log(at), np.log(copies.tau), band.middle)))
        for at, band in zip(best, bands, strict=True)
    ]
    shown = [(band.low, band.middle, band.high) for band in bands]
    plot_family(ax, copies.tau, shown, [f"n = {n}" for n in copies.n], marks=marks)
    for i, (curves, colour) in enumerate(zip(copies.train, sequence(len(copies.n)), strict=True)):
        label = "training set" if i == 0 else None
        ax.plot(copies.tau, Band.of(curves).middle, "--", color=colour, linewidth=1.2, label=label)
    finish(ax, TAU_LABEL, "loss per coordinate", copies.tau, copies.test)
    room_above(ax, 0.4)
    ax.legend(frameon=False, fontsize=9, loc="upper right", ncols=2)
    ax.set_title(copies.name)


def _draw_shares(ax: Any, copies: Copies) -> None:
    """Draw shares of copies; those by chance and of the empirical score are in the legend."""
    bands = [Band.of(shares) for shares in copies.share]
    shown = [(band.low, band.middle, band.high) for band in bands]
    labels = [
        f"n = {n}; by chance {np.median(chance):.1%}, empirical score {np.median(empirical):.0%}"
        for n, chance, empirical in zip(copies.n, copies.chance, copies.empirical, strict=True)
    ]
    plot_family(ax, copies.sampled, shown, labels)
    finish(ax, TAU_LABEL, "share of samples that are copies", copies.sampled, [0.0])
    most = max(float(band.middle.max()) for band in bands)
    ax.set_ylim(-0.02, 1.02)
    ax.set_yticks(np.linspace(0.0, 1.0, 6))
    room_above(ax, 0.4)
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    ax.set_title(f"copies are up to {most:.0%} of the samples (medians over seeds)")


def _draw_times(ax: Any, copies: Copies) -> None:
    """Draw τ_gen and τ_mem against n; what is never reached is left out."""
    n = np.array(copies.n, np.float64)
    labels = {"τ_gen": "τ$_{gen}$, least test loss", "τ_mem": "τ$_{mem}$, first copies"}
    for (name, times), colour in zip(copies.times.items(), PALETTE, strict=False):
        band, last = of_times(times), float(copies.tau[-1])
        there = np.isfinite(band.middle)
        if there.any():
            plot_trend(
                ax, n[there], band.middle[there], band.low[there],
                np.minimum(band.high[there], last), label=labels[name], colour=colour,
            )  # fmt: skip
    ax.set(xlabel="number of training points n", ylabel=TAU_LABEL)
    log_ticks(ax, x=True, y=True)
    ax.set_xticks(copies.n, [str(size) for size in copies.n])
    ax.set_xticks([], minor=True)
    room_above(ax, 0.3)
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    reached = int(np.isfinite(copies.tau_mem).sum())
    ax.set_title(f"τ$_{{mem}}$ is reached in {reached} of {copies.tau_mem.size} runs")


def ring() -> GaussianMixture:
    """Return eight equal modes on a ring of radius 3, each of width 0.8."""
    angles = 2.0 * np.pi * np.arange(_MODES) / _MODES
    means = _RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return GaussianMixture(np.full(_MODES, 1.0 / _MODES), means, _WIDTH)


def compute(settings: Settings, progress: Progress) -> MemorisationExperiment:
    """Train over n and seeds in the plane and on digits."""
    tau, law = np.logspace(0, np.log10(settings.plane_late), settings.n_tau), ring()
    # Even in ln t: small noise, at which training points are told apart, has half of the times.
    times = np.geomspace(settings.plane_sampling.t, 1.0, settings.n_times)
    digits_tau = np.logspace(0, np.log10(settings.digits_late), settings.n_tau)
    digits = principal_digits(_COORDINATES)

    def in_the_plane(n: int, seed: int) -> TrainedFlow:
        return train_exact(
            tau, target=law, n=n, m=settings.plane_m, seed=seed, times=times, **_MODEL
        )

    def on_digits(n: int, seed: int) -> TrainedFlow:
        return train_exact(
            digits_tau, data=digits, n=n, m=settings.digits_m, seed=seed, held_out=HELD_OUT,
            standardise=False, **_MODEL,
        )  # fmt: skip

    return MemorisationExperiment(
        settings,
        count_copies(
            f"ring in the plane, m = {settings.plane_m}", settings.plane_n, in_the_plane,
            "population", settings.seeds, settings.plane_sampling, progress,
        ),
        count_copies(
            f"digits, {_COORDINATES} coordinates, m = {settings.digits_m}", settings.digits_n,
            on_digits, "test", settings.seeds, settings.digits_sampling, progress,
        ),
    )  # fmt: skip


def with_seeds(settings: Settings, seeds: int) -> Settings:
    """Return the settings with another number of seeds."""
    return replace(settings, seeds=seeds)
