"""A trained model at every training time: what `train_exact` returns.

Each method answers one question about training times τ; all are thin and call the layers below.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from os import PathLike
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ..densities.learned_density import (
    METHODS,
    LearnedDensity,
    Method,
    comparison_domain,
    learned_density,
)
from ..diffusion.law_on_domain import Domain, parse_domain
from ..diffusion.mixtures import GaussianMixture
from ..diffusion.sde import ForwardSDE
from ..diffusion.targets import Target
from ..divergences.divergences import DIVERGENCES, Kind, kl_divergence, negative_log_likelihood
from ..loss.quadratic import QuadraticLoss
from ..model.features import RandomFeatures
from ..model.score import RandomFeatureScore
from ..sampling.sampler import sample
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray, between, finite_array, one_of, training_times
from ..theory.bounds import Bound, bound_objective, kl_bound, require_density
from ..theory.decomposition import Decomposition, LimitLoss, decompose
from ..training.early_stopping import EarlyStopping, early_stopping
from ..training.gradient_flow import GradientFlow
from ..training.setup import TrainingProblem
from .evaluation import default_domain, default_time
from .persistence import save_run

Loss = Literal["train", "population", "test"]
_TIME_RULE_TOO = "quadrature and time rule"


def solve(problem: TrainingProblem) -> GradientFlow:
    """Return the exact gradient flow of a training problem."""
    return GradientFlow(problem.training_quadratic(), problem.theta0)


@dataclass(frozen=True, eq=False)
class TrainedFlow:
    """A trained model at every training time.

    Methods take `tau` (default: the run's own), of any shape; its axes lead in every result.
    Points, densities, likelihoods and samples are in the data's own units.

    Attributes:
        tau: training times at which results are given by default.
        problem: what was trained on what.
        flow: the gradient flow, with its spectrum.
    """

    tau: FloatArray
    problem: TrainingProblem
    flow: GradientFlow

    @property
    def quadratic(self) -> QuadraticLoss:
        """The loss trained on: `gram` (m, m), `cross` (1, m), `constant`."""
        return self.flow.quadratic

    @property
    def target(self) -> Target | None:
        """The law of the data, where it is known."""
        return self.problem.target

    @property
    def data(self) -> FloatArray | None:
        """Training points (n, 1) in their own units; None for population training."""
        return self.problem.data

    @property
    def sde(self) -> ForwardSDE:
        """The forward process."""
        return self.problem.objective.sde

    @property
    def features(self) -> RandomFeatures:
        """The frozen features."""
        return self.problem.features

    @cached_property
    def refined(self) -> "TrainedFlow":
        """The same training with twice the time nodes: the check of the time rule."""
        problem = replace(self.problem, objective=self.problem.objective.refined)
        return TrainedFlow(self.tau, problem, solve(problem))

    def theta(self, tau: ArrayLike | None = None) -> FloatArray:
        """Return θ(τ) = A/√m, shape τ.shape + (1, m)."""
        return self.flow.theta(self._times(tau))

    def loss(self, kind: Loss = "train", tau: ArrayLike | None = None) -> FloatArray:
        """Return a denoising loss along training, shape τ.shape.

        Args:
            kind: "train", the loss trained on; "population", under the target; "test", under
                the held-out data.
            tau: training times.

        >>> import rfdiff
        >>> run = rfdiff.train_exact(tau=1e5, n=50, m=32)
        >>> bool(run.loss("train") < run.loss("population"))
        True
        """
        tau = self._times(tau)
        if one_of("kind", kind, ("train", "population", "test")) == "train":
            return self.flow.loss(tau)
        return self.flow.loss(tau, self._population if kind == "population" else self._test)

    def score(self, x: ArrayLike, t: float, tau: ArrayLike | None = None) -> FloatArray:
        """Return s_θ(τ)(x, t) in the data's units, shape τ.shape + x.shape."""
        units = self.problem.units
        u = units.to_training(finite_array("x", x))
        return self.learned_score(tau)(u, self._evaluation_time(t)) / units.scale

    def log_density(
        self,
        x: ArrayLike,
        tau: ArrayLike | None = None,
        *,
        t: float | None = None,
        method: Method = "score-integral",
        domain: Domain | float | None = None,
    ) -> FloatArray:
        """Return log p̂_{t,θ(τ)}(x), shape τ.shape + x.shape; −∞ outside the domain."""
        units = self.problem.units
        learned = self.learned_density(tau, t=t, method=method, domain=domain)
        return learned.log_density(units.to_training(finite_array("x", x))) - np.log(units.scale)

    def density(
        self,
        x: ArrayLike,
        tau: ArrayLike | None = None,
        *,
        t: float | None = None,
        method: Method = "score-integral",
        domain: Domain | float | None = None,
    ) -> FloatArray:
        """Return p̂_{t,θ(τ)}(x), shape τ.shape + x.shape; arguments as in `kl`.

        >>> import rfdiff
        >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
        >>> bool(run.density(3.0) > 4 * run.density(0.0))
        True
        """
        return np.exp(self.log_density(x, tau, t=t, method=method, domain=domain))

    def kl(
        self,
        tau: ArrayLike | None = None,
        *,
        method: Method = "score-integral",
        against: Literal["p0", "pt"] = "p0",
        t: float | None = None,
        domain: Domain | float | None = None,
        certify: bool = False,
    ) -> Estimate:
        """Return KL(p‖p̂_{t,θ(τ)}), shape τ.shape, with p normalised on the domain.

        Args:
            tau: training times.
            method: sense of the learned density: "score-integral" [11], normalised on the domain
                too; "probability-flow" [4] or "reverse-sde" [3], laws on the line.
            against: reference p: the target p₀, or its marginal p_t at the evaluation time.
            t: evaluation time; `default_time` if None.
            domain: (a, b) in the data's units; `default_domain` if None; `np.inf` for the line,
                where the divergence is +∞ if the density cannot be normalised.
            certify: add to the error the change under twice the time nodes (trains once more).

        Raises:
            ArgumentError: the law of the data is unknown (use `nll`), or a bad choice.
        """
        tau = self._times(tau)
        t = self._evaluation_time(t)
        law = self._law(against, t)
        learned = self.learned_density(tau, t=t, method=method, domain=domain)
        estimate = kl_divergence(law, learned)
        if not certify:
            return estimate
        finer = self.refined.kl(tau, method=method, against=against, t=t, domain=domain)
        return estimate.with_change_to(finer, _TIME_RULE_TOO)

    def divergence(
        self,
        kind: Kind = "kl",
        tau: ArrayLike | None = None,
        *,
        method: Method = "score-integral",
        against: Literal["p0", "pt"] = "p0",
        t: float | None = None,
        domain: Domain | float | None = None,
    ) -> Estimate:
        """Return a divergence between p and p̂_{t,θ(τ)}, shape τ.shape, with its error.

        Formulas are with the functions of `rfdiff.divergences`. Wasserstein distances are in the
        data's unit, the Fisher divergence in its inverse square.

        Args:
            kind: "kl", the same number as `kl`; "reverse-kl", "jensen-shannon",
                "total-variation", "wasserstein-1", "wasserstein-2" or "fisher".
            tau: training times.
            method: as in `kl`.
            against: as in `kl`.
            t: as in `kl`.
            domain: as in `kl`, but by default the line for the laws on the line, "probability-flow"
                and "reverse-sde": on a bounded domain their reverse KL is +∞.

        Raises:
            ArgumentError: the law of the data is unknown (use `nll`), or a bad choice.

        >>> import rfdiff
        >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
        >>> first, second = (float(run.divergence(f"wasserstein-{order}")) for order in (1, 2))
        >>> first < second
        True
        """
        divergence = DIVERGENCES[one_of("kind", kind, DIVERGENCES)]
        if kind != "kl":
            domain = comparison_domain(method, domain)
        t = self._evaluation_time(t)
        law = self._law(against, t)
        return divergence(law, self.learned_density(tau, t=t, method=method, domain=domain))

    def nll(
        self,
        tau: ArrayLike | None = None,
        *,
        on: Literal["test", "train"] = "test",
        method: Method = "score-integral",
        t: float | None = None,
        domain: Domain | float | None = None,
        certify: bool = False,
    ) -> Estimate:
        """Return the negative log-likelihood −(1/n) Σ log p̂(x_i) in nats, in the data's units.

        Args:
            tau: training times.
            on: "test" for the held-out points, "train" for the training points.
            method: sense of the learned density.
            t: evaluation time.
            domain: as in `kl`; points outside make the result +∞.
            certify: as in `kl`.
        """
        tau = self._times(tau)
        problem = self.problem
        if one_of("on", on, ("test", "train")) == "test":
            data = self._held_out
        elif problem.data is None:
            raise ArgumentError("nll on 'train' needs training data, not the population")
        else:
            data = problem.data
        learned = self.learned_density(tau, t=t, method=method, domain=domain)
        own = negative_log_likelihood(problem.units.to_training(data), learned)
        estimate = Estimate(own.value + np.log(problem.units.scale), own.error)
        if not certify:
            return estimate
        finer = self.refined.nll(tau, on=on, method=method, t=t, domain=domain)
        return estimate.with_change_to(finer, _TIME_RULE_TOO)

    def early_stopping(self, of: str | None = None, **choices: Any) -> EarlyStopping:
        """Return τ_es: where a curve is lowest within the run's range of τ, between grid points.

        Args:
            of: "kl", "nll", "train", "population" or "test"; by default "kl" for a known target
                and "nll" for data.
            choices: passed on to `kl` or `nll` (t, domain, method, …).

        >>> import rfdiff
        >>> run = rfdiff.train_exact(n=100, m=128)
        >>> run.early_stopping().at
        'interior'
        """
        if of is None:
            of = "kl" if self.target is not None else "nll"
        curve, quantity = self._curves[one_of("of", of, self._curves)]
        return early_stopping(lambda tau: curve(tau, **choices), self.tau, quantity)

    def bound(
        self, tau: ArrayLike | None = None, *, t: float | None = None, n_times: int = 64
    ) -> Bound:
        """Return the bound [14] on KL(p_t‖p^{SDE}_{t,θ(τ)}), terms of shape τ.shape.

        ½ ∫_t^T g² E‖s_θ − ∇log p_s‖² ds + KL(p_T‖π), with errors. It bounds the law of the reverse
        SDE alone, not the densities of the other two senses.

        Args:
            tau: training times.
            t: evaluation time, below T; `default_time` if None.
            n_times: nodes of the time rule on (t, T).

        Raises:
            ArgumentError: the law of the data is unknown, or t is outside [t_min, T).

        >>> import rfdiff
        >>> run = rfdiff.train_exact(tau=1e6, n=100, m=64)
        >>> bound = run.bound()
        >>> bool(bound.total.value > bound.prior.value > 0)
        True
        """
        t = self._evaluation_time(t)
        law = require_density(self.target, float(self.sde.std(t)))
        return kl_bound(self.theta(tau), law, self.sde, self.features, t=t, n_times=n_times)

    def decomposition(
        self,
        tau: ArrayLike | None = None,
        *,
        t: float | None = None,
        n_times: int = 64,
        wide: int = 1536,
        limit: LimitLoss | None = None,
    ) -> Decomposition:
        """Return I₁, I₂, I₃ and the approximation errors [15] along τ, from θ₀ = 0.

        In the units of the bound's integral: L̃ has the weighting g² on (t, T) and is multiplied
        by (T − t)/2, so the terms add up to `bound().integral`.

        Args:
            tau: training times.
            t: evaluation time, below T; `default_time` if None.
            n_times: nodes of the time rule on (t, T).
            wide: width of the model that stands for m = ∞; halving it twice is the error.
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
        t = self._evaluation_time(t)
        law = require_density(self.target, float(self.sde.std(t)))
        if self.problem.theta0.any():
            raise ArgumentError("the decomposition needs theta0 = 0: the m → ∞ flow starts there")
        tau = self._times(tau)
        terms = decompose(
            tau,
            self.theta(tau),
            law=law,
            features=self.features,
            training=self.problem.objective,
            measured=bound_objective(self.sde, t, n_times),
            wide=wide,
            limit=limit,
        )
        return terms.scaled(0.5 * (self.sde.T - t))

    def sample(
        self,
        n: int,
        tau: ArrayLike | None = None,
        *,
        t: float | None = None,
        seed: int | None = None,
        **choices: Any,
    ) -> FloatArray:
        """Draw n samples of the learned diffusion at time t, shape τ.shape + (n,).

        All training times get the same noise. Units are the data's own.

        Args:
            n: number of samples.
            tau: training times.
            t: where paths end; `default_time` if None.
            seed: of the noise; the run's own if None.
            choices: passed on to `rfdiff.sampling.sample` (scheme, n_steps, grid, first,
                trajectories, progress, …).

        >>> import rfdiff
        >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
        >>> x = run.sample(500, n_steps=100)
        >>> x.shape, bool(0.8 < (abs(abs(x) - 3) < 2).mean())
        ((500,), True)
        """
        paths = sample(
            self.learned_score(tau),
            self.sde,
            n,
            t=self._evaluation_time(t),
            seed=self.problem.seed if seed is None else seed,
            **choices,
        )
        return self.problem.units.to_own(paths)

    def learned_score(self, tau: ArrayLike | None = None) -> RandomFeatureScore:
        """Return the score at training times, in units of training."""
        return RandomFeatureScore(self.features, self.theta(tau))

    def learned_density(
        self,
        tau: ArrayLike | None = None,
        *,
        t: float | None = None,
        method: Method = "score-integral",
        domain: Domain | float | None = None,
    ) -> LearnedDensity:
        """Return the learned density object at training times, in units of training."""
        one_of("method", method, METHODS)
        t = self._evaluation_time(t)
        domain = self._training_domain(domain, t)
        return learned_density(method, self.learned_score(tau), self.sde, t, domain)

    @cached_property
    def default_time(self) -> float:
        """The evaluation time t of densities: 0.065 for a known target (the paper's).

        For data of unknown law, the t at which σ_t is half of Silverman's bandwidth
        0.9 min(std, IQR/1.34) n^{−1/5}: the noise must not blur what n points can show.
        """
        return default_time(self.problem)

    def default_domain(self, t: float | None = None) -> Domain:
        """Return the domain of densities, in the data's units.

        The outermost modes of the target widened by 7 of their standard deviations, or its
        support if that is compact; for data of unknown law the range of all points, held-out
        ones included, widened by 7 σ_t.
        """
        return default_domain(self.problem, self._evaluation_time(t))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the run to a .npz file; `rfdiff.load` reads it back without training again."""
        save_run(path, self.tau, self.problem, self.flow)

    def __repr__(self) -> str:
        n = "population" if self.data is None else f"n={len(self.data)}"
        finite = self.tau[np.isfinite(self.tau)]
        span = f"τ = {finite.min():.4g} … {self.tau.max():.4g}" if finite.size else "τ = ∞"
        law = "data" if self.target is None else _describe(self.target)
        return f"<TrainedFlow {law}, {n}, m={self.features.width}, {self.tau.size} times, {span}>"

    def _times(self, tau: ArrayLike | None) -> FloatArray:
        return self.tau if tau is None else training_times("tau", tau)

    def _evaluation_time(self, t: float | None) -> float:
        rule = self.problem.objective.rule
        return self.default_time if t is None else between("t", t, rule.t_min, rule.t_max)

    @property
    def _curves(self) -> dict[str, tuple[Callable[..., Estimate], str]]:
        """Curves of τ that can be minimised, with their names in messages."""
        losses: tuple[Loss, ...] = ("train", "population", "test")
        return {
            "kl": (self.kl, "KL"),
            "nll": (self.nll, "negative log-likelihood"),
            **{kind: (partial(self._loss_estimate, kind), f"{kind} loss") for kind in losses},
        }

    def _loss_estimate(self, kind: Loss, tau: ArrayLike) -> Estimate:
        return Estimate(self.loss(kind, tau))

    def _law(self, against: str, t: float) -> Target:
        """Return the law that learned densities at t are compared with, in units of training."""
        if self.target is None:
            raise ArgumentError("kl needs a known target, as all divergences; for data use nll()")
        if one_of("against", against, ("p0", "pt")) == "p0":
            return self.target
        return self.target.diffuse(float(self.sde.scale(t)), float(self.sde.std(t)))

    def _training_domain(self, domain: Domain | float | None, t: float) -> Domain:
        low, high = self.default_domain(t) if domain is None else parse_domain(domain)
        units = self.problem.units
        return float(units.to_training(low)), float(units.to_training(high))

    @property
    def _held_out(self) -> FloatArray:
        if self.problem.held_out is None:
            raise ArgumentError("there are no held-out data: pass held_out > 0 with data")
        return self.problem.held_out

    @cached_property
    def _population(self) -> QuadraticLoss:
        if self.target is None:
            raise ArgumentError("the population loss needs a known target; use 'test' for data")
        return self.problem.quadratic(self.target)

    @cached_property
    def _test(self) -> QuadraticLoss:
        return self.problem.quadratic(self.problem.empirical(self._held_out))


def _describe(target: Target) -> str:
    if isinstance(target, GaussianMixture):
        return f"{target.n_components}-component mixture"
    return f"{type(target).__name__} on {target.support}"
