"""Quadrature along a monotone map y ↦ z whose log slope ℓ = ln dz/dy is rough.

The probability flow of a kinked score has a log slope with hundreds of kinks at places of its own
for every training time: Gauss rules converge slowly there. But the mean of e^ℓ over an interval is
known exactly, Δz/Δy, so that with end values ℓ₀, ℓ₁

    mean ℓ = ln(Δz/Δy) − (ℓ₁ − ℓ₀)²/24 + O(Δy⁴),

at one new node per halving. Intervals are halved, for each map, where they have not converged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ...numerics.bisection import Mask, bisect
from ...numerics.quadrature import composite_gauss_legendre
from ...support.estimate import Estimate
from ...support.validation import FloatArray
from .intervals import Accepted, Intervals, Trace

# Intervals are halved this often at most.
MOST_HALVINGS = 16
# Differences between the two formulas for mean ℓ beyond which the logarithm is not trusted.
_ROUGH = 0.5
# Relative rounding of transported points, and what of it in a logarithm is too much.
_ROUNDING, _NOISY = 1e-14, 1e-3
# Initial intervals in each of the caller's panels.
_INTERVALS = 8


class Part(NamedTuple):
    """What intervals add to an integral, each (P,).

    Attributes:
        value: what they add.
        mass: their share of whatever is integrated, and so of what the integral may err by.
        unseen: what may be wrong with the value although halving does not show it.
        most: all that can be wrong with it.
    """

    value: FloatArray
    mass: FloatArray
    unseen: FloatArray
    most: FloatArray


Quantity = Callable[[Intervals], Part]
# The error that halving leaves, from what it changes and what the halving before it has changed.
Remaining = Callable[[FloatArray, FloatArray], FloatArray]


def remaining_at_kinks(change: FloatArray, before: FloatArray) -> FloatArray:
    """Return what halving leaves where most errors fall to an eighth, and some to a half."""
    return 0.5 * change


def remaining_at_jumps(change: FloatArray, before: FloatArray) -> FloatArray:
    """Return what halving leaves where errors fall to a half, or by chance change nothing once.

    Second order leaves a quarter of the change before.
    """
    return change + 0.25 * before


class _Pending(NamedTuple):
    """Intervals to halve, what they add by themselves, and what halving changed before."""

    intervals: Intervals
    value: FloatArray
    mass: FloatArray
    before: FloatArray


@dataclass(frozen=True)
class _Halved:
    """Intervals with what they add by themselves and in halves (2, P), and the error then."""

    intervals: Intervals
    halves: Intervals
    value: FloatArray
    half_values: FloatArray
    half_masses: FloatArray
    error: FloatArray

    def __getitem__(self, keep: Mask) -> "_Halved":
        return _Halved(
            self.intervals[keep], self.halves[np.tile(keep, 2)], self.value[keep],
            self.half_values[:, keep], self.half_masses[:, keep], self.error[keep],
        )  # fmt: skip

    @property
    def total(self) -> FloatArray:
        """What they add in halves."""
        return self.half_values[0] + self.half_values[1]

    def pending(self) -> _Pending:
        """Return the halves to halve."""
        before = 0.5 * np.tile(np.abs(self.total - self.value), 2)
        return _Pending(self.halves, self.half_values.ravel(), self.half_masses.ravel(), before)


def integrate_intervals(
    trace: Trace,
    quantity: Quantity,
    intervals: Intervals,
    n: int,
    tolerance: float,
    remaining: Remaining,
) -> tuple[Estimate, Accepted]:
    """Return what intervals add up to for each of n maps, shape (n,), and those accepted.

    Args:
        trace: gives z, ℓ = ln dz/dy and more of map k at y.
        quantity: what an interval adds, from the trace at its ends.
        intervals: to start from, of all maps.
        n: number of maps.
        tolerance: of each integral. An interval may err by its share, half by mass, half by width;
            once the errors of a map add up to less, all of its intervals are done.
        remaining: the error that halving an interval leaves.
    """
    value, error, accepted = np.zeros(n), np.zeros(n), list[Accepted]()
    span = intervals.right.max() - intervals.left.min()

    def examine(pending: _Pending) -> tuple[_Halved, Mask]:
        whole, halves = pending.intervals, pending.intervals.halves(trace)
        values, masses, unseen, most = (array.reshape(2, -1) for array in quantity(halves))
        change = np.abs(values[0] + values[1] - pending.value)
        left = remaining(change, pending.before) + (unseen[0] + unseen[1])
        found = _Halved(
            whole, halves, pending.value, values, masses, np.minimum(left, most[0] + most[1])
        )
        width = (whole.right - whole.left) / span
        done = found.error <= 0.5 * tolerance * (pending.mass + width)
        enough = error + np.bincount(whole.k, found.error, n) <= tolerance
        return found, done | whole.crowded | enough[whole.k]

    def accept(found: _Halved) -> None:
        nonlocal value, error
        whole = found.intervals
        value += np.bincount(whole.k, found.total, n)
        error += np.bincount(whole.k, found.error, n)
        accepted.append(Accepted(whole.k, whole.left, whole.right, found.value))

    part = quantity(intervals)
    unknown = np.full(len(part.value), np.inf)
    bisect(
        _Pending(intervals, part.value, part.mass, unknown), examine, accept, _Halved.pending,
        most_halvings=MOST_HALVINGS,
    )  # fmt: skip
    return Estimate(value, error + 1e-15 * np.abs(value)), Accepted.joined(accepted)


def initial_edges(panels: FloatArray) -> FloatArray:
    """Return the edges (E,) of the intervals to start from, some in every one of the panels."""
    inner = [np.linspace(a, b, _INTERVALS + 1) for a, b in pairwise(panels)]
    return np.unique(np.concatenate(inner))


def log_slope_mean(density: Callable[[FloatArray], FloatArray]) -> Quantity:
    """Return ∫ μ(y) (ℓ(y) + g(y)) dy for a probability density μ; the trace gives g and dg/dy."""

    def quantity(intervals: Intervals) -> Part:
        h = intervals.right - intervals.left
        m0, m1, m2, m3 = _moments(intervals.left, intervals.right, density)
        (z0, l0, g0, d0), (z1, l1, g1, d1) = intervals.start, intervals.end
        with np.errstate(divide="ignore", invalid="ignore"):
            mean, slope, unseen = mean_log(np.log((z1 - z0) / h), l0, l1, rounding(z0, z1))
        # Cubic Hermite interpolant of g about the middle of the interval.
        e0, e1 = h * d0, h * d1
        integral = (0.5 * (g0 + g1) + 0.125 * (e0 - e1)) * m0
        integral += (1.5 * (g1 - g0) - 0.25 * (e0 + e1)) * m1 / h
        integral += 0.5 * (e1 - e0) * m2 / h**2 + (e0 + e1 - 2.0 * (g1 - g0)) * m3 / h**3
        integral += mean * m0 + slope / h * m1
        return Part(integral, m0, unseen * m0, np.full(len(h), np.inf))

    return quantity


def mean_log(
    log_mean: FloatArray, start: FloatArray, end: FloatArray, noise: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the mean of ℓ over intervals, its rise, and what may be wrong with the mean unseen.

    Args:
        log_mean: logarithm of the mean of e^ℓ, (P,).
        start: ℓ at one end.
        end: ℓ at the other end.
        noise: what rounding may do to log_mean; where that is much, it is left aside.
    """
    rise, middle = end - start, 0.5 * (start + end)
    mean = log_mean - rise * rise / 24.0
    roughness = np.nan_to_num(np.abs(mean - middle), nan=np.inf)
    trusted = (roughness <= _ROUGH) & (noise <= _NOISY)
    # A bump of ℓ that moves its mean by κ off the chord adds up to κ²/6 + κ rise/6 to ln of e^ℓ.
    with np.errstate(invalid="ignore"):
        kappa = np.clip(np.nan_to_num(roughness - noise, nan=0.0), 0.0, 1.0)
    unseen = kappa * (kappa + np.minimum(np.abs(rise), 3.0) / 6.0)
    return np.where(trusted, mean, middle), np.where(trusted, rise, 0.0), unseen


def rounding(start: FloatArray, end: FloatArray) -> FloatArray:
    """Return what rounding of transported points may do to ln (end − start)."""
    largest = np.maximum(np.abs(start), np.abs(end))
    with np.errstate(divide="ignore"):
        return np.asarray(_ROUNDING * largest / np.maximum(end - start, 0.0))


def _moments(
    left: FloatArray, right: FloatArray, density: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    """Return ∫ μ (y − middle)ᵏ, k = 0 … 3, on every interval: (4, P). Maps share intervals."""
    middle = 0.5 * (left + right)
    _, first, again = np.unique(middle, return_index=True, return_inverse=True)
    half = 0.5 * (right - left)[first]
    nodes, weights = composite_gauss_legendre(4, np.array([-1.0, 1.0]))
    offset = half[:, None] * nodes
    values = density((middle[first, None] + offset).ravel()).reshape(offset.shape)
    weighted = values * weights * half[:, None]
    return np.stack([(weighted * offset**k).sum(1)[again] for k in range(4)])
