"""What `rfdiff theory` measures, as text and as plain numbers."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..densities.reverse_sde import ReverseSDEDensity
from ..densities.score_integral import ScoreIntegralDensity
from ..divergences import kl_divergence
from ..errors import ArgumentError
from ..estimate import Estimate
from ..minibatches import Minibatches
from ..score import RandomFeatureScore
from ..stability import stability_limit
from ..stochastic import train_stochastic
from ..theory.bounds import Bound
from ..theory.decomposition import Decomposition
from ..theory.exponents import local_exponents
from ..theory.lemmas import Check, convergence_check, growth_check, tail_check
from ..theory.spectrum import GapOnset, Spectrum, gap_onset, spectrum
from ..trained_flow import TrainedFlow
from ..validation import FloatArray
from .output import spread, table

_ROWS = 10
# SGD's rate as a share of the largest stable one, points a step, repetitions.
_RATE, _BATCH, _REPETITIONS = 0.5, 32, 3


@dataclass(frozen=True, eq=False)
class SGDPaths:
    """Minibatch SGD over the exact curve: KL of the score-integral density.

    Attributes:
        limit: the largest rate at which SGD's scatter stays bounded.
        rate: learning rate on θ, half of it.
        tau: the flow's clock (k,).
        kl: KL(p₀‖p̂) of each repetition (repetitions, k).
        exact: KL of the exact flow at `tau`.
    """

    limit: Estimate
    rate: float
    tau: FloatArray
    kl: FloatArray
    exact: FloatArray


@dataclass(frozen=True, eq=False)
class TheoryResults:
    """The theorems' terms along one run.

    Attributes:
        flow: the run.
        t: evaluation time.
        tau: training times (n,), ascending.
        bound: the bound at `tau`.
        terms: its decomposition.
        rows: positions in `tau` at which the KL was solved for.
        kl: KL(p_t‖p^{SDE}_{t,θ}) there.
        spectrum: the modes of the flow.
        onset: when the modes begin to fit the sample's noise; None for population training.
        checks: the lemmas on this run.
        sgd: SGD paths; None if not wanted.
    """

    flow: TrainedFlow
    t: float
    tau: FloatArray
    bound: Bound
    terms: Decomposition
    rows: list[int]
    kl: Estimate
    spectrum: Spectrum
    onset: GapOnset | None
    checks: list[Check]
    sgd: SGDPaths | None

    @cached_property
    def slopes(self) -> tuple[FloatArray, FloatArray]:
        """τ, and the local exponent of the excess training loss there; empty below three τ.

        Where the loss has reached its end there is no slope: τ beyond that is left out.
        """
        tau = self.tau[np.isfinite(self.tau) & (self.tau > 0)]
        excess = self.spectrum.excess_loss(tau)
        left = excess > 1e-12 * excess.max(initial=0.0)
        if left.sum() < 3:
            return np.empty(0), np.empty(0)
        return tau[left], local_exponents(tau[left], excess[left])

    @cached_property
    def shares(self) -> dict[str, FloatArray]:
        """I₁, I₂ and I₃ as shares of the measured KL, at `rows`; what is above one is slack."""
        return {
            name: part.value[self.rows] / self.kl.value for name, part in self.terms.parts.items()
        }

    @cached_property
    def violations(self) -> int:
        """Number of rows at which the KL exceeds the bound by more than both errors."""
        total = self.bound.total
        excess = self.kl.value - total.value[self.rows]
        return int((excess > self.kl.error + total.error[self.rows]).sum())

    def as_dict(self) -> dict[str, Any]:
        """Return everything as a dictionary of arrays and numbers."""
        terms = {
            "sample": self.terms.sample,
            "infinite_width": self.terms.infinite,
            "width": self.terms.width,
            "finite_width_error": self.terms.finite_error,
            "infinite_width_error": self.terms.infinite_error,
        }
        modes = self.spectrum
        result: dict[str, Any] = {
            "t": self.t,
            "tau": self.tau,
            "bound": {
                "value": self.bound.total.value,
                "error": self.bound.total.error,
                "prior": float(self.bound.prior.value),
            },
            "decomposition": {
                name: {"value": term.value, "error": term.error} for name, term in terms.items()
            },
            "kl_reverse_sde": {
                "tau": self.tau[self.rows], "value": self.kl.value, "error": self.kl.error,
                "violations": self.violations,
            },
            "spectrum": {
                "eigenvalues": modes.eigenvalues,
                "emergence_times": modes.emergence_times,
                "decay_exponent": modes.decay.exponent,
                "loss_exponent": modes.loss_exponent,
                "tau": self.slopes[0],
                "local_exponents": self.slopes[1],
            },
            "shares_of_kl": self.shares,
            "lemmas": {
                check.lemma: {"holds": check.holds, "worst_ratio": check.worst_ratio}
                for check in self.checks
            },
        }  # fmt: skip
        if self.onset is not None:
            result["onset"] = {"gap": self.onset.gap, "population": self.onset.population}
        if self.sgd is not None:
            result["sgd"] = {
                "largest_stable_rate": {
                    "value": float(self.sgd.limit), "error": float(self.sgd.limit.error)
                },
                "rate": self.sgd.rate, "tau": self.sgd.tau, "kl": self.sgd.kl,
                "exact": self.sgd.exact,
            }  # fmt: skip
        return result

    def text(self) -> str:
        """Return the table along τ and what follows from it, as lines."""
        rows, total, terms = self.rows, self.bound.total, self.terms
        lines = [
            table(
                [
                    ("tau", ".2e", self.tau[rows]),
                    ("bound", ".5f", total.value[rows]),
                    ("± error", ".0e", total.error[rows]),
                    ("sampling", ".5f", terms.sample.value[rows]),
                    ("infinite", ".5f", terms.infinite.value[rows]),
                    ("width", ".5f", terms.width.value[rows]),
                    ("KL SDE", ".5f", self.kl.value),
                    ("± error", ".0e", self.kl.error),
                ]
            ),
            "",
            f"bound at t = {self.t:.4g}: sampling + infinite width + width + KL(p_T‖π) = "
            f"{float(self.bound.prior.value):.5f}; violations beyond the errors: "
            f"{self.violations} of {len(rows)}",
            f"approximation errors: {float(terms.finite_error.value):.5f} at this width, "
            f"{float(terms.infinite_error.value):.5f} at infinite width",
            f"spectrum: λ_k ~ k^{self.spectrum.decay.exponent:.2f}, modes emerge from "
            f"τ = {self.spectrum.emergence_times[0]:.2e} to "
            f"{self.spectrum.emergence_times[-1]:.2e}; predicted slope of the excess loss "
            f"{self.spectrum.loss_exponent:.2f}{self._measured_slope()}",
        ]
        if self.onset is not None:
            lines.append(
                f"overfitting: the sampling gap is a tenth of the population loss's excess from "
                f"τ = {self.onset.gap:.2e}, which is lowest at τ = {self.onset.population:.2e}"
            )
        best = int(np.argmin(self.kl.value))
        explained = ", ".join(f"{name} {share[best]:.0%}" for name, share in self.shares.items())
        lines.append(
            f"the KL is lowest at τ = {self.tau[rows][best]:.2e}; the terms are {explained} of it "
            "(above 100% in sum: the bound's slack)"
        )
        lines += [
            f"{check.lemma}: {'holds' if check.holds else 'VIOLATED'}, largest measured/bound "
            f"{check.worst_ratio:.3f}"
            for check in self.checks
        ]
        if self.sgd is not None:
            limit = self.sgd.limit
            deviation = np.abs(np.log(self.sgd.kl[:, 1:] / self.sgd.exact[1:])).mean()
            lines.append(
                f"SGD in batches of {_BATCH} is stable in mean square below the rate "
                f"{float(limit):.2g} ± {float(limit.error):.1g}; at {self.sgd.rate:.2g}, to "
                f"τ = {self.sgd.tau[-1]:.3g}: KL off the exact flow's by "
                f"{np.expm1(deviation):.1%} on average"
            )
        return "\n".join(lines)

    def _measured_slope(self) -> str:
        """Return the middle half of the local exponents between the fitted modes' emergence."""
        tau, slopes = self.slopes
        first, last = (0.5 / self.spectrum.decay(k) for k in self.spectrum.decay.window)
        among = slopes[(tau > first) & (tau < last)]
        if len(among) == 0:
            return ""
        low, high = np.quantile(among, [0.25, 0.75])
        return f", measured along τ {low:.2f} … {high:.2f} (quartiles)"


def measure(
    run: TrainedFlow, *, t: float | None = None, wide: int = 1536, sgd_steps: int = 20000
) -> TheoryResults:
    """Compute the theorems' terms along a run.

    Args:
        run: an exactly trained model whose law is known.
        t: evaluation time; the run's default if None.
        wide: width of the model that stands for m = ∞.
        sgd_steps: steps of SGD; 0 for none.
    """
    t = run.default_time if t is None else t
    tau = np.unique(run.tau)
    law = run.target
    if law is None:
        raise ArgumentError("theory needs a known law")
    rows = spread(len(tau), _ROWS)
    marginal = law.diffuse(float(run.sde.scale(t)), float(run.sde.std(t)))
    learned = ReverseSDEDensity(run.learned_score(tau[rows]), run.sde, t)
    finite = tau[np.isfinite(tau) & (tau > 0)]
    grid = np.logspace(0, 10, 101) if len(finite) < 3 else finite
    return TheoryResults(
        run,
        t,
        tau,
        run.bound(tau, t=t),
        run.decomposition(tau, t=t, wide=wide),
        rows,
        kl_divergence(marginal, learned),
        spectrum(run.flow),
        None if run.data is None else gap_onset(run.flow, run.problem.quadratic(law), grid),
        [
            tail_check(law, run.sde),
            convergence_check(run.flow, grid),
            growth_check(run.flow, grid),
        ],
        None if sgd_steps == 0 or run.data is None else _sgd(run, t, sgd_steps),
    )


def _sgd(run: TrainedFlow, t: float, steps: int) -> SGDPaths:
    problem = run.problem
    assert run.data is not None
    data = problem.units.to_training(run.data)
    batches = Minibatches(
        data, run.sde, run.features, problem.rule, problem.weighting, _BATCH, shuffle=False
    )
    limit = stability_limit(batches)
    rate = _RATE * float(limit)
    paths = train_stochastic(
        data,
        run.sde,
        run.features,
        problem.rule,
        learning_rate=rate,
        n_steps=steps,
        batch=_BATCH,
        record=np.unique(np.geomspace(1, steps, min(steps, 80)).round().astype(int)),
        repetitions=_REPETITIONS,
        seed=problem.seed,
        weighting=problem.weighting,
        theta0=problem.theta0,
    )
    domain = run.default_domain(t)
    learned = ScoreIntegralDensity(RandomFeatureScore(run.features, paths.theta), t, domain)
    kl = kl_divergence(run.target, learned).value
    return SGDPaths(limit, rate, paths.tau, kl, run.kl(paths.tau, t=t, domain=domain).value)
