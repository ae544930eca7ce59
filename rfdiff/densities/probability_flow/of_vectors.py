"""log p̂ of vectors along the probability flow [4], its divergence exact, an error from the steps.

In y = x/r and v = σ_t/r the probability flow is dy/dv = −v s_y, s_y = r s(x, t), whatever the
process, and along it log p(y) falls by v ∇·s_y dv, ∇·s_y = r² ∇ₓ·s. A classical Runge–Kutta
scheme of order 4 takes even steps in ln v from t to T, where x is held against the prior. With
ReLU the divergence jumps at the activation boundaries that a path crosses: a point's error falls
with the first power of the step there, and is taken from runs of half and a quarter as many.
"""

import numpy as np

from ...diffusion.sde import ForwardSDE
from ...diffusion.time_grids import noise_ratio, time_grid
from ...model.score import FastScore
from ...support.estimate import Estimate
from ...support.validation import FloatArray, multiple

# An error at first order is what the last halving of steps changes, and half of what the one
# before changed, where the last is small by chance; twice that is claimed.
_SAFETY = 2.0


def vector_log_density(
    score: FastScore, sde: ForwardSDE, t: float, x: FloatArray, n_steps: int = 64
) -> Estimate:
    """Return log p̂_t(x) by the probability flow, shape (…, N).

    Args:
        score: the score, training times (…) leading, in d dimensions.
        sde: forward process, whose prior is π.
        t: evaluation time, 0 < t < T.
        x: points, shape (N, d).
        n_steps: Runge–Kutta steps, a multiple of 4: half and a quarter of them give the error.

    Raises:
        ArgumentError: another number of steps, or t outside (0, T).

    >>> from rfdiff.diffusion.mixtures import GaussianMixture
    >>> from rfdiff.diffusion.sde import VPSDE
    >>> from rfdiff.model.score import ExactScore
    >>> law = GaussianMixture([1.0], [[0.0, 0.0]], 1.0)  # N(0, 1) at all times, as π
    >>> found = vector_log_density(ExactScore(law, VPSDE()), VPSDE(), 0.1, np.zeros((1, 2)))
    >>> bool(abs(found.value[0] + np.log(2 * np.pi)) < found.error[0] < 1e-4)
    True
    """
    multiple("n_steps", n_steps, 4)
    levels = [n_steps, n_steps // 2, n_steps // 4]
    found = np.empty((3, int(np.prod(score.shape)), len(x)))
    for k in range(found.shape[1]):
        for level, steps in enumerate(levels):
            found[level, k] = _one_score(score.select(k), sde, t, x, steps)
    last, before = np.abs(np.diff(found, axis=0))
    error = _SAFETY * np.maximum(last, 0.5 * before)
    shape = (*score.shape, len(x))
    return Estimate(found[0].reshape(shape), error.reshape(shape), "steps of probability flow")


def _one_score(
    score: FastScore, sde: ForwardSDE, t: float, x: FloatArray, n_steps: int
) -> FloatArray:
    """Return log p̂_t(x) of one score, shape (N,)."""
    # Ends and middles of the steps, rising.
    times = time_grid("log", sde, t, 2 * n_steps)[::-1]
    h = float(np.log(noise_ratio(sde, times[2]) / noise_ratio(sde, times[0])))
    evaluate = score.evaluator(0)

    def slope(y: FloatArray, at: float) -> tuple[FloatArray, FloatArray]:
        """Return dy/d ln v and the fall of log p(y) with ln v."""
        r, squared = float(sde.scale(at)), float(noise_ratio(sde, at)) ** 2
        position = r * y
        return -squared * r * evaluate(position, at), squared * r * r * score.divergence(
            position, at
        )

    d = x.shape[1]
    y, fall = x / float(sde.scale(t)), np.zeros(len(x))
    for begin, middle, end in zip(times[:-2:2], times[1:-1:2], times[2::2], strict=True):
        a, a_fall = slope(y, float(begin))
        b, b_fall = slope(y + 0.5 * h * a, float(middle))
        c, c_fall = slope(y + 0.5 * h * b, float(middle))
        e, e_fall = slope(y + h * c, float(end))
        y = y + h / 6.0 * (a + 2.0 * (b + c) + e)
        fall += h / 6.0 * (a_fall + 2.0 * (b_fall + c_fall) + e_fall)
    at_end = np.square(float(sde.scale(sde.T)) / sde.prior_std * y).sum(-1)
    log_prior = -0.5 * (at_end + d * np.log(2.0 * np.pi * sde.prior_std**2))
    shrinking = d * np.log(float(sde.scale(sde.T) / sde.scale(t)))
    return np.asarray(log_prior + shrinking - fall)
