"""What is recorded at every point of a sweep: one τ grid, some observables, where KL is taken."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...support.errors import ArgumentError
from ...support.ranges import parse_numbers
from ...support.validation import FloatArray, nearest, one_of, positive, training_times
from ..points.identity import Point, canonical_json

# Names as stores and tables have recorded them since the first version, so they stay: "flow" in
# them is the probability flow.
OBSERVABLES: Mapping[str, str] = MappingProxyType(
    {
        "kl": "KL by the score integral, with its error",
        "kl_flow": "KL by the probability flow, with its error",
        "kl_sde": "KL by the reverse SDE, with its error",
        "loss_train": "the loss trained on",
        "loss_population": "the loss under the law",
        "tau_es": "early stopping by kl: its time, the KL there and at the end",
        "tau_es_flow": "early stopping by kl_flow, the KL by the probability flow",
        "tau_es_sde": "early stopping by kl_sde, the KL by the reverse SDE",
        "tau_es_population": "early stopping by loss_population",
        "bound": "Lemma 2's bound on the reverse SDE's KL, and its term KL(p_T‖π)",
        "decomposition": "the bound's integral as sampling, infinite-width training and width",
        "spectrum": "largest eigenvalue of the Gram, trace, rank, participation ratio",
    }
)

# What is computed by quadrature in x, and so of data on the line alone.
_OF_THE_LINE = (
    "kl", "kl_flow", "kl_sde", "tau_es", "tau_es_flow", "tau_es_sde", "decomposition",
)  # fmt: skip

DEFAULT_OBSERVABLES = ("kl", "loss_train", "loss_population", "tau_es", "spectrum")
DEFAULT_TAU = "1e0:1e10:81log"


@dataclass(frozen=True)
class Recipe:
    """What a store holds for each of its points; one store has one recipe.

    Attributes:
        tau: training times of every curve, increasing.
        observables: names from `OBSERVABLES`.
        t: evaluation time of densities; None is the default of `train_exact`.
        against: the law that KL is taken from: "p0" or "pt".
        certify: whether errors of KL cover the time rule too, which trains each point twice.
    """

    tau: tuple[float, ...]
    observables: tuple[str, ...] = DEFAULT_OBSERVABLES
    t: float | None = None
    against: str = "p0"
    certify: bool = False

    @classmethod
    def of(
        cls,
        tau: ArrayLike | str = DEFAULT_TAU,
        observables: str | Iterable[str] = DEFAULT_OBSERVABLES,
        t: float | None = None,
        against: str = "p0",
        certify: bool = False,
    ) -> "Recipe":
        """Return a checked recipe from values as a user writes them.

        >>> Recipe.of("1,10,inf", "kl,tau_es").tau
        (1.0, 10.0, inf)
        """
        numbers = parse_numbers("tau", tau) if isinstance(tau, str) else tau
        times = np.atleast_1d(training_times("tau", numbers))
        if times.ndim != 1 or (np.diff(times) <= 0).any():
            raise ArgumentError("tau must be increasing, each value once")
        names = observables.split(",") if isinstance(observables, str) else list(observables)
        chosen = tuple(dict.fromkeys(known_name("observable", name, OBSERVABLES) for name in names))
        if not chosen:
            raise ArgumentError("observables must not be empty")
        return cls(
            tuple(times.tolist()),
            chosen,
            None if t is None else positive("t", t),
            one_of("against", against, ("p0", "pt")),
            bool(certify),
        )

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """Read what `to_json` wrote."""
        content = json.loads(text)
        tau = tuple(float(time) for time in content.pop("tau"))
        return cls(tau, tuple(content.pop("observables")), **content)

    def to_json(self) -> str:
        """Return the recipe as canonical JSON; τ = ∞ is written as a string."""
        return canonical_json(
            {
                "tau": [time if np.isfinite(time) else "inf" for time in self.tau],
                "observables": list(self.observables),
                **self.settings,
            }
        )

    def check(self, points: Iterable[Point]) -> None:
        """Refuse observables that some of the points do not have.

        Raises:
            ArgumentError: a quadrature in x at a point of vectors.
        """
        largest = max((point["d"] or 1 for point in points), default=1)
        needing = [name for name in self.observables if name in _OF_THE_LINE]
        if largest > 1 and needing:
            others = [name for name in OBSERVABLES if name not in _OF_THE_LINE]
            raise ArgumentError(
                f"observables of points with d = {largest} must be among {', '.join(others)}, "
                f"got {', '.join(needing)}"
            )

    @property
    def settings(self) -> dict[str, Any]:
        """Where and how KL is taken: arguments of `TrainedFlow.kl`."""
        return {"t": self.t, "against": self.against, "certify": self.certify}

    @property
    def times(self) -> FloatArray:
        """τ as an array."""
        return np.array(self.tau)

    def difference(self, other: "Recipe") -> str:
        """Return, in words, the first setting in which two recipes differ; "" if in none."""
        for name in ("tau", "observables", *self.settings):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                return f"{name}: {_brief(name, mine)} there, {_brief(name, theirs)} here"
        return ""


def _brief(name: str, value: object) -> str:
    if name == "tau" and isinstance(value, tuple):
        return f"{len(value)} times from {value[0]:g} to {value[-1]:g}"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def known_name(what: str, name: str, known: Collection[str]) -> str:
    """Return `name` with dashes as underscores if it is known.

    Raises:
        ArgumentError: unknown; the message says which known name is nearest.
    """
    plain = name.strip().replace("-", "_")
    if plain not in known:
        raise ArgumentError(
            f"unknown {what} {name!r}{nearest(plain, known)}; known are {', '.join(known)}"
        )
    return plain
