"""A law at T transported back to t by learned dynamics: what both such densities share."""

from abc import ABC, abstractmethod
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..diffusion.law_on_domain import Domain, Reference, parse_domain
from ..diffusion.mixtures import GaussianMixture, point_masses
from ..diffusion.sde import ForwardSDE
from ..diffusion.time_grids import reverse_time
from ..model.score import RandomFeatureScore, Score
from ..numerics.quadrature import composite_gauss_legendre
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray, positive
from .theta_error import LogDensityThetaError

# A domain that holds less than this of a learned density misses it.
_MINIMUM_MASS = 0.01
# Gauss–Legendre order for means of errors.
_ORDER = 4


@dataclass(frozen=True, eq=False)
class TransportedDensity(ABC):
    """The law at t of a reverse dynamics that starts from a prior at T, for every training time.

    It is a law on the line: `domain` says where it is compared, it is not renormalised there.
    """

    score: Score
    sde: ForwardSDE
    t: float
    prior: GaussianMixture | None = None
    domain: Domain = (-np.inf, np.inf)
    tolerance: float = 1e-3
    # What the error of θ makes of log p̂; None for scores that are exact.
    _of_theta: LogDensityThetaError | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        d, prior = self.score.dimension, self.prior
        if prior is None:
            prior = GaussianMixture([1.0], np.zeros((1, d)), self.sde.prior_std)
        elif prior.dimension != d:
            raise ArgumentError(f"prior must have dimension {d}, got {prior.dimension}")
        values = {
            "t": reverse_time(self.sde, self.t),
            "prior": prior,
            "domain": parse_domain(np.inf if self.domain is None else self.domain),
            "tolerance": positive("tolerance", self.tolerance),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if self._bounded:
            self._need_line("domain")

    @classmethod
    def of_score(cls, score: RandomFeatureScore, sde: ForwardSDE, t: float, domain: Domain) -> Self:
        """Return the density for the process's own prior, which knows what θ errs by."""
        density = cls(score, sde, t, domain=domain)
        if score.theta_error is not None:
            inside = density.domain if density._bounded else density.hull
            object.__setattr__(density, "_of_theta", LogDensityThetaError(score, t, inside))
        return density

    def on(self, domain: Domain | float) -> Self:
        """Return the same law compared on another domain: nothing is solved again."""
        domain = parse_domain(domain)
        if domain == self.domain:
            return self
        moved = copy(self)
        object.__setattr__(moved, "domain", domain)
        moved.__dict__.pop("mass", None)  # all else that is kept belongs to the law
        if moved._bounded:
            moved._need_line("domain")
            moved._check_domain()
        return moved

    @property
    def support(self) -> Domain:
        """The line."""
        return -np.inf, np.inf

    @property
    def normalizable(self) -> NDArray[np.bool_]:
        """Whether the density exists, shape (…): always."""
        return np.ones(self.shape, dtype=np.bool_)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the training times."""
        return self.score.shape

    @property
    def start_law(self) -> GaussianMixture:
        """The law at T: the prior, π if none was given."""
        assert self.prior is not None  # set on construction
        return self.prior

    @property
    def breakpoints(self) -> FloatArray:
        """No points of lesser smoothness are known in advance."""
        return np.empty(0)

    @abstractmethod
    def log_density(self, x: ArrayLike) -> FloatArray:
        """Return log p̂(x), shape (…) + x.shape (in d ≥ 2 without x's last axis)."""

    @abstractmethod
    def log_density_error(self, x: ArrayLike) -> FloatArray:
        """Return the estimated absolute error of log p̂(x), shaped as `log_density`."""

    def density(self, x: ArrayLike) -> FloatArray:
        """Return p̂(x), shaped as `log_density`."""
        return np.exp(self.log_density(x))

    def mean_log_density(self, law: Any) -> Estimate:
        """E_p[log p̂], p restricted to the domain and normalised there: shape (…).

        With p's entropy this is KL(p‖p̂) = ∫ p log(p/p̂) over the domain, p̂ the law on the line.
        A law of point masses gives the mean over its points.
        """
        self._need_line("mean_log_density")
        points = point_masses(law)
        if points is None:
            mean = self._mean_under(Reference(law, self.domain))
            if self._of_theta is None:
                return mean
            return Estimate(
                mean.value, mean.error + self._of_theta.of_mean(law, self._of_theta.hull)
            )
        x, weights = points
        value, error = self.log_density(x), self.log_density_error(x)
        return Estimate((value * weights).sum(-1), (error * weights).sum(-1))

    def theta_error_under(self, reference: Reference) -> FloatArray:
        """Return E_p of the error of log p̂ that the error of θ makes, shape (…)."""
        x, weights = composite_gauss_legendre(_ORDER, reference.edges)
        return (self._theta_error_at(x) * np.exp(reference.log_density(x)) * weights).sum(-1)

    def _theta_error_at(self, x: FloatArray) -> FloatArray:
        """Return what the error of θ makes of log p̂(x), shape (…) + x.shape."""
        if self._of_theta is None:
            return np.zeros(self.shape + x.shape)
        return self._of_theta(x)

    @property
    @abstractmethod
    def hull(self) -> Domain:
        """An interval that holds all of the mass at every training time."""

    @abstractmethod
    def _check_domain(self) -> None:
        """Refuse a domain that holds too little of the mass."""

    @abstractmethod
    def _mean_under(self, reference: Reference) -> Estimate:
        """Return E_p[log p̂] under a law with a density."""

    @property
    def _bounded(self) -> bool:
        return bool(np.isfinite(self.domain).all())

    @property
    def _n_taus(self) -> int:
        return int(np.prod(self.shape))

    def _need_line(self, name: str) -> None:
        if self.score.dimension != 1:
            raise ArgumentError(f"{name} needs one dimension, got d = {self.score.dimension}")

    def _require_mass(self, mass: FloatArray) -> None:
        """Refuse a domain that holds too little `mass` (n,) at some training time."""
        worst = int(mass.argmin())
        if mass[worst] < _MINIMUM_MASS:
            index = tuple(int(i) for i in np.unravel_index(worst, self.shape))
            where = f" at training time {index}" if index else ""
            raise ArgumentError(
                f"domain must hold at least {_MINIMUM_MASS:.0%} of the learned density, "
                f"{self.domain} holds about {mass[worst]:.2g}{where}"
            )
