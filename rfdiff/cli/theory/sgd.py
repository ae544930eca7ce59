"""SGD beside the gradient flow for `rfdiff theory`: paths at half the rate that SGD can bear."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...densities.score_integral import ScoreIntegralDensity
from ...divergences.kl import kl_divergence
from ...model.score import RandomFeatureScore
from ...runs.trained_flow import TrainedFlow
from ...support.estimate import Estimate
from ...support.validation import FloatArray
from ...training.optimisers import SGD
from ...training.stability import stability_limit
from ...training.stochastic import train_stochastic

# Rate as a share of the largest stable one, points a step, repetitions.
_RATE, _BATCH, _REPETITIONS = 0.5, 32, 3


@dataclass(frozen=True, eq=False)
class SGDPaths:
    """Minibatch SGD over the exact curve: KL of the score-integral density.

    Attributes:
        limit: the largest rate at which SGD's scatter stays bounded.
        rate: learning rate on θ, half of it.
        tau: training times on the gradient flow's clock (k,).
        kl: KL(p₀‖p̂) of each repetition (repetitions, k).
        exact: KL of the exactly trained model at `tau`.
    """

    limit: Estimate
    rate: float
    tau: FloatArray
    kl: FloatArray
    exact: FloatArray

    def as_dict(self) -> dict[str, Any]:
        """Return everything as a dictionary of arrays and numbers."""
        return {
            "largest_stable_rate": {
                "value": float(self.limit),
                "error": float(self.limit.error),
            },
            "rate": self.rate,
            "tau": self.tau,
            "kl": self.kl,
            "exact": self.exact,
        }

    def line(self) -> str:
        """Return how far SGD is from the gradient flow."""
        deviation = np.abs(np.log(self.kl[:, 1:] / self.exact[1:])).mean()
        return (
            f"SGD in batches of {_BATCH} is stable in mean square below the rate "
            f"{float(self.limit):.2g} ± {float(self.limit.error):.1g}; at {self.rate:.2g}, to "
            f"τ = {self.tau[-1]:.3g}: KL off the gradient flow's by {np.expm1(deviation):.1%} on "
            "average"
        )


def run_sgd(run: TrainedFlow, t: float, steps: int) -> SGDPaths:
    """Train by SGD on the run's data and features, at half the largest stable rate."""
    problem = run.problem
    limit = stability_limit(problem.batches(_BATCH, shuffle=False))
    rate = _RATE * float(limit)
    paths = train_stochastic(
        problem.batches(_BATCH),
        SGD(rate),
        steps,
        record=np.unique(np.geomspace(1, steps, min(steps, 80)).round().astype(int)),
        repetitions=_REPETITIONS,
        seed=problem.seed,
        theta0=problem.theta0,
    )
    domain = run.default_domain(t)
    learned = ScoreIntegralDensity(RandomFeatureScore(run.features, paths.theta), t, domain)
    kl = kl_divergence(run.target, learned).value
    return SGDPaths(limit, rate, paths.tau, kl, run.kl(paths.tau, t=t, domain=domain).value)
