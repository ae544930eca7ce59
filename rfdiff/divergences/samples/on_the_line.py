"""Distances of samples from a law or from other samples on the line, with bootstrap intervals.

The Wasserstein and Kolmogorov–Smirnov distances are those of the empirical law, exactly. The other
divergences need densities, which samples have not.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...diffusion.law_on_domain import Reference
from ...numerics.bootstrap import BootstrapEstimate, Counts, Statistic, bootstrap, repeated
from ...numerics.panels import Panels, quantiles
from ...support.errors import ArgumentError
from ...support.validation import FloatArray, between, count, finite_array, one_of

SampleKind = Literal["wasserstein-1", "wasserstein-2", "kolmogorov-smirnov"]
KINDS: tuple[SampleKind, ...] = get_args(SampleKind)


def sample_divergence(
    kind: SampleKind,
    samples: ArrayLike,
    other: Any,
    *,
    n_boot: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> BootstrapEstimate:
    """Return a distance of samples (…, n) from a law, or from samples (k,) or (…, k).

    W₁ = ∫|F_n − F| dx, W₂ = (∫₀¹(F_n⁻¹ − F⁻¹)² du)^{1/2} or KS = sup|F_n − F|, exactly.

    A bootstrap of n_boot replicates costs O(n) each, without sorting; samples on leading axes are
    resampled together, as paths that share their noise.

    Args:
        kind: "wasserstein-1", "wasserstein-2" or "kolmogorov-smirnov".
        samples: in the unit of distances.
        other: a mixture or another one-dimensional law with a density, or an array.
        n_boot: number of replicates.
        confidence: of the interval, in (0, 1).
        seed: of the stream "bootstrap".

    Raises:
        ArgumentError: bad arguments.

    >>> from rfdiff import bimodal
    >>> samples = bimodal(3.0).sample(4000, np.random.default_rng(0))[:, 0]
    >>> sample_divergence("wasserstein-1", samples + 0.5, bimodal(3.0))
    0.5... (95%: 0.4... to 0.6...)
    """
    one_of("kind", kind, KINDS)
    n_boot, confidence = count("n_boot", n_boot, 10), between("confidence", confidence, 0.5, 0.9999)
    x = _samples("samples", samples)
    rows, order = _sorted(x)
    orders = [order]
    if hasattr(other, "log_density"):
        law = _SampledLaw.make(other, rows.shape[1])
        pairs = [_against_law(kind, row, law) for row in rows]
    else:
        others, other_order = _sorted(_like(_samples("other", other), x))
        both = zip(rows, others, strict=True)
        pairs = [_against_samples(kind, row, another) for row, another in both]
        orders.append(other_order)
    statistics, selves = zip(*pairs, strict=True)
    return bootstrap(
        statistics, selves, orders, n_boot=n_boot, confidence=confidence, seed=seed
    ).reshape(x.shape[:-1])


def _samples(name: str, value: ArrayLike) -> FloatArray:
    array = finite_array(name, value)
    if array.ndim == 0 or array.shape[-1] < 2:
        raise ArgumentError(f"{name} must have at least two points, got shape {array.shape}")
    return array


def _like(other: FloatArray, x: FloatArray) -> FloatArray:
    """Return the other samples with the leading axes of x."""
    try:
        return np.broadcast_to(other, x.shape[:-1] + other.shape[-1:])
    except ValueError:
        raise ArgumentError(
            f"other must have shape (k,) or the leading axes of samples, got {other.shape} "
            f"beside {x.shape}"
        ) from None


def _sorted(x: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Return the rows of samples sorted, (R, n), and the positions that sort them."""
    rows = x.reshape(-1, x.shape[-1])
    order = np.argsort(rows, axis=1, kind="stable")
    return np.take_along_axis(rows, order, 1), order


@dataclass(frozen=True, eq=False)
class _SampledLaw:
    """A law as n sorted points see it: partial means M(u) = ∫₀ᵘ F⁻¹ at u = k/n.

    The cumulative weights of every resample are such u, so no replicate inverts F again.
    """

    reference: Reference
    partial_means: FloatArray
    second_moment: float

    @classmethod
    def make(cls, law: Any, n: int) -> "_SampledLaw":
        reference = Reference(law, (-np.inf, np.inf))
        panels = Panels.between(reference.edges)
        p = np.exp(reference.log_density(panels.x))
        u = np.arange(1, n) / n
        points = quantiles(panels, p, u)
        inner, cdf = cls._moments(reference, points)
        mean = float(panels.integrals(p * panels.x).sum())
        # To first order in what F⁻¹ errs by.
        inner = inner + points * (u - cdf)
        second = float(panels.integrals(p * panels.x**2).sum())
        return cls(reference, np.concatenate([[0.0], inner, [mean]]), second)

    @staticmethod
    def _moments(reference: Reference, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return E[Y; Y ≤ x] and F(x) at sorted points."""
        tails = reference.lower_tails(x).value
        return x * tails[0] - tails[1], tails[0]

    def at(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return M(F(x)) and F(x) at sorted points."""
        return self._moments(self.reference, x)


def _against_law(kind: str, x: FloatArray, law: _SampledLaw) -> tuple[Statistic, Statistic]:
    """Return statistics of resamples of sorted points, against a law and against the points."""
    means, cdf = law.at(x)
    pair = sorted_distance(kind, x, x)
    once = np.ones((1, len(x)), dtype=np.int64)
    return _law_distance(kind, x, means, cdf, law), lambda counts: pair(counts, once)


def _law_distance(
    kind: str, x: FloatArray, means: FloatArray, cdf: FloatArray, law: _SampledLaw
) -> Statistic:
    """Return a distance of resamples of x (n,) from a law: M and F at x, and M at k/n."""
    u = np.arange(len(x) + 1) / len(x)
    low, high, start, end = u[:-1], u[1:], law.partial_means[:-1], law.partial_means[1:]

    def first(counts: Counts) -> FloatArray:
        # ∫|x − F⁻¹| over one u-cell changes sign at v = F(x), if that is inside it.
        index = repeated(counts)
        v, middle = cdf[index], means[index]
        middle = np.where(v <= low, start, np.where(v >= high, end, middle))
        pieces = x[index] * (2.0 * np.clip(v, low, high) - low - high) + start + end - 2.0 * middle
        return np.asarray(pieces.sum(1))

    # The mean of F⁻¹ on each u-cell, and what its spread within the cells adds to W₂².
    centre = len(x) * (end - start)
    spread = max(law.second_moment - float(np.mean(centre**2)), 0.0)

    def second(counts: Counts) -> FloatArray:
        return np.sqrt(np.mean((x[repeated(counts)] - centre) ** 2, axis=1) + spread)

    def smirnov(counts: Counts) -> FloatArray:
        resampled = cdf[repeated(counts)]
        return np.maximum((high - resampled).max(1), (resampled - low).max(1))

    return {"wasserstein-1": first, "wasserstein-2": second}.get(kind, smirnov)


def _against_samples(kind: str, x: FloatArray, y: FloatArray) -> tuple[Statistic, Statistic]:
    """Return statistics of resamples of sorted points x and y, and of each against its own."""
    of_x, of_y = sorted_distance(kind, x, x), sorted_distance(kind, y, y)
    ones_x, ones_y = (np.ones((1, len(points)), dtype=np.int64) for points in (x, y))
    return (
        sorted_distance(kind, x, y),
        lambda counts, others: of_x(counts, ones_x) + of_y(others, ones_y),
    )


def sorted_distance(kind: str, x: FloatArray, y: FloatArray) -> Statistic:
    """Return a distance between resamples of sorted points x (n,) and y (k,)."""
    n, k = len(x), len(y)
    # On each interval of u between multiples of 1/n and of 1/k both inverses are constant.
    u = np.unique(np.concatenate([np.arange(n + 1) * k, np.arange(k + 1) * n]))
    widths = np.diff(u) / (n * k)
    in_x, in_y = u[:-1] // k, u[:-1] // n
    power = 2 if kind == "wasserstein-2" else 1

    def wasserstein(counts: Counts, others: Counts) -> FloatArray:
        gap = np.abs(x[repeated(counts)][:, in_x] - y[repeated(others)][:, in_y])
        return (gap**power @ widths) ** (1.0 / power)

    points = np.unique(np.concatenate([x, y]))
    below_x, below_y = (np.searchsorted(sample, points, side="right") for sample in (x, y))

    def smirnov(counts: Counts, others: Counts) -> FloatArray:
        steps = [np.pad(np.cumsum(c, axis=1), ((0, 0), (1, 0))) for c in (counts, others)]
        return np.abs(steps[0][:, below_x] / n - steps[1][:, below_y] / k).max(1)

    return smirnov if kind == "kolmogorov-smirnov" else wasserstein
