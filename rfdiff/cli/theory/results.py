"""What `rfdiff theory` measures, as text and as plain numbers."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...runs.trained_flow import TrainedFlow
from ...support.errors import ArgumentError
from ...support.estimate import Estimate
from ...support.validation import FloatArray
from ...theory.bounds import Bound
from ...theory.decomposition import Decomposition
from ...theory.lemmas import Check, convergence_check, growth_check, tail_check
from ...theory.power_laws.exponents import local_exponents
from ...theory.spectrum import GapOnset, Spectrum, gap_onset, spectrum
from ...theory.verdicts import signed
from ..output import spread, table
from .sgd import SGDPaths, run_sgd

_SHOWN = 10


@dataclass(frozen=True, eq=False)
class TheoryResults:
    """The theorems' terms along one run.

    Attributes:
        run: the run.
        t: evaluation time.
        tau: training times (n,), ascending.
        bound: the bound at `tau`.
        terms: its decomposition.
        solved: indices in `tau` of the training times at which the KL was solved for.
        kl: KL(p_t‖p^{SDE}_{t,θ}) there.
        spectrum: the modes of the gradient flow.
        onset: when the modes begin to fit the sample's noise; None for population training.
        checks: the lemmas on this run.
        sgd: SGD paths; None if not wanted.
    """

    run: TrainedFlow
    t: float
    tau: FloatArray
    bound: Bound
    terms: Decomposition
    solved: list[int]
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
        """I₁, I₂ and I₃ as shares of the KL, where that was solved; above one in sum is slack."""
        return {
            name: part.value[self.solved] / self.kl.value for name, part in self.terms.parts.items()
        }

    @cached_property
    def violations(self) -> int:
        """Number of training times at which the KL exceeds the bound by more than both errors."""
        total = self.bound.total
        excess = self.kl.value - total.value[self.solved]
        return int((excess > self.kl.error + total.error[self.solved]).sum())

    def as_dict(self) -> dict[str, Any]:
        """Return everything as a dictionary of arrays and numbers."""
        result = {
            "t": self.t,
            "tau": self.tau,
            "bound": {**_plain(self.bound.total), "prior": float(self.bound.prior.value)},
            "decomposition": self._terms_as_dict(),
            "kl_reverse_sde": {
                "tau": self.tau[self.solved],
                **_plain(self.kl),
                "violations": self.violations,
            },
            "spectrum": self._spectrum_as_dict(),
            "shares_of_kl": self.shares,
            "lemmas": {
                check.lemma: {"holds": check.holds, "worst_ratio": check.worst_ratio}
                for check in self.checks
            },
        }
        if self.onset is not None:
            result["onset"] = {"gap": self.onset.gap, "population": self.onset.population}
        if self.sgd is not None:
            result["sgd"] = self.sgd.as_dict()
        return result

    def _terms_as_dict(self) -> dict[str, Any]:
        terms = {
            "sample": self.terms.sample,
            "infinite_width": self.terms.infinite,
            "width": self.terms.width,
            "finite_width_error": self.terms.finite_error,
            "infinite_width_error": self.terms.infinite_error,
        }
        return {name: _plain(term) for name, term in terms.items()}

    def _spectrum_as_dict(self) -> dict[str, Any]:
        modes = self.spectrum
        return {
            "eigenvalues": modes.eigenvalues,
            "emergence_times": modes.emergence_times,
            "decay_exponent": modes.decay.exponent,
            "loss_exponent": modes.loss_exponent,
            "tau": self.slopes[0],
            "local_exponents": self.slopes[1],
        }

    def text(self) -> str:
        """Return the table along τ and what follows from it, as lines."""
        lines = [self._table(), "", *self._of_the_bound(), *self._of_the_spectrum()]
        lines += [
            f"{check.lemma}: {'holds' if check.holds else 'VIOLATED'}, largest measured/bound "
            f"{check.worst_ratio:.3f}"
            for check in self.checks
        ]
        return "\n".join(lines if self.sgd is None else [*lines, self.sgd.line()])

    def _table(self) -> str:
        solved, total, terms = self.solved, self.bound.total, self.terms
        return table(
            [
                ("tau", ".2e", self.tau[solved]),
                ("bound", ".5f", total.value[solved]),
                ("± error", ".0e", total.error[solved]),
                ("sampling", ".5f", terms.sample.value[solved]),
                ("infinite", ".5f", terms.infinite.value[solved]),
                ("width", ".5f", terms.width.value[solved]),
                ("KL SDE", ".5f", self.kl.value),
                ("± error", ".0e", self.kl.error),
            ]
        )

    def _of_the_bound(self) -> list[str]:
        best = int(np.argmin(self.kl.value))
        explained = ", ".join(f"{name} {share[best]:.0%}" for name, share in self.shares.items())
        return [
            f"bound at t = {self.t:.4g}: sampling + infinite width + width + KL(p_T‖π) = "
            f"{float(self.bound.prior.value):.5f}; violations beyond the errors: "
            f"{self.violations} of {len(self.solved)}",
            f"approximation errors: {float(self.terms.finite_error.value):.5f} at this width, "
            f"{float(self.terms.infinite_error.value):.5f} at infinite width",
            f"the KL is lowest at τ = {self.tau[self.solved][best]:.2e}; the terms are {explained} "
            "of it (above 100% in sum: the bound's slack)",
        ]

    def _of_the_spectrum(self) -> list[str]:
        modes, onset = self.spectrum, self.onset
        lines = [
            f"spectrum: λ_k ~ k^{signed(modes.decay.exponent, '.2f')}, modes emerge from "
            f"τ = {modes.emergence_times[0]:.2e} to {modes.emergence_times[-1]:.2e}; predicted "
            f"slope of the excess loss {signed(modes.loss_exponent, '.2f')}"
            f"{self._measured_slope()}",
        ]
        if onset is not None:
            lines.append(
                "overfitting: the sampling gap is a tenth of the population loss's excess from "
                f"τ = {onset.gap:.2e}, which is lowest at τ = {onset.population:.2e}"
            )
        return lines

    def _measured_slope(self) -> str:
        """Return the middle half of the local exponents between the fitted modes' emergence."""
        tau, slopes = self.slopes
        first, last = (0.5 / self.spectrum.decay(k) for k in self.spectrum.decay.window)
        among = slopes[(tau > first) & (tau < last)]
        if len(among) == 0:
            return ""
        low, high = np.quantile(among, [0.25, 0.75])
        return f", measured along τ {signed(low, '.2f')} … {signed(high, '.2f')} (quartiles)"


def _plain(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "error": estimate.error}


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
    # First what can be refused: the rest takes longer.
    modes = spectrum(run.flow)
    solved = spread(len(tau), _SHOWN)
    kl = run.kl(tau[solved], method="reverse-sde", against="pt", t=t, domain=np.inf)
    finite = tau[np.isfinite(tau) & (tau > 0)]
    grid = np.logspace(0, 10, 101) if len(finite) < 3 else finite
    return TheoryResults(
        run,
        t,
        tau,
        run.bound(tau, t=t),
        run.decomposition(tau, t=t, wide=wide),
        solved,
        kl,
        modes,
        None if run.data is None else gap_onset(run.flow, run.problem.quadratic(law), grid),
        [tail_check(law, run.sde), convergence_check(run.flow, grid), growth_check(run.flow, grid)],
        None if sgd_steps == 0 or run.data is None else run_sgd(run, t, sgd_steps),
    )
