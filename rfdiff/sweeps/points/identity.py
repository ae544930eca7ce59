"""What a point is called: the SHA-256 of its canonical JSON.

Canonical JSON has sorted keys, no blanks, ASCII only and the shortest decimal that reads back as
the same double. Only the plain types below are allowed, so that one value is written in one way on
every machine; NumPy scalars, tuples, NaN and the like are refused rather than guessed at.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from ...support.arguments import ARGUMENTS
from ...support.errors import ArgumentError

Value = None | bool | int | float | str
Point = Mapping[str, Any]

# Part of every identity. Raised whenever the meaning of a point changes, and only then.
POINT_SCHEMA = 1

# What a point of schema 1 names wherever it applies. An axis that the table of arguments gains
# later is named only where it is not as by default: points of older stores stay what they are.
NAMED_ALWAYS = frozenset(
    {
        "target", "mu", "weights", "std", "half_width", "population", "n", "m", "sde", "sigma",
        "beta_min", "beta_max", "T", "features", "embedding", "activation", "precondition",
        "weighting", "t_min", "n_times", "noise_samples", "seed",
    }
)  # fmt: skip


def canonical_json(value: object) -> str:
    """Return the one way to write `value`.

    Allowed: None, bool, int, finite float, str, and lists and str-keyed dicts of these, each of
    exactly that type. Negative zero is written as zero.

    Raises:
        ArgumentError: naming the odd value and where it stands.

    >>> canonical_json({"mu": 3.0, "m": 256})
    '{"m":256,"mu":3.0}'
    """
    return json.dumps(_plain(value, ()), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: object, path: tuple[object, ...]) -> object:
    """Return a value that is allowed; `path` says where it stands."""
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float and math.isfinite(value):
        return value + 0.0
    if type(value) is list:
        return [_plain(item, (*path, i)) for i, item in enumerate(value)]
    if type(value) is dict and all(type(key) is str for key in value):
        return {key: _plain(item, (*path, key)) for key, item in value.items()}
    where = "value" + "".join(f"[{step!r}]" for step in path)
    raise ArgumentError(
        f"{where} must be None, bool, int, a finite float, str, or a list or dict of these, "
        f"got {value!r} of type {type(value).__name__}"
    )


def point_id(point: Point) -> str:
    """Return the identity of a point: 64 hexadecimal digits.

    Axes that do not apply to the point (value None) are left out, and so are younger axes (not in
    `NAMED_ALWAYS`) at their default.

    >>> point_id({"n": 100, "m": 256})[:12]
    '8934bcf8cbf0'
    >>> point_id({"m": 256, "n": 100, "sigma": None}) == point_id({"n": 100, "m": 256})
    True
    """
    content = {name: value for name, value in point.items() if _is_named(name, value)}
    text = canonical_json({"schema": POINT_SCHEMA, "point": content})
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _is_named(name: str, value: Value) -> bool:
    """Return whether a value is part of a point's identity."""
    if value is None or name in NAMED_ALWAYS or name not in ARGUMENTS:
        return value is not None
    return bool(value != ARGUMENTS[name].as_axis().default)


def grid_id(ids: Iterable[str]) -> str:
    """Return the identity of a set of points, whatever their order."""
    return hashlib.sha256("\n".join(sorted(ids)).encode("ascii")).hexdigest()


def digest(*parts: bytes) -> str:
    """Return the SHA-256 of the parts, each preceded by its length, in hexadecimal."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()
