"""Copies and components of vectors: brute force in the plane and in principal coordinates."""

import numpy as np
import pytest

import rfdiff
from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.support.errors import ArgumentError

LITTLE = {"n_samples": 60, "n_steps": 20}


def test_copies_are_counted_within_the_principal_coordinates():
    rng = np.random.default_rng(0)
    data = rng.standard_normal((24, 5)) * [3.0, 2.0, 0.5, 0.3, 0.1] + 10.0
    run = rfdiff.train_exact(
        [1e2, 1e5], data=data, pca=2, held_out=0.25, m=32, n_times=4, scaling="both"
    )
    found = run.memorisation(**LITTLE, n_boot=10)
    x = run.sample(60, t=run.problem.objective.rule.t_min, n_steps=20)
    mean = run.data.mean(0)
    axes = np.linalg.svd(run.data - mean, full_matrices=False)[2][:2]
    planes = (x - mean) @ axes.T, (run.data - mean) @ axes.T
    distances = np.sort(np.linalg.norm(planes[0][:, :, None] - planes[1], axis=-1), axis=-1)
    np.testing.assert_array_equal(
        found.share.value, (distances[..., 0] < distances[..., 1] / 3.0).mean(-1)
    )
    np.testing.assert_allclose(found.to_training.value, distances[..., 0].mean(-1), rtol=1e-8)
    assert found.loss_of_tau_gen == "test" and found.share_empirical.value > 0.7


def test_components_of_vectors_are_counted_by_their_shares():
    law = GaussianMixture([0.2, 0.8], [[-2.0, 0.0], [2.0, 0.0]], [0.7, 1.0])
    run = rfdiff.train_exact([1e2, 1e4], target=law, n=30, m=32, n_times=4)
    found = run.components(**LITTLE)
    x = run.sample(60, n_steps=20)
    std = np.hypot([0.7, 1.0], float(run.sde.std(run.default_time)))
    square = ((x[..., None, :] - law.means) ** 2).sum(-1)
    parts = law.weights * np.exp(-0.5 * square / std**2) / std**2
    shares = parts / parts.sum(-1, keepdims=True)
    np.testing.assert_allclose(found.mass.value, shares.mean(1), rtol=1e-10)
    np.testing.assert_allclose(found.mass.error, shares.std(1, ddof=1) / np.sqrt(60), rtol=1e-10)
    np.testing.assert_allclose(
        found.loss.value @ law.weights, run.loss("population").value, rtol=1e-8
    )
    with pytest.raises(ArgumentError, match="on the line"):
        run.components(by="reverse-sde")
