"""What is damaged, foreign or newer is refused, and stays as it is."""

import sqlite3

import pytest

from reference.sweep_points import RECIPE, contents, grid
from rfdiff.support.errors import StoreError
from rfdiff.sweeps import Store, merge_stores, prepare_store, read_table
from rfdiff.sweeps.store.integrity import check_pages, find_faults
from rfdiff.sweeps.store.migrations import MIGRATIONS, migrate, version


def test_a_failing_migration_leaves_the_version_before_it(path):
    connection = sqlite3.connect(path, isolation_level=None)
    good = ("ALTER TABLE points ADD COLUMN note TEXT",)
    bad = ("ALTER TABLE points ADD COLUMN other TEXT", "INSERT INTO nowhere VALUES (1)")
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate(connection, (*MIGRATIONS, good, bad))
    columns = [row[1] for row in connection.execute("PRAGMA table_info(points)")]
    assert version(connection) == 2 and "note" in columns and "other" not in columns
    assert migrate(connection, (*MIGRATIONS, good)) == (2, 2)
    connection.close()


def test_a_newer_schema_is_refused(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = contents(path.parent)
    for use in (
        lambda: prepare_store(path, RECIPE, grid(range(2, 8), seeds=2)),
        lambda: Store.open(path),
        lambda: Store.open(path, write=True),
        lambda: merge_stores(path.with_name("new.db"), [path]),
    ):
        with pytest.raises(StoreError, match="schema 99, newer than the 1 this version knows"):
            use()
    assert contents(path.parent) == before


def test_other_files_are_refused(tmp_path):
    text = tmp_path / "text.db"
    text.write_text("n,m\n1,2\n" * 100)
    foreign = tmp_path / "foreign.db"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE t (x)")
    connection.commit()
    connection.close()
    before = contents(tmp_path)
    for path in (text, foreign):
        for use in (lambda p: prepare_store(p, RECIPE, grid([2])), Store.open):
            with pytest.raises(StoreError, match=r"not a store of rfdiff"):
                use(path)
    with pytest.raises(StoreError, match="no such store"):
        Store.open(tmp_path / "missing.db")
    with pytest.raises(StoreError, match="cannot be opened"):
        prepare_store(tmp_path, RECIPE, grid([2]))
    assert contents(tmp_path) == before


def test_damaged_pages_are_refused_before_anything_is_written(path):
    content = bytearray(path.read_bytes())
    pages = len(content) // 4096
    for page in range(2, pages):
        content[4096 * page : 4096 * page + 64] = b"\xa5" * 64
    path.write_bytes(content)
    before = contents(path.parent)
    with pytest.raises(StoreError, match="is damaged"):
        prepare_store(path, RECIPE, grid(range(2, 8), seeds=2))
    with pytest.raises(StoreError, match="is damaged"), Store.open(path) as store:
        read_table(store)
    assert contents(path.parent) == before


def test_a_flipped_bit_is_noticed(path):
    """One bit of one curve: the pages are sound, the hash is not."""
    with Store.open(path) as store:
        row = next(iter(store.rows()))
        assert find_faults(store) == []
    content = bytearray(path.read_bytes())
    at = content.find(row.packed.curves)
    content[at + 12] ^= 1
    path.write_bytes(content)
    with Store.open(path) as store:
        check_pages(store)
        with pytest.raises(StoreError, match=f"{row.id[:12]}: its result does not match its hash"):
            read_table(store)
        (fault,) = find_faults(store)
    assert row.id[:12] in fault


def test_a_changed_point_is_noticed(path):
    connection = sqlite3.connect(path)
    connection.execute("UPDATE points SET point = replace(point, '\"n\":7', '\"n\":6')")
    connection.execute("DELETE FROM results WHERE id = (SELECT min(id) FROM results)")
    connection.commit()
    connection.close()
    with Store.open(path) as store:
        with pytest.raises(StoreError, match="does not match its identity"):
            read_table(store)
        faults = find_faults(store)
    assert sum("identity" in fault for fault in faults) >= 2
    assert sum("has no result" in fault for fault in faults) == 1
