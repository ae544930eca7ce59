"""Files of arrays with a checksum (.npz): written whole, and read without trusting a byte of them.

Of all that a .npz file may be, only what `write_archive` writes is read: members that are not
compressed, each an array of float64 or text whose declared shape fills its bytes exactly. So no
file can ask for more memory than its own size, and nothing in it is ever executed.
"""

import hashlib
import math
import os
import re
import zipfile
from collections.abc import Mapping
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..support.errors import DataFileError
from ..support.validation import memory

Array = NDArray[Any]

# The member that holds the checksum of all others.
_CHECKSUM = "sha256"
_SUFFIX = ".npy"
# The head of an array of float64 or text in version 1.0 of NumPy's format.
_HEAD = re.compile(
    rb"\{'descr': '(?P<dtype>[<>](?:f8|U\d{1,9}))', 'fortran_order': (?P<fortran>True|False), "
    rb"'shape': \((?P<shape>(?:\d{1,18}(?:,|, \d{1,18}))?(?:, \d{1,18})*)\), \} *\n"
)
_MAGIC = b"\x93NUMPY\x01\x00"
_CHUNK = 1 << 20


def checksum(arrays: Mapping[str, Array]) -> str:
    """Return the SHA-256 of arrays: their names, types, shapes, orders and bytes.

    >>> a, b = np.arange(3.0), np.arange(3.0)
    >>> b[1] = np.nextafter(b[1], 2.0)
    >>> checksum({"x": a}) == checksum({"x": b}), len(checksum({"x": a}))
    (False, 64)
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        # What np.save stores: columns first only where rows are not contiguous.
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        stored = np.ascontiguousarray(array.T if fortran else array)
        head = f"{name} {array.dtype.str} {array.shape} {fortran}\n"
        digest.update(head.encode())
        digest.update(stored.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def write_archive(path: str | PathLike[str], arrays: Mapping[str, Array]) -> None:
    """Write arrays and their checksum; the file appears whole or not at all.

    Args:
        path: of the file.
        arrays: of float64 or text, by name.
    """
    members: dict[str, Any] = {**arrays, _CHECKSUM: np.array(checksum(arrays))}
    temporary = f"{os.fspath(path)}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            np.savez(file, **members)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def read_archive(path: str | PathLike[str], what: str) -> tuple[dict[str, Array], bool]:
    """Read the arrays of a file, and whether they were held to a checksum that stands beside them.

    Args:
        path: of the file.
        what: what it should be, for messages: "a run saved by rfdiff".

    Raises:
        DataFileError: there is no such file, it is anything else than `write_archive` writes, or
            its arrays do not have its checksum.
        MemoryLimitError: the arrays do not fit.
    """
    if not os.path.exists(path):
        raise DataFileError(f"{path}: no such file")
    try:
        size = os.path.getsize(path)
        with zipfile.ZipFile(path) as file:
            members = _members(file, size)
    except Exception as reason:  # whatever zipfile raises on bytes that are not a zip file
        raise DataFileError(f"{path}: not {what} ({reason})") from None
    memory(f"reading {path}", float(size))
    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(path) as file:
            for name, member in members.items():
                arrays[name] = _read_array(file, member)
    except Exception as reason:  # as above: a member's own head may be damaged
        raise DataFileError(f"{path}: not {what} ({reason})") from None
    recorded = arrays.pop(_CHECKSUM, None)
    if recorded is not None and not _is_text(recorded, checksum(arrays)):
        raise DataFileError(f"{path}: damaged: its arrays do not have the checksum beside them")
    native = {
        name: array.astype(array.dtype.newbyteorder("="), copy=False)
        for name, array in arrays.items()
    }
    return native, recorded is not None


def _is_text(array: Array, text: str) -> bool:
    """Return whether an array is a text; its bytes are compared, for they may be no text at all."""
    return array.dtype.kind == "U" and array.tobytes() == np.array(text, array.dtype).tobytes()


def _members(file: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Return the members by name; what is compressed, repeated or larger than the file is refused.

    Args:
        file: the open file.
        size: its bytes.
    """
    members: dict[str, zipfile.ZipInfo] = {}
    for member in file.infolist():
        name = member.filename.removesuffix(_SUFFIX)
        if name == member.filename:
            raise ValueError(f"{name!r} is not an array")
        if name in members:
            raise ValueError(f"{name} is there twice")
        if member.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name} is compressed")
        members[name] = member
    declared = sum(member.file_size for member in members.values())
    if declared > size:
        raise ValueError(f"its members declare {declared} bytes, the file has {size}")
    return members


class _Head(NamedTuple):
    """What the head of an array declares, and how long it is itself."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    length: int


def _read_array(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    """Return the array of a member, in the order it was stored in; its CRC is checked."""
    name = member.filename.removesuffix(_SUFFIX)
    with file.open(member) as stream:
        head = _read_head(name, stream)
        n_bytes = member.file_size - head.length
        if math.prod(head.shape) * head.dtype.itemsize != n_bytes:
            raise ValueError(f"{name} declares shape {head.shape}, but holds {n_bytes} bytes")
        content, filled = np.empty(n_bytes, np.uint8), 0
        # Up to the end of the member, where its CRC is checked.
        while part := stream.read(_CHUNK):
            content[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
            filled += len(part)
    if filled != n_bytes:
        raise ValueError(f"{name} ends after {filled} of {n_bytes} bytes")
    return content.view(head.dtype).reshape(head.shape, order="F" if head.fortran else "C")


def _read_head(name: str, stream: Any) -> _Head:
    """Return what the head of an array declares, matched as text: it is not evaluated."""
    start = stream.read(len(_MAGIC) + 2)
    length = int.from_bytes(start[len(_MAGIC) :], "little")
    match = _HEAD.fullmatch(stream.read(length))
    if not start.startswith(_MAGIC) or match is None:
        raise ValueError(f"{name} is not an array of float64 or text")
    return _Head(
        np.dtype(match["dtype"].decode()),
        tuple(int(extent) for extent in match["shape"].replace(b",", b" ").split()),
        match["fortran"] == b"True",
        len(start) + length,
    )
