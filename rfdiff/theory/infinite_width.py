"""What the infinitely wide flow would have learned, as a KL: where finite m is heading."""

from numpy.typing import ArrayLike

from ..densities.score_integral import ScoreIntegralDensity
from ..diffusion.law_on_domain import Domain
from ..diffusion.targets import Target
from ..divergences.divergences import kl_divergence
from ..model.score import RandomFeatureScore
from ..support.estimate import Estimate
from ..training.wide_limit import WideLimit


def limit_kl(
    limit: WideLimit, law: Target, tau: ArrayLike, *, t: float = 0.065, domain: Domain
) -> Estimate:
    """Return KL(p‖p̂) of the score-integral density at m → ∞, of the shape of τ.

    The error is what two halvings of the wide model change, and the quadrature's.

    Args:
        limit: the flow of `rfdiff.wide_limit`, of the population or of a data set.
        law: p.
        tau: training times.
        t: evaluation time.
        domain: (a, b) on which both densities are normalised.

    >>> import rfdiff
    >>> from rfdiff.training.wide_limit import wide_limit
    >>> run = rfdiff.train_exact(tau=[1e2, 1e4, 1e6], m=64, n_times=32, population=True)
    >>> limit = wide_limit(run.target, run.problem.objective, run.features.embedding, m=256)
    >>> ideal = limit_kl(limit, run.target, run.tau, domain=run.default_domain())
    >>> bool((ideal.value[1:] < run.kl().value[1:]).all())
    True
    """
    fine, coarse, coarsest = (
        kl_divergence(
            law,
            ScoreIntegralDensity(
                RandomFeatureScore(model.features, model.flow.theta(tau)), t, domain
            ),
        )
        for model in limit.models
    )
    halvings = (fine.value, coarse.value, coarsest.value)
    width = Estimate.from_halvings(halvings, "width of the wide model")
    return Estimate(fine.value, fine.error + width.error, width.error_covers)
