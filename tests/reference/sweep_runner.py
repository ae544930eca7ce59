"""A runner in a process of its own, for tests that kill it: STORE EVALUATE JOBS N_VALUES SEEDS."""

import sys

from rfdiff.sweeps import prepare_store, run_store
from rfdiff.sweeps.running.executors import Processes
from rfdiff.sweeps.running.progress import Progress

from . import sweep_points


class Acknowledging(Progress):
    """Logs the beginning, each point once the store has confirmed it, and what is said."""

    def start(self, already, total, work):
        sweep_points.log("begin")
        super().start(already, total, work)

    def advance(self, identity, work, *, failed=False):
        sweep_points.log(f"{'failed' if failed else 'ack'} {identity}")

    def say(self, text):
        sweep_points.log(f"say {text}")


def main(store, evaluate, jobs, n_values, seeds, extend="no"):
    """Run, and return as the command line does."""
    points = sweep_points.grid([int(n) for n in n_values.split(",")], seeds=int(seeds))
    with prepare_store(store, sweep_points.RECIPE, points, extend=extend == "extend") as opened:
        summary = run_store(
            opened,
            Processes(int(jobs)),
            getattr(sweep_points, evaluate),
            retries=5,
            progress=Acknowledging(quiet=True),
        )
    return 130 if summary.interrupted else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
