"""The flow at m → ∞ in function space, on quadrature nodes in (x, t), with kernels of its own.

k(z, z') = E[ReLU(v·z) ReLU(v·z')]: closed for Gaussian rows, by product rules over directions for
the l1 law and over the cube for the uniform law. Two resolutions say how well it is known.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .arithmetic import double_gauss_legendre, doubles, exact
from .bounds import law_nodes
from .comparison import Known
from .mixtures import Mixture
from .model import Truth
from .process import Weighting
from .rules import Rule, graded

_CHUNK = 4096
# Panels over three of the narrowest widths, at the coarse and at the fine level.
_PARTS = 1.2, 1.8


@dataclass
class Nodes:
    """Points (x, t) of an expectation over p_t and t, with what the flow needs there."""

    z: np.ndarray
    weights: np.ndarray
    target: np.ndarray
    gain: np.ndarray


def nodes(truth: Truth, law: Mixture, rule: Rule, weighting: Weighting, per_width: float) -> Nodes:
    """Return nodes of E_t λ E_{p_t}."""
    parts = []
    for t, omega in rule:
        density, x, w = law_nodes(law, truth, t, per_width)
        p = w * np.exp(density.log_density(x)) * float((omega * weighting(t)).mid())
        keep = p > 1e-17 * p.max()
        x, p = x[keep], p[keep]
        e = doubles(truth.features.embedding(t))
        gain = float(truth.features.gain(t).mid()) * np.sqrt(truth.features.m)
        z = np.column_stack([x, np.tile(e, (len(x), 1))])
        parts.append((z, p, density.score(x), np.full(len(x), gain)))
    return Nodes(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def rows(law: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows v (N, 3) and their probabilities for the l1 or the uniform law."""
    u, w = double_gauss_legendre(n)
    if law == "torch":
        a, wa = 2.0 * u - 1.0, w
        grid = np.stack(np.meshgrid(a, a / np.sqrt(2), a / np.sqrt(2), indexing="ij"), -1)
        return grid.reshape(-1, 3), np.einsum("i,j,k->ijk", wa, wa, wa).ravel()
    # An octant at a time: |v|₁ is smooth inside. Uniform in the height, and in the angle.
    height, angle = np.meshgrid(u, 0.5 * np.pi * u, indexing="ij")
    flat = np.sqrt(1.0 - height**2)
    first = np.stack([flat * np.cos(angle), flat * np.sin(angle), height], -1).reshape(-1, 3)
    signs = np.stack(np.meshgrid(*[[1.0, -1.0]] * 3, indexing="ij"), -1).reshape(-1, 3)
    directions = (signs[:, None] * first).reshape(-1, 3)
    weights = np.tile(np.outer(w, w).ravel() / 8.0, 8)
    return directions / np.abs(directions).sum(1, keepdims=True), weights


def kernel(law: str, left: np.ndarray, right: np.ndarray, n: int) -> np.ndarray:
    """Return k(z, z') for rows of z and z'."""
    if law == "gaussian":
        norms = np.linalg.norm(left, axis=1)[:, None] * np.linalg.norm(right, axis=1)
        cosine = np.clip(left @ right.T / norms, -1.0, 1.0)
        angle = np.arccos(cosine)
        size = norms / (2.0 * np.pi * left.shape[1])
        return size * (np.sqrt(1.0 - cosine**2) + (np.pi - angle) * cosine)
    v, weights = rows(law, n)
    out = np.zeros((len(left), len(right)))
    for i in range(0, len(v), _CHUNK):
        some, root = v[i : i + _CHUNK], np.sqrt(weights[i : i + _CHUNK])
        a = np.maximum(left @ some.T, 0.0) * root
        b = a if left is right else np.maximum(right @ some.T, 0.0) * root
        out += a @ b.T
    return out


class Flow:
    """s_τ at infinite width, trained on the law itself."""

    def __init__(self, truth: Truth, law: Mixture, rule: Rule, name: str, level: int) -> None:
        self.name, self.level = name, level
        self.trained = nodes(truth, law, rule, truth.weighting, _PARTS[level])
        self.root = np.sqrt(self.trained.weights)
        scaled = self.root * self.trained.gain
        k = kernel(name, self.trained.z, self.trained.z, self.directions)
        self.eigenvalues, self.vectors = np.linalg.eigh(scaled[:, None] * k * scaled)
        self.start = self.vectors.T @ (self.root * self.trained.target)

    @property
    def directions(self) -> int:
        """Nodes of the kernel's rule along each coordinate."""
        return (28, 40)[self.level] if self.name == "torch" else (40, 64)[self.level]

    def loss(self, tau: float) -> float:
        """Return E_t λ E‖s_τ − ∇log p_t‖²."""
        decay = np.exp(-2.0 * np.maximum(self.eigenvalues, 0.0) * tau)
        return float(((decay * self.start) ** 2).sum())

    def score(self, at: Nodes, tau: float) -> np.ndarray:
        """Return s_τ at other nodes."""
        lam = np.maximum(self.eigenvalues, 1e-300)
        # (1 − e^{−2λτ})/λ, bounded by 2τ.
        relaxed = -np.expm1(-2.0 * lam * tau) / lam
        c = (self.vectors @ (relaxed * self.start)) * self.root * self.trained.gain
        return at.gain * (self._across(at) @ c)

    def _across(self, at: Nodes) -> np.ndarray:
        if self._known.get("at") is not at:
            k = kernel(self.name, at.z, self.trained.z, self.directions)
            self._known.update(at=at, kernel=k)
        return self._known["kernel"]

    @cached_property
    def _known(self) -> dict:
        return {}


class InfiniteTruth:
    """Losses and scores at infinite width, with what two resolutions leave open."""

    def __init__(self, truth: Truth, name: str, n_times: tuple[int, int]) -> None:
        law = Mixture.of_target(truth.problem.target)
        self.truth, self.law = truth, law
        self.flows = [
            Flow(truth, law, graded(truth.t_min, truth.t_max, times), name, level)
            for level, times in ((1, n_times[0]), (0, n_times[1]))
        ]

    def loss(self, tau: float) -> Known:
        """Return the score-matching loss trained on."""
        return _between(*(flow.loss(tau) for flow in self.flows))

    def score(self, x: float, t: float, tau: float) -> Known:
        """Return s_τ(x, t)."""
        moment, features = exact(t), self.truth.features
        z = np.array([[x, *doubles(features.embedding(moment))]])
        gain = np.array([float(features.gain(moment).mid()) * np.sqrt(features.m)])
        at = Nodes(z, np.ones(1), np.zeros(1), gain)
        return _between(*(float(flow.score(at, tau)[0]) for flow in self.flows))

    def measured(self, t: float, taus: list[float]) -> list[Known]:
        """Return ½ ∫_t^T g² E‖s_τ − ∇log p‖²."""
        truth, half = self.truth, 0.5 * (self.truth.t_max - t)
        weighting = Weighting("likelihood", truth.process)
        values = []
        for flow, times in zip(self.flows, (28, 20), strict=True):
            rule = graded(t, truth.t_max, times)
            at = nodes(truth, self.law, rule, weighting, _PARTS[flow.level])
            values.append([
                half * float((at.weights * (flow.score(at, tau) - at.target) ** 2).sum())
                for tau in taus
            ])  # fmt: skip
        return [_between(a, b) for a, b in zip(*values, strict=True)]


def _between(fine: float, coarse: float) -> Known:
    return Known(fine, abs(fine - coarse) + 1e-13)
