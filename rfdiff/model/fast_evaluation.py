"""θ h(x, t) at many points, the same bits for a point in whatever batch it comes.

In few dimensions a kernel sums feature by feature. In many, points go through matrix products in
blocks of one shape, the last one padded: no value depends on how many others there are.
"""

from collections.abc import Callable

import numpy as np

from .._kernels.scores import feature_scores
from ..support.threads import blas_threads
from ..support.validation import FloatArray
from .affine_skip import AffineSkip
from .features import RandomFeatures

# s(x, t) at points x (n, d), of their shape. Those of the package's own scores give a point the
# same bits in whatever batch it comes.
Evaluator = Callable[[FloatArray, float], FloatArray]

# In fewer dimensions the kernel is as fast as matrix products.
_FEWEST_DIMENSIONS = 8
_BLOCK = 512


def evaluator(features: RandomFeatures, theta: FloatArray, skip: AffineSkip | None) -> Evaluator:
    """Return the evaluation of θ h(x, t) + skip(x, t) at points x (n, d).

    Args:
        features: the frozen first layer.
        theta: θ of one training time, shape (d, m).
        skip: a fixed affine part of the score, or None.
    """
    theta = np.ascontiguousarray(theta)

    def score(x: FloatArray, t: float) -> FloatArray:
        values = evaluate(features, theta, x, t)
        return values if skip is None else values + skip(x, t)

    few = features.dimension < _FEWEST_DIMENSIONS
    evaluate = _by_kernel if few else _by_products
    return score if few and skip is None else _in_blocks(score)


def _in_blocks(score: Evaluator) -> Evaluator:
    """Return the evaluation of points in blocks of one shape, the last one padded."""

    def blocked(x: FloatArray, t: float) -> FloatArray:
        out, block = np.empty_like(x), np.zeros((_BLOCK, x.shape[1]))
        for start in range(0, len(x), _BLOCK):
            part = x[start : start + _BLOCK]
            block[: len(part)] = part
            out[start : start + len(part)] = score(block, t)[: len(part)]
        return out

    return blocked


def _by_kernel(features: RandomFeatures, theta: FloatArray, x: FloatArray, t: float) -> FloatArray:
    out, scale = np.empty_like(x), float(features.output_scale(t))
    w = features.W if features.scaling is None else features.W * features.input_scale(t)
    feature_scores(x, w, features.biases(t), theta, scale, features.act.code, out)
    return out


def _by_products(
    features: RandomFeatures, theta: FloatArray, x: FloatArray, t: float
) -> FloatArray:
    with blas_threads(features.width):
        return features(x, t) @ theta.T
