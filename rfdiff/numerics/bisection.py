"""Adaptive bisection: halve intervals until each is done."""

from collections.abc import Callable
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


class Examined(Protocol):
    """Intervals with what was found on them; a mask picks some of them."""

    def __getitem__(self, keep: Mask) -> Self:
        """Return those that a mask (P,) keeps."""


Intervals = TypeVar("Intervals")
Found = TypeVar("Found", bound=Examined)


def bisect(
    intervals: Intervals,
    examine: Callable[[Intervals], tuple[Found, Mask]],
    accept: Callable[[Found], None],
    halve: Callable[[Found], Intervals],
    *,
    most_halvings: int,
) -> None:
    """Examine intervals, accept those that are done, halve the others, and so on.

    Args:
        intervals: P intervals to start from.
        examine: returns them with what was found on them, and which of them are done, (P,).
        accept: takes those that are done; all of them after the last halving.
        halve: returns twice as many intervals, the halves of those that are not done.
        most_halvings: how often an interval of the start may be halved.
    """
    for halving in range(most_halvings + 1):
        found, done = examine(intervals)
        if halving == most_halvings:
            done = np.ones_like(done)
        accept(found[done])
        if done.all():
            return
        intervals = halve(found[~done])
