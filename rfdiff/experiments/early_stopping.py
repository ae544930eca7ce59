"""Early stopping: KL(τ) for several n with τ_es marked, beside SGD in the paper's protocol.

The curves over n are those of the package's default setting. SGD runs as in the paper's Figure 3
(rate 0.5, batches of 32, 2000 epochs, three repetitions, KL by the score integral on 51 points of
[−10, 10] at t = 0.065) on a model whose output is divided by σ_t, as the paper's code does: without
that, the rate leaves the region of stability. Its scatter is predicted from theory, so that one can
say which oscillation is optimiser noise and which is overfitting.

A rate η on A moves θ = A/√m at the rate η/m, so a literal 0.5 on A covers little of the flow's
clock; 0.5 on θ is the mean-field rate. Both are run.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..minibatches import Minibatches
from ..mixtures import bimodal
from ..plotting.style import PALETTE, new_figure
from ..plotting.sweeps import finish, plot_family, plot_trend
from ..plotting.theory import plot_paths
from ..score import RandomFeatureScore
from ..sde import VESDE
from ..stochastic import OptimiserPaths, train_stochastic
from ..theory.exponents import fit_power_law
from ..theory.optimiser_noise import sgd_noise_kl
from ..theory.verdicts import Verdict, verdict_table
from ..trained_flow import TrainedFlow
from ..training import train_exact
from ..validation import FloatArray
from .curves import Band, BoundOf, LongTable, Minima, Progress, grid_kl

# The paper's protocol.
RATE, BATCH, REPETITIONS = 0.5, 32, 3
TIME, DOMAIN, POINTS = 0.065, (-10.0, 10.0), 51
# Records of a path before which KL is not drawn: the clock starts at zero.
_FIRST = 1
_N_LABEL = "number of training points n"
# Time nodes of the bound, of which only the minimum is wanted.
_BOUND_TIMES = 32


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment: `QUICK` for a look, `FULL` for a figure to keep."""

    n: tuple[int, ...] = (10, 30, 100, 300, 1000)
    m: int = 512
    seeds: int = 24
    n_tau: int = 201
    epochs: int = 2000
    records: int = 201
    noise_records: int = 9


QUICK = Settings(seeds=12, n_tau=101, records=101, noise_records=6)
FULL = Settings()


@dataclass(frozen=True, eq=False)
class SGDComparison:
    """SGD repetitions over the exact curve of the same data and features.

    Attributes:
        on_a: (τ (k,), KL of each repetition on the paper's grid (repetitions, k)), rate 0.5 on A.
        on_theta: the same for the rate 0.5 on θ.
        tau: training times of the exact curve, (j,).
        exact: KL of the exact flow on the paper's domain, (j,).
        noise_tau: τ at which the scatter is predicted, (i,).
        noise: predicted mean KL with the optimiser's noise there, (i,).
        best: (τ_es, KL) of the exact flow over the whole range of τ.
    """

    on_a: tuple[FloatArray, FloatArray]
    on_theta: tuple[FloatArray, FloatArray]
    tau: FloatArray
    exact: FloatArray
    noise_tau: FloatArray
    noise: FloatArray
    best: tuple[float, float]


@dataclass(frozen=True, eq=False)
class EarlyStoppingExperiment:
    """The figure's numbers.

    Attributes:
        settings: sizes.
        tau: training times (n_tau,).
        kl: KL(p₀‖p̂), (n, seeds, n_tau).
        bound: the bound [14] on the reverse-SDE KL, (n, seeds, n_tau).
        sgd: the paper's protocol on the largest n.
    """

    settings: Settings
    tau: FloatArray
    kl: FloatArray
    bound: FloatArray
    sgd: SGDComparison

    @cached_property
    def minima(self) -> Minima:
        """Best training times and KL there, (n, seeds)."""
        return Minima.of(self.tau, self.kl)

    @cached_property
    def bound_minima(self) -> Minima:
        """Where the bound is lowest, (n, seeds)."""
        return Minima.of(self.tau, self.bound)

    @cached_property
    def bands(self) -> list[Band]:
        """KL(τ) over seeds for each n."""
        return [Band.of(curves) for curves in self.kl]

    def verdicts(self) -> list[Verdict]:
        """Theorem 1 at fixed m: the bound τ⁴/(mn) + 1/τ is lowest at τ ∝ n^{1/5}."""
        n = np.array(self.settings.n, np.float64)
        return [
            verdict
            for name, minima in (("KL", self.minima), ("bound", self.bound_minima))
            for verdict in (
                Verdict(
                    f"τ_es of the {name} against n, m fixed", 0.2, fit_power_law(n, minima.tau.T)
                ),
                Verdict(
                    f"least {name} against n, m fixed",
                    -0.2,
                    fit_power_law(n, minima.value.T),
                    "upper-bound",
                ),
            )
        ]

    def table(self) -> dict[str, list[Any]]:
        """Return every number in the figure as columns."""
        table = LongTable()
        for n, band in zip(self.settings.n, self.bands, strict=True):
            table.add_band("kl", f"n={n}", self.tau, band)
        for name, minima in (("KL", self.minima), ("bound", self.bound_minima)):
            table.add_band("tau_es", name, self.settings.n, Band.of(minima.tau.T))
            table.add_band("least", name, self.settings.n, Band.of(minima.value.T))
        sgd = self.sgd
        for name, (tau, paths) in (("A", sgd.on_a), ("theta", sgd.on_theta)):
            for i, path in enumerate(paths):
                table.add("sgd", f"rate on {name}, repetition {i + 1}", tau, path)
        table.add("sgd", "exact", sgd.tau, sgd.exact)
        table.add("sgd", "exact + predicted noise", sgd.noise_tau, sgd.noise)
        return table.columns

    def summary(self) -> str:
        """Return the claims in numbers."""
        settings, minima, sgd = self.settings, self.minima, self.sgd
        rows = zip(
            settings.n, minima.tau, minima.value, self.kl[:, :, -1], minima.interior,
            self.bound_minima.tau, self.bound_minima.value, strict=True,
        )  # fmt: skip
        lines = [
            f"KL along training: modes at ±3, m = {settings.m}, {settings.seeds} seeds (medians)",
            f"{'n':>6} {'τ_es':>9} {'best KL':>9} {'KL at end':>10} {'interior':>9} "
            f"{'τ_es bound':>10} {'least bound':>11}",
            *(
                f"{n:>6} {np.median(tau):>9.2e} {np.median(best):>9.4f} {np.median(end):>10.3f} "
                f"{inside.mean():>9.0%} {np.median(bound_tau):>10.2e} {np.median(bound):>11.4f}"
                for n, tau, best, end, inside, bound_tau, bound in rows
            ),
            "",
            verdict_table(self.verdicts()),
            "",
        ]
        for name, (tau, paths) in (("A", sgd.on_a), ("θ", sgd.on_theta)):
            late = tau > 0.5 * tau[-1]
            exact = np.exp(np.interp(np.log(tau[late]), np.log(sgd.tau), np.log(sgd.exact)))
            lines.append(
                f"SGD (output / σ_t), rate {RATE} on {name}, {settings.epochs} epochs, "
                f"τ ≤ {tau[-1]:.4g}: "
                f"second half KL {paths[:, late].min():.3f} … {paths[:, late].max():.3f}, mean "
                f"{paths[:, late].mean():.3f}; exact flow {exact.mean():.3f}"
            )
        lines.append(
            f"exact flow plus predicted optimiser noise at τ = {sgd.noise_tau[-1]:.4g}: "
            f"{sgd.noise[-1]:.3f}; the exact curve of this sample is lowest at "
            f"τ = {sgd.best[0]:.3g} (KL {sgd.best[1]:.4f})"
        )
        return "\n".join(lines)

    def draw(self) -> Any:
        """Return the figure: KL(τ) by n, SGD, τ_es and best KL against n."""
        figure, (curves, sgd, times, best) = new_figure(2, 2, height=3.9)
        n = np.array(self.settings.n, np.float64)
        marks = [_lowest(self.tau, band) for band in self.bands]
        plot_family(
            curves,
            self.tau,
            [(band.low, band.middle, band.high) for band in self.bands],
            [f"n = {size:g}" for size in n],
            marks=marks,
        )
        finish(curves, "training time τ", "KL (nats)", self.tau, self.kl)
        curves.set_title(f"KL has a best training time, later for larger n (m = {self.settings.m})")
        curves.set_ylim(0.5 * min(value for _, value in marks), 20.0)
        self._draw_sgd(sgd)
        self._draw_against_n(times, best)
        return figure

    def _draw_against_n(self, times: Any, best: Any) -> None:
        n, verdicts = np.array(self.settings.n, np.float64), self.verdicts()
        for k, (name, minima) in enumerate((("KL", self.minima), ("bound", self.bound_minima))):
            for ax, verdict, values in zip(
                (times, best), verdicts[2 * k :], (minima.tau.T, minima.value.T), strict=False
            ):
                band, fit = Band.of(values), verdict.fit
                theory = fit(n[0]) * (n / n[0]) ** verdict.predicted
                sign = "≤ " if verdict.kind == "upper-bound" else ""
                plot_trend(
                    ax, n, band.middle, band.low, band.high, colour=PALETTE[k],
                    fit=(n, fit(n), f"{name}: fitted slope {fit.exponent:.2f}"),
                    predicted=(n, theory, f"Theorem 1: slope {sign}{verdict.predicted:g}")
                    if k == 0 else None,
                )  # fmt: skip
        finish(times, _N_LABEL, "best training time τ$_{es}$", n, self.minima.tau, law=True)
        finish(best, _N_LABEL, "least KL and bound (nats)", n, self.minima.value, law=True)
        times.set_title("τ$_{es}$ moves right with n")
        best.set_title("the best KL falls with n")

    def _draw_sgd(self, ax: Any) -> None:
        sgd = self.sgd
        tau = np.concatenate([sgd.on_a[0], sgd.on_theta[0]])
        plot_paths(
            ax,
            {
                f"SGD, rate {RATE} on A": (sgd.on_a[0][_FIRST:], sgd.on_a[1][:, _FIRST:]),
                f"SGD, rate {RATE} on θ": (sgd.on_theta[0][_FIRST:], sgd.on_theta[1][:, _FIRST:]),
            },
            (sgd.tau, sgd.exact),
            predicted=(sgd.noise_tau, sgd.noise),
        )
        ax.set_xlim(tau[tau > 0].min(), 10.0 * tau.max())
        ax.set_title(
            f"SGD oscillates above the flow: noise (n = {self.settings.n[-1]}, output/σ$_t$)"
        )


def _lowest(tau: FloatArray, band: Band) -> tuple[float, float]:
    k = int(np.argmin(band.middle))
    return float(tau[k]), float(band.middle[k])


def compute(settings: Settings, progress: Progress) -> EarlyStoppingExperiment:
    """Train over n and seeds, and SGD on the largest n."""
    tau = np.logspace(0, 10, settings.n_tau)
    kl = np.empty((len(settings.n), settings.seeds, len(tau)))
    bound, bound_of = np.empty(kl.shape), BoundOf.build(bimodal(3.0), VESDE(), _BOUND_TIMES)
    for i, n in enumerate(settings.n):
        progress(f"exact flows at n = {n}, {settings.seeds} seeds")
        for seed in range(settings.seeds):
            run = train_exact(tau, target=bimodal(3.0), n=n, m=settings.m, seed=seed)
            kl[i, seed], bound[i, seed] = run.kl().value, bound_of(run)
    progress(f"SGD: 2 rates, {REPETITIONS} repetitions, {settings.epochs} epochs")
    papers = train_exact(
        tau, target=bimodal(3.0), n=settings.n[-1], m=settings.m, precondition=True
    )
    sgd = _compare_sgd(papers, settings)
    return EarlyStoppingExperiment(settings, tau, kl, bound, sgd)


def with_seeds(settings: Settings, seeds: int) -> Settings:
    """Return the settings with another number of seeds."""
    return replace(settings, seeds=seeds)


def _compare_sgd(run: TrainedFlow, settings: Settings) -> SGDComparison:
    """Train by SGD on the run's data and features and measure KL as the paper's code does."""
    x = np.linspace(*DOMAIN, POINTS)
    measured = []
    for rate in (RATE / run.features.width, RATE):
        paths = _sgd_paths(run, settings, rate)
        score = RandomFeatureScore(run.features, paths.theta)(x, TIME)
        measured.append((paths.tau, grid_kl(bimodal(3.0), score, x)))
    on_a, on_theta = measured
    last = round(on_theta[0][-1] / RATE)
    steps = np.unique(np.geomspace(last / 300.0, last, settings.noise_records).round().astype(int))
    steps = steps[steps > 0]
    problem, data = run.problem, run.data
    assert data is not None
    batches = Minibatches(
        data, run.sde, run.features, problem.rule, problem.weighting, BATCH, shuffle=False
    )
    added = sgd_noise_kl(run.flow, batches, RATE, steps, t=TIME, domain=DOMAIN)
    tau = np.geomspace(on_a[0][_FIRST], 10.0 * on_theta[0][-1], 161)
    best = Minima.of(run.tau, run.kl(t=TIME, domain=DOMAIN).value)
    return SGDComparison(
        on_a,
        on_theta,
        tau,
        run.kl(tau, t=TIME, domain=DOMAIN).value,
        RATE * steps,
        run.kl(RATE * steps, t=TIME, domain=DOMAIN).value + added,
        (float(best.tau), float(best.value)),
    )


def _sgd_paths(run: TrainedFlow, settings: Settings, rate: float) -> OptimiserPaths:
    """Records evenly spread in the logarithm of the epochs and, for the oscillation, in epochs."""
    assert run.data is not None
    steps = settings.epochs * -(-len(run.data) // BATCH)
    half = settings.records // 2
    record = np.concatenate(
        [[0], np.geomspace(1, steps, half).round(), np.linspace(0, steps, half + 1).round()]
    )
    return train_stochastic(
        run.data,
        run.sde,
        run.features,
        run.problem.rule,
        learning_rate=rate,
        n_steps=steps,
        batch=BATCH,
        record=np.unique(record).astype(int),
        repetitions=REPETITIONS,
        seed=run.problem.seed,
        weighting=run.problem.weighting,
    )
