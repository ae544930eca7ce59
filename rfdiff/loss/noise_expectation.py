"""The denoising loss as a quadratic of θ [5, 6], its expectation over the noise exact.

G = E_t λ E[h hᵀ], C = E_t λ E[(−z/σ_t − skip(x_t, t)) hᵀ], c₀ = L(0), with h = φ/√m and an affine
part of the score, skip, that is 0 in the paper. Any law is a Gaussian mixture, so the population,
the training set and held-out data share one assembly.
"""

from dataclasses import replace

from ..diffusion.mixtures import GaussianMixture
from ..diffusion.targets import Target
from ..model.affine_skip import AffineSkip
from ..model.features import RandomFeatures
from ..support.errors import ArgumentError
from ..support.validation import between, memory
from .gram_closed_form import relu_moments
from .gram_quadrature import smooth_moments
from .hermite_series.assembly import ACCURACY, cross_moments, series_moments
from .hermite_series.cross import skip_constant
from .hermite_series.rows import Times
from .objective import DenoisingObjective
from .quadratic import QuadraticLoss


def denoising_quadratic(
    law: Target,
    objective: DenoisingObjective,
    features: RandomFeatures,
    skip: AffineSkip | None = None,
    *,
    accuracy: float = ACCURACY,
) -> QuadraticLoss:
    """Return the loss L(θ) = E_t λ E‖skip(x_t, t) + θh(x_t, t) + z/σ_t‖² for x(0) ~ law.

    In one dimension ReLU has a closed form and the others a quadrature in x. In d ≥ 2 E[h hᵀ] is a
    series in the cosines between the w_j whose bound meets `accuracy`; C and c₀ are closed.

    Args:
        law: the population, or `GaussianMixture.from_points(data)` for a data set.
        objective: process, times and weighting.
        features: frozen features of width m.
        skip: affine part of the score; none if None.
        accuracy: in d ≥ 2, error of the entries of G relative to the largest on its diagonal,
            1e-12 to 1e-2.

    Raises:
        ArgumentError: dimensions that do not fit each other.
        MemoryLimitError: the Gram matrix would not fit.

    Warns:
        AccuracyWarning: the series would need too many orders.

    >>> import rfdiff
    >>> sde = rfdiff.VESDE()
    >>> features = rfdiff.draw_features("l1", 8, rfdiff.LogSigmaEmbedding(sde), seed=0)
    >>> objective = rfdiff.DenoisingObjective.graded(sde, n_times=64)
    >>> loss = rfdiff.denoising_quadratic(rfdiff.bimodal(), objective, features)
    >>> loss.gram.shape, loss.cross.shape, round(loss.constant, 12)
    ((8, 8), (1, 8), 1.0)
    """
    require_dimension(features, law.dimension, skip)
    accuracy = between("accuracy", accuracy, 1e-12, 1e-2)
    mixture = law.atoms
    if features.dimension > 1:
        return _of_series(mixture, objective, features, skip, accuracy)
    loss = _on_the_line(mixture, objective, features)
    if skip is None:
        return loss
    times = _times(objective, 1)
    cross, error = cross_moments(mixture, times, features, skip)
    constant = loss.constant + skip_constant(mixture, times, skip)
    coarse = None if loss.coarse is None else replace(loss.coarse, cross=cross, constant=constant)
    error = max(loss.error, error)
    return QuadraticLoss(loss.gram, cross, constant, error, coarse)


def _on_the_line(
    mixture: GaussianMixture, objective: DenoisingObjective, features: RandomFeatures
) -> QuadraticLoss:
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


def _of_series(
    mixture: GaussianMixture,
    objective: DenoisingObjective,
    features: RandomFeatures,
    skip: AffineSkip | None,
    accuracy: float,
) -> QuadraticLoss:
    """Return the loss in any dimension, beside the same with the orders left out made visible."""
    d = features.dimension
    times = _times(objective, d)
    found = series_moments(mixture, times, features, skip, accuracy)
    constant = objective.constant(d)
    if skip is not None:
        constant += skip_constant(mixture, times, skip)
    coarse = QuadraticLoss(found.gram - found.gap, found.cross, constant)
    return QuadraticLoss(found.gram, found.cross, constant, found.error, coarse)


def _times(objective: DenoisingObjective, d: int) -> Times:
    return Times(objective.sde, objective.rule.nodes, objective.node_weights(d))


def require_dimension(features: RandomFeatures, dimension: int, skip: AffineSkip | None) -> None:
    """Refuse features, points and skip of different dimensions."""
    if features.dimension != dimension:
        raise ArgumentError(
            f"features of dimension {features.dimension} do not fit a law of dimension {dimension}"
        )
    if skip is not None and skip.dimension != dimension:
        raise ArgumentError(
            f"a skip of dimension {skip.dimension} does not fit a law of dimension {dimension}"
        )
