"""In which order points are done, and which of them a shard has."""

import itertools
import re
from collections.abc import Sequence

from ...support.errors import ArgumentError
from .grid import sort_key
from .identity import Point, Value

# Axes that change the training set alone: points that differ in nothing else share their
# features and their population (see `sharing`).
SAMPLE_AXES = ("n", "noise_samples", "population")


def cost(point: Point) -> float:
    """Return a rough number of operations: assembly over the time nodes, then the spectrum."""
    m, n, n_times = float(point["m"]), float(point["n"] or 0), float(point["n_times"])
    return n_times * (2.0 * m * m + n) + 10.0 * m**3 + 1e6


def shared_features(point: Point) -> tuple[Value, ...]:
    """Return what points with the same law, features and time rule have in common."""
    return tuple(value for name, value in point.items() if name not in SAMPLE_AXES)


def in_order(points: Sequence[dict[str, Value]]) -> list[dict[str, Value]]:
    """Return points so that those with the same features follow each other, dear ones first.

    Dear ones first keeps the workers busy to the end, and shows at once if memory is short.
    """
    groups: dict[tuple[Value, ...], list[dict[str, Value]]] = {}
    for point in sorted(points, key=sort_key):
        groups.setdefault(shared_features(point), []).append(point)
    dear_first = sorted(groups.values(), key=lambda group: -max(map(cost, group)))
    return list(itertools.chain.from_iterable(dear_first))


def parse_shard(text: str) -> tuple[int, int]:
    """Return (i, N) from "i/N": the i-th of N shards, counted from 1.

    >>> parse_shard("2/8")
    (2, 8)
    """
    match = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ArgumentError(f"shard must be i/N with i from 1 to N, such as 1/8, got {text!r}")
    return int(match[1]), int(match[2])


def shard_of(points: Sequence[dict[str, Value]], i: int, n: int) -> list[dict[str, Value]]:
    """Return the i-th of n shards: every n-th point in order, so that each has its fair share."""
    return in_order(points)[i - 1 :: n]
