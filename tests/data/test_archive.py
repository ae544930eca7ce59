"""Files of arrays: they come back as they were, and only what was written is read."""

import numpy as np
import pytest

from rfdiff.data.archive import checksum, read_archive, write_archive
from rfdiff.support.errors import DataFileError, MemoryLimitError

RNG = np.random.default_rng(0)
ARRAYS = {
    "by rows": RNG.random((3, 4)),
    "by columns": np.asfortranarray(RNG.random((3, 4))),
    "neither": RNG.random((6, 4))[::2, ::2],
    "vector": RNG.random(5),
    "number": np.array(2.5),
    "empty": np.zeros((0, 2)),
    "text": np.array("σ_t"),
    "other bytes": RNG.random(3).astype(">f8"),
}


def test_arrays_come_back_with_their_bits_and_their_order(tmp_path):
    write_archive(tmp_path / "arrays.npz", ARRAYS)
    arrays, has_checksum = read_archive(tmp_path / "arrays.npz", "arrays")
    assert has_checksum and set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert np.array_equal(arrays[name], array) and arrays[name].shape == array.shape
        assert arrays[name].dtype.isnative
    assert arrays["by columns"].flags.f_contiguous and arrays["by rows"].flags.c_contiguous
    arrays["vector"][0] = 1.0
    assert [path.name for path in tmp_path.iterdir()] == ["arrays.npz"]
    with np.load(tmp_path / "arrays.npz") as plain:
        assert str(plain["sha256"]) == checksum(ARRAYS)


@pytest.mark.parametrize("name", ["by rows", "by columns", "number", "text"])
def test_the_checksum_sees_names_types_shapes_and_orders(name):
    array = ARRAYS[name]
    others = [
        {"other": array},
        {name: array[None]},
        {name: array, "more": array},
        {name: np.array(str(array))} if array.dtype.kind == "f" else {name: np.array("σ_T")},
    ]
    if array.ndim == 2:
        order = "C" if array.flags.f_contiguous else "F"
        others.append({name: array.copy(order=order)})
    assert len({checksum(arrays) for arrays in [{name: array}, *others]}) == len(others) + 1


def test_nothing_is_left_where_writing_fails(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_archive(tmp_path / "absent" / "arrays.npz", ARRAYS)
    (tmp_path / "arrays.npz").mkdir()
    with pytest.raises(OSError, match=r"arrays\.npz"):
        write_archive(tmp_path / "arrays.npz", ARRAYS)
    assert [path.name for path in tmp_path.iterdir()] == ["arrays.npz"]
    with pytest.raises(DataFileError, match="not arrays"):
        read_archive(tmp_path / "arrays.npz", "arrays")


def test_what_does_not_fit_is_not_read(tmp_path, monkeypatch):
    write_archive(tmp_path / "arrays.npz", ARRAYS)
    monkeypatch.setattr("rfdiff.support.validation.available_memory", lambda: 100)
    with pytest.raises(MemoryLimitError, match=r"reading .*arrays\.npz needs about"):
        read_archive(tmp_path / "arrays.npz", "arrays")
