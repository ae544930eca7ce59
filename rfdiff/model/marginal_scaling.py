"""Input and output scaling of features by the size of the marginal p_t, for vectors.

In many dimensions the features' biases are small beside W x, and what they see of the noise level
is lost unless x comes at a size that does not depend on t.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..diffusion.sde import ForwardSDE
from ..support.validation import FloatArray, positive


@dataclass(frozen=True)
class MarginalScaling:
    """c(t) = 1/√(r² std² + σ_t²), one over the size of a coordinate of x(t).

    Features see c(t) x instead of x: h = act(c(t) W x + U e(t))/√m. With a preconditioned output,
    1/σ_t, and `output` this is c_in and c_out/σ_t² of Karras et al. (2022), Table 1.

    Args:
        sde: forward process.
        std: of a coordinate of the data, root mean square over coordinates.
        output: multiply the output by c(t), too.

    >>> from rfdiff.diffusion.sde import VESDE
    >>> float(MarginalScaling(VESDE(), 2.0)(0.0))
    0.5
    """

    sde: ForwardSDE
    std: float = 1.0
    output: bool = False

    def __post_init__(self) -> None:
        positive("std", self.std)

    def __call__(self, t: ArrayLike) -> FloatArray:
        """Return c(t), of the shape of t."""
        return np.asarray(1.0 / np.hypot(self.std * self.sde.scale(t), self.sde.std(t)))
