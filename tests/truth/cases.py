"""Random cases by kind and number, which are the seed of their draws."""

from collections.abc import Callable
from zlib import crc32

import numpy as np

from . import of_data, of_solvers, of_targets
from .case import Case
from .drawing import Draw


def random_case(kind: str, number: int) -> Case:
    """Return the case of this kind and number."""
    rng = np.random.default_rng([number, crc32(kind.encode())])
    return KINDS[kind](kind, number, rng)


KINDS: dict[str, Callable[[str, int, Draw], Case]] = {
    "kl": of_targets.kl,
    "kl certified": of_targets.kl,
    "nll": of_data.nll,
    "nll certified": of_data.nll,
    "loss": of_targets.loss,
    "smooth": of_targets.smooth,
    "smooth certified": of_targets.smooth,
    "units": of_data.units,
    "divergence": of_targets.divergence,
    "bound": of_targets.of_bound,
    "decomposition": of_targets.of_bound,
    "infinite width": of_solvers.infinite,
    "reverse-sde": of_solvers.transported,
    "probability-flow": of_solvers.transported,
}
# How many cases of each kind make a whole check; the probability flow's take too long, one by one.
SHARES = {
    "kl": 260, "kl certified": 150, "nll": 80, "nll certified": 50, "loss": 80, "smooth": 80,
    "smooth certified": 30, "units": 60, "divergence": 100, "bound": 50, "decomposition": 30,
    "infinite width": 20, "reverse-sde": 20, "probability-flow": 0,
}  # fmt: skip
