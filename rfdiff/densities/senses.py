"""The three senses of a learned density p̂_{t,θ}: they differ, and their KL may move apart."""

from typing import Literal

from ..reference import Domain
from ..score import RandomFeatureScore
from ..sde import ForwardSDE
from ..validation import one_of
from .probability_flow import ProbabilityFlowDensity
from .reverse_sde import ReverseSDEDensity
from .score_integral import ScoreIntegralDensity

Method = Literal["score-integral", "probability-flow", "reverse-sde"]
METHODS: tuple[Method, ...] = ("score-integral", "probability-flow", "reverse-sde")
LearnedDensity = ScoreIntegralDensity | ProbabilityFlowDensity | ReverseSDEDensity


def learned_density(
    method: str, score: RandomFeatureScore, sde: ForwardSDE, t: float, domain: Domain
) -> LearnedDensity:
    """Return the density at t that a score stands for, in one of its senses."""
    if one_of("method", method, METHODS) == "score-integral":
        return ScoreIntegralDensity(score, t, domain)
    kind = ReverseSDEDensity if method == "reverse-sde" else ProbabilityFlowDensity
    return kind(score, sde, t, domain=domain)
