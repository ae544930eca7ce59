"""Clusters of images, and pairs of them near and far: the paper's real-world experiment.

Pixels are standardised one by one, projected on their principal components and clustered by
k-means; centres are compared in standardised pixels. Every choice is seeded: the same seed gives
the same clusters, pairs and splits.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..support.errors import ArgumentError
from ..support.random import check_seed, stream
from ..support.validation import FloatArray, between, count
from .images import ImageSet

# Restarts of k-means; the best of them counts.
_RESTARTS = 10


@dataclass(frozen=True, eq=False)
class ClusterPair:
    """Two clusters of equal size, split into training and held-out images.

    Attributes:
        clusters: their numbers.
        distance: between their centres, in standardised pixels.
        radii: root mean square distance of each cluster's images to its centre.
        train: indices of training images (n,), half of them from each cluster.
        test: indices of held-out images.
    """

    clusters: tuple[int, int]
    distance: float
    radii: tuple[float, float]
    train: NDArray[np.intp]
    test: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Clusters:
    """Clusters of standardised images.

    Attributes:
        images: what was clustered.
        pixels: standardised pixels (n, D); a pixel that never changes is zero.
        assignment: cluster of each image (n,).
        centres: mean of each cluster (K, D), in standardised pixels.
        radii: root mean square distance of a cluster's images to its centre (K,).
        seed: of k-means and of splits.
    """

    images: ImageSet
    pixels: FloatArray
    assignment: NDArray[np.intp]
    centres: FloatArray
    radii: FloatArray
    seed: int

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Number of images in each cluster, (K,)."""
        return np.bincount(self.assignment, minlength=len(self.centres))

    @property
    def distances(self) -> FloatArray:
        """Distances between centres (K, K), in standardised pixels."""
        return np.linalg.norm(self.centres[:, None] - self.centres, axis=-1)

    def ranked_pairs(self, smallest: int = 2) -> list[tuple[int, int]]:
        """Return all pairs of clusters of at least `smallest` images, nearest centres first."""
        large = np.flatnonzero(self.sizes >= count("smallest", smallest, 2))
        pairs = [(int(i), int(j)) for i in large for j in large if i < j]
        return sorted(pairs, key=lambda pair: float(self.distances[pair]))

    def pair(
        self, first: int, second: int, *, size: int | None = None, held_out: float = 0.2
    ) -> ClusterPair:
        """Return equally many images of two clusters, split.

        Args:
            first: number of a cluster.
            second: number of another.
            size: images of each; as many as the smaller has if None.
            held_out: share of them set aside.

        Raises:
            ArgumentError: clusters that are smaller than asked, or the same.
        """
        if first == second:
            raise ArgumentError(f"a pair must be of two clusters, got {first} twice")
        for name, number in (("first", first), ("second", second)):
            between(name, number, 0, len(self.centres) - 1)
        most = int(self.sizes[[first, second]].min())
        size = most if size is None else count("size", size, 2)
        if size > most:
            raise ArgumentError(f"size must be at most the smaller cluster's {most}, got {size}")
        n_test = round(between("held_out", held_out, 0.0, 0.9) * size)
        parts = [self._drawn(number, size) for number in (first, second)]
        return ClusterPair(
            (first, second),
            float(self.distances[first, second]),
            (float(self.radii[first]), float(self.radii[second])),
            np.concatenate([part[n_test:] for part in parts]),
            np.concatenate([part[:n_test] for part in parts]),
        )

    def _drawn(self, number: int, size: int) -> NDArray[np.intp]:
        """Return so many images of a cluster, in an order of seed and cluster alone."""
        members = np.flatnonzero(self.assignment == number)
        return stream(self.seed, "split", number).permutation(members)[:size]


def cluster_images(
    images: ImageSet, k: int = 30, *, n_components: int = 100, seed: int = 0
) -> Clusters:
    """Cluster images by k-means on the principal components of their standardised pixels.

    Args:
        images: the images.
        k: number of clusters.
        n_components: principal components, at most as many as there are pixels that change.
        seed: of k-means.

    Raises:
        ArgumentError: more clusters or components than the images allow, or scikit-learn missing.

    >>> from rfdiff.data.images import load_images
    >>> clusters = cluster_images(load_images("digits"), k=10, n_components=30)
    >>> near, far = clusters.ranked_pairs()[0], clusters.ranked_pairs()[-1]
    >>> bool(clusters.distances[near] < 0.7 * clusters.distances[far])
    True
    """
    n = len(images)
    if count("k", k, 2) > n:
        raise ArgumentError(f"k must be at most the {n} images there are, got {k}")
    spread = images.pixels.std(axis=0)
    changing = spread > 0.0
    most = min(int(changing.sum()), n - 1)
    if count("n_components", n_components) > most:
        raise ArgumentError(
            f"n_components must be at most {most} for these images, got {n_components}"
        )
    pixels = np.zeros_like(images.pixels)
    pixels[:, changing] = (images.pixels - images.pixels.mean(axis=0))[:, changing] / spread[
        changing
    ]
    assignment = _k_means(pixels, k, n_components, check_seed("seed", seed))
    centres = np.stack([pixels[assignment == number].mean(axis=0) for number in range(k)])
    squares = np.square(pixels - centres[assignment]).sum(axis=1)
    radii = np.sqrt(np.bincount(assignment, squares, k) / np.bincount(assignment, minlength=k))
    return Clusters(images, pixels, assignment, centres, radii, seed)


def _k_means(pixels: FloatArray, k: int, n_components: int, seed: int) -> NDArray[np.intp]:
    """Return the cluster of each image, (n,)."""
    try:
        from sklearn.cluster import KMeans
        from sklearn.decomposition import PCA
    except ImportError:
        raise ArgumentError(
            "clusters need scikit-learn, which is not installed: pip install 'rfdiff[images]'"
        ) from None
    state = int(stream(seed, "split").integers(1 << 31))
    along = PCA(n_components, random_state=state, svd_solver="full").fit_transform(pixels)
    fitted = KMeans(k, n_init=_RESTARTS, random_state=state).fit(along)
    return np.asarray(fitted.labels_, dtype=np.intp)
