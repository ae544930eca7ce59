"""The schema of a store, version by version, each step one transaction.

A store's version is SQLite's `user_version`. A step that fails leaves the store at the version
before it. Steps are only ever appended.
"""

import sqlite3
from collections.abc import Sequence

# "rfdi": marks an SQLite file as a store of this package.
APPLICATION_ID = 0x72666469

Migration = Sequence[str]

MIGRATIONS: tuple[Migration, ...] = (
    (
        f"PRAGMA application_id = {APPLICATION_ID}",
        # One recipe per store, and the version that made it.
        """CREATE TABLE sweep (
            only INTEGER PRIMARY KEY CHECK (only = 1),
            recipe TEXT NOT NULL,
            point_schema INTEGER NOT NULL,
            rfdiff TEXT NOT NULL
        )""",
        """CREATE TABLE grids (
            id TEXT PRIMARY KEY,
            definition TEXT NOT NULL,
            n_points INTEGER NOT NULL
        ) WITHOUT ROWID""",
        # `claim` is advice, not a lock: which runner has taken a pending point in hand.
        """CREATE TABLE points (
            id TEXT PRIMARY KEY CHECK (length(id) = 64),
            point TEXT NOT NULL,
            state TEXT NOT NULL DEFAULT 'pending'
                CHECK (state IN ('pending', 'done', 'failed')),
            claim TEXT,
            attempts INTEGER NOT NULL DEFAULT 0,
            seconds REAL,
            timings TEXT,
            finished TEXT,
            provenance TEXT,
            error TEXT
        )""",
        "CREATE INDEX points_by_state ON points (state)",
        # Apart from the points, so that counting and claiming never read past curves.
        """CREATE TABLE results (
            id TEXT PRIMARY KEY REFERENCES points (id),
            digest TEXT NOT NULL,
            names TEXT NOT NULL,
            scalars TEXT NOT NULL,
            curves BLOB NOT NULL
        )""",
    ),
)


def version(connection: sqlite3.Connection) -> int:
    """Return the schema version of a store; 0 is an empty file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(
    connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS
) -> tuple[int, int]:
    """Bring a store to the newest schema; return the versions before and after.

    Safe when two processes do it at once: the version is read again under the write lock.
    """
    before = version(connection)
    for _ in migrations:
        connection.execute("BEGIN IMMEDIATE")
        try:
            at = version(connection)
            if at < len(migrations):
                for statement in migrations[at]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {at + 1}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    return before, version(connection)
