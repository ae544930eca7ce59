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


def test_a_change_that_passes_zero_by_chance_is_not_believed():
    assert float(Halvings(1.0, 1.0, 2.0, "grid").estimate(lambda value: value).error) == 0.25


def test_an_error_of_the_finest_is_added():
    parts = Halvings(Estimate(1.0, 0.1), Estimate(1.5, 9.0), Estimate(1.5, 9.0), "grid")
    assert float(parts.estimate(lambda part: part).error) == pytest.approx(0.6)


def test_map_keeps_what_is_halved():
    lengths = Halvings.build(lambda share: [0] * (8 // share), "grid").map(len)
    assert (lengths.fine, lengths.coarse, lengths.coarsest) == (8, 4, 2)
    assert lengths.resolution == "grid"
