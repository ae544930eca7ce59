"""Clusters of images: seeded, whole, and what a pair is made of."""

import numpy as np
import pytest

from rfdiff.data.clusters import cluster_images
from rfdiff.data.images import ImageSet, load_images
from rfdiff.support.errors import ArgumentError


@pytest.fixture(scope="module")
def clusters():
    return cluster_images(load_images("digits"), k=12, n_components=40, seed=1)


def test_a_seed_gives_the_same_clusters_and_pairs(clusters):
    again = cluster_images(load_images("digits"), k=12, n_components=40, seed=1)
    assert (again.assignment == clusters.assignment).all()
    one, other = (each.pair(0, 5) for each in (again, clusters))
    assert (one.train == other.train).all() and (one.test == other.test).all()


def test_what_is_said_of_clusters_is_true_of_their_images(clusters):
    number = 3
    members = clusters.pixels[clusters.assignment == number]
    np.testing.assert_allclose(clusters.centres[number], members.mean(0))
    distances = np.linalg.norm(members - members.mean(0), axis=1)
    assert clusters.radii[number] == pytest.approx(np.sqrt(np.mean(distances**2)))
    changing = load_images("digits").pixels.std(0) > 0
    np.testing.assert_allclose(clusters.pixels.std(0), changing, atol=1e-12)
    # Clusters are of digits: most images of one have one label.
    labels = clusters.images.labels
    shares = [np.bincount(labels[clusters.assignment == c]).max() for c in range(12)]
    assert sum(shares) > 0.6 * len(labels)


def test_pairs(clusters):
    ranked = clusters.ranked_pairs()
    assert len(ranked) == 12 * 11 // 2
    distances = [clusters.distances[pair] for pair in ranked]
    assert distances == sorted(distances)
    pair = clusters.pair(*ranked[0], size=40, held_out=0.25)
    assert len(pair.train) == 60 and len(pair.test) == 20 and pair.distance == distances[0]
    assert not set(pair.train) & set(pair.test)
    for part, of_each in ((pair.train, 30), (pair.test, 10)):
        assert (clusters.assignment[part] == ranked[0][0]).sum() == of_each
    # A larger pair holds the smaller one's images.
    larger = clusters.pair(*ranked[0], size=50, held_out=0.0)
    assert set(pair.train) | set(pair.test) <= set(larger.train)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda c: c.pair(1, 1), "a pair must be of two clusters, got 1 twice"),
        (lambda c: c.pair(0, 12), "second must be between 0 and 11, got 12"),
        (lambda c: c.pair(0, 1, size=10_000), "size must be at most the smaller cluster's"),
        (lambda c: cluster_images(c.images, k=2000), "k must be at most the 1797 images"),
        (lambda c: cluster_images(c.images, n_components=64), "n_components must be at most 61"),
        (
            lambda c: cluster_images(ImageSet(np.ones((5, 4)), None, (2, 2), "flat"), k=2),
            "n_components must be at most 0",
        ),
    ],
)
def test_what_is_refused(clusters, ask, message):
    with pytest.raises(ArgumentError, match=message):
        ask(clusters)
