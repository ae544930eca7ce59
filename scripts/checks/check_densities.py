"""Are the errors of the transported densities' divergences honest? Random runs, brute force.

tests/reference/finer_densities.py draws the cases and says what is true; with 16384 steps before an
error of the probability flow is called dishonest. Prints one line a case and kind; the exit status
says whether fewer than 95 in 100 true errors of some kind were within their estimates.

    python scripts/checks/check_densities.py [probability-flow] [reverse-sde] [--cases 100]
        [--kinds kl]
"""

import argparse
import sys
import warnings
from pathlib import Path

from rfdiff.divergences.by_name import DIVERGENCES
from rfdiff.support.errors import AccuracyWarning
from rfdiff.support.validation import one_of

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from reference.finer_densities import KINDS, METHODS, Truth, random_case


def check(method: str, kinds: list[str], seeds: range) -> float:
    """Print every case; return the least share of honest ones among the kinds."""
    honest = dict.fromkeys(kinds, 0)
    for seed in seeds:
        case = random_case(seed)
        truth = Truth(case, method)
        print(f"{seed:3d} {case.name}", flush=True)
        for kind in kinds:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", AccuracyWarning)
                estimate = DIVERGENCES[kind](case.law, case.density(method))
            value, error = float(estimate), float(estimate.error)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AccuracyWarning)
                true, doubt = truth.divergence(kind, value, 0.2 * error)
                if abs(value - true) > error and method == "probability-flow":
                    finest = Truth(case, method, finest=True)
                    true, doubt = finest.divergence(kind, value, 0.2 * error)
            gap = abs(value - true)
            honest[kind] += gap <= error
            print(
                f"    {'ok ' if gap <= error else 'BAD'} {kind:16s} {value:11.6f} ± {error:.1e} "
                f"true error {gap:.1e} (known to {doubt:.0e}) "
                f"{' '.join(str(warning.message) for warning in caught)}",
                flush=True,
            )
    for kind, number in honest.items():
        print(f"{method} {kind}: {number} of {len(seeds)} true errors within their estimates")
    return min(honest.values()) / len(seeds)


def main() -> int:
    """Check the methods named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*", help=f"of {', '.join(METHODS)}; both by default")
    parser.add_argument("--kinds", default=",".join(KINDS), help="separated by commas")
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="where to begin")
    chosen = parser.parse_args()
    seeds = range(chosen.first, chosen.first + chosen.cases)
    methods = [one_of("method", name, METHODS) for name in chosen.methods or METHODS]
    kinds = [one_of("kind", name, KINDS) for name in chosen.kinds.split(",")]
    return int(min([check(method, kinds, seeds) for method in methods]) < 0.95)


if __name__ == "__main__":
    sys.exit(main())
