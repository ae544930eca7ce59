"""All eigenpairs of a dense symmetric matrix."""

import scipy.linalg

from ..support.threads import blas_threads
from ..support.validation import FloatArray


def symmetric_eigen(
    matrix: FloatArray, *, overwrite: bool = False
) -> tuple[FloatArray, FloatArray]:
    """Return Λ (m,), ascending, and V (m, m) with the matrix VΛVᵀ, orthogonal to rounding.

    By divide and conquer, the fastest way to all pairs, on as many BLAS threads as m deserves.

    Args:
        matrix: symmetric, shape (m, m).
        overwrite: whether the matrix may be destroyed, which saves its copy.

    >>> import numpy as np
    >>> eigenvalues, vectors = symmetric_eigen(np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> eigenvalues.round(12).tolist()
    [1.0, 3.0]
    """
    with blas_threads(len(matrix)):
        eigenvalues, vectors = scipy.linalg.eigh(
            matrix, overwrite_a=overwrite, check_finite=False, driver="evd"
        )
    return eigenvalues, vectors
