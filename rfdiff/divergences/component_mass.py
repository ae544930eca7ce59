"""The mass that a learned density gives a component of a mixture: M_k = ∫ p̂ ρ_k.

ρ_k = q_k N_k/p is the component's share of the law at x. If p̂ = p, M_k = q_k; the M_k add up to 1.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..densities.interfaces import LearnedDensity
from ..densities.panel_comparison import PanelComparison
from ..densities.probability_flow.interval_comparison import IntervalComparison
from ..diffusion.law_on_domain import Reference
from ..diffusion.mixtures import GaussianMixture
from ..support.estimate import Estimate
from ..support.validation import FloatArray
from .divergence import COVERS, DivergenceFormula

# Points around every component, up to so many widths, between which shares rise or fall.
_POINTS, _WIDTHS = 2001, 40.0


@dataclass(frozen=True)
class ComponentMass(DivergenceFormula):
    """No divergence, but integrated like one: p lends its panels and its components."""

    name: ClassVar[str] = "component-mass"
    title: ClassVar[str] = "mass of a component"
    # Where p̂ cannot be normalised, there is no mass.
    limit: ClassVar[float | None] = float("nan")

    component: int

    def natural_scale(self, reference: Reference) -> float:
        """Return the component's weight."""
        return float(reference.law.weights[self.component])

    def on_panels(self, comparison: PanelComparison) -> Estimate:
        """Return the mass by panels in x."""
        values = comparison.resolved(
            lambda x, log_p, log_q: np.exp(log_q) * self._share(comparison.law, x)
        )
        share = self._share(comparison.law, values.panels.x)
        error = values.weighted_error(share) + values.unresolved() + values.missed
        return Estimate(values.integral(), error, COVERS)

    def on_intervals(self, comparison: IntervalComparison) -> Estimate:
        """Return the mass by intervals that the probability flow transports."""
        law = comparison.law
        around = np.linspace(-_WIDTHS, _WIDTHS, _POINTS)
        x = np.unique(law.means + law.stds[:, None] * around)
        varied = np.append(0.0, np.cumsum(np.abs(np.diff(self._share(law, x)))))
        return comparison.mean_under_learned(
            self.title, lambda x: self._share(law, x), np.stack([x, varied])
        )

    def _share(self, law: GaussianMixture, x: FloatArray) -> FloatArray:
        return np.asarray(law.responsibilities(x)[..., self.component])


def component_masses(law: GaussianMixture, learned: LearnedDensity) -> Estimate:
    """M_k = ∫ p̂ ρ_k for every component, shape (…, K), with errors; ρ_k = q_k N_k/p.

    Args:
        law: a one-dimensional mixture p without point masses, such as any marginal p_t.
        learned: p̂, training times leading.

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128, target=rfdiff.bimodal(3.0, (0.1, 0.9)))
    >>> component_masses(run.target, run.learned_density()).value.round(2)
    array([0.07, 0.93])
    """
    found = [ComponentMass(k)(law, learned.on(learned.support)) for k in range(law.n_components)]
    value, error = (
        np.stack([getattr(one, name) for one in found], axis=-1) for name in ("value", "error")
    )
    return Estimate(value, error, COVERS)
