"""One case: train, ask, compare with what is true."""

import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .cases import random_case
from .references import Numbers, References, fingerprint


@dataclass
class Number:
    """A stated value and error beside the truth and its own."""

    quantity: str
    tau: float
    value: float
    error: float
    truth: float
    doubt: float

    @property
    def silent(self) -> bool:
        """Whether no error was stated at all."""
        return bool(np.isnan(self.error))

    @property
    def gap(self) -> float:
        """|value − truth| beyond what the reference does not know."""
        if self.value == self.truth or np.isposinf(self.error):
            return 0.0
        gap = abs(self.value - self.truth)
        return max(gap - self.doubt, 0.0) if np.isfinite(gap) else np.inf

    @property
    def excess(self) -> float:
        """|value − truth|/error, 1 at the most where the error is honest."""
        if self.silent or self.gap == 0.0:
            return 0.0
        return self.gap / self.error if self.error > 0 else np.inf

    @property
    def generosity(self) -> float:
        """error/|value − truth|, NaN where the reference cannot tell them apart."""
        gap = abs(self.value - self.truth)
        return self.error / gap if gap > self.doubt and np.isfinite(gap) else np.nan


@dataclass
class Outcome:
    """What became of a case."""

    kind: str
    number: int
    call: str
    numbers: list[Number] = field(default_factory=list)
    refusal: str = ""
    crash: str = ""
    mark: str = ""
    computed: Numbers | None = None
    seconds: tuple[float, float] = (0.0, 0.0)


def check(kind: str, number: int, stored: References | None) -> Outcome:
    """Check one case, with its stored references where they are still valid."""
    case = random_case(kind, number)
    out = Outcome(kind, number, case.call)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        try:
            names = case.namespace()
            asked = {q: eval(e, names) for q, e in case.questions.items()}
        except (ValueError, FloatingPointError) as error:
            out.refusal = f"{type(error).__name__}: {error}"
            return out
        spent = time.perf_counter() - start
        out.mark = fingerprint(case, names["run"])
        known = stored.find(case, names["run"]) if stored is not None else None
        if known is None:
            from .answers import answers

            known = out.computed = {
                name: [(float(k.value), float(k.error)) for k in values]
                for name, values in answers(case, names).items()
            }
        out.seconds = spent, time.perf_counter() - start - spent
    for quantity, estimate in asked.items():
        out.numbers += _beside(quantity, estimate, known[quantity], case.tau)
    return out


def _beside(
    quantity: str, estimate: Any, known: list[tuple[float, float]], tau: list[float]
) -> list[Number]:
    value = np.ravel(np.asarray(estimate))
    stated = getattr(estimate, "error", None)
    error = np.full(value.size, np.nan) if stated is None else np.ravel(stated)
    if value.size != len(known):
        raise ValueError(f"{quantity}: {value.size} numbers, {len(known)} references")
    times = np.repeat(tau, value.size // len(tau)) if value.size >= len(tau) else [np.inf]
    return [
        Number(quantity, float(t), float(v), float(e), *pair)
        for t, v, e, pair in zip(times, value, error, known, strict=True)
    ]
