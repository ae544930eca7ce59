"""From a point's plain values to the objects that `train_exact` takes."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ...diffusion.mixtures import bimodal
from ...diffusion.sde import SDES, ForwardSDE
from ...diffusion.targets import Target, beta, raised_cosine, smooth_bump
from ...support.errors import ArgumentError
from .identity import Point


def _bimodal(point: Point) -> Target:
    q = float(point["weights"])
    return bimodal(float(point["mu"]), weights=(q, 1.0 - q), std=float(point["std"]))


_MAKERS: Mapping[str, Callable[[Point], Target]] = MappingProxyType(
    {
        "bimodal": _bimodal,
        "raised-cosine": lambda point: raised_cosine(half_width=float(point["half_width"])),
        "beta": lambda point: beta(interval=(-point["half_width"], point["half_width"])),
        "smooth-bump": lambda point: smooth_bump(half_width=float(point["half_width"])),
    }
)

_DIRECT = (
    "m",
    "seed",
    "features",
    "embedding",
    "activation",
    "precondition",
    "weighting",
    "t_min",
    "n_times",
    "noise_samples",
    "population",
)


# Axes whose values must go together; every value has been checked on its own.
_RELATED = (
    "target", "mu", "weights", "std", "half_width",
    "sde", "sigma", "beta_min", "beta_max", "T", "t_min",
)  # fmt: skip


def make_target(point: Point) -> Target:
    """Return the law of a point's data."""
    return _MAKERS[str(point["target"])](point)


def make_sde(point: Point) -> ForwardSDE:
    """Return the forward process of a point."""
    names = ("sigma",) if point["sde"] == "ve" else ("beta_min", "beta_max")
    parameters = {name: float(point[name]) for name in names}
    return SDES[str(point["sde"])](T=float(point["T"]), **parameters)


def training_arguments(point: Point) -> dict[str, Any]:
    """Return the keyword arguments of `train_exact` for a point.

    Raises:
        ArgumentError: values that do not go together, such as t_min ≥ T.
    """
    sde = make_sde(point)
    if not float(point["t_min"]) < sde.T:
        raise ArgumentError(f"t_min must be below T = {sde.T:g}, got {point['t_min']:g}")
    arguments: dict[str, Any] = {name: point[name] for name in _DIRECT}
    if point["n"] is not None:
        arguments["n"] = point["n"]
    return {**arguments, "target": make_target(point), "sde": sde}


def check_points(points: Iterable[Point]) -> None:
    """Refuse points whose values do not go together, before any of them is run.

    Raises:
        ArgumentError: the first such point's fault.
    """
    checked = set()
    for point in points:
        related = tuple(point[name] for name in _RELATED)
        if related not in checked:
            training_arguments(point)
            checked.add(related)
