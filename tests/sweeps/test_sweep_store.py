"""The store: what is written stays, and what cannot be written is said once and leaves no trace."""

import contextlib
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from reference import sweep_points
from reference.sweep_points import RECIPE, grid, light, table_of, undisturbed
from rfdiff.cli import main
from rfdiff.support.errors import ArgumentError, StoreError
from rfdiff.sweeps import Recipe, Store, merge_stores, point_id, prepare_store, read_table
from rfdiff.sweeps.measuring.result import Result, pack, unpack
from rfdiff.sweeps.store import database, preparing
from rfdiff.sweeps.store.integrity import check_pages, find_faults
from rfdiff.sweeps.store.migrations import MIGRATIONS, migrate, version

META = {"attempts": 1, "seconds": 0.5, "timings": {"train": 0.4}, "provenance": "{}"}


@pytest.fixture
def path(tmp_path):
    """The path of a finished store of twelve points."""
    undisturbed(tmp_path / "s.db", grid(range(2, 8), seeds=2))
    return tmp_path / "s.db"


def contents(folder):
    return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def test_results_come_back_bit_for_bit():
    curves = {"b": np.array([1.0, -0.0, np.inf]), "a": np.array([np.nan, 5e-324, 1 / 3])}
    scalars = {"x": 0.1, "word": "interior", "inf": -np.inf, "nan": np.nan, "big": 1e300}
    packed = pack(Result(curves, scalars), 3)
    back = unpack("here", packed, 3)
    assert {k: v.tobytes() for k, v in back.curves.items()} == {
        k: v.tobytes() for k, v in curves.items()
    }
    assert np.isnan(back.scalars.pop("nan")) and np.isnan(scalars.pop("nan"))
    assert dict(back.scalars) == scalars
    assert pack(Result(dict(reversed(curves.items())), back.scalars), 3).curves == packed.curves
    # One NaN is as good as another.
    odd = np.frombuffer(np.uint64(0x7FF8DEADBEEF0000).tobytes(), "<f8")
    assert pack(Result({"c": odd}, {}), 1) == pack(Result({"c": np.array([np.nan])}, {}), 1)
    with pytest.raises(ValueError, match="must have shape"):
        pack(Result({"c": np.zeros(2)}, {}), 3)
    with pytest.raises(StoreError, match="damaged"):
        unpack("here", packed, 2)


def test_states(tmp_path):
    """Pending points are claimed, failed ones retried, done ones never change again."""
    points = grid([2, 3])
    first, second = map(point_id, points.points)
    result = pack(light(points.points[0], RECIPE), 9)
    other = pack(light(points.points[1], RECIPE), 9)
    with prepare_store(tmp_path / "s.db", RECIPE, points) as store:
        assert store.claim(first, "me") == store.claim(first, "me") == "claimed"
        assert store.claim(first, "you") == "held"
        assert store.claim(first, "you", take_over=True) == "claimed"
        assert [item.claimed for item in store.pending() if item.id == first] == [True]
        store.release("you")
        assert not any(item.claimed for item in store.pending())
        store.fail(first, "boom", attempts=3, seconds=1.0, provenance="{}")
        assert [failure.attempts for failure in store.failures()] == [3]
        assert store.claim(first, "me") == "failed"
        assert store.retry() == 1
        store.finish(first, result, **META)
        store.finish(first, other, **META)
        store.fail(first, "late", attempts=1, seconds=1.0, provenance="{}")
        assert store.claim(first, "me") == "done"
        assert (store.counts().done, store.counts().pending, store.counts().failed) == (1, 1, 0)
        (row,) = store.rows()
        assert (row.id, row.packed, row.timings) == (first, result, {"train": 0.4})
        store.fail(second, "boom", attempts=1, seconds=1.0, provenance="{}")
        store.finish(second, other, **META)
        assert store.counts().done == 2


def test_a_store_belongs_to_its_sweep(path):
    before = path.read_bytes()
    with pytest.raises(ArgumentError, match=r"another grid \(n 6 values, m 8, n_times 8, seed 0,1"):
        prepare_store(path, RECIPE, grid([2, 3]))
    with pytest.raises(ArgumentError, match=r"records something else \(tau: 9 times"):
        prepare_store(path, Recipe.of("1,10", "kl,loss_train"), grid(range(2, 8), seeds=2))
    assert contents(path.parent) == {"s.db": before}
    prepare_store(path, RECIPE, grid(reversed(range(2, 8)), seeds=2)).close()
    with prepare_store(path, RECIPE, grid([2, 30]), extend=True) as store:
        assert (store.counts().done, store.counts().pending) == (12, 1)
    prepare_store(path, RECIPE, grid([2, 30])).close()


def test_rows_reproduce_their_identity_and_say_no_host(path):
    with Store.open(path) as store:
        rows = list(store.rows())
    assert all(point_id(row.point) == row.id for row in rows)
    provenance = json.loads(rows[0].provenance)
    assert set(provenance) == {"rfdiff", "python", "numpy", "scipy", "numba", "machine", "blas"}
    text = path.read_bytes()
    for secret in (os.uname().nodename, str(Path.home()), str(Path(__file__).parent)):
        assert len(secret) < 4 or secret.encode() not in text


def test_journals(tmp_path):
    for journal in ("wal", "delete"):
        path = tmp_path / f"{journal}.db"
        with prepare_store(path, RECIPE, grid([2]), journal=journal) as store:
            assert store.connection.execute("PRAGMA journal_mode").fetchone()[0] == journal
            timeout = store.connection.execute("PRAGMA busy_timeout").fetchone()[0]
            assert (timeout, database.BUSY_SECONDS) == (30_000, 30.0)
            assert store.connection.execute("PRAGMA synchronous").fetchone()[0] == 1
    with prepare_store(tmp_path / "wal.db", RECIPE, grid([2]), journal="delete") as store:
        assert store.connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
    with pytest.raises(ArgumentError, match="journal must be one of"):
        prepare_store(tmp_path / "x.db", RECIPE, grid([2]), journal="memory")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["delete.db", "wal.db"]


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


def test_an_empty_file_becomes_a_store(tmp_path):
    (tmp_path / "s.db").touch()
    expected = undisturbed(tmp_path / "t.db", grid([2, 3]))
    assert undisturbed(tmp_path / "s.db", grid([2, 3])) == expected
    (tmp_path / "u.db").touch()
    with pytest.raises(StoreError, match="holds no sweep"):
        Store.open(tmp_path / "u.db")


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


def command(path):
    """Return a sweep of sixty small real trainings, in this process."""
    return [
        "sweep", "run", "--out", str(path), "--n", "2:61:60lin", "--m", "4", "--n-times", "8",
        "--tau", "1e0:1e4:81log", "--observables", "kl,loss_train", "--jobs", "0", "--quiet",
    ]  # fmt: skip


@contextlib.contextmanager
def largest_file(size):
    """Let no file of this process grow beyond `size` bytes: a quota, as a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def assert_one_line(status, out, err, *words):
    assert (status, out) == (2, "")
    assert err.count("\n") == 1 and err.startswith("rfdiff sweep: "), err
    for word in words:
        assert word in err


def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path, capsys):
    """A quota ends the sweep with one line; what was done stays, and it goes on with more room."""
    path, whole = tmp_path / "s.db", tmp_path / "t.db"
    # First without a quota, which would hold for the files of compiled kernels too.
    assert main(command(whole)) == 0
    capsys.readouterr()
    with largest_file(300_000):
        status = main(command(path))
    words = str(path), "full disk", "what is done is stored"
    assert_one_line(status, *capsys.readouterr(), *words)
    with Store.open(path) as store:
        kept = store.counts()
        assert find_faults(store) == []
        held = {row.digest for row in store.rows()}
    assert 5 < kept.done < 60 and kept.pending == 60 - kept.done
    assert main(command(path)) == 0
    assert table_of(path) == table_of(whole)
    with Store.open(path) as store:
        assert held <= {row.digest for row in store.rows()}


def test_no_room_for_a_new_store_leaves_nothing(tmp_path, capsys):
    with largest_file(8192):
        status = main(command(tmp_path / "s.db"))
    assert_one_line(status, *capsys.readouterr(), "s.db")
    assert list(tmp_path.iterdir()) == []


def test_places_where_nobody_can_write(path, capsys):
    """Below a file, and in /proc: not even root."""
    before = contents(path.parent)
    for target in (path / "s.db", Path("/proc/s.db"), path.parent / "no" / "s.db"):
        assert_one_line(main(command(target)), *capsys.readouterr(), str(target))
    assert contents(path.parent) == before


# Rehearsed first, where everything is allowed: an unprivileged process may not be able to read
# Python's own modules, or the package's, and must have them all.
UNPRIVILEGED = """
import contextlib, io, json, os
from rfdiff.cli import main
def call(arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(arguments)
    return status, out.getvalue(), err.getvalue()
for arguments in {rehearsal!r}:
    call(arguments)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
print(json.dumps([call(arguments) for arguments in {commands!r}]))
"""


def uses(new, old):
    """Return commands that make a store, change one and read one."""
    return [
        command(new), ["sweep", "retry", str(old)], ["sweep", "status", str(old)],
        ["sweep", "export", str(old)],
    ]  # fmt: skip


@pytest.fixture
def open_folder():
    """A folder that any user may enter; those of pytest, and of TMPDIR, may be their owner's."""
    with tempfile.TemporaryDirectory(dir="/tmp" if os.geteuid() == 0 else None) as name:
        yield Path(name)
        Path(name).chmod(0o755)


def test_a_folder_without_permission(path, open_folder):
    """A store in a read-only folder cannot be made or continued, but it can be read."""
    shutil.copy(path, open_folder / "old.db")
    (open_folder / "old.db").chmod(0o444)
    open_folder.chmod(0o555)
    before = contents(open_folder)
    rehearsal = uses(path.parent / "new.db", path) + uses(path / "new.db", path / "old.db")
    script = UNPRIVILEGED.format(
        rehearsal=rehearsal, commands=uses(open_folder / "new.db", open_folder / "old.db")
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    new, retried, status, exported = json.loads(run.stdout)
    assert_one_line(*new, "new.db", "cannot be opened or made here")
    assert_one_line(*retried, "old.db")
    assert (status[0], exported[0]) == (0, 0)
    assert "12 of 12 points done" in status[1] and exported[1].count("\n") == 13
    assert contents(open_folder) == before


def test_two_at_once_make_one_store(tmp_path, monkeypatch):
    """The second of two that start together finds the first one's store and goes on with it."""
    path = tmp_path / "s.db"
    make = preparing.make_store

    def late(*arguments):
        # As if another runner had made the store, and finished it, just now.
        monkeypatch.setattr(preparing, "make_store", make)
        undisturbed(path, grid([2, 3]))
        make(*arguments)

    monkeypatch.setattr(preparing, "make_store", late)
    with prepare_store(path, RECIPE, grid([2, 3])) as store:
        assert store.counts().done == 2
    assert [file.name for file in tmp_path.iterdir()] == ["s.db"]


def test_shards_merge_into_the_whole(tmp_path):
    whole = grid(range(2, 8), seeds=2)
    expected = undisturbed(tmp_path / "whole.db", whole)
    shards = []
    for i in range(3):
        shards.append(tmp_path / f"shard-{i}.db")
        part = whole.points[i::3]
        with prepare_store(shards[-1], RECIPE, whole, points=part, journal="delete") as store:
            sweep_points.run_store(store, sweep_points.Serial(), light)
            assert store.counts().done == len(part) == 4
    merged = merge_stores(tmp_path / "merged.db", shards[:2])
    assert (merged.added, merged.same, merged.differing) == (8, 0, 0)
    merged = merge_stores(tmp_path / "merged.db", shards)
    assert (merged.added, merged.same, merged.differing) == (4, 8, 0)
    assert table_of(tmp_path / "merged.db") == expected
    with prepare_store(tmp_path / "merged.db", RECIPE, whole) as store:
        assert store.counts().pending == 0 and find_faults(store) == []


def test_merging_prefers_done_and_keeps_its_own(tmp_path):
    points = grid([2, 3, 4])
    ids = [point_id(point) for point in points.points]
    results = [pack(light(point, RECIPE), 9) for point in points.points]
    with prepare_store(tmp_path / "a.db", RECIPE, points) as store:
        store.finish(ids[0], results[0], **META)
        store.fail(ids[1], "boom", attempts=1, seconds=1.0, provenance="{}")
    with prepare_store(tmp_path / "b.db", RECIPE, points) as store:
        store.finish(ids[0], results[2], **META)
        store.finish(ids[1], results[1], **META)
        store.fail(ids[2], "bang", attempts=1, seconds=1.0, provenance="{}")
    merged = merge_stores(tmp_path / "a.db", [tmp_path / "b.db"])
    assert (merged.added, merged.same, merged.differing) == (1, 0, 1)
    with Store.open(tmp_path / "a.db") as store:
        assert (store.counts().done, store.counts().failed) == (2, 1)
        assert {row.id: row.packed for row in store.rows()} == dict(
            zip(ids[:2], results[:2], strict=True)
        )


def test_bad_merges_write_nothing(path, tmp_path):
    undisturbed(tmp_path / "other.db", grid([2]), recipe=Recipe.of("1,2", "kl"))
    before = contents(tmp_path)
    for shards, message in [
        ([path, tmp_path / "other.db"], "record different things"),
        ([], "at least one store"),
        ([tmp_path / "new.db"], "into itself"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            merge_stores(tmp_path / "new.db", shards)
    with pytest.raises(StoreError, match="no such store"):
        merge_stores(tmp_path / "new.db", [tmp_path / "missing.db"])
    assert contents(tmp_path) == before
