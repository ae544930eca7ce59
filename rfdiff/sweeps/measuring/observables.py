"""What can be recorded of a trained flow: curves along τ, and the numbers drawn from them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from ...diffusion.targets import Target
from ...runs.trained_flow import TrainedFlow
from ...support.estimate import Estimate
from ...support.validation import FloatArray
from ...training.early_stopping import early_stopping
from ..points.identity import Point
from .result import Scalar
from .sharing import BOUND_TIMES, limit_loss, population_loss


@dataclass(frozen=True, eq=False)
class Measurement:
    """A trained flow under measurement; curves that several observables need are taken once.

    Attributes:
        run: the trained flow.
        tau: training times of the curves.
        settings: keyword arguments of `TrainedFlow.kl` (t, against, certify).
        point: the point that was trained.
        law: its target.
    """

    run: TrainedFlow
    tau: FloatArray
    settings: Mapping[str, Any]
    point: Point
    law: Target

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


def _kl(method: Any) -> Callable[[Measurement, FloatArray], Estimate]:
    return lambda taken, tau: taken.run.kl(tau, method=method, **taken.settings)


def _train_loss(taken: Measurement, tau: FloatArray) -> Estimate:
    return taken.run.loss("train", tau)


def _population_loss(taken: Measurement, tau: FloatArray) -> Estimate:
    quadratic = population_loss(taken.point, taken.law, taken.run.problem)
    return Estimate(taken.run.flow.loss(tau, quadratic))


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
            f"tau_es{suffix}_low": best.low,
            f"tau_es{suffix}_high": best.high,
            f"tau_es{suffix}_at": best.at,
            f"{curve}_best": float(best.value),
            f"{curve}_best_error": float(best.value.error),
            f"{curve}_end": float(taken.curve(curve).value[-1]),
        }

    return measure


def _bound(taken: Measurement) -> tuple[Curves, Scalars]:
    bound = taken.run.bound(taken.tau, t=taken.settings["t"], n_times=BOUND_TIMES)
    return (
        {"bound": bound.total.value, "bound_error": bound.total.error},
        {"bound_prior": float(bound.prior)},
    )


def _decomposition(taken: Measurement) -> tuple[Curves, Scalars]:
    """Split the bound's integral [15], the infinitely wide model shared among points."""
    run, chosen = taken.run, taken.settings["t"]
    t = run.default_time if chosen is None else chosen
    limit = limit_loss(taken.point, taken.law, run.problem, t)
    terms = run.decomposition(taken.tau, t=t, n_times=BOUND_TIMES, limit=limit)
    parts = {
        "bound_integral": terms.total,
        "bound_sample": terms.sample,
        "bound_infinite": terms.infinite,
        "bound_width": terms.width,
    }
    curves = {name: part.value for name, part in parts.items()}
    curves |= {f"{name}_error": part.error for name, part in parts.items()}
    return curves, {
        "approximation_finite": float(terms.finite_error),
        "approximation_infinite": float(terms.infinite_error),
    }


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
        "bound": _bound,
        "decomposition": _decomposition,
        "spectrum": _spectrum,
    }
)
