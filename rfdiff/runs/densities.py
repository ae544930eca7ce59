"""Learned densities of a run, in the data's own units, and what is asked of them."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ..densities.in_units import in_units
from ..densities.learned_density import METHODS, LearnedDensity, Method, learned_density
from ..densities.probability_flow.of_vectors import vector_log_density
from ..diffusion.law_on_domain import Domain, parse_domain
from ..diffusion.targets import Target
from ..divergences.by_name import DIVERGENCES, Kind
from ..divergences.kl import negative_log_likelihood
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray, finite_array, one_of, points
from .certified import certified
from .losses import TrainedLosses
from .solved import Solved

Against = Literal["p0", "pt"]
On = Literal["test", "train"]


@dataclass(frozen=True, eq=False)
class TrainedDensities(TrainedLosses):
    """A trained state with the densities that its score stands for.

    The densities solved most recently are kept: to ask for a KL, then a Wasserstein distance,
    then the density itself, with the same `tau`, `method`, `t` and `domain`, solves once.
    """

    _solved: Solved[LearnedDensity] = field(init=False, repr=False, default_factory=Solved)

    def learned_density(
        self,
        tau: ArrayLike | None = None,
        *,
        t: float | None = None,
        method: Method = "score-integral",
        domain: Domain | float | None = None,
    ) -> LearnedDensity:
        """Return the learned density at training times, an object, in the data's units.

        Args:
            tau: training times.
            t: as in `kl`.
            method: as in `kl`.
            domain: (a, b) in the data's units, or `np.inf` for the line; `default_domain` if None.

        >>> import rfdiff
        >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
        >>> learned = run.learned_density(method="reverse-sde")
        >>> bool(0.4 < learned.cdf(0.0) < 0.6), learned is run.learned_density(method="reverse-sde")
        (True, True)
        """
        self._require_line("a learned density by quadrature")
        tau = self._times(tau)
        one_of("method", method, METHODS)
        t = self._evaluation_time(t)
        domain = self.default_domain(t) if domain is None else parse_domain(domain)

        def solved() -> LearnedDensity:
            units = self.problem.units
            within = units.domain_to_training(domain)
            learned = learned_density(method, self._training_score(tau), self.sde, t, within)
            return in_units(learned, units, domain)

        return self._solved.get((method, t, domain, tau.shape, tau.tobytes()), solved)

    def log_density(
        self,
        x: ArrayLike,
        tau: ArrayLike | None = None,
        *,
        t: float | None = None,
        method: Method | None = None,
        domain: Domain | float | None = None,
    ) -> FloatArray:
        """Return log p̂_{t,θ(τ)}(x), shape τ.shape + x.shape; of vectors by the probability flow.

        Arguments are as in `density`; x are points (N, D) in d ≥ 2, where the result has the shape
        τ.shape + (N,). A score integral's is −∞ outside its domain.
        """
        if self.dimension > 1:
            return self._of_vectors(x, tau, t, method).value
        method = "score-integral" if method is None else method
        learned = self.learned_density(tau, t=t, method=method, domain=domain)
        return learned.log_density(finite_array("x", x))

    def density(
        self,
        x: ArrayLike,
        tau: ArrayLike | None = None,
        *,
        t: float | None = None,
        method: Method | None = None,
        domain: Domain | float | None = None,
    ) -> FloatArray:
        """Return p̂_{t,θ(τ)}(x) in 1/[x]ᵈ, shape τ.shape + x.shape; of vectors as `log_density`.

        Args:
            x: points of any shape, in the data's units.
            tau: training times.
            t: as in `kl`.
            method: as in `nll`.
            domain: as in `learned_density`.

        >>> import rfdiff
        >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
        >>> bool(run.density(3.0) > 4 * run.density(0.0))
        True
        """
        if self.dimension > 1:
            return np.exp(self.log_density(x, tau, t=t, method=method))
        method = "score-integral" if method is None else method
        learned = self.learned_density(tau, t=t, method=method, domain=domain)
        return learned.density(finite_array("x", x))

    def kl(
        self,
        tau: ArrayLike | None = None,
        *,
        method: Method = "score-integral",
        against: Against = "p0",
        t: float | None = None,
        domain: Domain | float | None = None,
        certify: bool = False,
    ) -> Estimate:
        """Return KL(p‖p̂_{t,θ(τ)}), shape τ.shape, with p normalised on the domain.

        Args:
            tau: training times.
            method: definition of the learned density: "score-integral" [11], normalised on the
                domain too; "probability-flow" [4] or "reverse-sde" [3], laws on the line.
            against: reference p: the target p₀, or its marginal p_t at the evaluation time.
            t: evaluation time; `default_time` if None.
            domain: (a, b) in the data's units, or `np.inf` for the line, where the divergence is
                +∞ if the density cannot be normalised. None compares both laws where p̂ is one:
                `default_domain` for the score integral, the line for the two laws on the line.
            certify: return the KL with 4 times the time nodes, its error covering the time rule by
                what 2 and 4 times the nodes change (trains twice more, see `runs.certified`).

        Raises:
            ArgumentError: the law of the data is unknown (use `nll`), or a bad choice.
        """
        tau = self._times(tau)

        def curve(run: "TrainedDensities", times: FloatArray) -> Estimate:
            return run.divergence("kl", times, method=method, against=against, t=t, domain=domain)

        return certified(self, tau, curve) if certify else curve(self, tau)

    def divergence(
        self,
        kind: Kind = "kl",
        tau: ArrayLike | None = None,
        *,
        method: Method = "score-integral",
        against: Against = "p0",
        t: float | None = None,
        domain: Domain | float | None = None,
    ) -> Estimate:
        """Return a divergence between p and p̂_{t,θ(τ)}, shape τ.shape, with its error.

        Formulas are with the functions of `rfdiff.divergences`. Wasserstein distances are in the
        data's unit, the Fisher divergence in its inverse square.

        Args:
            kind: "kl", the same number as `kl`; "reverse-kl", "jensen-shannon",
                "total-variation", "wasserstein-1", "wasserstein-2" or "fisher", which is
                +∞ for the probability flow of nearly every ReLU score and refused there.
            tau: training times.
            method: as in `kl`.
            against: as in `kl`.
            t: as in `kl`.
            domain: as in `kl`.

        Raises:
            ArgumentError: the law of the data is unknown (use `nll`), or a bad choice.

        >>> import rfdiff
        >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
        >>> first, second = (float(run.divergence(f"wasserstein-{order}")) for order in (1, 2))
        >>> first < second
        True
        """
        divergence = DIVERGENCES[kind]
        t = self._evaluation_time(t)
        law = self._law(against, t)
        learned = self.learned_density(tau, t=t, method=method, domain=domain)
        return divergence(law, learned.on(learned.support) if domain is None else learned)

    def nll(
        self,
        tau: ArrayLike | None = None,
        *,
        on: On = "test",
        method: Method | None = None,
        t: float | None = None,
        domain: Domain | float | None = None,
        certify: bool = False,
    ) -> Estimate:
        """Return the negative log-likelihood −(1/n) Σ log p̂(x_i) in nats, in the data's units.

        Args:
            tau: training times.
            on: "test" for the held-out points, "train" for the training points.
            method: definition of the learned density, as in `kl`; None is the score integral on
                the line and the probability flow for vectors, which have no other.
            t: evaluation time.
            domain: (a, b) in the data's units, `default_domain` if None; points outside make the
                result +∞.
            certify: as in `kl`.
        """
        if one_of("on", on, ("test", "train")) == "test":
            data = self._held_out
        elif self.data is None:
            raise ArgumentError("nll on 'train' needs training data, not the population")
        else:
            data = self.data

        def curve(run: "TrainedDensities", times: FloatArray) -> Estimate:
            if run.dimension > 1:
                logs = run._of_vectors(data, times, t, method)
                return Estimate(-logs.value.mean(-1), logs.error.mean(-1), logs.error_covers)
            chosen: Method = "score-integral" if method is None else method
            learned = run.learned_density(times, t=t, method=chosen, domain=domain)
            return negative_log_likelihood(data, learned)

        tau = self._times(tau)
        return certified(self, tau, curve) if certify else curve(self, tau)

    def _of_vectors(
        self, x: ArrayLike, tau: ArrayLike | None, t: float | None, method: Method | None
    ) -> Estimate:
        """Return log p̂ of vectors (N, D) by the probability flow, τ.shape + (N,)."""
        if method not in (None, "probability-flow"):
            raise ArgumentError(
                f"method must be 'probability-flow' for vectors, d = {self.dimension}, "
                f"got {method!r}"
            )
        units = self.problem.units
        u = units.to_training(points("x", x))
        score = self._training_score(tau)
        found = vector_log_density(score, self.sde, self._evaluation_time(t), u)
        value = units.log_density_to_own(found.value, self.dimension)
        return Estimate(value, found.error, found.error_covers)

    def _law(self, against: str, t: float) -> Target:
        """Return the law that learned densities at t are compared with.

        A known target fixes the units: the process runs in the data's own.
        """
        if self.target is None:
            raise ArgumentError("kl needs a known target, as all divergences; for data use nll()")
        if one_of("against", against, ("p0", "pt")) == "p0":
            return self.target
        return self.target.diffuse(float(self.sde.scale(t)), float(self.sde.std(t)))
