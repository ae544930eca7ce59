"""Stochastic training of the same model, for comparison with the exact flow.

Minibatch SGD, momentum and Adam on the output layer, with fresh noise at every step or with the
fixed draws of the Monte-Carlo loss, on the flow's clock: τ is the sum of the learning rates so
far. SGD's mean path is gradient descent exactly (batches are independent of θ), and so the flow to
first order in the learning rate; its scatter is `rfdiff.theory.optimiser_noise`.

The learning rate multiplies ∇_θ, θ = A/√m: it is the mean-field rate, m times smaller on A.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .._kernels import optimisers as kernels
from ..loss.minibatches import Minibatches
from ..loss.objective import DenoisingObjective
from ..model.features import RandomFeatures
from ..support.errors import ArgumentError
from ..support.validation import (
    FloatArray,
    count,
    finite_array,
    memory,
    one_of,
    points,
    positive,
    real,
)
from .stability import stability_limit

OPTIMISERS = ("sgd", "momentum", "adam")

# Batch elements drawn at once for all paths: bounds memory at a few tens of MB.
_CHUNK = 1 << 18


@dataclass(frozen=True, eq=False)
class OptimiserPaths:
    """Recorded parameters of repeated stochastic training.

    Attributes:
        steps: optimiser steps taken at each record, shape (k,).
        tau: the flow's clock there, Σ learning rates, shape (k,).
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
    data: ArrayLike,
    objective: DenoisingObjective,
    features: RandomFeatures,
    *,
    optimiser: str = "sgd",
    learning_rate: float | Callable[[FloatArray], FloatArray] = 0.01,
    n_steps: int = 1000,
    batch: int = 32,
    record: ArrayLike | None = None,
    repetitions: int = 1,
    seed: int = 0,
    noise: ArrayLike | None = None,
    shuffle: bool = True,
    momentum: float = 0.9,
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
    theta0: ArrayLike | None = None,
) -> OptimiserPaths:
    """Train on the denoising loss by minibatches and record the path.

    Args:
        data: training points (n,) or (n, d), in units of training.
        objective: process, range of t ~ U(t_min, T), drawn afresh for every element, weighting.
        features: frozen features.
        optimiser: "sgd", "momentum" (heavy ball) or "adam".
        learning_rate: η, or a function of the step numbers 0, 1, … returning each step's rate.
        n_steps: number of steps.
        batch: points per step.
        record: step counts to record, increasing, within 0 … n_steps; by default up to 65 of
            them, evenly spaced.
        repetitions: independent paths; path r is the same whatever their number.
        seed: of the optimiser's randomness; data and features are given.
        noise: fixed draws z (n, k) of the Monte-Carlo loss; fresh noise if None.
        shuffle: visit every point once an epoch in random order (the paper's code); False draws
            points independently, which makes the mean path exactly gradient descent's.
        momentum: of "momentum".
        betas: decay rates of Adam's moments.
        epsilon: Adam's denominator offset.
        theta0: start, shape (d, m) or (m,) in one dimension; zero if None.

    Raises:
        ArgumentError: a bad argument, or a path that diverged: the message gives the rate and
            `stability_limit`, the largest one at which SGD's scatter stays bounded.

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=1.0, n=50, m=16)
    >>> paths = train_stochastic(
    ...     run.data, run.problem.objective, run.features, learning_rate=1e-3, n_steps=1000,
    ...     record=[0, 1000],
    ... )
    >>> paths.theta.shape, round(float(paths.tau[-1]), 12)
    ((1, 2, 1, 16), 1.0)
    """
    d, m = features.dimension, features.width
    one_of("optimiser", optimiser, OPTIMISERS)
    n_steps, batch = count("n_steps", n_steps), count("batch", batch)
    repetitions = count("repetitions", repetitions)
    rates = _rates(learning_rate, n_steps)
    marks = _marks(record, n_steps)
    constants = _constants(optimiser, momentum, betas, epsilon)
    batches = Minibatches(
        points("data", data),
        objective,
        features,
        batch,
        shuffle,
        None if noise is None else finite_array("noise", noise),
    )
    memory("the recorded paths", 8.0 * repetitions * (len(marks) + 3) * d * m)
    theta = np.broadcast_to(_start(theta0, d, m), (repetitions, d, m)).copy()
    walk = _Walk(batches, theta, seed, rates, optimiser == "adam", constants)
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
        theta: FloatArray,
        seed: int,
        rates: FloatArray,
        adam: bool,
        constants: FloatArray,
    ) -> None:
        features = batches.features
        self._batches, self._theta, self._rates = batches, theta, rates
        self._moments = np.zeros_like(theta), np.zeros_like(theta)
        self._streams = [batches.stream(seed, path) for path in range(len(theta))]
        self._w, self._u = (np.ascontiguousarray(rows.T) for rows in (features.W, features.U))
        self._rule = kernels.ADAM if adam else kernels.SGD, constants
        self._activation = features.act.code
        self._done = 0

    def to(self, mark: int) -> None:
        """Take steps until `mark` of them are done."""
        longest = max(1, _CHUNK // (len(self._theta) * self._batches.batch))
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


def _rates(learning_rate: float | Callable[[FloatArray], FloatArray], n_steps: int) -> FloatArray:
    if callable(learning_rate):
        rates = finite_array("learning_rate(k)", learning_rate(np.arange(n_steps, dtype=float)))
        if rates.shape != (n_steps,) or (rates <= 0).any():
            raise ArgumentError(
                f"learning_rate(k) must be positive with one value a step, ({n_steps},), "
                f"got shape {rates.shape} and minimum {rates.min():g}"
            )
        return rates
    return np.full(n_steps, positive("learning_rate", learning_rate))


def _marks(record: ArrayLike | None, n_steps: int) -> np.ndarray:
    if record is None:
        return np.unique(np.linspace(0, n_steps, 65).round().astype(np.int64))
    marks = np.atleast_1d(np.asarray(record))
    if marks.ndim != 1 or marks.size == 0 or not np.issubdtype(marks.dtype, np.integer):
        raise ArgumentError(f"record must be a list of step counts, got {record!r}")
    if marks[0] < 0 or marks[-1] > n_steps or (np.diff(marks) <= 0).any():
        raise ArgumentError(f"record must increase within 0 … n_steps = {n_steps}, got {record!r}")
    return marks.astype(np.int64)


def _constants(
    optimiser: str, momentum: float, betas: tuple[float, float], epsilon: float
) -> FloatArray:
    if optimiser == "adam":
        for beta in betas:
            if not 0.0 <= real("betas", beta) < 1.0:
                raise ArgumentError(f"betas must be in [0, 1), got {betas}")
        return np.array([*betas, positive("epsilon", epsilon)])
    if not 0.0 <= real("momentum", momentum) < 1.0:
        raise ArgumentError(f"momentum must be in [0, 1), got {momentum:g}")
    return np.array([momentum if optimiser == "momentum" else 0.0])


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
            f"{batches.batch} is stable in mean square below {limit:.2g}"
        )
