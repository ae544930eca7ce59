"""`rfdiff density`: learned densities by their three definitions."""

from .command import register as register
