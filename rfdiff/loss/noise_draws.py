"""The Monte-Carlo loss of fixed noise draws, the paper's training loss, as a quadratic of θ [7].

x_il(t) = r x_i + σ_t z_il: the mean over l = 1 … k draws a datum takes the place of the
expectation over z.
"""

import numpy as np

from ..model.features import RandomFeatures
from ..support.errors import ArgumentError
from ..support.validation import FloatArray, memory
from .atoms import point_atoms
from .gram_closed_form import Hinges
from .noise_expectation import require_one_dimension
from .objective import DenoisingObjective
from .quadratic import QuadraticLoss


def noise_draw_quadratic(
    data: FloatArray, noise: FloatArray, objective: DenoisingObjective, features: RandomFeatures
) -> QuadraticLoss:
    """Return L̂_n(θ) = E_t λ (1/nk) Σ_il ‖θh(x_il(t), t) + z_il/σ_t‖².

    Args:
        data: training points, shape (n, 1).
        noise: draws z, shape (n, k).
        objective: process, times and weighting.
        features: frozen ReLU features in one dimension.

    Raises:
        ArgumentError: another activation, or d > 1.
        MemoryLimitError: the Gram matrix would not fit.

    >>> import numpy as np, rfdiff
    >>> run = rfdiff.train_exact(tau=1.0, n=50, m=16)
    >>> draws = np.random.default_rng(0).standard_normal((50, 3))
    >>> loss = noise_draw_quadratic(run.data, draws, run.problem.objective, run.features)
    >>> bool(np.isclose(loss.constant, (draws**2).mean()))  # λ = σ_t²
    True
    """
    require_one_dimension(features, data.shape[1])
    if not features.is_piecewise_linear:
        raise ArgumentError(f"noise_samples needs activation 'relu', got {features.activation!r}")
    t, sde = objective.rule.nodes, objective.sde
    memory("the Gram matrix", 8.0 * features.width * (features.width + 20 * len(t)))
    n_draws = noise.size
    hinges = Hinges(features, t)
    moments = np.empty((len(t), 6, features.width))
    covariance = np.empty_like(moments)
    for k, (scale, std) in enumerate(zip(sde.scale(t), sde.std(t), strict=True)):
        positions = (scale * data + std * noise).ravel()
        moments[k] = hinges.moments_at(k, point_atoms(positions, np.full(n_draws, 1 / n_draws)))
        target = -noise.ravel() / (std * n_draws)
        covariance[k] = hinges.moments_at(k, point_atoms(positions, target))
    lam, gain = objective.node_weights(), features.output_scale(t)
    cross = np.abs(hinges.slopes) * hinges.along_slopes(
        lam * gain, covariance[:, 1], covariance[:, 4]
    )
    flat = hinges.slopes == 0
    target_mean = -noise.mean() / sde.std(t)
    cross[flat] = (lam * gain * target_mean) @ np.maximum(hinges.biases[:, flat], 0.0)
    constant = objective.constant() * float(np.mean(noise**2))
    return QuadraticLoss(hinges.gram(lam * gain**2, moments), cross[None, :], constant)
