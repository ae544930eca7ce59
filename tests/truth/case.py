"""A case: a call of `train_exact` and questions to its run, as text that anyone can run."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Case:
    """A run and what is asked of it.

    Attributes:
        kind: name of the kind.
        number: seed of the draws.
        arguments: of `train_exact`, as source text.
        prepare: a statement before the questions, or "".
        questions: quantity → expression for an estimate.
        facts: what the references need to know beyond the run.
    """

    kind: str
    number: int
    arguments: dict[str, str]
    questions: dict[str, str] = field(default_factory=dict)
    prepare: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def call(self) -> str:
        """The source of the run."""
        spelled = ", ".join(f"{name}={text}" for name, text in self.arguments.items())
        lines = [f"run = rfdiff.train_exact({spelled})", self.prepare, *self.questions.values()]
        return "\n".join(line for line in lines if line)

    @property
    def tau(self) -> list[float]:
        """The training times."""
        return list(np.ravel(eval(self.arguments["tau"], {"np": np})))

    @property
    def n_times(self) -> int:
        """Nodes of the run's time rule."""
        return int(self.arguments.get("n_times", "128"))

    def namespace(self) -> dict[str, Any]:
        """Train; return the names the questions are asked in."""
        import rfdiff

        names: dict[str, Any] = {"np": np, "rfdiff": rfdiff}
        first, *rest = self.call.splitlines()
        exec(first, names)
        if self.prepare:
            exec(rest[0], names)
        return names
