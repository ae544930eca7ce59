"""Exceptions and warnings: each is also the builtin a caller would guess."""


class RfdiffError(Exception):
    """Base class of every error rfdiff raises on purpose."""


class ArgumentError(RfdiffError, ValueError):
    """An argument breaks a rule; the message names the argument, its value and the rule."""


class DataFileError(RfdiffError, ValueError):
    """A data file cannot be used; the message names the file, and the column and row if known."""


class MemoryLimitError(RfdiffError, MemoryError):
    """The estimated memory of a computation exceeds what the machine has free."""


class StoreError(RfdiffError, OSError):
    """A sweep's store cannot be used; the message names the file and what to do."""


class SchedulerError(RfdiffError, ConnectionError):
    """A scheduler of distributed work cannot be reached, or was lost; the message names it."""


class AccuracyWarning(UserWarning):
    """A numerical result missed its tolerance; the message gives the estimate and the knob."""
