"""Whether a store is what it says: its pages, its identities, its hashes."""

import json

from ...support.errors import StoreError
from ..points.identity import point_id
from . import database
from .store import Store
from .table import check_row


def check_pages(store: Store) -> None:
    """Refuse a file whose pages are damaged, before anything is written to it.

    Raises:
        StoreError: saying what SQLite found first.
    """
    with database.reporting(store.path):
        found = store.connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise StoreError(f"{store.path}: is damaged ({' '.join(found.split())})")


def find_faults(store: Store) -> list[str]:
    """Return everything that is wrong with a store, a line each: pages, identities, hashes."""
    with database.reporting(store.path):
        pages = [row[0] for row in store.connection.execute("PRAGMA integrity_check")]
        faults = [page for page in pages if page != "ok"]
        points = store.connection.execute("SELECT id, point FROM points").fetchall()
        lost = store.connection.execute(
            "SELECT id FROM points WHERE state = 'done' AND id NOT IN (SELECT id FROM results)"
        ).fetchall()
    for identity, point in points:
        if point_id(json.loads(point)) != identity:
            faults.append(f"point {identity[:12]}: does not match its identity")
    faults += [f"point {identity[:12]}: done, but has no result" for (identity,) in lost]
    n_tau = len(store.recipe.tau)
    for row in store.rows():
        try:
            check_row(str(store.path), row, n_tau)
        except StoreError as error:
            faults.append(str(error))
    return faults
