"""A divergence of a learned density p̂ from a known law p: a formula that comparisons integrate.

p is a one-dimensional law with a density (p₀, or a marginal p_t), restricted to the learned
density's domain and normalised there. p̂ is a learned density by any of its definitions, for every
training time: a score integral is normalised on the domain too, the laws of the probability flow
and of the reverse SDE are laws on the line and stay so.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from ..densities.interfaces import LearnedDensity
from ..densities.panel_comparison import PanelComparison
from ..densities.probability_flow.interval_comparison import IntervalComparison
from ..diffusion.law_on_domain import Domain, Reference
from ..support.estimate import Estimate
from .accuracy import warn_of_large_errors

# What the errors of divergences cover.
COVERS = "quadrature and density"
# Errors of divergences in nats below a tenth of this are small, however small the divergence.
_NATS = 0.01


class DivergenceFormula(ABC):
    """What every formula has, and how it is asked for: a `densities.interfaces.Divergence`."""

    name: ClassVar[str]
    # Its name in messages.
    title: ClassVar[str]
    power_of_length: ClassVar[int] = 0
    needs_slope: ClassVar[bool] = False
    limit: ClassVar[float | None] = None

    def natural_scale(self, reference: Reference) -> float:
        """Return a size of the divergence, from p on the domain, a tenth of which is a small error.

        The largest value of a bounded divergence, a hundredth of a nat for others.
        """
        return _NATS if self.limit is None or self.limit == float("inf") else self.limit

    @abstractmethod
    def on_panels(self, comparison: PanelComparison) -> Estimate:
        """Return the divergence by panels in x."""

    @abstractmethod
    def on_intervals(self, comparison: IntervalComparison) -> Estimate:
        """Return the divergence by intervals that the probability flow transports."""

    def __call__(
        self, law: Any, learned: LearnedDensity, *, domain: Domain | float | None = None
    ) -> Estimate:
        """Return the divergence of p̂ from p, shape (…), with its error.

        Args:
            law: p, a one-dimensional law with a density: p₀, or a marginal p_t.
            learned: p̂, training times leading.
            domain: (a, b) or `np.inf`, in the unit of x; the learned density's own if None.

        An error above a tenth of the divergence, and of its natural scale, comes with a warning.
        """
        learned = learned if domain is None else learned.on(domain)
        found = learned.beside(law).integrate(self)
        if learned.knob is not None:

            def scale() -> float:
                return self.natural_scale(Reference(law, learned.domain))

            title = f"{self.title} of the {learned.method} density"
            warn_of_large_errors(title, found, scale, learned.knob)
        return found
