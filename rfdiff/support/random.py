"""One seed, many streams: independent by name, nested by construction.

A stream is derived from (seed, name, indices) alone, never from the order in which streams are
asked for. Rows are drawn in order, so the first 100 rows of a draw of 1000 are the draw of 100.
"""

from typing import Any

import numpy as np

from .errors import ArgumentError

# The numbers are part of the file format: results are reproduced from them. Never renumber.
STREAMS = {
    "data": 0,
    "features": 1,
    "noise": 2,
    "sampling": 3,
    "split": 4,
    "optimiser": 5,
    "bootstrap": 6,
    "embedding": 7,
    "initial": 8,
    "shifts": 9,
    "directions": 10,
    "judging": 11,
}


def check_seed(name: str, seed: Any) -> int:
    """Return `seed` as a non-negative integer."""
    if isinstance(seed, bool | np.bool_) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ArgumentError(f"{name} must be a non-negative integer, got {seed!r}")
    return int(seed)


def stream(seed: int, name: str, *indices: int) -> np.random.Generator:
    """Return the generator of the stream `name` of `seed`, optionally one of its substreams.

    >>> stream(0, "data").random() == stream(0, "data").random()
    True
    >>> stream(0, "data").random() == stream(0, "features").random()
    False
    """
    entropy = check_seed("seed", seed)
    return np.random.default_rng(
        np.random.SeedSequence(entropy, spawn_key=(STREAMS[name], *indices))
    )
