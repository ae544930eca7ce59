"""SGD in the paper's protocol over the exact flow of the same data and features.

Figure 3's protocol: rate 0.5, batches of 32, 2000 epochs, three repetitions, KL by the score
integral on 51 points of [−10, 10] at t = 0.065. The model's output is divided by σ_t, as the
paper's code does: without that, the rate is beyond what batches of 32 can bear. The scatter is
predicted from theory, so that one can say which oscillation is optimiser noise and which is
overfitting.

A rate η on A moves θ = A/√m at the rate η/m, so a literal 0.5 on A covers few of the gradient
flow's training times; 0.5 on θ is the mean-field rate. Both are run.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..diffusion.mixtures import bimodal
from ..model.score import RandomFeatureScore
from ..plotting.theory import plot_optimiser_paths
from ..runs.train_exact import train_exact
from ..runs.trained_flow import TrainedFlow
from ..support.estimate import Estimate
from ..support.validation import FloatArray
from ..theory.optimiser_noise import sgd_noise_kl
from ..training.optimisers import SGD
from ..training.stability import stability_limit
from ..training.stochastic import OptimiserPaths, train_stochastic
from .curves import LongTable, grid_kl
from .minima import Minima

RATE, BATCH, REPETITIONS = 0.5, 32, 3
TIME, DOMAIN, POINTS = 0.065, (-10.0, 10.0), 51
# Records of a path before which KL is not drawn: the clock starts at zero.
_FIRST = 1
# KL at which the picture is cut: single steps of SGD go far beyond.
_TOP = 5.0


@dataclass(frozen=True, eq=False)
class SGDComparison:
    """SGD repetitions over the exact curve of the same data and features.

    Attributes:
        n: number of training points.
        epochs: how often each was visited.
        on_a: (τ (k,), KL of each repetition on the paper's grid (repetitions, k)), rate 0.5 on A.
        on_theta: the same for the rate 0.5 on θ.
        tau: training times of the exact curve, (j,).
        exact: KL of the exact flow on the paper's domain, (j,).
        noise_tau: τ at which the scatter is predicted, (i,).
        noise: predicted mean KL with the optimiser's noise there, (i,).
        best: (τ_es, KL) of the exact flow over the whole range of τ.
        limits: largest stable rates on θ in batches of 32, with the division by σ_t and without.
    """

    n: int
    epochs: int
    on_a: tuple[FloatArray, FloatArray]
    on_theta: tuple[FloatArray, FloatArray]
    tau: FloatArray
    exact: FloatArray
    noise_tau: FloatArray
    noise: FloatArray
    best: tuple[float, float]
    limits: tuple[Estimate, Estimate]

    def add_to(self, table: LongTable) -> None:
        """Append every curve."""
        for name, (tau, paths) in (("A", self.on_a), ("theta", self.on_theta)):
            for i, path in enumerate(paths):
                table.add("sgd", f"rate on {name}, repetition {i + 1}", tau, path)
        table.add("sgd", "exact", self.tau, self.exact)
        table.add("sgd", "exact + predicted noise", self.noise_tau, self.noise)

    def lines(self) -> list[str]:
        """Return how far SGD is from the flow late in training, and what is noise."""
        divided, plain = self.limits
        lines = [
            f"largest rate on θ that SGD in batches of {BATCH} bears in mean square: "
            f"{float(divided):.3g} ± {float(divided.error):.1g} where the output is divided by "
            f"σ_t, {float(plain):.2g} ± {float(plain.error):.1g} where not",
        ]
        for name, (tau, paths) in (("A", self.on_a), ("θ", self.on_theta)):
            late = tau > 0.5 * tau[-1]
            exact = np.exp(np.interp(np.log(tau[late]), np.log(self.tau), np.log(self.exact)))
            lines.append(
                f"SGD (output / σ_t), rate {RATE} on {name}, {self.epochs} epochs, "
                f"τ ≤ {tau[-1]:.4g}: second half KL {paths[:, late].min():.3f} … "
                f"{paths[:, late].max():.3f}, mean {paths[:, late].mean():.3f}; exact flow "
                f"{exact.mean():.3f}"
            )
        lines.append(
            f"exact flow plus predicted optimiser noise at τ = {self.noise_tau[-1]:.4g}: "
            f"{self.noise[-1]:.3f}; the exact curve of this sample is lowest at "
            f"τ = {self.best[0]:.3g} (KL {self.best[1]:.4f})"
        )
        return lines

    def draw(self, ax: Any) -> None:
        """Draw the paths over the exact curve."""
        paths = {
            f"SGD, rate {RATE} on {name}": (tau[_FIRST:], values[:, _FIRST:])
            for name, (tau, values) in (("A", self.on_a), ("θ", self.on_theta))
        }
        plot_optimiser_paths(
            ax, paths, (self.tau, self.exact), predicted=(self.noise_tau, self.noise)
        )
        ax.set_xlim(self.on_a[0][_FIRST], 4.0 * self.on_theta[0][-1])
        ax.set_ylim(0.5 * min(self.exact.min(), self.on_theta[1].min()), _TOP)
        ax.set_title(f"SGD scatters above the flow by its own noise (n = {self.n}, output/σ$_t$)")


def compare_sgd(
    n: int, m: int, tau: FloatArray, epochs: int, records: int, noise_records: int
) -> SGDComparison:
    """Train by SGD and exactly on modes at ±3, and measure KL as the paper's code does.

    Args:
        n: number of training points.
        m: number of features.
        tau: training times on which the exact curve's minimum is sought.
        epochs: passes over the data.
        records: records of a path.
        noise_records: training times at which the scatter is predicted.
    """
    law = bimodal(3.0)
    run = train_exact(tau, target=law, n=n, m=m, precondition=True)
    x = np.linspace(*DOMAIN, POINTS)
    measured = []
    for rate in (RATE / m, RATE):
        paths = _paths(run, epochs, records, rate)
        score = RandomFeatureScore(run.features, paths.theta)(x, TIME)
        measured.append((paths.tau, grid_kl(law, score, x)))
    on_a, on_theta = measured
    last = round(on_theta[0][-1] / RATE)
    steps = np.unique(np.geomspace(last / 300.0, last, noise_records).round().astype(int))
    steps = steps[steps > 0]
    batches = run.problem.batches(BATCH, shuffle=False)
    added = sgd_noise_kl(run.flow, batches, RATE, steps, t=TIME, domain=DOMAIN)
    shown = np.geomspace(on_a[0][_FIRST], 10.0 * on_theta[0][-1], 161)
    best = Minima.of(run.tau, run.kl(t=TIME, domain=DOMAIN))
    plain = train_exact(1.0, target=law, n=n, m=m).problem.batches(BATCH, shuffle=False)
    return SGDComparison(
        n,
        epochs,
        on_a,
        on_theta,
        shown,
        run.kl(shown, t=TIME, domain=DOMAIN).value,
        RATE * steps,
        run.kl(RATE * steps, t=TIME, domain=DOMAIN).value + added,
        (float(best.tau), float(best.value)),
        (stability_limit(batches), stability_limit(plain)),
    )


def _paths(run: TrainedFlow, epochs: int, records: int, rate: float) -> OptimiserPaths:
    """Return SGD's paths, half of the records even in log epochs and half in epochs."""
    assert run.data is not None
    steps = epochs * -(-len(run.data) // BATCH)
    half = records // 2
    record = np.concatenate(
        [[0], np.geomspace(1, steps, half).round(), np.linspace(0, steps, half + 1).round()]
    )
    return train_stochastic(
        run.problem.batches(BATCH),
        SGD(rate),
        steps,
        record=np.unique(record).astype(int),
        repetitions=REPETITIONS,
        seed=run.problem.seed,
    )
