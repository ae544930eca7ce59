"""Grids of reverse time, from T down to t, spaced by the noise-to-signal ratio v = σ_t/r."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ..support.errors import ArgumentError
from ..support.registry import Registry
from ..support.validation import FloatArray, count, real
from .sde import ForwardSDE

# Exponent of the EDM spacing (Karras et al. 2022, equation 5).
_EDM_EXPONENT = 7.0
# Halvings of [0, T]: to the spacing of floats.
_HALVINGS = 60


def reverse_time(sde: ForwardSDE, t: float) -> float:
    """Return t if a reversal can end there: 0 < t < T."""
    t = real("t", t)
    if not 0.0 < t < sde.T:
        raise ArgumentError(f"t must lie strictly between 0 and T = {sde.T:g}, got {t:g}")
    return t


def noise_ratio(sde: ForwardSDE, t: ArrayLike) -> FloatArray:
    """Return v(t) = σ_t/r(t), which grows from 0: x(t)/r(t) = x(0) + v(t) z."""
    return sde.std(t) / sde.scale(t)


def times_of_noise_ratio(sde: ForwardSDE, v: ArrayLike) -> FloatArray:
    """Return the times in [0, T] at which σ_t/r(t) is v, of the shape of v, by bisection.

    >>> import numpy as np
    >>> from rfdiff.diffusion.sde import VESDE
    >>> sde = VESDE()
    >>> float(np.round(times_of_noise_ratio(sde, sde.std(0.25)), 12))
    0.25
    """
    v = np.asarray(v, dtype=np.float64)
    low, high = np.zeros(v.shape), np.full(v.shape, sde.T)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        above = noise_ratio(sde, middle) > v
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return 0.5 * (low + high)


def _uniform(sde: ForwardSDE, t: float, n_steps: int) -> FloatArray:
    return np.linspace(sde.T, t, n_steps + 1)


def _log(sde: ForwardSDE, t: float, n_steps: int) -> FloatArray:
    start, end = (float(noise_ratio(sde, s)) for s in (sde.T, t))
    v = np.exp(np.linspace(np.log(start), np.log(end), n_steps + 1))
    return times_of_noise_ratio(sde, v)


def _edm(sde: ForwardSDE, t: float, n_steps: int) -> FloatArray:
    root = 1.0 / _EDM_EXPONENT
    start, end = (float(noise_ratio(sde, s)) ** root for s in (sde.T, t))
    return times_of_noise_ratio(sde, np.linspace(start, end, n_steps + 1) ** _EDM_EXPONENT)


# How n_steps + 1 times fall from T to t.
GRIDS: Registry[Callable[[ForwardSDE, float, int], FloatArray]] = Registry(
    "grid", {"uniform": _uniform, "log": _log, "edm": _edm}
)


def time_grid(grid: str, sde: ForwardSDE, t: float, n_steps: int) -> FloatArray:
    """Return n_steps + 1 times falling from T to t.

    Args:
        grid: "uniform" in t; "log", uniform in ln v; "edm", uniform in v^{1/7}.
        sde: the forward process.
        t: the last time, 0 < t < T.
        n_steps: the number of intervals.

    >>> from rfdiff.diffusion.sde import VESDE
    >>> time_grid("uniform", VESDE(), 0.5, 2)
    array([1.  , 0.75, 0.5 ])
    """
    spaced = GRIDS[grid]
    t, n_steps = reverse_time(sde, t), count("n_steps", n_steps)
    times = spaced(sde, t, n_steps)
    times[0], times[-1] = sde.T, t
    return times
