"""Shards come together: done beats failed, and what is there stays."""

import pytest

from reference import sweep_points
from reference.sweep_points import RECIPE, contents, grid, light, table_of, undisturbed
from rfdiff.support.errors import ArgumentError, StoreError
from rfdiff.sweeps import Recipe, Store, merge_stores, point_id, prepare_store
from rfdiff.sweeps.measuring.result import pack
from rfdiff.sweeps.store.integrity import find_faults

META = {"attempts": 1, "seconds": 0.5, "timings": {"train": 0.4}, "provenance": "{}"}


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
