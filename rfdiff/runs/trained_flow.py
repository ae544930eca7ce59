"""A trained model at every training time: what `train_exact` returns.

Each method answers one question about training times τ; all are thin and call the layers below.
"""

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike

import numpy as np
from numpy.typing import ArrayLike

from ..densities.learned_density import Method
from ..diffusion.law_on_domain import Domain
from ..diffusion.mixtures import GaussianMixture
from ..diffusion.targets import Target
from ..loss.score_matching import require_density
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.registry import Registry
from ..theory.bounds import Bound, bound_objective, kl_bound
from ..theory.decomposition import Decomposition, InfiniteWidthLoss, decompose
from ..theory.vectors.bound import vector_bound
from ..training.early_stopping import EarlyStopping, early_stopping
from .densities import Against, On
from .persistence import save_run
from .state import Loss
from .studies.trained_studies import TrainedStudies


class TrainedFlow(TrainedStudies):
    """A trained model at every training time.

    Methods take `tau` (default: the run's own), of any shape; its axes lead in every result.
    Points, scores, densities, likelihoods and samples are in the data's own units; losses and θ
    are in units of training.

    Attributes:
        tau: training times at which results are given by default.
        problem: what was trained on what.
        flow: the gradient flow, with its spectrum.
    """

    def early_stopping(
        self,
        of: str | None = None,
        *,
        method: Method | None = None,
        against: Against | None = None,
        on: On | None = None,
        t: float | None = None,
        domain: Domain | float | None = None,
        certify: bool | None = None,
    ) -> EarlyStopping:
        """Return τ_es: where a curve is lowest within the run's range of τ, between grid points.

        Args:
            of: "kl", "nll", "train", "population" or "test"; by default "kl" for a known target
                and "nll" for data, and their losses "population" and "test" for vectors.
            method: as in `kl` and `nll`; losses, which have no density, take none of these.
            against: as in `kl`.
            on: as in `nll`.
            t: as in `kl` and `nll`.
            domain: as in `kl` and `nll`.
            certify: as in `kl` and `nll`.

        Raises:
            ArgumentError: a choice that the curve does not have, or a curve the run does not have.

        >>> import rfdiff
        >>> run = rfdiff.train_exact(n=100, m=128)
        >>> run.early_stopping().at
        'interior'
        """
        if of is None:
            known = self.target is not None
            curves = ("kl", "nll") if self.dimension == 1 else ("population", "test")
            of = curves[0 if known else 1]
        curve = _CURVES[of]
        choices = {
            "method": method, "against": against, "on": on,
            "t": t, "domain": domain, "certify": certify,
        }  # fmt: skip
        given = {name: value for name, value in choices.items() if value is not None}
        for name in given:
            if name not in curve.choices:
                raise ArgumentError(f"{name} is no choice for the early stopping of {of!r}")
        return early_stopping(
            lambda tau: curve.values(self, tau, **given), self.tau, curve.quantity
        )

    def bound(
        self, tau: ArrayLike | None = None, *, t: float | None = None, n_times: int = 64
    ) -> Bound:
        """Return the bound [14] on KL(p_t‖p^{SDE}_{t,θ(τ)}), terms of shape τ.shape.

        ½ ∫_t^T g² E‖s_θ − ∇log p_s‖² ds + KL(p_T‖π), with errors. It bounds the law of the reverse
        SDE alone, not the densities by the other two definitions.

        Args:
            tau: training times.
            t: evaluation time, below T; `default_time` if None.
            n_times: nodes of the time rule on (t, T); vectors are taken at random points (x, t).

        Raises:
            ArgumentError: the law of the data is unknown, or t is outside [t_min, T).

        >>> import rfdiff
        >>> run = rfdiff.train_exact(tau=1e6, n=100, m=64)
        >>> bound = run.bound()
        >>> bool(bound.total.value > bound.prior.value > 0)
        True
        """
        t = self._evaluation_time(t)
        if self.dimension > 1:
            score = self._training_score(tau)
            return vector_bound(score, self.target, self.sde, t=t, seed=self.seed)
        law = require_density(self.target, float(self.sde.std(t)))
        return kl_bound(self._training_score(tau), law, self.sde, t=t, n_times=n_times)

    def decomposition(
        self,
        tau: ArrayLike | None = None,
        *,
        t: float | None = None,
        n_times: int = 64,
        wide: int = 1536,
        limit: InfiniteWidthLoss | None = None,
    ) -> Decomposition:
        """Return I₁, I₂, I₃ and the approximation errors [15] along τ, from θ₀ = 0.

        In the units of the bound's integral: L̃ has the weighting g² on (t, T) and is multiplied
        by (T − t)/2, so the terms add up to `bound().integral`.

        Args:
            tau: training times.
            t: evaluation time, below T; `default_time` if None.
            n_times: nodes of the time rule on (t, T).
            wide: width of the model that stands for m = ∞; halvings and random shifts of it give
                the error.
            limit: that model, to share among runs that differ in data, width or draws only.

        Raises:
            ArgumentError: the law of the data is unknown, θ₀ is not zero, or the features were
                given without the name of their law.

        >>> import rfdiff
        >>> terms = rfdiff.train_exact(tau=1e4, n=100, m=64).decomposition(wide=128)
        >>> parts = terms.sample.value + terms.infinite.value + terms.width.value
        >>> bool(abs(parts / terms.total.value - 1.0) < 1e-9)
        True
        """
        self._require_line("the decomposition")
        t = self._evaluation_time(t)
        law = require_density(self.target, float(self.sde.std(t)))
        if self.problem.theta0.any():
            raise ArgumentError("the decomposition needs theta0 = 0: the m → ∞ flow starts there")
        tau = self._times(tau)
        terms = decompose(
            tau,
            self._training_score(tau),
            law=law,
            training=self.problem.objective,
            measured=bound_objective(self.sde, t, n_times),
            wide=wide,
            limit=limit,
        )
        return terms.scaled(0.5 * (self.sde.T - t))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the run to a .npz file; `rfdiff.load` reads it back without training again."""
        save_run(path, self.tau, self.problem, self.flow)

    def __repr__(self) -> str:
        n = "population" if self.n is None else f"n={self.n}"
        finite = self.tau[np.isfinite(self.tau)]
        span = f"τ = {finite.min():.4g} … {self.tau.max():.4g}" if finite.size else "τ = ∞"
        law = "data" if self.target is None else _describe(self.target)
        return f"<TrainedFlow {law}, {n}, m={self.m}, {self.tau.size} times, {span}>"


@dataclass(frozen=True)
class _Curve:
    """A curve of τ that can be minimised: its values, its name in messages, its choices."""

    values: Callable[..., Estimate]
    quantity: str
    choices: tuple[str, ...] = ()


def _loss_curve(kind: Loss) -> _Curve:
    return _Curve(lambda run, tau: run.loss(kind, tau), f"{kind} loss")


_DENSITY_CHOICES = ("method", "t", "domain", "certify")
_CURVES = Registry(
    "of",
    {
        "kl": _Curve(TrainedFlow.kl, "KL", (*_DENSITY_CHOICES, "against")),
        "nll": _Curve(TrainedFlow.nll, "negative log-likelihood", (*_DENSITY_CHOICES, "on")),
        "train": _loss_curve("train"),
        "population": _loss_curve("population"),
        "test": _loss_curve("test"),
    },
)


def _describe(target: Target) -> str:
    if isinstance(target, GaussianMixture):
        return f"{target.n_components}-component mixture"
    return f"{type(target).__name__} on {target.support}"
