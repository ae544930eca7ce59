"""From options to the arguments of `rfdiff.train_exact` and of the learned density.

An option that was not given is left out, so that defaults stand in one place only.
"""

import argparse
from inspect import signature
from typing import Any

from ..data.files import load_data
from ..densities.learned_density import METHODS
from ..diffusion.law_on_domain import parse_domain
from ..diffusion.mixtures import bimodal
from ..diffusion.sde import SDES, ForwardSDE, evaluation_time
from ..diffusion.targets import Target, beta, raised_cosine, smooth_bump
from ..runs.train_exact import train_exact
from ..support.errors import ArgumentError
from ..support.validation import one_of
from .options import SDE_OPTIONS, TARGET_OPTIONS


def training_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of `rfdiff.train_exact` that the options give."""
    names = (
        "tau", "n", "held_out", "seed", "m", "features", "embedding", "activation", "weighting",
        "t_min", "n_times", "noise_samples",
    )  # fmt: skip
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    given |= {name: True for name in ("population", "precondition") if getattr(args, name)}
    if args.no_standardise:
        given["standardise"] = False
    given["sde"] = make_sde(args)
    if args.data is not None:
        given["data"] = load_data(args.data, args.column)
    elif args.column is not None:
        raise ArgumentError("column needs --data FILE")
    own = {option for options in TARGET_OPTIONS.values() for option in options}
    described = any(getattr(args, option) is not None for option in ("target", *own))
    if args.data is None or described:
        given["target"] = make_target(args)
    return given


def make_target(args: argparse.Namespace) -> Target:
    """Return the target that the options describe."""
    name = args.target or "bimodal"
    given = _given(args, "target", name, TARGET_OPTIONS)
    if name == "bimodal":
        return bimodal(**given)
    if name == "beta":
        a, b = given.pop("shape", (3.0, 3.0))
        return beta(a, b, **given)
    return raised_cosine(**given) if name == "raised-cosine" else smooth_bump(**given)


def make_sde(args: argparse.Namespace) -> ForwardSDE:
    """Return the forward process that the options describe."""
    name = args.sde or "ve"
    return SDES[name](**_given(args, "sde", name, SDE_OPTIONS))


def _given(
    args: argparse.Namespace, choice: str, name: str, options: dict[str, dict[str, str]]
) -> dict[str, Any]:
    """Return the given options of the choice `name`; one of another choice's is a mistake."""
    for option in sorted({option for own in options.values() for option in own}):
        if getattr(args, option) is not None and option not in options[name]:
            owners = " or ".join(key for key, own in options.items() if option in own)
            raise ArgumentError(f"{option} belongs to --{choice} {owners}, got --{choice} {name}")
    own = options[name].items()
    return {key: getattr(args, option) for option, key in own if getattr(args, option) is not None}


def density_arguments(args: argparse.Namespace, sde: ForwardSDE) -> dict[str, Any]:
    """Return the arguments t, method and domain of densities that the options give, checked.

    They are needed only after training, but a mistake in them should not wait for it.
    """
    given: dict[str, Any] = {}
    if args.eval_time is not None:
        t_min = signature(train_exact).parameters["t_min"].default
        given["t"] = evaluation_time(sde, args.eval_time, args.t_min or t_min)
    if args.method is not None:
        given["method"] = one_of("method", args.method, METHODS)
    if args.domain is not None:
        parse_domain(args.domain)
        given["domain"] = args.domain
    return given


def data_name(args: argparse.Namespace) -> str | None:
    """Return the data's name, such as `faithful.csv, column eruptions`; None without data."""
    if args.data is None:
        return None
    return args.data if args.column is None else f"{args.data}, column {args.column}"
