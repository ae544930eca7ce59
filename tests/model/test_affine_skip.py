"""The affine part of a score: the Gaussian's own, also of fewer points than dimensions."""

import numpy as np
import pytest

from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.diffusion.sde import VESDE, VPSDE
from rfdiff.model.affine_skip import SKIPS, AffineSkip

TIME = 0.4


@pytest.mark.parametrize("sde", [VESDE(), VPSDE()], ids=["ve", "vp"])
@pytest.mark.parametrize("n", [3, 40])
def test_gaussian_is_the_score_of_the_data_s_gaussian(sde, n):
    data = np.random.default_rng(0).standard_normal((n, 5)) * [1, 2, 3, 0.5, 1] + 4.0
    skip = AffineSkip.gaussian(GaussianMixture.from_points(data), sde)
    x = np.random.default_rng(1).standard_normal((7, 5))
    r, s = float(sde.scale(TIME)), float(sde.std(TIME))
    covariance = r * r * np.cov(data.T, bias=True) + s * s * np.eye(5)
    expected = -np.linalg.solve(covariance, (x - r * data.mean(0)).T).T
    np.testing.assert_allclose(skip(x, TIME), expected, rtol=1e-10, atol=1e-12)
    assert skip.divergence(TIME) == pytest.approx(-np.trace(np.linalg.inv(covariance)), rel=1e-12)


def test_isotropic_has_the_mean_variance():
    law = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [2.0, 4.0]], [1.0, 2.0])
    skip = AffineSkip.isotropic(law, VPSDE())
    np.testing.assert_allclose(skip.variances, [law.variance.mean()] * 2)
    np.testing.assert_allclose(
        AffineSkip.gaussian(law, VPSDE()).variances.sum(), law.variance.sum()
    )


def test_none_is_no_skip():
    assert SKIPS["none"](GaussianMixture.from_points([[0.0, 1.0]]), VESDE()) is None
