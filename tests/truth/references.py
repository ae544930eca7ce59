"""True answers kept as data: slow to compute, quick to look up.

A record is valid for one problem: the text of the call and every number that was drawn for it go
into its fingerprint, and a case whose fingerprint has changed is computed again.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from .case import Case

FILE = Path(__file__).parent / "references.json"
Numbers = dict[str, list[tuple[float, float]]]


def fingerprint(case: Case, run: Any) -> str:
    """Return what identifies a case's problem."""
    problem = run.problem
    digest = sha256(case.call.encode())
    arrays = (run.features.W, run.features.U, problem.data, problem.held_out, problem.noise,
              problem.theta0, getattr(run.features.embedding, "frequencies", None))  # fmt: skip
    for array in arrays:
        digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


class References:
    """The stored answers."""

    def __init__(self, path: Path = FILE) -> None:
        self.path = path
        self.records = self._read()
        self.fresh: dict[str, Any] = {}

    def _read(self) -> dict[str, Any]:
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def find(self, case: Case, run: Any) -> Numbers | None:
        """Return the stored answers of a case, None if there are none for its problem."""
        record = self.records.get(f"{case.kind} {case.number}")
        if record is None or record[0] != fingerprint(case, run):
            return None
        return {name: [tuple(pair) for pair in pairs] for name, pairs in record[1].items()}

    def keep(self, key: str, mark: str, numbers: Numbers) -> None:
        """Take up the answers of a case."""
        rounded = {
            name: [[float(f"{value:.17g}"), float(f"{error:.2g}")] for value, error in pairs]
            for name, pairs in numbers.items()
        }
        self.fresh[key] = [mark, rounded]

    def write(self) -> None:
        """Add what is new to the file, a line a case."""
        self.records = self._read() | self.fresh
        lines = (f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(record, ensure_ascii=False)}"
                 for key, record in sorted(self.records.items()))  # fmt: skip
        # Workers may be reading: the file is there at once or not at all.
        whole = self.path.with_suffix(".new")
        whole.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        whole.replace(self.path)
