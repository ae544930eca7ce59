"""From a store to tables, files, fits and pictures."""

import csv
import io

import numpy as np
import pytest
from matplotlib.figure import Figure

from reference.sweep_points import RECIPE, grid, light
from rfdiff.plotting.style import new_figure
from rfdiff.plotting.sweeps import finish, plot_family, plot_heat, plot_trend
from rfdiff.support.errors import ArgumentError, StoreError
from rfdiff.sweeps import Grid, Recipe, Table, prepare_store, read_table, run_store
from rfdiff.sweeps.measuring.result import Result
from rfdiff.sweeps.results.export import csv_text, write_csv, write_npz, write_parquet
from rfdiff.sweeps.results.trends import (
    at_the_ends,
    curve_trends,
    heat,
    lowest,
    predicted_exponent,
    through_middle,
    trends,
)
from rfdiff.sweeps.running.executors import Serial


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The table of a finished sweep over n, m and seeds."""
    path = tmp_path_factory.mktemp("table") / "s.db"
    with prepare_store(path, RECIPE, grid([4, 2, 8], m=(8, 16), seeds=3)) as store:
        run_store(store, Serial(), light)
        return read_table(store)


def made(axes, scalars, zipped=(), curves=lambda point: {}, tau="1e0:1e4:9log"):
    """Return a table whose results are given functions of the point."""
    points = Grid.of(axes, zipped).points
    results = [Result(curves(point), scalars(point)) for point in points]
    times = Recipe.of(tau).times
    ids = [str(i) for i in range(len(points))]
    return Table(times, ids, points, results, np.ones(len(points)), [{}] * len(points))


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


def test_trends_keep_seeds_apart(table):
    with pytest.raises(ArgumentError, match=r"m varies too \(8, 16, …\): .*--where m=…"):
        trends(table, "n", "top")
    low, high = trends(table, "n", "top", group="m")
    assert (low.label, high.label) == ("m = 8", "m = 16")
    assert low.x.tolist() == [2, 4, 8] and low.y.shape == (3, 3)
    for i, n in enumerate((2, 4, 8)):
        expected = table.where(n=n, m=16).column("top")
        np.testing.assert_array_equal(high.y[:, i], expected)
    (only,) = trends(table.where(m=8), "n", "top")
    np.testing.assert_array_equal(only.y, low.y)
    np.testing.assert_array_equal(only.quantiles([0.5])[0], np.median(low.y, axis=0))
    with pytest.raises(ArgumentError, match="where is no number"):
        trends(table.where(m=8), "n", "where")
    with pytest.raises(ArgumentError, match="half_width does not apply"):
        trends(table, "half_width", "top")


def test_fits_find_a_known_law():
    """Seeds shift the law and add noise; a seed with a hole in it is left out of the fit."""
    rng = np.random.default_rng(0)

    def scalars(point):
        value = (1 + point["seed"]) * point["n"] ** 0.4 * np.exp(0.02 * rng.standard_normal())
        hole = point["seed"] == 9 and point["n"] == 100
        at = "end" if point["seed"] == 3 and point["n"] == 10 else "interior"
        return {} if hole else {"tau_es": value, "tau_es_at": at}

    law = made({"n": "10,30,100,300,1000", "seeds": 10}, scalars)
    (trend,) = trends(law, "n", "tau_es")
    fit = trend.fit()
    assert np.isnan(trend.y).sum() == 1 and fit.n_seeds == 9 and fit.holds
    assert fit.interval[0] < 0.4 < fit.interval[1] and abs(fit.exponent - 0.4) < 0.02
    ends, line = through_middle(trend, 0.2)
    assert line[1] / line[0] == pytest.approx((ends[1] / ends[0]) ** 0.2)
    assert at_the_ends(law, "tau_es") == 1 and at_the_ends(law, "kl_best") == 0


def test_no_law_through_names_few_points_or_zeros():
    for axes, value in [
        ({"features": ["l1", "gaussian", "torch"], "seeds": 2}, 1.0),
        ({"n": [10, 20], "seeds": 2}, 1.0),
        ({"n": [10, 20, 30], "seeds": 2}, 0.0),
        ({"mu": [-1.0, 1.0, 2.0], "seeds": 2}, 1.0),
        ({"n": [10, 20, 30], "seeds": 2}, np.inf),
    ]:
        axis = next(iter(axes))
        (trend,) = trends(made(axes, lambda point, value=value: {"y": value}), axis, "y")
        assert trend.fit() is None


def test_predictions_know_whether_m_goes_with_n():
    def scalars(point):
        return {"tau_es": 1.0, "kl_best": 1.0}

    fixed = made({"n": [10, 20]}, scalars)
    together = made({"n": [10, 20], "m": [10, 20]}, scalars, [["n", "m"]])
    crossed = made({"n": [10, 20], "m": [10, 20]}, scalars)
    assert predicted_exponent(fixed, "n", "tau_es", None) == (0.2, "Theorem 1 at fixed m")
    assert predicted_exponent(together, "n", "tau_es", None) == (0.4, "Theorem 1, m ∝ n")
    assert predicted_exponent(together, "n", "kl_best", None) == (-0.4, "Theorem 1, m ∝ n")
    assert predicted_exponent(crossed, "n", "kl_best", "m") == (-0.2, "Theorem 1 at fixed m")
    assert predicted_exponent(crossed, "m", "kl_best", "n") == (-0.8, "Theorem 1, term in m")
    assert predicted_exponent(fixed, "mu", "kl_best", None) is None
    assert len(trends(together, "n", "tau_es")[0].x) == 2


def test_heat_maps():
    crossed = made(
        {"n": [10, 20, 40], "m": [8, 16], "seeds": 3},
        lambda p: {"y": p["n"] * p["m"] + p["seed"]},
    )
    x, y, z = heat(crossed, "n", "m", "y")
    assert (x.tolist(), y.tolist()) == ([10, 20, 40], [8, 16])
    np.testing.assert_array_equal(z, np.outer([8, 16], [10, 20, 40]) + 1.0)
    with pytest.raises(ArgumentError, match="two different axes"):
        heat(crossed, "n", "n", "y")


def test_curves_and_their_lowest_points(table):
    with pytest.raises(ArgumentError, match="m varies too"):
        curve_trends(table, "kl", "n")
    found = curve_trends(table.where(m=8), "kl", "n")
    assert [trend.label for trend in found] == ["n = 2", "n = 4", "n = 8"]
    assert found[0].y.shape == (3, 9)
    tau = np.array([1.0, 2.0, 3.0])
    assert lowest(tau, np.array([2.0, 1.0, 3.0])) == (2.0, 1.0)
    assert lowest(tau, np.array([1.0, 2.0, 3.0])) is None
    assert lowest(tau, np.array([1.0, np.nan, 3.0])) is None


def test_pictures_show_what_they_are_given():
    """Lines, bands, scales and legends, read back from the axes."""
    x, middle = np.array([10, 100, 1000]), np.array([1.0, 2.0, 4.0])
    _, (ax,) = new_figure()
    plot_trend(
        ax, x, middle, middle / 2, middle * 2, label="median",
        fit=([10, 1000], [1.0, 4.0], "fitted"), predicted=([10, 1000], [1.0, 3.0], "predicted"),
    )  # fmt: skip
    finish(ax, "n", "tau", x, middle, law=True)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    labels = ax.get_legend_handles_labels()[1]
    assert labels == ["median", "fitted", "predicted"]
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), np.stack([x, middle], 1))

    _, (ax,) = new_figure()
    names = np.array(["gaussian", "l1"])
    plot_trend(ax, names, [1.0, 2.0], [0.5, 1.0], [2.0, 3.0])
    finish(ax, "features", "KL", names, [1.0, 2.0])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["gaussian", "l1"]
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_legend()) == ("linear", "linear", None)

    _, (ax,) = new_figure()
    tau = np.array([0.0, 1.0, 10.0, np.inf])
    curve = np.array([3.0, 2.0, 1.0, 4.0])
    plot_family(ax, tau, [(curve, curve, curve)] * 2, ["a", "b"], marks=[None, (1.0, 2.0)])
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [1.0, 10.0])
    assert len(ax.lines) == 3

    figure, (ax,) = new_figure()
    z = np.array([[0.1, 1.0], [np.nan, 30.0]])
    plot_heat(ax, np.array([1, 2]), np.array([0.5, 1.5]), z, label="KL")
    assert isinstance(figure, Figure) and len(figure.axes) == 2
    assert [text.get_text() for text in ax.texts] == ["0.1", "1", "30"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["0.5", "1.5"]
