"""Schemes for the reverse SDE [3] and the probability-flow ODE [4], as coefficients of each step.

A step from t to t' < t takes x̃ = a x + b s(x, t) + c z, and a scheme with a corrector goes on to
x' = a x + p s(x, t) + q s(x̃, t') + c z. In y = x/r, V = v² = σ_t²/r² the reverse SDE is
dy = s_y dV + dW_V and the flow dy = −v s_y dv, whatever the forward process (s_y = r s).
"""

from dataclasses import dataclass

import numpy as np

from ..diffusion.sde import ForwardSDE
from ..diffusion.time_grids import noise_ratio
from ..support.validation import FloatArray, one_of


@dataclass(frozen=True)
class Scheme:
    """A scheme: its name, whether it draws noise, has a corrector, and its (weak) order."""

    name: str
    stochastic: bool
    corrected: bool
    order: int

    def coefficients(self, sde: ForwardSDE, times: FloatArray) -> FloatArray:
        """Return (a, b, c, p, q) for the steps between falling times, shape (n_steps, 5)."""
        if self.name == "euler-maruyama":
            return _euler_maruyama(sde, times)
        r, v = np.asarray(sde.scale(times)), noise_ratio(sde, times)
        r0, r1, v0, v1 = r[:-1], r[1:], v[:-1], v[1:]
        ratio, none = r1 / r0, np.zeros(len(times) - 1)
        if self.name == "probability-flow":
            h = r1 * (v0 - v1)
            p, q = 0.5 * h * v0 * r0, 0.5 * h * v1 * r1
            return np.stack([ratio, h * v0 * r0, none, p, q], axis=1)
        h = v0**2 - v1**2
        if self.name == "exponential":
            # Exact for a frozen denoiser y + v² s_y: the bridge from there (DDPM's ancestral step).
            return np.stack([ratio, r1 * r0 * h, r1 * (v1 / v0) * np.sqrt(h), none, none], axis=1)
        p, q = 0.5 * r1 * r0 * h, 0.5 * r1 * r1 * h
        return np.stack([ratio, r1 * r0 * h, r1 * np.sqrt(h), p, q], axis=1)


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("euler-maruyama", stochastic=True, corrected=False, order=1),
        Scheme("exponential", stochastic=True, corrected=False, order=1),
        Scheme("heun", stochastic=True, corrected=True, order=2),
        Scheme("probability-flow", stochastic=False, corrected=True, order=2),
    )
}


def scheme_named(name: str) -> Scheme:
    """Return a scheme by its name."""
    return SCHEMES[one_of("scheme", name, SCHEMES)]


def _euler_maruyama(sde: ForwardSDE, times: FloatArray) -> FloatArray:
    """Return the steps x + (−f x + g² s)Δ + g√Δ z, with f and g at the start of each."""
    t, h = times[:-1], times[:-1] - times[1:]
    g_squared = np.asarray(sde.diffusion_squared(t))
    none = np.zeros(len(h))
    a = 1.0 - np.asarray(sde.drift(t)) * h
    return np.stack([a, g_squared * h, np.sqrt(g_squared * h), none, none], axis=1)
