"""Units: training happens on a standardised scale, results are in the data's own units.

`Units` is the only place that shifts and scales. What leaves a run has passed one of its methods.
Losses, θ(τ), the features' weights, the process and its noise σ_t stay in units of training: a
loss of standardised data says how well their scores are learned whatever unit they came in.
"""

from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from ..diffusion.law_on_domain import Domain
from ..support.errors import ArgumentError
from ..support.validation import FloatArray, finite_array, positive

# A spread of so few spacings of floats is rounding.
_FEWEST_FLOATS = 4
# Squares of what is smaller lose digits, or vanish.
_SMALLEST = 1e-150


class Standardisable(Protocol):
    """A law that can be shifted and scaled."""

    def standardised(self, shift: Any, scale: float, axes: FloatArray | None = None) -> Self:
        """Return the law of Qᵀ(x − shift)/scale."""


Law = TypeVar("Law", bound=Standardisable)


@dataclass(frozen=True, eq=False)
class Units:
    """x = shift + scale·u, with x in the data's own units [x] and u in training's.

    A density of u in d dimensions is that of x times scaleᵈ, a score of u that of x times scale.
    With principal axes Q it is x = shift + scale·Qu: u are a point's first principal coordinates,
    and what leaves a run lies in the plane that they span.

    Args:
        shift: one number, or one for each dimension, (d,), in [x].
        scale: one positive number in [x] for all dimensions.
        axes: Q, shape (D, d) with orthonormal columns, or None.

    >>> units = Units(2.0, 4.0)
    >>> float(units.to_training(10.0)), float(units.to_own(2.0))
    (2.0, 10.0)
    >>> units.domain_to_training((-2.0, 10.0)), float(units.length_to_own(0.5))
    ((-1.0, 2.0), 2.0)
    >>> float(units.score_to_own(1.0)), float(units.score_divergence_to_own(1.0))
    (0.25, 0.0625)
    """

    shift: float | FloatArray = 0.0
    scale: float = 1.0
    axes: FloatArray | None = None

    def __post_init__(self) -> None:
        shift = finite_array("shift", self.shift)
        if shift.ndim > 1:
            raise ArgumentError(f"shift must be a number or (d,), got shape {shift.shape}")
        object.__setattr__(self, "shift", shift if shift.ndim else float(shift))
        object.__setattr__(self, "scale", positive("scale", self.scale))

    @classmethod
    def standardising(cls, data: FloatArray) -> "Units":
        """Return the units in which data (n, d) have mean 0 and mean square d.

        One scale serves all dimensions, the root mean square of their standard deviations: a
        scale for each would change the shape of the noise.

        Raises:
            ArgumentError: all points are equal to rounding, or so close that squares vanish.

        >>> units = Units.standardising(np.array([[0.0, 1.0], [6.0, 9.0]]))
        >>> units.shift, round(units.scale ** 2, 12)  # the variances are 9 and 16
        (array([3., 5.]), 12.5)
        """
        columns = data.T
        scale = float(np.sqrt(np.mean([column.std() ** 2 for column in columns])))
        # The mean is known to the spacing of floats: a spread of a few of them is its rounding.
        few = _FEWEST_FLOATS * float(np.spacing(np.abs(data).max()))
        if np.ptp(data, axis=0).max() <= few or 0.0 < scale <= few:
            raise ArgumentError(
                "data must not all be equal, but for rounding, to be standardised, got "
                f"{len(data)} copies of {', '.join(f'{x:g}' for x in data[0])}; "
                "pass standardise=False"
            )
        if scale < _SMALLEST:
            raise ArgumentError(
                f"data must spread by at least {_SMALLEST:g} to be standardised, for squares of it "
                f"must not vanish, got {scale:g}"
            )
        means = np.array([column.mean() for column in columns])
        return cls(means if len(means) > 1 else float(means[0]), scale)

    @classmethod
    def principal(cls, data: FloatArray, k: int, standardise: bool = True) -> "Units":
        """Return the units in which data (n, D) are their first k principal coordinates.

        They have mean 0, and mean square k if standardised.

        Raises:
            ArgumentError: data of fewer than k dimensions or points.

        >>> units = Units.principal(np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]), 1)
        >>> units.to_training([3.0, 4.0]), bool(abs(units.scale**2 - 50 / 3) < 1e-12)
        (array([0.]), True)
        """
        mean = data.mean(axis=0)
        # n points about their mean span at most n − 1 dimensions.
        most = min(data.shape[1], len(data) - 1)
        if not 1 <= k <= most:
            raise ArgumentError(
                f"pca must be from 1 to {most} for {len(data)} points of {data.shape[1]} "
                f"dimensions, got {k}"
            )
        _, singular, rows = np.linalg.svd(data - mean, full_matrices=False)
        spanned = int((singular > len(data) * np.finfo(float).eps * singular[0]).sum())
        if k > spanned:
            raise ArgumentError(
                f"pca must be at most the {spanned} dimensions that the data span, got {k}"
            )
        # An axis and its opposite are equally good: the largest entry is made positive.
        rows = rows[:k]
        largest = np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, None], axis=1)
        axes = np.ascontiguousarray((rows * np.sign(largest)).T)
        along = (data - mean) @ axes
        return cls(mean, cls.standardising(along).scale if standardise else 1.0, axes)

    @property
    def is_identity(self) -> bool:
        """Whether training happens in the data's own units: nothing changes on the way."""
        return self.scale == 1.0 and not np.any(self.shift) and self.axes is None

    def to_training(self, x: ArrayLike) -> FloatArray:
        """Return points u = (x − shift)/scale, in the shape of x but for principal axes."""
        centred = np.asarray(x, dtype=np.float64) - self.shift
        return np.asarray((centred if self.axes is None else centred @ self.axes) / self.scale)

    def to_own(self, u: ArrayLike) -> FloatArray:
        """Return points or samples x = shift + scale·u, in u's shape but for principal axes."""
        return np.asarray(self.shift + self._turned(self.scale * np.asarray(u, dtype=np.float64)))

    def _turned(self, u: FloatArray) -> FloatArray:
        """Return Qu, vectors in the data's own axes."""
        return u if self.axes is None else u @ self.axes.T

    def domain_to_training(self, domain: Domain) -> Domain:
        """Return an interval (a, b) of the line in units of training; the line stays the line."""
        low, high = self.to_training(domain)
        return float(low), float(high)

    def domain_to_own(self, domain: Domain) -> Domain:
        """Return an interval (a, b) of the line in the data's units; the line stays the line."""
        low, high = self.to_own(domain)
        return float(low), float(high)

    def law_to_training(self, law: Law) -> Law:
        """Return the law of u, where x has the law given: its points to the bit `to_training`'s.

        >>> from rfdiff.diffusion.mixtures import GaussianMixture
        >>> law = Units(2.0, 4.0).law_to_training(GaussianMixture([1.0], [[10.0]], 2.0))
        >>> float(law.means[0, 0]), float(law.stds[0])
        (2.0, 0.5)
        """
        return law.standardised(self.shift, self.scale, self.axes)

    def length_to_training(self, length: ArrayLike) -> FloatArray:
        """Return distances and standard deviations in units of training."""
        return np.asarray(length, dtype=np.float64) / self.scale

    def length_to_own(self, length: ArrayLike, power: int = 1) -> FloatArray:
        """Return distances and standard deviations in the data's units.

        Args:
            length: of any shape.
            power: power of the length: −2 for a Fisher divergence, 0 changes nothing.
        """
        return np.asarray(length, dtype=np.float64) * self.scale**power

    def score_to_own(self, score: ArrayLike) -> FloatArray:
        """Return ∇ₓ log p from ∇ᵤ log p."""
        return self._turned(np.asarray(score, dtype=np.float64) / self.scale)

    def score_divergence_to_own(self, divergence: ArrayLike) -> FloatArray:
        """Return ∇ₓ·s from ∇ᵤ·s of a score."""
        return np.asarray(divergence, dtype=np.float64) / self.scale**2

    def density_to_own(self, density: ArrayLike, dimension: int = 1) -> FloatArray:
        """Return p(x) = p(u)/scaleᵈ in 1/[x]ᵈ, with arguments as in `log_density_to_own`."""
        return np.asarray(density, dtype=np.float64) / self.scale**dimension

    def log_density_to_own(self, log_density: ArrayLike, dimension: int = 1) -> FloatArray:
        """Return log p(x) = log p(u) − d log(scale), in nats.

        Args:
            log_density: log p(u), of any shape.
            dimension: d, the dimension of u.

        >>> float(Units(0.0, np.e).log_density_to_own(0.0, dimension=3))
        -3.0
        """
        log_density = np.asarray(log_density, dtype=np.float64)
        return np.asarray(log_density - dimension * np.log(self.scale))
