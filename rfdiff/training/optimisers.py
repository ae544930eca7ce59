"""Stochastic optimisers: SGD, the heavy ball and Adam, each with its constants.

A rate multiplies ∇_θ, θ = A/√m: it is the mean-field rate, m times smaller on A.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from .._kernels import optimisers as kernels
from ..support.errors import ArgumentError
from ..support.validation import FloatArray, finite_array, positive, real

LearningRate = float | Callable[[FloatArray], FloatArray]


@runtime_checkable
class Optimiser(Protocol):
    """What a step does with the gradient of a batch."""

    @property
    def learning_rate(self) -> LearningRate:
        """η, or a function of the step numbers 0, 1, … returning each step's rate."""

    @property
    def kernel(self) -> int:
        """The rule in `_kernels.optimisers` that takes the steps."""

    @property
    def constants(self) -> FloatArray:
        """The rule's constants, as the kernel takes them."""


@dataclass(frozen=True)
class SGD:
    """θ ← θ − η∇.

    Args:
        learning_rate: η, or a function of the step numbers 0, 1, … returning each step's rate.

    Raises:
        ArgumentError: a rate that is not positive.
    """

    learning_rate: LearningRate = 0.01

    kernel: ClassVar[int] = kernels.SGD

    def __post_init__(self) -> None:
        _check_rate(self.learning_rate)

    @property
    def constants(self) -> FloatArray:
        """No momentum."""
        return np.zeros(1)


@dataclass(frozen=True)
class HeavyBall:
    """θ_{k+1} = θ_k − η∇ + β(θ_k − θ_{k−1}).

    Args:
        learning_rate: η, as in `SGD`.
        momentum: β in [0, 1).

    Raises:
        ArgumentError: a constant out of its range.
    """

    learning_rate: LearningRate = 0.01
    momentum: float = 0.9

    kernel: ClassVar[int] = kernels.SGD

    def __post_init__(self) -> None:
        _check_rate(self.learning_rate)
        if not 0.0 <= real("momentum", self.momentum) < 1.0:
            raise ArgumentError(f"momentum must be in [0, 1), got {self.momentum:g}")

    @property
    def constants(self) -> FloatArray:
        """β."""
        return np.array([self.momentum])


@dataclass(frozen=True)
class Adam:
    """θ ← θ − η m̂/(√v̂ + ε), m̂ and v̂ the debiased means of ∇ and ∇².

    Args:
        learning_rate: η, as in `SGD`.
        betas: decay rates of the two means, in [0, 1).
        epsilon: ε.

    Raises:
        ArgumentError: a constant out of its range.
    """

    learning_rate: LearningRate = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8

    kernel: ClassVar[int] = kernels.ADAM

    def __post_init__(self) -> None:
        _check_rate(self.learning_rate)
        for beta in self.betas:
            if not 0.0 <= real("betas", beta) < 1.0:
                raise ArgumentError(f"betas must be in [0, 1), got {self.betas}")
        positive("epsilon", self.epsilon)

    @property
    def constants(self) -> FloatArray:
        """β₁, β₂ and ε."""
        return np.array([*self.betas, self.epsilon])


def learning_rates(optimiser: Optimiser, n_steps: int) -> FloatArray:
    """Return the learning rate of every step, shape (n_steps,).

    Raises:
        ArgumentError: no optimiser, or a function that does not return one positive rate a step.
    """
    if not isinstance(optimiser, Optimiser):
        raise ArgumentError(f"optimiser must be an SGD, HeavyBall or Adam, got {optimiser!r}")
    rate = optimiser.learning_rate
    if not callable(rate):
        return np.full(n_steps, float(rate))
    rates = finite_array("learning_rate(k)", rate(np.arange(n_steps, dtype=float)))
    if rates.shape != (n_steps,) or (rates <= 0).any():
        raise ArgumentError(
            f"learning_rate(k) must be positive with one value a step, ({n_steps},), "
            f"got shape {rates.shape} and minimum {rates.min():g}"
        )
    return rates


def _check_rate(rate: LearningRate) -> None:
    if not callable(rate):
        positive("learning_rate", rate)
