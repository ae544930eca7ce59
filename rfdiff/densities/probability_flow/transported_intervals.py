"""Intervals of a line that the probability flow transports, each training time in its own steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...support.validation import FloatArray
from .interval_quadrature import Quantity
from .intervals import Accepted, Indices, Intervals, Trace
from .transport import Steps

# Where points (P,) of training times end in so many steps, and the log slope of the map there.
Map = Callable[[Indices, FloatArray, Steps], tuple[FloatArray, FloatArray]]
# What to know of points, their images and the log slopes of the map there, arrays (P,).
Node = Callable[[FloatArray, FloatArray, FloatArray], Sequence[FloatArray]]


@dataclass(frozen=True, eq=False)
class TransportedIntervals:
    """What the map of the probability flow and a node say at the ends of intervals.

    Args:
        transport: the map.
        node: what else to know there.
        edges: of the initial intervals (E,).
    """

    transport: Map
    node: Node
    edges: FloatArray
    # By training time and steps: when steps are doubled, what was fine before is coarse now.
    _known: dict[tuple[int, int], FloatArray] = field(default_factory=dict, init=False, repr=False)

    def trace(self, k: Indices, steps: Steps) -> Trace:
        """Return the trace of some training times k, each in its steps."""

        def trace(which: Indices, y: FloatArray) -> tuple[FloatArray, ...]:
            image, log_slope = self.transport(k[which], y, steps[which])
            return image, log_slope, *self.node(y, image, log_slope)

        return trace

    def initial(self, k: Indices, steps: Steps) -> Intervals:
        """Return the initial intervals of some training times k, each in its steps."""
        keys, n = list(zip(k.tolist(), steps.tolist(), strict=True)), len(k)
        if any(key not in self._known for key in keys):
            every = np.repeat(np.arange(n), len(self.edges))
            at = np.stack(self.trace(k, steps)(every, np.tile(self.edges, n)))
            by_time = at.reshape(-1, n, len(self.edges)).swapaxes(0, 1)
            self._known.update(zip(keys, by_time, strict=True))
        return Intervals.between(self.edges, np.stack([self._known[key] for key in keys], axis=1))

    def change(self, quantity: Quantity, k: Indices, steps: Steps) -> FloatArray:
        """Return what n steps instead of n/2 change on each initial interval, summed, (len(k),).

        +∞ where too few steps have left nothing finite.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            coarse, fine = (quantity(self.initial(k, n)).value for n in (steps // 2, steps))
            change = np.abs(fine - coarse).reshape(len(k), -1).sum(1)
        return np.nan_to_num(change, nan=np.inf)

    def change_on(
        self, accepted: Accepted, quantity: Quantity, k: Indices, steps: Steps
    ) -> FloatArray:
        """Return what n steps instead of n/2 change of the sum over accepted intervals, (len(k),).

        The map may be rough inside an initial interval although steps change little at its ends.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            coarse = quantity(accepted.traced(self.trace(k, steps // 2))).value
            change = np.abs(np.bincount(accepted.k, accepted.value - coarse, len(k)))
        return np.nan_to_num(change, nan=np.inf)
