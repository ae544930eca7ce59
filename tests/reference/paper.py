"""The setting of the paper: variance-exploding noise to 25, two modes at ±3, t = 0.065."""

from rfdiff.diffusion.mixtures import bimodal
from rfdiff.diffusion.sde import VESDE

SDE = VESDE()
T_EVAL = 0.065
LAW = bimodal(3.0)


def marginal(law, sde, t):
    """Return the law of x(t)."""
    return law.diffuse(float(sde.scale(t)), float(sde.std(t)))
