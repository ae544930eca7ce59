"""Samples of the learned diffusion: paths of the reverse SDE [3] or of the probability flow [4].

Each path draws its noise from its own counter-based stream: path i of a seed is the same whether
ten paths are drawn or a million, here or elsewhere, on one thread or many.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from .._kernels import samplers as kernels
from .._kernels.philox import normals, uniforms
from ..diffusion.mixtures import GaussianMixture
from ..diffusion.sde import ForwardSDE
from ..diffusion.time_grids import time_grid
from ..model.score import ExactScore, RandomFeatureScore, Score, is_piecewise_linear
from ..model.score_table import score_table
from ..support.errors import ArgumentError
from ..support.random import stream
from ..support.validation import FloatArray, count, finite_array, memory
from .schemes import Scheme, scheme_named

# Steps between two looks at the progress and the finiteness of the paths: even, and as many as
# keep their score tables in a shared cache of 8 MB, at 32 bytes for each kink.
_MOST_STEPS, _TABLE_BYTES, _KINK_BYTES = 512, 1 << 23, 32
_PLAIN_STEPS = 16
# A progress bar appears once a run has taken this many seconds.
_PATIENCE = 2.0
# Purposes of the generator's keys.
_STEPS, _START, _COMPONENT = 0, 1, 2
_NO_ARRAY = np.empty((0, 0))

Drift = Callable[[FloatArray, float], FloatArray]


def sample(
    score: Score,
    sde: ForwardSDE,
    n: int,
    *,
    t: float,
    scheme: str = "heun",
    n_steps: int = 500,
    grid: str = "log",
    seed: int = 0,
    first: int = 0,
    prior: GaussianMixture | None = None,
    noise: ArrayLike | None = None,
    trajectories: bool = False,
    progress: bool | None = None,
) -> FloatArray:
    """Draw n samples at time t by running a scheme backwards from T.

    Args:
        score: the score, training times (…) leading; all of them get the same noise.
        sde: the forward process.
        n: number of paths.
        t: where the paths end, 0 < t < T.
        scheme: "euler-maruyama" (weak order 1), "exponential" (1, exact for a frozen denoiser),
            "heun" (2), or "probability-flow" (deterministic, Heun's method, 2).
        n_steps: number of steps.
        grid: times "uniform" in t, "log" (uniform in ln σ_t/r) or "edm".
        seed: of the noise.
        first: number of the first path: `first=1000` continues a sample of 1000.
        prior: law of x(T); π = N(0, prior_std² I) if None.
        noise: standard normals to use instead, (n_steps + 1, n) in one dimension or
            (n_steps + 1, n, d); the first row makes x(T) = prior_std · noise[0].
        trajectories: return every position instead of the last.
        progress: show a progress bar on stderr; by default for long runs on a terminal.

    Returns:
        Samples (…, n) in one dimension, else (…, n, d); with `trajectories` an axis of the
        n_steps + 1 times of `time_grid(grid, sde, t, n_steps)` comes before n.

    Raises:
        ArgumentError: bad arguments, or paths that do not stay finite.
        MemoryLimitError: trajectories that would not fit.

    >>> from rfdiff.diffusion.mixtures import bimodal
    >>> from rfdiff.diffusion.sde import VESDE
    >>> score = ExactScore(bimodal(3.0), VESDE())
    >>> x = sample(score, VESDE(), 2000, t=0.065, n_steps=100)
    >>> x.shape, bool(abs((x > 0).mean() - 0.5) < 0.05)
    ((2000,), True)
    >>> bool((sample(score, VESDE(), 5, t=0.065, n_steps=100) == x[:5]).all())
    True
    """
    plan = _Plan.make(score, sde, n, t, scheme, n_steps, grid, seed, first, prior, noise)
    d, rows = score.dimension, int(np.prod(score.shape))
    kept = plan.n_steps + 1 if trajectories else 1
    memory("the trajectories" if trajectories else "the samples", 8.0 * rows * (kept + 3) * n * d)
    out = np.empty((rows, kept, n, d))
    start = plan.start()
    bar = tqdm(
        total=rows * plan.n_steps,
        desc="sampling",
        unit="step",
        delay=_PATIENCE,
        file=sys.stderr,
        leave=False,
        disable=None if progress is None else not progress,
    )
    with bar:
        for row in range(rows):
            x = start.copy()
            out[row, 0] = x
            track = out[row, 1:] if trajectories else None
            for done in _advance(plan, score, row, x, track):
                bar.update(done)
            out[row, -1] = x
    shape = (*score.shape, *((kept,) if trajectories else ()), n, *((d,) if d > 1 else ()))
    return out.reshape(shape)


@dataclass(frozen=True, eq=False)
class _Plan:
    """The checked arguments of a run: what each step does, and where its noise comes from."""

    sde: ForwardSDE
    n: int
    dimension: int
    scheme: Scheme
    times: FloatArray
    coefficients: FloatArray
    seed: int
    first: int
    prior: GaussianMixture | None
    noise: FloatArray | None

    @property
    def n_steps(self) -> int:
        return len(self.coefficients)

    @classmethod
    def make(
        cls,
        score: Score,
        sde: ForwardSDE,
        n: int,
        t: float,
        scheme: str,
        n_steps: int,
        grid: str,
        seed: int,
        first: int,
        prior: GaussianMixture | None,
        noise: ArrayLike | None,
    ) -> "_Plan":
        n, first, d = count("n", n), count("first", first, 0), score.dimension
        chosen = scheme_named(scheme)
        times = time_grid(grid, sde, t, n_steps)
        if prior is not None and prior.dimension != d:
            raise ArgumentError(f"prior must have dimension {d}, got {prior.dimension}")
        if noise is not None:
            if prior is not None:
                raise ArgumentError("noise starts from the sde's own prior: prior must be None")
            noise = finite_array("noise", noise)
            expected = (len(times), n) if d == 1 else (len(times), n, d)
            if noise.shape != expected:
                raise ArgumentError(
                    f"noise must have shape (n_steps + 1, n{', d' if d > 1 else ''}) = "
                    f"{expected}, got {noise.shape}"
                )
            noise = noise.reshape(len(times), n, d)
        coefficients = chosen.coefficients(sde, times)
        return cls(sde, n, d, chosen, times, coefficients, seed, first, prior, noise)

    def key(self, purpose: int) -> np.ndarray:
        """Return the generator's key for a purpose: two 32-bit words."""
        words = stream(self.seed, "sampling", purpose).integers(0, 1 << 32, 2, dtype=np.uint64)
        return np.asarray(words)

    def start(self) -> FloatArray:
        """Return x(T), shape (n, d)."""
        if self.noise is not None:
            return self.sde.prior_std * self.noise[0]
        z = np.empty((self.n, self.dimension))
        normals(self.key(_START), self.first, 0, z)
        if self.prior is None:
            return self.sde.prior_std * z
        u = np.empty(self.n)
        uniforms(self.key(_COMPONENT), self.first, 0, u)
        cumulative = np.cumsum(self.prior.weights)
        component = np.minimum(np.searchsorted(cumulative, u), len(cumulative) - 1)
        return self.prior.means[component] + self.prior.stds[component, None] * z

    def step_noise(self, step: int, key: np.ndarray) -> FloatArray:
        """Return the normals (n, d) of a step."""
        if self.noise is not None:
            return self.noise[step + 1]
        z = np.empty((self.n, self.dimension))
        normals(key, self.first, step * self.dimension, z)
        return z

    def check(self, x: FloatArray, step: int) -> None:
        """Refuse paths that have left the numbers."""
        if not np.isfinite(x).all():
            raise ArgumentError(
                f"paths must stay finite, at t = {self.times[step]:.6g} some are not: the score "
                f"is not finite, or n_steps = {self.n_steps} is too small for it"
            )


def _advance(
    plan: _Plan, score: Score, row: int, x: FloatArray, track: FloatArray | None
) -> Iterator[int]:
    """Run x (n, d) from T to t in place; yield the number of steps done after each block."""
    if is_piecewise_linear(score):
        block = _table_block(plan, score, row)
        steps = _TABLE_BYTES // (_KINK_BYTES * score.features.width)
        steps = min(max(steps - steps % 2, 2), _MOST_STEPS)
    else:
        block, steps = _plain_block(plan, score, row), _PLAIN_STEPS
    for begin in range(0, plan.n_steps, steps):
        end = min(begin + steps, plan.n_steps)
        block(x, begin, end, None if track is None else track[begin:end])
        plan.check(x, end)
        yield end - begin


Block = Callable[[FloatArray, int, int, FloatArray | None], None]


def _table_block(plan: _Plan, score: RandomFeatureScore, row: int) -> Block:
    """Steps of a 1-D ReLU score, by its exact table at the times of the block."""
    one = RandomFeatureScore(score.features, score.flat_theta[row][None, :])
    key = plan.key(_STEPS)

    def advance(x: FloatArray, begin: int, end: int, track: FloatArray | None) -> None:
        table = score_table(one, plan.times[begin : end + 1])
        noise = _NO_ARRAY if plan.noise is None else plan.noise[begin + 1 : end + 1, :, 0]
        kernels.table_steps(
            x[:, 0], key, plan.first, begin, plan.coefficients[begin:end], plan.scheme.corrected,
            table.kinks, table.starts, table.centre, table.spread,
            table.slopes[0], table.intercepts[0], np.ascontiguousarray(noise),
            _NO_ARRAY if track is None else track[:, :, 0],
        )  # fmt: skip

    return advance


def _plain_block(plan: _Plan, score: Score, row: int) -> Block:
    """Steps of any score, one call for all paths at each time."""
    drift = _drift(score, row)
    key = plan.key(_STEPS)

    def advance(x: FloatArray, begin: int, end: int, track: FloatArray | None) -> None:
        for k in range(begin, end):
            a, b, c, p, q = plan.coefficients[k]
            noise = c * plan.step_noise(k, key) if plan.scheme.stochastic else 0.0
            s = drift(x, float(plan.times[k]))
            there = a * x + b * s + noise
            if plan.scheme.corrected:
                there = a * x + p * s + q * drift(there, float(plan.times[k + 1])) + noise
            x[:] = there
            if track is not None:
                track[k - begin] = there

    return advance


def _drift(score: Score, row: int) -> Drift:
    """Return s(x, t) for points (n, d) at one training time; independent of the batch if ours."""
    if isinstance(score, RandomFeatureScore):
        features = score.features
        theta = np.ascontiguousarray(score.theta.reshape(-1, *score.theta.shape[-2:])[row])
        code = features.act.code

        def random_features(x: FloatArray, t: float) -> FloatArray:
            out = np.empty_like(x)
            scale = float(features.output_scale(t))
            kernels.feature_scores(x, features.W, features.biases(t), theta, scale, code, out)
            return out

        return random_features
    if isinstance(score, ExactScore):

        def mixture(x: FloatArray, t: float) -> FloatArray:
            law = score.law.diffuse(float(score.sde.scale(t)), float(score.sde.std(t)))
            out = np.empty_like(x)
            with np.errstate(divide="ignore"):
                log_weights = np.log(law.weights) - law.dimension * np.log(law.stds)
            kernels.mixture_scores(x, log_weights, law.means, law.stds**2, out)
            return out

        return mixture

    def other(x: FloatArray, t: float) -> FloatArray:
        points = x[:, 0] if x.shape[1] == 1 else x
        values = np.asarray(score(points, t), dtype=np.float64)
        return values.reshape(-1, *x.shape)[row]

    return other
