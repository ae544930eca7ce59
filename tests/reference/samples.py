"""Samples in one call, and what several tests of samples compare them with."""

from rfdiff.sampling.path_noise import PathNoise
from rfdiff.sampling.reversal import Reversal
from rfdiff.sampling.sampler import sample


def draw(score, sde, n, *, t, seed=0, first=0, prior=None, noise=None, trajectories=False, **steps):
    """Draw n samples; `steps` are the scheme, n_steps and grid."""
    return sample(
        score,
        Reversal(sde, t, **steps),
        n,
        noise=PathNoise(seed, first, prior, noise),
        trajectories=trajectories,
    )
