"""One implicit step of the Fokker–Planck equation, in the accuracy that tiny masses need."""

import mpmath
import numpy as np
import pytest

from rfdiff._kernels import fokker_planck as kernels


@pytest.mark.parametrize("z", [0.0, 1e-300, 1e-9, 0.3, 0.4999, 0.5001, 3.0, 40.0, 700.0, 900.0])
def test_bernoulli_function(z):
    exact = mpmath.mpf(1) if z == 0 else mpmath.mpf(z) / mpmath.expm1(mpmath.mpf(z))
    assert abs(kernels._bernoulli(z) - exact) <= 4e-16 * exact + 1e-300


def test_implicit_step_is_the_dense_solve_and_conserves():
    rng = np.random.default_rng(3)
    cells, h = 40, 0.7
    up, down = 10.0 ** rng.uniform(-6, 4, (2, cells))
    q = np.zeros((cells + 1, cells + 1))
    for i in range(cells):
        q[i, i] -= up[i]
        q[i + 1, i] += up[i]
        q[i + 1, i + 1] -= down[i]
        q[i, i + 1] += down[i]
    start = 10.0 ** rng.uniform(-200, 0, cells + 1)
    mass = start.copy()
    kernels._implicit_step(mass, cells, h, up, down, np.empty(cells + 1))
    assert np.allclose(mass, np.linalg.solve(np.eye(cells + 1) - h * q, start), atol=1e-9)
    assert abs(mass.sum() - start.sum()) < 1e-13
    assert (mass > 0).all()


def test_tiny_masses_keep_their_relative_accuracy():
    """A tail of 10⁻²⁸⁰ beside a peak of 1, against 60 digits."""
    cells = 6
    up = np.array([1e-45, 1e-47, 1e-46, 1e-44, 1e-49, 1e-48])
    down = np.array([3.0, 1e3, 1e-2, 5.0, 7.0, 0.1])
    start = np.array([1.0, 1e-100, 1e-150, 1e-200, 1e-250, 1e-280, 1e-290])
    mass = start.copy()
    kernels._implicit_step(mass, cells, 0.5, up, down, np.empty(cells + 1))
    with mpmath.workdps(400):
        matrix = mpmath.eye(cells + 1)
        for i in range(cells):
            u, d = mpmath.mpf(up[i]) / 2, mpmath.mpf(down[i]) / 2
            matrix[i, i] += u
            matrix[i + 1, i] -= u
            matrix[i + 1, i + 1] += d
            matrix[i, i + 1] -= d
        exact = mpmath.lu_solve(matrix, mpmath.matrix(start.tolist()))
        for value, truth in zip(mass, exact, strict=True):
            assert abs(mpmath.mpf(float(value)) / truth - 1) < 1e-14
