"""The bound of Lemma 2 beside the reverse SDE's own KL, over n, m, τ and three SDEs.

One line a run: the largest (KL − error)/(bound + error) over τ, which must not exceed 1. The exit
status says whether the bound was ever violated.

    python scripts/check_bound.py
"""

import itertools
import sys

import numpy as np

import rfdiff
from rfdiff.densities.reverse_sde import ReverseSDEDensity
from rfdiff.divergences import kl_divergence
from rfdiff.sde import ForwardSDE

TAU = np.array([1.0, 1e3, 1e6, 1e9])
T_EVAL = 0.065


def worst_ratio(n: int, m: int, sde: ForwardSDE) -> tuple[float, float]:
    """Return the largest share of the bound that the KL uses up, and the τ where it does."""
    run = rfdiff.train_exact(TAU, n=n, m=m, sde=sde)
    law = run.target.diffuse(float(sde.scale(T_EVAL)), float(sde.std(T_EVAL)))
    kl = kl_divergence(law, ReverseSDEDensity(run.learned_score(), sde, T_EVAL))
    bound = run.bound(t=T_EVAL).total
    ratio = (kl.value - kl.error) / (bound.value + bound.error)
    return float(ratio.max()), float(TAU[ratio.argmax()])


def main() -> int:
    """Print the table; return 1 if the bound was violated."""
    processes = (rfdiff.VESDE(), rfdiff.VPSDE(), rfdiff.SubVPSDE())
    largest = 0.0
    print("sde n m worst_ratio at_tau")
    for sde, n, m in itertools.product(processes, (10, 100, 1000), (16, 128, 1024)):
        ratio, tau = worst_ratio(n, m, sde)
        largest = max(largest, ratio)
        print(type(sde).__name__, n, m, f"{ratio:.4f}", f"{tau:g}", flush=True)
    print("largest", f"{largest:.4f}")
    return int(largest > 1.0)


if __name__ == "__main__":
    sys.exit(main())
