"""What points have in common, computed once for as long as they follow each other.

Each is a function of the axes that it depends on and of nothing else, so sharing changes no bit of
a result. A worker keeps the last of each.
"""

from dataclasses import dataclass, field
from functools import lru_cache

from ...diffusion.targets import Target
from ...loss.quadratic import QuadraticLoss
from ...theory.bounds import bound_objective
from ...theory.decomposition import InfiniteWidthLoss
from ...training.setup import TrainingProblem
from ..points.identity import Point, canonical_json
from ..points.schedule import SAMPLE_AXES

# Nodes of the time rule of bounds, as in `kl_bound`.
BOUND_TIMES = 64

# Features of the model that stands for infinitely many.
WIDE = 1536


@dataclass(frozen=True)
class _Keyed:
    """A problem and its law, equal to every other one with the same key."""

    key: str
    problem: TrainingProblem = field(compare=False)
    law: Target = field(compare=False)


def population_loss(point: Point, law: Target, problem: TrainingProblem) -> QuadraticLoss:
    """Return the loss under the law, which depends on no data."""
    return _population(_Keyed(_without(point, SAMPLE_AXES), problem, law))


def limit_loss(point: Point, law: Target, problem: TrainingProblem, t: float) -> InfiniteWidthLoss:
    """Return L̃ of the infinitely wide model on [t, T], which depends on neither data nor draws."""
    # Fourier embeddings draw their frequencies from the seed.
    draws = ("m",) if point["embedding"] == "fourier" else ("m", "seed")
    return _limit(_Keyed(_without(point, (*SAMPLE_AXES, *draws)), problem, law), t, WIDE)


@lru_cache(maxsize=1)
def _population(keyed: _Keyed) -> QuadraticLoss:
    return keyed.problem.quadratic(keyed.law)


@lru_cache(maxsize=1)
def _limit(keyed: _Keyed, t: float, wide: int) -> InfiniteWidthLoss:
    problem = keyed.problem
    return InfiniteWidthLoss.build(
        keyed.law,
        problem.features,
        training=problem.objective,
        measured=bound_objective(problem.objective.sde, t, BOUND_TIMES),
        wide=wide,
    )


def _without(point: Point, axes: tuple[str, ...]) -> str:
    return canonical_json({name: value for name, value in point.items() if name not in axes})
