"""Units: a law, its density and its score, seen in its own units and in training's, agree."""

import numpy as np
import pytest

from rfdiff.data.units import Units
from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.diffusion.targets import raised_cosine
from rfdiff.support.errors import ArgumentError


def own_law(d):
    """Return a law in its own units, units of training, and points."""
    rng = np.random.default_rng(d)
    law = GaussianMixture([0.3, 0.7], 70.0 + 12.0 * rng.standard_normal((2, d)), [3.0, 8.0])
    shift = 68.0 if d == 1 else 70.0 + rng.standard_normal(d)
    x = law.sample(50, rng)
    return law, Units(shift, 12.5), x[:, 0] if d == 1 else x


@pytest.mark.parametrize("d", [1, 3])
class TestALawInTrainingUnits:
    def test_log_density_is_converted_once_a_dimension(self, d):
        law, units, x = own_law(d)
        trained = units.law_to_training(law).log_density(units.to_training(x))
        converted = units.log_density_to_own(trained, dimension=d)
        np.testing.assert_allclose(converted, law.log_density(x), rtol=1e-13)

    def test_density_and_powers_of_length(self, d):
        law, units, x = own_law(d)
        trained = units.law_to_training(law).density(units.to_training(x))
        np.testing.assert_allclose(units.density_to_own(trained, d), law.density(x), rtol=1e-12)
        assert units.length_to_own(3.0, power=-d) == pytest.approx(3.0 / 12.5**d, rel=1e-15)

    def test_score_and_its_divergence(self, d):
        law, units, x = own_law(d)
        trained, u = units.law_to_training(law), units.to_training(x)
        score, divergence = trained.score(u), trained.score_divergence(u)
        np.testing.assert_allclose(units.score_to_own(score), law.score(x), rtol=1e-12)
        np.testing.assert_allclose(
            units.score_divergence_to_own(divergence), law.score_divergence(x), rtol=1e-12
        )

    def test_points_go_there_and_back(self, d):
        _, units, x = own_law(d)
        u = units.to_training(x)
        np.testing.assert_allclose(units.to_own(u), x, rtol=1e-14)
        # To the bit: a point at the end of a domain must not fall outside.
        points = units.law_to_training(GaussianMixture.from_points(x)).means
        assert np.array_equal(points.reshape(u.shape), u)
        assert u.shape == x.shape
        # Lengths scale without the shift.
        length = units.length_to_own(np.linalg.norm(u[:1] - u[1:2]))
        assert length == pytest.approx(np.linalg.norm(x[:1] - x[1:2]), rel=1e-12)
        assert units.length_to_training(length) == pytest.approx(np.linalg.norm(u[:1] - u[1:2]))


def test_standardised_data_have_mean_zero_and_mean_square_d():
    x = np.random.default_rng(0).standard_normal((40, 3)) * [1.0, 2.0, 0.1] + [5.0, 0.0, -1.0]
    u = Units.standardising(x).to_training(x)
    np.testing.assert_allclose(u.mean(axis=0), 0.0, atol=1e-14)
    assert np.square(u).sum(axis=1).mean() == pytest.approx(3.0, rel=1e-13)
    # One scale: the shape of the cloud is kept.
    np.testing.assert_allclose(np.corrcoef(u.T), np.corrcoef(x.T), rtol=1e-10)
    ratio = u.std(axis=0) / x.std(axis=0)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-13)


def test_in_one_dimension_scale_and_shift_are_those_of_numpy_to_the_bit():
    x = np.random.default_rng(1).standard_normal((1001, 1)) * 12.3 + 70.0
    units = Units.standardising(x)
    assert (units.shift, units.scale) == (x.mean(), x.std())
    assert isinstance(units.shift, float)


def test_a_compact_law_in_training_units():
    law, units = raised_cosine(72.0, 25.0), Units(68.0, 12.5)
    x = np.linspace(48.0, 96.0, 9)
    trained = units.law_to_training(law).log_density(units.to_training(x))
    np.testing.assert_allclose(units.log_density_to_own(trained), law.log_density(x), rtol=1e-12)


def test_a_domain_keeps_its_ends_at_infinity():
    units = Units(3.0, 2.0)
    assert units.domain_to_training((-np.inf, 5.0)) == (-np.inf, 1.0)
    assert units.domain_to_own((-1.0, np.inf)) == (1.0, np.inf)


def test_identity_changes_no_bit():
    units, x = Units(), np.random.default_rng(2).standard_normal(100)
    assert units.is_identity and not Units(1.0).is_identity and not Units(0.0, 2.0).is_identity
    for convert in (
        units.to_training,
        units.to_own,
        units.length_to_own,
        units.score_to_own,
        units.score_divergence_to_own,
        units.log_density_to_own,
    ):
        assert convert(x).tobytes() == x.tobytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 0.0), "scale must be positive"),
        ((0.0, -1.0), "scale must be positive"),
        ((np.nan, 1.0), "shift"),
        (([[1.0]], 1.0), r"shift must be a number or \(d,\)"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        Units(*arguments)


def test_equal_points_have_no_scale():
    with pytest.raises(ArgumentError, match="3 copies of 2, 7"):
        Units.standardising(np.full((3, 2), [2.0, 7.0]))
