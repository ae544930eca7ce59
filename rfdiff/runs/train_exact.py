"""`train_exact`: from a law or a data set to the exact state at every training time.

It checks its arguments, draws data and features, assembles the quadratic loss and diagonalises
it; the `TrainedFlow` it returns answers everything else.
"""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from os import PathLike
from typing import ParamSpec, TypeVar

import numpy as np

from ..support.validation import memory
from ..training.arguments import TrainingArguments
from ..training.setup import make_problem
from .persistence import load_run
from .state import solve
from .trained_flow import TrainedFlow

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


def _takes(arguments: Callable[P, T]) -> Callable[[Callable[[T], R]], Callable[P, R]]:
    """Return a decorator: a function of an object is called with what the object is made of.

    The signature is spelled once, in the object's class; type checkers and `help` see it here too.
    """

    def decorate(function: Callable[[T], R]) -> Callable[P, R]:
        spelled = signature(arguments).replace(
            return_annotation=signature(function).return_annotation
        )

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                spelled.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{function.__name__}() {error}") from None
            return function(arguments(*args, **kwargs))

        call.__signature__ = spelled  # type: ignore[attr-defined]
        return call

    return decorate


@_takes(TrainingArguments)
def train_exact(arguments: TrainingArguments) -> TrainedFlow:  # noqa: D417, spelled by its class
    """Train a random-feature diffusion model exactly, at all training times τ at once.

    The model is s_θ(x, t) = θ φ(Wx + U e(t))/√m [12]; only θ = A/√m is trained, by the gradient
    flow dθ/dτ = −∇L_n(θ) of the denoising loss [9], whose expectation over the noise is exact.

    Args:
        tau: training times at which results are given by default: a scalar or an array of any
            shape, 0 and ∞ allowed. Default: 201 values from 1 to 1e10, equal steps in log τ.
        target: law p₀ of the data, by default the paper's modes at ±3 unless `data` are given.
        data: training points (n,) or (n, d); drawn from `target` if None.
        n: number of training points: 1000 if drawn; with `data`, their first n (all by default).
        m: number of random features.
        seed: of data, features, noise and split, in independent streams, nested in n and m.
        sde: forward process, by default `VESDE(25.0)`.
        features: law "l1", "gaussian" or "torch", or explicit `RandomFeatures`.
        embedding: time embedding "log-sigma", "fourier" or "affine", or an object.
        activation: "relu" (closed form), "swish", "erf", "tanh" or "identity" (quadrature).
        precondition: divide the output by c(t) = σ_t.
        scaling: for vectors, "input" shows features x divided by the size √(r²s² + σ_t²) of its
            coordinates, "both" divides the output, too; "none" is the paper's model.
        skip: for vectors, a fixed affine part of the score: that of a Gaussian with the data's
            mean and covariance ("gaussian") or mean variance ("isotropic"); "none" in the paper.
        weighting: λ(t): "variance", "inverse-norm", "likelihood" or a callable.
        t_min: training covers t ~ U(t_min, T).
        n_times: nodes of the time rule, 128 on the line and 16 for vectors;
            `TrainedFlow.refined` doubles them.
        times: train at these diffusion times alone, with equal weights, instead of the rule.
        noise_samples: train on k fixed noise draws a datum instead of the exact expectation.
        population: train on the law itself instead of a sample of it.
        theta0: θ₀, shape (d, m), or (m,) on the line; "gaussian" draws A₀ ~ N(0, 1); zero by
            default.
        held_out: share of `data` set aside, by seed, for the test curve.
        standardise: train on data scaled to mean 0 and mean variance 1; results stay in
            the data's own units. Default: yes for data of unknown law with features drawn by
            name; no with a known target or explicit features, which fix the units.
        pca: train on the first so many principal coordinates of the data; samples and scores are
            in the data's own coordinates.

    Returns:
        The trained flow.

    Raises:
        ArgumentError: an argument breaks its rule; nothing has been computed then.
        MemoryLimitError: the Gram matrix and its eigenvectors would not fit.

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=[1e2, 1e4, 1e6], n=100, m=64)
    >>> run.theta().shape, run.kl().shape
    ((3, 1, 64), (3,))
    """
    times = np.logspace(0, 10, 201) if arguments.tau is None else np.asarray(arguments.tau)
    problem = make_problem(arguments)
    numbers = times.size * problem.features.width * problem.features.dimension
    memory("results at all training times", 8.0 * 6 * numbers)
    return TrainedFlow(times, problem, solve(problem))


def load(path: str | PathLike[str]) -> TrainedFlow:
    """Read a run that `TrainedFlow.save` wrote."""
    return TrainedFlow(*load_run(path))
