"""Where results live: one SQLite file, written point by point, that survives being killed.

Each point is pending, done or failed. A finished point is stored in one transaction; once `finish`
has returned it is never lost or changed, whatever happens to the process. Two runners may share a
store: each marks what it takes in hand, as advice and never as a lock, so that a runner that was
killed leaves nothing to clean up.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..._version import __version__
from ...support.errors import StoreError
from ..measuring.recipe import Recipe
from ..measuring.result import Packed
from ..points.axes import read_point
from ..points.grid import GridRow
from ..points.identity import POINT_SCHEMA, Point, Value, canonical_json, point_id
from . import database
from .migrations import migrate


@dataclass(frozen=True)
class Counts:
    """How many points are in each state."""

    pending: int = 0
    done: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        """All points."""
        return self.pending + self.done + self.failed


@dataclass(frozen=True)
class Pending:
    """A point that waits, and whether some runner has marked it as its own."""

    id: str
    point: dict[str, Value]
    claimed: bool


@dataclass(frozen=True)
class Failure:
    """A point that failed."""

    id: str
    point: dict[str, Value]
    attempts: int
    seconds: float
    error: str


@dataclass(frozen=True)
class Row:
    """A point that is done, with all that is known of it.

    `digest` is the hash that was stored with the result, for comparison with `packed.digest`.
    """

    id: str
    point: dict[str, Value]
    packed: Packed
    digest: str
    attempts: int
    seconds: float
    timings: dict[str, float]
    finished: str
    provenance: str


class Store:
    """An open store. Use as a context manager, from one thread.

    `Store.open` opens one that exists; `prepare_store` makes or continues one for a grid.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection

    @classmethod
    def open(cls, path: str | Path, *, write: bool = False) -> "Store":
        """Open a store that exists; for reading alone it may be on read-only media."""
        path = Path(path)
        if not path.exists():
            raise StoreError(f"{path}: no such store")
        store = cls(path, database.connect(path, "write" if write else "read"))
        try:
            with database.reporting(path):
                if not store.has_sweep():
                    raise StoreError(f"{path}: holds no sweep")
                if write:
                    migrate(store.connection)
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close the file; the last one to do so folds the write-ahead log into it."""
        self.connection.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What the store is for

    @property
    def recipe(self) -> Recipe:
        """What is recorded for each point."""
        with database.reporting(self.path):
            return Recipe.from_json(self._one("SELECT recipe FROM sweep"))

    @property
    def grids(self) -> list[GridRow]:
        """Identity, definition and size of each grid the store was prepared for."""
        with database.reporting(self.path):
            return self.connection.execute(
                "SELECT id, definition, n_points FROM grids ORDER BY id"
            ).fetchall()

    def has_sweep(self) -> bool:
        """Return whether the file says what it is for; an empty one does not yet."""
        query = "SELECT count(*) FROM sqlite_master WHERE name = 'sweep'"
        return bool(self._one(query)) and bool(self._one("SELECT count(*) FROM sweep"))

    def take_in(self, recipe: Recipe, grids: Iterable[GridRow], points: Iterable[Point]) -> None:
        """Add points that wait, for a recipe and grids. Points that are there stay as they are."""
        with database.reporting(self.path), database.transaction(self.connection):
            self.connection.execute(
                "INSERT OR IGNORE INTO sweep VALUES (1, ?, ?, ?)",
                (recipe.to_json(), POINT_SCHEMA, __version__),
            )
            self.connection.executemany("INSERT OR IGNORE INTO grids VALUES (?, ?, ?)", grids)
            self.connection.executemany(
                "INSERT OR IGNORE INTO points (id, point) VALUES (?, ?)",
                ((point_id(point), canonical_json(dict(point))) for point in points),
            )

    # Taking points in hand

    def counts(self) -> Counts:
        """Return how many points are in each state."""
        with database.reporting(self.path):
            rows = self.connection.execute("SELECT state, count(*) FROM points GROUP BY state")
            return Counts(**dict(rows.fetchall()))

    def pending(self) -> list[Pending]:
        """Return the points that wait, in no order that matters."""
        with database.reporting(self.path):
            rows = self.connection.execute(
                "SELECT id, point, claim IS NOT NULL FROM points WHERE state = 'pending'"
            )
            return [Pending(i, read_point(point), bool(claim)) for i, point, claim in rows]

    def claim(self, identity: str, owner: str, *, take_over: bool = False) -> str:
        """Mark a pending point as taken in hand by `owner`.

        Returns:
            "claimed" if it is now the owner's; "held" if another runner has it and `take_over` is
            false; else the state in which another runner has left it, "done" or "failed".
        """
        with database.reporting(self.path), database.transaction(self.connection):
            state, holder = self.connection.execute(
                "SELECT state, claim FROM points WHERE id = ?", (identity,)
            ).fetchone()
            if state != "pending":
                return state
            if holder not in (None, owner) and not take_over:
                return "held"
            self.connection.execute("UPDATE points SET claim = ? WHERE id = ?", (owner, identity))
        return "claimed"

    def release(self, owner: str) -> None:
        """Give back all that `owner` has marked and not finished."""
        with database.reporting(self.path):
            self.connection.execute("UPDATE points SET claim = NULL WHERE claim = ?", (owner,))

    # What came of them

    def finish(
        self,
        identity: str,
        packed: Packed,
        *,
        attempts: int,
        seconds: float,
        timings: dict[str, float],
        provenance: str,
    ) -> None:
        """Store a result. When this returns it is safe; a point done before stays as it was."""
        with self._ending(identity, "done", attempts, seconds, provenance) as open_still:
            if open_still:
                self.connection.execute(
                    "UPDATE points SET timings = ?, error = NULL WHERE id = ?",
                    (json.dumps(timings, sort_keys=True), identity),
                )
                self.connection.execute(
                    "INSERT INTO results (id, digest, names, scalars, curves) "
                    "VALUES (?, ?, ?, ?, ?)",
                    (identity, packed.digest, packed.names, packed.scalars, packed.curves),
                )

    def fail(
        self, identity: str, error: str, *, attempts: int, seconds: float, provenance: str
    ) -> None:
        """Store a failure, unless the point is done."""
        with self._ending(identity, "failed", attempts, seconds, provenance) as open_still:
            if open_still:
                self.connection.execute(
                    "UPDATE points SET error = ? WHERE id = ?", (error, identity)
                )

    @contextmanager
    def _ending(
        self, identity: str, state: str, attempts: int, seconds: float, provenance: str
    ) -> Iterator[bool]:
        """Hold one transaction in which a point that is not done changes its state."""
        with database.reporting(self.path), database.transaction(self.connection):
            changed = self.connection.execute(
                "UPDATE points SET state = ?, claim = NULL, attempts = ?, seconds = ?, "
                "finished = ?, provenance = ? WHERE id = ? AND state != 'done'",
                (state, attempts, seconds, _now(), provenance, identity),
            )
            yield changed.rowcount == 1

    def failures(self) -> list[Failure]:
        """Return the points that failed."""
        with database.reporting(self.path):
            rows = self.connection.execute(
                "SELECT id, point, attempts, seconds, error FROM points WHERE state = 'failed'"
            )
            return [Failure(i, read_point(point), *rest) for i, point, *rest in rows]

    def retry(self) -> int:
        """Set all failed points to pending; return how many there were."""
        with database.reporting(self.path), database.transaction(self.connection):
            return self.connection.execute(
                "UPDATE points SET state = 'pending', claim = NULL, attempts = 0, error = NULL "
                "WHERE state = 'failed'"
            ).rowcount

    def rows(self) -> Iterator[Row]:
        """Yield all that is done, in no order that matters."""
        with database.reporting(self.path):
            rows = self.connection.execute(
                "SELECT id, point, names, curves, scalars, digest, attempts, seconds, timings, "
                "finished, provenance FROM points JOIN results USING (id) WHERE state = 'done'"
            )
            for identity, point, names, curves, scalars, *rest in rows:
                digest, attempts, seconds, timings, finished, provenance = rest
                yield Row(
                    identity,
                    read_point(point),
                    Packed(names, curves, scalars),
                    digest,
                    attempts,
                    seconds,
                    json.loads(timings),
                    finished,
                    provenance,
                )

    def _one(self, query: str) -> Any:
        return self.connection.execute(query).fetchone()[0]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
