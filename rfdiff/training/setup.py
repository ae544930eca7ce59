"""What is trained on what: data, features and noise drawn from checked arguments, and units."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..data.units import Units
from ..diffusion.mixtures import GaussianMixture
from ..diffusion.targets import TARGETS, Target
from ..loss.minibatches import Minibatches
from ..loss.noise_draws import noise_draw_quadratic
from ..loss.noise_expectation import denoising_quadratic
from ..loss.objective import DenoisingObjective
from ..loss.quadratic import QuadraticLoss
from ..model.affine_skip import SKIPS, AffineSkip
from ..model.embeddings import make_embedding
from ..model.features import RandomFeatures, draw_features
from ..model.marginal_scaling import MarginalScaling
from ..support.arguments import ARGUMENTS
from ..support.errors import ArgumentError
from ..support.random import stream
from ..support.registry import make
from ..support.validation import FloatArray, memory, one_of, squarable_array
from .arguments import TrainingArguments, extent


@dataclass(frozen=True, eq=False)
class TrainingProblem:
    """Everything that determines a training run.

    Attributes:
        target: law p₀ where it is known, else None.
        data: training points in their own units, (n, D); None when training on the law itself.
        held_out: points set aside, in their own units, (n_test, D), or None.
        units: of training; the identity whenever `target` is known.
        objective: process, time rule and weighting of the loss.
        features: frozen features, of d dimensions: D, or the number of principal coordinates.
        noise: fixed noise draws z, (n, k) on the line, (n, k, d) elsewhere, or None for the
            exact expectation.
        theta0: θ₀, shape (d, m).
        seed: of sampling and everything else that is drawn later.
        skip: a fixed affine part of the score, or None.
    """

    target: Target | None
    data: FloatArray | None
    held_out: FloatArray | None
    units: Units
    objective: DenoisingObjective
    features: RandomFeatures
    noise: FloatArray | None
    theta0: FloatArray
    seed: int
    skip: AffineSkip | None = None

    def quadratic(self, law: Target) -> QuadraticLoss:
        """Return the denoising loss under a law in units of training."""
        with np.errstate(over="ignore", invalid="ignore"):
            loss = denoising_quadratic(law, self.objective, self.features, self.skip)
        return self._finite(loss)

    def training_quadratic(self) -> QuadraticLoss:
        """Return the loss that is trained on."""
        if self.noise is None or self.data is None:
            return self.quadratic(self.training_law)
        u = self.units.to_training(self.data)
        with np.errstate(over="ignore", invalid="ignore"):
            loss = noise_draw_quadratic(u, self.noise, self.objective, self.features, self.skip)
        return self._finite(loss)

    def _finite(self, loss: QuadraticLoss) -> QuadraticLoss:
        """Return a loss if its matrices are finite: data and features may be so, and no product."""
        if not (np.isfinite(loss.gram).all() and np.isfinite(loss.cross).all()):
            w, u = (float(np.abs(rows).max()) for rows in (self.features.W, self.features.U))
            raise ArgumentError(
                "features must have squares on the data that are finite, got W up to "
                f"{w:g} and U up to {u:g} for {'data' if self.target is None else 'a target'} "
                f"up to {self._reach():g}"
            )
        return loss

    def _reach(self) -> float:
        """Return the largest size of a training point, or of the target where there are none."""
        if self.data is not None:
            return float(np.abs(self.units.to_training(self.data)).max())
        assert self.target is not None, "a problem has data or a law"
        return float(np.abs(extent(self.target)).max())

    def batches(self, size: int, *, shuffle: bool = True) -> Minibatches:
        """Return random batches of the loss that is trained on.

        Args:
            size: elements a step.
            shuffle: visit every point once an epoch; False draws independently.

        Raises:
            ArgumentError: there are no data: training is on the population.
        """
        if self.data is None:
            raise ArgumentError("batches need training data, not the population")
        if self.features.dimension > 1:
            raise ArgumentError("batches are of points on the line, d = 1: vectors train exactly")
        u = self.units.to_training(self.data)
        return Minibatches(u, self.objective, self.features, size, shuffle, self.noise)

    @property
    def training_law(self) -> Target:
        """The law trained on, in units of training: the data's, or the population's."""
        if self.data is not None:
            return self.empirical(self.data)
        assert self.target is not None, "a problem has data or a law"
        return self.target

    def empirical(self, data: FloatArray) -> GaussianMixture:
        """Return the empirical law of points in their own units, in units of training."""
        return GaussianMixture.from_points(self.units.to_training(data))


def make_problem(arguments: TrainingArguments) -> TrainingProblem:
    """Draw what is to be drawn for the arguments of `train_exact`, and fix the units.

    Raises:
        MemoryLimitError: sizes that will not fit; nothing of that size has been drawn then.
        ArgumentError: arguments that do not fit the data.
    """
    _check_memory(arguments)
    seed, target = arguments.seed, arguments.target
    if (data := arguments.points) is None:
        target = target if target is not None else make(TARGETS, {})
        train, held_out = None, None
        if not arguments.population:
            train = target.sample(_sample_size(arguments), stream(seed, "data"))
    else:
        train, held_out = _split(data, arguments.held_out, arguments.n, seed)
    draws, units = arguments.noise_samples, _units(arguments, train)
    law = GaussianMixture.from_points(units.to_training(train)) if train is not None else target
    assert law is not None, "a problem has data or a law"
    features = _choose_features(arguments, law if target is None else target)
    d = features.dimension
    return TrainingProblem(
        target=target,
        data=train,
        held_out=held_out,
        units=units,
        objective=arguments.objective,
        features=features,
        noise=None if train is None or draws is None else _noise(len(train), draws, d, seed),
        theta0=_initial(arguments.theta0, (d, features.width), seed),
        seed=seed,
        skip=SKIPS[arguments.skip](law, arguments.process) if d > 1 else None,
    )


def _sample_size(arguments: TrainingArguments) -> int:
    """Return the number of points that are drawn from a target."""
    return int(ARGUMENTS["n"].usual) if arguments.n is None else arguments.n


def _check_memory(arguments: TrainingArguments) -> None:
    """Refuse sizes that will not fit, before anything of that size is drawn."""
    features, data = arguments.features, arguments.points
    m = features.width if isinstance(features, RandomFeatures) else arguments.m
    d, n_times = arguments.dimension, len(arguments.objective.rule)
    memory("training", 8.0 * m * (4 * m + 24 * n_times + 8 * (d - 1)))
    n = _sample_size(arguments) if data is None else len(data)
    memory("the training data", 8.0 * n * d * (8 + 2 * (arguments.noise_samples or 0)))


def _units(arguments: TrainingArguments, train: FloatArray | None) -> Units:
    """Return the units of training: the data's spread, unless law or features fix them."""
    standardise = arguments.standardise
    if standardise is None:
        unknown = arguments.data is not None and arguments.target is None
        standardise = unknown and isinstance(arguments.features, str)
    if train is not None and arguments.pca is not None:
        return Units.principal(train, arguments.pca, standardise)
    return Units.standardising(train) if standardise and train is not None else Units()


def _split(
    data: FloatArray, held_out: float, n: int | None, seed: int
) -> tuple[FloatArray, FloatArray | None]:
    """Return training and held-out points; the split depends on the seed, not on n."""
    n_test = int(np.ceil(held_out * len(data)))
    if n_test >= len(data):
        raise ArgumentError(f"held_out leaves no training data: {held_out:g} of {len(data)} points")
    test = np.zeros(len(data), dtype=bool)
    test[np.argsort(stream(seed, "split").random(len(data)), kind="stable")[:n_test]] = True
    train = data[~test]
    if n is not None and n > len(train):
        raise ArgumentError(
            f"n must be at most the {len(train)} training points there are, got {n}"
        )
    return train[:n], data[test] if n_test else None


def _noise(n: int, draws: int, d: int, seed: int) -> FloatArray:
    """Return fixed noise draws z, (n, k) on the line or (n, k, d), nested in n and in k."""
    shape = n if d == 1 else (n, d)
    return np.stack([stream(seed, "noise", k).standard_normal(shape) for k in range(draws)], axis=1)


def _choose_features(arguments: TrainingArguments, law: Target) -> RandomFeatures:
    """Return the features given, or those drawn by name; scaled, if so, by the size of a law."""
    sde, d = arguments.process, arguments.dimension
    if isinstance(arguments.features, RandomFeatures):
        return arguments.features
    scaling = None
    if arguments.scaling != "none" and isinstance(law, GaussianMixture):
        std = float(np.sqrt(law.variance.mean()))
        scaling = MarginalScaling(sde, std, output=arguments.scaling == "both")
    return draw_features(
        arguments.features,
        arguments.m,
        make_embedding(arguments.embedding, sde, arguments.seed),
        seed=arguments.seed,
        activation=arguments.activation,
        dimension=d,
        preconditioner=sde if arguments.precondition else None,
        scaling=scaling,
    )


def _initial(theta0: ArrayLike | str | None, shape: tuple[int, int], seed: int) -> FloatArray:
    """Return θ₀ (d, m): zero, given, or A₀/√m with A₀ ~ N(0, 1)."""
    d, m = shape
    if theta0 is None:
        return np.zeros(shape)
    if isinstance(theta0, str):
        one_of("theta0", theta0, ("gaussian",))
        return stream(seed, "initial").standard_normal(shape) / np.sqrt(m)
    theta0 = squarable_array("theta0", theta0)
    if theta0.shape != shape and not (d == 1 and theta0.shape == (m,)):
        or_flat = f" or ({m},)" if d == 1 else ""
        raise ArgumentError(f"theta0 must have shape ({d}, {m}){or_flat}, got {theta0.shape}")
    return theta0.reshape(shape)
