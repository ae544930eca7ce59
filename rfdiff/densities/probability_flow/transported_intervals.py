"""Cells of a line that a flow carries, in as many steps as each training time needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...support.validation import FloatArray
from .interval_quadrature import Cells, Leaves, Quantity, Rows, Trace, cells_between

Steps = NDArray[np.int64]
# Carries points (P,) of rows in so many steps: where they end and the log slope of the map there.
Follow = Callable[[Rows, FloatArray, Steps], tuple[FloatArray, FloatArray]]
# What to know of points, their images and the log slopes of the flow there, arrays (P,).
Node = Callable[[FloatArray, FloatArray, FloatArray], Sequence[FloatArray]]


@dataclass(frozen=True, eq=False)
class CarriedCells:
    """What a flow and a node know at the ends of cells.

    Args:
        follow: the flow.
        node: what else to know there.
        edges: of the cells to start from (E,).
    """

    follow: Follow
    node: Node
    edges: FloatArray
    # By row and number of steps: steps that are doubled ask again for what was fine before.
    _known: dict[tuple[int, int], FloatArray] = field(default_factory=dict, init=False, repr=False)

    def trace(self, rows: Rows, steps: Steps) -> Trace:
        """Return the trace of some rows, each in its steps."""

        def trace(which: Rows, y: FloatArray) -> tuple[FloatArray, ...]:
            image, log_slope = self.follow(rows[which], y, steps[which])
            return image, log_slope, *self.node(y, image, log_slope)

        return trace

    def first(self, rows: Rows, steps: Steps) -> Cells:
        """Return the cells to start from, of some rows, each in its steps."""
        keys, n_rows = list(zip(rows.tolist(), steps.tolist(), strict=True)), len(rows)
        if any(key not in self._known for key in keys):
            every = np.repeat(np.arange(n_rows), len(self.edges))
            at = np.stack(self.trace(rows, steps)(every, np.tile(self.edges, n_rows)))
            by_row = at.reshape(-1, n_rows, len(self.edges)).swapaxes(0, 1)
            self._known.update(zip(keys, by_row, strict=True))
        return cells_between(self.edges, np.stack([self._known[key] for key in keys], axis=1))

    def change(self, quantity: Quantity, rows: Rows, steps: Steps) -> FloatArray:
        """Return what n steps instead of n/2 change on the first cells, +∞ where too much."""
        with np.errstate(over="ignore", invalid="ignore"):
            coarse, fine = (quantity(self.first(rows, n)).value for n in (steps // 2, steps))
            change = np.abs(fine - coarse).reshape(len(rows), -1).sum(1)
        return np.nan_to_num(change, nan=np.inf)

    def change_on(self, leaves: Leaves, quantity: Quantity, rows: Rows, steps: Steps) -> FloatArray:
        """Return what n steps instead of n/2 change on the last cells, +∞ where too much.

        Inside a first cell the flow may do what its ends do not show.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            coarse = quantity(leaves.traced(self.trace(rows, steps // 2))).value
            change = np.abs(np.bincount(leaves.rows, leaves.value - coarse, len(rows)))
        return np.nan_to_num(change, nan=np.inf)
