"""The divergences by name."""

from typing import Literal

from ..support.registry import Registry
from .divergence import DivergenceFormula
from .fisher import FISHER
from .jensen_shannon import JENSEN_SHANNON
from .kl import KULLBACK_LEIBLER
from .reverse_kl import REVERSE_KL
from .total_variation import TOTAL_VARIATION
from .wasserstein import FIRST_WASSERSTEIN, SECOND_WASSERSTEIN

Kind = Literal[
    "kl",
    "reverse-kl",
    "jensen-shannon",
    "total-variation",
    "wasserstein-1",
    "wasserstein-2",
    "fisher",
]

DIVERGENCES: Registry[DivergenceFormula] = Registry(
    "kind",
    {
        divergence.name: divergence
        for divergence in (
            KULLBACK_LEIBLER, REVERSE_KL, JENSEN_SHANNON, TOTAL_VARIATION, FIRST_WASSERSTEIN,
            SECOND_WASSERSTEIN, FISHER,
        )
    },
)  # fmt: skip
