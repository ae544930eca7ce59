"""Files of runs with known damage: what `rfdiff.load` must refuse, and how its answer is judged.

Damage to bytes leaves a file's contents as they were or breaks them; a file that still loads must
give the run that was saved, bit for bit. Damage to contents is packed into a well-formed file, with
the checksum it had ("stale") or one of what it now holds ("forged": only what no run may contain).
"""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import rfdiff
from rfdiff.data.archive import checksum, read_archive

Members = dict[str, np.ndarray]
Rng = np.random.Generator

# No setting of a run may be any of these.
JUNK = [
    -1.5, float("nan"), float("inf"), -(10**400), True, "junk", [], [[[]]], [1.0, 2.0], {},
    {"class": "junk"}, {"class": []}, {"class": "VESDE"}, {"array": "junk"}, {"array": [[1], 2]},
]  # fmt: skip


def originals(folder: Path) -> list[Path]:
    """Save runs of a law, a data set, a population and a smooth activation; return their files."""
    tau = np.array([0.0, 1e2, 1e5, np.inf])
    data = rfdiff.load_data("old_faithful", column="eruptions")[:30]
    runs = {
        "law": rfdiff.train_exact(
            tau, n=7, m=6, n_times=8, sde=rfdiff.VPSDE(), noise_samples=2, precondition=True
        ),
        "data": rfdiff.train_exact(
            tau, data=data, held_out=0.25, m=5, n_times=8, embedding="fourier", theta0="gaussian"
        ),
        "population": rfdiff.train_exact(
            tau, target=rfdiff.beta(), population=True, m=4, n_times=8, features="gaussian"
        ),
        "smooth": rfdiff.train_exact(tau, n=5, m=4, n_times=8, activation="tanh"),
    }
    for name, run in runs.items():
        run.save(folder / f"{name}.npz")
    return [folder / f"{name}.npz" for name in runs]


# Damage to bytes.


def truncated(raw: bytes, rng: Rng) -> bytes:
    """Cut the file off."""
    return raw[: rng.integers(len(raw))]


def flipped(raw: bytes, rng: Rng) -> bytes:
    """Change up to eight bytes anywhere."""
    out = bytearray(raw)
    for place in rng.integers(len(raw), size=rng.integers(1, 9)):
        out[place] ^= int(rng.integers(1, 256))
    return bytes(out)


def flipped_directory(raw: bytes, rng: Rng) -> bytes:
    """Change one byte of the zip file's directory."""
    start = raw.index(b"PK\x01\x02")
    out = bytearray(raw)
    out[rng.integers(start, len(raw))] ^= int(rng.integers(1, 256))
    return bytes(out)


def flipped_head(raw: bytes, rng: Rng) -> bytes:
    """Change one byte of the head of a member or of its array."""
    starts = [i for i in range(len(raw) - 4) if raw[i : i + 4] == b"PK\x03\x04"]
    out = bytearray(raw)
    out[int(rng.choice(starts)) + rng.integers(160)] ^= int(rng.integers(1, 256))
    return bytes(out)


def cut_out(raw: bytes, rng: Rng) -> bytes:
    """Remove some bytes from the middle."""
    start = int(rng.integers(len(raw)))
    return raw[:start] + raw[start + int(rng.integers(1, 200)) :]


def inserted(raw: bytes, rng: Rng) -> bytes:
    """Insert some bytes."""
    start = int(rng.integers(len(raw)))
    return raw[:start] + rng.bytes(int(rng.integers(1, 200))) + raw[start:]


def zeroed(raw: bytes, rng: Rng) -> bytes:
    """Overwrite a block by zeros, as a disk that lost it does."""
    start = int(rng.integers(len(raw)))
    length = min(512, len(raw) - start)
    return raw[:start] + bytes(length) + raw[start + length :]


def foreign(raw: bytes, rng: Rng) -> bytes:
    """Replace the file by another kind of file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("notes.txt", "no arrays")
    array = io.BytesIO()
    np.save(array, rng.random(3))
    texts = [b"", b"PK", b"not an archive", pickle.dumps({"x": 1}), rng.bytes(300)]
    return [*texts, out.getvalue(), array.getvalue(), pack({"x": rng.random(3)})][rng.integers(8)]


# Damage to contents.


def unpack(raw: bytes) -> Members:
    """Return the arrays of a file."""
    with np.load(io.BytesIO(raw), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def pack(members: Members) -> bytes:
    """Return the file of arrays."""
    out = io.BytesIO()
    np.savez(out, **members)
    return out.getvalue()


def entries(members: Members) -> list[str]:
    """Return the names of a run's arrays."""
    return sorted(set(members) - {"settings", "sha256"})


def forged(members: Members) -> Members:
    """Return members with a checksum of what they are now."""
    rest = {name: array for name, array in members.items() if name != "sha256"}
    return {**rest, "sha256": np.array(checksum(rest))}


def swapped(members: Members, rng: Rng) -> Members:
    """Exchange two arrays."""
    a, b = rng.choice(entries(members), size=2, replace=False)
    return {**members, a: members[b], b: members[a]}


def nudged(members: Members, rng: Rng) -> Members:
    """Move one number to the next float."""
    name = str(rng.choice(entries(members)))
    array = members[name].copy()
    at = int(rng.integers(array.size))
    array.flat[at] = np.nextafter(array.flat[at], -1e308)
    return {**members, name: array}


def retyped(members: Members, rng: Rng) -> Members:
    """Change the type of one array."""
    name = str(rng.choice(entries(members)))
    kind = str(rng.choice(["f4", "i8", ">f8", "c16", "S8", "U8", "O", "?"]))
    with np.errstate(invalid="ignore", over="ignore"):
        return {**members, name: np.nan_to_num(members[name]).astype(kind)}


def reshaped(members: Members, rng: Rng) -> Members:
    """Change the shape of one array that has to fit others."""
    fitting = set(entries(members)) - {"tau", "data", "held_out"}
    name = str(rng.choice(sorted(fitting)))
    array = members[name]
    changes: list[Callable[[], np.ndarray]] = [
        lambda: array[None],
        lambda: array[:0],
        lambda: array[: len(array) - 1],
        lambda: np.concatenate([array, array]),
        lambda: np.stack([array, array], axis=-1),
        lambda: np.array(1.0),
    ]
    return {**members, name: changes[rng.integers(len(changes))]()}


def resettled(members: Members, rng: Rng) -> Members:
    """Replace one setting, or one field of one, by junk."""
    settings = json.loads(str(members["settings"]))
    # Which version wrote a file is no part of the run.
    holder, name = settings, str(rng.choice(sorted(set(settings) - {"version"})))
    if isinstance(settings[name], dict) and rng.random() < 0.5:
        holder = settings[name]
        name = str(rng.choice(sorted(holder)))
    if rng.random() < 0.2:
        del holder[name]
    else:
        holder[name] = JUNK[rng.integers(len(JUNK))]
    return {**members, "settings": np.array(json.dumps(settings))}


def misspelt(members: Members, rng: Rng) -> Members:
    """Break the text of the settings."""
    text = str(members["settings"])
    at = int(rng.integers(len(text)))
    broken = [text[:at], text[:at] + "{" + text[at:], "[" * 100_000, "null", "3", "[]", ""]
    return {**members, "settings": np.array(broken[rng.integers(len(broken))])}


def incomplete(members: Members, rng: Rng) -> Members:
    """Leave out a member that every run has, or add one that none has."""
    needed = set(members) - {"data", "held_out", "noise"}
    gone = str(rng.choice(sorted(needed)))
    if rng.random() < 0.3:
        return {**members, "extra": rng.random(3)}
    return {name: array for name, array in members.items() if name != gone}


def untrue(members: Members, rng: Rng) -> Members:
    """Make one number impossible: not finite, negative, or not what the others say."""
    name = str(rng.choice(entries(members)))
    array = members[name].copy()
    at = int(rng.integers(array.size))
    array.flat[at] = np.nan
    if name == "tau":
        array.flat[at] = -1.0
    elif name == "eigenvalues":
        array.flat[at] = rng.choice([np.nan, -1.0, 1e308, array[at] + 1e-6 * array[-1]])
    elif name in ("gram", "eigenvectors"):
        off = array.flat[at] + 1e-6 * np.abs(array).max()
        array.flat[at] = rng.choice([np.nan, np.inf, 1e308, off])
    elif rng.random() < 0.5:
        array.flat[at] = np.inf
    return {**members, name: array}


def unordered(members: Members, rng: Rng) -> Members:
    """Take the eigenvectors of other eigenvalues, or a rotated or rescaled basis."""
    vectors = members["eigenvectors"]
    changes = [np.roll(vectors, 1, axis=1), vectors[::-1], 1.001 * vectors]
    return {**members, "eigenvectors": changes[rng.integers(3)]}


# Damage to the container that np.savez would not write.


def container(raw: bytes, rng: Rng) -> bytes:
    """Compress, repeat or rename a member, or declare a shape of which there are no bytes."""
    members = unpack(raw)
    arrays = {}
    for name, array in members.items():
        buffer = io.BytesIO()
        np.save(buffer, array)
        arrays[f"{name}.npy"] = buffer.getvalue()
    name = f"{rng.choice(entries(members))}.npy"
    kind = str(rng.choice(["compressed", "renamed", "no array", "huge", "repeated"]))
    compression = zipfile.ZIP_DEFLATED if kind == "compressed" else zipfile.ZIP_STORED
    if kind == "renamed":
        arrays[name.lower() + ".npy"] = arrays.pop(name)
    if kind == "no array":
        arrays[name.removesuffix(".npy")] = arrays.pop(name)
    if kind == "huge":
        arrays[name] = _declaring(arrays[name], (10**6, 10**6))
    if kind == "repeated":
        arrays["X" * len(name)] = arrays[name]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as file:
        for member, content in arrays.items():
            file.writestr(member, content)
    # Under a name of its own first, for zipfile warns of a second one.
    return out.getvalue().replace(b"X" * len(name), name.encode())


def _declaring(content: bytes, shape: tuple[int, ...]) -> bytes:
    """Return an array's bytes with another shape in its head."""
    buffer = io.BytesIO()
    head = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, head)
    length = 10 + int.from_bytes(content[8:10], "little")
    return buffer.getvalue() + content[length:]


def _of_contents(change: Callable[[Members, Rng], Members], forge: bool) -> Callable:
    def damage(raw: bytes, rng: Rng) -> bytes:
        changed = change(unpack(raw), rng)
        return pack(forged(changed) if forge else changed)

    return damage


OF_BYTES = {
    damage.__name__: damage
    for damage in (
        truncated, flipped, flipped_directory, flipped_head, cut_out, inserted, zeroed, foreign
    )
}  # fmt: skip
STALE = (swapped, nudged, retyped, reshaped, resettled, misspelt, incomplete, untrue, unordered)
FORGED = (reshaped, resettled, misspelt, untrue, unordered)
DAMAGES: dict[str, Callable[[bytes, Rng], bytes]] = {
    **OF_BYTES,
    "container": container,
    **{f"{change.__name__}, stale": _of_contents(change, False) for change in STALE},
    **{f"{change.__name__}, forged": _of_contents(change, True) for change in FORGED},
}


@dataclass
class Judge:
    """Loads damaged files in a folder and says what became of each."""

    folder: Path

    def __call__(self, original: Path, damage: str, seed: int) -> str:
        """Return "refused", "intact", "wrong run", or the exception that should not have been."""
        path = self.folder / "damaged.npz"
        path.write_bytes(DAMAGES[damage](original.read_bytes(), np.random.default_rng(seed)))
        try:
            run = rfdiff.load(path)
        except rfdiff.DataFileError as error:
            return "refused" if str(path) in str(error) else "a message without the file"
        except Exception as error:  # which is what is looked for
            return type(error).__name__
        return "intact" if self.contents(run) == self.contents(rfdiff.load(original)) else "wrong"

    def contents(self, run: object) -> dict[str, bytes]:
        """Return all bytes of a run, as they would be saved."""
        path = self.folder / "contents.npz"
        run.save(path)  # type: ignore[attr-defined]
        return {name: array.tobytes() for name, array in read_archive(path, "a run")[0].items()}
