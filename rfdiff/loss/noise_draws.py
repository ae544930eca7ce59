"""The Monte-Carlo loss of fixed noise draws, the paper's training loss, as a quadratic of θ [7].

x_il(t) = r x_i + σ_t z_il: the mean over l = 1 … k draws a datum takes the place of the
expectation over z.
"""

import numpy as np

from ..model.affine_skip import AffineSkip
from ..model.features import RandomFeatures
from ..support.errors import ArgumentError
from ..support.validation import FloatArray, memory
from .atoms import point_atoms
from .gram_closed_form import Hinges
from .hermite_series.tiles import Tiles, tiles
from .noise_expectation import require_dimension
from .objective import DenoisingObjective
from .quadratic import QuadraticLoss

# Numbers in a matrix of features held at once in d ≥ 2: 16 MB.
BLOCK = 1 << 21


def noise_draw_quadratic(
    data: FloatArray,
    noise: FloatArray,
    objective: DenoisingObjective,
    features: RandomFeatures,
    skip: AffineSkip | None = None,
) -> QuadraticLoss:
    """Return L̂_n(θ) = E_t λ (1/nk) Σ_il ‖skip(x_il(t), t) + θh(x_il(t), t) + z_il/σ_t‖².

    Args:
        data: training points, shape (n, d).
        noise: draws z, shape (n, k), in d ≥ 2 (n, k, d).
        objective: process, times and weighting.
        features: frozen features; in one dimension ReLU.
        skip: affine part of the score; none if None.

    Raises:
        ArgumentError: another activation in one dimension, or shapes that do not fit.
        MemoryLimitError: the Gram matrix would not fit.

    >>> import numpy as np, rfdiff
    >>> run = rfdiff.train_exact(tau=1.0, n=50, m=16)
    >>> draws = np.random.default_rng(0).standard_normal((50, 3))
    >>> loss = noise_draw_quadratic(run.data, draws, run.problem.objective, run.features)
    >>> bool(np.isclose(loss.constant, (draws**2).mean()))  # λ = σ_t²
    True
    """
    d = data.shape[1]
    require_dimension(features, d, skip)
    if noise.shape[:1] + noise.shape[2:] != data.shape[:1] + (data.shape[1:] if d > 1 else ()):
        raise ArgumentError(
            f"noise must have shape (n, k), in d ≥ 2 (n, k, d), got {noise.shape} "
            f"for data of shape {data.shape}"
        )
    if d > 1:
        return _of_vectors(data, noise, objective, features, skip)
    if not features.is_piecewise_linear:
        raise ArgumentError(f"noise_samples needs activation 'relu', got {features.activation!r}")
    return _on_the_line(data, noise, objective, features, skip)


def _on_the_line(
    data: FloatArray,
    noise: FloatArray,
    objective: DenoisingObjective,
    features: RandomFeatures,
    skip: AffineSkip | None,
) -> QuadraticLoss:
    t, sde = objective.rule.nodes, objective.sde
    memory("the Gram matrix", 8.0 * features.width * (features.width + 20 * len(t)))
    n_draws = noise.size
    hinges = Hinges(features, t)
    moments = np.empty((len(t), 6, features.width))
    covariance = np.empty_like(moments)
    target_mean, target_square = np.empty((2, len(t)))
    for k, (scale, std) in enumerate(zip(sde.scale(t), sde.std(t), strict=True)):
        positions = (scale * data + std * noise).ravel()
        moments[k] = hinges.moments_at(k, point_atoms(positions, np.full(n_draws, 1 / n_draws)))
        target = -noise.ravel() / std
        if skip is not None:
            target = target - skip(positions[:, None], float(t[k]))[:, 0]
        covariance[k] = hinges.moments_at(k, point_atoms(positions, target / n_draws))
        target_mean[k], target_square[k] = target.mean(), np.mean(target**2)
    lam, gain = objective.node_weights(), features.output_scale(t)
    cross = np.abs(hinges.slopes) * hinges.along_slopes(
        lam * gain, covariance[:, 1], covariance[:, 4]
    )
    flat = hinges.slopes == 0
    cross[flat] = (lam * gain * target_mean) @ np.maximum(hinges.biases[:, flat], 0.0)
    constant = float(lam @ target_square)
    return QuadraticLoss(hinges.gram(lam * gain**2, moments), cross[None, :], constant)


def _of_vectors(
    data: FloatArray,
    noise: FloatArray,
    objective: DenoisingObjective,
    features: RandomFeatures,
    skip: AffineSkip | None,
) -> QuadraticLoss:
    """Return the loss in d ≥ 2 by products of the features at the noised points."""
    (n, k, d), m = noise.shape, features.width
    step = max(1, BLOCK // (m * k))
    memory("the Gram matrix", 8.0 * (2 * m * m + 4 * step * k * max(m, d)))
    gram, cross, constant = np.zeros((m, m)), np.zeros((d, m)), 0.0
    t, sde, weights = objective.rule.nodes, objective.sde, objective.node_weights(d) / (n * k)
    with tiles(m) as over:
        for node, r, std, weight in zip(t, sde.scale(t), sde.std(t), weights, strict=True):
            for i in range(0, n, step):
                z = noise[i : i + step].reshape(-1, d)
                x = np.repeat(r * data[i : i + step], k, axis=0) + std * z
                target = -z / std if skip is None else -z / std - skip(x, float(node))
                h = features(x, float(node))
                _add_products(gram, cross, h, weight * h, target, over)
                constant += weight * float(np.square(target).sum())
    return QuadraticLoss(np.tril(gram) + np.tril(gram, -1).T, cross, constant)


def _add_products(
    gram: FloatArray,
    cross: FloatArray,
    h: FloatArray,
    weighted: FloatArray,
    target: FloatArray,
    over: Tiles,
) -> None:
    """Add Σ ω h hᵀ to the lower triangle of gram, and Σ ω target hᵀ to cross."""

    def tile(rows: slice, columns: slice) -> None:
        gram[rows, columns] += weighted[:, rows].T @ h[:, columns]

    def strip(columns: slice) -> None:
        cross[:, columns] += target.T @ weighted[:, columns]

    over.each(tile)
    over.each_strip(strip)
