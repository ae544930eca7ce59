"""Stochastic training of the same model, for comparison with the exact gradient flow.

Minibatch SGD, the heavy ball and Adam on the output layer, with fresh noise at every step or with
the fixed draws of the Monte-Carlo loss. The clock is the gradient flow's: τ is the sum of the
learning rates so far. SGD's mean path is gradient descent exactly (batches are independent of θ),
and so the gradient flow to first order in the learning rate; its scatter is
`rfdiff.theory.optimiser_noise`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .._kernels import optimisers as kernels
from ..loss.minibatches import Minibatches
from ..support.errors import ArgumentError
from ..support.validation import FloatArray, count, finite_array, memory
from .optimisers import Optimiser, learning_rates
from .stability import stability_limit

# Batch elements drawn at once for all paths: bounds memory at a few tens of MB.
_CHUNK = 1 << 18


@dataclass(frozen=True, eq=False)
class OptimiserPaths:
    """Recorded parameters of repeated stochastic training.

    Attributes:
        steps: optimiser steps taken at each record, shape (k,).
        tau: the gradient flow's clock there, Σ learning rates, shape (k,).
        theta: parameters, shape (repetitions, k, d, m).
    """

    steps: FloatArray
    tau: FloatArray
    theta: FloatArray

    @property
    def mean(self) -> FloatArray:
        """Mean path over repetitions, shape (k, d, m)."""
        return self.theta.mean(axis=0)

    @property
    def standard_error(self) -> FloatArray:
        """Standard error of the mean path, shape (k, d, m); needs two repetitions."""
        if len(self.theta) < 2:
            raise ArgumentError("a standard error needs at least 2 repetitions, got 1")
        return self.theta.std(axis=0, ddof=1) / np.sqrt(len(self.theta))


def train_stochastic(
    batches: Minibatches,
    optimiser: Optimiser,
    n_steps: int = 1000,
    *,
    record: ArrayLike | None = None,
    repetitions: int = 1,
    seed: int = 0,
    theta0: ArrayLike | None = None,
) -> OptimiserPaths:
    """Train on the denoising loss by minibatches and record the path.

    Args:
        batches: what is drawn for a step: data, objective, features, batch size, noise.
        optimiser: `SGD`, `HeavyBall` or `Adam` of `rfdiff.training.optimisers`.
        n_steps: number of steps.
        record: step counts to record, increasing, within 0 … n_steps; by default up to 65 of
            them, evenly spaced.
        repetitions: independent paths; path r is the same whatever their number.
        seed: of the optimiser's randomness; data and features are given.
        theta0: start, shape (d, m) or (m,) in one dimension; zero if None.

    Raises:
        ArgumentError: a bad argument, or a path that diverged: the message gives the rate and
            `stability_limit`, the largest one at which SGD's scatter stays bounded.
        MemoryLimitError: the recorded paths would not fit.

    >>> import rfdiff
    >>> from rfdiff.training.optimisers import SGD
    >>> run = rfdiff.train_exact(tau=1.0, n=50, m=16)
    >>> paths = train_stochastic(run.problem.batches(32), SGD(1e-3), record=[0, 1000])
    >>> paths.theta.shape, round(float(paths.tau[-1]), 12)
    ((1, 2, 1, 16), 1.0)
    """
    d, m = batches.features.dimension, batches.features.width
    n_steps, repetitions = count("n_steps", n_steps), count("repetitions", repetitions)
    rates = learning_rates(optimiser, n_steps)
    marks = _marks(record, n_steps)
    memory("the recorded paths", 8.0 * repetitions * (len(marks) + 3) * d * m)
    theta = np.broadcast_to(_start(theta0, d, m), (repetitions, d, m)).copy()
    walk = _Walk(batches, optimiser, rates, theta, seed)
    recorded = np.empty((repetitions, len(marks), d, m))
    for i, mark in enumerate(marks):
        walk.to(int(mark))
        recorded[:, i] = theta
    clock = np.concatenate([[0.0], np.cumsum(rates)])
    return OptimiserPaths(marks, clock[marks], recorded)


class _Walk:
    """All paths on their way: draws batches in bounded chunks and moves θ in place."""

    def __init__(
        self,
        batches: Minibatches,
        optimiser: Optimiser,
        rates: FloatArray,
        theta: FloatArray,
        seed: int,
    ) -> None:
        features = batches.features
        self._batches, self._theta, self._rates = batches, theta, rates
        self._moments = np.zeros_like(theta), np.zeros_like(theta)
        self._streams = [batches.stream(seed, path) for path in range(len(theta))]
        self._w, self._u = (np.ascontiguousarray(rows.T) for rows in (features.W, features.U))
        self._rule = optimiser.kernel, optimiser.constants
        self._activation = features.act.code
        self._done = 0

    def to(self, mark: int) -> None:
        """Take steps until `mark` of them are done."""
        longest = max(1, _CHUNK // (len(self._theta) * self._batches.size))
        while self._done < mark:
            self._advance(min(longest, mark - self._done))
        _require_finite(self._theta, self._rates, self._done, self._batches)

    def _advance(self, steps: int) -> None:
        drawn = [one.draw(steps) for one in self._streams]
        x, e, gain, weight, target = (np.stack(part) for part in zip(*drawn, strict=True))
        rates = self._rates[self._done : self._done + steps]
        kernels.advance(
            self._theta, *self._moments, self._done, self._w, self._u, x, e, gain, weight, target,
            rates, *self._rule, self._activation,
        )  # fmt: skip
        self._done += steps


def _marks(record: ArrayLike | None, n_steps: int) -> np.ndarray:
    if record is None:
        return np.unique(np.linspace(0, n_steps, 65).round().astype(np.int64))
    marks = np.atleast_1d(np.asarray(record))
    if marks.ndim != 1 or marks.size == 0 or not np.issubdtype(marks.dtype, np.integer):
        raise ArgumentError(f"record must be a list of step counts, got {record!r}")
    if marks[0] < 0 or marks[-1] > n_steps or (np.diff(marks) <= 0).any():
        raise ArgumentError(f"record must increase within 0 … n_steps = {n_steps}, got {record!r}")
    return marks.astype(np.int64)


def _start(theta0: ArrayLike | None, d: int, m: int) -> FloatArray:
    if theta0 is None:
        return np.zeros((d, m))
    theta0 = finite_array("theta0", theta0)
    if theta0.shape not in ((d, m), (m,)) or theta0.size != d * m:
        raise ArgumentError(f"theta0 must have shape {(d, m)}, got {theta0.shape}")
    return theta0.reshape(d, m)


def _require_finite(theta: FloatArray, rates: FloatArray, done: int, batches: Minibatches) -> None:
    if not np.isfinite(theta).all():
        limit = float(stability_limit(batches))
        raise ArgumentError(
            f"learning_rate {rates[:done].max():g} diverged within {done} steps: SGD in batches of "
            f"{batches.size} is stable in mean square below {limit:.2g}"
        )
