"""What a loss is: E_{t ~ U(t_min, T)} λ(t) E‖s(x_t, t) − target‖², by its process, times and λ.

The target is −z/σ_t for the denoising loss and ∇log p_t(x_t) for the score-matching loss; process,
times and weighting mean the same in both, and in every place that needs them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from ..diffusion.sde import ForwardSDE
from ..diffusion.time_rules import TimeRule, chosen_times, graded_time_rule
from ..support.errors import ArgumentError
from ..support.registry import Registry
from ..support.validation import FloatArray, finite_array

Weighting = str | Callable[[FloatArray], FloatArray]

# λ(t) by name, for a process, times and the dimension d: σ_t², σ_t/√d [6] and g(t)².
WEIGHTINGS: Registry[Callable[[ForwardSDE, FloatArray, int], FloatArray]] = Registry(
    "weighting",
    {
        "variance": lambda sde, t, d: sde.std(t) ** 2,
        "inverse-norm": lambda sde, t, d: sde.std(t) / np.sqrt(d),
        "likelihood": lambda sde, t, d: sde.diffusion_squared(t),
    },
)


@dataclass(frozen=True, eq=False)
class DenoisingObjective:
    """Process, times and weighting of a loss E_{t ~ U(t_min, T)} λ(t) E‖s(x_t, t) − target‖².

    Args:
        sde: forward process.
        rule: quadrature over t ~ U(t_min, T); its range is that of t.
        weighting: λ(t): "variance" σ_t², "inverse-norm" σ_t/√d [6], "likelihood" g(t)², or a
            function of t that is not negative.

    Raises:
        ArgumentError: an unknown weighting.

    >>> from rfdiff.diffusion.sde import VESDE
    >>> objective = DenoisingObjective.graded(VESDE(), n_times=64)
    >>> round(objective.constant(), 12)  # λ = σ_t²
    1.0
    """

    sde: ForwardSDE
    rule: TimeRule
    weighting: Weighting = "variance"

    def __post_init__(self) -> None:
        if not callable(self.weighting):
            WEIGHTINGS[self.weighting]

    @classmethod
    def graded(
        cls,
        sde: ForwardSDE,
        t_min: float = 1e-3,
        n_times: int = 128,
        weighting: Weighting = "variance",
    ) -> "DenoisingObjective":
        """Return the objective on (t_min, T) with time nodes graded towards small t.

        Args:
            sde: forward process.
            t_min: smallest time.
            n_times: number of time nodes.
            weighting: λ(t).
        """
        return cls(sde, graded_time_rule(t_min, sde.T, n_times), weighting)

    @classmethod
    def at_times(
        cls, sde: ForwardSDE, times: ArrayLike, weighting: Weighting = "variance"
    ) -> "DenoisingObjective":
        """Return the objective at chosen times with equal weights.

        Args:
            sde: forward process.
            times: one or several, in (0, T].
            weighting: λ(t).
        """
        return cls(sde, chosen_times(times, sde.T), weighting)

    def with_times(self, n_times: int) -> "DenoisingObjective":
        """Return the same objective with another number of graded nodes; chosen times stay."""
        if self.rule.chosen:
            return self
        rule = graded_time_rule(self.rule.t_min, self.rule.t_max, n_times)
        return replace(self, rule=rule)

    @property
    def refined(self) -> "DenoisingObjective":
        """The same objective with twice the time nodes; chosen times stay."""
        return self.with_times(2 * len(self.rule))

    def weighting_values(self, t: ArrayLike, d: int = 1) -> FloatArray:
        """Return λ(t), of the shape of t.

        Args:
            t: times.
            d: dimension of the data.

        Raises:
            ArgumentError: a function that returns values which are negative or not finite.

        >>> from rfdiff.diffusion.sde import VESDE
        >>> objective = DenoisingObjective.graded(VESDE(), weighting="likelihood")
        >>> float(objective.weighting_values(0.0))
        1.0
        """
        t = np.asarray(t, dtype=np.float64)
        if not callable(self.weighting):
            return WEIGHTINGS[self.weighting](self.sde, t, d)
        values = np.broadcast_to(finite_array("weighting(t)", self.weighting(t)), t.shape)
        if (values < 0).any():
            raise ArgumentError(f"weighting must be non-negative, got {values.min():g}")
        return values

    def node_weights(self, d: int = 1) -> FloatArray:
        """Return ω_k λ(t_k): Σ_k of these times f(t_k) is E_t λ f, shape (n_t,)."""
        return self.rule.weights * self.weighting_values(self.rule.nodes, d)

    def constant(self, d: int = 1) -> float:
        """Return c₀ = E_t λ d/σ_t², the denoising loss of s = 0 in d dimensions."""
        return d * float(self.node_weights(d) @ (1.0 / self.sde.std(self.rule.nodes) ** 2))
