"""The bound beside the KL it bounds, and the exponents of Theorems 1 and 2 beside measured ones.

Two settings: the default (modes at ±3) and Theorem 1's compact support (a raised cosine). In each,
the bound [14], known exactly at every τ, and the score-integral KL are minimised over τ while n = m
grows, while m grows at fixed n, and while the modes move apart. The bound is one on the
reverse-SDE density, so that KL is what is drawn under it.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..diffusion.mixtures import bimodal
from ..diffusion.targets import Target, raised_cosine
from ..plotting.style import BLACK, PALETTE, log_ticks, new_figure
from ..plotting.sweeps import finish
from ..theory.predictions import SUMMARY, UNIT_CONSTANTS
from ..theory.verdicts import Verdict, local_slope_table, signed, verdict_table
from .along import Along
from .curves import LongTable, Progress
from .scans import SCAN_HEADING, Scan, distance_verdict, draw_verdict, scan, scan_distance

SETTINGS: dict[str, Target] = {"modes at ±3": bimodal(3.0), "compact": raised_cosine()}
_MOVING = "modes at ±μ"


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment: `QUICK` for a look, `FULL` for a figure to keep."""

    sizes: tuple[int, ...] = (16, 32, 64, 128, 256, 512, 1024)
    widths: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
    mu: tuple[float, ...] = (3, 4, 5, 6, 8, 10, 12, 15, 18, 20)
    n: int = 1000
    m: int = 512
    seeds: int = 24
    n_tau: int = 201
    n_times: int = 48
    reverse_times: int = 21
    wide: int = 1536


QUICK = Settings(
    sizes=(16, 32, 64, 128, 256, 512),
    widths=(16, 48, 144, 432),
    mu=(3, 5, 8, 11, 15, 20),
    m=256,
    seeds=10,
    n_tau=101,
    n_times=32,
    reverse_times=10,
    wide=768,
)
FULL = Settings()


@dataclass(frozen=True, eq=False)
class BoundsExperiment:
    """The figure's numbers.

    Attributes:
        settings: sizes.
        along: one run along training, modes at ±3, n = 100.
        together: scans over n = m, by setting.
        widths: scans over m at fixed n, by setting.
        distance: scan over μ.
    """

    settings: Settings
    along: Along
    together: dict[str, Scan]
    widths: dict[str, Scan]
    distance: Scan

    @property
    def scans(self) -> dict[str, Scan]:
        """Every scan by the name of its axis."""
        scans = {f"n = m, {setting}": found for setting, found in self.together.items()}
        scans |= {f"m, {setting}": found for setting, found in self.widths.items()}
        return {**scans, "μ": self.distance}

    def verdicts(self) -> list[Verdict]:
        """Return every claim of the theorems beside its measured exponent."""
        return list(self._verdicts.values())

    @cached_property
    def _verdicts(self) -> dict[tuple[str, str, str], Verdict]:
        """Verdicts by (panel, setting, quantity)."""
        found = {}
        for setting, moved in self.together.items():
            times = moved.axis.best_time(UNIT_CONSTANTS[1], "unit", SUMMARY["tau_es(n)"])
            least = moved.axis.least(UNIT_CONSTANTS[1], "unit", SUMMARY["kl(n)"])
            for name, minima in moved.quantities.items():
                of, against = f"τ_es of the {name}", f"against n = m, {setting}"
                fit = minima.fit_times(moved.x)
                found["tau_es(n)", setting, name] = Verdict(f"{of} {against}", times, fit)
                fit = minima.fit_values(moved.x)
                found["kl(n)", setting, name] = Verdict(f"least {name} {against}", least, fit)
        for setting, moved in self.widths.items():
            least = moved.axis.least(UNIT_CONSTANTS[1], "unit", SUMMARY["kl(m)"])
            for name, minima in moved.quantities.items():
                quantity = f"least {name} against m, n = {self.settings.n}, {setting}"
                fit = minima.fit_values(moved.x)
                found["kl(m)", setting, name] = Verdict(quantity, least, fit)
        for name in self.distance.quantities:
            found["kl(mu)", _MOVING, name] = distance_verdict(name, self.distance)
        return found

    def table(self) -> dict[str, list[Any]]:
        """Return every number in the figure as columns."""
        table = LongTable()
        self.along.add_to(table)
        for axis, found in self.scans.items():
            found.add_to(table, axis)
        return table.columns

    def summary(self) -> str:
        """Return the claims in numbers."""
        settings = self.settings
        first, second = self.along.lines()
        return "\n".join(
            [
                f"the bound, modes at ±3, n = 100, m = {settings.m}: {first}",
                second,
                "",
                f"medians over {settings.seeds} seeds",
                SCAN_HEADING,
                *(line for axis, found in self.scans.items() for line in found.lines(axis)),
                "",
                *(
                    _rate_line(1, f"n = m, {setting}", found)
                    for setting, found in self.together.items()
                ),
                _rate_line(2, "μ", self.distance),
                "",
                verdict_table(self.verdicts()),
                "",
                local_slope_table(self.verdicts()),
            ]
        )

    def draw(self) -> Any:
        """Return the figure: the bound and its terms along training, and the exponents."""
        figure, axes = new_figure(2, 3, width=5.4, height=4.4)
        self.along.draw(axes[0])
        axes[0].set_title("the bound lies above the KL (n = 100)")
        for ax, panel in zip(axes[1:5], self._panels(), strict=True):
            self._draw_exponents(ax, panel)
        self._draw_verdicts(axes[5])
        return figure

    def _panels(self) -> tuple["_Panel", ...]:
        least, m_label = "least KL and bound (nats)", f"m, at n = {self.settings.n}"
        times, moving = "best training time τ$_{es}$", {_MOVING: self.distance}
        together, widths = self.together, self.widths
        return (
            _Panel("tau_es(n)", together, "n = m", times, "τ$_{es}$ moves right with n = m"),
            _Panel("kl(n)", together, "n = m", least, "both fall with n = m"),
            _Panel("kl(m)", widths, m_label, least, "both fall with m"),
            _Panel("kl(mu)", moving, _MOVING, least, "both rise with μ"),
        )

    def _draw_exponents(self, ax: Any, panel: "_Panel") -> None:
        """Draw one quantity against its axis in every setting, with fits and the theorem."""
        colours = iter(PALETTE)
        scans = panel.scans
        names = [(setting, name) for setting, found in scans.items() for name in found.quantities]
        for setting, name in names:
            minima = scans[setting].quantities[name]
            draw_verdict(
                ax,
                scans[setting].x,
                minima.tau if panel.key == "tau_es(n)" else minima.value,
                self._verdicts[panel.key, setting, name],
                f"{name}, {setting}",
                next(colours),
                predicted="theorem, unit constants" if (setting, name) == names[-1] else None,
            )
        found = next(iter(scans.values()))
        finish(ax, panel.x_label, panel.y_label, found.x, found.bound.value, law=True)
        log_ticks(ax, x=True, y=True)
        _leave_room(ax)
        ax.set_title(panel.title)

    def _draw_verdicts(self, ax: Any) -> None:
        """Draw measured exponents with intervals beside the computed ones."""
        verdicts = self.verdicts()
        y = np.arange(len(verdicts))[::-1]
        measured = np.array([verdict.fit.exponent for verdict in verdicts])
        spans = np.array([verdict.fit.interval for verdict in verdicts])
        errors = np.abs(spans - measured[:, None]).T
        ax.errorbar(measured, y, xerr=errors, fmt="o", color=PALETTE[0], label="measured, 95%")
        refused = np.array([not verdict.fit.holds for verdict in verdicts])
        ax.plot(
            measured[refused], y[refused], "o", color=PALETTE[0], mfc="white", zorder=5,
            label="no power law",
        )  # fmt: skip
        computed = [verdict.prediction.exponent for verdict in verdicts]
        ax.plot(computed, y, "|", color=BLACK, markersize=14, mew=2, label="computed")
        ax.set_yticks(y, [_short(verdict.quantity) for verdict in verdicts], fontsize=8)
        ax.yaxis.tick_right()
        ax.tick_params(axis="y", length=0)
        low, high = float(spans[:, 0].min()), float(spans[:, 1].max())
        ax.set_xlim(min(low, -1.5) - 2.6, max(high, 2.5) + 0.3)
        ax.set(xlabel="exponent", title="exponents, computed and measured")
        ax.legend(frameon=False, fontsize=9, loc="lower left")


@dataclass(frozen=True)
class _Panel:
    """One panel of exponents: the key of its verdicts, its scans by setting, and its labels."""

    key: str
    scans: dict[str, Scan]
    x_label: str
    y_label: str
    title: str


def compute(settings: Settings, progress: Progress) -> BoundsExperiment:
    """Measure one run along training, then the scans."""
    tau = np.logspace(0, 10, settings.n_tau)
    sizes = settings.seeds, settings.n_times
    progress("the bound, its terms and the reverse-SDE KL along training")
    along = Along.measure(tau, 100, settings.m, settings.reverse_times, settings.wide)
    together, widths = {}, {}
    for name, target in SETTINGS.items():
        progress(f"n = m, {name}, {settings.seeds} seeds")
        cases = [(target, size, size) for size in settings.sizes]
        together[name] = scan(tau, cases, settings.sizes, *sizes)
        progress(f"m at n = {settings.n}, {name}")
        cases = [(target, settings.n, m) for m in settings.widths]
        widths[name] = scan(tau, cases, settings.widths, *sizes)
    progress("distance of the modes")
    distance = scan_distance(tau, settings.mu, settings.n, settings.m, *sizes)
    return BoundsExperiment(settings, along, together, widths, distance)


def with_seeds(settings: Settings, seeds: int) -> Settings:
    """Return the settings with another number of seeds."""
    return replace(settings, seeds=seeds)


def _rate_line(number: int, axis: str, found: Scan) -> str:
    """Say how well a theorem's rate function describes the bound, and how its minima move."""
    fit = found.theorem(number)
    slopes = " ".join(signed(at, ".2f") for at in found.axis.least(fit.rate, "fitted").local)
    n, m, mu = (float(part[-1]) for part in (found.n, found.m, found.x))
    lowest, measured = float(fit.rate.best_time(n, m, mu)), found.tau[found.curves[-1].argmin()]
    best = f"its best τ at the end of the axis is {lowest:.1e}, measured {measured:.1e}"
    if not np.isfinite(lowest):
        best = "the terms that grow with τ are fitted as zero"
    return (
        f"Theorem {number} with fitted constants beside the bound, {axis}, up to ten times the "
        f"best τ: off by a factor {np.exp(fit.log_misfit):.1f} on average, "
        f"{fit.worst_ratio:.0f} at the most; {best}; local slopes of its minima {slopes}"
    )


def _leave_room(ax: Any) -> None:
    """Leave room for the legend above the data of a logarithmic axis."""
    low, high = ax.get_ylim()
    ax.set_ylim(low, high * (high / low) ** 0.45)


def _short(quantity: str) -> str:
    """Return a claim short enough for an axis."""
    for long, short in (("against", "~"), ("least ", ""), ("modes at ±3", "±3")):
        quantity = quantity.replace(long, short)
    return quantity.replace("τ_es of the", "τ$_{es}$,").split(", m = ")[0]
