"""Time embeddings by their formulas."""

import numpy as np
import pytest

from reference.paper import SDE
from rfdiff.model.embeddings import (
    AffineEmbedding,
    FourierEmbedding,
    LogSigmaEmbedding,
    make_embedding,
)
from rfdiff.support.errors import ArgumentError

EMBEDDING = LogSigmaEmbedding(SDE)


def test_embeddings():
    t = np.array([0.001, 0.5, 1.0])
    np.testing.assert_allclose(
        EMBEDDING(t), np.stack([np.ones(3), np.log(SDE.std(t)) / 2], axis=1), rtol=1e-15
    )
    np.testing.assert_array_equal(AffineEmbedding()(t), np.stack([np.ones(3), t], axis=1))
    fourier = FourierEmbedding([0.5, 2.0])
    by_hand = [[np.sin(np.pi * s), np.sin(4 * np.pi * s), np.cos(np.pi * s), np.cos(4 * np.pi * s)]
               for s in t]  # fmt: skip
    np.testing.assert_allclose(fourier(t), by_hand, atol=1e-15)
    for embedding in (EMBEDDING, AffineEmbedding(), fourier):
        assert embedding(0.5).shape == (embedding.size,)
        assert embedding(np.full((2, 3), 0.5)).shape == (2, 3, embedding.size)


def test_embeddings_by_name():
    assert make_embedding("log-sigma", SDE, 0) == LogSigmaEmbedding(SDE)
    assert make_embedding("affine", SDE, 0) == AffineEmbedding()
    drawn = make_embedding("fourier", SDE, 4)
    np.testing.assert_array_equal(drawn.frequencies, FourierEmbedding.draw(4).frequencies)
    np.testing.assert_allclose(
        FourierEmbedding.draw(4, size=8, scale=30.0).frequencies[:2], 30 * drawn.frequencies
    )
    assert drawn.size == 4 and make_embedding(drawn, SDE, 0) is drawn


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: make_embedding("sine", SDE, 0), "embedding must be one of 'log-sigma'"),
        (lambda: make_embedding(3, SDE, 0), "embedding must be one of 'log-sigma'"),
        (lambda: FourierEmbedding.draw(0, size=3), "size must be even, got 3"),
        (lambda: FourierEmbedding.draw(0, scale=0.0), "scale must be positive, got 0"),
        (lambda: FourierEmbedding([]), "frequencies must not be empty"),
    ],
)
def test_bad_embeddings(make, fault):
    with pytest.raises(ArgumentError, match=fault):
        make()
