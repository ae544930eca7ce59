"""The bound [14]: ½ ∫_t^T g² E‖s_θ − ∇log p_s‖² ds and KL(p_T‖π), by their definitions."""

from dataclasses import dataclass

import numpy as np
from flint import arb

from .arithmetic import double_gauss_legendre, doubles, exact
from .assembly import Quadratic, assemble
from .comparison import Known
from .laws import gaussians
from .mixtures import Mixture
from .model import CHECK, FINE, Truth
from .process import Weighting
from .rules import panelled

_ROUNDING = 2e-14


@dataclass
class Mismatch:
    """½ ∫ g² E‖s_θ − ∇log p‖² of any θ, with a rule of fewer nodes beside it."""

    fine: Quadratic
    check: Quadratic
    norms: tuple[float, float]
    half_length: float

    def __call__(self, theta: list[arb]) -> Known:
        """Return the integral."""
        value, other = (
            self.half_length * (float((loss(theta) - loss.constant).mid()) + norm)
            for loss, norm in zip((self.fine, self.check), self.norms, strict=True)
        )
        return Known(value, abs(value - other) + _ROUNDING * self.half_length * self.norms[0])

    def difference(self, theta: list[arb], other: list[arb]) -> Known:
        """Return the integral's change from another θ."""
        values = [
            self.half_length * float((loss(theta) - loss(other)).mid())
            for loss in (self.fine, self.check)
        ]
        return Known(values[0], abs(values[0] - values[1]) + 1e-15 * abs(values[0]))


def mismatch(truth: Truth, t: float) -> Mismatch:
    """Return the bound's integral as a function of θ."""
    law, process = Mixture.of_target(truth.problem.target), truth.process
    weighting = Weighting("likelihood", process)
    edges = truth.edges(law, t)
    losses, norms = [], []
    for order in (FINE, CHECK):
        rule = panelled(edges, order)
        losses.append(assemble(law, truth.features, process, weighting, rule))
        norms.append(sum(
            float((weight * weighting(s)).mid()) * _information(law, truth, s) for s, weight in rule
        ))  # fmt: skip
    return Mismatch(losses[0], losses[1], (norms[0], norms[1]), 0.5 * (truth.t_max - t))


def law_nodes(law: Mixture, truth: Truth, t: arb, parts: float = 0) -> tuple:
    """Return p_t, and nodes and weights that resolve it; fewer, for a given number of parts."""
    means, stds = law.diffused(truth.process.scale(t), truth.process.variance(t))
    density = gaussians(doubles(law.weights), doubles(means), doubles(stds))
    u, w = double_gauss_legendre(16 if parts == 0 else 8)
    edges = density.edges
    if parts:
        low = min(float((a - 6 * s).mid()) for a, s in zip(means, stds, strict=True))
        high = max(float((a + 6 * s).mid()) for a, s in zip(means, stds, strict=True))
        widest = 3.0 * float(min(stds, key=float).mid()) / parts
        edges = np.linspace(low, high, int(np.ceil((high - low) / widest)) + 1)
    width = np.diff(edges)[:, None]
    return density, (edges[:-1, None] + width * u).ravel(), (width * w).ravel()


def _information(law: Mixture, truth: Truth, t: arb) -> float:
    """Return E‖∇log p_t‖²."""
    density, x, w = law_nodes(law, truth, t)
    return float((w * np.exp(density.log_density(x)) * density.score(x) ** 2).sum())


def prior(truth: Truth) -> Known:
    """Return KL(p_T‖π)."""
    law = Mixture.of_target(truth.problem.target)
    density, x, w = law_nodes(law, truth, exact(truth.t_max))
    std = float(truth.process.prior_std.mid())
    log_p = density.log_density(x)
    log_prior = -0.5 * (x / std) ** 2 - np.log(std) - 0.5 * np.log(2.0 * np.pi)
    value = float((w * np.exp(log_p) * (log_p - log_prior)).sum())
    return Known(value, 4e-15)
