"""Forward processes, embeddings and weightings by their formulas, in high precision."""

from dataclasses import dataclass
from typing import Any

from flint import arb

from .arithmetic import ONE, exact, vector


@dataclass(frozen=True)
class Process:
    """r(t), σ_t and g²(t) of a variance-exploding, variance-preserving or sub-VP process."""

    kind: str
    first: arb
    second: arb
    T: arb

    @classmethod
    def of(cls, sde: Any) -> "Process":
        """Return the process of the package's object, read by its parameters alone."""
        kind = type(sde).__name__
        names = ("sigma", "T") if kind == "VESDE" else ("beta_min", "beta_max")
        return cls(kind, *(exact(getattr(sde, name)) for name in names), exact(sde.T))

    def _beta(self, t: arb) -> tuple[arb, arb]:
        slope = (self.second - self.first) / self.T
        return self.first + slope * t, self.first * t + slope * t * t / 2

    def scale(self, t: arb) -> arb:
        """Return r(t)."""
        return ONE if self.kind == "VESDE" else (-self._beta(t)[1] / 2).exp()

    def variance(self, t: arb) -> arb:
        """Return σ_t²."""
        if self.kind == "VESDE":
            rate = 2 * self.first.log()
            return (rate * t).expm1() / rate
        decayed = -(-self._beta(t)[1]).expm1()
        return decayed if self.kind == "VPSDE" else decayed * decayed

    def std(self, t: arb) -> arb:
        """Return σ_t."""
        return self.variance(t).sqrt()

    def diffusion_squared(self, t: arb) -> arb:
        """Return g²(t)."""
        if self.kind == "VESDE":
            return (2 * self.first.log() * t).exp()
        beta, integral = self._beta(t)
        return beta if self.kind == "VPSDE" else -beta * (-2 * integral).expm1()

    def drift(self, t: arb) -> arb:
        """Return f(t)."""
        return arb(0) if self.kind == "VESDE" else -self._beta(t)[0] / 2

    @property
    def prior_std(self) -> arb:
        """Standard deviation of the prior."""
        return self.std(self.T) if self.kind == "VESDE" else ONE


class Weighting:
    """λ(t) by name."""

    def __init__(self, name: str, process: Process) -> None:
        self.name, self.process = name, process

    def __call__(self, t: arb) -> arb:
        """Return λ(t)."""
        if self.name == "variance":
            return self.process.variance(t)
        if self.name == "inverse-norm":
            return self.process.std(t)
        return self.process.diffusion_squared(t)


class Embedding:
    """e(t) of the package's object, by its formula."""

    def __init__(self, embedding: Any, process: Process) -> None:
        self.kind, self.process = type(embedding).__name__, process
        self.rates = [2 * arb.pi() * f for f in vector(getattr(embedding, "frequencies", ()))]

    def __call__(self, t: arb) -> list[arb]:
        """Return e(t)."""
        if self.kind == "LogSigmaEmbedding":
            return [ONE, self.process.variance(t).log() / 4]
        if self.kind == "AffineEmbedding":
            return [ONE, t]
        return [(r * t).sin() for r in self.rates] + [(r * t).cos() for r in self.rates]


class Features:
    """Frozen features: w_j, b_j(t) and the factor 1/(c(t) √m)."""

    def __init__(self, features: Any, process: Process) -> None:
        self.m = len(features.W)
        self.activation = features.activation
        self.w = vector(features.W[:, 0])
        self.u = [vector(u) for u in features.U]
        self.embedding = Embedding(features.embedding, process)
        self.process = process
        self.preconditioned = features.preconditioner is not None

    def biases(self, t: arb) -> list[arb]:
        """Return b_j(t)."""
        e = self.embedding(t)
        return [sum((a * b for a, b in zip(u, e, strict=True)), arb(0)) for u in self.u]

    def gain(self, t: arb) -> arb:
        """Return 1/(c(t) √m)."""
        gain = 1 / arb(self.m).sqrt()
        return gain / self.process.std(t) if self.preconditioned else gain
