"""What can be recorded of a trained flow: curves along τ, and the numbers drawn from them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from ..early_stopping import early_stopping
from ..estimate import Estimate
from ..quadratic import QuadraticLoss
from ..trained_flow import TrainedFlow
from ..validation import FloatArray
from .result import Scalar


@dataclass(frozen=True, eq=False)
class Measurement:
    """A trained flow under measurement; curves that several observables need are taken once.

    Attributes:
        run: the trained flow.
        tau: training times of the curves.
        settings: keyword arguments of `TrainedFlow.kl` (t, against, certify).
        population: the population's loss.
    """

    run: TrainedFlow
    tau: FloatArray
    settings: Mapping[str, Any]
    population: Callable[[], QuadraticLoss]

    def __post_init__(self) -> None:
        object.__setattr__(self, "_taken", {})

    def curve(self, name: str) -> Estimate:
        """Return the curve `name` of `CURVES` at all training times."""
        taken: dict[str, Estimate] = self.__dict__["_taken"]
        if name not in taken:
            taken[name] = CURVES[name](self, self.tau)
        return taken[name]

    def curve_at(self, name: str, tau: FloatArray) -> Estimate:
        """Return a curve at other training times."""
        return self.curve(name) if np.array_equal(tau, self.tau) else CURVES[name](self, tau)


def _kl(method: str) -> Callable[[Measurement, FloatArray], Estimate]:
    return lambda taken, tau: taken.run.kl(tau, method=method, **taken.settings)


def _train_loss(taken: Measurement, tau: FloatArray) -> Estimate:
    return Estimate(taken.run.loss("train", tau))


def _population_loss(taken: Measurement, tau: FloatArray) -> Estimate:
    return Estimate(taken.population()(taken.run.theta(tau)))


CURVES: Mapping[str, Callable[[Measurement, FloatArray], Estimate]] = MappingProxyType(
    {
        "kl": _kl("score-integral"),
        "kl_flow": _kl("probability-flow"),
        "kl_sde": _kl("reverse-sde"),
        "loss_train": _train_loss,
        "loss_population": _population_loss,
    }
)

# Losses are exact for their time rule: they have no error of their own to record.
_EXACT = ("loss_train", "loss_population")

Curves = dict[str, FloatArray]
Scalars = dict[str, Scalar]


Measure = Callable[[Measurement], tuple[Curves, Scalars]]


def _curve(name: str) -> Measure:
    def measure(taken: Measurement) -> tuple[Curves, Scalars]:
        estimate = taken.curve(name)
        curves = {name: estimate.value}
        if name not in _EXACT:
            curves[f"{name}_error"] = estimate.error
        return curves, {}

    return measure


def _stopping(curve: str, suffix: str) -> Measure:
    def measure(taken: Measurement) -> tuple[Curves, Scalars]:
        best = early_stopping(lambda tau: taken.curve_at(curve, tau), taken.tau, curve)
        return {}, {
            f"tau_es{suffix}": best.tau,
            f"tau_es{suffix}_at": best.at,
            f"{curve}_best": float(best.value),
            f"{curve}_best_error": float(best.value.error),
            f"{curve}_end": float(taken.curve(curve).value[-1]),
        }

    return measure


def _spectrum(taken: Measurement) -> tuple[Curves, Scalars]:
    """Summarise the eigenvalues λ of the training Gram."""
    values = np.maximum(taken.run.flow.eigenvalues, 0.0)
    rounding = len(values) * np.finfo(np.float64).eps * values.max()
    return {}, {
        "gram_max": float(values.max()),
        "gram_trace": float(values.sum()),
        "gram_rank": float(np.count_nonzero(values > rounding)),
        "gram_participation": float(values.sum() ** 2 / (values**2).sum()),
    }


# One for each of `recipe.OBSERVABLES`.
MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        **{name: _curve(name) for name in CURVES},
        "tau_es": _stopping("kl", ""),
        "tau_es_flow": _stopping("kl_flow", "_flow"),
        "tau_es_sde": _stopping("kl_sde", "_sde"),
        "tau_es_population": _stopping("loss_population", "_population"),
        "spectrum": _spectrum,
    }
)
