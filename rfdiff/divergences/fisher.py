"""The Fisher divergence ∫ p (∂ₓ log p − ∂ₓ log p̂)² dx."""

from typing import Any

import numpy as np

from ..densities.interfaces import LearnedDensity
from ..densities.panel_comparison import PanelComparison
from ..densities.probability_flow.interval_comparison import IntervalComparison
from ..diffusion.law_on_domain import Domain, Reference
from ..diffusion.mixtures import GaussianMixture
from ..numerics.panels import Panels
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray
from .divergence import COVERS, DivergenceFormula


class Fisher(DivergenceFormula):
    """Needs no normalisation of p̂, but its slope."""

    name = "fisher"
    title = "Fisher divergence"
    power_of_length = -2
    needs_slope = True

    def natural_scale(self, reference: Reference) -> float:
        """Return the law's information E_p (∂ₓ log p)²."""
        panels = Panels.between(reference.edges)
        p = np.exp(reference.log_density(panels.x))
        return float(panels.integrals(p * reference.law.score(panels.x) ** 2).sum())

    def on_panels(self, comparison: PanelComparison) -> Estimate:
        """Return the divergence by panels in x."""
        law = comparison.law
        if not isinstance(law, GaussianMixture):
            raise ArgumentError(
                "the Fisher divergence needs a mixture; diffuse the law, or take p_t"
            )

        def gap(x: FloatArray) -> tuple[FloatArray, FloatArray]:
            slope = comparison.learned.log_density_slope(x)
            value, error = slope.value.reshape(-1, *x.shape), slope.error.reshape(-1, *x.shape)
            return np.asarray(law.score(x) - value), error

        values = comparison.resolved(lambda x, log_p, log_q: np.exp(log_p) * gap(x)[0] ** 2)
        panels, p = values.panels, values.p
        difference, unknown = gap(panels.x)
        error = panels.integrals(p * unknown * (2.0 * np.abs(difference) + unknown)).sum(-1)
        error += values.unresolved()
        return Estimate(values.integral(), error, COVERS)

    def on_intervals(self, comparison: IntervalComparison) -> Estimate:
        """Refuse: intervals know no slope, and that of a ReLU score is rarely square integrable."""
        raise ArgumentError(
            "the Fisher divergence of the probability flow is +∞ for nearly every trained ReLU "
            'score; take that of the score integral, method="score-integral"'
        )


FISHER = Fisher()


def fisher_divergence(
    law: Any, learned: LearnedDensity, *, domain: Domain | float | None = None
) -> Estimate:
    """F(p‖p̂) = ∫ p (∂ₓ log p − ∂ₓ log p̂)² dx, shape (…), in the inverse square of the unit of x.

    Needs no normalisation of p̂. The slope of the score integral is the score, exactly. That of the
    reverse SDE is the derivative of its interpolated log density, and its error the derivative of
    that one's error. The probability flow has none: where a trajectory is tangent to an activation
    boundary, as with nearly every trained ReLU score, its slope is not square integrable.

    Args:
        law: a mixture without point masses, such as any marginal p_t.
        learned: p̂, training times leading.
        domain: (a, b) or `np.inf`, in the unit of x; the learned density's own if None.

    Raises:
        ArgumentError: the density of a probability flow; or the law has no score: a compact target
            at t = 0, whose divergence may be +∞.

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
    >>> fisher_divergence(run.target, run.learned_density())
    0.122... ± ...
    """
    return FISHER(law, learned, domain=domain)
