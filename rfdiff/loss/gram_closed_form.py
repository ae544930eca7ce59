"""Entries of G and C for ReLU features in one dimension, in closed form [5, 6].

Everything follows from the one-sided moments of p_t at the kinks κ_j = −b_j/w_j
(`_kernels.assembly.hinges`): G by two multiply-adds a pair and time node
(`_kernels.assembly.gram`), and C by Stein's lemma, √m E[(−z/σ_t) h_j] = −w_j P(feature j active).
"""

import numpy as np

from .._kernels.assembly.gram import relu_gram
from .._kernels.assembly.hinges import hinge_moments
from ..diffusion.mixtures import GaussianMixture
from ..model.features import RandomFeatures
from ..support.validation import FloatArray
from .atoms import AtomTable, gaussian_atoms
from .objective import DenoisingObjective

# A slope this much smaller than the bias is a constant feature: its kink would overflow.
_NO_SLOPE = 1e-100


def relu_moments(
    mixture: GaussianMixture, objective: DenoisingObjective, features: RandomFeatures
) -> tuple[FloatArray, FloatArray]:
    """Return G = E_t λ E[h hᵀ], shape (m, m), and C = E_t λ E[(−z/σ_t) hᵀ], shape (1, m).

    Args:
        mixture: law of x(0), in one dimension.
        objective: process, time rule and weighting.
        features: ReLU features in one dimension.
    """
    t = objective.rule.nodes
    hinges = Hinges(features, t)
    moments = hinges.moments(gaussian_atoms(mixture, objective.sde, t))
    lam, gain = objective.node_weights(), features.output_scale(t)
    cross = -hinges.slopes * hinges.along_slopes(lam * gain, moments[:, 0], moments[:, 3])
    return hinges.gram(lam * gain**2, moments), cross[None, :]


class Hinges:
    """One-dimensional ReLU features as hinges |w_j| (±(x − κ_j))₊, and flat ones (b_j)₊."""

    def __init__(self, features: RandomFeatures, t: FloatArray) -> None:
        self.biases = features.biases(t)
        w = features.W[:, 0]
        self.slopes = np.where(np.abs(w) > _NO_SLOPE * np.abs(self.biases).max(axis=0), w, 0.0)
        # Positive slopes first, then negative ones: a pair's formula depends on its signs only.
        self._order = np.concatenate(
            [np.flatnonzero(self.slopes > 0), np.flatnonzero(self.slopes < 0)]
        )
        self._n_positive = int((self.slopes > 0).sum())
        sloped = self.slopes != 0
        self._kinks = np.zeros_like(self.biases)
        self._kinks[:, sloped] = -self.biases[:, sloped] / self.slopes[sloped]

    def moments(self, atoms: AtomTable) -> FloatArray:
        """Return the six hinge moments of every node at every kink, shape (n_t, 6, m)."""
        out = np.empty((len(self._kinks), 6, self._kinks.shape[1]))
        hinge_moments(self._kinks, *atoms, out)
        return out

    def moments_at(self, node: int, atoms: AtomTable) -> FloatArray:
        """Return the six hinge moments at the kinks of one node, shape (6, m)."""
        out = np.empty((1, 6, self._kinks.shape[1]))
        hinge_moments(self._kinks[node : node + 1], *atoms, out)
        return out[0]

    def along_slopes(self, lam: FloatArray, upper: FloatArray, lower: FloatArray) -> FloatArray:
        """Return Σ_k λ_k × the moment on the active side of each kink, shape (m,)."""
        return np.where(self.slopes > 0, lam @ upper, lam @ lower)

    def gram(self, lam: FloatArray, moments: FloatArray) -> FloatArray:
        """Return Σ_k λ_k E φ φᵀ, shape (m, m)."""
        m = len(self.slopes)
        gram = np.empty((m, m))
        # `take`, not fancy indexing: the kernel is fast on C-ordered arrays only.
        weighted = np.take(moments, self._order, axis=2)
        weighted *= lam[:, None, None]
        relu_gram(
            np.take(self._kinks, self._order, axis=1),
            weighted,
            self._n_positive,
            np.abs(self.slopes[self._order]),
            self._order,
            gram,
        )
        flat = np.flatnonzero(self.slopes == 0)
        if len(flat):
            heights = np.maximum(self.biases[:, flat], 0.0)
            active = np.where(self.slopes > 0, moments[:, 1], moments[:, 4])
            border = (lam[:, None] * heights).T @ (np.abs(self.slopes) * active)
            gram[flat], gram[:, flat] = border, border.T
            gram[np.ix_(flat, flat)] = (lam[:, None] * heights).T @ heights
        return gram
