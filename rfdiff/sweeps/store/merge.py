"""Many stores into one: the shards of a job array, or the work of several machines."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path

from ...support.errors import ArgumentError
from . import database
from .preparing import make_store
from .store import Store
from .table import read_table


@dataclass(frozen=True)
class Merged:
    """What came together.

    Attributes:
        added: done points that were taken over.
        same: done points that were there already, with the same result.
        differing: done points that were there with another result, which was kept: two kinds of
            processor, or two versions, need not agree to the last bit.
    """

    added: int
    same: int
    differing: int


def merge_stores(path: str | Path, shards: Sequence[str | Path], *, journal: str = "wal") -> Merged:
    """Add all points of `shards` to the store at `path`, made if there is none.

    Done beats failed, failed beats pending; what is done at `path` is never changed. Every shard
    is read and checked before anything is written, and taken over in one transaction.

    Raises:
        StoreError: a store that cannot be used or does not match its hashes.
        ArgumentError: shards that record different things, or no shards.
    """
    path = Path(path)
    if not shards:
        raise ArgumentError("merge needs at least one store to take points from")
    if any(Path(shard).absolute() == path.absolute() for shard in shards):
        raise ArgumentError(f"merge cannot take points of {path} into itself")
    with ExitStack() as stack:
        sources = [stack.enter_context(Store.open(shard)) for shard in shards]
        recipe = sources[0].recipe
        if path.exists():
            with Store.open(path) as target:
                _same_recipe(target, sources)
        _same_recipe(sources[0], sources)
        for source in sources:
            read_table(source)
        if not path.exists():
            make_store(path, recipe, sources[0].grids, [], journal)
        target = stack.enter_context(Store.open(path, write=True))
        parts = [_take_over(target, source) for source in sources]
    return Merged(*(sum(getattr(part, f.name) for part in parts) for f in fields(Merged)))


def _same_recipe(first: Store, others: Sequence[Store]) -> None:
    for other in others:
        difference = first.recipe.difference(other.recipe)
        if difference:
            raise ArgumentError(
                f"{first.path} and {other.path} record different things ({difference})"
            )


_POINT = "id, point, state, attempts, seconds, timings, finished, provenance, error"
_RESULT = "id, digest, names, scalars, curves"

# A better state wins: done over failed over pending.
_UPSERT = f"""
    INSERT INTO points ({_POINT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        state = excluded.state, claim = NULL, attempts = excluded.attempts,
        seconds = excluded.seconds, timings = excluded.timings, finished = excluded.finished,
        provenance = excluded.provenance, error = excluded.error
    WHERE points.state = 'pending' AND excluded.state != 'pending'
        OR points.state = 'failed' AND excluded.state = 'done'
"""


def _take_over(target: Store, source: Store) -> Merged:
    """Copy one store into another in one transaction."""
    with database.reporting(target.path), database.transaction(target.connection):
        known = _digests(target)
        theirs = _digests(source)
        read, write = source.connection.execute, target.connection.executemany
        write("INSERT OR IGNORE INTO grids VALUES (?, ?, ?)", source.grids)
        write(_UPSERT, read(f"SELECT {_POINT} FROM points"))
        write(
            f"INSERT OR IGNORE INTO results ({_RESULT}) VALUES (?, ?, ?, ?, ?)",
            read(f"SELECT {_RESULT} FROM results"),
        )
    both = known.keys() & theirs.keys()
    same = sum(known[identity] == theirs[identity] for identity in both)
    return Merged(len(theirs) - len(both), same, len(both) - same)


def _digests(store: Store) -> dict[str, str]:
    return dict(store.connection.execute("SELECT id, digest FROM results"))
