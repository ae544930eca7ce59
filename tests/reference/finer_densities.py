"""Divergences of learned densities in random runs, and what a far finer solve says of them.

A case draws a process, a target, n, m, τ over the whole range, an evaluation time and the law to
compare with (p₀ or p_t). The truth comes from a far finer solve: four times the steps of log p̂, or
a wider grid and a tolerance of 1e-6. It is a mean under both laws of functions of ρ = log p̂/p by
adaptive Gauss–Legendre, which shares no nodes and no error control with the divergences of the
package; under the probability flow at T, under the reverse SDE at t.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

import rfdiff
from rfdiff.densities.probability_flow.characteristics import characteristics_of
from rfdiff.densities.probability_flow.density import ProbabilityFlowDensity
from rfdiff.densities.reverse_sde.density import ReverseSDEDensity
from rfdiff.diffusion.law_on_domain import Domain
from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.diffusion.sde import VESDE, VPSDE, ForwardSDE, SubVPSDE
from rfdiff.diffusion.time_grids import time_grid
from rfdiff.model.score import RandomFeatureScore
from rfdiff.numerics.adaptive_panels import adaptive_panels

METHODS = {"probability-flow": ProbabilityFlowDensity, "reverse-sde": ReverseSDEDensity}
KINDS = (
    "kl", "reverse-kl", "jensen-shannon", "total-variation", "wasserstein-1", "wasserstein-2",
)  # fmt: skip
# Widths of a law beyond which it has no mass to speak of.
WIDTHS = 12.0
MOST_STEPS = 16384
Transported = ProbabilityFlowDensity | ReverseSDEDensity
Function = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Case:
    """A learned score at one training time, and the law its density is compared with."""

    score: RandomFeatureScore
    sde: ForwardSDE
    t: float
    law: GaussianMixture
    domain: Domain
    name: str

    def density(self, method: str, **choice: float) -> Transported:
        """Return the learned density as the package solves it, or as chosen."""
        return METHODS[method](self.score, self.sde, self.t, **choice)


def random_case(seed: int, widest: float = 600.0) -> Case:
    """Draw a case, of at most `widest` features; the same for both methods."""
    rng = np.random.default_rng(seed)
    sde = (VESDE(), VESDE(10.0), VPSDE(), SubVPSDE())[seed % 4]
    n, m = int(10.0 ** rng.uniform(0.7, 3.0)), int(10.0 ** rng.uniform(1.2, np.log10(widest)))
    # The variance-preserving processes end at N(0, 1): they get targets of about that size.
    size = 1.0 if isinstance(sde, VESDE) else 0.3
    mu, q = size * rng.uniform(0.5, 6.0), rng.uniform(0.2, 0.8)
    target = GaussianMixture([q, 1.0 - q], [-mu, mu], size * rng.uniform(0.4, 1.2))
    tau, t = 10.0 ** rng.uniform(0.0, 10.0), sde.time_of_std(size * 10.0 ** rng.uniform(-1.0, 0.0))
    run = rfdiff.train_exact(tau, target=target, n=n, m=m, sde=sde, seed=seed)
    law = target
    if rng.random() < 0.5:
        law = target.diffuse(float(sde.scale(t)), float(sde.std(t)))
    name = f"{type(sde).__name__} n={n} m={m} mu={mu:.2f} tau={tau:.2e} t={t:.3f}"
    return Case(run.learned_score(), sde, t, law, target.domain(7.0), name)


@dataclass(frozen=True)
class Truth:
    """Divergences of a far finer solve, by adaptive Gauss–Legendre."""

    case: Case
    method: str
    finest: bool = False

    @cached_property
    def finer(self) -> Transported:
        """The far finer solve, on the line."""
        if self.method == "reverse-sde":
            a, b = self.case.domain
            wide = (a - 0.13 * (b - a), b + 0.21 * (b - a))
            return self.case.density(self.method, domain=wide, tolerance=1e-6)
        return self.case.density(self.method, n_steps=self._steps)

    @cached_property
    def _steps(self) -> int:
        steps = int(self.case.density("probability-flow").steps)
        return MOST_STEPS if self.finest else min(4 * steps, MOST_STEPS)

    def divergence(self, kind: str, value: float, tolerance: float) -> tuple[float, float]:
        """Return a divergence, which is near `value`, and the error of its quadrature."""
        p, q = self._mean_under_law, self._mean_under_learned
        if kind == "kl":
            return p(lambda rho: -rho, tolerance)
        if kind == "reverse-kl":
            return q(lambda x, rho, u: rho, tolerance)
        if kind == "total-variation":
            return p(lambda rho: -np.expm1(np.minimum(rho, 0.0)), tolerance)
        if kind == "jensen-shannon":
            first = p(lambda rho: np.log(2.0) - np.logaddexp(0.0, rho), tolerance)
            second = q(lambda x, rho, u: np.log(2.0) - np.logaddexp(0.0, -rho), tolerance)
            return 0.5 * (first[0] + second[0]), 0.5 * (first[1] + second[1])
        if kind == "wasserstein-1":
            law, learned = self.case.law, self.finer
            return integral(lambda x: np.abs(law.cdf(x) - learned.cdf(x)), self._hull, tolerance)
        distance = max(value, tolerance)
        square, doubt = q(self._square_gap, distance * tolerance)
        return float(np.sqrt(square)), doubt / distance

    def _log_ratio(self, x: np.ndarray) -> np.ndarray:
        return self.finer.log_density(x) - self.case.law.log_density(x)

    @cached_property
    def _hull(self) -> Domain:
        law, learned = self.case.law.domain(WIDTHS), self.finer.hull
        return min(law[0], learned[0]), max(law[1], learned[1])

    def _mean_under_law(self, f: Function, tolerance: float) -> tuple[float, float]:
        """Return the mean of f(ρ)."""
        law = self.case.law
        return integral(
            lambda x: law.density(x) * f(self._log_ratio(x)), law.domain(WIDTHS), tolerance
        )

    def _mean_under_learned(self, f: Function, tolerance: float) -> tuple[float, float]:
        """Return the mean of f(x, ρ, F̂(x))."""
        if self.method == "reverse-sde":

            def at_t(x: np.ndarray) -> np.ndarray:
                return self.finer.density(x) * f(x, self._log_ratio(x), self.finer.cdf(x))

            return integral(at_t, self._hull, tolerance)
        start, flow = self.finer.start_law, characteristics_of(self.case.score, self.case.sde)
        times = time_grid("log", self.case.sde, self.case.t, self._steps)

        def at_end(y: np.ndarray) -> np.ndarray:
            # x has lost digits where the flow contracts: ρ is followed from y, not from x.
            to = flow.transport(np.zeros(len(y), np.intp), y, times)
            rho = start.log_density(y) - to.log_jacobian - self.case.law.log_density(to.x)
            return start.density(y) * f(to.x, rho, start.cdf(y))

        return integral(at_end, start.domain(WIDTHS), tolerance)

    def _square_gap(self, x: np.ndarray, rho: np.ndarray, u: np.ndarray) -> np.ndarray:
        """(F⁻¹(u) − x)², F inverted on a fine grid."""
        grid = np.linspace(*self.case.law.domain(WIDTHS), 1 << 16)
        levels, first = np.unique(self.case.law.cdf(grid), return_index=True)
        return np.square(np.interp(u, levels, grid[first]) - x)


def integral(f: Function, domain: Domain, tolerance: float) -> tuple[float, float]:
    """Return ∫f and its error; panels grow from the middle, so that far ends hide no bulk."""
    stretch = np.arcsinh(0.5 * (domain[1] - domain[0]))
    unit = np.sinh(stretch * np.linspace(-1.0, 1.0, 513)) / np.sinh(stretch)
    edges = 0.5 * (domain[0] + domain[1]) + 0.5 * (domain[1] - domain[0]) * unit
    _, found = adaptive_panels(lambda x: f(x)[None], edges, tolerance)
    return float(found.value[0]), float(found.error[0])
