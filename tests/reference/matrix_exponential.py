"""The gradient flow in 60 digits."""

import mpmath
import numpy as np


def theta_by_matrix_exponential(quadratic, theta0, tau):
    """Return θ(τ) by the exponential of the augmented linear system, in 60 digits."""
    d, m = quadratic.cross.shape
    with mpmath.workdps(60):
        generator = mpmath.zeros(m + d)
        for i in range(m):
            for j in range(m):
                generator[i, j] = -2 * mpmath.mpf(quadratic.gram[i, j]) * mpmath.mpf(float(tau))
            for k in range(d):
                generator[i, m + k] = 2 * mpmath.mpf(quadratic.cross[k, i]) * mpmath.mpf(float(tau))
        power = mpmath.expm(generator)
        start = mpmath.matrix(np.vstack([theta0.T, np.eye(d)]).tolist())
        end = power * start
        return np.array([[float(end[i, k]) for i in range(m)] for k in range(d)])
