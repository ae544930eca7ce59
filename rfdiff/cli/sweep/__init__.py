"""`rfdiff sweep`: many trainings, none lost."""

from .command import register as register
