"""Laws of random features: what is drawn, the same rows without randomness, and their kernels.

Fixed seeds; false-alarm rates stand at each test, and each has something wrong that must fail.
"""

import numpy as np
import pytest
from scipy import stats

from rfdiff.diffusion.sde import VESDE
from rfdiff.model.activations import ACTIVATIONS
from rfdiff.model.embeddings import LogSigmaEmbedding
from rfdiff.model.feature_laws import FEATURE_LAWS, limit_kernel
from rfdiff.model.features import draw_features
from rfdiff.support.errors import ArgumentError

EMBEDDING = LogSigmaEmbedding(VESDE())


@pytest.mark.parametrize("dimension", [1, 3])
def test_laws_of_the_rows(dimension):
    """Kolmogorov–Smirnov at a false-alarm rate of 1e-3; each law is the others' control."""
    rows = {
        law: draw_features(law, 20_000, EMBEDDING, seed=1, dimension=dimension)
        for law in FEATURE_LAWS
    }
    l1 = np.abs(rows["l1"].W).sum(1) + np.abs(rows["l1"].U).sum(1)
    np.testing.assert_allclose(l1, 1.0, rtol=1e-14)
    gaussian = stats.norm(scale=(dimension + 2) ** -0.5).cdf
    uniform = stats.uniform(-(dimension**-0.5), 2 * dimension**-0.5).cdf
    uniform_u = stats.uniform(-(2**-0.5), 2 * 2**-0.5).cdf
    assert stats.kstest(rows["gaussian"].W[:, 0], gaussian).pvalue > 1e-3
    assert stats.kstest(rows["gaussian"].U[:, 1], gaussian).pvalue > 1e-3
    assert stats.kstest(rows["torch"].W[:, 0], uniform).pvalue > 1e-3
    assert stats.kstest(rows["torch"].U[:, 1], uniform_u).pvalue > 1e-3
    for law, wrong in (("l1", gaussian), ("gaussian", uniform), ("torch", gaussian)):
        assert stats.kstest(rows[law].W[:, 0], wrong).pvalue < 1e-3


def test_gaussian_law_has_the_arc_cosine_kernel():
    """Order-1 arc-cosine kernel |z||z′|(sin θ + (π − θ) cos θ)/(2π(d + d_e)), within 4 standard
    errors (false-alarm rate 6e-5); 1.1 times the kernel is the negative control.
    """
    features = draw_features("gaussian", 200_000, EMBEDDING, seed=3)
    (x, t), (y, s) = (1.3, 0.2), (-0.4, 0.7)
    products = features(x, t) * features(y, s)
    z, z2 = np.r_[x, EMBEDDING(t)], np.r_[y, EMBEDDING(s)]
    norms = np.linalg.norm(z) * np.linalg.norm(z2)
    angle = np.arccos(z @ z2 / norms)
    kernel = norms * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi * 3)
    error = products.std() * np.sqrt(features.width)
    assert abs(products.sum() - kernel) < 4 * error
    assert abs(products.sum() - 1.1 * kernel) > 4 * error


@pytest.mark.parametrize("law", FEATURE_LAWS.values(), ids=FEATURE_LAWS)
def test_uniform_points_of_the_cube_give_the_law(law):
    """Two-sample Kolmogorov–Smirnov of each coordinate of rows in R⁵, false-alarm rate 1e-3."""
    drawn = np.hstack(law.draw(20_000, 2, 3, seed=5))
    at = law.at(np.random.default_rng(6).uniform(size=(20_000, 5)), 2)
    for k in range(5):
        assert stats.ks_2samp(at[:, k], drawn[:, k]).pvalue > 1e-3
        assert stats.ks_2samp(1.1 * at[:, k], drawn[:, k]).pvalue < 1e-3


@pytest.mark.parametrize("law", FEATURE_LAWS.values(), ids=FEATURE_LAWS)
def test_uniform_directions_give_the_second_moments_of_the_law(law):
    """Where directions are uniform: E v_k² within 4 standard errors (6e-5), not 1.1 times it."""
    z = np.random.default_rng(7).standard_normal((20_000, 5))
    rows = law.along(z / np.linalg.norm(z, axis=1, keepdims=True))
    if law.name == "torch":
        assert rows is None
        return
    squares = rows**2 - np.hstack(law.draw(20_000, 2, 3, seed=5)) ** 2
    error = squares.std(axis=0) / np.sqrt(len(squares))
    assert (np.abs(squares.mean(axis=0)) < 4 * error).all()
    assert (np.abs(squares.mean(axis=0) + 0.1 * (rows**2).mean(axis=0)) > 4 * error).all()


def test_only_gaussian_rows_of_some_activations_have_a_closed_kernel():
    closed = {(law, act) for law in FEATURE_LAWS for act in ACTIVATIONS if _has_kernel(law, act)}
    assert closed == {("gaussian", "relu"), ("gaussian", "erf")}
    with pytest.raises(ArgumentError, match="only 'gaussian' with 'relu', 'gaussian' with 'erf'"):
        limit_kernel("l1", "relu")


def _has_kernel(law, act):
    return FEATURE_LAWS[law].limit_kernel(ACTIVATIONS[act]) is not None
