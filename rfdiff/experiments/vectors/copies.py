"""Losses and copies along training for several n and seeds, of one kind of data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...divergences.samples.memorised import memorised
from ...model.score import ExactScore
from ...runs.state import Loss
from ...runs.studies.memorisation_time import memorisation_time
from ...runs.trained_flow import TrainedFlow
from ...sampling.path_noise import PathNoise
from ...sampling.reversal import Reversal
from ...sampling.sampler import sample
from ...support.estimate import Estimate
from ...support.validation import FloatArray
from ..curves import Band, LongTable, Progress
from ..minima import Minima


@dataclass(frozen=True)
class Sampling:
    """How copies are counted: samples a training time, steps, end of the paths, and ratio.

    Training times are `n_tau` even ones in ln τ; τ_mem is found between them.
    """

    samples: int
    n_steps: int
    t: float
    ratio: float
    n_tau: int = 10


@dataclass(frozen=True, eq=False)
class Copies:
    """What becomes of losses and of copies along training, (n, seeds, …) each.

    Attributes:
        name: of the data, with its sizes.
        n: numbers of training points.
        tau: training times of the losses (k,).
        train: training loss per coordinate, (n, seeds, k).
        test: loss per coordinate of the population, or of held-out points.
        gaussian: that of the Gaussian score of the training points, (n, seeds).
        sampled: training times of the samples (j,).
        share: share of samples that copy a training point, (n, seeds, j).
        chance: the same share of fresh points, (n, seeds).
        empirical: that of samples of the empirical score, (n, seeds).
        tau_mem: from where on more copies are made than at first and by chance, or ∞, (n, seeds).
    """

    name: str
    n: tuple[int, ...]
    tau: FloatArray
    train: FloatArray
    test: FloatArray
    gaussian: FloatArray
    sampled: FloatArray
    share: FloatArray
    chance: FloatArray
    empirical: FloatArray
    tau_mem: FloatArray

    @cached_property
    def minima(self) -> Minima:
        """τ_gen and the test loss there, (n, seeds)."""
        return Minima.of(self.tau, Estimate(self.test))

    @cached_property
    def times(self) -> dict[str, FloatArray]:
        """τ_gen and τ_mem, (n, seeds) each."""
        return {"τ_gen": self.minima.tau, "τ_mem": self.tau_mem}

    def later(self, name: str) -> np.ndarray:
        """Return in how many seeds a time is later at each n than at the one before, (n − 1,).

        Training points are nested in n. A time that is never reached is later than any other.
        """
        times = self.times[name]
        return np.asarray((times[1:] > times[:-1]).sum(1))

    def lines(self) -> list[str]:
        """Return medians over seeds, with quartiles of times and shares, for each n."""
        seeds = self.test.shape[1]
        lines = [
            f"{self.name}, {seeds} seeds",
            f"{'n':>5} {'τ_gen':>26} {'inside':>6} {'least':>7} {'late':>7} {'train':>7} "
            f"{'Gauss':>6} {'first share':>20} {'last share':>20} {'chance':>6} {'empir.':>6} "
            f"{'τ_mem':>26} {'never':>5}",
        ]
        for i, n in enumerate(self.n):
            first, last = self.share[i, :, 0], self.share[i, :, -1]
            lines.append(
                f"{n:>5} {_spread(self.minima.tau[i], '.1e'):>26} "
                f"{self.minima.interior[i].mean():>6.0%} {np.median(self.minima.value[i]):>7.4f} "
                f"{np.median(self.test[i, :, -1]):>7.4f} {np.median(self.train[i, :, -1]):>7.4f} "
                f"{np.median(self.gaussian[i]):>6.4f} {_spread(first, '.3f'):>20} "
                f"{_spread(last, '.3f'):>20} {np.median(self.chance[i]):>6.3f} "
                f"{np.median(self.empirical[i]):>6.3f} {_spread(self.tau_mem[i], '.1e'):>26} "
                f"{np.isinf(self.tau_mem[i]).sum():>5}"
            )
        for name, times in self.times.items():
            if np.isinf(times).all():
                lines.append(f"{name} is never reached: no more copies than at first and by chance")
                continue
            steps = ", ".join(
                f"{later} of {seeds} from n = {a} to {b}"
                for a, b, later in zip(self.n[:-1], self.n[1:], self.later(name), strict=True)
            )
            lines.append(f"{name} is later in {steps}")
        return lines

    def add_to(self, table: LongTable) -> None:
        """Append losses, shares and times; a τ_mem never reached is inf."""
        for i, n in enumerate(self.n):
            for name in ("train", "test"):
                curves = getattr(self, name)[i]
                table.add_band(f"{self.name}: {name} loss", f"n={n}", self.tau, Band.of(curves))
            table.add_band(f"{self.name}: share", f"n={n}", self.sampled, Band.of(self.share[i]))
        for name in ("gaussian", "chance", "empirical"):
            band = Band.of(getattr(self, name).T)
            table.add_band(f"{self.name}: {name}", "against n", self.n, band)
        for name, times in self.times.items():
            table.add_band(f"{self.name}: {name}", "against n", self.n, of_times(times))


def of_times(times: FloatArray) -> Band:
    """Return the quartiles over seeds of times (n, seeds) that may be ∞: each is one of them.

    >>> of_times(np.array([[1.0, 2.0, np.inf]])).high
    array([inf])
    """
    low, middle, high = np.quantile(times, [0.25, 0.5, 0.75], axis=1, method="inverted_cdf")
    return Band(low, middle, high)


def count_copies(
    name: str,
    n: Sequence[int],
    train: Callable[[int, int], TrainedFlow],
    kind: Loss,
    seeds: int,
    sampling: Sampling,
    progress: Progress,
) -> Copies:
    """Train for every n and seed, and count copies among samples.

    Args:
        name: of the data.
        n: numbers of training points.
        train: returns the run of n points and a seed, along its τ.
        kind: the loss on what is not trained on: "population" or "test".
        seeds: number of seeds, from 0.
        sampling: how copies are counted.
        progress: is told what is done.
    """
    losses, counts = [], []
    for size in n:
        for seed in range(seeds):
            progress(f"{name}: n = {size}, seed {seed}")
            run = train(size, seed)
            sampled = np.geomspace(run.tau[0], run.tau[-1], sampling.n_tau)
            d = run.features.dimension
            gaussian = run.baselines(kind)["gaussian"].value
            losses.append([run.loss("train").value / d, run.loss(kind).value / d, gaussian / d])
            counts.append(_counts(run, sampled, sampling))
    train_loss, test, gaussian, share, chance, empirical, tau_mem = (
        np.array(part).reshape(len(n), seeds, *np.shape(part[0]))
        for part in zip(*(loss + count for loss, count in zip(losses, counts, strict=True)),
                        strict=True)
    )  # fmt: skip
    return Copies(
        name, tuple(n), run.tau, train_loss, test, gaussian, sampled, share, chance, empirical,
        tau_mem,
    )  # fmt: skip


def _counts(run: TrainedFlow, tau: FloatArray, sampling: Sampling) -> list[FloatArray]:
    """Return shares of copies along τ, of fresh points and of the empirical score, and τ_mem."""
    data, n = run.data, sampling.samples
    assert data is not None, "copies are of training points"

    def copy(x: FloatArray) -> NDArray[np.bool_]:
        flat = memorised(x.reshape(-1, x.shape[-1]), data, ratio=sampling.ratio)
        return flat.reshape(x.shape[:-1])

    def copies(at: FloatArray) -> NDArray[np.bool_]:
        return copy(run.sample(n, at, t=sampling.t, n_steps=sampling.n_steps, progress=False))

    fresh = run.problem.held_out
    if fresh is None:
        assert run.target is not None, "fresh points are held out or of a target"
        fresh = run.target.sample(n, np.random.default_rng(run.seed))
    by_chance, along = copy(fresh), copies(tau)
    way = Reversal(run.sde, sampling.t, n_steps=sampling.n_steps)
    score = ExactScore(run.problem.training_law, run.sde)
    empirical = copy(sample(score, way, n, noise=PathNoise(run.seed), progress=False))
    chance = int(by_chance.sum()), len(fresh)
    at = memorisation_time(tau, along, copies, fresh=chance, seed=run.seed)
    return [along.mean(-1), by_chance.mean(), empirical.mean(), at.value]


def _spread(values: FloatArray, form: str) -> str:
    """Return a median and quartiles, each of which is one of the values."""
    band = of_times(values[None])
    low, middle, high = (f"{float(part[0]):{form}}" for part in (band.low, band.middle, band.high))
    return f"{middle} ({low}, {high})"
