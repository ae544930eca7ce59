"""What KL curves of the transported densities cost against LAPACK, and their estimated errors."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import scipy.linalg
from benchmarks.rows import row

import rfdiff

TAU = np.logspace(0, 10, 100)
METHODS = ("reverse-sde", "probability-flow")
# Each timing is the shortest of so many, taken in turns: machines are shared.
TURNS = 3
TARGET, ERROR = 60.0, 1e-3


def seconds(work: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def forgetful(run: rfdiff.TrainedFlow) -> rfdiff.TrainedFlow:
    """Return the run without the densities that it keeps once they are solved."""
    return replace(run)


def densities() -> None:
    """Whole KL curves of the transported densities against LAPACK, and their estimated errors."""
    gram = rfdiff.train_exact(1.0, n=1000, m=1024).quadratic.gram
    run = rfdiff.train_exact(TAU, n=1000, m=512)
    curves = {method: run.kl(method=method) for method in METHODS}
    eigh, solve = [], {method: [] for method in METHODS}
    scipy.linalg.eigh(gram)
    for _ in range(TURNS):
        eigh += [seconds(lambda: scipy.linalg.eigh(gram)) for _ in range(TURNS)]
        for method in METHODS:
            solve[method].append(seconds(lambda method=method: forgetful(run).kl(method=method)))
    for method, curve in curves.items():
        missed = int((curve.error > ERROR).sum())
        row(
            f"{method} KL (n=1000, m=512, {len(TAU)} τ) / eigh at m=1024",
            min(solve[method]) / min(eigh),
            f"≤ {TARGET:g}",
            f"{min(solve[method]):.2f} s / {min(eigh):.3f} s",
        )
        row(
            f"its largest estimated error [{ERROR:g}]",
            float(curve.error.max()) / ERROR,
            "≤ 1",
            f"{missed} of {len(TAU)} τ miss {ERROR:g}",
        )
