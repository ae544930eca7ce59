"""Quadrature nodes for the marginals p_t of a law: points (x_q, t_q) with probabilities, in 1-D."""

from dataclasses import dataclass

import numpy as np

from ..numerics.quadrature import composite_gauss_legendre
from ..support.errors import ArgumentError
from ..support.validation import FloatArray, count
from .sde import ForwardSDE
from .targets import Target
from .time_rules import TimeRule

# Gauss–Legendre order of a panel: high enough for smooth marginals, low enough that the
# third-derivative kink of the arc-cosine kernel stays in one panel.
_ORDER = 8
# Standard deviations of the outermost modes that are covered: 1e-10 of the mass is outside.
_REACH = 6.5


@dataclass(frozen=True, eq=False)
class MarginalNodes:
    """Nodes (x_q, t_q), probabilities p_q with Σ p_q f ≈ E_t E_{p_t} f, and ∇log p_t there."""

    x: FloatArray
    t: FloatArray
    weights: FloatArray
    score: FloatArray

    def __len__(self) -> int:
        return len(self.x)


def marginal_nodes(law: Target, sde: ForwardSDE, rule: TimeRule, n_panels: int) -> MarginalNodes:
    """Return nodes on `n_panels` equal panels over the bulk of p_t, at every time node.

    >>> from rfdiff.diffusion.mixtures import bimodal
    >>> from rfdiff.diffusion.time_rules import graded_time_rule
    >>> from rfdiff.diffusion.sde import VESDE
    >>> rule = graded_time_rule(1e-3, 1.0, 4)
    >>> nodes = marginal_nodes(bimodal(3.0), VESDE(), rule, 8)
    >>> exact = 10.0 + float(rule.weights @ VESDE().std(rule.nodes) ** 2)
    >>> bool(abs(nodes.weights @ nodes.x**2 / exact - 1.0) < 1e-6)
    True
    """
    if law.dimension != 1:
        raise ArgumentError(f"law must be one-dimensional, got d = {law.dimension}")
    n_panels = count("n_panels", n_panels)
    xs, ts, weights, scores = [], [], [], []
    for t, omega in zip(rule.nodes, rule.weights, strict=True):
        marginal = law.diffuse(float(sde.scale(t)), float(sde.std(t)))
        x, w = composite_gauss_legendre(_ORDER, np.linspace(*marginal.domain(_REACH), n_panels + 1))
        xs.append(x)
        ts.append(np.full(len(x), t))
        weights.append(omega * w * marginal.density(x))
        scores.append(marginal.score(x))
    return MarginalNodes(*(np.concatenate(part) for part in (xs, ts, weights, scores)))
