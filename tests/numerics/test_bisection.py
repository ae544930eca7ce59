"""The driver of adaptive bisection, and the adaptive rule that is built on it."""

from itertools import pairwise

import numpy as np
import pytest

from rfdiff.numerics.adaptive_panels import adaptive_panels
from rfdiff.numerics.bisection import bisect
from rfdiff.numerics.panels import Panels


def near(place, most_halvings, width=0.01):
    """Halve panels of (0, 1) that are wide and hold a place; return those accepted, as pairs."""
    accepted = []

    def examine(panels):
        wide = (panels.right - panels.left > width) & (panels.left <= place)
        return panels, ~(wide & (place < panels.right))

    def accept(panels):
        accepted.extend(zip(panels.left.tolist(), panels.right.tolist(), strict=True))

    start = Panels.between(np.linspace(0.0, 1.0, 5))
    bisect(start, examine, accept, Panels.halves, most_halvings=most_halvings)
    return sorted(accepted)


@pytest.mark.parametrize("most_halvings", [0, 2, 30])
def test_accepted_intervals_cover_the_start_once(most_halvings):
    accepted = near(0.3, most_halvings)
    assert accepted[0][0] == 0.0 and accepted[-1][1] == 1.0
    assert all(a[1] == b[0] for a, b in pairwise(accepted))
    assert len(accepted) == 4 + min(most_halvings, 5)


def test_only_what_is_not_done_is_halved_until_it_is():
    widths = {round(b - a, 12) for a, b in near(0.3, 30) if a <= 0.3 < b}
    assert widths == {0.25 / 2**5}
    assert (0.5, 0.75) in near(0.3, 30)


@pytest.mark.parametrize("tolerance", [1e-4, 1e-12])
def test_adaptive_panels_know_their_error(tolerance):
    """A corner, a narrow bell and a smooth function at once: exact integrals."""
    edges, found = adaptive_panels(
        lambda x: np.stack([np.abs(x - 0.3), np.exp(-0.5 * (x / 0.01) ** 2), np.cos(x)]),
        np.linspace(-1.0, 1.0, 4), tolerance,
    )  # fmt: skip
    exact = np.array([1.09, 0.01 * np.sqrt(2.0 * np.pi), 2.0 * np.sin(1.0)])
    assert (np.abs(found.value - exact) <= found.error + 1e-15).all()
    assert found.error.max() <= 2.0 * tolerance
    assert (np.diff(edges) > 0.0).all() and edges[0] == -1.0 and edges[-1] == 1.0


def test_the_last_halving_ends_what_no_rule_resolves():
    """A jump is left inside a panel of length 2⁻³⁹."""
    _, found = adaptive_panels(lambda x: (x > 1.0 / 3.0)[None] * 1.0, np.array([0.0, 1.0]), 1e-300)
    assert abs(found.value[0] - 2.0 / 3.0) < 2.0**-39


@pytest.mark.parametrize("width", [1e-6, 1e-8, 1e-10, 1e-12])
def test_panels_are_not_halved_for_the_rounding_of_their_nodes(width):
    """A bell at 3 where floats are 4e-16 apart: its integral is known to a share of 4e-16/width."""
    asked = []

    def bell(x):
        asked.append(len(x))
        return np.exp(-0.5 * ((x - 3.0) / width) ** 2)[None] / (width * np.sqrt(2.0 * np.pi))

    edges = 3.0 + width * np.array([-40.0, -8.0, -4.0, -1.0, 0.0, 1.0, 4.0, 8.0, 40.0])
    _, found = adaptive_panels(bell, edges, 1e-13)
    assert sum(asked) < 5_000
    assert abs(found.value[0] - 1.0) <= found.error[0] <= 100.0 * np.spacing(3.0) / width


def test_panels_of_a_few_floats_are_not_halved():
    """Noise that no rule resolves, next to 1e15 where floats are 1/8 apart: 39 halvings would be
    2³⁹ panels.
    """
    rng = np.random.default_rng(0)
    edges = np.array([1e15, 1e15 + 64.0])
    found, integral = adaptive_panels(lambda x: 1e9 * rng.random((1, len(x))), edges, 1e-9)
    assert np.diff(found).min() >= 4.0 and integral.error[0] > 1e8
