"""The three senses of a learned density p̂_{t,θ}: they differ, and their KL may move apart."""

from typing import Literal, get_args

import numpy as np

from ..diffusion.law_on_domain import Domain
from ..diffusion.sde import ForwardSDE
from ..model.score import RandomFeatureScore
from ..support.validation import one_of
from .probability_flow.density import ProbabilityFlowDensity
from .reverse_sde.density import ReverseSDEDensity
from .score_integral import ScoreIntegralDensity

Method = Literal["score-integral", "probability-flow", "reverse-sde"]
METHODS: tuple[Method, ...] = get_args(Method)
LearnedDensity = ScoreIntegralDensity | ProbabilityFlowDensity | ReverseSDEDensity


def comparison_domain(method: str, domain: Domain | float | None) -> Domain | float | None:
    """Return where divergences other than the KL compare a density: as wished, or by default.

    A law on the line has mass outside any bounded domain, which the law compared with has not.
    """
    return np.inf if domain is None and method != "score-integral" else domain


def learned_density(
    method: str, score: RandomFeatureScore, sde: ForwardSDE, t: float, domain: Domain
) -> LearnedDensity:
    """Return the density at t that a score stands for, in one of its senses."""
    if one_of("method", method, METHODS) == "score-integral":
        return ScoreIntegralDensity(score, t, domain)
    kind = ReverseSDEDensity if method == "reverse-sde" else ProbabilityFlowDensity
    return kind(score, sde, t, domain=domain)
