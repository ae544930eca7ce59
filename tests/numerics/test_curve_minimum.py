"""Minima of curves: the parabola's order, ends of the range, and rounding near the minimum."""

import numpy as np
import pytest

from rfdiff.numerics.curve_minimum import grid_minimum, zoom


def skewed(x):
    """Lowest at x = 0, where it is 1, with a third derivative there."""
    return np.exp(x) - x


def test_the_vertex_is_second_order_in_the_spacing():
    spacings = np.array([0.2, 0.1, 0.05, 0.025])
    off = [abs(float(grid_minimum(h * np.arange(-9.4, 9.0), skewed(h * np.arange(-9.4, 9.0))).x))
           for h in spacings]  # fmt: skip
    assert np.polyfit(np.log(spacings), np.log(off), 1)[0] == pytest.approx(2.0, abs=0.1)


def test_curves_along_leading_axes():
    x = np.linspace(-1.0, 1.0, 41)
    centres = np.array([[-0.33, 0.11], [0.52, 0.0]])
    found = grid_minimum(x, (x - centres[..., None]) ** 2)
    np.testing.assert_allclose(found.x, centres, atol=1e-12)
    np.testing.assert_allclose(found.value, 0.0, atol=1e-12)
    assert found.interior.all()


@pytest.mark.parametrize("sign, end", [(1.0, 0.0), (-1.0, 3.0)])
def test_ends_are_where_they_are(sign, end):
    x = np.linspace(0.0, 3.0, 7)
    found = grid_minimum(x, sign * x)
    assert (float(found.x), float(found.value), bool(found.interior)) == (end, sign * end, False)


@pytest.mark.parametrize("place", [2, 4])
def test_beside_an_infinite_value_the_point_itself_is_lowest(place):
    x, values = np.arange(7.0), np.abs(np.arange(7.0) - 3.0)
    values[place] = np.inf
    found = grid_minimum(x, values)
    assert (float(found.x), float(found.value)) == (3.0, 0.0)


def test_zoom_is_not_led_astray_by_rounding():
    """Known to 1e-13, a curve is flat to 3e-7: closer points would answer with noise."""

    def rounded(x):
        return np.round(skewed(x - 0.7), 13)

    assert zoom(rounded, -0.5, 2.0, 1e-3) == pytest.approx(0.7, abs=1e-6)


def test_zoom_keeps_to_its_range():
    assert zoom(lambda x: -x, 0.0, 1.0, 1e-3) == 1.0
