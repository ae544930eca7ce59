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

from ..densities.reverse_sde import ReverseSDEDensity
from ..divergences import kl_divergence
from ..estimate import Estimate
from ..evaluation import EVALUATION_TIME
from ..mixtures import bimodal
from ..plotting.style import BLACK, PALETTE, log_ticks, new_figure
from ..plotting.sweeps import finish, plot_trend
from ..plotting.theory import plot_bound
from ..sde import VESDE
from ..targets import Target, raised_cosine
from ..theory.bounds import Bound
from ..theory.decomposition import Decomposition
from ..theory.exponents import fit_power_law
from ..theory.rates import PREDICTED
from ..theory.verdicts import Verdict, verdict_table
from ..training import train_exact
from ..validation import FloatArray
from .curves import Band, BoundOf, LongTable, Minima, Progress

SETTINGS: dict[str, Target] = {"modes at ±3": bimodal(3.0), "compact": raised_cosine()}


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment: `QUICK` for a look, `FULL` for a figure to keep."""

    sizes: tuple[int, ...] = (16, 32, 64, 128, 256, 512, 1024)
    widths: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
    mu: tuple[float, ...] = (3, 4, 5, 6, 8, 10, 12, 15, 20)
    n: int = 1000
    m: int = 256
    seeds: int = 24
    n_tau: int = 201
    n_times: int = 48
    reverse_times: int = 21
    wide: int = 1536


QUICK = Settings(
    sizes=(16, 32, 64, 128, 256, 512),
    widths=(16, 48, 144, 432),
    mu=(3, 5, 8, 12, 20),
    seeds=10,
    n_tau=81,
    n_times=32,
    reverse_times=10,
    wide=768,
)
FULL = Settings()


@dataclass(frozen=True, eq=False)
class Along:
    """One run along training.

    Attributes:
        tau: training times (n_tau,).
        bound: the bound at each.
        terms: its decomposition.
        kl_tau: training times of the reverse-SDE KL, (k,).
        kl: KL(p_t‖p^{SDE}_{t,θ}) there, with its error.
        bound_there: the bound at `kl_tau`.
        score_integral: KL(p_t‖p̂) of the other sense, at `tau`.
    """

    tau: FloatArray
    bound: Bound
    terms: Decomposition
    kl_tau: FloatArray
    kl: Estimate
    bound_there: Estimate
    score_integral: FloatArray

    @property
    def violations(self) -> int:
        """Number of τ at which the KL exceeds the bound by more than the errors of both."""
        excess = self.kl.value - self.bound_there.value
        return int((excess > self.kl.error + self.bound_there.error).sum())


@dataclass(frozen=True, eq=False)
class Scan:
    """Curves along τ over an axis and seeds.

    Attributes:
        x: the axis (k,).
        kl: minima of the score-integral KL(p₀‖p̂), (k, seeds).
        bound: minima of the bound, (k, seeds).
    """

    x: FloatArray
    kl: Minima
    bound: Minima

    @property
    def quantities(self) -> dict[str, Minima]:
        """The two curves by name."""
        return {"KL": self.kl, "bound": self.bound}


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

    def verdicts(self) -> list[Verdict]:
        """Return every claim of the theorems beside its measured exponent."""
        return list(self._verdicts.values())

    @cached_property
    def _verdicts(self) -> dict[tuple[str, str, str], Verdict]:
        """Verdicts by (panel, setting, quantity)."""
        found = {}
        for setting, scan in self.together.items():
            for name, minima in scan.quantities.items():
                for panel, values in (("tau_es(n)", minima.tau), ("kl(n)", minima.value)):
                    predicted, kind = PREDICTED[panel]
                    what = f"τ_es of the {name}" if panel == "tau_es(n)" else f"least {name}"
                    found[panel, setting, name] = Verdict(
                        f"{what} against n = m, {setting}",
                        predicted,
                        fit_power_law(scan.x, values.T),
                        kind,
                    )
        for setting, scan in self.widths.items():
            for name, minima in scan.quantities.items():
                predicted, kind = PREDICTED["kl(m)"]
                found["kl(m)", setting, name] = Verdict(
                    f"least {name} against m, n = {self.settings.n}, {setting}",
                    predicted,
                    fit_power_law(scan.x, minima.value.T),
                    kind,
                )
        for name, minima in self.distance.quantities.items():
            fit = fit_power_law(self.distance.x, minima.value.T)
            # Theorem 2's explicit power is μ²/m; Poly(μ) of its other terms is not given.
            found["kl(mu)", "modes at ±μ", name] = Verdict(
                f"least {name} against μ, n = {self.settings.n}, m = {self.settings.m}",
                2.0,
                fit,
                "upper-bound",
            )
        return found

    def table(self) -> dict[str, list[Any]]:
        """Return every number in the figure as columns."""
        table, along = LongTable(), self.along
        total, terms = along.bound.total, along.terms
        low, high = total.value - total.error, total.value + total.error
        table.add("along", "bound", along.tau, total.value, low, high)
        table.add("along", "KL(p_T||pi)", along.tau, float(along.bound.prior.value))
        for name, term in (
            ("sampling", terms.sample), ("infinite width", terms.infinite), ("width", terms.width)
        ):  # fmt: skip
            low, high = term.value - term.error, term.value + term.error
            table.add("along", name, along.tau, term.value, low, high)
        kl = along.kl
        low, high = kl.value - kl.error, kl.value + kl.error
        table.add("along", "KL reverse SDE", along.kl_tau, kl.value, low, high)
        table.add("along", "KL score integral", along.tau, along.score_integral)
        scans = {f"n=m, {setting}": scan for setting, scan in self.together.items()}
        scans |= {f"m, {setting}": scan for setting, scan in self.widths.items()}
        for axis, scan in {**scans, "mu": self.distance}.items():
            for name, minima in scan.quantities.items():
                table.add_band(f"tau_es against {axis}", name, scan.x, Band.of(minima.tau.T))
                table.add_band(f"least against {axis}", name, scan.x, Band.of(minima.value.T))
        return table.columns

    def summary(self) -> str:
        """Return the claims in numbers."""
        along, settings = self.along, self.settings
        ratio = along.bound_there.value / along.kl.value
        best = int(np.argmin(along.bound.total.value))
        shares = along.terms.shares()
        lines = [
            f"the bound, modes at ±3, n = 100, m = {settings.m}: {ratio.min():.2f} … "
            f"{ratio.max():.1f} times the reverse-SDE KL at {len(ratio)} training times; "
            f"violations beyond the errors: {along.violations}",
            f"lowest bound {along.bound.total.value[best]:.4f} at τ = {along.tau[best]:.2e}, of "
            f"which KL(p_T‖π) {float(along.bound.prior.value):.4f}; shares of its integral: "
            + ", ".join(f"{name} {share[best]:.0%}" for name, share in shares.items()),
            "",
            f"medians over {settings.seeds} seeds",
            f"{'axis':>22} {'x':>6} {'τ_es KL':>9} {'least KL':>9} {'τ_es bound':>10} "
            f"{'least bound':>11} {'interior':>9}",
        ]
        scans = {f"n = m, {setting}": scan for setting, scan in self.together.items()}
        scans |= {f"m, {setting}": scan for setting, scan in self.widths.items()}
        for axis, scan in {**scans, "μ": self.distance}.items():
            for i, x in enumerate(scan.x):
                kl, bound = scan.kl, scan.bound
                inside = 0.5 * (kl.interior[i].mean() + bound.interior[i].mean())
                lines.append(
                    f"{axis:>22} {x:>6g} {np.median(kl.tau[i]):>9.2e} "
                    f"{np.median(kl.value[i]):>9.4f} {np.median(bound.tau[i]):>10.2e} "
                    f"{np.median(bound.value[i]):>11.4f} {inside:>9.0%}"
                )
        return "\n".join([*lines, "", verdict_table(self.verdicts())])

    def draw(self) -> Any:
        """Return the figure: the bound and its terms along training, and the exponents."""
        figure, axes = new_figure(2, 3, width=5.4, height=4.2)
        along, terms = self.along, self.along.terms
        plot_bound(
            axes[0],
            along.tau,
            along.bound.total.value,
            prior=float(along.bound.prior.value),
            terms={
                "sampling I$_1$": terms.sample.value,
                "infinite width I$_2$": terms.infinite.value,
                "width I$_3$": terms.width.value,
            },
            measured={"KL, reverse SDE": (along.kl_tau, along.kl.value)},
        )
        axes[0].set_ylim(0.5 * float(along.bound.prior.value), None)
        axes[0].set_title("the bound lies above the KL (modes at ±3, n = 100)")
        panels = (
            ("tau_es(n)", self.together, "n = m", "best training time τ$_{es}$"),
            ("kl(n)", self.together, "n = m", "least KL and bound (nats)"),
            ("kl(m)", self.widths, f"m, at n = {self.settings.n}", "least KL and bound (nats)"),
            ("kl(mu)", {"modes at ±μ": self.distance}, "modes at ±μ", "least KL and bound (nats)"),
        )
        for ax, (panel, scans, axis, label) in zip(axes[1:5], panels, strict=True):
            self._draw_exponents(ax, panel, scans)
            scan = next(iter(scans.values()))
            finish(ax, axis, label, scan.x, scan.bound.value, law=True)
            log_ticks(ax, x=True, y=True)
        for ax, title in zip(
            axes[1:5],
            ("τ$_{es}$ against n = m", "both fall with n = m", "both fall with m",
             "both rise with μ"),
            strict=True,
        ):  # fmt: skip
            ax.set_title(title)
            low, high = ax.get_ylim()
            ax.set_ylim(low, high * (high / low) ** 0.5)
        self._draw_verdicts(axes[5])
        return figure

    def _draw_exponents(self, ax: Any, panel: str, scans: dict[str, Scan]) -> None:
        colours = iter(PALETTE)
        for setting, scan in scans.items():
            for name, minima in scan.quantities.items():
                verdict = self._verdicts[panel, setting, name]
                fit, values = verdict.fit, minima.tau if panel == "tau_es(n)" else minima.value
                band, x = Band.of(values.T), np.array(fit.window)
                sign = "≤ " if verdict.kind == "upper-bound" else ""
                theory = fit(x[0]) * (x / x[0]) ** verdict.predicted
                last = setting == list(scans)[-1] and name == "bound"
                label = f"{name}, {setting}: slope {fit.exponent:.2f}"
                plot_trend(
                    ax, scan.x, band.middle, band.low, band.high, colour=next(colours),
                    fit=(x, fit(x), label),
                    predicted=(x, theory, f"predicted {sign}{verdict.predicted:g}") if last
                    else None,
                )  # fmt: skip

    def _draw_verdicts(self, ax: Any) -> None:
        """Draw measured exponents with intervals beside the predicted ones."""
        verdicts = self.verdicts()
        y = np.arange(len(verdicts))[::-1]
        measured = np.array([verdict.fit.exponent for verdict in verdicts])
        spans = np.array([verdict.fit.interval for verdict in verdicts])
        errors = np.abs(spans - measured[:, None]).T
        ax.errorbar(measured, y, xerr=errors, fmt="o", color=PALETTE[0], label="measured, 95%")
        predicted = [verdict.predicted for verdict in verdicts]
        ax.plot(predicted, y, "|", color=BLACK, markersize=14, mew=2, label="predicted")
        ax.set_yticks(y, [_short(verdict.quantity) for verdict in verdicts], fontsize=8)
        ax.yaxis.tick_right()
        ax.tick_params(axis="y", length=0)
        ax.set_xlim(-4.0, 4.0)
        ax.set(xlabel="exponent", title="exponents, predicted and measured")
        ax.legend(frameon=False, fontsize=9, loc="lower left")


def compute(settings: Settings, progress: Progress) -> BoundsExperiment:
    """Measure one run along training, then the scans."""
    tau = np.logspace(0, 10, settings.n_tau)
    progress("the bound, its terms and the reverse-SDE KL along training")
    along = _along(tau, settings)
    together, widths = {}, {}
    for name, target in SETTINGS.items():
        progress(f"n = m, {name}, {settings.seeds} seeds")
        cases = [(target, size, size) for size in settings.sizes]
        together[name] = _scan(tau, cases, settings.sizes, settings)
        progress(f"m at n = {settings.n}, {name}")
        cases = [(target, settings.n, m) for m in settings.widths]
        widths[name] = _scan(tau, cases, settings.widths, settings)
    progress("distance of the modes")
    cases = [(bimodal(float(mu)), settings.n, settings.m) for mu in settings.mu]
    distance = _scan(tau, cases, settings.mu, settings)
    return BoundsExperiment(settings, along, together, widths, distance)


def with_seeds(settings: Settings, seeds: int) -> Settings:
    """Return the settings with another number of seeds."""
    return replace(settings, seeds=seeds)


def _along(tau: FloatArray, settings: Settings) -> Along:
    run = train_exact(tau, target=bimodal(3.0), n=100, m=settings.m)
    at = np.logspace(0, 10, settings.reverse_times)
    learned = ReverseSDEDensity(run.learned_score(at), run.sde, EVALUATION_TIME)
    marginal = bimodal(3.0).diffuse(
        float(run.sde.scale(EVALUATION_TIME)), float(run.sde.std(EVALUATION_TIME))
    )
    return Along(
        tau,
        run.bound(),
        run.decomposition(wide=settings.wide),
        at,
        kl_divergence(marginal, learned),
        run.bound(at).total,
        run.kl(against="pt").value,
    )


def _scan(
    tau: FloatArray, cases: list[tuple[Target, int, int]], x: Any, settings: Settings
) -> Scan:
    """Minimise KL and bound over τ for each case and seed."""
    shape = (len(cases), settings.seeds, len(tau))
    kl, bound = np.empty(shape), np.empty(shape)
    bound_of = {
        target: BoundOf.build(target, VESDE(), settings.n_times)
        for target in dict.fromkeys(target for target, _, _ in cases)
    }
    for i, (target, n, m) in enumerate(cases):
        for seed in range(settings.seeds):
            run = train_exact(tau, target=target, n=n, m=m, seed=seed)
            kl[i, seed] = run.kl().value
            bound[i, seed] = bound_of[target](run)
    return Scan(np.array(x, np.float64), Minima.of(tau, kl), Minima.of(tau, bound))


def _short(quantity: str) -> str:
    """Return a claim short enough for an axis."""
    for long, short in (("against", "~"), ("least ", ""), ("modes at ±3", "±3")):
        quantity = quantity.replace(long, short)
    return quantity.split(", m = ")[0]
