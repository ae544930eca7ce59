"""What cannot be written is said once, in a line, and leaves no trace."""

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from reference.sweep_points import contents, table_of
from rfdiff.cli import main
from rfdiff.sweeps import Store
from rfdiff.sweeps.store.integrity import find_faults


def command(path):
    """Return a sweep of sixty small real trainings, in this process."""
    return [
        "sweep", "run", "--out", str(path), "--n", "2:61:60lin", "--m", "4", "--n-times", "8",
        "--tau", "1e0:1e4:81log", "--observables", "kl,loss_train", "--jobs", "0", "--quiet",
    ]  # fmt: skip


@contextlib.contextmanager
def largest_file(size):
    """Let no file of this process grow beyond `size` bytes: a quota, as a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def assert_one_line(status, out, err, *words):
    assert (status, out) == (2, "")
    assert err.count("\n") == 1 and err.startswith("rfdiff sweep: "), err
    for word in words:
        assert word in err


def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path, capsys):
    """A quota ends the sweep with one line; what was done stays, and it goes on with more room."""
    path, whole = tmp_path / "s.db", tmp_path / "t.db"
    # First without a quota, which would hold for the files of compiled kernels too.
    assert main(command(whole)) == 0
    capsys.readouterr()
    with largest_file(300_000):
        status = main(command(path))
    words = str(path), "full disk", "what is done is stored"
    assert_one_line(status, *capsys.readouterr(), *words)
    with Store.open(path) as store:
        kept = store.counts()
        assert find_faults(store) == []
        held = {row.digest for row in store.rows()}
    assert 5 < kept.done < 60 and kept.pending == 60 - kept.done
    assert main(command(path)) == 0
    assert table_of(path) == table_of(whole)
    with Store.open(path) as store:
        assert held <= {row.digest for row in store.rows()}


def test_no_room_for_a_new_store_leaves_nothing(tmp_path, capsys):
    with largest_file(8192):
        status = main(command(tmp_path / "s.db"))
    assert_one_line(status, *capsys.readouterr(), "s.db")
    assert list(tmp_path.iterdir()) == []


def test_places_where_nobody_can_write(path, capsys):
    """Below a file, and in /proc: not even root."""
    before = contents(path.parent)
    for target in (path / "s.db", Path("/proc/s.db"), path.parent / "no" / "s.db"):
        assert_one_line(main(command(target)), *capsys.readouterr(), str(target))
    assert contents(path.parent) == before


# Rehearsed first, where everything is allowed: an unprivileged process may not be able to read
# Python's own modules, or the package's, and must have them all.
UNPRIVILEGED = """
import contextlib, io, json, os
from rfdiff.cli import main
def call(arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(arguments)
    return status, out.getvalue(), err.getvalue()
for arguments in {rehearsal!r}:
    call(arguments)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
print(json.dumps([call(arguments) for arguments in {commands!r}]))
"""


def uses(new, old):
    """Return commands that make a store, change one and read one."""
    return [
        command(new), ["sweep", "retry", str(old)], ["sweep", "status", str(old)],
        ["sweep", "export", str(old)],
    ]  # fmt: skip


@pytest.fixture
def open_folder():
    """A folder that any user may enter; those of pytest, and of TMPDIR, may be their owner's."""
    with tempfile.TemporaryDirectory(dir="/tmp" if os.geteuid() == 0 else None) as name:
        yield Path(name)
        Path(name).chmod(0o755)


def test_a_folder_without_permission(path, open_folder):
    """A store in a read-only folder cannot be made or continued, but it can be read."""
    shutil.copy(path, open_folder / "old.db")
    (open_folder / "old.db").chmod(0o444)
    open_folder.chmod(0o555)
    before = contents(open_folder)
    rehearsal = uses(path.parent / "new.db", path) + uses(path / "new.db", path / "old.db")
    script = UNPRIVILEGED.format(
        rehearsal=rehearsal, commands=uses(open_folder / "new.db", open_folder / "old.db")
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    new, retried, status, exported = json.loads(run.stdout)
    assert_one_line(*new, "new.db", "cannot be opened or made here")
    assert_one_line(*retried, "old.db")
    assert (status[0], exported[0]) == (0, 0)
    assert "12 of 12 points done" in status[1] and exported[1].count("\n") == 13
    assert contents(open_folder) == before
