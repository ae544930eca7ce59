"""Mistakes in what a run is given: one exception naming the argument, the value and the rule."""

import numpy as np
import pytest

import rfdiff
from rfdiff import train_exact
from rfdiff.support.errors import ArgumentError, MemoryLimitError

EMBEDDING = rfdiff.AffineEmbedding()


def far_features(W=1.0, U=1.0):
    """Return four features, one of them with weights far from the others'."""
    w, u = np.ones(4), np.ones((4, 2))
    w[1], u[1, 0] = W, U
    return rfdiff.RandomFeatures(w, u, EMBEDDING)


CASES = {
    "shape of data": (lambda: train_exact(data=np.zeros((2, 2, 2))), r"data must have shape"),
    "data of another dimension than the target": (
        lambda: train_exact(target=rfdiff.bimodal(), data=np.zeros((4, 2))),
        "target must have the dimension d = 2 of data, got 1",
    ),
    "features of another dimension": (
        lambda: train_exact(features=rfdiff.RandomFeatures(np.ones((3, 2)), np.ones((3, 2)),
                                                           EMBEDDING)),
        "features must have the dimension d = 1 of data, got 2",
    ),
    "theta0 of a vector": (
        lambda: train_exact(target=rfdiff.bimodal(d=2), theta0=np.zeros(4), m=4),
        r"theta0 must have shape \(2, 4\), got \(4,\)",
    ),
    "fewer points than principal coordinates": (
        lambda: train_exact(data=np.eye(4), pca=4),
        "pca must be from 1 to 3 for 4 points of 4 dimensions, got 4",
    ),
    "fewer dimensions than principal coordinates": (
        lambda: train_exact(data=np.arange(10.0)[:, None] * np.ones(3), pca=2),
        "pca must be at most the 1 dimensions that the data span, got 2",
    ),
    "pca of a target": (lambda: train_exact(pca=1), "pca needs data of unknown law"),
    "a skip on the line": (
        lambda: train_exact(skip="gaussian"), "skip must be 'none' in one dimension"
    ),
    "scaling on the line": (
        lambda: train_exact(scaling="input"), "scaling must be 'none' in one dimension"
    ),
    "times outside the process": (
        lambda: train_exact(times=[0.1, 2.0]), r"times must be in \(0, T\] = \(0, 1\], got 0.1"
    ),
    "equal times": (lambda: train_exact(times=[0.1, 0.1]), "times must be distinct"),
    "times and their number": (
        lambda: train_exact(times=[0.1], n_times=8), "n_times must not be set with times"
    ),
    "shape of theta0": (
        lambda: train_exact(theta0=np.zeros(3), m=4),
        r"theta0 must have shape \(1, 4\) or \(4,\), got \(3,\)",
    ),
    "NaN in data": (
        lambda: train_exact(data=[1.0, np.nan]), r"data must be finite, got nan at index \(1,\)"
    ),
    "infinite data": (lambda: train_exact(data=[np.inf]), "data must be finite, got inf"),
    "empty data": (lambda: train_exact(data=[]), r"data must not be empty, got shape \(0,\)"),
    "text as data": (lambda: train_exact(data=["a"]), "data must be an array of real numbers"),
    "equal data": (lambda: train_exact(data=[2.0, 2.0]), "data must not all be equal"),
    "equal data but for rounding": (
        lambda: train_exact(data=np.full(7, 0.1)),
        "data must not all be equal, but for rounding, to be standardised, got 7 copies of 0.1",
    ),
    "data a few floats apart": (
        lambda: train_exact(data=1e6 + np.spacing(1e6) * np.arange(3)), "data must not all be equal"
    ),
    "data whose squares vanish": (
        lambda: train_exact(data=[1e-200, 2e-200]), "data must spread by at least 1e-150 to be"
    ),
    "an outlier": (
        lambda: train_exact(1.0, data=[1.0, 2.0, 1e300]),
        r"data must be at most 1e\+150 in size.* got 1e\+300 at index \(2,\)",
    ),
    "an outlier in the data's own units": (
        lambda: train_exact(1.0, data=[1.0, 2.0, -1e300], standardise=False),
        r"data must be at most 1e\+150 in size.* got -1e\+300 at index \(2,\)",
    ),
    "a target far away": (
        lambda: train_exact(1.0, target=rfdiff.bimodal(1e200)),
        r"target must be at most 1e\+150 in size.* got -1e\+200",
    ),
    "modes between two floats": (
        lambda: train_exact(1.0, target=rfdiff.bimodal(1e20), n=4, m=4).kl(),
        r"law must have modes that floats resolve, got std 1 at -1e\+20",
    ),
    "a weight of the features": (
        lambda: train_exact(1.0, n=4, features=far_features(W=1e160)),
        r"W must be at most 1e\+150 in size.* got 1e\+160 at index \(1,\)",
    ),
    "a time weight of the features": (
        lambda: train_exact(1.0, n=4, features=far_features(U=1e160)),
        r"U must be at most 1e\+150 in size.* got 1e\+160 at index \(1, 0\)",
    ),
    "features and data that overflow together": (
        lambda: train_exact(1.0, data=[1.0, 1e140], features=far_features(W=1e140)),
        r"features must have squares on the data.* got W up to 1e\+140 and U up to 1 for data",
    ),
    "an initial parameter": (
        lambda: train_exact(1.0, n=4, m=2, theta0=[1.0, 1e200]),
        r"theta0 must be at most 1e\+150 in size.* got 1e\+200 at index \(1,\)",
    ),
    "an integer beyond the floats": (
        lambda: train_exact(data=[1, 10**400]), "data must be an array of real numbers"
    ),
    "t_min beyond the floats": (lambda: train_exact(t_min=10**400), "t_min must be a real number"),
    "t below t_min": (
        lambda: train_exact(1.0, n=4, m=4).kl(t=0.0), "t must be between 0.001 and 1, got 0"
    ),
    "t above T": (
        lambda: train_exact(1.0, n=4, m=4).density(0.0, t=1.5), "t must be between .* got 1.5"
    ),
    "t_min": (lambda: train_exact(t_min=2.0), "t_min must be below T = 1, got 2"),
    "negative t_min": (lambda: train_exact(t_min=-1.0), "t_min must be positive, got -1"),
    "negative tau": (lambda: train_exact(tau=[1.0, -3.0]), "tau must be at least 0 .* got -3"),
    "tau that is no number": (lambda: train_exact(tau="soon"), "tau must be a number"),
    "tau that is NaN": (lambda: train_exact(tau=np.nan), "tau must be at least 0 .* got nan"),
    "empty tau": (lambda: train_exact(tau=[]), "tau must not be empty"),
    "features": (lambda: train_exact(features="L1"), "features must be one of 'l1'.* got 'L1'"),
    "embedding": (lambda: train_exact(embedding="sine"), "embedding must be one of 'log-sigma'"),
    "activation": (lambda: train_exact(activation="gelu"), "activation must be one of 'relu'"),
    "weighting": (lambda: train_exact(weighting="flat"), "weighting must be one of 'variance'"),
    "method of kl": (
        lambda: train_exact(1.0, n=4, m=4).kl(method="magic"), "method must be one of 'score-int"
    ),
    "against": (
        lambda: train_exact(1.0, n=4, m=4).kl(against="p1"), "against must be one of 'p0', 'pt'"
    ),
    "kind of loss": (lambda: train_exact(1.0, n=4, m=4).loss("best"), "kind must be one of"),
    "m": (lambda: train_exact(m=0), "m must be at least 1, got 0"),
    "fractional m": (lambda: train_exact(m=2.5), "m must be an integer, got 2.5"),
    "n": (lambda: train_exact(n=0), "n must be at least 1, got 0"),
    "n of few data": (lambda: train_exact(data=[1.0, 2.0], n=3), "n must be at most the 2 .* 3"),
    "n_times": (lambda: train_exact(n_times=0), "n_times must be at least 1, got 0"),
    "noise_samples": (lambda: train_exact(noise_samples=0), "noise_samples must be at least 1"),
    "seed": (lambda: train_exact(seed=-1), "seed must be a non-negative integer, got -1"),
    "held_out": (
        lambda: train_exact(data=[1.0, 2.0], held_out=1.0), "held_out must be between 0 and 0.9"
    ),
    "held_out of a target": (lambda: train_exact(held_out=0.2), "held_out needs data"),
    "standardise of a target": (
        lambda: train_exact(standardise=True), "standardise must not be set with a known target"
    ),
    "population that is no flag": (
        lambda: train_exact(population="no"), "population must be true or false, got 'no'"
    ),
    "n with text": (lambda: train_exact(n="10"), "n must be an integer, got '10'"),
    "t_min with text": (lambda: train_exact(t_min="1"), "t_min must be a real number, got '1'"),
    "population of data": (
        lambda: train_exact(data=[1.0, 2.0], population=True), "population training uses the target"
    ),
    "sde": (lambda: train_exact(sde="ve"), "sde must be a ForwardSDE"),
    "target": (lambda: train_exact(target="bimodal"), "target must be a GaussianMixture"),
    "domain": (lambda: train_exact(1.0, n=4, m=4).kl(domain=(3, 2)), r"domain must be a pair"),
    "kl of data": (
        lambda: train_exact(1.0, data=[1.0, 2.0], m=4).kl(), "kl needs a known target.*nll"
    ),
    "memory": (
        lambda: train_exact(m=10**9), r"training needs about .* GiB of memory, but only"
    ),
    "memory for data": (lambda: train_exact(n=10**13), "the training data needs about .* GiB"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_mistakes(case):
    call, message = CASES[case]
    error = MemoryLimitError if case.startswith("memory") else ArgumentError
    with pytest.raises(error, match=message):
        call()
