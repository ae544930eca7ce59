"""Data files: what is read, and errors that name the file, the column and the row."""

import numpy as np
import pytest

from rfdiff.data.files import BUNDLED, bundled_data, load_data
from rfdiff.support.errors import DataFileError


def write(tmp_path, name, text, encoding="utf-8"):
    path = tmp_path / name
    path.write_text(text, encoding=encoding)
    return path


def test_bundled_data_are_whole():
    eruptions = load_data("old_faithful", "eruptions")
    waiting = load_data(bundled_data("old_faithful"), "waiting")
    velocities = load_data("galaxies")  # the unnamed row labels are no column
    # Known summaries of R's datasets::faithful and MASS::galaxies.
    assert eruptions.shape == waiting.shape == (272,)
    assert eruptions.mean() == pytest.approx(3.487783, abs=1e-6)
    assert waiting.mean() == pytest.approx(70.897059, abs=1e-6)
    assert velocities.shape == (82,)
    assert velocities.mean() == pytest.approx(20828.17, abs=5e-3)
    assert all(bundled_data(name).is_file() for name in BUNDLED)


def test_bundled_name_gives_way_to_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "galaxies").write_text("1\n")
    with pytest.raises(DataFileError, match=r"galaxies: data files end in \.csv"):
        load_data("galaxies")
    with pytest.raises(DataFileError, match="no bundled data set 'iris'"):
        bundled_data("iris")


@pytest.mark.parametrize("column", ["b", 1, "1", np.int64(1)])
def test_column_by_name_and_number(tmp_path, column):
    path = write(tmp_path, "d.csv", "a,b\n1,2.5\n3,-4e1\n")
    np.testing.assert_array_equal(load_data(path, column), [2.5, -40.0])


def test_a_name_wins_over_a_number(tmp_path):
    path = write(tmp_path, "d.csv", "1,0,z\n5,6,7\n")
    assert load_data(path, "0") == [6.0]
    assert load_data(path, 0) == [5.0]


@pytest.mark.parametrize(
    "text", ["a;b\n1;2\n3;4\n", "a\tb\r\n1\t2\r\n3\t4\r\n", "\ufeffa, b\n\n1, 2\n3, 4\n\n"]
)
def test_delimiters_line_ends_and_blank_lines(tmp_path, text):
    np.testing.assert_array_equal(load_data(write(tmp_path, "d.csv", text), "b"), [2.0, 4.0])


def test_one_column_needs_no_choice(tmp_path):
    np.testing.assert_array_equal(load_data(write(tmp_path, "d.csv", "x\n1\n2\n")), [1, 2])
    np.testing.assert_array_equal(load_data(write(tmp_path, "e.csv", "1\n2\n")), [1, 2])
    np.testing.assert_array_equal(load_data(write(tmp_path, "e.txt", "# x\n1\n2 # two\n")), [1, 2])


def test_several_columns_are_points(tmp_path):
    path = write(tmp_path, "d.txt", "a b c\n1 2 3\n4 5 6\n")
    np.testing.assert_array_equal(load_data(path, ["c", 0]), [[3, 1], [6, 4]])
    with pytest.raises(DataFileError, match="choose a column: the file has 'a', 'b', 'c'"):
        load_data(path)
    with pytest.raises(DataFileError, match="no column was chosen"):
        load_data(path, [])


def test_npy(tmp_path):
    flat, matrix, named = tmp_path / "f.npy", tmp_path / "m.npy", tmp_path / "n.npy"
    np.save(flat, np.arange(3))
    np.save(matrix, np.arange(6.0).reshape(3, 2))
    np.save(named, np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "i4"), ("b", "f8")]))
    np.testing.assert_array_equal(load_data(flat), [0, 1, 2])
    assert load_data(flat).dtype == np.float64
    np.testing.assert_array_equal(load_data(matrix), [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(load_data(matrix, 1), [1, 3, 5])
    np.testing.assert_array_equal(load_data(named, "b"), [2.5, 4.5])
    np.testing.assert_array_equal(load_data(named), [[1, 2.5], [3, 4.5]])


@pytest.mark.parametrize(
    ("text", "column", "fault"),
    [
        ("a,b\n1,2\n", "c", r"no column 'c'; the file has 'a', 'b'"),
        ("a,b\n1,2\n", 2, r"no column 2; columns are numbered 0 to 1"),
        ("a,b\n1,2\n", -1, r"no column -1"),
        ("a,b\n1,2\n3,four\n", "b", r", column 'b', row 2 \(line 3\): 'four' is not a number"),
        ("a,b\n\n1,2\n3,\n", "b", r", column 'b', row 2 \(line 4\): the cell is empty"),
        ("a,b\n1,NaN\n", "b", r", column 'b', row 1 \(line 2\): NaN is not finite"),
        ("1,2\n3,inf\n", 1, r", column 1, row 2 \(line 2\): inf is not finite"),
        ("a,b\n1,2\n3\n", "a", r", row 2 \(line 3\): has 1 columns, expected 2"),
        ("", None, "holds no data"),
        ("a,b\n", "a", "holds no data"),
    ],
)
def test_errors_name_file_column_and_row(tmp_path, text, column, fault):
    path = write(tmp_path, "bad.csv", text)
    with pytest.raises(DataFileError, match=r"bad\.csv.*" + fault):
        load_data(path, column)


@pytest.mark.parametrize(
    ("array", "fault"),
    [
        (np.array([1.0, np.nan]), r"column 0, row 2: nan is not finite"),
        (np.array([["a"]]), r"must hold real numbers, got dtype <U1"),
        (np.array([1j]), r"must hold real numbers, got dtype complex128"),
        (np.empty(0), "holds no data"),
        (np.empty((2, 2, 2)), r"must have shape \(n,\) or \(n, d\), got \(2, 2, 2\)"),
        (np.float64(1.0), r"must have shape \(n,\) or \(n, d\), got \(\)"),
    ],
)
def test_npy_errors(tmp_path, array, fault):
    np.save(tmp_path / "bad.npy", array)
    with pytest.raises(DataFileError, match=r"bad\.npy.*" + fault):
        load_data(tmp_path / "bad.npy")


def test_npy_of_objects_runs_no_pickle(tmp_path):
    np.save(tmp_path / "bad.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataFileError, match=r"bad\.npy: not a \.npy array of numbers"):
        load_data(tmp_path / "bad.npy")


def test_files_that_are_no_data(tmp_path):
    with pytest.raises(DataFileError, match=r"none\.csv: no such file"):
        load_data(tmp_path / "none.csv")
    with pytest.raises(DataFileError, match=r"data files end in \.csv, \.txt, \.npy"):
        load_data(tmp_path / "d.parquet")
    (tmp_path / "dir.csv").mkdir()
    with pytest.raises(DataFileError, match="no such file"):
        load_data(tmp_path / "dir.csv")
    latin = write(tmp_path, "latin.csv", "größe\n1\n", encoding="latin-1")
    with pytest.raises(DataFileError, match="not a text file in UTF-8"):
        load_data(latin)
    (tmp_path / "junk.npy").write_bytes(b"junk")
    with pytest.raises(DataFileError, match="not a \\.npy array"):
        load_data(tmp_path / "junk.npy")
