"""The denoising loss as a quadratic of θ [5, 6], its expectation over the noise exact.

G = E_t λ E[h hᵀ], C = E_t λ E[(−z/σ_t) hᵀ], c₀ = E_t λ d/σ_t², with h = φ/√m. Any law is a
Gaussian mixture, so the population, the training set and held-out data share one assembly.
"""

from ..diffusion.mixtures import GaussianMixture
from ..diffusion.targets import Target
from ..model.features import RandomFeatures
from ..support.errors import ArgumentError
from ..support.validation import memory
from .gram_closed_form import relu_moments
from .gram_quadrature import smooth_moments
from .objective import DenoisingObjective
from .quadratic import QuadraticLoss


def denoising_quadratic(
    law: Target, objective: DenoisingObjective, features: RandomFeatures
) -> QuadraticLoss:
    """Return the denoising loss L(θ) = E_t λ E‖θh(x_t, t) + z/σ_t‖² for x(0) ~ law.

    Args:
        law: the population, or `GaussianMixture.from_points(data)` for a data set.
        objective: process, times and weighting.
        features: frozen features of width m, in one dimension.

    Raises:
        ArgumentError: dimensions that do not fit each other, or d > 1.
        MemoryLimitError: the Gram matrix would not fit.

    >>> import rfdiff
    >>> sde = rfdiff.VESDE()
    >>> features = rfdiff.draw_features("l1", 8, rfdiff.LogSigmaEmbedding(sde), seed=0)
    >>> objective = rfdiff.DenoisingObjective.graded(sde, n_times=64)
    >>> loss = rfdiff.denoising_quadratic(rfdiff.bimodal(), objective, features)
    >>> loss.gram.shape, loss.cross.shape, round(loss.constant, 12)
    ((8, 8), (1, 8), 1.0)
    """
    require_one_dimension(features, law.dimension)
    mixture = law if isinstance(law, GaussianMixture) else law.atoms
    if features.is_piecewise_linear:
        memory(
            "the Gram matrix", 8.0 * features.width * (features.width + 10 * len(objective.rule))
        )
        return QuadraticLoss(*relu_moments(mixture, objective, features), objective.constant())
    fine, coarse = (
        QuadraticLoss(*moments, objective.constant())
        for moments in smooth_moments(mixture, objective, features)
    )
    return fine.beside(coarse)


def require_one_dimension(features: RandomFeatures, dimension: int) -> None:
    """Refuse features and points of different dimensions, and of more than one."""
    if features.dimension != dimension:
        raise ArgumentError(
            f"features of dimension {features.dimension} do not fit a law of dimension {dimension}"
        )
    if dimension != 1:
        raise ArgumentError(f"the exact assembly covers dimension 1 only, got {dimension}")
