"""What a run has solved: its most recent learned densities, so that each is solved once."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from types import FunctionType, ModuleType
from typing import Any, Generic, TypeVar

import numpy as np

T = TypeVar("T")

MOST = 8
# What is kept while something else is solved: 512 MB.
MOST_BYTES = 1 << 29


class Solved(Generic[T]):
    """The results solved most recently, by what they were solved for.

    At most `most` are kept. A density can be large (that of the probability flow holds tables of
    the score: 100 MB at m = 512), so before another one is solved all are let go that do not fit
    into `most_bytes` together with the more recent ones. The last one stays until then whatever
    its size: it was in memory when it was solved.

    Args:
        most: number of results kept.
        most_bytes: memory of their arrays, in bytes, while another is solved.

    >>> solved = Solved(most=2)
    >>> [solved.get(key, lambda: print("solving") or key.upper()) for key in "aab"]
    solving
    solving
    ['A', 'A', 'B']
    """

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._kept: OrderedDict[Hashable, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, solve: Callable[[], T]) -> T:
        """Return what is kept under a key, or else solve it and keep that."""
        if key not in self._kept:
            self._make_room()
            self._kept[key] = solve()
        self._kept.move_to_end(key)
        return self._kept[key]

    def _make_room(self) -> None:
        """Let go of the oldest, until there is room for one more and memory suffices."""
        counted: set[int] = set()
        kept, size = 0, 0
        for value in reversed(self._kept.values()):
            size += array_bytes(value, counted)
            if size > self._most_bytes:
                break
            kept += 1
        for _ in range(len(self._kept) - min(kept, self._most - 1)):
            self._kept.popitem(last=False)


def array_bytes(thing: Any, counted: set[int] | None = None) -> int:
    """Return the memory of all arrays that a thing holds, in bytes, each counted once.

    Args:
        thing: an array, a container, or an object with attributes, nested at will.
        counted: ids of what was counted before; those met here are added.

    >>> x = np.zeros(10)
    >>> array_bytes({"x": x, "again": [x, x[:5]], "y": np.ones(2)})
    96
    """
    counted = set() if counted is None else counted
    waiting, total = [thing], 0
    while waiting:
        item = waiting.pop()
        while isinstance(item, np.ndarray) and isinstance(item.base, np.ndarray):
            item = item.base  # a view holds all of what it views
        if id(item) in counted:
            continue
        counted.add(id(item))
        if isinstance(item, np.ndarray):
            total += item.nbytes
        else:
            waiting.extend(_parts(item))
    return total


def _parts(item: Any) -> Iterable[Any]:
    """Return what a container or an object holds; code is not looked into."""
    if isinstance(item, Mapping):
        return item.values()
    if isinstance(item, list | tuple | set):
        return item
    if isinstance(item, type | ModuleType | FunctionType):
        return ()
    return getattr(item, "__dict__", {}).values()
