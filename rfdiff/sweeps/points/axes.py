"""The axes of a sweep: every argument of `train_exact` that a point may set.

An axis knows its default, how its values are checked and written in a shell, and for which points
it means anything: `sigma` says nothing about a VP process. There it is None, so that points that
differ only in meaningless values are one point.
"""

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from ...support.errors import ArgumentError
from ...support.random import check_seed
from ...support.ranges import parse_numbers
from ...support.validation import count, one_of, positive, real
from .identity import Point, Value

# Repeated here, and held equal by a test, because the modules that own them take long to import.
SDES = ("ve", "vp", "subvp")
FEATURE_LAWS = ("l1", "gaussian", "torch")
EMBEDDINGS = ("log-sigma", "fourier", "affine")
ACTIVATIONS = ("relu", "swish", "erf", "tanh")
WEIGHTINGS = ("variance", "inverse-norm", "likelihood")
TARGETS = ("bimodal", "raised-cosine", "beta", "smooth-bump")


def _always(point: Point) -> bool:
    return True


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        name: the argument's name.
        default: the value of points that do not set it.
        kind: "integer", "real", "name" or "flag": how values are written and stored.
        rule: checks one value and returns it, converted; raises ArgumentError.
        help: one line for the command line.
        applies: whether the axis means anything for a point.
        optional: whether None is a value ("none" in a shell).
    """

    name: str
    default: Value
    kind: str
    rule: Callable[[str, Any], Any]
    help: str
    applies: Callable[[Point], bool] = _always
    optional: bool = False

    @property
    def option(self) -> str:
        """The option of the command line."""
        return "--" + self.name.replace("_", "-")

    def check(self, value: Any) -> Value:
        """Return one value, converted to the plain type of this axis."""
        if isinstance(value, np.generic):
            value = value.item()
        if value is None and self.optional:
            return None
        if self.kind == "real":
            if isinstance(value, bool | str):
                raise ArgumentError(f"{self.name} must be a real number, got {value!r}")
            return float(self.rule(self.name, value)) + 0.0
        return self.rule(self.name, value)

    def parse(self, text: str) -> list[Value]:
        """Return the values written in a shell: a comma list, or ranges for numbers.

        >>> AXES["n"].parse("10,1e2:1e4:3log")
        [10, 100, 1000, 10000]
        >>> AXES["features"].parse("l1,gaussian")
        ['l1', 'gaussian']
        """
        values: list[Value] = []
        for item in (item.strip() for item in text.split(",")):
            if not item:
                raise ArgumentError(f"{self.name} must not have an empty item, got {text!r}")
            values.extend(self._parse_item(item))
        return self.values(values)

    def values(self, values: Any) -> list[Value]:
        """Return a non-empty list of checked values without repetitions, in the order given."""
        if isinstance(values, str):
            return self.parse(values)
        if isinstance(values, np.ndarray | range):
            values = list(values)
        if not isinstance(values, list | tuple):
            values = [values]
        if len(values) == 0:
            raise ArgumentError(f"{self.name} must not be empty")
        return list(dict.fromkeys(self.check(value) for value in values))

    def _parse_item(self, item: str) -> list[Value]:
        if self.optional and item.lower() == "none":
            return [None]
        if self.kind == "name":
            return [item]
        if self.kind == "flag":
            return [_FLAGS.get(item.lower(), item)]
        if self.kind == "integer":
            return _integers(self.name, item)
        return [float(value) for value in np.atleast_1d(parse_numbers(self.name, item))]


_FLAGS = {"true": True, "yes": True, "false": False, "no": False}


def _integers(name: str, item: str) -> list[Value]:
    """Return the integers of an item; only the inner points of a range are rounded."""
    numbers = np.atleast_1d(parse_numbers(name, item))
    if ":" in item:
        return [int(value) for value in np.rint(numbers)]
    # Straight from the text where possible: a seed may have more digits than a double.
    digits = item.removeprefix("-").isdecimal()
    if not digits and (not np.isfinite(numbers[0]) or numbers[0] != np.rint(numbers[0])):
        raise ArgumentError(f"{name} must be an integer, got {item}")
    return [int(item) if digits else int(numbers[0])]


def _choice(choices: Collection[str]) -> Callable[[str, Any], Value]:
    def rule(name: str, value: Any) -> Value:
        if isinstance(value, str) and value not in choices:
            listed = ", ".join(choices)
            raise ArgumentError(
                f"{name} must be one of {listed}, got {value!r}{nearest(value, choices)}"
            )
        return one_of(name, value, choices)

    return rule


def _flag(name: str, value: Any) -> Value:
    if not isinstance(value, bool):
        raise ArgumentError(f"{name} must be true or false, got {value!r}")
    return value


def _first_weight(name: str, value: Any) -> Value:
    """Return q₁ in (0, 1)."""
    weight = real(name, value)
    if not 0 < weight < 1:
        raise ArgumentError(f"{name} must be between 0 and 1 (the first mode's), got {weight:g}")
    return weight


def _at_least(minimum: int) -> Callable[[str, Any], Value]:
    return lambda name, value: count(name, value, minimum)


def _is(axis: str, *values: Value) -> Callable[[Point], bool]:
    return lambda point: point[axis] in values


def _on_a_sample(point: Point) -> bool:
    return not point["population"]


_BETA = _is("sde", "vp", "subvp")

# In the order in which rows are sorted and columns written; seeds vary fastest.
_TABLE = (
    Axis("target", "bimodal", "name", _choice(TARGETS), "law of the data"),
    Axis("mu", 3.0, "real", real, "modes at ±mu (bimodal)", _is("target", "bimodal")),
    Axis("weights", 0.5, "real", _first_weight, "weight of −mu", _is("target", "bimodal")),
    Axis("std", 1.0, "real", positive, "std of each mode", _is("target", "bimodal")),
    Axis(
        "half_width",
        3.0,
        "real",
        positive,
        "half width of the support (compact targets)",
        _is("target", *TARGETS[1:]),
    ),
    Axis("population", False, "flag", _flag, "train on the law itself"),
    Axis("n", 1000, "integer", count, "number of data", _on_a_sample),
    Axis("m", 512, "integer", count, "number of features"),
    Axis("sde", "ve", "name", _choice(SDES), "forward process"),
    Axis("sigma", 25.0, "real", positive, "sigma of ve", _is("sde", "ve")),
    Axis("beta_min", 0.1, "real", positive, "beta at t = 0 of vp, subvp", _BETA),
    Axis("beta_max", 20.0, "real", positive, "beta at t = T of vp, subvp", _BETA),
    Axis("T", 1.0, "real", positive, "end of the forward process"),
    Axis("features", "l1", "name", _choice(FEATURE_LAWS), "feature law"),
    Axis("embedding", "log-sigma", "name", _choice(EMBEDDINGS), "time embedding"),
    Axis("activation", "relu", "name", _choice(ACTIVATIONS), "activation"),
    Axis("precondition", False, "flag", _flag, "divide the output by sigma_t"),
    Axis("weighting", "variance", "name", _choice(WEIGHTINGS), "weighting lambda(t)"),
    Axis("t_min", 1e-3, "real", positive, "smallest time of the loss"),
    Axis("n_times", 128, "integer", _at_least(2), "nodes of the time rule"),
    Axis(
        "noise_samples",
        None,
        "integer",
        count,
        "noise draws per datum; none: exact",
        _on_a_sample,
        optional=True,
    ),
    Axis("seed", 0, "integer", check_seed, "seed of data, features and noise"),
)

AXES: Mapping[str, Axis] = MappingProxyType({axis.name: axis for axis in _TABLE})


def axis(name: str) -> Axis:
    """Return the axis called `name` (blanks, dashes and underscores are alike).

    Raises:
        ArgumentError: unknown name; the message says which known name is nearest.
    """
    plain = name.strip().replace("-", "_")
    if plain not in AXES:
        raise ArgumentError(
            f"unknown axis {name!r}{nearest(plain, AXES)}; axes are {', '.join(AXES)}"
        )
    return AXES[plain]


def nearest(name: str, known: Collection[str]) -> str:
    """Return " (did you mean …?)" for the known name closest to `name`, or nothing."""
    folded = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), list(folded), n=1, cutoff=0.5)
    return f" (did you mean {folded[close[0]]!r}?)" if close else ""
