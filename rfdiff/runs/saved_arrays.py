"""What the arrays of a saved run must be: complete, of shapes that fit each other, and true.

A spectrum is held to its Gram matrix by random probes x: VᵀVx = x and VΛVᵀx = Gx, in O(m²) where
the products themselves would cost as much as training.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..support.errors import ArgumentError
from ..support.threads import blas_threads
from ..support.validation import FloatArray, finite_array, training_times

REQUIRED = ("tau", "W", "U", "theta0", "gram", "cross", "eigenvalues", "eigenvectors")
# The fields of an affine skip that are arrays.
SKIP_ARRAYS = ("mean", "axes", "variances")
_OF_SKIP = tuple(f"skip_{name}" for name in SKIP_ARRAYS)
OPTIONAL = ("data", "held_out", "noise", "coarse_gram", "coarse_cross", "unit_axes", *_OF_SKIP)

_PROBES = 4
# Rounding of an eigensolver's pairs and of the probes' products, in units of √m ε ‖G‖.
_ROUNDING = 64.0


def check_arrays(arrays: Mapping[str, NDArray[Any]]) -> dict[str, FloatArray]:
    """Return the arrays of a run, checked one by one and against each other.

    Args:
        arrays: by name, as read from a file, without the settings.

    Raises:
        ArgumentError: naming the array and what is wrong with it.
    """
    _check_names(arrays)
    _check_shapes(arrays)
    for name in arrays:
        if name != "tau":
            finite_array(name, arrays[name])
    training_times("tau", arrays["tau"])
    for name in ("gram", "coarse_gram"):
        if name in arrays:
            _check_gram(name, arrays[name])
    _check_spectrum(arrays["gram"], arrays["eigenvalues"], arrays["eigenvectors"])
    return dict(arrays)


def _check_names(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse arrays that are missing, are no part of a run, or are no numbers."""
    for name in REQUIRED:
        if name not in arrays:
            raise ArgumentError(f"{name} is missing")
    for name, array in arrays.items():
        if name not in REQUIRED + OPTIONAL:
            raise ArgumentError(f"{name} is no array of a run")
        if array.dtype != np.float64:
            raise ArgumentError(f"{name} must be of float64, got {array.dtype}")
    for name in ("held_out", "noise"):
        if name in arrays and "data" not in arrays:
            raise ArgumentError(f"{name} needs data, which are missing")
    for together in (("coarse_gram", "coarse_cross"), _OF_SKIP):
        if len({name in arrays for name in together}) > 1:
            raise ArgumentError(f"{', '.join(together)} must come together")


def _check_shapes(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse shapes that do not fit m and n, which W and the data say."""
    m, d = arrays["W"].shape if arrays["W"].ndim == 2 else (0, 0)
    # Points have as many dimensions as features, or as many as their principal axes have entries.
    axes = arrays.get("unit_axes")
    own = d if axes is None or axes.ndim != 2 else axes.shape[0]
    expected: dict[str, tuple[int | str, ...]] = {
        "W": (m, "d"), "U": (m, "d_e"), "theta0": (d, m), "gram": (m, m), "cross": (d, m),
        "eigenvalues": (m,), "eigenvectors": (m, m), "data": ("n", own),
        "held_out": ("n_test", own), "coarse_gram": (m, m), "coarse_cross": (d, m),
        "unit_axes": (own, d), "skip_mean": (d,), "skip_axes": (d, d), "skip_variances": (d,),
    }  # fmt: skip
    if "data" in arrays and arrays["data"].ndim:
        n = arrays["data"].shape[0]
        expected["noise"] = (n, "k") if d == 1 else (n, "k", d)
    for name, shape in expected.items():
        if name not in arrays:
            continue
        got = arrays[name].shape
        fits = len(got) == len(shape) and all(
            extent == wanted or isinstance(wanted, str)
            for extent, wanted in zip(got, shape, strict=True)
        )
        if not fits or 0 in got:
            wanted = ", ".join(str(extent) for extent in shape)
            raise ArgumentError(f"{name} must have shape ({wanted}), got {got}")


def _check_gram(name: str, gram: FloatArray) -> None:
    """Refuse a Gram matrix that is not symmetric to rounding."""
    largest = float(np.abs(gram).max())
    gap = float(np.abs(gram - gram.T).max())
    if gap > _ROUNDING * np.finfo(float).eps * largest:
        raise ArgumentError(f"{name} must be symmetric, got entries that differ by {gap:.3g}")


def _check_spectrum(gram: FloatArray, eigenvalues: FloatArray, vectors: FloatArray) -> None:
    """Refuse eigenvalues out of order or negative, V not orthogonal, and VΛVᵀ ≠ G."""
    if (eigenvalues < 0.0).any() or (np.diff(eigenvalues) < 0.0).any():
        raise ArgumentError("eigenvalues must be at least 0 and ascend")
    m, scale = len(gram), eigenvalues[-1] or 1.0
    probes = np.random.default_rng(0).standard_normal((m, _PROBES))
    with blas_threads(m):
        modes = vectors.T @ probes
        back = vectors @ modes - probes
        # Of G/λ_max, whose squares are finite whatever the features' scale.
        image = vectors @ ((eigenvalues / scale)[:, None] * modes) - gram @ (probes / scale)
    # Eigenvalues negative by rounding were set to zero: this covers them, too.
    rounding = _ROUNDING * np.sqrt(m) * np.finfo(float).eps * np.linalg.norm(probes, axis=0)
    # Written so that what is not a number is refused.
    if not (np.linalg.norm(back, axis=0) <= rounding).all():
        raise ArgumentError("eigenvectors must be orthogonal, VVᵀ = 1 to rounding")
    if not (np.linalg.norm(image, axis=0) <= rounding).all():
        raise ArgumentError("eigenvectors and eigenvalues must be those of gram, to rounding")
