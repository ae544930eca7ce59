"""∫ s dx of a ReLU score on the line: piecewise quadratic, exact, with its normaliser and means."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr

from ..._kernels import relu_integral as kernels
from ...diffusion.law_on_domain import Domain, Reference
from ...support.errors import ArgumentError
from ...support.validation import FloatArray
from ..features import RandomFeatures

# Rounding of a sum over features, in units of the sum of its terms' sizes.
_SUM_ROUNDING = 8.0 * 2.0**-53


@dataclass(frozen=True, eq=False)
class ReLUIntegral:
    """A(x) of ReLU features at one time t: exact, piecewise quadratic, anchored at x₀.

    ψ_j(x) = h_j(x₀)(x − x₀) + h_j′(x₀)(x − x₀)²/2 ± (|w_j|/(c(t) √m)) (x − κ_j)²/2 beyond κ_j,
    with + to the right of the anchor and − to its left.

    Args:
        features: ReLU features in one dimension.
        t: the time.
        anchor: x₀, inside the domain.
        domain: (a, b), or (−∞, ∞).
    """

    features: RandomFeatures
    t: float
    anchor: float
    domain: Domain

    def __post_init__(self) -> None:
        if not self.features.is_piecewise_linear:
            raise ArgumentError(
                "a piecewise quadratic integral needs ReLU features in one dimension"
            )

    @cached_property
    def _kinks(self) -> FloatArray:
        return self.features.kinks(self.t)

    @cached_property
    def _inside(self) -> NDArray[np.intp]:
        """Indices of the features with a kink strictly inside the domain, by position."""
        a, b = self.domain
        inside = np.flatnonzero((self._kinks > a) & (self._kinks < b) & np.isfinite(self._kinks))
        return inside[np.argsort(self._kinks[inside], kind="stable")]

    @property
    def breakpoints(self) -> FloatArray:
        """Sorted kinks inside the domain, where log p̂ changes its second derivative."""
        return self._kinks[self._inside]

    @cached_property
    def _basis(self) -> tuple[FloatArray, FloatArray, FloatArray, int, FloatArray, FloatArray]:
        """The arguments of the kernels, as defined in `_kernels/kernels.py`."""
        w = self.features.W[:, 0]
        scale = float(self.features.output_scale(self.t))
        active = np.where(w < 0, self._kinks > self.anchor, self._kinks <= self.anchor)
        pre_activation = w * self.anchor + self.features.biases(self.t)
        value0 = scale * np.where(active, np.maximum(pre_activation, 0.0), 0.0)
        slope0 = scale * np.where(active, w, 0.0)
        left = int(np.searchsorted(self.breakpoints, self.anchor, side="right"))
        knots = np.insert(self.breakpoints, left, self.anchor)
        index = np.insert(self._inside, left, -1)
        position = left
        a, b = self.domain
        if np.isfinite(a) and a < knots[0]:
            knots, index, position = np.insert(knots, 0, a), np.insert(index, 0, -1), left + 1
        if np.isfinite(b) and b > knots[-1]:
            knots, index = np.append(knots, b), np.append(index, -1)
        return knots, index.astype(np.int64), scale * np.abs(w), position, value0, slope0

    def evaluate(self, thetas: FloatArray, x: FloatArray, derivative: int = 0) -> FloatArray:
        """Return A (derivative 0), s (1) or ∂ₓs (2) at x (N,) for thetas (n, m): shape (n, N)."""
        order = np.argsort(x, kind="stable")
        ordered = np.empty((len(thetas), len(x)))
        kernels.evaluate(thetas, *self._basis, x[order], derivative, ordered)
        out = np.empty_like(ordered)
        out[:, order] = ordered
        return out

    def log_partition(self, thetas: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return log ∫ exp A over the domain and its error, each (n,); +∞ if it diverges."""
        n = len(thetas)
        value, error, ends = np.empty(n), np.empty(n), np.empty((n, 2, 3))
        kernels.log_partitions(thetas, *self._basis, value, error, ends)
        knots = self._basis[0]
        for k, (end, sign) in enumerate(zip(self.domain, (-1.0, 1.0), strict=True)):
            if not np.isfinite(end):
                piece, rounding = self._outer_piece(thetas, float(knots[-k]), sign)
                tail = _log_tail(ends[:, k, 0], sign * piece[0], piece[1])
                value = np.logaddexp(value, tail)
                with np.errstate(invalid="ignore"):
                    error = error + np.exp(tail - value) * rounding
        return value, np.where(np.isfinite(value), error, 0.0)

    def _outer_piece(
        self, thetas: FloatArray, x: float, sign: float
    ) -> tuple[FloatArray, FloatArray]:
        """Return s and ∂ₓs outwards of the outermost knot x, (2, n), and what a log tail errs by.

        They are sums over what is active there. A sum of nothing is zero, and so is one that is
        rounding: whether the density has a normalisation hangs on it.
        """
        w, scale = self.features.W[:, 0], float(self.features.output_scale(self.t))
        beyond, at = sign * (self._kinks - x) > 0.0, self._kinks == x
        active = np.where(sign * w > 0.0, ~beyond, beyond | ((sign < 0.0) & at & (w < 0.0)))
        values = np.where(active, scale * (w * x + self.features.biases(self.t)), 0.0)
        terms = np.stack([values, np.where(active, scale * w, 0.0)])
        sums, sizes = terms @ thetas.T, _SUM_ROUNDING * (np.abs(terms) @ np.abs(thetas).T)
        piece = np.where(np.abs(sums) <= sizes, 0.0, sums)
        share = np.divide(sizes, np.abs(piece), out=np.zeros_like(sizes), where=piece != 0.0)
        return piece, share.sum(0)

    def moments(self, reference: Reference) -> tuple[FloatArray, FloatArray]:
        """Return E_p[ψ_j] and its error, each (m,), in closed form from tail moments of p."""
        _, _, jump, _, value0, slope0 = self._basis
        x0 = np.array([self.anchor])
        above, below = reference.upper_tails(x0), reference.lower_tails(x0)
        first = above.value[1, 0] - below.value[1, 0]
        second = 0.5 * (above.value[2, 0] + below.value[2, 0])
        mean = value0 * first + slope0 * second
        error = np.abs(value0) * (above.error[1, 0] + below.error[1, 0])
        error += 0.5 * np.abs(slope0) * (above.error[2, 0] + below.error[2, 0])
        right = self._inside[self._kinks[self._inside] > self.anchor]
        left = self._inside[self._kinks[self._inside] <= self.anchor]
        for sign, index, tails in (
            (0.5, right, reference.upper_tails),
            (-0.5, left, reference.lower_tails),
        ):
            if len(index):
                beyond = tails(self._kinks[index])
                mean[index] += sign * jump[index] * beyond.value[2]
                error[index] += 0.5 * jump[index] * beyond.error[2]
        return mean, error + 2.0**-51 * np.abs(mean)


def _log_tail(value: FloatArray, slope: FloatArray, curvature: FloatArray) -> FloatArray:
    """Return log ∫₀^∞ exp(value + slope·u + curvature·u²/2) du, +∞ where it diverges."""
    result = np.full(value.shape, np.inf)
    flat = (curvature == 0) & (slope < 0)
    result[flat] = value[flat] - np.log(-slope[flat])
    curved = curvature < 0
    v, s, root = value[curved], slope[curved], np.sqrt(-curvature[curved])
    z = s / root
    # Past its peak (z < 0) the tail is v + log erfcx, before it the peak itself is outside.
    with np.errstate(over="ignore"):
        past = np.log(erfcx(-np.minimum(z, 0.0) / np.sqrt(2.0)) / 2.0)
        before = 0.5 * np.square(np.maximum(z, 0.0)) + log_ndtr(np.maximum(z, 0.0))
    result[curved] = v + 0.5 * np.log(2.0 * np.pi) - np.log(root) + np.where(z < 0, past, before)
    return result
