"""Laws as mixtures in high precision: data sets, Gaussian targets, atoms of compact targets."""

from dataclasses import dataclass
from typing import Any

from flint import arb

from .arithmetic import HALF, ONE, exact, gauss_legendre, vector


@dataclass(frozen=True)
class Mixture:
    """Σ_k q_k N(μ_k, ς_k²), components in ascending order of μ."""

    weights: list[arb]
    means: list[arb]
    stds: list[arb]

    @classmethod
    def sorted(cls, weights: list[arb], means: list[arb], stds: list[arb]) -> "Mixture":
        """Return the mixture with its components in order."""
        order = sorted(range(len(means)), key=lambda k: float(means[k].mid()))
        return cls(*([values[k] for k in order] for values in (weights, means, stds)))

    @classmethod
    def of_points(cls, points: list[arb]) -> "Mixture":
        """Return the empirical law; equal points are one component."""
        counts: dict[str, list] = {}
        for x in points:
            counts.setdefault(x.repr(), [x, 0])[1] += 1
        n = len(points)
        means = [x for x, _ in counts.values()]
        return cls.sorted([arb(c) / n for _, c in counts.values()], means, [arb(0)] * len(means))

    @classmethod
    def of_target(cls, target: Any) -> "Mixture":
        """Return the law of the package's target, read by its parameters alone."""
        if hasattr(target, "half_width"):
            return _compact(target)
        weights = vector(target.weights)
        total = sum(weights, arb(0))
        return cls.sorted(
            [q / total for q in weights], vector(target.means[:, 0]), vector(target.stds)
        )

    def diffused(self, scale: arb, variance: arb) -> tuple[list[arb], list[arb]]:
        """Return means and standard deviations of the marginal with this r and σ_t²."""
        means = [scale * x for x in self.means]
        return means, [(scale * scale * s * s + variance).sqrt() for s in self.stds]


def log_shape(target: Any, u: arb) -> arb:
    """Return the log density of a compact target on (−1, 1), up to a constant."""
    name = type(target).__name__
    if name == "RaisedCosine":
        return 2 * (arb.pi() * (ONE - abs(u)) / 2).sin().log()
    if name == "BetaTarget":
        a, b = exact(target.a), exact(target.b)
        return (a - 1) * ((ONE + u) * HALF).log() + (b - 1) * ((ONE - u) * HALF).log()
    return -1 / ((ONE - u) * (ONE + u))


def _compact(target: Any) -> Mixture:
    rule = gauss_legendre(target.n_atoms)
    nodes = [2 * x - 1 for x, _ in rule]
    raw = [w * log_shape(target, u).exp() for (_, w), u in zip(rule, nodes, strict=True)]
    total = sum(raw, arb(0))
    centre, half = exact(target.centre), exact(target.half_width)
    return Mixture.sorted(
        [(q / total).mid() for q in raw], [(centre + half * u).mid() for u in nodes],
        [arb(0)] * len(nodes),
    )  # fmt: skip
