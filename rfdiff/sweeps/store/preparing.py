"""Making the store of a sweep, or making sure that one which exists is this sweep's."""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from ...support.errors import ArgumentError, StoreError
from ...support.validation import one_of
from ..measuring.recipe import Recipe
from ..points.grid import Grid, GridRow, brief
from ..points.identity import Point
from . import database
from .integrity import check_pages
from .migrations import migrate
from .store import Store

JOURNALS = ("wal", "delete")

_SIDE_FILES = ("", "-wal", "-shm", "-journal")


def prepare_store(
    path: str | Path,
    recipe: Recipe,
    grid: Grid,
    *,
    points: Sequence[Point] | None = None,
    extend: bool = False,
    journal: str | None = None,
) -> Store:
    """Open the store of a sweep, made if there is none, with the sweep's points in it.

    Args:
        path: the file.
        recipe: what is recorded; must be the store's own if it has one.
        grid: must be one of the store's, unless `extend`.
        points: the part of the grid that this store is for (a shard); None is all.
        extend: let the store take in another grid.
        journal: "wal", or "delete" for network file systems; None keeps what the store has, and
            is "wal" for a new one.

    Raises:
        StoreError: a file that cannot be used, or a newer schema. Nothing is left behind.
        ArgumentError: a store of another recipe or grid. Nothing is written.
    """
    path = Path(path)
    if journal is not None:
        one_of("journal", journal, JOURNALS)
    points = grid.points if points is None else points
    made = not path.exists() and make_store(path, recipe, [grid.row], points, journal or "wal")
    store = Store(path, database.connect(path, "write"))
    try:
        check_pages(store)
        check_belongs(store, recipe, grid, extend)
        with database.reporting(path):
            migrate(store.connection)
            if journal is not None:
                database.set_journal(store.connection, journal)
        if not made:
            store.take_in(recipe, [grid.row], points)
    except BaseException:
        store.close()
        raise
    return store


def check_belongs(store: Store, recipe: Recipe, grid: Grid, extend: bool = False) -> None:
    """Refuse a recipe or a grid that is not the store's.

    Raises:
        ArgumentError: saying what differs.
    """
    if not store.has_sweep():
        return
    difference = store.recipe.difference(recipe)
    if difference:
        raise ArgumentError(
            f"{store.path} belongs to a sweep that records something else ({difference}); "
            "give another store"
        )
    known = store.grids
    if not extend and grid.id not in [identity for identity, _, _ in known]:
        listed = "; ".join(brief(definition) for _, definition, _ in known)
        raise ArgumentError(
            f"{store.path} belongs to another grid ({listed} there, {brief(grid.definition)} "
            "here); give another store, or --extend to add to this one"
        )


def make_store(
    path: Path,
    recipe: Recipe,
    grids: Sequence[GridRow],
    points: Sequence[Point],
    journal: str = "wal",
) -> bool:
    """Make a whole store under another name and link it in place: it is there, or it is not.

    Two runners that start at once both make one; the first link wins and the other is dropped.

    Returns:
        Whether the store in place is the one made here.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with Store(path, database.connect(draft, "make", called=path)) as store:
            with database.reporting(path):
                migrate(store.connection)
            store.take_in(recipe, grids, points)
            with database.reporting(path):
                database.set_journal(store.connection, journal)
        return _link(draft, path)
    finally:
        for suffix in _SIDE_FILES:
            _remove(draft.with_name(draft.name + suffix))


def _link(draft: Path, path: Path) -> bool:
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:
        # A file system without hard links: renaming is as whole, if not as exclusive.
        try:
            draft.rename(path)
        except OSError as error:
            raise StoreError(f"{path}: cannot be made ({error.strerror})") from None
    return True


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except NotADirectoryError:
        # The folder is a file: nothing was made in it.
        return
