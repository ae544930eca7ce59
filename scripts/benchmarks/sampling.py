"""What samples cost, beside the random numbers they need and a plain NumPy sampler."""

import time
from itertools import pairwise

import numpy as np
from benchmarks.rows import best, row

import rfdiff
from rfdiff.sampling.reversal import Reversal
from rfdiff.sampling.sampler import sample

PATHS, STEPS, WIDTH = 10_000, 1_000, 1024
# Of STEPS, taken by the matrix-product sampler: every step costs the same.
NUMPY_STEPS = 20


def matrix_product_sampler(run: rfdiff.TrainedFlow, n: int, steps: int) -> np.ndarray:
    """Euler–Maruyama as one writes it with NumPy: all features of all paths, then a product."""
    rng = np.random.default_rng(0)
    sde, features, theta = run.sde, run.features, run.theta(1e6)[0]
    times = np.linspace(sde.T, run.default_time, STEPS + 1)
    x = sde.prior_std * rng.standard_normal(n)
    for t, after in pairwise(times[: steps + 1]):
        h, g_squared = t - after, float(sde.diffusion_squared(t))
        hidden = np.maximum(x[:, None] * features.W[:, 0] + features.biases(t), 0.0)
        score = hidden @ theta * float(features.output_scale(t))
        x = x + g_squared * score * h + np.sqrt(g_squared * h) * rng.standard_normal(n)
    return x


def sampling() -> None:
    """What samples cost beyond their random numbers."""
    run = rfdiff.train_exact(1e6, n=100, m=WIDTH)
    score, t = run.learned_score(), run.default_time
    normals = best(lambda: np.random.default_rng(0).standard_normal((STEPS, PATHS)), 5)
    for scheme, target in (("euler-maruyama", "≤ 3"), ("heun", "")):
        way = Reversal(run.sde, t, scheme, STEPS)
        seconds = best(lambda way=way: sample(score, way, PATHS), 5)
        row(
            f"{scheme}, {PATHS:,} paths × {STEPS:,} steps, m={WIDTH} / NumPy's normals alone",
            seconds / normals,
            target,
            f"{PATHS * STEPS / seconds / 1e6:.0f} million path-steps a second",
        )
        if scheme == "euler-maruyama":
            ours = seconds
    start = time.perf_counter()
    matrix_product_sampler(run, PATHS, NUMPY_STEPS)
    theirs = (time.perf_counter() - start) * STEPS / NUMPY_STEPS
    row(
        "the same with NumPy and a matrix product / ours",
        theirs / ours,
        "≥ 50",
        f"{PATHS * STEPS / theirs / 1e6:.2f} million path-steps a second",
    )
