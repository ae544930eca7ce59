"""The grid and the clock of the reverse Fokker–Planck equation: both move with the noise.

In y = x/r and v = σ_t/r the reverse SDE [3] is dy = 2v² s_y du + √2 v dW with the clock u = −ln v,
whatever the forward process. The grid y = c + S ξ, ξ ∈ [−1, 1], shrinks with the noise,

    S² = a² + K²v²,   c = C (1 − v²/v_T²),

so that a marginal nearly stands still on it. Its nodes ξ = sinh(κη)/sinh κ, η equally spaced, lie
densest in the middle: far tails cost few of them. Each training time has its own a and κ.
"""

from dataclasses import dataclass, replace

import numpy as np

from ...diffusion.sde import ForwardSDE
from ...diffusion.time_grids import noise_ratio, times_of_noise_ratio
from ...support.validation import FloatArray


@dataclass(frozen=True, eq=False)
class MovingGrid:
    """The grid y = C(1 − v²/v_T²) + ξ √(a² + K²v²), ξ = sinh(κη)/sinh κ.

    Args:
        centre: C.
        reach: a of each training time, shape (n,).
        growth: K.
        core: length in y about the centre, at the end, on which nodes are nearly equally spaced.
        v_start: v_T.
        v_end: v at the end.
    """

    centre: float
    reach: FloatArray
    growth: float
    core: float
    v_start: float
    v_end: float

    @property
    def tilt(self) -> float:
        """2C/v_T², from the motion of the centre."""
        return 2.0 * self.centre / self.v_start**2

    @property
    def grading(self) -> FloatArray:
        """κ of each training time, shape (n,)."""
        return np.arcsinh(self.half_width(np.array([self.v_end]))[:, 0] / self.core)

    def middle(self, v: FloatArray) -> FloatArray:
        """Return c at noise ratios v."""
        return self.centre * (1.0 - (v / self.v_start) ** 2)

    def half_width(self, v: FloatArray) -> FloatArray:
        """Return S at noise ratios v (k,), shape (n, k)."""
        return np.hypot(self.reach[:, None], self.growth * v)

    def of(self, k: np.ndarray) -> "MovingGrid":
        """Return the grid of training times k, flat indices."""
        return replace(self, reach=self.reach[k])

    def nodes(self, cells: int) -> FloatArray:
        """Return ξ of the nodes, shape (n, cells + 1)."""
        kappa = self.grading[:, None]
        return np.sinh(kappa * np.linspace(-1.0, 1.0, cells + 1)) / np.sinh(kappa)

    def lengths(self, cells: int) -> FloatArray:
        """Return the length of ξ that each node owns, shape (n, cells + 1): dξ/dη times its η."""
        kappa = self.grading[:, None]
        density = kappa * np.cosh(kappa * np.linspace(-1.0, 1.0, cells + 1)) / np.sinh(kappa)
        lengths = density * (2.0 / cells)
        lengths[:, [0, -1]] *= 0.5
        return lengths

    def points(self, v: float, cells: int) -> FloatArray:
        """Return the nodes y at one noise ratio, shape (n, cells + 1)."""
        at = np.array([v])
        return self.middle(at) + self.half_width(at) * self.nodes(cells)


@dataclass(frozen=True, eq=False)
class Clock:
    """Equal steps in u = −ln v from T to t, each divided into 2^{levels−1}.

    `v`, `times` and `scale` hold σ_t/r, t and r at the start and then at every division.
    """

    v: FloatArray
    times: FloatArray
    scale: FloatArray
    step: float
    levels: int

    @classmethod
    def make(cls, sde: ForwardSDE, t: float, n_steps: int, levels: int) -> "Clock":
        """Return a clock of n_steps steps."""
        start, end = (float(np.log(noise_ratio(sde, s))) for s in (sde.T, t))
        v = np.exp(np.linspace(start, end, n_steps * 2 ** (levels - 1) + 1))
        times = times_of_noise_ratio(sde, v)
        times[0], times[-1] = sde.T, t
        return cls(v, times, np.asarray(sde.scale(times)), (start - end) / n_steps, levels)

    def parts(self, steps: int) -> list[slice]:
        """Return the divisions of `steps` steps at a time, as slices."""
        size = steps * 2 ** (self.levels - 1)
        return [slice(k, min(k + size, len(self.v))) for k in range(1, len(self.v), size)]
