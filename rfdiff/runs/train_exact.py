"""`train_exact`: from a law or a data set to the exact state at every training time.

It checks its arguments, draws data and features, assembles the quadratic loss and diagonalises
it; the `TrainedFlow` it returns answers everything else.
"""

from os import PathLike

import numpy as np
from numpy.typing import ArrayLike

from ..diffusion.sde import ForwardSDE
from ..diffusion.targets import Target
from ..loss.objective import Weighting
from ..model.features import RandomFeatures
from ..support.random import check_seed
from ..support.validation import memory, training_times
from ..training.setup import make_problem
from .persistence import load_run
from .state import solve
from .trained_flow import TrainedFlow


def train_exact(
    tau: ArrayLike | None = None,
    *,
    target: Target | None = None,
    data: ArrayLike | None = None,
    n: int | None = None,
    m: int = 512,
    seed: int = 0,
    sde: ForwardSDE | None = None,
    features: str | RandomFeatures = "l1",
    embedding: str | object = "log-sigma",
    activation: str = "relu",
    precondition: bool = False,
    weighting: Weighting = "variance",
    t_min: float = 1e-3,
    n_times: int = 128,
    noise_samples: int | None = None,
    population: bool = False,
    theta0: ArrayLike | str | None = None,
    held_out: float = 0.0,
    standardise: bool | None = None,
) -> "TrainedFlow":
    """Train a random-feature diffusion model exactly, at all training times τ at once.

    The model is s_θ(x, t) = θ φ(Wx + U e(t))/√m [12]; only θ = A/√m is trained, by the gradient
    flow dθ/dτ = −∇L_n(θ) of the denoising loss [9], whose expectation over the noise is exact.

    Args:
        tau: training times at which results are given by default: a scalar or an array of any
            shape, 0 and ∞ allowed. Default: 201 values from 1 to 1e10, equal steps in log τ.
        target: law p₀ of the data, by default the paper's modes at ±3 unless `data` are given.
        data: training points (n,) or (n, 1); drawn from `target` if None.
        n: number of training points: 1000 if drawn; with `data`, their first n (all by default).
        m: number of random features.
        seed: of data, features, noise and split, in independent streams, nested in n and m.
        sde: forward process, by default `VESDE(25.0)`.
        features: law "l1", "gaussian" or "torch", or explicit `RandomFeatures`.
        embedding: time embedding "log-sigma", "fourier" or "affine", or an object.
        activation: "relu" (closed form), "swish", "erf" or "tanh" (quadrature).
        precondition: divide the output by c(t) = σ_t.
        weighting: λ(t): "variance", "inverse-norm", "likelihood" or a callable.
        t_min: training covers t ~ U(t_min, T).
        n_times: nodes of the time rule; `TrainedFlow.refined` doubles them.
        noise_samples: train on k fixed noise draws a datum instead of the exact expectation.
        population: train on the law itself instead of a sample of it.
        theta0: θ₀, shape (1, m) or (m,); "gaussian" draws A₀ ~ N(0, 1); zero by default.
        held_out: share of `data` set aside, by seed, for the test curve.
        standardise: train on data scaled to mean 0 and standard deviation 1; results stay in
            the data's own units. Default: yes for data of unknown law with features drawn by
            name; no with a known target or explicit features, which fix the units.

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
    tau = np.logspace(0, 10, 201) if tau is None else training_times("tau", tau)
    problem = make_problem(
        target=target,
        data=data,
        n=n,
        m=m,
        seed=check_seed("seed", seed),
        sde=sde,
        features=features,
        embedding=embedding,
        activation=activation,
        precondition=precondition,
        weighting=weighting,
        t_min=t_min,
        n_times=n_times,
        noise_samples=noise_samples,
        population=population,
        theta0=theta0,
        held_out=held_out,
        standardise=standardise,
    )
    width = problem.features.width
    memory("results at all training times", 8.0 * 6 * tau.size * width)
    return TrainedFlow(tau, problem, solve(problem))


def load(path: str | PathLike[str]) -> TrainedFlow:
    """Read a run that `TrainedFlow.save` wrote."""
    return TrainedFlow(*load_run(path))
