"""A warning where the error of a number leaves little of it."""

import warnings
from collections.abc import Callable

import numpy as np

from ..support.errors import AccuracyWarning
from ..support.estimate import Estimate

# The error that a number may have without a warning, as a share of it or of its natural scale.
_SHARE = 0.1


def warn_of_large_errors(
    quantity: str, found: Estimate, scale: Callable[[], float], knob: str
) -> None:
    """Warn, once for all training times, where the error is above a tenth of the number.

    Args:
        quantity: name of the number.
        found: it, with its error, for every training time.
        scale: returns the natural scale of the number, a tenth of which an error may be as well;
            asked for only where the error is above a tenth of the value.
        knob: what to change.
    """
    value, error = np.abs(found.value), found.error
    doubtful = np.isfinite(value) & ~(error <= _SHARE * value)
    if not doubtful.any():
        return
    natural = scale()
    doubtful &= ~(error <= _SHARE * natural)
    if not doubtful.any():
        return
    excess = np.where(doubtful, np.nan_to_num(error, nan=np.inf) / np.maximum(value, natural), -1.0)
    index = tuple(int(i) for i in np.unravel_index(int(excess.argmax()), excess.shape))
    where = f" of index {index}" if index else ""
    warnings.warn(
        f"the {quantity} is not known at {doubtful.sum()} of {doubtful.size} training time(s), "
        f"the worst is {found[index]!r}{where}; {knob}",
        AccuracyWarning,
        stacklevel=4,
    )
