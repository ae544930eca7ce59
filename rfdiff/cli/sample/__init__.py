"""`rfdiff sample`: samples of the learned diffusion."""

from .command import register as register
