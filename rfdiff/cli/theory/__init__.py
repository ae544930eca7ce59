"""`rfdiff theory`: the bound and its terms beside one exactly trained model."""

from .command import register as register
