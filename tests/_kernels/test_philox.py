"""The counter-based generator: known answers, laws of its numbers, and what they depend on.

Fixed seeds; every test of a law is at a false-alarm rate of 1e-3.
"""

import numpy as np
import pytest
from scipy import stats

from rfdiff._kernels import philox as kernels

FALSE_ALARM = 1e-3
KEY = np.array([7, 11], dtype=np.uint64)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0,) * 4, (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((2**32 - 1,) * 4, (2**32 - 1,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_known_answers_of_random123(counter, key, expected):
    words = kernels.philox(*map(np.uint64, (*counter, *key)))
    assert " ".join(f"{int(word):08x}" for word in words) == expected


def test_normals_are_normal():
    z = np.empty((2000, 500))
    kernels.normals(KEY, 0, 0, z)
    flat = z.ravel()
    assert stats.kstest(flat, "norm").pvalue > FALSE_ALARM
    assert stats.kstest(1.02 * flat, "norm").pvalue < FALSE_ALARM
    # The tail beyond the ziggurat's base strip is drawn by another route.
    beyond = np.abs(flat) > kernels.TAIL
    expected = 2.0 * stats.norm.sf(kernels.TAIL)
    low, high = stats.binom.interval(1.0 - FALSE_ALARM, flat.size, expected)
    assert low <= beyond.sum() <= high
    tail = stats.truncnorm(kernels.TAIL, np.inf)
    assert stats.kstest(np.abs(flat[beyond]), tail.cdf).pvalue > FALSE_ALARM


def test_neighbours_are_uncorrelated():
    z = np.empty((1000, 1000))
    kernels.normals(KEY, 0, 0, z)
    bound = stats.norm.isf(FALSE_ALARM / 2) / np.sqrt(z.size)
    for a, b in ((z[1:], z[:-1]), (z[:, 1:], z[:, :-1]), (z[:, 2:], z[:, :-2])):
        assert abs((a * b).mean()) < bound
        assert abs(((a**2 - 1) * (b**2 - 1)).mean() / 2) < bound


def test_any_rectangle_holds_the_same_numbers():
    whole, part = np.empty((40, 31)), np.empty((7, 12))
    kernels.normals(KEY, 0, 0, whole)
    kernels.normals(KEY, 20, 5, part)
    assert np.array_equal(part, whole[20:27, 5:17])


def test_paths_beyond_32_bits_and_other_keys_differ():
    rows = []
    for key, first in ((KEY, 0), (KEY, 2**32), (KEY + np.uint64(1), 0)):
        z = np.empty((1, 64))
        kernels.normals(key, first, 0, z)
        rows.append(z[0])
    assert len(np.unique(rows)) == 3 * 64


def test_uniforms():
    u = np.empty(20_000)
    kernels.uniforms(KEY, 0, 0, u)
    assert stats.kstest(u, "uniform").pvalue > FALSE_ALARM
    assert u.min() > 0 and u.max() < 1
