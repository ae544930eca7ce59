"""How far learned parameters may be from what exact arithmetic would have given."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..support.validation import FloatArray

# The gradient u of a result in θ at some training times k: (…, len(k), d, m).
Gradient = Callable[[NDArray[np.intp]], FloatArray]


class ThetaError(Protocol):
    """The error of θ at every training time, as it shows in what is computed from θ."""

    def of(self, gradient: Gradient) -> FloatArray:
        """Return the error of results by their gradients in θ, shape (…, n_τ).

        Args:
            gradient: u(k), asked for at as many training times as it takes.
        """
