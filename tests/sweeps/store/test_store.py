"""The store: what is written stays, and a store is one sweep's."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from reference.sweep_points import RECIPE, contents, grid, light, undisturbed
from rfdiff.support.errors import ArgumentError, StoreError
from rfdiff.sweeps import Recipe, Store, point_id, prepare_store
from rfdiff.sweeps.measuring.result import Result, pack, unpack
from rfdiff.sweeps.store import database, preparing

META = {"attempts": 1, "seconds": 0.5, "timings": {"train": 0.4}, "provenance": "{}"}


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


def test_an_empty_file_becomes_a_store(tmp_path):
    (tmp_path / "s.db").touch()
    expected = undisturbed(tmp_path / "t.db", grid([2, 3]))
    assert undisturbed(tmp_path / "s.db", grid([2, 3])) == expected
    (tmp_path / "u.db").touch()
    with pytest.raises(StoreError, match="holds no sweep"):
        Store.open(tmp_path / "u.db")


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
