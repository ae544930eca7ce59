"""From a store to tables and files."""

import csv
import io

import numpy as np
import pytest

from reference.sweep_points import made
from rfdiff.support.errors import ArgumentError, StoreError
from rfdiff.sweeps.results.export import csv_text, write_csv, write_npz, write_parquet


def test_rows_are_in_canonical_order(table):
    rows = list(zip(table.column("n"), table.column("m"), table.column("seed"), strict=True))
    assert rows == sorted(rows) and len(rows) == 18
    assert table.varying == ["n", "m", "seed"]
    assert "half_width" not in table.axes and "sigma" in table.axes


def test_record_arrays_and_frames(table):
    records = table.records()
    assert records.n.dtype == np.int64 and records.mu.dtype == np.float64
    assert records.population.dtype == np.bool_ and records["where"][0] == "interior"
    assert (records.top == table.column("top")).all() and np.isinf(records.infinite).all()
    frame = table.frame()
    assert list(frame.index) == table.ids and frame.index.name == "id"
    assert frame.groupby("n").top.count().to_dict() == {2: 6, 4: 6, 8: 6}
    few = table.where(n=4, m=16)
    assert len(few) == 3 and set(few.column("seed")) == {0, 1, 2}
    np.testing.assert_array_equal(few.curve("kl"), table.curve("kl")[9:12])


def test_columns_with_gaps():
    mixed = made(
        {"sde": ["ve", "vp"], "noise_samples": "none,3"},
        lambda p: {"warnings": "bad"} if p["sde"] == "vp" else {"x": 1.0},
    )
    assert mixed.column("noise_samples").tolist()[0] == 3.0
    assert np.isnan(mixed.column("noise_samples")[1])
    assert np.isnan(mixed.column("sigma")[2:]).all() and np.isnan(mixed.column("x")[2:]).all()
    assert mixed.column("warnings").tolist() == ["", "", "bad", "bad"]


def test_unknown_columns_name_the_nearest(table):
    with pytest.raises(ArgumentError, match="did you mean 'top'"):
        table.column("tops")
    with pytest.raises(ArgumentError, match="did you mean 'kl_error'"):
        table.curve("kl_err")
    with pytest.raises(ArgumentError, match="no finished point has n = 5"):
        table.where(n=5)
    with pytest.raises(ArgumentError, match="unknown axis 'q'"):
        table.where(q=5)


def test_csv_reads_back_the_same_doubles(table, tmp_path):
    assert write_csv(table, tmp_path / "points.csv") == 18
    assert write_csv(table, tmp_path / "curves.csv", curves=True) == 18 * 9
    with open(tmp_path / "points.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["top"]) for row in rows] == table.column("top").tolist()
    assert {row["infinite"] for row in rows} == {"inf"} and "seconds" not in rows[0]
    with open(tmp_path / "curves.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["kl"]) for row in rows] == table.curve("kl").ravel().tolist()
    assert [float(row["tau"]) for row in rows[:9]] == table.tau.tolist()
    timed = next(csv.DictReader(io.StringIO(csv_text(table, timings=True))))
    assert float(timed["seconds"]) > 0 and float(timed["seconds_train"]) == 1e-3


def test_npz_and_parquet(table, tmp_path):
    import pyarrow.parquet

    assert write_npz(table, tmp_path / "s.npz", timings=True) == 18
    with np.load(tmp_path / "s.npz") as arrays:
        assert arrays["kl"].tobytes() == table.curve("kl").tobytes()
        assert arrays["n"].tolist() == table.column("n").tolist()
        assert arrays["tau"].tolist() == table.tau.tolist() and arrays["seconds"].shape == (18,)
        assert arrays["id"].tolist() == table.ids
    write_npz(table, tmp_path / "a.npz")
    write_npz(table, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    write_parquet(table, tmp_path / "s.parquet", timings=True)
    frame = pyarrow.parquet.read_table(tmp_path / "s.parquet")
    assert np.array(frame["kl"].to_pylist()).tobytes() == table.curve("kl").tobytes()
    assert frame["id"].to_pylist() == table.ids
    times = frame.schema.metadata[b"tau"].decode().split(",")
    assert [float(time) for time in times] == table.tau.tolist()


def test_a_file_that_cannot_be_written_leaves_nothing(table, tmp_path):
    (tmp_path / "file").touch()
    for target in (tmp_path / "file" / "s.csv", tmp_path / "missing" / "s.csv"):
        with pytest.raises(StoreError, match="cannot be written"):
            write_csv(table, target)
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        write_npz(table, tmp_path / "folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_missing_extras_are_named(table, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ArgumentError, match=r"pip install 'rfdiff\[tables\]'"):
        table.frame()
    with pytest.raises(ArgumentError, match=r"pip install 'rfdiff\[tables\]'"):
        write_parquet(table, tmp_path / "s.parquet")
    assert list(tmp_path.iterdir()) == []
