"""Entries of G and C for smooth activations in one dimension, by quadrature in x.

E_{p_t} f is computed by Gauss–Legendre panels over the marginal's support, as wide as the
marginal's narrowest component or the activation's scale allows; how two orders differ is the error.
C = E[(−z/σ_t) h] = −E h′ by Stein's lemma, as for ReLU.
"""

import numpy as np

from ..diffusion.mixtures import GaussianMixture
from ..model.features import RandomFeatures
from ..numerics.quadrature import composite_gauss_legendre
from ..support.validation import FloatArray
from .objective import DenoisingObjective

# G and C.
Moments = tuple[FloatArray, FloatArray]

_TAIL = 9.0
_ORDERS = (12, 8)
_MAX_PANELS = 4000


def smooth_moments(
    mixture: GaussianMixture, objective: DenoisingObjective, features: RandomFeatures
) -> tuple[Moments, Moments]:
    """Return (G, C) by two Gauss–Legendre orders, the finer one first: G (m, m), C (1, m).

    Args:
        mixture: law of x(0), in one dimension.
        objective: process, time rule and weighting.
        features: features of a smooth activation in one dimension.
    """
    m = features.width
    totals = [(np.zeros((m, m)), np.zeros(m)) for _ in _ORDERS]
    sde = objective.sde
    for node, weight in zip(objective.rule.nodes, objective.node_weights(), strict=True):
        marginal = mixture.diffuse(float(sde.scale(node)), float(sde.std(node)))
        edges = _panels(marginal, np.abs(features.W).max())
        for order, (gram, cross) in zip(_ORDERS, totals, strict=True):
            x, w = composite_gauss_legendre(order, edges)
            w = weight * w * marginal.density(x)
            h = features(x, float(node))
            gram += (h * w[:, None]).T @ h
            cross -= features.W[:, 0] * (w @ features.derivative(x, float(node)))
    (gram, cross), (coarse_gram, coarse_cross) = totals
    return (gram, cross[None, :]), (coarse_gram, coarse_cross[None, :])


def _panels(marginal: GaussianMixture, steepest: float) -> FloatArray:
    """Return panel edges: a narrowest standard deviation, or a unit of the steepest argument."""
    low, high = marginal.domain(_TAIL)
    step = max(min(marginal.stds.min(), 1.0 / steepest), (high - low) / _MAX_PANELS)
    return np.linspace(low, high, int(np.ceil((high - low) / step)) + 1)
