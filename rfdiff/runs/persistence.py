"""Saving a trained run to one .npz file, and reading it back without training again.

Arrays are stored as they are, settings as JSON, and a checksum of both beside them. Callables (a
custom weighting, a `LinearSDE`) cannot be stored and are refused. Everything read is checked: a run
that loads is one that was saved.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._version import __version__
from ..data.archive import read_archive, write_archive
from ..data.units import Units
from ..diffusion.sde import ForwardSDE
from ..diffusion.time_rules import TimeRule, chosen_times, graded_time_rule
from ..loss.baselines import affine_loss
from ..loss.objective import WEIGHTINGS, DenoisingObjective
from ..loss.quadratic import QuadraticLoss
from ..model.affine_skip import AffineSkip
from ..model.features import RandomFeatures
from ..support.errors import ArgumentError, DataFileError
from ..support.random import check_seed
from ..support.validation import LARGEST, FloatArray, count, one_of, real
from ..training.gradient_flow import GradientFlow
from ..training.setup import TrainingProblem
from .plain_data import EMBEDDINGS, PROCESSES, SCALINGS, TARGETS, UNITS, decode, encode
from .saved_arrays import SKIP_ARRAYS, check_arrays

# 2 has a checksum, 3 what vectors need; files of older formats are read, with every other check.
FORMAT = 3
_WHAT = "a run saved by rfdiff"
_SETTINGS = {
    "format", "version", "target", "units", "sde", "embedding", "activation", "preconditioner",
    "law", "weighting", "rule", "seed", "constant", "error", "scaling", "times",
}  # fmt: skip
# What files of formats 1 and 2 do not say.
_SINCE_3: dict[str, Any] = {"scaling": None, "times": None}
# A time rule of more nodes takes minutes to make.
MOST_TIMES = 20_000
# Agreement of the stored constant of the loss with that of its settings.
_CONSTANT_TOLERANCE = 1e-9


def save_run(
    path: str | PathLike[str], tau: FloatArray, problem: TrainingProblem, flow: GradientFlow
) -> None:
    """Write a run; the file appears whole or not at all.

    Raises:
        ArgumentError: a part of the run that is not plain data, or too many time nodes.
    """
    features, quadratic, objective = problem.features, flow.quadratic, problem.objective
    _check_times(len(objective.rule))
    settings = {
        "format": FORMAT,
        "version": __version__,
        "target": encode(problem.target),
        "units": encode(replace(problem.units, axes=None)),
        "sde": encode(objective.sde),
        "embedding": encode(features.embedding),
        "activation": features.activation,
        "preconditioner": encode(features.preconditioner),
        "scaling": encode(features.scaling),
        "law": features.law,
        "weighting": encode(objective.weighting),
        "rule": [objective.rule.t_min, objective.rule.t_max, len(objective.rule)],
        "times": objective.rule.nodes.tolist() if objective.rule.chosen else None,
        "seed": problem.seed,
        "constant": quadratic.constant,
        "error": quadratic.error,
    }
    arrays = {
        "tau": tau,
        "W": features.W,
        "U": features.U,
        "theta0": problem.theta0,
        "gram": quadratic.gram,
        "cross": quadratic.cross,
        "eigenvalues": flow.eigenvalues,
        "eigenvectors": flow.eigenvectors,
        "data": problem.data,
        "held_out": problem.held_out,
        "noise": problem.noise,
        "unit_axes": problem.units.axes,
    }
    if problem.skip is not None:
        arrays |= {f"skip_{name}": getattr(problem.skip, name) for name in SKIP_ARRAYS}
    if quadratic.coarse is not None:
        arrays |= {"coarse_gram": quadratic.coarse.gram, "coarse_cross": quadratic.coarse.cross}
    kept: dict[str, Any] = {name: array for name, array in arrays.items() if array is not None}
    write_archive(path, {"settings": np.array(json.dumps(settings)), **kept})


def load_run(path: str | PathLike[str]) -> tuple[FloatArray, TrainingProblem, GradientFlow]:
    """Read a run: training times, problem and flow.

    Raises:
        DataFileError: naming the file and what is wrong with it.
        MemoryLimitError: the run does not fit.
    """
    arrays, has_checksum = read_archive(path, _WHAT)
    if "settings" not in arrays:
        raise DataFileError(f"{path}: not {_WHAT} (it has no settings)")
    try:
        settings = _read_settings(arrays.pop("settings"), has_checksum)
        # Numbers of a forged file may overflow; a check of what is then not finite fails.
        with np.errstate(all="ignore"):
            kept = check_arrays(arrays)
            problem = _problem(settings, kept)
            quadratic = _quadratic(settings, kept, problem)
    except ArgumentError as reason:
        raise DataFileError(f"{path}: {reason}") from None
    spectrum = kept["eigenvalues"], kept["eigenvectors"]
    return kept["tau"], problem, GradientFlow(quadratic, problem.theta0, spectrum)


def _read_settings(stored: NDArray[Any], has_checksum: bool) -> dict[str, Any]:
    """Return the settings, of a format that is known, with none missing and none unknown."""
    try:
        settings = json.loads(str(stored))
    except (ValueError, RecursionError) as reason:
        raise ArgumentError(f"the settings must be JSON ({reason})") from None
    if not isinstance(settings, dict) or "format" not in settings:
        raise ArgumentError("the settings must say their format")
    if count("format", settings["format"]) > FORMAT:
        raise ArgumentError(
            f"saved by rfdiff {settings.get('version')!s:.20} in the newer format "
            f"{settings['format']!s:.20}; this version reads up to {FORMAT}"
        )
    if (settings["format"] > 1) != has_checksum:
        raise ArgumentError(
            f"a file of format {settings['format']} must have "
            + ("no checksum" if has_checksum else "a checksum")
        )
    if settings["format"] < 3:
        settings = _SINCE_3 | settings
        if isinstance(settings.get("units"), dict):
            settings["units"] = {"axes": None} | settings["units"]
    if set(settings) != _SETTINGS:
        different = sorted(set(settings) ^ _SETTINGS)
        raise ArgumentError(f"settings are missing or unknown: {', '.join(different)!r:.80}")
    return settings


def _problem(settings: Mapping[str, Any], arrays: Mapping[str, FloatArray]) -> TrainingProblem:
    """Return what was trained on what."""
    preconditioner, scaling = (
        None if settings[name] is None else decode(name, settings[name], classes)
        for name, classes in (("preconditioner", PROCESSES), ("scaling", SCALINGS))
    )
    target = None if settings["target"] is None else decode("target", settings["target"], TARGETS)
    d = arrays["W"].shape[1]
    if target is not None and target.dimension != d:
        raise ArgumentError(f"target must have dimension {d}, got d = {target.dimension}")
    if target is None and "data" not in arrays:
        raise ArgumentError("data are missing, and so is a target")
    units = _units(settings, arrays)
    if target is not None and not units.is_identity:
        raise ArgumentError(f"units do not fit what was trained on, got {units!s:.80}")
    sde = decode("sde", settings["sde"], PROCESSES)
    rule = _time_rule(settings["rule"], settings["times"], sde.T)
    features = RandomFeatures(
        arrays["W"],
        arrays["U"],
        decode("embedding", settings["embedding"], EMBEDDINGS),
        settings["activation"],
        preconditioner,
        settings["law"],
        scaling,
    )
    weighting = one_of("weighting", settings["weighting"], WEIGHTINGS)
    return TrainingProblem(
        target=target,
        data=arrays.get("data"),
        held_out=arrays.get("held_out"),
        units=units,
        objective=DenoisingObjective(sde, rule, weighting),
        features=features,
        noise=arrays.get("noise"),
        theta0=arrays["theta0"],
        seed=check_seed("seed", settings["seed"]),
        skip=_skip(arrays, sde),
    )


def _units(settings: Mapping[str, Any], arrays: Mapping[str, FloatArray]) -> Units:
    """Return the units of training, with principal axes where there are some."""
    units: Units = decode("units", settings["units"], UNITS)
    own = (arrays["data"].shape[1],) if "data" in arrays else (arrays["W"].shape[1],)
    if np.shape(units.shift) not in ((), own):
        raise ArgumentError(f"units do not fit what was trained on, got {units!s:.80}")
    return replace(units, axes=arrays.get("unit_axes"))


def _skip(arrays: Mapping[str, FloatArray], sde: ForwardSDE) -> AffineSkip | None:
    """Return the fixed affine part of the score, where there is one."""
    if "skip_mean" not in arrays:
        return None
    return AffineSkip(sde, *(arrays[f"skip_{name}"] for name in SKIP_ARRAYS))


def _time_rule(stored: Any, times: Any, end: float) -> TimeRule:
    """Return the time rule of [t_min, t_max, number of nodes], which ends with the process."""
    if times is not None:
        return chosen_times(times, end)
    if not isinstance(stored, list) or len(stored) != 3:
        raise ArgumentError(f"rule must be [t_min, t_max, n_times], got {stored!r:.80}")
    t_min, t_max, n_times = stored
    _check_times(count("n_times", n_times))
    if real("t_max", t_max) != end:
        raise ArgumentError(f"t_max must be T = {end:g} of the process, got {t_max:g}")
    return graded_time_rule(t_min, t_max, n_times)


def _check_times(n_times: int) -> None:
    """Refuse a time rule that would keep whoever loads the run waiting."""
    if n_times > MOST_TIMES:
        raise ArgumentError(f"n_times must be at most {MOST_TIMES} in a file, got {n_times!s:.20}")


def _quadratic(
    settings: Mapping[str, Any], arrays: Mapping[str, FloatArray], problem: TrainingProblem
) -> QuadraticLoss:
    """Return the loss that was trained on; its constant must be that of process and times."""
    constant, error = real("constant", settings["constant"]), real("error", settings["error"])
    if error < 0.0:
        raise ArgumentError(f"error must be at least 0, got {error:g}")
    d, objective = problem.features.dimension, problem.objective
    if problem.skip is None:
        expected = objective.constant(d)
    else:
        expected = affine_loss(problem.training_law.atoms, objective, problem.skip)
    if problem.noise is not None and problem.skip is not None:
        # A mean over noise draws that no closed form knows.
        expected = constant
    elif problem.noise is not None:
        expected *= float(np.mean(problem.noise**2))
    if not abs(constant - expected) <= _CONSTANT_TOLERANCE * min(expected, LARGEST):
        raise ArgumentError(
            f"constant must be {expected:.10g} for this process and rule, got {constant:.10g}"
        )
    coarse = None
    if "coarse_gram" in arrays:
        coarse = QuadraticLoss(arrays["coarse_gram"], arrays["coarse_cross"], constant)
    return QuadraticLoss(arrays["gram"], arrays["cross"], constant, error, coarse)
