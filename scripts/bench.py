"""Benchmarks: ratios measured in one run, each against a floor or a yardstick and its target.

Usage: python scripts/bench.py [exact] [memory] [yardsticks] [densities] [sampling] [sweeps]
       [vectors] (all by default)

Every row is: what was timed / against what, the ratio, and the target it should meet. Timings are
the best of several repetitions, since machines are shared and noisy; compare ratios, not seconds.
"""

import argparse
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable

import numpy as np
import scipy.linalg
from benchmarks.densities import densities
from benchmarks.rows import best, row
from benchmarks.sampling import sampling
from benchmarks.sweeps import sweeps
from benchmarks.vectors import vectors
from numpy.polynomial.hermite_e import hermegauss

import rfdiff
from rfdiff.diffusion.mixtures import GaussianMixture, bimodal
from rfdiff.diffusion.time_rules import TimeRule
from rfdiff.loss.noise_expectation import denoising_quadratic
from rfdiff.loss.objective import DenoisingObjective

TAU = np.logspace(0, 10, 1000)
# The paper's own protocol (PyTorch, 16 Swish units, 2000 epochs of batch 32; then the score
# integral by adaptive quadrature at 21 training times), measured once on a two-core machine.
PAPER_SECONDS = {"training": 23.0, "quadrature": 72.0}
PAPER_TIMES = 21


def exact() -> None:
    """Whole runs and their assembly against LAPACK's eigendecomposition."""
    run = rfdiff.train_exact(TAU, n=1000, m=2048)
    eigh = best(lambda: scipy.linalg.eigh(run.quadratic.gram))
    whole = best(lambda: rfdiff.train_exact(TAU, n=1000, m=2048).kl())
    row(
        "train_exact (n=1000, m=2048, 1000 τ) + kl / eigh of the same Gram",
        whole / eigh,
        "≤ 2",
        f"{whole:.2f} s / {eigh:.2f} s",
    )
    assembly = best(run.problem.training_quadratic)
    row("its assembly / eigh", assembly / eigh, "< 1", f"{assembly:.3f} s")
    run.loss("population")
    many = np.logspace(0, 10, 10_000)
    for kind in ("train", "population"):
        losses = best(lambda kind=kind: run.loss(kind, many))
        row(f"its {kind} loss at 10,000 τ / eigh", losses / eigh, "< 1", f"{losses:.2f} s")
    seconds = {}
    for n in (1000, 100_000):
        problem = rfdiff.train_exact(1.0, n=n, m=512).problem
        seconds[n] = best(problem.training_quadratic, 5)
    row(
        "assembly (m=512) for n=100,000 / for n=1,000",
        seconds[100_000] / seconds[1000],
        "≤ 5",
        f"{seconds[100_000]:.3f} s / {seconds[1000]:.3f} s",
    )


def memory() -> None:
    """Peak memory of a whole run, in a process of its own, against 4 m² doubles plus 200 MB."""
    for m in (1024, 2048, 4096):
        program = textwrap.dedent(f"""
            import numpy as np, rfdiff
            rfdiff.train_exact(np.logspace(0, 10, 1000), n=1000, m={m}).kl()
            # Not getrusage: a child starts with the peak of the parent it was forked from.
            status = dict(line.split(":", 1) for line in open("/proc/self/status"))
            print(int(status["VmHWM"].split()[0]) * 1024)
        """)
        output = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        allowed = 4 * 8 * m**2 + 200e6
        peak = int(output.stdout)
        row(
            f"peak memory of train_exact + kl (m={m}) / (4 m² doubles + 200 MB)",
            peak / allowed,
            "≤ 1",
            f"{peak / 1e6:.0f} MB",
        )


def noise_quadrature_gram(
    data: np.ndarray, run: rfdiff.TrainedFlow, n_noise: int, nodes: slice
) -> np.ndarray:
    """Assemble G as a careful user would: Gauss–Hermite over the noise of every datum."""
    z, weights = hermegauss(n_noise)
    weights = weights / weights.sum() / len(data)
    rule, sde = run.problem.objective.rule, run.sde
    gram = np.zeros((run.features.width,) * 2)
    for t, omega in zip(rule.nodes[nodes], rule.weights[nodes], strict=True):
        std = float(sde.std(t))
        for z_k, weight in zip(z, weights, strict=True):
            h = run.features(data[:, 0] + std * z_k, float(t))
            gram += (omega * std**2 * weight) * (h.T @ h)
    return gram


def yardsticks() -> None:
    """What users do today: noise quadrature for G, and the paper's protocol."""
    run = rfdiff.train_exact(1.0, n=1000, m=1024)
    ours = best(run.problem.training_quadratic)
    # Four of 128 nodes, scaled up: all of them cost the same.
    some, n_noise = slice(0, None, 32), 8
    start = time.perf_counter()
    noise_quadrature_gram(run.data, run, n_noise, some)
    rule = run.problem.objective.rule
    scale = len(rule) / len(rule.nodes[some])
    theirs = scale * (time.perf_counter() - start)
    row(
        f"noise-quadrature assembly ({n_noise} Gauss–Hermite nodes, m=1024) / ours",
        theirs / ours,
        "> 1",
        f"{theirs:.1f} s / {ours:.3f} s",
    )
    t_node = int(np.argmin(np.abs(rule.nodes - 0.2)))
    single = slice(t_node, t_node + 1)
    one_time = TimeRule(rule.nodes[single], rule.weights[single], 1e-3, 1.0)
    closed = denoising_quadratic(
        GaussianMixture.from_points(run.data), DenoisingObjective(run.sde, one_time), run.features
    ).gram
    gap = np.abs(noise_quadrature_gram(run.data, run, n_noise, single) - closed).max()
    row(
        "its relative error in G at one node / 1e-15",
        gap / np.abs(closed).max() / 1e-15,
        "",
        f"{gap / np.abs(closed).max():.1e}: kinks defeat Gauss–Hermite",
    )
    curve = best(lambda: rfdiff.train_exact(TAU, n=1000, m=512).kl(), 5)
    paper = sum(PAPER_SECONDS.values())
    row(
        "the paper's protocol (16 units, 21 τ; quoted) / ours (m=512, 1000 τ)",
        paper / curve,
        "~ 1000",
        f"{paper:.0f} s / {curve:.3f} s; per τ {paper / PAPER_TIMES / (curve / len(TAU)):.3g}",
    )
    print(f"  floor: eigh at m=512 takes {best(_eigh_of(512), 5):.3f} s")


def _eigh_of(m: int) -> Callable[[], object]:
    gram = denoising_quadratic(
        bimodal(),
        DenoisingObjective.graded(rfdiff.VESDE()),
        rfdiff.draw_features("l1", m, rfdiff.LogSigmaEmbedding(rfdiff.VESDE()), seed=0),
    ).gram
    return lambda: scipy.linalg.eigh(gram, driver="evd")


SECTIONS = {
    "exact": exact,
    "memory": memory,
    "yardsticks": yardsticks,
    "densities": densities,
    "sampling": sampling,
    "sweeps": sweeps,
    "vectors": vectors,
}


def main() -> None:
    """Run the sections named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; all by default")
    chosen = parser.parse_args().sections or list(SECTIONS)
    unknown = set(chosen) - set(SECTIONS)
    if unknown:
        parser.error(f"unknown sections {sorted(unknown)}; choose from {list(SECTIONS)}")
    for name in chosen:
        print(f"\n[{name}] {SECTIONS[name].__doc__}")
        SECTIONS[name]()


if __name__ == "__main__":
    main()
