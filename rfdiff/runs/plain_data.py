"""Laws, processes, embeddings and units as plain data: JSON of their class and fields, and back.

What is read is checked: only the classes that a place allows are made, and only by their own
constructors, which check their arguments.
"""

from dataclasses import fields
from typing import Any

import numpy as np

from ..data.units import Units
from ..diffusion.mixtures import GaussianMixture
from ..diffusion.sde import VESDE, VPSDE, SubVPSDE
from ..diffusion.targets import BetaTarget, RaisedCosine, SmoothBump
from ..model.embeddings import AffineEmbedding, FourierEmbedding, LogSigmaEmbedding
from ..model.marginal_scaling import MarginalScaling
from ..support.errors import ArgumentError
from ..support.validation import finite_array, flag, one_of, real

Classes = tuple[type[Any], ...]

PROCESSES: Classes = (VESDE, VPSDE, SubVPSDE)
TARGETS: Classes = (GaussianMixture, RaisedCosine, BetaTarget, SmoothBump)
EMBEDDINGS: Classes = (LogSigmaEmbedding, FourierEmbedding, AffineEmbedding)
SCALINGS: Classes = (MarginalScaling,)
UNITS: Classes = (Units,)
# Rounding of the sum of weights that have been normalised.
_NORMALISED = 1e-12
_STORABLE = {*PROCESSES, *TARGETS, *EMBEDDINGS, *SCALINGS, *UNITS}


def encode(value: Any) -> Any:
    """Return a JSON form of a law, process, embedding, units, array, number or name.

    >>> encode(VESDE(25.0))
    {'class': 'VESDE', 'sigma': 25.0, 'T': 1.0}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        return {"array": value.tolist()}
    if type(value) not in _STORABLE:
        name = type(value).__name__
        raise ArgumentError(f"a run with a custom {name} cannot be saved: it is not plain data")
    own = {f.name: encode(getattr(value, f.name)) for f in fields(value)}
    return {"class": type(value).__name__, **own}


def decode(name: str, value: Any, classes: Classes) -> Any:
    """Return the object that `encode` was given.

    Args:
        name: what it is, for messages.
        value: its JSON form.
        classes: what it may be.

    Raises:
        ArgumentError: another class, other fields than the class has, or values it refuses.

    >>> decode("sde", {"class": "VESDE", "sigma": 25.0, "T": 1.0}, PROCESSES)
    VESDE(sigma=25.0, T=1.0)
    """
    if not isinstance(value, dict):
        raise ArgumentError(f"{name} must be an object with a class, got {_short(value)}")
    known = {cls.__name__: cls for cls in classes}
    cls = known[one_of(f"the class of {name}", value.get("class"), known)]
    expected, got = {f.name for f in fields(cls)}, set(value) - {"class"}
    if got != expected:
        raise ArgumentError(
            f"{name} must have the fields {sorted(expected)}, got {_short(sorted(got))}"
        )
    own = {field: _field(f"{name}.{field}", value[field]) for field in sorted(expected)}
    made = cls(**own)
    if isinstance(made, GaussianMixture) and abs(own["weights"].sum() - 1.0) <= _NORMALISED:
        # They were normalised when the law was made; once more would change their last bits.
        object.__setattr__(made, "weights", own["weights"])
    return made


def _field(name: str, value: Any) -> Any:
    """Return a field: a process (of an embedding), an array, or a number."""
    if name.endswith(".sde"):
        return decode(name, value, PROCESSES)
    if isinstance(value, dict) and set(value) == {"array"}:
        return finite_array(name, value["array"])
    if name == "units.axes" and value is None:
        return None
    if name == "scaling.output":
        return flag(name, value)
    if not isinstance(value, int | float):
        raise ArgumentError(f"{name} must be a number or an array, got {_short(value)}")
    real(name, value)
    return value


def _short(value: Any) -> str:
    """Return the beginning of a value as text: a file may hold anything."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
