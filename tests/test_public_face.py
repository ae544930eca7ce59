"""The package root: every public name is there, documented, typed, and imported only on use."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import rfdiff

ROOT = Path(rfdiff.__file__).parent
DOCS = ROOT.parent / "docs"


@pytest.mark.parametrize("name", rfdiff.__all__)
def test_every_name_can_be_imported(name):
    assert getattr(rfdiff, name) is not None
    assert name in dir(rfdiff)


def test_the_stub_lists_the_same_names():
    tree = ast.parse((ROOT / "__init__.pyi").read_text())
    nodes = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    names = {(alias.name, alias.asname) for node in nodes for alias in node.names}
    assert all(name == alias for name, alias in names)
    packages = {"densities", "experiments", "plotting", "sweeps", "theory"}
    assert {name for name, _ in names} == {*rfdiff.__all__, *packages}
    assert all(inspect.ismodule(getattr(rfdiff, name)) for name in packages)
    for node in nodes:
        for alias in node.names:
            if node.module:
                home = importlib.import_module(f"rfdiff.{node.module}")
                assert getattr(home, alias.name) is getattr(rfdiff, alias.name)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="module 'rfdiff' has no attribute 'train'"):
        _ = rfdiff.train
    assert not hasattr(rfdiff, "nothing")


@pytest.mark.parametrize("name", sorted(set(rfdiff.__all__) - {"__version__"}))
def test_every_name_is_documented(name):
    assert getattr(rfdiff, name).__doc__
    pages = "\n".join(path.read_text() for path in (DOCS / "reference").glob("*.md"))
    assert f"rfdiff.{name}\n" in pages


def test_importing_costs_nothing_that_is_not_used():
    code = (
        "import sys, rfdiff, rfdiff.cli; from rfdiff.cli import main; main(['--version']);"
        "sys.exit(any(m in sys.modules for m in ('scipy', 'numba', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_training_loads_only_the_scipy_it_uses():
    """Each of these costs memory that the promise of 4 m² doubles and 200 MB does not have."""
    code = (
        "import sys, rfdiff; rfdiff.train_exact([1.0, 10.0], n=5, m=4, n_times=4).kl(); "
        "heavy = {f'scipy.{part}' for part in "
        "('optimize', 'interpolate', 'integrate', 'stats', 'sparse', 'spatial')}; "
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
