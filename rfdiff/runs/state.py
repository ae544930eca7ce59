"""The trained state: θ(τ), and what follows from it alone: score and samples."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Self

from numpy.typing import ArrayLike

from ..diffusion.law_on_domain import Domain
from ..diffusion.mixtures import GaussianMixture
from ..diffusion.sde import ForwardSDE
from ..diffusion.targets import Target
from ..loss.quadratic import QuadraticLoss
from ..model.features import RandomFeatures
from ..model.score import RandomFeatureScore, Score
from ..model.score_in_units import score_in_units
from ..sampling.path_noise import PathNoise
from ..sampling.reversal import Reversal
from ..sampling.sampler import sample
from ..support.errors import ArgumentError
from ..support.validation import FloatArray, between, finite_array, training_times
from ..training.gradient_flow import GradientFlow
from ..training.rounding import FlowRounding, FlowRoundingAt
from ..training.setup import TrainingProblem
from .defaults import default_domain, default_time

Loss = Literal["train", "population", "test"]


def solve(problem: TrainingProblem) -> GradientFlow:
    """Return the exact gradient flow of a training problem."""
    return GradientFlow(problem.training_quadratic(), problem.theta0)


@dataclass(frozen=True, eq=False)
class TrainedState:
    """The parameters of a model at every training time.

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
        """The loss trained on: `gram` (m, m), `cross` (d, m), `constant`."""
        return self.flow.quadratic

    @property
    def target(self) -> Target | None:
        """The law of the data, where it is known."""
        return self.problem.target

    @property
    def data(self) -> FloatArray | None:
        """Training points (n, D) in their own units; None for population training."""
        return self.problem.data

    @property
    def n(self) -> int | None:
        """Number of training points; None for population training."""
        return None if self.data is None else len(self.data)

    @property
    def dimension(self) -> int:
        """Dimension d that is trained in: that of the data, or their principal coordinates."""
        return self.features.dimension

    @property
    def m(self) -> int:
        """Number of random features."""
        return self.features.width

    @property
    def seed(self) -> int:
        """Seed of everything that was drawn, and of samples unless they get their own."""
        return self.problem.seed

    @property
    def sde(self) -> ForwardSDE:
        """The forward process, of data in units of training."""
        return self.problem.objective.sde

    @property
    def features(self) -> RandomFeatures:
        """The frozen features, of data in units of training."""
        return self.problem.features

    @cached_property
    def refined(self) -> Self:
        """The same training with twice the time nodes: the check of the time rule."""
        problem = replace(self.problem, objective=self.problem.objective.refined)
        return replace(self, problem=problem, flow=solve(problem))

    @cached_property
    def default_time(self) -> float:
        """The evaluation time t of densities: 0.065 for a known target (the paper's).

        For data of unknown law, the t at which σ_t is half of Silverman's bandwidth
        0.9 min(std, IQR/1.34) n^{−1/5}: the noise must not blur what n points can show.
        """
        return default_time(self.problem)

    def default_domain(self, t: float | None = None) -> Domain:
        """Return the domain of densities on the line, in the data's units.

        The outermost modes of the target widened by 7 of their standard deviations, or its
        support if that is compact; for data of unknown law the range of all points, held-out
        ones included, widened by 7 σ_t.

        Args:
            t: evaluation time; `default_time` if None.
        """
        self._require_line("a domain of densities")
        return default_domain(self.problem, self._evaluation_time(t))

    def theta(self, tau: ArrayLike | None = None) -> FloatArray:
        """Return θ(τ) = A/√m, shape τ.shape + (d, m), in units of training."""
        return self.flow.theta(self._times(tau))

    def learned_score(self, tau: ArrayLike | None = None) -> Score:
        """Return the score at training times: of points in the data's units, in 1/[x]."""
        return score_in_units(self._training_score(tau), self.problem.units)

    def score(self, x: ArrayLike, t: float, tau: ArrayLike | None = None) -> FloatArray:
        """Return s_θ(τ)(x, t), shape τ.shape + x.shape, in 1/[x].

        Args:
            x: points of any shape, in the data's units.
            t: time of the process, from t_min to T.
            tau: training times.
        """
        return self.learned_score(tau)(finite_array("x", x), self._evaluation_time(t))

    def sample(
        self,
        n: int,
        tau: ArrayLike | None = None,
        *,
        t: float | None = None,
        scheme: str = "heun",
        n_steps: int = 500,
        grid: str = "log",
        seed: int | None = None,
        first: int = 0,
        prior: GaussianMixture | None = None,
        noise: ArrayLike | None = None,
        trajectories: bool = False,
        progress: bool | None = None,
    ) -> FloatArray:
        """Draw n samples of the learned diffusion at time t, in the data's units.

        All training times get the same noise.

        Args:
            n: number of samples.
            tau: training times.
            t: where paths end, below T; `default_time` if None.
            scheme: "euler-maruyama" (weak order 1), "exponential" (1, exact for a frozen
                denoiser), "heun" (2), or "probability-flow" (deterministic, Heun's method, 2).
            n_steps: number of steps.
            grid: times "uniform" in t, "log" (uniform in ln σ_t/r) or "edm".
            seed: of the noise; the run's own if None.
            first: number of the first path: `first=1000` continues a sample of 1000.
            prior: law of x(T), in the data's units; the process's own prior if None.
            noise: standard normals to use instead, shape (n_steps + 1, n), for vectors
                (n_steps + 1, n, d); the first of them make x(T) = prior_std · noise[0].
            trajectories: return every position instead of the last.
            progress: whether to show a progress bar.

        Returns:
            Samples, shape τ.shape + (n,), of vectors τ.shape + (n, D); with `trajectories` an axis
            of the n_steps + 1 falling times comes before n.

        Raises:
            ArgumentError: bad arguments, or paths that do not stay finite.

        >>> import rfdiff
        >>> run = rfdiff.train_exact(tau=1e6, n=1000, m=128)
        >>> x = run.sample(500, n_steps=100)
        >>> x.shape, bool(0.8 < (abs(abs(x) - 3) < 2).mean())
        ((500,), True)
        """
        units = self.problem.units
        paths = sample(
            self._training_score(tau),
            Reversal(self.sde, self._evaluation_time(t), scheme, n_steps, grid),
            n,
            noise=PathNoise(
                self.seed if seed is None else seed,
                first,
                None if prior is None else units.law_to_training(prior),
                noise,
            ),
            trajectories=trajectories,
            progress=progress,
        )
        return units.to_own(paths)

    def _training_score(self, tau: ArrayLike | None) -> RandomFeatureScore:
        """Return the score in units of training, where the process runs."""
        tau = self._times(tau)
        return RandomFeatureScore(
            self.features, self.theta(tau), self._theta_error(tau), self.problem.skip
        )

    def _theta_error(self, tau: FloatArray) -> FlowRoundingAt:
        return FlowRoundingAt(self._rounding, tau.ravel())

    @cached_property
    def _rounding(self) -> FlowRounding:
        return FlowRounding(self.flow)

    def _require_line(self, what: str) -> None:
        """Refuse what is computed by quadrature in x, and name what vectors have instead."""
        if self.dimension > 1:
            raise ArgumentError(
                f"{what} needs data on the line, got d = {self.dimension}: vectors have loss(), "
                "nll() by the probability flow, bound(), sample() and memorisation()"
            )

    def _times(self, tau: ArrayLike | None) -> FloatArray:
        return self.tau if tau is None else training_times("tau", tau)

    def _evaluation_time(self, t: float | None) -> float:
        rule = self.problem.objective.rule
        return self.default_time if t is None else between("t", t, rule.t_min, rule.t_max)

    @property
    def _held_out(self) -> FloatArray:
        if self.problem.held_out is None:
            raise ArgumentError("there are no held-out data: pass held_out > 0 with data")
        return self.problem.held_out
