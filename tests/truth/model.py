"""The true model behind a run: its draws taken as given, everything else computed anew."""

from functools import cache, cached_property
from typing import Any

import numpy as np
from flint import arb

from .arithmetic import doubles, exact, vector
from .assembly import Quadratic, assemble, assemble_draws
from .flow import theta_at
from .laws import Density, compact, gaussians
from .mixtures import Mixture
from .process import Features, Process, Weighting
from .rules import Moving, Rule, draw_edges, fine_edges, graded, panelled

# Nodes a panel of the fine time rule, and of the one that tells how well it does.
FINE, CHECK = 12, 8


class Truth:
    """θ(τ), losses and laws of a run's problem.

    Args:
        run: what `train_exact` returned; only its draws and parameters are read.
        n_times: nodes of the run's time rule.
        order: nodes a panel of the fine time rule; None for the run's own rule.
    """

    def __init__(self, run: Any, n_times: int, order: int | None = None) -> None:
        problem = run.problem
        self.run, self.problem = run, problem
        self.process = Process.of(run.sde)
        self.features = Features(run.features, self.process)
        self.weighting = Weighting(problem.objective.weighting, self.process)
        self.t_min, self.t_max = problem.objective.rule.t_min, float(run.sde.T)
        self.n_times, self.order = n_times, order
        self.theta0 = vector(problem.theta0[0])

    @cached_property
    def units(self) -> tuple[arb, arb]:
        """Shift and scale of training, from the data themselves."""
        if self.problem.units.is_identity:
            return arb(0), arb(1)
        x = vector(self.problem.data[:, 0])
        mean = sum(x, arb(0)) / len(x)
        return mean.mid(), (sum(((y - mean) ** 2 for y in x), arb(0)) / len(x)).sqrt().mid()

    def in_training(self, points: Any) -> list[arb]:
        """Return points in units of training."""
        shift, scale = self.units
        return [((exact(x) - shift) / scale).mid() for x in np.ravel(points)]

    def law(self, kind: str) -> Mixture:
        """Return the law of the "train", "population" or "test" loss."""
        if kind == "population" or (kind == "train" and self.problem.data is None):
            return Mixture.of_target(self.problem.target)
        points = self.problem.data if kind == "train" else self.problem.held_out
        return Mixture.of_points(self.in_training(points))

    def rule(self, law: Mixture) -> Rule:
        """Return the nodes in t."""
        if self.order is None:
            return graded(self.t_min, self.t_max, self.n_times)
        return panelled(self.edges(law, self.t_min), self.order)

    def edges(self, law: Mixture, t_min: float) -> np.ndarray:
        """Return panels in t that need no certificate."""
        moving = Moving(
            doubles(self.features.w), np.array(self.run.features.U), self.features, self.process,
            doubles(law.means), doubles(law.stds),
        )  # fmt: skip
        return fine_edges(moving, t_min, self.t_max)

    @cache  # noqa: B019, one object a case
    def quadratic(self, kind: str = "train") -> Quadratic:
        """Return a loss as a quadratic."""
        law = self.law(kind)
        if kind == "train" and self.problem.noise is not None:
            noise = [vector(z) for z in self.problem.noise]
            points = self.in_training(self.problem.data)
            rule = graded(self.t_min, self.t_max, self.n_times)
            if self.order is not None:
                ends = self.t_min, self.t_max
                edges = draw_edges(self.features, self.process, points, noise, *ends)
                rule = panelled(edges, self.order)
            return assemble_draws(points, noise, self.features, self.process, self.weighting, rule)
        return assemble(law, self.features, self.process, self.weighting, self.rule(law))

    @cache  # noqa: B019
    def theta(self, tau: float) -> list[arb]:
        """Return θ(τ)."""
        loss = self.quadratic()
        return theta_at(loss.gram, loss.cross, self.theta0, tau)

    def density(self, against: str, t: float) -> Density:
        """Return p₀ or p_t."""
        target = self.problem.target
        if against == "p0" and hasattr(target, "half_width"):
            return compact(target)
        if against == "p0":
            weights = np.array(target.weights) / np.sum(target.weights)
            return gaussians(weights, np.array(target.means[:, 0]), np.array(target.stds))
        law = Mixture.of_target(target)
        means, stds = law.diffused(self.process.scale(exact(t)), self.process.variance(exact(t)))
        return gaussians(doubles(law.weights), doubles(means), doubles(stds))
