"""What a theorem's function says of a measurement: minimised over the same τ, at the same points.

Theorems 1 and 2 bound the KL by a function of τ, n, m and μ. Its minimum over τ follows no one
power law: the paper's summary, n^{−2/5} + m^{−4/5} at τ_es ~ n^{2/5}, is its limit along m ∝ n. At
fixed n = 1000 its local slopes against m fall from −0.47 at m = 16 to −0.23 at m = 1024. So slopes
are computed where they are measured.

The constants are free and so are the floors, what no τ removes: an upper bound of this kind
constrains no slope on a finite window. With constants of one the computed slopes say what the
function's terms would look like, not what must be.
"""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from ..support.validation import FloatArray
from .power_laws.slopes import slopes_of
from .rates import RateFunction

# The paper's summary exponents, all along m ∝ n, and Theorem 2's explicit power of μ, in μ²/m.
SUMMARY = MappingProxyType(
    {"tau_es(n)": 2.0 / 5.0, "kl(n)": -2.0 / 5.0, "kl(m)": -4.0 / 5.0, "kl(mu)": 2.0}
)
# The terms that depend on τ with constants of one. Theorem 2 has μ²/m besides, all its μ that is
# explicit; the degree of Poly(μ) is not given, so it is one here.
UNIT_CONSTANTS = MappingProxyType(
    {
        1: RateFunction(np.ones(1), np.ones(1), 1.0, 0.0, 0.0),
        2: RateFunction(np.ones(1), np.ones(1), 1.0, 1.0, 0.0, width_power=2),
    }
)


@dataclass(frozen=True)
class Prediction:
    """A theorem's function along an axis, where it is lowest over τ.

    Attributes:
        x: the axis (k,).
        values: the minimiser or the minimum there, (k,).
        constants: what the constants are, in words.
        summary: the paper's summary exponent for such a quantity, which need not be of this axis.
    """

    x: tuple[float, ...]
    values: tuple[float, ...]
    constants: str
    summary: float | None = None

    @property
    def exponent(self) -> float:
        """Least-squares slope over the axis, as measured exponents are taken."""
        return float(slopes_of(np.log(self.x), np.log(self.values)))

    @property
    def local(self) -> tuple[float, ...]:
        """Slopes between neighbouring points, (k − 1,)."""
        return tuple((np.diff(np.log(self.values)) / np.diff(np.log(self.x))).tolist())


@dataclass(frozen=True, eq=False)
class Axis:
    """The points of a measurement: what the theorem's function is computed at.

    Attributes:
        x: what varies (k,), the abscissae of slopes.
        n: sample sizes, (k,) or one for all.
        m: widths, likewise.
        mu: half the distance of the modes, likewise; Theorem 1 knows none.
        tau: the grid of training times over which the measured curves are minimised.
    """

    x: FloatArray
    n: ArrayLike
    m: ArrayLike
    tau: FloatArray
    mu: ArrayLike = 1.0

    def best_time(
        self, rate: RateFunction, constants: str, summary: float | None = None
    ) -> Prediction:
        """Return where a rate function is lowest over the grid of τ.

        >>> import numpy as np
        >>> x, tau = np.array([1e4, 1e5, 1e6]), np.logspace(0, 10, 201)
        >>> ray = Axis(x, x, x, tau).best_time(UNIT_CONSTANTS[1], "unit")
        >>> round(ray.exponent, 2)
        0.4
        """
        return self._prediction(self._lowest(rate)[0], constants, summary)

    def least(self, rate: RateFunction, constants: str, summary: float | None = None) -> Prediction:
        """Return the minimum of a rate function over the grid of τ.

        >>> import numpy as np
        >>> m, tau = 2.0 ** np.arange(4, 11), np.logspace(0, 10, 201)
        >>> fixed_n = Axis(m, 1000.0, m, tau).least(UNIT_CONSTANTS[1], "unit")
        >>> [round(slope, 2) for slope in fixed_n.local]
        [-0.47, -0.44, -0.37, -0.31, -0.26, -0.23]
        """
        return self._prediction(self._lowest(rate)[1], constants, summary)

    def _lowest(self, rate: RateFunction) -> tuple[FloatArray, FloatArray]:
        return rate.lowest_on(self.tau, self.n, self.m, self.mu)

    def _prediction(self, at: FloatArray, constants: str, summary: float | None) -> Prediction:
        values = np.broadcast_to(at, self.x.shape)
        return Prediction(tuple(self.x.tolist()), tuple(values.tolist()), constants, summary)
