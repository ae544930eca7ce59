"""Random batches of the denoising loss: (x, e(t), gain, λ, target) of points drawn with noise.

An element is a training point x(0), a time t ~ U(t_min, T) and a normal z: x = r x(0) + σ_t z,
target −z/σ_t. The batches of a path come from its own stream, so no path depends on how many
there are, nor on how many steps are drawn at once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.features import RandomFeatures
from ..support.errors import ArgumentError
from ..support.random import stream
from ..support.validation import FloatArray, count, finite_array, points
from .objective import DenoisingObjective


@dataclass(frozen=True, eq=False)
class Minibatches:
    """How batches are drawn.

    Args:
        data: training points (n,) or (n, d), in units of training.
        objective: process, range (t_min, T) of the times, which are drawn, and weighting.
        features: frozen features, whose embedding and gain the elements carry.
        size: elements a step.
        shuffle: visit every point once an epoch in random order; False draws independently.
        noise: fixed draws z (n, k) of the Monte-Carlo loss, in one dimension; fresh if None.
    """

    data: FloatArray
    objective: DenoisingObjective
    features: RandomFeatures
    size: int
    shuffle: bool = True
    noise: FloatArray | None = None

    def __post_init__(self) -> None:
        data = points("data", self.data)
        if data.shape[1] != self.features.dimension:
            raise ArgumentError(
                f"data must have d = {self.features.dimension} columns like the features, "
                f"got shape {data.shape}"
            )
        count("size", self.size)
        object.__setattr__(self, "data", data)
        if self.noise is not None:
            noise = finite_array("noise", self.noise, ndim=2)
            if len(noise) != len(data) or data.shape[1] != 1:
                raise ArgumentError(
                    f"noise must have one row of draws a datum in one dimension, ({len(data)}, k), "
                    f"got shape {noise.shape}"
                )
            object.__setattr__(self, "noise", noise)

    def stream(self, seed: int, path: int = 0) -> "BatchStream":
        """Return the batches of one path of a seed."""
        return BatchStream(self, stream(seed, "optimiser", path))

    def samples(self, n_samples: int, seed: int = 0) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return features h (N, m), λ (N,) and targets (N, d) of single elements, N ≥ n_samples.

        N is n_samples filled up to whole batches.
        """
        x, e, gain, weight, target = self.stream(seed).draw(-(-n_samples // self.size))
        x, e, target = (part.reshape(-1, part.shape[-1]) for part in (x, e, target))
        features = self.features
        pre_activation = x @ features.W.T + e @ features.U.T
        h = features.act(pre_activation) * gain.reshape(-1, 1)
        return h, weight.ravel(), target


class BatchStream:
    """The batches of one path, in order."""

    def __init__(self, source: Minibatches, rng: np.random.Generator) -> None:
        self._source = source
        # Separate children: what is drawn of one kind does not shift the others.
        self._pick, self._time, self._noise = rng.spawn(3)
        self._epoch = np.empty(0, dtype=np.int64)

    def draw(self, steps: int) -> tuple[FloatArray, ...]:
        """Return x, e, gain, λ and target of the next steps.

        Shapes (steps, batch, d), (steps, batch, d_e), (steps, batch) twice, (steps, batch, d).
        """
        source = self._source
        shape = (steps, source.size)
        dimension = source.features.dimension
        index = self.indices(steps * source.size)
        objective = source.objective
        low, high = objective.rule.t_min, objective.rule.t_max
        t = low + (high - low) * self._time.random(shape)
        z = self._draws(index).reshape(*shape, dimension)
        std = objective.sde.std(t)[..., None]
        origin = source.data[index].reshape(*shape, dimension)
        return (
            objective.sde.scale(t)[..., None] * origin + std * z,
            source.features.embedding(t),
            source.features.output_scale(t),
            np.array(objective.weighting_values(t, dimension)),
            -z / std,
        )

    def indices(self, k: int) -> NDArray[np.int64]:
        """Return which points the next k elements start from, shape (k,)."""
        n = len(self._source.data)
        if not self._source.shuffle:
            return _uniform(self._pick, n, k)
        parts, held = [self._epoch], len(self._epoch)
        while held < k:
            parts.append(self._pick.permutation(n))
            held += n
        queue = np.concatenate(parts)
        self._epoch = queue[k:]
        return queue[:k]

    def _draws(self, index: NDArray[np.int64]) -> FloatArray:
        noise, dimension = self._source.noise, self._source.features.dimension
        if noise is None:
            return self._noise.standard_normal((len(index), dimension))
        return noise[index, _uniform(self._noise, noise.shape[1], len(index))][:, None]


def _uniform(rng: np.random.Generator, n: int, k: int) -> NDArray[np.int64]:
    """Return k uniform indices below n; unlike `integers`, one double each, whatever the chunks."""
    return np.minimum((n * rng.random(k)).astype(np.int64), n - 1)
