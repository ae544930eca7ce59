"""`rfdiff train`: the generalisation curve of one exactly trained model."""

from .command import register as register
