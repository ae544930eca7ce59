"""Denoising losses of scores that nobody trains: a Gaussian's own, and a mixture's.

Every run in many dimensions stands beside them: a trained score that loses to the Gaussian of the
data's mean and covariance has learned nothing beyond them, and the empirical mixture is what
memorises the data altogether.
"""

import numpy as np

from ..diffusion.mixtures import GaussianMixture
from ..model.affine_skip import AffineSkip
from ..support.estimate import Estimate
from ..support.random import stream
from ..support.validation import count
from .hermite_series.cross import skip_constant
from .hermite_series.rows import Times
from .objective import DenoisingObjective

# Standard errors that an error covers.
_DEVIATIONS = 3.0


def affine_loss(law: GaussianMixture, objective: DenoisingObjective, skip: AffineSkip) -> float:
    """Return E_t λ E‖M_t(x − r μ) + z/σ_t‖² under a law: exact.

    It is the constant of the loss of features beside that skip.

    Args:
        law: of x(0), in d dimensions.
        objective: process, times and weighting.
        skip: the affine score.

    >>> from rfdiff.diffusion.sde import VPSDE
    >>> law = GaussianMixture([1.0], [[0.0, 0.0]], 1.0)
    >>> objective = DenoisingObjective.at_times(VPSDE(), [0.5], np.ones_like)
    >>> skip = AffineSkip.gaussian(law, VPSDE())  # −x: what is left is d(1/σ² − 1)
    >>> bool(abs(affine_loss(law, objective, skip) - 2 / VPSDE().std(0.5) ** 2 + 2) < 1e-9)
    True
    """
    d, rule = law.dimension, objective.rule
    times = Times(objective.sde, rule.nodes, objective.node_weights(d))
    return objective.constant(d) + skip_constant(law, times, skip)


def mixture_loss(
    score_law: GaussianMixture,
    law: GaussianMixture,
    objective: DenoisingObjective,
    *,
    n_draws: int = 4,
    seed: int = 0,
) -> Estimate:
    """Return E_t λ E‖∇log q_t(x) + z/σ_t‖² under a law, q_t the diffused `score_law`.

    By Monte Carlo over the noise, in antithetic pairs; the error is three standard errors of it.

    Args:
        score_law: the mixture whose score is judged, such as the training points' empirical law.
        law: of x(0): held-out points, or a target.
        objective: process, times and weighting.
        n_draws: pairs of noise draws a component of the law and time node.
        seed: of the noise.
    """
    sde, d = objective.sde, law.dimension
    pairs, value, variance = count("n_draws", n_draws, 2), 0.0, 0.0
    for node, (t, weight) in enumerate(
        zip(objective.rule.nodes, objective.node_weights(d), strict=True)
    ):
        r, sigma = float(sde.scale(t)), float(sde.std(t))
        known, q = score_law.diffuse(r, sigma), law.weights
        z, own = stream(seed, "judging", 1, node).standard_normal((2, pairs, len(q), d))
        start = r * (law.means + law.stds[:, None] * own)
        losses = np.mean(
            [np.square(known.score(start + sigma * e) + e / sigma).sum(-1) for e in (z, -z)],
            axis=0,
        )
        value += weight * float((losses @ q).mean())
        variance += weight**2 * float((losses.var(axis=0, ddof=1) @ q**2) / pairs)
    return Estimate(value, _DEVIATIONS * np.sqrt(variance), "Monte Carlo over the noise")
