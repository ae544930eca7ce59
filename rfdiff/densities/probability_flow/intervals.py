"""Intervals of the line, of every training time, with what is traced at their ends."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...numerics.bisection import Mask
from ...support.validation import FloatArray

# Flat indices k of training times, one for each of P points or intervals.
Indices = NDArray[np.intp]
# Maps k (P,) and y (P,) to z, ℓ and whatever else a quantity wants to know, each (P,).
Trace = Callable[[Indices, FloatArray], tuple[FloatArray, ...]]

# No interval of a map is halved once it has so many to halve.
_MOST_INTERVALS = 1 << 13


@dataclass(frozen=True)
class Intervals:
    """Intervals (left, right) of training times k, each (P,), and the trace at both ends (c, P)."""

    k: Indices
    left: FloatArray
    right: FloatArray
    start: FloatArray
    end: FloatArray

    def __getitem__(self, keep: Mask) -> "Intervals":
        return Intervals(
            self.k[keep], self.left[keep], self.right[keep],
            self.start[:, keep], self.end[:, keep],
        )  # fmt: skip

    def halves(self, trace: Trace) -> "Intervals":
        """Return the left halves followed by the right halves."""
        middle = 0.5 * (self.left + self.right)
        at = np.stack(trace(self.k, middle))
        return Intervals(
            np.concatenate([self.k, self.k]),
            np.concatenate([self.left, middle]), np.concatenate([middle, self.right]),
            np.concatenate([self.start, at], axis=1), np.concatenate([at, self.end], axis=1),
        )  # fmt: skip

    @classmethod
    def between(cls, edges: FloatArray, at: FloatArray) -> "Intervals":
        """Return the intervals between edges (E,) or (n, E) of n maps, traced there (c, n, E)."""
        n, n_intervals = at.shape[1], at.shape[2] - 1
        edges = np.broadcast_to(edges, at.shape[1:])
        return cls(
            np.repeat(np.arange(n), n_intervals), edges[:, :-1].ravel(), edges[:, 1:].ravel(),
            at[:, :, :-1].reshape(len(at), -1), at[:, :, 1:].reshape(len(at), -1),
        )  # fmt: skip

    @property
    def crowded(self) -> Mask:
        """Which belong to a map that has too many of them to go on."""
        return np.asarray(np.bincount(self.k)[self.k] > _MOST_INTERVALS)


class Accepted(NamedTuple):
    """Intervals that were not halved again, from left to right for each map, each (P,).

    Attributes:
        k: whose they are; no map has gaps between its intervals.
        left: where they begin.
        right: where they end.
        value: what a quantity says they add, from the trace at their ends.
    """

    k: Indices
    left: FloatArray
    right: FloatArray
    value: FloatArray

    @classmethod
    def joined(cls, parts: list["Accepted"]) -> "Accepted":
        """Return the intervals of all parts in order."""
        k, left, right, value = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        order = np.lexsort((left, k))
        return cls(k[order], left[order], right[order], value[order])

    def traced(self, trace: Trace) -> Intervals:
        """Return the intervals with another trace at their ends."""
        last = np.flatnonzero(np.diff(self.k, append=-1))
        points = np.concatenate([self.left, self.right[last]])
        at = np.stack(trace(np.concatenate([self.k, self.k[last]]), points))
        start, end = at[:, : len(self.left)], np.roll(at[:, : len(self.left)], -1, axis=1)
        end[:, last] = at[:, len(self.left) :]
        return Intervals(self.k, self.left, self.right, start, end)
