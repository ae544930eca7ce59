"""Data flows one way: rooms import from rooms above them in the table of docs/architecture.md."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "rfdiff"
TESTS = Path(__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"

# What `rfdiff/` itself holds beside the rooms; __main__ starts the command line.
DOORS = {"__init__.py", "__init__.pyi", "__main__.py", "_version.py", "py.typed"}

# Heavy or optional packages and the only room that may import them.
OWNERS = {"matplotlib": "plotting", "numba": "_kernels"}

# Entries of a room, and lines of a module, at the most.
MOST_ENTRIES, MOST_LINES = 12, 300


def table():
    """Return the rooms of the architecture page, top of the house first."""
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(r"^\| `([\w/]+)/` \|", text[text.index("## Rooms") :], flags=re.MULTILINE)


ORDER = {room: i for i, room in enumerate(table())}


def folders():
    """Return every folder of the package that holds modules, as `sweeps/points`."""
    found = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py")}
    return sorted(found - {"."})


def room_of(name, order):
    """Return the innermost listed room of a dotted module name, or None for the doors."""
    parts = name.split(".")
    rooms = ["/".join(parts[:k]) for k in range(len(parts), 0, -1)]
    return next((room for room in rooms if room in order), None)


def module_name(path, root):
    """Return the dotted name below the package: `densities.score_integral`."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imports(tree, name, is_package):
    """Yield (target below rfdiff or external name, internal?, imported names) of a module."""
    package = name.split(".") if is_package else name.split(".")[:-1]
    package = [] if name == "__init__" else package
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                inside = alias.name.split(".")[0] == "rfdiff"
                yield (alias.name.partition(".")[2] if inside else alias.name), inside, []
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            if node.level:
                base = package[: len(package) - node.level + 1]
                yield ".".join([*base, *(node.module or "").split(".")]).strip("."), True, names
            else:
                inside = (node.module or "").split(".")[0] == "rfdiff"
                target = (node.module or "").partition(".")[2] if inside else node.module
                yield target, inside, names


def load(root=ROOT):
    """Return {module: (list of internal targets, list of external ones)}."""
    graph = {}
    modules = {module_name(path, root): path for path in sorted(root.rglob("*.py"))}
    for name, path in modules.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inner, outer = [], []
        for target, inside, names in imports(tree, name, path.stem == "__init__"):
            if not inside:
                outer.append(target)
                continue
            submodules = [f"{target}.{n}".strip(".") for n in names]
            found = [s for s in submodules if s in modules]
            inner += found
            # `from .densities import f` depends on the package; `from . import x` on x alone.
            if len(found) < len(names) or not names:
                inner.append(target)
        graph[name] = (inner, outer)
    return graph


def violations(graph, order=ORDER):
    """Return every broken rule as a sentence."""
    found = []
    for name, (inner, outer) in graph.items():
        own = room_of(name, order)
        for target in inner:
            other = room_of(target, order)
            if target in ("", "__init__"):
                found.append(f"{name} imports from the package root")
            elif own is not None and other is not None and order[other] > order[own]:
                found.append(f"{name} imports {target} from {other}/, a room below {own}/")
        for target in outer:
            owner = OWNERS.get(target.split(".")[0])
            if owner not in (None, own):
                found.append(f"{name} imports {target}, which only {owner} may")
    return found


def cycles(graph):
    """Return the modules that can reach themselves."""
    reach = {name: set(inner) & set(graph) for name, (inner, _) in graph.items()}
    for k in graph:
        for i in graph:
            if k in reach[i]:
                reach[i] |= reach[k]
    return sorted(name for name in graph if name in reach[name])


def test_every_folder_is_a_room_of_the_table_or_inside_one():
    assert sorted(set(ORDER) - set(folders())) == []
    assert [
        folder for folder in folders() if room_of(folder.replace("/", "."), ORDER) is None
    ] == []


def test_the_house_itself_holds_only_rooms():
    found = {path.name for path in ROOT.iterdir() if path.is_file()}
    assert found == DOORS


def test_rooms_are_small():
    for folder in folders():
        entries = [
            path
            for path in (ROOT / folder).iterdir()
            if path.name not in ("__init__.py", "__init__.pyi", "__pycache__")
        ]
        assert 1 < len(entries) <= MOST_ENTRIES, folder


def test_modules_are_small():
    lines = {module_name(p, ROOT): len(p.read_text().splitlines()) for p in ROOT.rglob("*.py")}
    assert {name: n for name, n in lines.items() if n > MOST_LINES} == {}


def test_imports_go_up_the_table():
    assert violations(load()) == []


def test_no_cycles():
    assert cycles(load()) == []


def private(name):
    return name.startswith("_") and not name.startswith("__")


def private_uses(path):
    """Yield what a test uses that is private to the package, or to another test."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            hidden = names[0] == "rfdiff" and any(map(private, names))
            if hidden or names[0].startswith("test_"):
                yield ast.unparse(node)
        elif isinstance(node, ast.Import):
            if any(alias.name.startswith("test_") for alias in node.names):
                yield ast.unparse(node)
        elif isinstance(node, ast.Attribute):
            if private(node.attr) and ast.unparse(node.value) != "self":
                yield ast.unparse(node)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "monkeypatch.setattr":
            words = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            if any(private(part) for word in words for part in str(word).split(".")):
                yield ast.unparse(node)


def test_tests_use_public_names():
    """Only the tests of the kernels' own room know kernels."""
    found = {
        path.name: list(private_uses(path))
        for path in TESTS.rglob("*.py")
        if "_kernels" not in path.parts
    }
    assert {name: uses for name, uses in found.items() if uses} == {}


BACK = "diffusion.sde imports runs.files from runs/, a room below diffusion/"
ROOT_IMPORT = "diffusion.sde imports from the package root"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("from ..runs.files import x", BACK),
        ("import rfdiff.runs.files", BACK),
        ("def f():\n    from ..runs import files", BACK),
        ("import rfdiff", ROOT_IMPORT),
        ("from rfdiff import VESDE", ROOT_IMPORT),
        ("from .. import VESDE", ROOT_IMPORT),
        (
            "import matplotlib.axes",
            "diffusion.sde imports matplotlib.axes, which only plotting may",
        ),
        ("from numba import njit", "diffusion.sde imports numba, which only _kernels may"),
    ],
)
def test_the_rules_bite(tmp_path, source, sentence):
    for room in ("diffusion", "runs"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("")
    (tmp_path / "diffusion" / "sde.py").write_text(source)
    (tmp_path / "runs" / "files.py").write_text("from ..diffusion import sde")
    graph = load(tmp_path)
    assert violations(graph, {"diffusion": 0, "runs": 1}) == [sentence]


def test_cycles_are_seen(tmp_path):
    (tmp_path / "mixtures.py").write_text("from .sde import a")
    (tmp_path / "sde.py").write_text("from .targets import b")
    (tmp_path / "targets.py").write_text("from . import mixtures")
    (tmp_path / "data.py").write_text("from .sde import a")
    assert cycles(load(tmp_path)) == ["mixtures", "sde", "targets"]


def test_import_rfdiff_leaves_matplotlib_alone():
    code = "import sys, rfdiff; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
