"""The asymptotic spectrum of G beside Gaussian equivalents, and beside trained models."""

import numpy as np
import pytest

import rfdiff
from rfdiff.support.errors import ArgumentError
from rfdiff.theory.vectors.gram_spectrum import gram_spectrum

SDE, TIME = rfdiff.VPSDE(), 0.1
R, SIGMA = float(SDE.scale(TIME)), float(SDE.std(TIME))


def eigenvalues(activation, n, m, d, seed):
    """Return the spectrum of a model of features without bias on Gaussian data."""
    rng = np.random.default_rng(seed)
    features = rfdiff.RandomFeatures(
        rng.standard_normal((m, d)) / np.sqrt(d), np.zeros((m, 2)), rfdiff.AffineEmbedding(),
        activation,
    )  # fmt: skip
    run = rfdiff.train_exact(
        1.0, data=rng.standard_normal((n, d)), features=features, sde=SDE, times=[TIME],
        weighting=np.ones_like,
    )  # fmt: skip
    return run.flow.eigenvalues


def test_bulks_of_a_gaussian_equivalent():
    n, m, d = 400, 800, 200
    found = gram_spectrum("tanh", n=n, m=m, d=d, r=R, sigma=SIGMA)
    rng = np.random.default_rng(0)
    w = rng.standard_normal((m, d)) / np.sqrt(d)
    signal = np.sqrt(found.linear_signal) * w @ rng.standard_normal((d, n))
    z = signal + np.sqrt(found.nonlinear_signal) * rng.standard_normal((m, n))
    gram = z @ z.T / n + found.linear_noise * w @ w.T + found.nonlinear_noise * np.eye(m)
    values = np.linalg.eigvalsh(gram) / m
    assert (np.abs(values[: round(found.atom_share * m)] / found.atom - 1.0) < 1e-9).all()
    above = round(found.atom_share * m)
    for bulk in found.bulks:
        inside = values[above : above + round(bulk.share * m)]
        # Edges fluctuate as the number of eigenvalues to the power −2/3.
        assert inside[0] > 0.97 * bulk.low and inside[-1] < 1.03 * bulk.high
        above += len(inside)
    assert above == m
    # The density itself, by the number of eigenvalues below the middle of the last bulk.
    top = found.bulks[-1]
    x = np.linspace(top.low, 0.5 * (top.low + top.high), 400)
    share = np.trapezoid(found.density(x), x)
    assert abs(share - (values < x[-1]).mean() + (values < top.low).mean()) < 4.0 / m


def test_trained_model_has_the_predicted_bulks():
    """Edges of the population's bulk to a few per cent, and as many eigenvalues in it."""
    n, m, d = 200, 300, 100
    found = gram_spectrum("tanh", n=n, m=m, d=d, r=R, sigma=SIGMA)
    top = found.bulks[-1]
    measured = np.array([eigenvalues("tanh", n, m, d, seed) for seed in range(3)])
    gap = np.sqrt(top.low * found.bulks[-2].high)
    assert ((measured > gap).sum(1) == round(top.share * m)).all() and round(top.share * m) == d
    lowest, highest = measured[:, -d].mean(), measured[:, -1].mean()
    assert 1.0 < lowest / top.low < 1.25 and 0.85 < highest / top.high < 1.02


def test_features_with_a_mean_have_an_eigenvalue_alone():
    n, m, d = 200, 300, 100
    found = gram_spectrum("relu", n=n, m=m, d=d, r=R, sigma=SIGMA)
    measured = eigenvalues("relu", n, m, d, 0)
    assert measured[-1] == pytest.approx(found.outlier, rel=0.1)
    assert measured[-2] < 1.1 * found.bulks[-1].high < 0.2 * found.outlier


def test_a_linear_activation_is_refused():
    with pytest.raises(ArgumentError, match="activation must not be linear, got 'identity'"):
        gram_spectrum("identity", n=10, m=10, d=10, r=1.0, sigma=1.0)
