"""When samples of a run begin to copy its training points: shares and distances along training."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...divergences.samples.memorised import (
    memorised,
    nearest_distances,
    share_memorised,
)
from ...divergences.samples.nearest_neighbour_accuracy import nearest_neighbour_accuracy
from ...divergences.samples.sliced_wasserstein import sliced_wasserstein
from ...model.score import ExactScore
from ...numerics.binomial import binomial_share
from ...numerics.bootstrap import BootstrapEstimate
from ...sampling.path_noise import PathNoise
from ...sampling.reversal import Reversal
from ...sampling.sampler import sample
from ...support.errors import ArgumentError
from ...support.estimate import Estimate
from ...support.interval_estimate import IntervalEstimate
from ...support.random import stream
from ...support.validation import FloatArray, count, real
from ..densities import TrainedDensities
from ..state import Loss
from .generalisation_time import generalisation_time
from .memorisation_time import memorisation_time
from .onset import in_words

# Directions of the sliced distance: they leave an error of about a tenth of it.
_DIRECTIONS = 32


@dataclass(frozen=True, eq=False)
class Memorisation:
    """What samples of a run are to its training points and to fresh ones, along training.

    Fresh points are the held-out ones, or drawn from the target where none are held out. All
    training times have the same noise. Distances are in the data's unit (within the principal
    coordinates, where training has those), means with one standard error.

    Attributes:
        tau: training times (k,), ascending.
        share: share of samples that copy a training point, (k,); see `rfdiff.share_memorised`.
        share_fresh: the same share of fresh points: what chance makes.
        share_empirical: that of samples of the exact score of the training points, by the same
            sampler with the same noise: what complete memorisation makes.
        to_training: mean distance of samples to the nearest training point, (k,).
        to_fresh: mean distance to the nearest of as many fresh points, or of all there are, (k,).
        accuracy: of telling samples from fresh points by the nearest neighbour, (k,).
        distance: sliced W₁ between samples and fresh points, (k,).
        tau_gen: where the population loss is lowest, or the test loss where the law is unknown. The
            interval of the former is where it is lowest to within its error, that of the latter
            from a bootstrap over groups of held-out points.
        tau_mem: first τ at which the lower limit of `share` is above the upper limits both of its
            first value and of `share_fresh`; +∞ if none is. The interval resamples paths.
        loss_of_tau_gen: "population" or "test".
        t: where paths end.
        n_samples: number of samples.
    """

    tau: FloatArray
    share: IntervalEstimate
    share_fresh: IntervalEstimate
    share_empirical: IntervalEstimate
    to_training: Estimate
    to_fresh: Estimate
    accuracy: Estimate
    distance: BootstrapEstimate
    tau_gen: IntervalEstimate
    tau_mem: IntervalEstimate
    loss_of_tau_gen: Loss
    t: float
    n_samples: int

    def table(self) -> str:
        """Return a line for each training time, and what they are to be compared with."""
        share, sliced = self.share, self.distance
        lines = [
            "      tau   memorised (95 %)        to training    to fresh   1-NN accuracy"
            "    sliced W1 (95 %)"
        ]
        for i, tau in enumerate(self.tau):
            near, far, accuracy = self.to_training[i], self.to_fresh[i], self.accuracy[i]
            lines.append(
                f"{tau:9.3g}   {share.value[i]:.3f} ({share.low[i]:.3f} to {share.high[i]:.3f})"
                f"   {near.value:10.4g}  {far.value:10.4g}"
                f"   {accuracy.value:.3f} ± {accuracy.error:.3f}"
                f"   {sliced.value[i]:.4g} ({sliced.low[i]:.4g} to {sliced.high[i]:.4g})"
            )
        return "\n".join([
            *lines,
            "",
            f"memorised of fresh points {self.share_fresh}, of the empirical score's samples "
            f"{self.share_empirical}",
            f"tau_gen, the lowest {self.loss_of_tau_gen} loss: {in_words(self.tau_gen)}",
            f"tau_mem, more copies than at first and by chance: {in_words(self.tau_mem)}",
            f"{self.n_samples} samples at t = {self.t:g}",
        ])  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Samples:
    """Samples of a run beside its training points, in units of training, where the process runs.

    Args:
        run: the run.
        n: number of samples.
        way: from T to t.
        ratio: of distances, below which a sample is a copy.
        progress: whether to show progress bars.
    """

    run: TrainedDensities
    n: int
    way: Reversal
    ratio: float
    progress: bool | None

    @property
    def training(self) -> FloatArray:
        """Training points (n, d)."""
        if self.run.data is None:
            raise ArgumentError("memorisation needs training data, not the population")
        return self.run.problem.units.to_training(self.run.data)

    @property
    def fresh(self) -> FloatArray:
        """Held-out points, or as many fresh ones as samples, and as training points, (K, d)."""
        problem, points = self.run.problem, self.run.problem.held_out
        if points is None and problem.target is not None:
            n = max(self.n, len(self.training))
            points = problem.target.sample(n, stream(problem.seed, "data", 1))
        if points is None:
            raise ArgumentError(
                "memorisation needs fresh points: pass held_out > 0 with data, or a target"
            )
        return problem.units.to_training(points)

    def at(self, tau: FloatArray) -> FloatArray:
        """Return samples at training times (k,), (k, n, d)."""
        run, way = self.run, self.way
        own = run.sample(
            self.n, tau, t=way.t, scheme=way.scheme, n_steps=way.n_steps, progress=self.progress
        )
        return run.problem.units.to_training(own).reshape(len(tau), self.n, -1)

    def of_the_empirical_score(self) -> FloatArray:
        """Return samples of the exact score of the training points, (n, d)."""
        score = ExactScore(self.run.problem.training_law, self.run.sde)
        return sample(
            score, self.way, self.n, noise=PathNoise(self.run.seed), progress=self.progress
        ).reshape(self.n, -1)

    def copies(self, x: FloatArray) -> NDArray[np.bool_]:
        """Return which of samples (k, n, d) copy a training point, (k, n)."""
        flat = memorised(x.reshape(-1, x.shape[-1]), self.training, ratio=self.ratio)
        return flat.reshape(len(x), -1)


def memorisation(
    run: TrainedDensities,
    tau: FloatArray,
    *,
    n_samples: int,
    t: float | None,
    scheme: str,
    n_steps: int,
    ratio: float,
    n_boot: int,
    progress: bool | None,
) -> Memorisation:
    """Return what `TrainedStudies.memorisation` says."""
    n, n_boot = count("n_samples", n_samples, 2), count("n_boot", n_boot, 10)
    t = run.problem.objective.rule.t_min if t is None else real("t", t)
    samples = _Samples(run, n, Reversal(run.sde, t, scheme, n_steps), ratio, progress)
    training, fresh, seed = samples.training, samples.fresh, run.seed
    share_fresh = share_memorised(fresh, training, ratio=ratio)
    loss: Loss = "population" if run.target is not None else "test"
    tau = np.unique(tau)
    x = samples.at(tau)
    copies = samples.copies(x)
    empirical = share_memorised(samples.of_the_empirical_score(), training, ratio=ratio)
    as_many = fresh if run.problem.held_out is not None else fresh[: len(training)]
    length = run.problem.units.length_to_own
    return Memorisation(
        tau=tau,
        share=binomial_share(copies.sum(-1), n),
        share_fresh=share_fresh,
        share_empirical=empirical,
        to_training=_mean_distances(x, training, length),
        to_fresh=_mean_distances(x, as_many, length),
        accuracy=_accuracies(x, fresh, seed),
        distance=_distances(x, fresh, length, n_boot=n_boot, seed=seed),
        tau_gen=generalisation_time(run, loss),
        loss_of_tau_gen=loss,
        tau_mem=memorisation_time(
            tau, copies, lambda more: samples.copies(samples.at(more)),
            fresh=(round(float(share_fresh) * len(fresh)), len(fresh)), seed=seed,
        ),
        t=t,
        n_samples=n,
    )  # fmt: skip


def _mean_distances(
    x: FloatArray, points: FloatArray, length: Callable[[ArrayLike], FloatArray]
) -> Estimate:
    """Return the mean distances of samples (k, n, d) to the nearest of points, (k,)."""
    nearest = length(nearest_distances(x.reshape(-1, x.shape[-1]), points)).reshape(len(x), -1)
    error = nearest.std(-1, ddof=1) / np.sqrt(nearest.shape[-1])
    return Estimate(nearest.mean(-1), error, "one standard error of the samples")


def _accuracies(x: FloatArray, fresh: FloatArray, seed: int) -> Estimate:
    """Return the accuracy of telling samples (k, n, d) from fresh points, (k,)."""
    found = [nearest_neighbour_accuracy(part, fresh, seed=seed) for part in x]
    value, error = ([getattr(one, name) for one in found] for name in ("value", "error"))
    return Estimate(value, error, found[0].error_covers)


def _distances(
    x: FloatArray,
    fresh: FloatArray,
    length: Callable[[ArrayLike], FloatArray],
    *,
    n_boot: int,
    seed: int,
) -> BootstrapEstimate:
    """Return sliced W₁ between samples (k, n, d) and fresh points, (k,)."""
    found = [
        sliced_wasserstein(part, fresh, n_directions=_DIRECTIONS, n_boot=n_boot, seed=seed)
        for part in x
    ]
    value, low, high = (
        length([getattr(one, name) for one in found]) for name in ("value", "low", "high")
    )
    return BootstrapEstimate(value, low, high, found[0].confidence)
