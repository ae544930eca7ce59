"""What infinite width would have learned, as a KL: where finite m is heading."""

from numpy.typing import ArrayLike

from ..densities.score_integral import ScoreIntegralDensity
from ..diffusion.law_on_domain import Domain
from ..diffusion.targets import Target
from ..divergences.kl import kl_divergence
from ..model.score import RandomFeatureScore
from ..support.estimate import Estimate
from ..training.infinite_width import InfiniteWidth
from ..training.infinite_width_features import WideFlow


def infinite_width_kl(
    limit: InfiniteWidth[WideFlow],
    law: Target,
    tau: ArrayLike,
    *,
    t: float = 0.065,
    domain: Domain,
) -> Estimate:
    """Return KL(p‖p̂) of the score-integral density at m → ∞, of the shape of τ.

    The error is that of the wide model, by its halvings and random shifts, and the quadrature's.

    Args:
        limit: the flow at infinite width, of the population or of a data set.
        law: p.
        tau: training times.
        t: evaluation time.
        domain: (a, b) on which both densities are normalised.

    >>> import rfdiff
    >>> from rfdiff.training.infinite_width_features import infinite_width_by_features
    >>> run = rfdiff.train_exact(tau=[1e2, 1e4, 1e6], m=64, n_times=32, population=True)
    >>> limit = infinite_width_by_features(
    ...     run.target, run.problem.objective, run.features.embedding, m=256
    ... )
    >>> ideal = infinite_width_kl(limit, run.target, run.tau, domain=run.default_domain())
    >>> bool((ideal.value[1:] < run.kl().value[1:]).all())
    True
    """

    def kl(wide: WideFlow) -> Estimate:
        score = RandomFeatureScore(wide.features, wide.flow.theta(tau))
        return kl_divergence(law, ScoreIntegralDensity(score, t, domain))

    return limit.flows.estimate(kl)
