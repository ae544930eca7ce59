"""The score-matching loss L̃(θ) = E_t λ E‖s_θ − ∇log p_t‖² [7], in one dimension.

It has the Gram and cross terms of the denoising loss and another constant, E_t λ E‖∇log p_t‖²; it
vanishes at the true score.
"""

from functools import partial

import numpy as np

from ..diffusion.mixtures import GaussianMixture
from ..diffusion.targets import Target
from ..numerics.quadrature import integrate_panels
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray
from .objective import DenoisingObjective

# The Fisher integrand p (∇log p)² is below 1e-16 this many widths outside the components.
_TAIL = 9.0
_PANEL_ORDER = 12


def score_norm(law: Target, objective: DenoisingObjective) -> Estimate:
    """Return E_t λ E‖∇log p_t‖², the score-matching loss of s = 0.

    The error is that of the quadrature in x; the time rule's is not included.

    Args:
        law: the population, in one dimension, with marginals that have densities.
        objective: process, times and weighting.

    Raises:
        ArgumentError: d > 1.

    >>> import numpy as np, rfdiff
    >>> law = rfdiff.GaussianMixture([1.0], [0.0], 1.0)     # p_t = N(0, 1) throughout
    >>> norm = score_norm(
    ...     law, DenoisingObjective.graded(rfdiff.VPSDE(), n_times=16, weighting=np.ones_like)
    ... )
    >>> abs(float(norm) - 1.0) < 1e-12
    True
    """
    if law.dimension != 1:
        raise ArgumentError(f"score_norm covers dimension 1 only, got {law.dimension}")
    nodes, sde = objective.rule.nodes, objective.sde
    value = error = 0.0
    for weight, r, std in zip(
        objective.node_weights(), sde.scale(nodes), sde.std(nodes), strict=True
    ):
        marginal = law.diffuse(float(r), float(std))
        low, high = marginal.domain(_TAIL)
        edges = np.linspace(low, high, int(np.ceil((high - low) / marginal.stds.min())) + 1)
        part = integrate_panels(partial(_fisher_information, marginal), edges, _PANEL_ORDER)
        value += weight * float(part.value)
        error += weight * float(part.error)
    return Estimate(value, error)


def _fisher_information(law: GaussianMixture, x: FloatArray) -> FloatArray:
    return law.density(x) * law.score(x) ** 2
