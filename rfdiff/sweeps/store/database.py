"""SQLite as a store needs it: opened so that nothing is lost, with errors people can act on."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...support.errors import StoreError
from .migrations import APPLICATION_ID, MIGRATIONS, version

# Seconds for which a writer waits for another one.
BUSY_SECONDS = 30.0

_MAGIC = b"SQLite format 3\x00"

_NOT_WRITABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)

# By SQLite's primary result code.
_EXPLANATIONS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "cannot be read or written (a full disk, a quota or a broken device)",
    sqlite3.SQLITE_READONLY: "is read-only",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened or made here (no such folder, or no permission)",
    sqlite3.SQLITE_PERM: "cannot be used (no permission)",
    sqlite3.SQLITE_CORRUPT: "is damaged",
    sqlite3.SQLITE_NOTADB: "is not a store of rfdiff, or is damaged",
    sqlite3.SQLITE_BUSY: f"has been locked by another process for {BUSY_SECONDS:g} s",
    sqlite3.SQLITE_LOCKED: "is locked",
}


@contextmanager
def reporting(path: Path) -> Iterator[None]:
    """Turn an SQLite error into one StoreError that names the file and the cause."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        why = _EXPLANATIONS.get(code, "cannot be used")
        raise StoreError(f"{path}: {why} (SQLite: {error})") from error


def connect(path: Path, mode: str, called: Path | None = None) -> sqlite3.Connection:
    """Open a database in autocommit mode: "read", "write", or "make" where there is none.

    Messages say `called` where the file goes under another name for now.

    Raises:
        StoreError: a file that is no SQLite file, no store, or a store of a newer schema.
    """
    called = called or path
    _check_magic(path, called)
    with reporting(called):
        try:
            return _connect(path, "mode=rwc" if mode == "make" else "mode=rw", called, mode)
        except sqlite3.OperationalError as error:
            # Reading a store at rest in a folder that cannot be written: nobody else can be
            # writing either, and there is no log beside it to miss.
            if mode != "read" or error.sqlite_errorcode & 0xFF not in _NOT_WRITABLE:
                raise
            at_rest = not path.with_name(path.name + "-wal").exists()
            query = "mode=ro&immutable=1" if at_rest else "mode=ro"
            return _connect(path, query, called, mode)


def _connect(path: Path, query: str, called: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{query}",
        uri=True,
        isolation_level=None,
        timeout=BUSY_SECONDS,
    )
    try:
        # A reader opens the file as a writer does, so that the last one to leave tidies up after
        # the write-ahead log; but it writes nothing.
        connection.execute(f"PRAGMA query_only = {mode == 'read':d}")
        connection.execute("PRAGMA synchronous = NORMAL")
        _check_owner(called, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_magic(path: Path, called: Path) -> None:
    """Refuse what is no SQLite file before SQLite touches it; an empty file is a new store."""
    try:
        with open(path, "rb") as file:
            head = file.read(len(_MAGIC))
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"{called}: cannot be opened ({error.strerror})") from None
    if head and head != _MAGIC:
        raise StoreError(f"{called}: is not a store of rfdiff, or is damaged")


def _check_owner(path: Path, connection: sqlite3.Connection) -> None:
    known = len(MIGRATIONS)
    at = version(connection)
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if owner != APPLICATION_ID and not empty:
        raise StoreError(f"{path}: is an SQLite file, but not a store of rfdiff")
    if at > known:
        raise StoreError(
            f"{path}: has schema {at}, newer than the {known} this version knows; update rfdiff"
        )


def set_journal(connection: sqlite3.Connection, journal: str) -> None:
    """Switch to "wal" or "delete"; another process at work is waited for.

    Switching needs the file for itself, and SQLite does not wait for that on its own.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != journal:
                connection.execute(f"PRAGMA journal_mode = {journal}")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the write lock for a block: all of it is stored, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have ended the transaction already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
