"""Schemes for the reverse SDE [3] and the probability-flow ODE [4], as coefficients of each step.

A step from t to t' < t takes x̃ = a x + b s(x, t) + c z, and a scheme with a corrector goes on to
x' = a x + p s(x, t) + q s(x̃, t') + c z. In y = x/r, V = v² = σ_t²/r² the reverse SDE is
dy = s_y dV + dW_V and the probability flow dy = −v s_y dv, whatever the forward process
(s_y = r s). A new scheme is a function here and a line of `SCHEMES`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..diffusion.sde import ForwardSDE
from ..diffusion.time_grids import noise_ratio
from ..support.registry import Registry
from ..support.validation import FloatArray


@dataclass(frozen=True)
class Scheme:
    """A way to take a step.

    Attributes:
        coefficients: (a, b, c, p, q) of the steps between falling times (n_steps + 1,), shape
            (n_steps, 5).
        stochastic: whether it draws noise: c ≠ 0.
        corrected: whether it has a corrector.
        order: its order, weak if it draws noise.
    """

    coefficients: Callable[[ForwardSDE, FloatArray], FloatArray]
    stochastic: bool
    corrected: bool
    order: int


def _euler_maruyama(sde: ForwardSDE, times: FloatArray) -> FloatArray:
    """X + (−f x + g² s)Δ + g√Δ z, with f and g at the start of each step."""
    t, h = times[:-1], times[:-1] - times[1:]
    g_squared = np.asarray(sde.diffusion_squared(t))
    none = np.zeros(len(h))
    a = 1.0 - np.asarray(sde.drift(t)) * h
    return np.stack([a, g_squared * h, np.sqrt(g_squared * h), none, none], axis=1)


def _exponential(sde: ForwardSDE, times: FloatArray) -> FloatArray:
    """Exact for a frozen denoiser y + v² s_y: the bridge from there (DDPM's ancestral step)."""
    r0, r1, v0, v1 = _ends(sde, times)
    h, none = v0**2 - v1**2, np.zeros(len(v0))
    return np.stack([r1 / r0, r1 * r0 * h, r1 * (v1 / v0) * np.sqrt(h), none, none], axis=1)


def _heun(sde: ForwardSDE, times: FloatArray) -> FloatArray:
    """The trapezoidal rule for dy = s_y dV + dW_V, predicted by Euler's."""
    r0, r1, v0, v1 = _ends(sde, times)
    h = v0**2 - v1**2
    p, q = 0.5 * r1 * r0 * h, 0.5 * r1 * r1 * h
    return np.stack([r1 / r0, r1 * r0 * h, r1 * np.sqrt(h), p, q], axis=1)


def _probability_flow(sde: ForwardSDE, times: FloatArray) -> FloatArray:
    """The trapezoidal rule for dy = −v s_y dv, predicted by Euler's."""
    r0, r1, v0, v1 = _ends(sde, times)
    h = r1 * (v0 - v1)
    p, q = 0.5 * h * v0 * r0, 0.5 * h * v1 * r1
    return np.stack([r1 / r0, h * v0 * r0, np.zeros(len(h)), p, q], axis=1)


def _ends(sde: ForwardSDE, times: FloatArray) -> tuple[FloatArray, ...]:
    """Return r and v at the start and the end of each step: r₀, r₁, v₀, v₁."""
    r, v = np.asarray(sde.scale(times)), noise_ratio(sde, times)
    return r[:-1], r[1:], v[:-1], v[1:]


SCHEMES: Registry[Scheme] = Registry(
    "scheme",
    {
        "euler-maruyama": Scheme(_euler_maruyama, stochastic=True, corrected=False, order=1),
        "exponential": Scheme(_exponential, stochastic=True, corrected=False, order=1),
        "heun": Scheme(_heun, stochastic=True, corrected=True, order=2),
        "probability-flow": Scheme(_probability_flow, stochastic=False, corrected=True, order=2),
    },
)
