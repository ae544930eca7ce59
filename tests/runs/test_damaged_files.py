"""Files of runs that are damaged, forged or foreign: one error naming the file and the fault."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import rfdiff
from reference.damaged_files import (
    DAMAGES,
    OF_BYTES,
    Judge,
    entries,
    forged,
    originals,
    pack,
    unpack,
)

SAVED = Path(__file__).parent / "saved"
EACH = 9


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return originals(tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_damaged_file_gives_another_run_or_another_exception(damage, files, tmp_path):
    """The long form is scripts/checks/check_files.py."""
    judge = Judge(tmp_path)
    every = [*files, *sorted(SAVED.glob("*.npz"))] if damage in OF_BYTES else files
    outcomes = {judge(every[seed % len(every)], damage, seed) for seed in range(EACH)}
    assert outcomes <= {"refused", "intact"}
    # Most damage must be noticed, or this test would be of nothing.
    assert "refused" in outcomes and ("intact" not in outcomes or damage in OF_BYTES)


def test_the_undamaged_files_are_intact(files, tmp_path):
    judge = Judge(tmp_path)
    for file in files:
        loaded = judge.contents(rfdiff.load(file))
        assert loaded == {
            name: array.tobytes() for name, array in unpack(file.read_bytes()).items()
            if name != "sha256"
        }  # fmt: skip


def settled(**changes):
    """Return a change of settings."""

    def change(members):
        settings = {**json.loads(str(members["settings"])), **changes}
        return {**members, "settings": np.array(json.dumps(settings))}

    return change


def with_entry(name, index, value):
    """Return a change of one number."""

    def change(members):
        array = members[name].copy()
        array[index] = value
        return {**members, name: array}

    return change


FAULTS = {
    "gram of other features": (
        lambda members: {**members, "gram": np.eye(3)}, r"gram must have shape \(6, 6\), got \(3, 3"
    ),
    "eigenvalue that is NaN": (
        with_entry("eigenvalues", 2, np.nan), r"eigenvalues must be finite, got nan at index \(2,\)"
    ),
    "negative tau": (with_entry("tau", 1, -1.0), "tau must be at least 0 and not NaN, got -1"),
    "weighting": (settled(weighting="junk"), "weighting must be one of 'variance'.* got 'junk'"),
    "activation": (settled(activation="junk"), "activation must be one of 'relu'.* got 'junk'"),
    "law": (settled(law="junk"), "law must be one of 'l1'.* got 'junk'"),
    "class": (settled(sde={"class": "os.system"}), "the class of sde must be one of 'VESDE'"),
    "fields": (settled(sde={"class": "VESDE"}), r"sde must have the fields \['T', 'sigma'\], got"),
    "seed": (settled(seed=-1), "seed must be a non-negative integer, got -1"),
    "rule": (settled(rule=[1e-3, 1.0, 10**9]), "n_times must be at most 20000 in a file, got 1000"),
    "end of the rule": (settled(rule=[1e-3, 2.0, 8]), "t_max must be T = 1 of the process, got 2"),
    "constant": (settled(constant=2.0), "constant must be .* for this process and rule, got 2"),
    "asymmetric gram": (with_entry("gram", (1, 0), 0.3), "gram must be symmetric, got entries"),
    "eigenvectors": (
        with_entry("eigenvectors", (1, 0), 0.3), "eigenvectors must be orthogonal, VVᵀ = 1"
    ),
    "eigenvectors of another": (
        lambda members: {**members, "eigenvectors": members["eigenvectors"][::-1]},
        "eigenvectors and eigenvalues must be those of gram",
    ),
    "negative eigenvalue": (
        with_entry("eigenvalues", 0, -1.0), "eigenvalues must be at least 0 and ascend"
    ),
    "a missing array": (
        lambda members: {k: v for k, v in members.items() if k != "cross"}, "cross is missing"
    ),
    "an array too many": (
        lambda members: {**members, "extra": np.ones(2)}, "extra is no array of a run"
    ),
    "a missing setting": (
        lambda members: {**members, "settings": np.array('{"format": 3}')},
        "settings are missing or unknown: .*activation",
    ),
    "settings of another kind": (
        lambda members: {**members, "settings": np.array("[")}, "the settings must be JSON"
    ),
    "a newer format": (
        settled(format=4, version="9.1"), "saved by rfdiff 9.1 in the newer format 4"
    ),
    "single precision": (
        lambda members: {**members, "gram": members["gram"].astype("f4")},
        "gram is not an array of float64 or text",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_beside_a_good_checksum_are_named(fault, files, tmp_path):
    change, message = FAULTS[fault]
    path = tmp_path / "forged.npz"
    path.write_bytes(pack(forged(change(unpack(files[0].read_bytes())))))
    with pytest.raises(rfdiff.DataFileError, match=message) as caught:
        rfdiff.load(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("name", ["settings", *entries({"gram": 0, "tau": 0, "noise": 0})])
def test_what_no_other_check_can_notice_is_left_to_the_checksum(name, files, tmp_path):
    """The next float, and another valid seed."""
    members = unpack(files[0].read_bytes())
    members = (
        settled(seed=7)(members) if name == "settings" else
        {**members, name: np.nextafter(members[name], 1e300)}
    )  # fmt: skip
    path = tmp_path / "stale.npz"
    path.write_bytes(pack(members))
    with pytest.raises(rfdiff.DataFileError, match="damaged: its arrays do not have the checksum"):
        rfdiff.load(path)
    path.write_bytes(pack(forged(members)))
    rfdiff.load(path)


def test_a_file_of_format_3_without_its_checksum_is_refused_and_so_is_format_1_with_one(
    files, tmp_path
):
    members = unpack(files[0].read_bytes())
    path = tmp_path / "run.npz"
    bare = {name: array for name, array in members.items() if name != "sha256"}
    for changed, message in (
        (bare, "a file of format 3 must have a checksum"),
        (forged(settled(format=1)(bare)), "a file of format 1 must have no checksum"),
    ):
        path.write_bytes(pack(changed))
        with pytest.raises(rfdiff.DataFileError, match=message):
            rfdiff.load(path)


def test_a_huge_declared_shape_asks_for_no_memory(files, tmp_path):
    """A head that declares 8 EB, and a member that is compressed a thousandfold."""
    path = tmp_path / "bomb.npz"
    members = unpack(files[0].read_bytes())
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f8", "fortran_order": False, "shape": (10**9, 10**9)}
    )
    for content, compression, message in (
        (head.getvalue(), zipfile.ZIP_STORED, "gram declares shape .* but holds 0 bytes"),
        (bytes(10**7), zipfile.ZIP_DEFLATED, "gram is compressed"),
    ):
        del members["gram"]
        path.write_bytes(pack(members))
        with zipfile.ZipFile(path, "a", compression) as file:
            file.writestr("gram.npy", content)
        with pytest.raises(rfdiff.DataFileError, match=message):
            rfdiff.load(path)
        members["gram"] = np.eye(6)


def test_weights_of_a_law_come_back_to_the_last_bit(tmp_path):
    """Weights that were normalised once do not sum to one exactly, and are not normalised again."""
    law = rfdiff.GaussianMixture([0.1, 0.2, 0.3, 0.15, 0.25], np.arange(5.0), 0.5)
    again = law
    for seed in range(100):
        q = np.random.default_rng(seed).random(5)
        law = rfdiff.GaussianMixture(q / q.sum(), np.arange(5.0), 0.5)
        again = rfdiff.GaussianMixture(law.weights, law.means, law.stds)
        if not np.array_equal(law.weights, again.weights):
            break
    assert not np.array_equal(law.weights, again.weights)
    run = rfdiff.train_exact(1e3, target=law, n=5, m=4, n_times=8)
    run.save(tmp_path / "run.npz")
    assert rfdiff.load(tmp_path / "run.npz").target.weights.tobytes() == law.weights.tobytes()
