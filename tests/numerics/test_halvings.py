"""An error from two halvings covers what is left to the limit."""

import numpy as np
import pytest

from rfdiff.numerics.halvings import Halvings
from rfdiff.support.estimate import Estimate


@pytest.mark.parametrize("n", [16, 64, 256])
def test_error_covers_the_limit(n):
    grids = Halvings.build(lambda share: np.linspace(0.0, 1.0, n // share + 1), "grid")
    integral = grids.estimate(lambda x: np.trapezoid(np.exp(x), x))
    assert abs(float(integral) - (np.e - 1.0)) < float(integral.error)
    assert integral.error_covers == "grid"


def one(value):
    return value


def test_a_change_that_passes_zero_by_chance_is_not_believed():
    assert float(Halvings(1.0, (1.0,), (2.0,), "grid").estimate(one).error) == 0.25


def test_an_error_of_the_finest_is_added():
    other = Estimate(1.5, 9.0)
    parts = Halvings(Estimate(1.0, 0.1), (other,), (other,), "grid")
    # Nothing was changed from a quarter to half, so ¾ of each change is taken to be left.
    assert float(parts.estimate(one).error) == pytest.approx(0.1 + 3.0 * 0.5)


@pytest.mark.parametrize("order", [0.5, 1.0, 2.0])
def test_error_covers_the_limit_of_any_order(order):
    """Slow halvings leave more than they change last."""
    parts = Halvings.build(lambda share: share**order, "grid")
    error = float(parts.estimate(one).error)
    assert 1.0 < error < 7.0


def test_what_varies_by_chance_has_its_deviation_in_the_error():
    """No trend, white noise of half the deviation at each resolution: nearly every error holds."""
    rng, held = np.random.default_rng(0), []
    for _ in range(2000):
        noise = Halvings.build_random(lambda share, k: share * rng.standard_normal(), "points")
        estimate = noise.estimate(one)
        held.append(abs(float(estimate)) <= float(estimate.error))
    assert np.mean(held) > 0.98


def test_random_variants_are_numbered_apart():
    numbers = Halvings.build_random(lambda share, k: (share, k), "points")
    drawn = [numbers.fine, *numbers.coarse, *numbers.coarsest]
    assert drawn[0] == (1, 0)
    assert len({k for _, k in drawn}) == len(drawn) == 9
    assert [share for share, _ in drawn] == [1] + 4 * [2] + 4 * [4]


def test_map_keeps_what_is_halved():
    lengths = Halvings.build(lambda share: [0] * (8 // share), "grid").map(len)
    assert (lengths.fine, lengths.coarse, lengths.coarsest) == (8, (4,), (2,))
    assert lengths.resolution == "grid"
