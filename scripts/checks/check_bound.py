"""The bound of Lemma 2 beside the reverse SDE's own KL, over n, m, τ and three SDEs.

One line a run: the largest (KL − error)/(bound + error) over τ, which must not exceed 1, and where.
The last lines count the pairs (run, τ), the violations beyond the errors, and name the tightest.
The exit status says whether the bound was ever violated.

    python scripts/checks/check_bound.py            # 60 runs, 19 training times each: some minutes
    python scripts/checks/check_bound.py --quick    # 12 runs, 4 training times each
"""

import argparse
import itertools
import sys
from dataclasses import dataclass

import numpy as np

import rfdiff
from rfdiff.diffusion.sde import ForwardSDE
from rfdiff.support.validation import FloatArray

T_EVAL = 0.065
PROCESSES = (rfdiff.VESDE(), rfdiff.VPSDE(), rfdiff.SubVPSDE())


@dataclass(frozen=True)
class Grid:
    """What is run: every n with every m and every SDE, at every τ."""

    n: tuple[int, ...] = (10, 30, 100, 300, 1000)
    m: tuple[int, ...] = (16, 64, 256, 1024)
    n_tau: int = 19

    @property
    def tau(self) -> FloatArray:
        """Training times from 1 to 1e9."""
        return np.logspace(0, 9, self.n_tau)


QUICK = Grid(n=(10, 1000), m=(16, 256), n_tau=4)


def shares_of_bound(n: int, m: int, sde: ForwardSDE, tau: FloatArray) -> FloatArray:
    """Return (KL − error)/(bound + error) at every τ: above 1 the bound is violated."""
    run = rfdiff.train_exact(tau, n=n, m=m, sde=sde)
    kl = run.kl(method="reverse-sde", against="pt", t=T_EVAL, domain=np.inf)
    bound = run.bound(t=T_EVAL).total
    return (kl.value - kl.error) / (bound.value + bound.error)


def main() -> int:
    """Print the table; return 1 if the bound was violated."""
    parser = argparse.ArgumentParser(description="The bound beside the KL that it bounds.")
    parser.add_argument("--quick", action="store_true", help="12 runs instead of 60")
    grid = QUICK if parser.parse_args().quick else Grid()
    pairs = violations = 0
    tightest = (0.0, "")
    print("sde n m largest_share at_tau")
    for sde, n, m in itertools.product(PROCESSES, grid.n, grid.m):
        shares = shares_of_bound(n, m, sde, grid.tau)
        worst = int(np.argmax(shares))
        where = f"{type(sde).__name__} n={n} m={m} tau={grid.tau[worst]:.3g}"
        pairs += len(shares)
        violations += int((shares > 1.0).sum())
        tightest = max(tightest, (float(shares[worst]), where))
        line = f"{shares[worst]:.4f} {grid.tau[worst]:.3g}"
        print(type(sde).__name__, n, m, line, flush=True)
    print(f"{pairs} pairs of a run and a training time, {violations} violations beyond the errors")
    print(f"tightest: {tightest[0]:.4f} of the bound, {tightest[1]}")
    return int(violations > 0)


if __name__ == "__main__":
    sys.exit(main())
