"""Are the numbers the same? What rfdiff answers, recorded before and after a change of its code.

Each run in `RUNS` asks the public face alone (the names of `rfdiff` and `rfdiff.sweeps`, the
methods of a trained flow, the command line), so that modules may move and algorithms be replaced
between two recordings. Every number is kept under "run/quantity", its stated error beside it under
"run/quantity:error".

    python same_numbers.py record before.npz                 # one to four minutes
    python same_numbers.py record some.npz --only ve,sweep   # these runs alone
    python same_numbers.py compare before.npz after.npz [--gone PATTERN] [--brief]

Record both sides on one machine with the same numbers of threads: with another number of BLAS
threads the Gram matrices of smooth activations round differently, which late training amplifies
(to 5e-7 of θ at τ = ∞, beyond the stated errors, which do not cover it).

`compare` prints a row a quantity: the largest difference relative to the largest finite value, the
same as a share of the stated errors (before + after, 1 is the most they allow), the largest factor
by which a stated error grew, and a verdict:

    bits          identical, NaN and infinities included
    1e-12         a relative difference of at most 1e-12
    within error  no difference larger than the error before plus the error after
    DIFFERENT     anything else: also another shape, another text, an infinity come or gone

The exit status is 1 if anything is DIFFERENT, or recorded on one side alone and not `--gone`.
"""

import argparse
import csv
import fnmatch
import json
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import rfdiff
from rfdiff import sweeps

Array = np.ndarray[Any, Any]
Quantities = Mapping[str, Any]

TAU = np.array([0.0, 1.0, 1e2, 1e4, 1e6, 1e8, np.inf])
# For curves that are solved for one τ at a time.
FEW = np.array([0.0, 1e2, 1e4, 1e6, 1e8])
LONG = np.logspace(0, 10, 61)
X = np.linspace(-6.0, 6.0, 25)
TIMES = np.array([0.001, 0.065, 0.3, 0.7, 1.0])
METHODS = ("score-integral", "probability-flow", "reverse-sde")
KINDS = (
    "kl", "reverse-kl", "jensen-shannon", "total-variation", "wasserstein-1", "wasserstein-2",
)  # fmt: skip
# By name: what another code measures beside them would change the recipe.
OBSERVABLES = (
    "kl", "kl_flow", "kl_sde", "loss_train", "loss_population", "tau_es", "tau_es_flow",
    "tau_es_sde", "tau_es_population", "bound", "decomposition", "spectrum",
)  # fmt: skip
SMALL: dict[str, Any] = {"n": 60, "m": 48}
RELATIVE = 1e-12


# What runs share


@dataclass(frozen=True)
class Cosines:
    """A time embedding of a caller's own, without a derivative."""

    size: ClassVar[int] = 3

    def __call__(self, t: Any) -> Array:
        t = np.asarray(t, dtype=np.float64)
        return np.stack([np.ones_like(t), np.cos(3.0 * t), np.sqrt(t)], axis=-1)


def train(tau: Any = TAU, **choices: Any) -> rfdiff.TrainedFlow:
    """Train at a small size unless chosen otherwise."""
    return rfdiff.train_exact(tau, **(SMALL | choices))


def eruptions(tau: Any = TAU, **choices: Any) -> rfdiff.TrainedFlow:
    data = rfdiff.load_data("old_faithful", column="eruptions")
    return rfdiff.train_exact(tau, data=data, **({"m": 64, "held_out": 0.25} | choices))


def galaxies(tau: Any = TAU, **choices: Any) -> rfdiff.TrainedFlow:
    return rfdiff.train_exact(tau, data=rfdiff.load_data("galaxies"), m=64, **choices)


def attributes(thing: Any, names: str) -> Quantities:
    return {name: getattr(thing, name) for name in names.split()}


def known(run: rfdiff.TrainedFlow) -> Quantities:
    """What a run with a known law answers quickly."""
    losses = ("train",) if run.data is None else ("train", "population")
    return {
        "data": np.empty(0) if run.data is None else run.data,
        "theta": run.theta(),
        "loss": {kind: np.asarray(run.loss(kind)) for kind in losses},
        "kl": run.kl(),
        "kl_of_marginal": run.kl(against="pt", t=0.3, domain=(-12.0, 12.0)),
        "score": run.score(X, 0.1),
        "log_density": run.log_density(X),
        "bound": run.bound().total,
        "domain": run.default_domain(),
        "t": run.default_time,
    }


def unknown(run: rfdiff.TrainedFlow, x: Array) -> Quantities:
    """What a run on data of unknown law answers, in the data's own units."""
    held_out = run.problem.held_out is not None
    return {
        "data": run.data,
        "theta": run.theta(),
        "loss": {kind: np.asarray(run.loss(kind)) for kind in ("train", "test")[: 1 + held_out]},
        "nll": {on: run.nll(on=on) for on in ("train", "test")[: 1 + held_out]},
        "score": run.score(x, 0.1),
        "density": run.density(x),
        "log_density": run.log_density(x, FEW, t=0.2),
        "sample": run.sample(50, 1e6, n_steps=50),
        "domain": run.default_domain(),
        "t": run.default_time,
    }


def divergences(method: str, kinds: Sequence[str]) -> Quantities:
    run = train(FEW)
    return {kind: run.divergence(kind, method=method) for kind in kinds} | {
        f"{kind} of the marginal": run.divergence(kind, method=method, against="pt", t=0.3)
        for kind in kinds
    }


def command(*arguments: str) -> str:
    """Return what `python -m rfdiff` prints, of the package that is imported here."""
    # The folder comes first on the path of -m.
    folder = Path(rfdiff.__file__).parents[1]
    words = [sys.executable, "-m", "rfdiff", *arguments]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"rfdiff {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def command_json(*arguments: str) -> Quantities:
    """Return what a command prints as JSON, without the names of files."""
    content: dict[str, Any] = json.loads(command(*arguments, "--json"))
    content.pop("files", None)
    return content


def columns(text: str) -> Quantities:
    """Return the columns of a CSV text."""
    heading, *rows = csv.reader(text.splitlines())
    return {name: list(cells) for name, cells in zip(heading, zip(*rows, strict=True), strict=True)}


# Training


def ve() -> Quantities:
    run = train(n=100, m=64)
    spectrum = {"eigenvalues": run.flow.eigenvalues}
    return {**known(run), **spectrum, "quadratic": attributes(run.quadratic, "gram cross")}


def ve_defaults() -> Quantities:
    run = rfdiff.train_exact(n=200, m=128)
    best = attributes(run.early_stopping(), "tau value at")
    return {"tau": run.tau, "train": np.asarray(run.loss()), "kl": run.kl(), "early_stopping": best}


def processes() -> Quantities:
    linear_vp = rfdiff.LinearSDE(
        lambda t: -0.05 - 9.95 * t, lambda t: np.sqrt(0.1 + 19.9 * t), prior=1.0
    )
    laws = {
        "ve": rfdiff.VESDE(10.0, T=0.8),
        "vp": rfdiff.VPSDE(),
        "sub-vp": rfdiff.SubVPSDE(0.2, 10.0),
        "linear vp": linear_vp,
    }
    functions = ("drift", "diffusion_squared", "scale", "std")
    return {
        name: {
            **known(train(sde=sde)),
            **{function: getattr(sde, function)(TIMES * sde.T) for function in functions},
            "prior_std": sde.prior_std,
            "time_of_std": sde.time_of_std(0.3),
        }
        for name, sde in laws.items()
    }


def weightings() -> Quantities:
    rules = {"inverse-norm": "inverse-norm", "likelihood": "likelihood", "own": lambda t: t * t}
    return {name: known(train(weighting=rule)) for name, rule in rules.items()}


def feature_laws() -> Quantities:
    angles = np.linspace(0.0, 6.0, 40)
    own = rfdiff.RandomFeatures(
        np.cos(2.0 * angles),
        np.stack([np.cos(angles), np.sin(angles)], 1),
        rfdiff.AffineEmbedding(),
    )
    runs = {law: train(features=law) for law in ("gaussian", "torch")} | {
        "own": train(features=own)
    }
    return {law: {**known(run), **attributes(run.features, "W U")} for law, run in runs.items()}


def embeddings() -> Quantities:
    sde = rfdiff.VESDE()
    chosen = {
        "fourier": "fourier",
        "affine": "affine",
        "drawn": rfdiff.FourierEmbedding.draw(3, size=6, scale=0.5),
        "log-sigma": rfdiff.LogSigmaEmbedding(sde),
        "own": Cosines(),
    }
    return {name: known(train(embedding=embedding)) for name, embedding in chosen.items()}


def activations() -> Quantities:
    return {name: known(train(n=40, m=32, activation=name)) for name in ("swish", "erf", "tanh")}


def preconditioned() -> Quantities:
    return {
        "relu": known(train(precondition=True, sde=rfdiff.VPSDE())),
        "tanh": known(train(precondition=True, activation="tanh", n=40, m=32)),
    }


def starts() -> Quantities:
    given = np.linspace(-0.3, 0.3, SMALL["m"])
    return {"gaussian": known(train(theta0="gaussian")), "given": known(train(theta0=given))}


def noise_and_population() -> Quantities:
    return {
        "noise_samples": known(train(noise_samples=3)),
        "population": known(train(population=True)),
        "time rule": known(train(t_min=1e-2, n_times=40)),
        "seed": known(train(seed=7)),
    }


def targets() -> Quantities:
    laws = {
        "beta": rfdiff.beta(2.0, 4.0, (-1.0, 4.0)),
        "raised_cosine": rfdiff.raised_cosine(),
        "smooth_bump": rfdiff.smooth_bump(1.0, 2.0),
        "uneven": rfdiff.bimodal(4.0, (0.2, 0.8), 0.7),
        "three modes": rfdiff.GaussianMixture([0.2, 0.3, 0.5], [-4.0, 0.0, 3.0], [0.4, 1.0, 0.6]),
    }
    return {
        name: {
            **known(train(target=law)),
            "density": law.density(X),
            "own sample": law.sample(20, np.random.default_rng(0)),
            "later": law.diffuse(0.7, 0.4).density(X),
        }
        for name, law in laws.items()
    }


def shapes_of_tau() -> Quantities:
    run = train(1e5)
    table = np.array([[1.0, 10.0, 1e3], [1e4, np.inf, 0.0]])
    return {
        "scalar": known(run),
        "table": {
            "kl": run.kl(table),
            "theta": run.theta(table),
            "score": run.score(X, 0.2, table),
        },
    }


def refined() -> Quantities:
    run = train().refined
    return {**known(run), "again": np.asarray(run.refined.loss("population"))}


def save_and_load() -> Quantities:
    choices: dict[str, Any] = {"sde": rfdiff.VPSDE(), "activation": "erf", "theta0": "gaussian"}
    with tempfile.TemporaryDirectory() as folder:
        train(n=30, m=24, precondition=True, **choices).save(f"{folder}/law.npz")
        eruptions().save(f"{folder}/data.npz")
        law, data = (rfdiff.load(f"{folder}/{name}.npz") for name in ("law", "data"))
    return {
        "law": {"tau": law.tau, "sample": law.sample(20, 1e4, n_steps=20), **known(law)},
        "data": {"tau": data.tau, **unknown(data, np.linspace(1.0, 6.0, 11))},
    }


# Data


def old_faithful() -> Quantities:
    run = eruptions()
    held_out = run.problem.held_out
    yardstick = rfdiff.kde_nll(run.data, held_out)
    return {**unknown(run, np.linspace(1.0, 6.0, 21)), "held_out": held_out, "kde": yardstick}


def data_as_they_are() -> Quantities:
    waiting = rfdiff.load_data("old_faithful", column=2)
    own = np.random.default_rng(0).gamma(3.0, 1.0, 90)
    raw = rfdiff.train_exact(TAU, data=own, n=50, m=48, held_out=0.2, standardise=False)
    scaled = rfdiff.train_exact(TAU, data=waiting, m=48, sde=rfdiff.SubVPSDE(), seed=5)
    return {
        "not standardised": unknown(raw, np.linspace(0.5, 8.0, 11)),
        "waiting": unknown(scaled, np.linspace(40.0, 100.0, 11)),
        "galaxies": unknown(galaxies(), np.linspace(9e3, 35e3, 11)),
    }


def data_of_known_law() -> Quantities:
    law = rfdiff.bimodal(2.0)
    data = law.sample(80, np.random.default_rng(1))
    run = rfdiff.train_exact(TAU, data=data, target=law, m=48, held_out=0.25)
    likelihoods = {on: run.nll(on=on) for on in ("train", "test")}
    return {**known(run), "nll": likelihoods, "test": np.asarray(run.loss("test"))}


def likelihoods() -> Quantities:
    run = eruptions(FEW)
    return {
        **{method: run.nll(method=method) for method in METHODS},
        "later": run.nll(t=0.3, on="train", method="probability-flow"),
        "certified": run.nll(certify=True),
        "domain": run.nll(domain=(1.0, 6.0)),
        "off the domain": run.nll(domain=(2.0, 4.0)),
    }


# Densities and divergences


def densities() -> Quantities:
    run = train(FEW)
    faithful, minutes = eruptions(FEW), np.linspace(1.0, 6.0, 21)
    laws = {method: run.learned_density(method=method, domain=np.inf) for method in METHODS[1:]}
    integral = run.learned_density()
    return {
        "score": {
            "itself": run.score(X, 0.3),
            "divergence": run.learned_score().divergence(X, 0.3),
            "integral": run.learned_score().integral(X, 0.3),
        },
        "log": {method: run.log_density(X, method=method) for method in METHODS},
        "plain": {method: run.density(X, t=0.2, method=method, tau=1e4) for method in METHODS},
        "on the line": run.log_density(X, domain=np.inf),
        "of data": {method: faithful.density(minutes, method=method) for method in METHODS},
        "score of data": faithful.score(minutes, 0.3),
        "swish": {
            method: train(1e3, n=30, m=24, activation="swish").log_density(X, method=method)
            for method in METHODS
        },
        "score-integral": attributes(integral, "mass error log_normalizer normalizable"),
        **{method: attributes(law, "mass error") for method, law in laws.items()},
        "cdf": {method: law.cdf(X) for method, law in laws.items()},
        "mean": {method: law.mean_log_density(run.target) for method, law in laws.items()},
    }


def kl_by_method() -> Quantities:
    run = train(FEW)
    return {
        f"{method} against {law}": run.kl(method=method, against=law, t=t)
        for method in METHODS
        for law, t in (("p0", None), ("pt", 0.065), ("pt", 0.4))
    } | {
        f"{method} on {domain}": run.kl([1e2, 1e8], method=method, domain=domain)
        for method in METHODS
        for domain in (np.inf, (-7.0, 8.0))
    }


def kl_certified() -> Quantities:
    run = train(FEW)
    return {method: run.kl(method=method, certify=True) for method in METHODS}


def kl_of_other_runs() -> Quantities:
    runs = {
        "vp": train([1e2, 1e5], sde=rfdiff.VPSDE()),
        "compact": train([1e2, 1e5], target=rfdiff.raised_cosine()),
        "tanh": train([1e2, 1e5], activation="tanh", n=30, m=24),
        "preconditioned": train([1e2, 1e5], precondition=True),
    }
    return {
        name: {method: run.kl(method=method) for method in METHODS} for name, run in runs.items()
    }


def divergences_of_score_integral() -> Quantities:
    run = train([1e2, 1e8])
    line = {kind: run.divergence(kind, domain=np.inf) for kind in KINDS}
    return {**divergences("score-integral", (*KINDS, "fisher")), "on the line": line}


def divergences_of_probability_flow() -> Quantities:
    return divergences("probability-flow", KINDS)


def divergences_of_reverse_sde() -> Quantities:
    return divergences("reverse-sde", (*KINDS, "fisher"))


def divergence_functions() -> Quantities:
    run = train([1e2, 1e5])
    learned, law = run.learned_density(t=0.2), rfdiff.bimodal(2.5, (0.4, 0.6))
    whole = run.learned_density(t=0.2, method="reverse-sde", domain=np.inf)
    functions = {
        "kl": rfdiff.kl_divergence,
        "reverse-kl": rfdiff.reverse_kl_divergence,
        "jensen-shannon": rfdiff.jensen_shannon_divergence,
        "total-variation": rfdiff.total_variation,
        "wasserstein-1": rfdiff.wasserstein_distance,
        "fisher": rfdiff.fisher_divergence,
    }
    return {
        "integral": {name: function(law, learned) for name, function in functions.items()},
        "sde": {name: function(law, whole) for name, function in functions.items()},
        "within": {
            name: function(law, learned, domain=(-7.0, 6.0)) for name, function in functions.items()
        },
        "wasserstein-2": rfdiff.wasserstein_distance(law, learned, order=2),
    }


def early_stopping() -> Quantities:
    run, data = train(LONG), eruptions(LONG)
    short = train(np.logspace(2, 6, 9), n=40, m=32)
    found = {of: run.early_stopping(of) for of in ("kl", "train", "population")}
    found |= {f"{of} of data": data.early_stopping(of) for of in ("nll", "train", "test")}
    found |= {f"kl, {method}": short.early_stopping(method=method) for method in METHODS}
    found["kl of the marginal"] = run.early_stopping("kl", against="pt", t=0.3)
    found["nll, later"] = data.early_stopping(t=0.3, on="train")
    return {name: attributes(best, "tau value at") for name, best in found.items()}


# Theory


def bounds() -> Quantities:
    runs = {
        "ve": (train(), {}),
        "later": (train(), {"t": 0.3, "n_times": 32}),
        "vp": (train(sde=rfdiff.VPSDE()), {}),
        "compact": (train(target=rfdiff.smooth_bump()), {"t": 0.1}),
        "swish": (train(n=30, m=24, activation="swish"), {}),
    }
    return {
        name: attributes(run.bound(**choices), "integral prior total t")
        for name, (run, choices) in runs.items()
    }


def decompositions() -> Quantities:
    terms = "total sample infinite width finite_error infinite_error scale"
    runs = {"ve": train(), "vp": train(sde=rfdiff.VPSDE(), features="gaussian")}
    return {name: attributes(run.decomposition(wide=128), terms) for name, run in runs.items()}


def quadratic_loss() -> Quantities:
    """The parts that a run is made of, by hand."""
    sde, rule = rfdiff.VPSDE(), rfdiff.graded_time_rule(1e-3, 1.0, 24)
    embedding = rfdiff.LogSigmaEmbedding(sde)
    features = rfdiff.draw_features("gaussian", 20, embedding, seed=2, preconditioner=sde)
    objective = rfdiff.DenoisingObjective(sde, rule, "likelihood")
    loss = rfdiff.denoising_quadratic(rfdiff.bimodal(), objective, features)
    flow = rfdiff.GradientFlow(loss, np.full(20, 0.1))
    theta = flow.theta(TAU)
    return {
        "rule": attributes(rule, "nodes weights"),
        "features": features(X, 0.3),
        "loss": attributes(loss, "gram cross constant"),
        "along": {"loss": loss(theta), "gradient": loss.gradient(theta), "own": flow.loss(TAU)},
        "theta": theta,
    }


# Samples


def samples() -> Quantities:
    run, steps = train([1e2, 1e5]), 60
    noise = np.random.default_rng(4).standard_normal((steps + 1, 30))
    smooth = train(1e4, n=30, m=24, activation="swish")
    grids = ("log", "uniform", "edm")
    return {
        **{
            scheme: {
                grid: run.sample(40, scheme=scheme, grid=grid, n_steps=steps) for grid in grids
            }
            for scheme in ("euler-maruyama", "exponential", "heun", "probability-flow")
        },
        "default": run.sample(30),
        "seed": run.sample(30, seed=11, n_steps=steps),
        "continued": run.sample(30, first=100, n_steps=steps),
        "own noise": run.sample(30, noise=noise, n_steps=steps),
        "paths": run.sample(5, 1e5, trajectories=True, n_steps=steps, t=0.2),
        "prior": run.sample(30, prior=rfdiff.GaussianMixture([1.0], [0.5], 20.0), n_steps=steps),
        "swish": smooth.sample(30, n_steps=steps),
        "data": eruptions().sample(30, [1e3, 1e7], n_steps=steps),
    }


def sample_divergences() -> Quantities:
    run = train([1e2, 1e5])
    points, law = run.sample(300, n_steps=50), rfdiff.bimodal()
    others = law.sample(200, np.random.default_rng(0))[:, 0]
    kinds = ("wasserstein-1", "wasserstein-2", "kolmogorov-smirnov")

    def against(other: Any, **choices: Any) -> Quantities:
        found = {kind: rfdiff.sample_divergence(kind, points, other, **choices) for kind in kinds}
        return {kind: attributes(each, "value low high") for kind, each in found.items()}

    return {
        "law": against(law),
        "compact law": against(rfdiff.raised_cosine(), n_boot=200, confidence=0.8, seed=3),
        "samples": against(others, n_boot=200),
    }


# Sweeps


def sweep() -> Quantities:
    """Everything a sweep can record, in two goes that are merged."""
    grid = sweeps.Grid.of({"n": [20, 40], "m": [16, 24], "n_times": 32, "seeds": 2})
    recipe = sweeps.Recipe.of("1e0:1e8:9log,inf", OBSERVABLES)
    with tempfile.TemporaryDirectory() as folder:
        parts = [f"{folder}/{i}.db" for i in (1, 2)]
        for i, part in enumerate(parts, 1):
            sweeps.run_sweep(part, grid, recipe, jobs=0, shard=f"{i}/2")
        merged = sweeps.merge_stores(f"{folder}/all.db", parts)
        again = sweeps.run_sweep(f"{folder}/all.db", grid, recipe, jobs=0)
        return {
            "merged": attributes(merged, "added same differing"),
            "again": attributes(again, "already done failed"),
            "grid": grid.id,
            "recipe": recipe.to_json(),
            **table_of(f"{folder}/all.db"),
        }


def sweep_of_kinds() -> Quantities:
    """Points of every kind: other laws, processes, features and losses; evaluated elsewhere."""
    few: dict[str, Any] = {"n": 20, "m": 16, "n_times": 24}
    axes: list[dict[str, Any]] = [
        {"target": ["raised-cosine", "beta", "smooth-bump"], "half_width": 2},
        {"mu": "1:5:2lin", "weights": 0.3, "std": 0.8},
        {"sde": ["vp", "subvp"], "beta_max": 15},
        {"sigma": 10, "T": 0.9, "population": [False, True]},
        {"features": ["gaussian", "torch"], "embedding": ["fourier", "affine"]},
        {"activation": ["swish", "erf", "tanh"], "precondition": [True, False]},
        {"weighting": ["inverse-norm", "likelihood"], "noise_samples": [2, None]},
    ]
    grid = sweeps.Grid.of_blocks([(few | block, ()) for block in axes])
    names = "kl,loss_train,loss_population,tau_es,tau_es_population,bound,spectrum"
    recipe = sweeps.Recipe.of("1e0:1e8:9log", names, t=0.1, against="pt", certify=True)
    with tempfile.TemporaryDirectory() as folder:
        sweeps.run_sweep(f"{folder}/kinds.db", grid, recipe, jobs=0)
        return {"grid": grid.id, "recipe": recipe.to_json(), **table_of(f"{folder}/kinds.db")}


def table_of(path: str) -> Quantities:
    """Return identities, axes, numbers and curves of a store's points, as its table has them."""
    with sweeps.Store.open(path) as store:
        table = sweeps.read_table(store)
    # As they are named: axes that do not apply are no part of a point's identity.
    points = [{k: v for k, v in point.items() if v is not None} for point in table.points]
    return {
        "ids": np.array(table.ids),
        "ids of points": np.array([sweeps.point_id(point) for point in points]),
        "points": np.array([sweeps.canonical_json(point) for point in points]),
        "tau": table.tau,
        "column": {name: table.column(name) for name in (*table.axes, *table.scalars)},
        "curve": {name: table.curve(name) for name in table.curves},
    }


# The command line


def cli_train() -> Quantities:
    law = ("--n", "50", "--m", "48", "--tau", "0,1e0:1e8:17log,inf")
    data = ("--data", "old_faithful", "--column", "eruptions", "--held-out", "0.25", "--m", "48")
    return {
        "law": command_json("train", *law, "--certify"),
        "compact": command_json("train", *law, "--target", "beta", "--shape", "2,3", "--sde", "vp"),
        "data": command_json("train", *data, "--tau", "1e0:1e10:41log"),
    }


def cli_density() -> Quantities:
    law = ("--n", "50", "--m", "48", "--tau", "1e2,1e5", "--x", "-6:6:13lin")
    data = ("--data", "old_faithful", "--column", "eruptions", "--m", "48", "--tau", "1e4")
    kinds = ",".join(KINDS[1:])
    return {
        "law": command_json("density", *law, "--method", "all", "--divergence", kinds),
        "best": command_json("density", "--n", "50", "--m", "48", "--x", "0,1,2"),
        "data": command_json("density", *data, "--x", "1:6:11lin"),
        "csv": columns(command("density", *law)),
    }


def cli_sample() -> Quantities:
    law = ("--n", "50", "--m", "48", "--tau", "1e2,1e5", "--n-steps", "50")
    flow = ("--scheme", "probability-flow", "--grid", "edm", "--paths", "20", "--trajectories")
    return {
        "law": command_json("sample", *law, "--paths", "200"),
        "flow": command_json("sample", *law, *flow),
        "csv": columns(command("sample", *law, "--paths", "20", "--first", "5")),
    }


def cli_theory() -> Quantities:
    sizes = ("--n", "50", "--m", "48", "--wide", "128", "--sgd", "2000")
    return command_json("theory", *sizes, "--tau", "0,1e0:1e8:17log,inf")


def cli_sweep() -> Quantities:
    with tempfile.TemporaryDirectory() as folder:
        store, points, curves = (f"{folder}/{name}" for name in ("s.db", "p.csv", "c.csv"))
        axes = ("--n", "20,40", "--m", "16,24", "--zip", "n,m", "--seeds", "2")
        command("sweep", "run", "--out", store, *axes, "--jobs", "2")
        command("sweep", "export", store, "--csv", points, "--curves", curves)
        return {
            "points": columns(Path(points).read_text(encoding="utf-8")),
            "curves": columns(Path(curves).read_text(encoding="utf-8")),
            "table": table_of(store),
        }


def figure(name: str) -> Quantities:
    """Return the numbers of a figure of the paper: rates, exponents, verdicts, SGD."""
    with tempfile.TemporaryDirectory() as folder:
        return command_json("figure", name, "--quick", "--out", folder)


RUNS: dict[str, Callable[[], Quantities]] = {
    "ve": ve,
    "ve_defaults": ve_defaults,
    "processes": processes,
    "weightings": weightings,
    "feature_laws": feature_laws,
    "embeddings": embeddings,
    "activations": activations,
    "preconditioned": preconditioned,
    "starts": starts,
    "noise_and_population": noise_and_population,
    "targets": targets,
    "shapes_of_tau": shapes_of_tau,
    "refined": refined,
    "save_and_load": save_and_load,
    "old_faithful": old_faithful,
    "data_as_they_are": data_as_they_are,
    "data_of_known_law": data_of_known_law,
    "likelihoods": likelihoods,
    "densities": densities,
    "kl_by_method": kl_by_method,
    "kl_certified": kl_certified,
    "kl_of_other_runs": kl_of_other_runs,
    "divergences_of_score_integral": divergences_of_score_integral,
    "divergences_of_probability_flow": divergences_of_probability_flow,
    "divergences_of_reverse_sde": divergences_of_reverse_sde,
    "divergence_functions": divergence_functions,
    "early_stopping": early_stopping,
    "bounds": bounds,
    "decompositions": decompositions,
    "quadratic_loss": quadratic_loss,
    "samples": samples,
    "sample_divergences": sample_divergences,
    "sweep": sweep,
    "sweep_of_kinds": sweep_of_kinds,
    "cli_train": cli_train,
    "cli_density": cli_density,
    "cli_sample": cli_sample,
    "cli_theory": cli_theory,
    "cli_sweep": cli_sweep,
    "figure_early_stopping": lambda: figure("early-stopping"),
    "figure_bounds": lambda: figure("bounds"),
    "figure_modes_shift": lambda: figure("modes-shift"),
    "figure_densities": lambda: figure("densities"),
}


# Recording


def flat(key: str, value: Any) -> Iterator[tuple[str, Array]]:
    """Yield the arrays of a quantity: of estimates and of nested dictionaries too."""
    if isinstance(value, rfdiff.Estimate):
        value = attributes(value, "value error")
    if isinstance(value, Mapping) and {"value", "error"} <= set(value):
        yield key, numbers_or_text(value["value"])
        yield f"{key}:error", numbers_or_text(value["error"])
        value = {name: part for name, part in value.items() if name not in ("value", "error")}
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from flat(f"{key}/{name}", part)
    elif isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        for i, part in enumerate(value):
            yield from flat(f"{key}/{i}", part)
    else:
        yield key, numbers_or_text(value)


def numbers_or_text(value: Any) -> Array:
    """Return an array of numbers where all are ("inf" is one, None is NaN), else of texts."""
    if isinstance(value, str):
        return np.array(value)
    array = np.asarray(value)
    if array.dtype.kind in "biuf":
        return array
    missing = np.vectorize(lambda item: item is None or item == "", otypes=[bool])(array)
    try:
        return np.where(missing, "nan", array).astype(np.float64)
    except ValueError:
        return np.where(missing, "", array).astype(np.str_)


def record(path: Path, only: Sequence[str]) -> int:
    """Do the runs and write what they answer; return 1 if any of them failed."""
    print(f"rfdiff {rfdiff.__version__} in {Path(rfdiff.__file__).parent}", flush=True)
    arrays: dict[str, Array] = {}
    failed, begin = [], time.perf_counter()
    for name in only or RUNS:
        start = time.perf_counter()
        try:
            found = dict(flat(name, RUNS[name]()))
        except Exception:
            # The other runs are worth having: what is missing here shows in the comparison.
            traceback.print_exc()
            found = {}
            failed.append(name)
        arrays |= found
        print(f"{time.perf_counter() - start:6.1f} s  {len(found):5d}  {name}", flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)
    errors = sum(key.endswith(":error") for key in arrays)
    print(
        f"{time.perf_counter() - begin:6.1f} s: {len(arrays) - errors} quantities of "
        f"{len(only or RUNS)} runs, {errors} with an error, in {path}"
    )
    if failed:
        print(f"failed: {', '.join(failed)}")
    return int(bool(failed))


# Comparing


@dataclass(frozen=True)
class Row:
    """How a quantity has changed; NaN where a column means nothing for it."""

    key: str
    relative: float
    of_error: float
    error_grew: float
    verdict: str

    def __str__(self) -> str:
        cells = (self.relative, self.of_error, self.error_grew)
        texts = ["-" if np.isnan(cell) else f"{cell:.1e}" for cell in cells]
        return f"{self.verdict:12}  {'  '.join(f'{text:>8}' for text in texts)}  {self.key}"


def compared(key: str, before: Array, after: Array, errors: tuple[Array, Array] | None) -> Row:
    """Compare a quantity before and after, with its errors where it has them."""
    grew = np.nan if errors is None else growth(*errors)
    numeric = all(array.dtype.kind in "biuf" for array in (before, after))
    if before.shape == after.shape and np.array_equal(before, after, equal_nan=numeric):
        return Row(key, 0.0 if numeric else np.nan, np.nan, grew, "bits")
    if not numeric or before.shape != after.shape:
        return Row(key, np.nan, np.nan, grew, "DIFFERENT")
    before, after = before.astype(np.float64), after.astype(np.float64)
    with np.errstate(invalid="ignore"):
        gap = np.asarray(np.abs(before - after))
    gap[(before == after) | (np.isnan(before) & np.isnan(after))] = 0.0
    gap[np.isnan(gap)] = np.inf
    largest = max(np.abs(a[np.isfinite(a)]).max(initial=0.0) for a in (before, after))
    relative = float(gap.max() / largest) if largest else np.inf
    of_error = np.nan
    if errors is not None:
        allowed = np.broadcast_to(errors[0] + errors[1], gap.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(gap == 0.0, 0.0, gap / allowed)
        of_error = float(np.where(np.isnan(shares), np.inf, shares).max())
    if relative <= RELATIVE:
        verdict = "1e-12"
    else:
        verdict = "within error" if of_error <= 1.0 else "DIFFERENT"
    return Row(key, relative, of_error, grew, verdict)


def growth(before: Array, after: Array) -> float:
    """Return the largest factor by which an error grew; NaN for other shapes."""
    if before.shape != after.shape:
        return np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(before == after, 1.0, after / before)
    return float(np.max(factor, initial=0.0))


def compare(before: Path, after: Path, gone: Sequence[str], brief: bool) -> int:
    """Print a row a quantity and the sums; return 1 if the numbers are not the same."""
    old, new = (dict(np.load(path)) for path in (before, after))
    missing = []
    for key in sorted(old.keys() ^ new.keys()):
        if not any(fnmatch.fnmatchcase(key.removesuffix(":error"), pattern) for pattern in gone):
            missing.append(f"only {'before' if key in old else 'after'}: {key}")
    rows = []
    for key in old:
        if key in new and not key.endswith(":error"):
            error = f"{key}:error"
            both = (old[error], new[error]) if error in old and error in new else None
            rows.append(compared(key, old[key], new[key], both))
    print(f"{'verdict':12}  {'relative':>8}  {'of error':>8}  {'err grew':>8}  quantity")
    for row in rows:
        if not brief or row.verdict != "bits":
            print(row)
    print("\n".join(missing), end="\n" if missing else "")
    counts = Counter(row.verdict for row in rows)
    verdicts = ("bits", "1e-12", "within error", "DIFFERENT")
    sums = [f"{counts[verdict]} {verdict}" for verdict in verdicts]
    print(f"{len(rows)} quantities: {', '.join(sums)}; {len(missing)} keys on one side alone")
    return int(bool(missing or counts["DIFFERENT"]))


def run_names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in RUNS:
            raise argparse.ArgumentTypeError(f"no run {name!r}; there are {', '.join(RUNS)}")
    return names


def main() -> int:
    parser = argparse.ArgumentParser(description="The numbers before and after a change.")
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="do the runs and write their numbers")
    recording.add_argument("file", type=Path)
    recording.add_argument("--only", type=run_names, default=[], metavar="NAME,...")
    comparing = commands.add_parser("compare", help="compare two recordings")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument(
        "--gone", action="append", default=[], metavar="PATTERN", help="keys that one side may lack"
    )
    comparing.add_argument("--brief", action="store_true", help="leave out what is bits")
    args = parser.parse_args()
    if args.command == "record":
        return record(args.file, args.only)
    return compare(args.before, args.after, args.gone, args.brief)


if __name__ == "__main__":
    sys.exit(main())
