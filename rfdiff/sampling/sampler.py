"""Samples of the learned diffusion: paths of the reverse SDE [3] or of the probability flow [4]."""

import sys
from collections.abc import Callable, Iterator

import numpy as np
from tqdm import tqdm

from .._kernels import samplers as kernels
from ..model.line.score_table import score_table
from ..model.score import RandomFeatureScore, Score, fast_score, is_piecewise_linear
from ..support.errors import ArgumentError
from ..support.validation import FloatArray, count, memory
from .path_noise import PathNoise
from .reversal import Reversal

# A progress bar appears once a run has taken this many seconds.
PATIENCE = 2.0
# Steps between two looks at the progress and the finiteness of the paths: even, and as many as
# keep their score tables in a shared cache of 8 MB, at 32 bytes for each kink.
_MOST_STEPS, _TABLE_BYTES, _KINK_BYTES = 512, 1 << 23, 32
_PLAIN_STEPS = 16
_NO_ARRAY = np.empty((0, 0))

# Takes paths x (n, d) through the steps from one number to another, in place, and records the
# positions after each if it is given an array for them.
Block = Callable[[FloatArray, int, int, FloatArray | None], None]


def sample(
    score: Score,
    way: Reversal,
    n: int,
    *,
    noise: PathNoise | None = None,
    trajectories: bool = False,
    progress: bool | None = None,
) -> FloatArray:
    """Draw n samples at time t by running a scheme backwards from T.

    Args:
        score: the score, training times (…) leading; all of them get the same noise.
        way: the process, t, the scheme and its steps.
        n: number of paths.
        noise: where paths start and what drives them; `PathNoise()` if None.
        trajectories: return every position instead of the last.
        progress: show a progress bar on stderr; by default for long runs on a terminal.

    Returns:
        Samples (…, n) in one dimension, else (…, n, d); with `trajectories` an axis of the
        n_steps + 1 `way.times` comes before n.

    Raises:
        ArgumentError: bad arguments, or paths that do not stay finite.
        MemoryLimitError: trajectories that would not fit.

    >>> from rfdiff.diffusion.mixtures import bimodal
    >>> from rfdiff.diffusion.sde import VESDE
    >>> from rfdiff.model.score import ExactScore
    >>> score, way = ExactScore(bimodal(3.0), VESDE()), Reversal(VESDE(), 0.065, n_steps=100)
    >>> x = sample(score, way, 2000)
    >>> x.shape, bool(abs((x > 0).mean() - 0.5) < 0.05)
    ((2000,), True)
    >>> bool((sample(score, way, 5) == x[:5]).all())
    True
    """
    n, d, n_training = count("n", n), score.dimension, int(np.prod(score.shape))
    noise = PathNoise() if noise is None else noise
    noise.check(way.n_steps, n, d)
    kept = way.n_steps + 1 if trajectories else 1
    what = "the trajectories" if trajectories else "the samples"
    memory(what, 8.0 * n_training * (kept + 3) * n * d)
    out = np.empty((n_training, kept, n, d))
    start = noise.start(n, d, way.sde.prior_std)
    with _bar(n_training * way.n_steps, progress) as bar:
        for k in range(n_training):
            x = start.copy()
            out[k, 0] = x
            for done in _advance(score, k, way, noise, x, out[k, 1:] if trajectories else None):
                bar.update(done)
            out[k, -1] = x
    shape = (*score.shape, *((kept,) if trajectories else ()), n, *((d,) if d > 1 else ()))
    return out.reshape(shape)


def _bar(total: int, progress: bool | None) -> tqdm:
    return tqdm(
        total=total,
        desc="sampling",
        unit="step",
        delay=PATIENCE,
        file=sys.stderr,
        leave=False,
        disable=None if progress is None else not progress,
    )


def _advance(
    score: Score,
    k: int,
    way: Reversal,
    noise: PathNoise,
    x: FloatArray,
    track: FloatArray | None,
) -> Iterator[int]:
    """Run x (n, d) from T to t in place with the score of training time k.

    Yields the number of steps done after each block.
    """
    if is_piecewise_linear(score):
        block = _table_block(score.select(k), way, noise)
        steps = _TABLE_BYTES // (_KINK_BYTES * score.features.width)
        steps = min(max(steps - steps % 2, 2), _MOST_STEPS)
    else:
        block, steps = _plain_block(score, k, way, noise), _PLAIN_STEPS
    for begin in range(0, way.n_steps, steps):
        end = min(begin + steps, way.n_steps)
        block(x, begin, end, None if track is None else track[begin:end])
        if not np.isfinite(x).all():
            raise ArgumentError(
                f"paths must stay finite, at t = {way.times[end]:.6g} some are not: the score "
                f"is not finite, or n_steps = {way.n_steps} is too small for it"
            )
        yield end - begin


def _table_block(score: RandomFeatureScore, way: Reversal, noise: PathNoise) -> Block:
    """Steps of one ReLU score on the line, by its exact table at the times of the block."""
    key = noise.step_key

    def advance(x: FloatArray, begin: int, end: int, track: FloatArray | None) -> None:
        table = score_table(score, way.times[begin : end + 1])
        given = _NO_ARRAY if noise.given is None else noise.given[begin + 1 : end + 1]
        kernels.table_steps(
            x[:, 0], key, noise.first, begin, way.coefficients[begin:end], way.rule.corrected,
            table.kinks, table.starts, table.centre, table.spread,
            table.slopes[0], table.intercepts[0], np.ascontiguousarray(given),
            _NO_ARRAY if track is None else track[:, :, 0],
        )  # fmt: skip

    return advance


def _plain_block(score: Score, k: int, way: Reversal, noise: PathNoise) -> Block:
    """Steps of any score, one call for all paths at each time."""
    s = fast_score(score).evaluator(k)

    def advance(x: FloatArray, begin: int, end: int, track: FloatArray | None) -> None:
        for step in range(begin, end):
            a, b, c, p, q = way.coefficients[step]
            here = s(x, float(way.times[step]))
            kick = c * noise.step(step, *x.shape) if way.rule.stochastic else 0.0
            there = a * x + b * here + kick
            if way.rule.corrected:
                ahead = s(there, float(way.times[step + 1]))
                there = a * x + p * here + q * ahead + kick
            x[:] = there
            if track is not None:
                track[step - begin] = there

    return advance
