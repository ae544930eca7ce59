"""Saving a trained run to one .npz file, and reading it back without training again.

Arrays are stored as they are; laws, processes and embeddings as JSON of their class and fields.
Callables (a custom weighting, a `LinearSDE`) cannot be stored and are refused.
"""

import json
import os
from dataclasses import fields
from os import PathLike
from typing import Any

import numpy as np

from .._version import __version__
from ..data.units import Units
from ..diffusion.mixtures import GaussianMixture
from ..diffusion.sde import VESDE, VPSDE, SubVPSDE
from ..diffusion.targets import BetaTarget, RaisedCosine, SmoothBump
from ..diffusion.time_rules import graded_time_rule
from ..loss.objective import DenoisingObjective
from ..loss.quadratic import QuadraticLoss
from ..model.embeddings import AffineEmbedding, FourierEmbedding, LogSigmaEmbedding
from ..model.features import RandomFeatures
from ..support.errors import ArgumentError, DataFileError
from ..support.validation import FloatArray
from ..training.gradient_flow import GradientFlow
from ..training.setup import TrainingProblem

FORMAT = 1
_STORABLE = {
    cls.__name__: cls
    for cls in (
        VESDE,
        VPSDE,
        SubVPSDE,
        GaussianMixture,
        RaisedCosine,
        BetaTarget,
        SmoothBump,
        LogSigmaEmbedding,
        FourierEmbedding,
        AffineEmbedding,
        Units,
    )
}


def encode(value: Any) -> Any:
    """Return a JSON form of a law, process, embedding, array, number or name."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        return {"array": value.tolist()}
    name = type(value).__name__
    if name not in _STORABLE:
        raise ArgumentError(f"a run with a custom {name} cannot be saved: it is not plain data")
    return {"class": name, **{f.name: encode(getattr(value, f.name)) for f in fields(value)}}


def decode(value: Any) -> Any:
    """Return what `encode` was given."""
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return np.array(value["array"], dtype=np.float64)
    arguments = {name: decode(item) for name, item in value.items() if name != "class"}
    return _STORABLE[value["class"]](**arguments)


def save_run(
    path: str | PathLike[str], tau: FloatArray, problem: TrainingProblem, flow: GradientFlow
) -> None:
    """Write a run; the file appears whole or not at all."""
    features, quadratic, objective = problem.features, flow.quadratic, problem.objective
    settings = {
        "format": FORMAT,
        "version": __version__,
        "target": encode(problem.target),
        "units": encode(problem.units),
        "sde": encode(objective.sde),
        "embedding": encode(features.embedding),
        "activation": features.activation,
        "preconditioner": encode(features.preconditioner),
        "law": features.law,
        "weighting": encode(objective.weighting),
        "rule": [objective.rule.t_min, objective.rule.t_max, len(objective.rule)],
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
    }
    kept: dict[str, Any] = {name: array for name, array in arrays.items() if array is not None}
    temporary = f"{os.fspath(path)}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            np.savez(file, settings=np.array(json.dumps(settings)), **kept)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def load_run(path: str | PathLike[str]) -> tuple[FloatArray, TrainingProblem, GradientFlow]:
    """Read a run: training times, problem and flow."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        settings = json.loads(str(arrays["settings"]))
    except FileNotFoundError:
        raise DataFileError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, EOFError) as reason:
        raise DataFileError(f"{path}: not a run saved by rfdiff ({reason})") from None
    if settings["format"] > FORMAT:
        raise DataFileError(
            f"{path}: saved by rfdiff {settings['version']} in the newer format "
            f"{settings['format']}; this version reads up to {FORMAT}"
        )
    features = RandomFeatures(
        arrays["W"],
        arrays["U"],
        decode(settings["embedding"]),
        settings["activation"],
        decode(settings["preconditioner"]),
        settings["law"],
    )
    t_min, t_max, n_times = settings["rule"]
    rule = graded_time_rule(t_min, t_max, n_times)
    objective = DenoisingObjective(decode(settings["sde"]), rule, settings["weighting"])
    problem = TrainingProblem(
        target=decode(settings["target"]),
        data=arrays.get("data"),
        held_out=arrays.get("held_out"),
        units=decode(settings["units"]),
        objective=objective,
        features=features,
        noise=arrays.get("noise"),
        theta0=arrays["theta0"],
        seed=settings["seed"],
    )
    quadratic = QuadraticLoss(
        arrays["gram"], arrays["cross"], settings["constant"], settings["error"]
    )
    spectrum = arrays["eigenvalues"], arrays["eigenvectors"]
    return arrays["tau"], problem, GradientFlow(quadratic, problem.theta0, spectrum)
