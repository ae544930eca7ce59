"""What comes back from one point, and its compact, checkable form in a store."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ...support.errors import StoreError
from ...support.validation import FloatArray
from ..points.identity import digest

Scalar = float | str

# JSON has no such numbers; no scalar of text uses these words.
_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


@dataclass(frozen=True)
class Result:
    """The measurements of one point.

    Attributes:
        curves: values along τ by name, each of shape (n_tau,).
        scalars: single numbers, or words, by name.
        timings: seconds by what took them; no part of the result's content.
    """

    curves: Mapping[str, FloatArray]
    scalars: Mapping[str, Scalar]
    timings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Packed:
    """A result as it is stored: names, one block of little-endian doubles, scalars as JSON."""

    names: str
    curves: bytes
    scalars: str

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return digest(self.names.encode(), self.curves, self.scalars.encode())


def pack(result: Result, n_tau: int) -> Packed:
    """Return the stored form of a result; curves must all have n_tau values."""
    for name, curve in result.curves.items():
        if np.shape(curve) != (n_tau,):
            raise ValueError(f"curve {name} must have shape ({n_tau},), got {np.shape(curve)}")
    names = sorted(result.curves)
    block = np.array([result.curves[name] for name in names], dtype="<f8").reshape(-1, n_tau)
    # One NaN is as good as another: its bits must not tell two equal tables apart.
    block[np.isnan(block)] = np.nan
    scalars = {name: _written(result.scalars[name]) for name in sorted(result.scalars)}
    text = json.dumps(scalars, separators=(",", ":"), allow_nan=False)
    return Packed(",".join(names), block.tobytes(), text)


def unpack(where: str, packed: Packed, n_tau: int) -> Result:
    """Read a stored result back.

    Raises:
        StoreError: a block of the wrong size, or scalars that are no JSON; `where` names the point.
    """
    names = packed.names.split(",") if packed.names else []
    if len(packed.curves) != 8 * n_tau * len(names):
        raise StoreError(f"{where}: curves are damaged")
    try:
        scalars = json.loads(packed.scalars)
    except json.JSONDecodeError:
        raise StoreError(f"{where}: scalars are damaged") from None
    block = np.frombuffer(packed.curves, dtype="<f8").reshape(len(names), n_tau)
    return Result(
        {name: row.astype(np.float64) for name, row in zip(names, block, strict=True)},
        {name: _SPECIAL.get(value, value) for name, value in scalars.items()},
    )


def _written(value: Scalar) -> Scalar:
    if isinstance(value, str):
        return value
    value = float(value)
    return value if math.isfinite(value) else str(value)
