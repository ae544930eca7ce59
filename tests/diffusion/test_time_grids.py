"""Grids of reverse time: spacings, ends, and what is refused."""

import numpy as np
import pytest

from reference.paper import SDE
from rfdiff.diffusion.sde import VESDE, VPSDE, LinearSDE, SubVPSDE
from rfdiff.diffusion.time_grids import GRIDS, noise_ratio, time_grid, times_of_noise_ratio
from rfdiff.support.errors import ArgumentError

PROCESSES = [
    VESDE(),
    VPSDE(),
    SubVPSDE(),
    LinearSDE(lambda t: 0.3 * np.cos(3.0 * t), lambda t: 1.0 + 4.0 * t),
]


@pytest.mark.parametrize("sde", PROCESSES)
def test_noise_ratio_is_inverted(sde):
    t = np.array([1e-3, 0.02, 0.3, 0.99])
    assert np.allclose(times_of_noise_ratio(sde, noise_ratio(sde, t)), t, rtol=1e-10)


@pytest.mark.parametrize("grid", GRIDS)
def test_grids_fall_from_end_to_end(grid):
    times = time_grid(grid, VPSDE(), 0.01, 37)
    assert len(times) == 38 and times[0] == 1.0 and times[-1] == 0.01
    assert (np.diff(times) < 0).all()


def test_spacings():
    v = noise_ratio(SDE, time_grid("log", SDE, 0.01, 9))
    assert np.allclose(np.diff(np.log(v)), np.log(v[1] / v[0]))
    v = noise_ratio(SDE, time_grid("edm", SDE, 0.01, 9)) ** (1 / 7)
    assert np.allclose(np.diff(v), v[1] - v[0])


@pytest.mark.parametrize("t", [0.0, 1.0, -0.1, np.nan, "soon"])
def test_refuses_times_outside(t):
    with pytest.raises(ArgumentError, match="t must"):
        time_grid("log", SDE, t, 10)


def test_refuses_unknown_spacings():
    with pytest.raises(ArgumentError, match="grid must be one of 'uniform', 'log', 'edm', got"):
        time_grid("cosine", SDE, 0.1, 10)
