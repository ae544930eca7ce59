"""The way back from T to t: a scheme, the times of its steps, and what each of them does."""

from dataclasses import dataclass
from functools import cached_property

from ..diffusion.sde import ForwardSDE
from ..diffusion.time_grids import time_grid
from ..support.validation import FloatArray
from .schemes import SCHEMES, Scheme


@dataclass(frozen=True, eq=False)
class Reversal:
    """Steps of a scheme from T down to t.

    Args:
        sde: the forward process.
        t: where paths end, 0 < t < T.
        scheme: "euler-maruyama" (weak order 1), "exponential" (1, exact for a frozen denoiser),
            "heun" (2), or "probability-flow" (deterministic, Heun's method, 2).
        n_steps: number of steps.
        grid: times "uniform" in t, "log" (uniform in ln σ_t/r) or "edm".

    Raises:
        ArgumentError: bad arguments.

    >>> from rfdiff.diffusion.sde import VESDE
    >>> way = Reversal(VESDE(), 0.5, n_steps=4, grid="uniform")
    >>> way.times
    array([1.   , 0.875, 0.75 , 0.625, 0.5  ])
    >>> way.coefficients.shape  # (a, b, c, p, q) of each step
    (4, 5)
    """

    sde: ForwardSDE
    t: float
    scheme: str = "heun"
    n_steps: int = 500
    grid: str = "log"

    def __post_init__(self) -> None:
        # Mistakes are refused here, not at the first step.
        _ = self.rule, self.times

    @property
    def rule(self) -> Scheme:
        """The scheme itself."""
        return SCHEMES[self.scheme]

    @cached_property
    def times(self) -> FloatArray:
        """Times falling from T to t, shape (n_steps + 1,)."""
        return time_grid(self.grid, self.sde, self.t, self.n_steps)

    @cached_property
    def coefficients(self) -> FloatArray:
        """Coefficients (a, b, c, p, q) of each step, shape (n_steps, 5)."""
        return self.rule.coefficients(self.sde, self.times)
