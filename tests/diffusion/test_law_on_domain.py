"""A law on a domain: what is known of it where its modes are as narrow as floats allow."""

import numpy as np
import pytest

from rfdiff.diffusion.law_on_domain import Reference
from rfdiff.diffusion.mixtures import GaussianMixture, bimodal
from rfdiff.support.errors import ArgumentError


@pytest.mark.parametrize("mode", [0.1, 3.0, 1e3])
@pytest.mark.parametrize("std", [1e-4, 1e-6, 1e-8, 1e-10])
def test_entropy_of_narrow_modes_knows_what_rounding_leaves(mode, std):
    """Two modes that do not overlap: ln 2 + ½ ln 2πeς²."""
    entropy = Reference(bimodal(mode, std=std), (-2.0 * mode, 2.0 * mode)).entropy
    exact = np.log(2.0) + 0.5 * np.log(2.0 * np.pi * np.e) + np.log(std)
    rounding = np.spacing(mode) / std
    assert abs(float(entropy) - exact) <= float(entropy.error)
    assert float(entropy.error) <= 1e-11 + 1e3 * rounding


def test_modes_between_two_floats_are_refused():
    with pytest.raises(
        ArgumentError, match="law must have modes that floats resolve, got std 1e-1"
    ):
        Reference(bimodal(1e6, std=1e-12), (-2e6, 2e6))
    # Point masses have no entropy, but a mass and a distribution.
    points = Reference(GaussianMixture.from_points([1e20, 2e20]), (0.0, 4e20))
    assert float(points.cdf(1.5e20)) == 0.5
