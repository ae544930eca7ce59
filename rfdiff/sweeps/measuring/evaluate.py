"""From a point to its measurements: train exactly, measure, time."""

import time
import warnings

from ...runs.train_exact import train_exact
from ...support.errors import AccuracyWarning
from ..points.identity import Value
from ..points.problem import training_arguments
from .observables import MEASURES, Curves, Measurement, Scalars
from .recipe import Recipe
from .result import Result


def evaluate_point(point: dict[str, Value], recipe: Recipe) -> Result:
    """Train a point and record what the recipe says.

    A numerical result that misses its tolerance is no failure: its warning is recorded with it,
    as the scalar `warnings`.

    >>> from rfdiff.sweeps import Grid
    >>> point = Grid.of({"n": 50, "m": 16, "n_times": 16}).points[0]
    >>> result = evaluate_point(point, Recipe.of("1e2:1e8:7log", "kl,tau_es"))
    >>> result.curves["kl"].shape, sorted(result.scalars)[:2]
    ((7,), ['kl_best', 'kl_best_error'])
    """
    curves: Curves = {}
    scalars: Scalars = {}
    timings: dict[str, float] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AccuracyWarning)
        begun = time.perf_counter()
        arguments = training_arguments(point)
        run = train_exact(recipe.times, **arguments)
        timings["train"] = time.perf_counter() - begun
        taken = Measurement(run, recipe.times, recipe.settings, point, arguments["target"])
        for name in recipe.observables:
            begun = time.perf_counter()
            more_curves, more_scalars = MEASURES[name](taken)
            timings[name] = time.perf_counter() - begun
            curves.update(more_curves)
            scalars.update(more_scalars)
    if caught:
        messages = dict.fromkeys(str(warning.message) for warning in caught)
        scalars["warnings"] = "; ".join(messages)
    return Result(curves, scalars, timings)
