"""Quasi-Monte Carlo features: m rows placed evenly over a feature law.

Random features reach infinite width as m^{−1/2}. Placed evenly over the law, they reach it far
faster: on the sphere of directions in R³ (d = 1 with the default embedding) a Fibonacci lattice
of 1024 features has the kernel to 1e-4, where as many random ones have 6e-2. ReLU is homogeneous,
so a row's direction and its expected squared length are all that matters of it. Features of small
slope have their kinks far apart; the lattice is denser there, and weighted, which gains another
factor of two at late training times. In other dimensions the points are a Kronecker sequence.
Either may be shifted at random (Cranley and Patterson, 1976): each row of a shifted set follows the
law, and independent shifts say by how they vary how far a set is from infinite width.
"""

import numpy as np
from scipy.special import ndtri

from ...diffusion.sde import ForwardSDE
from ...support.random import stream
from ...support.validation import FloatArray, count
from ..activations import ACTIVATIONS
from ..embeddings import Embedding
from ..feature_laws import FEATURE_LAWS
from ..features import RandomFeatures


def quasi_random_features(
    law: str,
    m: int,
    embedding: Embedding,
    *,
    activation: str = "relu",
    preconditioner: ForwardSDE | None = None,
    shift: int = 0,
) -> RandomFeatures:
    """Return m features whose mean of act(v·z) act(v·z') is the law's kernel to about 1/m.

    Rows of ReLU features carry the square root of their quadrature weight.

    Args:
        law: name of a feature law, in d = 1.
        m: number of features.
        embedding: e(t).
        activation: name of an activation.
        preconditioner: the SDE whose σ_t divides the output, as in `RandomFeatures`.
        shift: number of a random shift of the whole set, from the stream "shifts" of seed 0; not
            shifted if 0.

    >>> from rfdiff.model.embeddings import LogSigmaEmbedding
    >>> from rfdiff.diffusion.sde import VESDE
    >>> features = quasi_random_features("l1", 1024, LogSigmaEmbedding(VESDE()))
    >>> lengths = np.abs(features.W).sum(1) + np.abs(features.U).sum(1)
    >>> bool(np.isclose((lengths**2).mean(), 1.0, rtol=1e-5))
    True
    """
    chosen, act = FEATURE_LAWS[law], ACTIVATIONS[activation]
    m = count("m", m)
    size = 1 + embedding.size
    moved = stream(0, "shifts", shift).random(size) if count("shift", shift, 0) else np.zeros(size)
    directions, weights = _directions(m, moved)
    rows = chosen.along(directions)
    if rows is not None and act.is_piecewise_linear:
        rows = rows * np.sqrt(weights)[:, None]
    else:
        rows = chosen.at(_lattice(m, moved), 1)
    return RandomFeatures(rows[:, :1], rows[:, 1:], embedding, activation, preconditioner, law)


def _directions(m: int, shift: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return m unit vectors placed evenly over the sphere in R^D, and weights of mean 1.

    They are moved by a shift in the unit cube, (D,).
    """
    if len(shift) == 3:
        # Fibonacci lattice, golden angle in longitude, with slopes w = s|s| instead of w = s.
        # A shift turns it about the axis of s, and moves s within a step.
        i = np.arange(m) + np.mod(0.5 + shift[0], 1.0)
        turned = np.arange(m) + 0.5
        s = 1.0 - 2.0 * i / m
        longitude = np.pi * (1.0 + np.sqrt(5.0)) * turned + 2.0 * np.pi * shift[1]
        w = s * np.abs(s)
        radius = np.sqrt(1.0 - w * w)
        rows = np.stack([w, radius * np.cos(longitude), radius * np.sin(longitude)], axis=1)
        return rows, 2.0 * np.abs(s)
    rows = ndtri(_lattice(m, shift))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), np.ones(m)


def _lattice(m: int, shift: FloatArray) -> FloatArray:
    """Return m points of a Kronecker sequence in the open unit cube: frac(shift + i α), i = 1 … m.

    α_k = g^{−k} with g the root above 1 of g^{D+1} = g + 1, the golden ratio's kin: the points of
    any m fill the cube evenly, wherever a shift (D,) moves them.
    """
    dimension, ratio = len(shift), 2.0
    for _ in range(64):
        ratio = (1.0 + ratio) ** (1.0 / (dimension + 1.0))
    steps = ratio ** -np.arange(1.0, dimension + 1.0)
    points = np.mod(np.arange(1.0, m + 1.0)[:, None] * steps + shift, 1.0)
    return np.clip(points, 2.0**-33, 1.0 - 2.0**-33)
