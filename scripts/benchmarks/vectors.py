"""What the exact expectation over the noise costs in d dimensions, beside eigh and noise draws."""

import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import scipy.linalg
from benchmarks.rows import row

import rfdiff
from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.loss.hermite_series.assembly import series_bytes
from rfdiff.loss.noise_draws import noise_draw_quadratic
from rfdiff.loss.noise_expectation import denoising_quadratic
from rfdiff.loss.objective import DenoisingObjective
from rfdiff.loss.quadratic import QuadraticLoss

ACCURACY, TIMES = 1e-7, 16


def vectors() -> None:
    """G and C of random data in the shape of 64-pixel digits, and of 784-pixel ones."""
    _problem(100, 64, 128, 1)()  # compiles
    loss, ours = _timed(_problem(1797, 64, 1024, TIMES))
    _against_eigh("G and C (n=1797, d=64, m=1024, 16 times)", loss, ours, "≤ 15")
    _, draw = _timed(_one_draw(1797, 64, 1024, TIMES))
    row("the same / one fixed noise draw", ours / draw, "≤ 6", f"{ours:.2f} s / {draw:.2f} s")
    tracemalloc.start()
    _problem(1797, 64, 1024, TIMES)()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    estimate = series_bytes(1024, 64)
    row("its peak of memory / what was estimated", peak / estimate, "≤ 1", f"{peak / 2**20:.0f} MB")
    loss, ours = _timed(_problem(5000, 784, 2048, TIMES))
    _against_eigh("G and C (n=5000, d=784, m=2048, 16 times)", loss, ours, "≤ 20")


def _against_eigh(what: str, loss: QuadraticLoss, ours: float, target: str) -> None:
    _, eigh = _timed(lambda: scipy.linalg.eigh(loss.gram, driver="evd"))
    error = loss.error / loss.gram.max()
    row(f"{what} / eigh", ours / eigh, target, f"{ours:.1f} s / {eigh:.2f} s, error {error:.0e}")


def _timed(work: Callable[[], QuadraticLoss]) -> tuple[QuadraticLoss, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def _setting(
    n: int, d: int, m: int, n_times: int
) -> tuple[np.ndarray, DenoisingObjective, rfdiff.RandomFeatures]:
    sde = rfdiff.VESDE()
    features = rfdiff.draw_features("l1", m, rfdiff.LogSigmaEmbedding(sde), seed=0, dimension=d)
    data = np.random.default_rng(0).standard_normal((n, d))
    return data, DenoisingObjective.graded(sde, n_times=n_times), features


def _problem(n: int, d: int, m: int, n_times: int) -> Callable[[], QuadraticLoss]:
    data, objective, features = _setting(n, d, m, n_times)
    law = GaussianMixture.from_points(data)
    return lambda: denoising_quadratic(law, objective, features, accuracy=ACCURACY)


def _one_draw(n: int, d: int, m: int, n_times: int) -> Callable[[], QuadraticLoss]:
    data, objective, features = _setting(n, d, m, n_times)
    noise = np.random.default_rng(1).standard_normal((n, 1, d))
    return lambda: noise_draw_quadratic(data, noise, objective, features)
