"""One run along training: the bound, its terms, and the reverse-SDE KL that it bounds."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..diffusion.mixtures import bimodal
from ..plotting.theory import plot_bound
from ..runs.train_exact import train_exact
from ..support.estimate import Estimate
from ..support.validation import FloatArray
from ..theory.bounds import Bound
from ..theory.decomposition import Decomposition
from .curves import LongTable


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
        score_integral: KL(p_t‖p̂) of the score-integral density, at `tau`.
    """

    tau: FloatArray
    bound: Bound
    terms: Decomposition
    kl_tau: FloatArray
    kl: Estimate
    bound_there: Estimate
    score_integral: FloatArray

    @classmethod
    def measure(cls, tau: FloatArray, n: int, m: int, reverse_times: int, wide: int) -> "Along":
        """Train on modes at ±3 and solve for the reverse SDE's density at `reverse_times` τ."""
        run = train_exact(tau, target=bimodal(3.0), n=n, m=m)
        at = np.logspace(np.log10(tau[0]), np.log10(tau[-1]), reverse_times)
        return cls(
            tau,
            run.bound(),
            run.decomposition(wide=wide),
            at,
            run.kl(at, method="reverse-sde", against="pt", domain=np.inf),
            run.bound(at).total,
            run.kl(against="pt").value,
        )

    @property
    def violations(self) -> int:
        """Number of τ at which the KL exceeds the bound by more than the errors of both."""
        excess = self.kl.value - self.bound_there.value
        return int((excess > self.kl.error + self.bound_there.error).sum())

    def add_to(self, table: LongTable) -> None:
        """Append every curve, errors as bands."""
        curves = {
            "bound": (self.tau, self.bound.total),
            "sampling": (self.tau, self.terms.sample),
            "infinite width": (self.tau, self.terms.infinite),
            "width": (self.tau, self.terms.width),
            "KL reverse SDE": (self.kl_tau, self.kl),
        }
        for name, (tau, curve) in curves.items():
            low, high = curve.value - curve.error, curve.value + curve.error
            table.add("along", name, tau, curve.value, low, high)
        table.add("along", "KL(p_T||pi)", self.tau, float(self.bound.prior.value))
        table.add("along", "KL score integral", self.tau, self.score_integral)

    def lines(self) -> list[str]:
        """Return how far the bound is above the KL, and what it is made of where it is lowest."""
        ratio = self.bound_there.value / self.kl.value
        total = self.bound.total.value
        best = int(np.argmin(total))
        shares = ", ".join(
            f"{name} {share[best]:.0%}" for name, share in self.terms.shares().items()
        )
        return [
            f"{ratio.min():.2f} … {ratio.max():.1f} times the reverse-SDE KL at {len(ratio)} "
            f"training times; violations beyond the errors: {self.violations}",
            f"lowest bound {total[best]:.4f} at τ = {self.tau[best]:.2e}, of which KL(p_T‖π) "
            f"{float(self.bound.prior.value):.4f}; shares of its integral: {shares}",
        ]

    def draw(self, ax: Any) -> None:
        """Draw the bound, its terms and the KL on one axis."""
        prior = float(self.bound.prior.value)
        plot_bound(
            ax,
            self.tau,
            self.bound.total.value,
            prior=prior,
            terms={name: part.value for name, part in self.terms.parts.items()},
            measured={"KL, reverse SDE": (self.kl_tau, self.kl.value)},
        )
        ax.set_ylim(0.5 * prior, None)
