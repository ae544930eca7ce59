"""Are the errors of the transported densities honest? 100 random runs against brute force.

Each case draws a process, a target, n, m, τ over the whole range, an evaluation time and the law
to compare with (p₀ or p_t). The truth is E_p[log p̂] by adaptive Gauss–Legendre, which shares no
nodes and no error control with the densities' own quadrature, of a far finer solve: eight
times the steps (probability flow), a wider grid and a tolerance of 1e-6 (reverse SDE). Prints one
line a case; the exit status says whether fewer than 95 in 100 true errors were within their
estimates.

    python scripts/check_densities.py [probability-flow] [reverse-sde] [--cases 100]
"""

import argparse
import sys
import warnings
from dataclasses import dataclass

import numpy as np

import rfdiff
from rfdiff.densities.probability_flow import ProbabilityFlowDensity
from rfdiff.densities.reverse_sde import ReverseSDEDensity
from rfdiff.errors import AccuracyWarning
from rfdiff.mixtures import GaussianMixture
from rfdiff.reference import Domain, adaptive_panels
from rfdiff.score import RandomFeatureScore
from rfdiff.sde import VESDE, VPSDE, ForwardSDE, SubVPSDE

METHODS = ("probability-flow", "reverse-sde")


@dataclass(frozen=True)
class Case:
    """A learned score at one training time, and the law its density is compared with."""

    score: RandomFeatureScore
    sde: ForwardSDE
    t: float
    law: GaussianMixture
    domain: Domain
    name: str


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


def solved(case: Case, method: str) -> tuple[float, float, list[str]]:
    """Return E_p[log p̂] by the package, its estimated error, and the warnings given."""
    kind = ProbabilityFlowDensity if method == "probability-flow" else ReverseSDEDensity
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AccuracyWarning)
        learned = kind(case.score, case.sde, case.t, domain=case.domain)
        mean = learned.mean_log_density(case.law)
    return float(mean), float(mean.error), [str(warning.message) for warning in caught]


def finer_density(case: Case, method: str) -> ProbabilityFlowDensity | ReverseSDEDensity:
    """Return the far finer solve."""
    if method == "reverse-sde":
        a, b = case.domain
        wide = (a - 0.13 * (b - a), b + 0.21 * (b - a))
        return ReverseSDEDensity(case.score, case.sde, case.t, domain=wide, tolerance=1e-6)
    steps = int(ProbabilityFlowDensity(case.score, case.sde, case.t).steps)
    return ProbabilityFlowDensity(case.score, case.sde, case.t, n_steps=min(8 * steps, 16384))


def brute_force(case: Case, method: str, tolerance: float) -> tuple[float, float]:
    """Return E_p[log p̂] of the finer solve by adaptive Gauss–Legendre, and its error."""

    def integrand(x: np.ndarray) -> np.ndarray:
        p = case.law.density(x)
        return np.stack([p, p * finer.log_density(x)])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AccuracyWarning)
        finer = finer_density(case, method)
        _, integral = adaptive_panels(integrand, np.linspace(*case.domain, 257), tolerance)
    mass, mean = integral.value
    return mean / mass, integral.error[1]


def check(method: str, cases: int) -> int:
    """Print every case and return the number of honest ones."""
    honest = 0
    for seed in range(cases):
        case = random_case(seed)
        value, error, messages = solved(case, method)
        truth, doubt = brute_force(case, method, 0.1 * error)
        gap = abs(value - truth)
        honest += gap <= error
        print(
            f"{seed:3d} {'ok ' if gap <= error else 'BAD'} {value:12.6f} ± {error:.1e} "
            f"true error {gap:.1e} (known to {doubt:.0e}) {case.name} {' '.join(messages)}",
            flush=True,
        )
    print(f"{method}: {honest} of {cases} true errors within their estimates")
    return honest


def main() -> int:
    """Check the methods named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*", help=f"of {', '.join(METHODS)}; both by default")
    parser.add_argument("--cases", type=int, default=100)
    chosen = parser.parse_args()
    honest = [check(method, chosen.cases) for method in chosen.methods or METHODS]
    return int(min(honest) < 0.95 * chosen.cases)


if __name__ == "__main__":
    sys.exit(main())
