"""Where characteristics of the probability flow touch the path of a kink.

The score of ReLU features has kinks at κ_j(t'). Relative to one of them the flow there moves at

    g_j(t') = v(κ_j(t'), t') − κ_j'(t'),   v = f x − ½g² s_θ.

Where g_j changes sign, the characteristic that is at κ_j then touches the kink's path and turns
back. Its neighbours at a distance δ stay on the near side if they pass on that side, and spend a
time ~ √δ beyond the kink if they pass on the other: there log p̂ has a term ~ √δ, whose slope is
square integrable under no density that is positive (`flow_fisher.py`). Where g_j vanishes for a
while, the characteristic runs along the kink and log p̂ jumps: that counts as a contact too.

Features whose kinks move together are one kink, which is none if their jumps cancel.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# SciPy loads a subpackage when it is first used: training alone must not pay for this one.
import scipy
from numpy.typing import NDArray

from ...diffusion.law_on_domain import Domain
from ...diffusion.sde import ForwardSDE
from ...diffusion.time_grids import time_grid
from ...model.score import RandomFeatureScore
from ...model.score_table import score_table, table_bytes
from ...support.validation import FloatArray, memory
from .characteristics import Characteristics, characteristics_of

# Steps of the grid on which signs are compared.
_STEPS = 256
# Bytes held at once, and those of one speed on the grid.
_BLOCK_BYTES, _SPEED_BYTES = 1 << 26, 64
# Unit roundoff, times what covers the sums over up to 10⁶ features.
_ROUNDING = 32.0 * 2.0**-53
# Kinks are compared at so many times, to so many bits, to tell whether they move together.
_LOOKS, _BITS = 9, 40
# Between nodes, the least of |g_j| is looked for on this many points, this many times closer.
_POINTS, _ZOOMS = 9, 6
# Halvings of a step of the grid, to the rounding of times.
_HALVINGS = 50

Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class MovingKinks:
    """The kinks of a one-dimensional ReLU score, moving relative to its probability flow.

    Args:
        score: the score, training times leading.
        sde: the forward process.
        times: rising times (n_t,) from t to T.
    """

    score: RandomFeatureScore
    sde: ForwardSDE
    times: FloatArray

    @cached_property
    def places(self) -> FloatArray:
        """κ_j at the times, (n_t, m); ±∞ where there is none."""
        return self.score.features.kinks(self.times)

    @cached_property
    def features(self) -> Indices:
        """One feature of every kink (k,)."""
        return self._grouped[0]

    @cached_property
    def jumps(self) -> FloatArray:
        """Jump of ∂ₓs·c√m at every kink, (n_rows, k): zero where those of its features cancel."""
        _, kink_of, moving = self._grouped
        weights = self.score.flat_theta[:, moving] * np.abs(self.score.features.W[moving, 0])
        jumps, size = np.zeros((2, len(weights), len(self.features)))
        np.add.at(jumps.T, kink_of, weights.T)
        np.add.at(size.T, kink_of, np.abs(weights).T)
        return np.where(np.abs(jumps) > _ROUNDING * size, jumps, 0.0)

    @cached_property
    def _grouped(self) -> tuple[Indices, Indices, Indices]:
        """One feature of every kink, the kink of every feature that has one, and these."""
        moving = np.flatnonzero(np.isfinite(self.places).all(0))
        looks = np.linspace(0, len(self.times) - 1, _LOOKS).astype(np.intp)
        mantissa, exponent = np.frexp(self.places[looks][:, moving].T)
        rounded = np.ldexp(np.round(np.ldexp(mantissa, _BITS)), exponent - _BITS) + 0.0
        _, first, kink_of = np.unique(rounded, axis=0, return_index=True, return_inverse=True)
        return moving[first], kink_of.ravel(), moving

    def block_bytes(self) -> float:
        """Memory of the signs of one training time."""
        n_t, m = self.places.shape
        return table_bytes(1, n_t, m) + _SPEED_BYTES * n_t * len(self.features)

    def blocks(self) -> Iterator[slice]:
        """Yield the training times in blocks that fit into memory."""
        n_rows = len(self.score.flat_theta)
        each = self.block_bytes()
        memory("the search for kinks that are touched", each)
        step = max(1, int(_BLOCK_BYTES / each))
        for start in range(0, n_rows, step):
            yield slice(start, min(start + step, n_rows))

    def speeds(self, rows: slice) -> tuple[FloatArray, FloatArray]:
        """Return g_j at all times and what rounding leaves of it unknown, (R, n_t, k) each."""
        features, thetas = self.score.features, self.score.flat_theta[rows]
        table = score_table(RandomFeatureScore(features, thetas[:, None, :]), self.times)
        sorted_places = np.where(np.isfinite(table.kinks), table.kinks, 0.0)
        at = table.slopes[..., :-1] * sorted_places + table.intercepts[..., :-1]
        place = np.argsort(np.argsort(self.places, axis=1, kind="stable"), axis=1)
        at = at[:, np.arange(len(self.times))[:, None], place[:, self.features]]
        w, size = np.abs(features.W[:, 0]), np.abs(thetas)
        x = self.places[:, self.features]
        reach = (size @ w)[:, None, None] * np.abs(x)
        reach += (size @ np.abs(features.biases(self.times)).T)[..., None]
        half = 0.5 * self.sde.diffusion_squared(self.times)[:, None]
        drift = self.sde.drift(self.times)[:, None] * x
        own = -features.bias_slopes(self.times)[:, self.features] / features.W[self.features, 0]
        gain = half * features.output_scale(self.times)[:, None]
        unknown = _ROUNDING * (gain * reach + np.abs(drift) + np.abs(own))
        return drift - half * at - own, unknown

    def speed_at(self, rows: Indices, kink: Indices, times: FloatArray) -> FloatArray:
        """Return g_j at one time each (P,), by the sum over all features."""
        features, thetas = self.score.features, self.score.flat_theta
        w, speed = features.W[:, 0], np.empty(len(rows))
        step = max(1, int(_BLOCK_BYTES / (_SPEED_BYTES * features.width)))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            t, j = times[part], self.features[kink[part]]
            one = np.arange(len(t)), j
            biases = features.biases(t)
            x = -biases[one] / w[j]
            active = np.maximum(w * x[:, None] + biases, 0.0)
            s = np.einsum("pm,pm->p", thetas[rows[part]], active) * features.output_scale(t)
            own = -features.bias_slopes(t)[one] / w[j]
            speed[part] = self.sde.drift(t) * x - 0.5 * self.sde.diffusion_squared(t) * s - own
        return speed


@dataclass(frozen=True, eq=False)
class KinkContacts:
    """Contacts of characteristics with kinks, by training time.

    Attributes:
        kinks: the kinks and the times between which they are looked for.
        rows: training time of every contact, a flat index (N,), in order.
        kink: index of the kink (N,), whose feature is kinks.features[kink].
        before: a time before it (N,).
        after: a time after it (N,).
    """

    kinks: MovingKinks
    rows: Indices
    kink: Indices
    before: FloatArray
    after: FloatArray

    @property
    def features(self) -> Indices:
        """A feature of the kink that is touched, (N,)."""
        return self.kinks.features[self.kink]

    @cached_property
    def times(self) -> FloatArray:
        """When the kink is touched, (N,): t* with g_j(t*) = 0, by bisection."""
        low, high = self.before.copy(), self.after.copy()
        sign = np.sign(self.kinks.speed_at(self.rows, self.kink, low))
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            same = np.sign(self.kinks.speed_at(self.rows, self.kink, middle)) == sign
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        return 0.5 * (low + high)

    @cached_property
    def places(self) -> FloatArray:
        """Where, (N,): κ_j(t*)."""
        features, j = self.kinks.score.features, self.features
        biases = np.take_along_axis(features.biases(self.times), j[:, None], axis=1)[:, 0]
        return -biases / features.W[j, 0]

    def inside(self, domain: Domain) -> NDArray[np.bool_]:
        """Say which of the touching characteristics lie strictly inside a domain at t, (N,).

        The flow on the line keeps order: they do, if at t* the kink is between the
        characteristics that begin at the ends of the domain.
        """
        inside = np.ones(len(self.rows), dtype=bool)
        if not len(self.rows) or not np.isfinite(domain).all():
            return inside
        flow = characteristics_of(self.kinks.score, self.kinks.sde)
        rows, member = np.unique(self.rows, return_inverse=True)
        ends = _paths(flow, rows, np.array(domain), self.kinks.times)
        for i in range(len(rows)):
            here = member == i
            path = scipy.interpolate.CubicSpline(self.kinks.times, ends[:, i])
            low, high = path(self.times[here]).T
            inside[here] = (low < self.places[here]) & (self.places[here] < high)
        return inside


def kink_contacts(score: RandomFeatureScore, sde: ForwardSDE, t: float) -> KinkContacts:
    """Return where characteristics touch kinks between t and T, for every training time.

    Signs of all g_j are compared on a grid, O(n_rows n_t m). Where a training time shows no change
    of sign beyond rounding, the least of |g_j| between nodes is looked for too. What dips through
    zero and back within a small part of a step is missed.

    Args:
        score: a one-dimensional ReLU score.
        sde: the forward process.
        t: evaluation time, 0 < t < T.

    Raises:
        ArgumentError: another score.
        MemoryLimitError: the table of one training time does not fit.

    >>> from rfdiff.model.embeddings import AffineEmbedding
    >>> from rfdiff.model.features import RandomFeatures
    >>> from rfdiff.diffusion.sde import VESDE
    >>> features = RandomFeatures([1.0, -1.0], [[0.0, 1.0], [1.0, 0.0]], AffineEmbedding())
    >>> kink_contacts(RandomFeatureScore(features, [[0.0, 0.0]]), VESDE(), 0.5).times
    array([], dtype=float64)
    """
    moving = MovingKinks(score, sde, time_grid("log", sde, t, _STEPS)[::-1])
    found = [_in_block(moving, rows) for rows in moving.blocks()]
    rows, kink, before, after = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(rows, kind="stable")
    return KinkContacts(
        moving,
        rows[order].astype(np.intp),
        kink[order].astype(np.intp),
        before[order],
        after[order],
    )


def _in_block(moving: MovingKinks, rows: slice) -> tuple[NDArray[np.generic], ...]:
    """Return rows, kinks and times before and after of the contacts of some training times."""
    speeds, unknown = moving.speeds(rows)
    jumps = moving.jumps[rows] != 0.0
    signs = np.where(np.abs(speeds) > unknown, np.sign(speeds), 0.0)
    row, before, after, kink = _changes(signs)
    counts = jumps[row, kink]
    row, before, after, kink = row[counts], before[counts], after[counts], kink[counts]
    quiet = np.setdiff1d(np.arange(len(jumps)), row)
    hidden = _between_nodes(moving, np.abs(speeds[quiet]), jumps[quiet], quiet + rows.start)
    found = row + rows.start, kink, moving.times[before], moving.times[after]
    return tuple(np.concatenate(pair) for pair in zip(found, hidden, strict=True))


def _changes(signs: FloatArray) -> tuple[Indices, Indices, Indices, Indices]:
    """Return row, node before, node after and kink of changes in signs (R, n_t, k).

    Between opposite signs there may be nodes at which rounding hides the sign. Two such in a row
    count as well: there the flow goes with the kink.
    """
    node = np.arange(signs.shape[1])[:, None]
    last = np.maximum.accumulate(np.where(signs != 0.0, node, 0), axis=1)[:, :-1]
    changed = np.take_along_axis(signs, last, axis=1) * signs[:, 1:] < 0.0
    row, after, kink = np.nonzero(changed)
    before = last[row, after, kink]
    still = np.nonzero((signs[:, :-1] == 0.0) & (signs[:, 1:] == 0.0))
    return (
        np.append(row, still[0]),
        np.append(before, still[1]),
        np.append(after + 1, still[1] + 1),
        np.append(kink, still[2]),
    )


def _between_nodes(
    moving: MovingKinks, size: FloatArray, jumps: NDArray[np.bool_], rows: Indices
) -> tuple[NDArray[np.generic], ...]:
    """Return contacts of training times `rows` (R,) whose g_j, of this size, changes sign nowhere.

    As `_in_block`. A dip of |g_j| counts if its curvature could carry it to zero off the node.
    """
    padded = np.pad(size, ((0, 0), (1, 1), (0, 0)), mode="reflect")
    falls = np.minimum(padded[:, :-2], padded[:, 2:]) >= size
    curvature = padded[:, :-2] + padded[:, 2:] - 2.0 * size
    index, node, kink = np.nonzero(falls & (size < curvature) & jumps[:, None, :])
    last = len(moving.times) - 1
    low = moving.times[np.maximum(node - 1, 0)]
    high = moving.times[np.minimum(node + 1, last)]
    every = rows[index]
    contacts = [(every[:0], kink[:0], low[:0], high[:0])]
    for _ in range(_ZOOMS):
        if not len(every):
            break
        at = np.linspace(low, high, _POINTS, axis=1)
        g = moving.speed_at(np.repeat(every, _POINTS), np.repeat(kink, _POINTS), at.ravel())
        g = g.reshape(at.shape)
        which, first = np.nonzero(g[:, :-1] * g[:, 1:] < 0.0)
        contacts.append((every[which], kink[which], at[which, first], at[which, first + 1]))
        again = np.setdiff1d(np.arange(len(every)), which)
        least = np.abs(g[again]).argmin(1)
        low = at[again, np.maximum(least - 1, 0)]
        high = at[again, np.minimum(least + 1, _POINTS - 1)]
        every, kink = every[again], kink[again]
    return tuple(np.concatenate(parts) for parts in zip(*contacts, strict=True))


def _paths(flow: Characteristics, rows: Indices, x: FloatArray, times: FloatArray) -> FloatArray:
    """Return where points x (N,) are at all times, for every row: (n_t, R, N)."""
    every, at = np.repeat(rows, len(x)), np.tile(x, len(rows))
    places = [at]
    for i in range(len(times) - 1):
        at = flow.carry(every, at, times[i : i + 2]).x
        places.append(at)
    return np.stack(places).reshape(len(times), len(rows), len(x))
