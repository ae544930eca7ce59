"""Are errors honest? Random runs beside references in high precision, quantity by quantity.

A case is a kind and a number, which draw a call of `train_exact` and questions to its run. The
references share no quadrature, no eigendecomposition and no formula's code with the package; they
are kept in tests/truth/references.json and computed where a case's problem has changed, which needs
python-flint. Prints every dishonest case with the call that shows it, worst first, and a table;
the exit status says whether less than 98 in 100 errors were honest, or any was too small by more
than a factor of three.

    python scripts/checks/check_truth.py [--jobs 2] [--kinds kl,bound] [--cases 50] [--first 0]
    python scripts/checks/check_truth.py --case 12 --kind kl
    python scripts/checks/check_truth.py --make-references
"""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from traceback import format_exc

# Small matrices: a thread each, processes side by side.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from truth.cases import KINDS, SHARES, random_case
from truth.checking import Outcome, check
from truth.references import References
from truth.report import describe, failures, passes, table


def _one(kind: str, number: int, fresh: bool) -> Outcome:
    """Check a case in a worker."""
    if not fresh and not _STORED:
        _STORED.append(References())
    stored = None if fresh else _STORED[0]
    try:
        return check(kind, number, stored)
    except Exception:
        return Outcome(kind, number, random_case(kind, number).call, crash=format_exc())


# The references that a worker has read.
_STORED: list[References] = []


def run(options: argparse.Namespace, kinds: list[str]) -> list[Outcome]:
    """Check the cases side by side; show progress on stderr."""
    cases = [
        (kind, number)
        for kind in kinds
        for number in range(options.first, options.first + (options.cases or SHARES[kind]))
    ]
    outcomes, start, stored = [], time.monotonic(), References()
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        futures = {pool.submit(_one, *case, options.fresh): case for case in cases}
        for done, future in enumerate(as_completed(futures), 1):
            outcome = future.result()
            outcomes.append(outcome)
            if outcome.computed is not None and options.make_references:
                stored.keep(f"{outcome.kind} {outcome.number}", outcome.mark, outcome.computed)
            if done % 20 == 0 or done == len(cases):
                spent = time.monotonic() - start
                print(f"{done} of {len(cases)} cases, {spent:.0f} s", file=sys.stderr, flush=True)
                if options.make_references:
                    stored.write()
    return sorted(outcomes, key=lambda o: (kinds.index(o.kind), o.number))


def main() -> int:
    """Check what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", default=",".join(KINDS), help="separated by commas")
    parser.add_argument("--cases", type=int, help="number of each kind; as many as usual if left")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--case", type=int, help="print everything about one case")
    parser.add_argument("--kind", choices=KINDS, help="of the one case")
    parser.add_argument("--fresh", action="store_true", help="compute references anew")
    parser.add_argument("--make-references", action="store_true", help="store those computed")
    options = parser.parse_args()
    if options.case is not None:
        stored = None if options.fresh else References()
        outcome = check(options.kind or "kl", options.case, stored)
        print(describe(outcome), f"\n    seconds: {outcome.seconds}")
        return 0 if passes([outcome]) else 1
    outcomes = run(options, options.kinds.split(","))
    print(failures(outcomes))
    refused = [outcome for outcome in outcomes if outcome.refusal or outcome.crash]
    for outcome in refused:
        print(describe(outcome))
    crashed = sum(bool(outcome.crash) for outcome in outcomes)
    print(f"\n{len(outcomes)} cases, {len(refused)} refused, {crashed} crashed\n")
    print(table(outcomes))
    return 0 if passes(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
