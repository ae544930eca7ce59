"""What is trained on what: the checked arguments of a training run, drawn and in units."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..data.units import Units
from ..diffusion.mixtures import GaussianMixture, bimodal
from ..diffusion.sde import VESDE, ForwardSDE
from ..diffusion.targets import CompactTarget, Target
from ..loss.noise_draws import noise_draw_quadratic
from ..loss.noise_expectation import denoising_quadratic
from ..loss.objective import DenoisingObjective, Weighting
from ..loss.quadratic import QuadraticLoss
from ..model.features import (
    EMBEDDINGS,
    FEATURE_LAWS,
    RandomFeatures,
    draw_features,
    make_embedding,
)
from ..support.errors import ArgumentError
from ..support.random import stream
from ..support.validation import (
    FloatArray,
    between,
    count,
    finite_array,
    memory,
    one_of,
    points,
    positive,
)

DEFAULT_N = 1000


@dataclass(frozen=True, eq=False)
class TrainingProblem:
    """Everything that determines a training run.

    Attributes:
        target: law p₀ where it is known, else None.
        data: training points in their own units, (n, 1); None when training on the law itself.
        held_out: points set aside, in their own units, (n_test, 1), or None.
        units: of training; the identity whenever `target` is known.
        objective: process, time rule and weighting of the loss.
        features: frozen features.
        noise: fixed noise draws z (n, k), or None for the exact expectation.
        theta0: θ₀, shape (1, m).
        seed: of sampling and everything else that is drawn later.
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

    def quadratic(self, law: Target) -> QuadraticLoss:
        """Return the denoising loss under a law in units of training."""
        return denoising_quadratic(law, self.objective, self.features)

    def training_quadratic(self) -> QuadraticLoss:
        """Return the loss that is trained on."""
        if self.noise is None or self.data is None:
            return self.quadratic(self.training_law)
        u = self.units.to_training(self.data)
        return noise_draw_quadratic(u, self.noise, self.objective, self.features)

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


def make_problem(
    *,
    target: Target | None,
    data: ArrayLike | None,
    n: int | None,
    m: int,
    seed: int,
    sde: ForwardSDE | None,
    features: str | RandomFeatures,
    embedding: Any,
    activation: str,
    precondition: bool,
    weighting: Weighting,
    t_min: float,
    n_times: int,
    noise_samples: int | None,
    population: bool,
    theta0: ArrayLike | str | None,
    held_out: float,
    standardise: bool | None,
) -> TrainingProblem:
    """Check the arguments of `train_exact`, draw what is to be drawn, and fix the units."""
    sde = VESDE() if sde is None else sde
    if not isinstance(sde, ForwardSDE):
        raise ArgumentError(f"sde must be a ForwardSDE such as VESDE(), got {sde!r}")
    if positive("t_min", t_min) >= sde.T:
        raise ArgumentError(f"t_min must be below T = {sde.T:g}, got {t_min:g}")
    n = None if n is None else count("n", n)
    draws = None if noise_samples is None else count("noise_samples", noise_samples)
    data = None if data is None else _one_dimensional(data)
    _check_law(target)
    _check_choices(target, data, held_out, population, draws, standardise)
    _check_memory(
        features.width if isinstance(features, RandomFeatures) else count("m", m),
        count("n_times", n_times),
        (DEFAULT_N if n is None else n) if data is None else len(data),
        draws or 0,
    )
    objective = DenoisingObjective.graded(sde, t_min, n_times, weighting)
    chosen = _choose_features(features, m, sde, embedding, activation, precondition, seed)
    if data is None:
        target, test = target or bimodal(), None
        n = DEFAULT_N if n is None else n
        train = None if population else target.sample(n, stream(seed, "data"))
    else:
        train, test = _split(data, held_out, n, seed)
    if standardise is None:
        standardise = target is None and isinstance(features, str)
    return TrainingProblem(
        target=target,
        data=train,
        held_out=test,
        units=Units() if train is None or not standardise else Units.standardising(train),
        objective=objective,
        features=chosen,
        noise=None if train is None or draws is None else _noise(len(train), draws, seed),
        theta0=_initial(theta0, chosen.width, seed),
        seed=seed,
    )


def _check_memory(m: int, n_times: int, n: int, draws: int) -> None:
    """Refuse sizes that will not fit, before anything of that size is drawn."""
    memory("training", 8.0 * m * (4 * m + 24 * n_times))
    memory("the training data", 8.0 * n * (8 + 2 * draws))


def _check_law(target: Target | None) -> None:
    if target is None:
        return
    if not isinstance(target, GaussianMixture | CompactTarget):
        raise ArgumentError(
            f"target must be a GaussianMixture or a compact target, got {type(target).__name__}"
        )
    if target.dimension != 1:
        raise ArgumentError(
            f"target must be one-dimensional: d ≥ 2 is not supported, got d = {target.dimension}"
        )


def _check_choices(
    target: Target | None,
    data: ArrayLike | None,
    held_out: float,
    population: bool,
    draws: int | None,
    standardise: bool | None,
) -> None:
    """Refuse combinations that contradict each other."""
    between("held_out", held_out, 0.0, 0.9)
    if held_out > 0 and data is None:
        raise ArgumentError(
            f"held_out needs data: a known target has its exact population loss, got {held_out:g}"
        )
    if population and data is not None:
        raise ArgumentError("population training uses the target itself: give it no data")
    if population and draws is not None:
        raise ArgumentError(f"noise_samples needs a sample, not the population, got {draws}")
    if standardise and target is not None:
        raise ArgumentError("standardise must not be set with a known target: it fixes the units")


def _one_dimensional(data: ArrayLike) -> FloatArray:
    data = points("data", data)
    if data.shape[1] != 1:
        raise ArgumentError(
            f"data must be one-dimensional: d ≥ 2 is not supported, got shape {data.shape}"
        )
    return data


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


def _noise(n: int, draws: int, seed: int) -> FloatArray:
    """Return fixed noise draws z (n, k), nested in n and in k."""
    return np.stack([stream(seed, "noise", k).standard_normal(n) for k in range(draws)], axis=1)


def _choose_features(
    features: str | RandomFeatures,
    m: int,
    sde: ForwardSDE,
    embedding: Any,
    activation: str,
    precondition: bool,
    seed: int,
) -> RandomFeatures:
    if isinstance(features, RandomFeatures):
        if features.dimension != 1:
            raise ArgumentError(
                f"features must be one-dimensional: d ≥ 2 is not supported, got d = "
                f"{features.dimension}"
            )
        return features
    one_of("features", features, FEATURE_LAWS)
    if isinstance(embedding, str):
        one_of("embedding", embedding, EMBEDDINGS)
    return draw_features(
        features,
        m,
        make_embedding(embedding, sde, seed),
        seed=seed,
        activation=activation,
        preconditioner=sde if precondition else None,
    )


def _initial(theta0: ArrayLike | str | None, m: int, seed: int) -> FloatArray:
    """Return θ₀ (1, m): zero, given, or A₀/√m with A₀ ~ N(0, 1)."""
    if theta0 is None:
        return np.zeros((1, m))
    if isinstance(theta0, str):
        one_of("theta0", theta0, ("gaussian",))
        return stream(seed, "initial").standard_normal((1, m)) / np.sqrt(m)
    theta0 = finite_array("theta0", theta0)
    if theta0.shape not in ((m,), (1, m)):
        raise ArgumentError(f"theta0 must have shape (1, {m}) or ({m},), got {theta0.shape}")
    return theta0.reshape(1, m)
