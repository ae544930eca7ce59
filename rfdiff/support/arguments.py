"""The arguments of a training, each written once: its name, default, check, choices and help.

`train_exact` checks by this table, the command line makes its options from it and sweeps their
axes. Nothing that trains is imported here, so that `rfdiff --help` is quick: names stand for laws,
processes and activations, and the registries of the rooms that own them are held equal by a test.

An argument described by name ("target", "sde") is an object in Python; in a shell and in a sweep
it is a name, and the arguments that belong to that name (`mu` to "bimodal") say the rest.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from .argument import Argument, AxisForm, Check, Kind, Owner
from .errors import ArgumentError
from .random import check_seed
from .validation import (
    above,
    between,
    count,
    finite_array,
    flag,
    one_of,
    positive,
    real,
    training_times,
)


def _at_least(minimum: int) -> Check:
    return lambda name, value: count(name, value, minimum)


def _share(name: str, value: Any) -> float:
    return between(name, value, 0.0, 0.9)


def _first_weight(name: str, value: Any) -> float:
    """Return q₁ in (0, 1)."""
    weight = real(name, value)
    if not 0 < weight < 1:
        raise ArgumentError(f"{name} must be between 0 and 1 (the first mode's), got {weight:g}")
    return weight


def _named(name: str, kind: Kind, help: str, *choices: str, **options: Any) -> Argument:
    """Return an argument that is one of some names, the first of them by default."""
    options = {"metavar": "NAME", **options}
    # In Python a described argument is an object, and None where it is not given.
    options["usual" if kind == "described" else "default"] = choices[0]
    return Argument(
        name,
        kind,
        help,
        check=lambda argument, value: one_of(argument, value, choices),
        choices=choices,
        **options,
    )


_BIMODAL = Owner("target", ("bimodal",))
_BUMPS = Owner("target", ("raised-cosine", "smooth-bump"))
_COMPACT = Owner("target", ("raised-cosine", "beta", "smooth-bump"))
_BETA = Owner("target", ("beta",))
_VE = Owner("sde", ("ve",))
_VP = Owner("sde", ("vp", "subvp"))

# In the order in which axes sort the points of a sweep (seeds vary fastest) and help lists options.
_TABLE = (
    Argument(
        "tau", "times", "training times", usual="1e0:1e10:201log", check=training_times,
        group=None, axis=None,
    ),
    _named(
        "target", "described", "law of the data", "bimodal", "raised-cosine", "beta",
        "smooth-bump", group="law",
    ),
    Argument("mu", "number", "modes at -mu and mu", 3.0, check=real, of=_BIMODAL, group="law"),
    Argument(
        "weights", "pair", "weights of the modes", (0.5, 0.5), of=_BIMODAL, group="law",
        metavar="Q1,Q2",
        axis=AxisForm(
            "number", 0.5, _first_weight, "weight of the mode at -mu", lambda q: (q, 1.0 - q)
        ),
    ),
    Argument("std", "number", "width of each mode", 1.0, check=positive, of=_BIMODAL, group="law"),
    Argument(
        "d", "integer", "dimension, with the modes on its first axis", 1, check=count,
        of=_BIMODAL, group="law",
    ),
    Argument(
        "centre", "number", "middle of the support", 0.0, check=real, of=_BUMPS, group="law",
        axis=None,
    ),
    Argument(
        "half_width", "number", "half the support's length", 3.0, check=positive, of=_COMPACT,
        group="law",
    ),
    Argument(
        "shape", "pair", "its exponents, at least 2", (3.0, 3.0), of=_BETA, group="law",
        metavar="A,B", axis=None,
    ),
    Argument(
        "support", "pair", "the interval, instead of a half width", of=_BETA, group="law",
        metavar="A,B", axis=None,
    ),
    Argument(
        "population", "flag", "train on the target itself, not on a sample", False, check=flag,
        group="law",
    ),
    Argument(
        "n", "integer", "number of training points", usual=1000, check=count, unless="population",
        group="law",
    ),
    Argument(
        "data", "object",
        "learn a data file instead: .csv, .txt or .npy, or old_faithful or galaxies",
        group="law", metavar="FILE", axis=None,
    ),
    Argument(
        "held_out", "number", "share of the points kept for testing", 0.0, check=_share,
        group="law", metavar="SHARE", axis=None,
    ),
    Argument(
        "standardise", "flag",
        "train on the file's numbers as they are, not shifted and scaled to unit variance",
        check=flag, group="law", axis=None,
    ),
    Argument(
        "pca", "integer", "train on the first K principal coordinates of the points",
        check=count, group="law", metavar="K", axis=None,
    ),
    Argument("m", "integer", "number of random features", 512, check=count),
    _named("sde", "described", "forward process", "ve", "vp", "subvp"),
    Argument(
        "sigma", "number", "g = sigma^t", 25.0,
        check=lambda name, value: above(name, value, 1.0), of=_VE,
    ),
    Argument("beta_min", "number", "beta at t = 0", 0.1, check=positive, of=_VP),
    Argument("beta_max", "number", "beta at t = T", 20.0, check=positive, of=_VP),
    Argument("T", "number", "end of the forward process", 1.0, check=positive, of=Owner("sde")),
    _named(
        "features", "name or object", "law of the features", "l1", "gaussian", "torch",
        metavar="LAW",
    ),
    _named(
        "embedding", "name or object", "embedding of time", "log-sigma", "fourier", "affine"
    ),
    _named(
        "activation", "name or object", "activation", "relu", "swish", "erf", "tanh", "identity"
    ),
    Argument(
        "precondition", "flag", "divide the model's output by sigma_t", False, check=flag
    ),
    _named(
        "scaling", "name", "what a vector's size at time t is divided out of", "none", "input",
        "both",
    ),
    _named(
        "skip", "name", "fixed affine part of a vector's score", "none", "isotropic", "gaussian"
    ),
    _named(
        "weighting", "name or object", "weighting of the loss", "variance", "inverse-norm",
        "likelihood",
    ),
    Argument(
        "t_min", "number", "smallest time of the loss", 1e-3, check=positive, unless="times"
    ),
    Argument(
        "n_times", "integer", "nodes of the time rule (16 for vectors)", usual=128, check=count,
        unless="times", axis=AxisForm(check=_at_least(2)),
    ),
    Argument(
        "times", "times", "train at these diffusion times only, not on a rule from t_min to T",
        check=finite_array, metavar="TIMES",
        axis=AxisForm("number", None, positive, "the one time trained at", lambda t: (t,)),
    ),
    Argument(
        "noise_samples", "integer", "fixed noise draws a datum instead of the exact expectation",
        check=count, unless="population", metavar="K",
    ),
    Argument("theta0", "object", "initial parameters", group=None, axis=None),
    Argument("seed", "integer", "seed of every random draw", 0, check=check_seed, group="law"),
)  # fmt: skip

ARGUMENTS: Mapping[str, Argument] = MappingProxyType({entry.name: entry for entry in _TABLE})


def own_arguments() -> Iterator[Argument]:
    """Yield the arguments of `train_exact` itself; the others describe its target or process."""
    return (argument for argument in ARGUMENTS.values() if argument.of is None)


def belongs_to(name: str, choice: str) -> bool:
    """Return whether an argument is one that belongs to a described argument."""
    owner = ARGUMENTS[name].of
    return owner is not None and owner.argument == choice


def check_given(**values: Any) -> dict[str, Any]:
    """Return arguments of the table by name, each checked and converted.

    >>> check_given(m=64, precondition=True)
    {'m': 64, 'precondition': True}
    """
    return {name: ARGUMENTS[name].checked(value) for name, value in values.items()}


def belonging(choice: str, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name of a described argument in plain values, and the values that belong to it.

    Values that are missing or None are left to their defaults.

    Raises:
        ArgumentError: a value that belongs to another name.

    >>> belonging("sde", {"sde": "vp", "beta_min": 0.2, "mu": 3.0})
    ('vp', {'beta_min': 0.2})
    >>> belonging("sde", {"sigma": 20.0})
    ('ve', {'sigma': 20.0})
    """
    name = values.get(choice)
    name = one_of(
        choice, ARGUMENTS[choice].usual if name is None else name, ARGUMENTS[choice].choices
    )
    own = {}
    for parameter in ARGUMENTS.values():
        value = values.get(parameter.name)
        if parameter.of is None or not belongs_to(parameter.name, choice) or value is None:
            continue
        if not parameter.of.owns(name):
            owners = " or ".join(parameter.of.names or ())
            raise ArgumentError(f"{parameter.name} belongs to {choice} {owners}, not to {name}")
        own[parameter.name] = value
    return name, own
