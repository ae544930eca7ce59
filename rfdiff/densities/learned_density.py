"""The learned density p̂_{t,θ} by any of its definitions, and their names.

A score is turned into a density in three ways. They agree for the exact score and the exact prior;
for a learned one they differ, and their divergences from the target may move apart.
"""

from typing import Literal, Protocol, get_args

from ..diffusion.law_on_domain import Domain
from ..diffusion.sde import ForwardSDE
from ..model.score import RandomFeatureScore
from ..support.registry import Registry
from .interfaces import LearnedDensity as LearnedDensity
from .probability_flow.density import ProbabilityFlowDensity
from .reverse_sde.density import ReverseSDEDensity
from .score_integral import ScoreIntegralDensity

Method = Literal["score-integral", "probability-flow", "reverse-sde"]
METHODS: tuple[Method, ...] = get_args(Method)


class Definition(Protocol):
    """A way to turn a score into a density."""

    def of_score(
        self, score: RandomFeatureScore, sde: ForwardSDE, t: float, domain: Domain
    ) -> LearnedDensity:
        """Return the density at t that a score stands for."""


DEFINITIONS: Registry[Definition] = Registry(
    "method",
    {
        definition.method: definition
        for definition in (ScoreIntegralDensity, ProbabilityFlowDensity, ReverseSDEDensity)
    },
)


def learned_density(
    method: str, score: RandomFeatureScore, sde: ForwardSDE, t: float, domain: Domain
) -> LearnedDensity:
    """Return the density at t that a score stands for, by one of its definitions.

    Args:
        method: "score-integral", "probability-flow" or "reverse-sde".
        score: the learned score, training times leading.
        sde: the forward process.
        t: evaluation time.
        domain: (a, b) or `np.inf` for the line.

    Raises:
        ArgumentError: an unknown method, or what the definition refuses.
    """
    return DEFINITIONS[method].of_score(score, sde, t, domain)
