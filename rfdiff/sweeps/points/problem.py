"""From a point's plain values to what `train_exact` takes."""

from collections.abc import Iterable
from typing import Any

from ...support.arguments import belongs_to
from ...training.arguments import TrainingArguments, from_plain_values
from .axes import AXES
from .identity import Point

# Axes whose values must go together; every value has been checked on its own.
_RELATED = tuple(
    name
    for name in AXES
    if name in ("target", "sde", "t_min", "times", "scaling", "skip")
    or belongs_to(name, "target")
    or belongs_to(name, "sde")
)


def training_arguments(point: Point) -> dict[str, Any]:
    """Return the keyword arguments of `train_exact` for a point.

    >>> from rfdiff.sweeps import Grid
    >>> training_arguments(Grid.of({"sde": "vp", "T": 0.5}).points[0])["sde"]
    VPSDE(beta_min=0.1, beta_max=20.0, T=0.5)
    """
    return from_plain_values(
        {name: AXES[name].meaning(value) for name, value in point.items() if value is not None}
    )


def check_points(points: Iterable[Point]) -> None:
    """Refuse points whose values do not go together, before any of them is run.

    Raises:
        ArgumentError: the first such point's fault, such as t_min ≥ T.
    """
    checked = set()
    for point in points:
        related = tuple(point[name] for name in _RELATED)
        if related not in checked:
            TrainingArguments(**training_arguments(point))
            checked.add(related)
