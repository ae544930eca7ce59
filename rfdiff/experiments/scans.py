"""Best training times and the KL there, over an axis and seeds, beside the theorems' exponents.

Slopes are taken over all points where a law is claimed, and the theorems' functions are minimised
over the same τ at the same points. Over μ the law is claimed where the modes, of width 1, are
apart: Theorem 2 wants μ > √log(1/δ²), 2.4 at δ = 0.05.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..diffusion.mixtures import bimodal
from ..diffusion.sde import VESDE
from ..diffusion.targets import Target
from ..plotting.sweeps import plot_trend
from ..runs.train_exact import train_exact
from ..support.estimate import Estimate
from ..support.validation import FloatArray
from ..theory.predictions import SUMMARY, UNIT_CONSTANTS, Axis
from ..theory.rates import RateFit, fit_rate
from ..theory.verdicts import Verdict, signed
from .curves import Band, BoundOf, LongTable
from .minima import Minima

# From here on modes at ±μ do not overlap.
APART = 3.0


@dataclass(frozen=True, eq=False)
class Scan:
    """Minima over τ along an axis, by seed.

    Attributes:
        x: the axis (k,).
        n: sample sizes (k,).
        m: widths (k,).
        tau: training times (n_tau,).
        kl: minima of the score-integral KL(p₀‖p̂), (k, seeds).
        bound: minima of the bound, (k, seeds).
        curves: the bound along τ, geometric mean over seeds, (k, n_tau).
    """

    x: FloatArray
    n: FloatArray
    m: FloatArray
    tau: FloatArray
    kl: Minima
    bound: Minima
    curves: FloatArray

    @property
    def quantities(self) -> dict[str, Minima]:
        """The two quantities by name."""
        return {"KL": self.kl, "bound": self.bound}

    @property
    def axis(self) -> Axis:
        """Where the theorems' functions are computed."""
        return Axis(self.x, self.n, self.m, self.tau, self.x)

    def add_to(self, table: LongTable, axis: str) -> None:
        """Append medians and quartiles to the figure's table."""
        for name, minima in self.quantities.items():
            table.add_band(f"tau_es against {axis}", name, self.x, Band.of(minima.tau.T))
            table.add_band(f"least against {axis}", name, self.x, Band.of(minima.value.T))

    def lines(self, axis: str) -> list[str]:
        """Return one line of medians for each x, under `SCAN_HEADING`."""
        lines = []
        for i, x in enumerate(self.x):
            kl, bound = self.kl, self.bound
            lines.append(
                f"{axis:>22} {x:>6g} {np.median(kl.tau[i]):>9.2e} "
                f"{np.median(kl.value[i]):>9.4f} {kl.interior[i].mean():>9.0%} "
                f"{np.median(bound.tau[i]):>10.2e} {np.median(bound.value[i]):>11.4f} "
                f"{bound.interior[i].mean():>9.0%}"
            )
        return lines

    def theorem(self, number: int) -> RateFit:
        """Fit the constants of Theorem 1, or 2 over μ, to the bound up to ten times its best τ.

        Farther on the measured sampling error levels off, and τ⁴ does not.
        """
        best = self.tau[self.curves.argmin(axis=1)]
        inside = self.tau <= 10.0 * best[:, None]
        axes = (axis[:, None] for axis in (self.n, self.m, self.x))
        tau, n, m, mu = (part[inside] for part in np.broadcast_arrays(self.tau, *axes))
        return fit_rate(tau, n, m, self.curves[inside], mu=mu if number == 2 else None)


SCAN_HEADING = (
    f"{'axis':>22} {'x':>6} {'τ_es KL':>9} {'least KL':>9} {'interior':>9} {'τ_es bound':>10} "
    f"{'least bound':>11} {'interior':>9}"
)


def train_over(
    tau: FloatArray, cases: Sequence[tuple[Target, int, int]], seeds: int, n_times: int
) -> tuple[Estimate, Estimate]:
    """Return KL(p₀‖p̂) and the bound along τ for each case and seed, (cases, seeds, n_tau) each.

    Args:
        tau: training times.
        cases: targets, sample sizes n and widths m.
        seeds: number of seeds, from 0.
        n_times: time nodes of the bound.
    """
    shape = (len(cases), seeds, len(tau))
    kl, bound = (Estimate(np.empty(shape), 0.0) for _ in range(2))
    bound_of = {
        target: BoundOf.build(target, VESDE(), n_times)
        for target in dict.fromkeys(target for target, _, _ in cases)
    }
    for i, (target, n, m) in enumerate(cases):
        for seed in range(seeds):
            run = train_exact(tau, target=target, n=n, m=m, seed=seed)
            for all_runs, of_run in ((kl, run.kl()), (bound, bound_of[target](run))):
                all_runs.value[i, seed], all_runs.error[i, seed] = of_run.value, of_run.error
    return kl, bound


def scan(
    tau: FloatArray,
    cases: Sequence[tuple[Target, int, int]],
    x: ArrayLike,
    seeds: int,
    n_times: int,
) -> Scan:
    """Minimise KL and bound over τ for each case at each x; arguments as `train_over`."""
    kl, bound = train_over(tau, cases, seeds, n_times)
    n, m = np.array([case[1:] for case in cases], np.float64).T
    mean_bound = np.exp(np.log(bound.value).mean(axis=1))
    x = np.asarray(x, np.float64)
    return Scan(x, n, m, tau, Minima.of(tau, kl), Minima.of(tau, bound), mean_bound)


def scan_distance(
    tau: FloatArray, mu: Sequence[float], n: int, m: int, seeds: int, n_times: int
) -> Scan:
    """Move the modes apart: the scan over μ that `modes-shift` and `bounds` share."""
    return scan(tau, [(bimodal(float(at)), n, m) for at in mu], mu, seeds, n_times)


def distance_verdict(name: str, found: Scan) -> Verdict:
    """Return least KL or bound against μ beside Theorem 2, over modes that are apart."""
    apart = found.x >= APART
    fit = found.quantities[name].where(apart).fit_values(found.x[apart])
    mu = found.x[apart]
    axis = Axis(mu, found.n[apart], found.m[apart], found.tau, mu)
    quantity = f"least {name} against μ, n = {found.n[0]:g}, m = {found.m[0]:g}"
    return Verdict(quantity, axis.least(UNIT_CONSTANTS[2], "unit", SUMMARY["kl(mu)"]), fit)


def draw_verdict(
    ax: Any,
    x: FloatArray,
    values: FloatArray,
    verdict: Verdict,
    label: str,
    colour: str,
    *,
    predicted: str | None = None,
) -> None:
    """Draw medians and quartiles over seeds with the fit on its window, labelled with its slope.

    Args:
        ax: where to draw.
        x: the axis (k,).
        values: values by seed, (k, seeds).
        verdict: the fit and its prediction.
        label: legend entry of the fit.
        colour: colour of all.
        predicted: legend entry of the theorem's function, which is drawn dashed from the fit's
            start; None leaves it out.
    """
    band, fit, said = Band.of(values.T), verdict.fit, verdict.prediction
    window = np.array(fit.window)
    # Constants are free: the function has the place of the fit, and its own shape.
    theory = np.array(said.values) * fit(window[0]) / said.values[0]
    entry = f"{label}: slope {signed(fit.exponent, '.2f')}"
    if not fit.holds:
        entry += ", no power law"
    plot_trend(
        ax, x, band.middle, band.low, band.high, colour=colour,
        fit=(window, fit(window), entry),
        predicted=None if predicted is None
        else (said.x, theory, f"{predicted}: slope {signed(said.exponent, '.2f')}"),
    )  # fmt: skip
