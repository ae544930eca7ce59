"""The one law type: a Gaussian mixture. Data sets, targets and their diffusions all are one.

A target p₀ = Σ_k q_k N(μ_k, ς_k² I) diffuses to p_t = Σ_k q_k N(r μ_k, (r² ς_k² + σ_t²) I).
A data set {x_i} is the mixture with weights 1/n, means x_i and ς = 0.

Convention for points x: in one dimension an array of any shape; in d ≥ 2 the last axis is d.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from ..support.errors import ArgumentError
from ..support.validation import FloatArray, count, finite_array, points, positive, real

# Points × components handled at once: bounds memory at 8 MB per temporary.
_CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """Mixture Σ_k q_k N(μ_k, ς_k² I) with isotropic components; ς_k = 0 is a point mass.

    Args:
        weights: q, shape (K,), non-negative; must sum to 1 (to 1e-8; then normalised exactly).
        means: μ, shape (K,) or (K, d).
        stds: ς, shape (K,) or a scalar for all, non-negative.

    >>> law = GaussianMixture([0.5, 0.5], [-3.0, 3.0], 1.0)
    >>> float(law.density(3.0).round(6))
    0.199471
    """

    weights: FloatArray
    means: FloatArray
    stds: FloatArray

    def __init__(self, weights: ArrayLike, means: ArrayLike, stds: ArrayLike) -> None:
        weights = finite_array("weights", weights, ndim=1)
        means = points("means", means)
        stds = finite_array("stds", stds)
        if len(means) != len(weights) or stds.shape not in ((), (len(weights),)):
            raise ArgumentError(
                "weights, means and stds must describe the same components, got shapes "
                f"{weights.shape}, {means.shape} and {stds.shape}"
            )
        if (weights < 0).any() or abs(weights.sum() - 1.0) > 1e-8:
            raise ArgumentError(
                f"weights must be non-negative and sum to 1, got sum {weights.sum():g} "
                f"and minimum {weights.min():g}"
            )
        if (stds < 0).any():
            raise ArgumentError(f"stds must be non-negative, got minimum {stds.min():g}")
        object.__setattr__(self, "weights", weights / weights.sum())
        object.__setattr__(self, "means", means)
        object.__setattr__(self, "stds", np.broadcast_to(stds, weights.shape).copy())

    def __str__(self) -> str:
        """Return the law in a few words.

        >>> str(bimodal(3.0))
        '0.5 N(-3, 1²) + 0.5 N(3, 1²)'
        """
        if self.n_components > 4 or self.dimension > 1:
            return f"mixture of {self.n_components} Gaussians"
        parts = zip(self.weights, self.means[:, 0], self.stds, strict=True)
        return " + ".join(f"{q:.4g} N({mean:.4g}, {std:.4g}²)" for q, mean, std in parts)

    @classmethod
    def from_points(cls, data: ArrayLike) -> "GaussianMixture":
        """Return the empirical law of data (n,) or (n, d): weights 1/n, zero stds."""
        data = points("data", data)
        return cls(np.full(len(data), 1.0 / len(data)), data, 0.0)

    @property
    def dimension(self) -> int:
        """Dimension d of the points."""
        return self.means.shape[1]

    @property
    def n_components(self) -> int:
        """Number of components K."""
        return len(self.weights)

    @property
    def atoms(self) -> "GaussianMixture":
        """The law as a mixture: itself."""
        return self

    @property
    def mean(self) -> FloatArray:
        """E x, shape (d,)."""
        return self.weights @ self.means

    @property
    def variance(self) -> FloatArray:
        """Variance of each coordinate, shape (d,)."""
        centred = self.means - self.mean
        return self.weights @ (self.stds[:, None] ** 2 + centred**2)

    def diffuse(self, scale: float, std: float) -> "GaussianMixture":
        """Return the law of r x + σ z, z ~ N(0, I): the marginal p_t for r(t) and σ_t."""
        return GaussianMixture(self.weights, scale * self.means, np.hypot(scale * self.stds, std))

    def affine(self, shift: float, scale: float) -> "GaussianMixture":
        """Return the law of shift + scale·x for scale > 0."""
        scale = positive("scale", scale)
        return GaussianMixture(
            self.weights, real("shift", shift) + scale * self.means, scale * self.stds
        )

    def standardised(
        self, shift: float | FloatArray, scale: float, axes: FloatArray | None = None
    ) -> "GaussianMixture":
        """Return the law of Qᵀ(x − shift)/scale, shift a number or (D,), for scale > 0.

        Args:
            shift: in the unit of x.
            scale: in the unit of x.
            axes: Q, shape (D, d) with orthonormal columns; the identity if None.
        """
        shift, scale = finite_array("shift", shift), positive("scale", scale)
        centred = self.means - shift
        means = centred if axes is None else centred @ axes
        return GaussianMixture(self.weights, means / scale, self.stds / scale)

    def sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw n points, shape (n, d), nested: the first k of a larger draw are the draw of k."""
        n = count("n", n)
        # Two child streams keep the draw nested whatever generator NumPy uses for normals.
        pick, noise = rng.spawn(2)
        component = np.searchsorted(np.cumsum(self.weights), pick.random(n), side="right")
        component = np.minimum(component, self.n_components - 1)
        z = noise.standard_normal((n, self.dimension))
        return self.means[component] + self.stds[component, None] * z

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Return log p(x); every component needs ς > 0."""
        flat, shape = self._flat(x)
        parts = [_log_sum_exp(terms) for terms, _ in self._log_terms(flat)]
        return np.concatenate(parts).reshape(shape)

    def density(self, x: ArrayLike) -> FloatArray:
        """Return p(x)."""
        return np.exp(self.log_density(x))

    def responsibilities(self, x: ArrayLike) -> FloatArray:
        """Return ρ_k(x) = q_k N(x; μ_k, ς_k²)/p(x), of the shape of a scalar field on x, then K.

        The chance that a point of the law at x is one of component k.

        >>> bimodal(1.0).responsibilities(0.0)
        array([0.5, 0.5])
        """
        flat, shape = self._flat(x)
        parts = [np.exp(terms - _log_sum_exp(terms)[:, None]) for terms, _ in self._log_terms(flat)]
        return np.concatenate(parts).reshape(*shape, self.n_components)

    def score(self, x: ArrayLike) -> FloatArray:
        """Return ∇ log p(x), of the shape of x."""
        flat, _ = self._flat(x)
        parts = []
        for terms, chunk in self._log_terms(flat):
            posterior = np.exp(terms - _log_sum_exp(terms)[:, None]) / self.stds**2
            parts.append(posterior @ self.means - posterior.sum(1)[:, None] * chunk)
        return np.concatenate(parts).reshape(np.shape(x))

    def score_divergence(self, x: ArrayLike) -> FloatArray:
        """Return Δ log p(x), of the shape of a scalar field on x.

        With ϖ_k the posterior weights and s_k the components' scores this is
        Σ ϖ_k ‖s_k − s‖² − d Σ ϖ_k/ς_k²: no large terms cancel far from the modes.
        """
        flat, shape = self._flat(x)
        parts = []
        precision = self.stds**-2.0
        for terms, chunk in self._log_terms(flat):
            posterior = np.exp(terms - _log_sum_exp(terms)[:, None])
            spread = -self.dimension * (posterior @ precision)
            for j in range(self.dimension):
                component = (self.means[:, j] - chunk[:, j, None]) * precision
                mean = (posterior * component).sum(1)
                spread += (posterior * (component - mean[:, None]) ** 2).sum(1)
            parts.append(spread)
        return np.concatenate(parts).reshape(shape)

    def cdf(self, x: ArrayLike) -> FloatArray:
        """Return P(X ≤ x); one dimension only."""
        flat, shape = self._flat(x)
        if self.dimension != 1:
            raise ArgumentError("cdf needs a one-dimensional law")
        step = max(1, _CHUNK // self.n_components)
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = []
            for i in range(0, len(flat), step):
                gap = flat[i : i + step] - self.means[:, 0]
                zeta = np.where(self.stds > 0, gap / self.stds, np.where(gap >= 0, np.inf, -np.inf))
                parts.append(ndtr(zeta) @ self.weights)
        return np.concatenate(parts).reshape(shape)

    def domain(self, widths: float = 7.0) -> tuple[float, float]:
        """Return the outermost modes widened by `widths` of their standard deviations."""
        if self.dimension != 1:
            raise ArgumentError("domain needs a one-dimensional law")
        means = self.means[:, 0]
        return (
            float((means - widths * self.stds).min()),
            float((means + widths * self.stds).max()),
        )

    def _flat(self, x: ArrayLike) -> tuple[FloatArray, tuple[int, ...]]:
        """Return points as (N, d) and the shape of a scalar field on them."""
        x = np.asarray(x, dtype=np.float64)
        if self.dimension == 1:
            return x.reshape(-1, 1), x.shape
        if x.ndim == 0 or x.shape[-1] != self.dimension:
            raise ArgumentError(f"x must have last axis {self.dimension}, got shape {x.shape}")
        return x.reshape(-1, self.dimension), x.shape[:-1]

    def _log_terms(self, x: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield (log q_k N(x; μ_k, ς_k²), x) for chunks of x, each of shape (chunk, K)."""
        if (self.stds == 0).any():
            raise ArgumentError("a mixture with point masses (std 0) has no density; diffuse it")
        with np.errstate(divide="ignore"):
            offset = np.log(self.weights) - self.dimension * (
                np.log(self.stds) + 0.5 * np.log(2.0 * np.pi)
            )
        step = max(1, _CHUNK // self.n_components)
        for i in range(0, max(len(x), 1), step):
            chunk = x[i : i + step]
            squared = np.zeros((len(chunk), self.n_components))
            for j in range(self.dimension):
                squared += (chunk[:, j, None] - self.means[:, j]) ** 2
            yield offset - 0.5 * squared / self.stds**2, chunk


def _log_sum_exp(terms: FloatArray) -> FloatArray:
    """Return log Σ exp over the last axis, stably."""
    top = terms.max(axis=-1)
    return top + np.log(np.exp(terms - top[..., None]).sum(axis=-1))


def point_masses(law: Any) -> tuple[FloatArray, FloatArray] | None:
    """Return the points and weights (K,) of a law of point masses on the line, None for others.

    >>> points, weights = point_masses(GaussianMixture.from_points([1.0, 3.0]))
    >>> points, weights
    (array([1., 3.]), array([0.5, 0.5]))
    """
    if isinstance(law, GaussianMixture) and law.dimension == 1 and not law.stds.any():
        return law.means[:, 0], law.weights
    return None


def bimodal(
    mu: float = 3.0, weights: ArrayLike = (0.5, 0.5), std: float = 1.0, d: int = 1
) -> GaussianMixture:
    """The paper's target: q₁ N(−μe, ς²I) + q₂ N(μe, ς²I), Section 4.1 (d = 1, μ = 3 or 15, ς = 1).

    Args:
        mu: μ.
        weights: q.
        std: ς.
        d: dimension; the modes lie on the first axis e.

    >>> bimodal(3.0).domain()
    (-10.0, 10.0)
    """
    mu, modes = real("mu", mu), np.zeros((2, count("d", d)))
    modes[:, 0] = -mu, mu
    return GaussianMixture(weights, modes, positive("std", std))
