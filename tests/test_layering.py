"""Data flows one way: imports go down the layers of docs/architecture.md, read from the source."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "rfdiff"

DOCS = Path(__file__).parent.parent / "docs" / "architecture.md"


def read_layers():
    """Return {module: layer} from the table of the architecture page, where modules are entered.

    Modules of a package share its layer; `__init__` and `_version` are at the two ends.
    """
    text = DOCS.read_text(encoding="utf-8")
    layers = {"_version": 0, "__init__": 99}
    for line in text[text.index("## Layers") : text.index("## Decisions")].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0].isdigit():
            layers |= dict.fromkeys(re.findall(r"`(\w+)`", cells[1]), int(cells[0]))
    return layers


LAYERS = read_layers()

# Heavy or optional packages and the only layer that may import them.
OWNERS = {"matplotlib": "plotting", "numba": "_kernels"}


def module_name(path, root=ROOT):
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


def layer(name):
    return LAYERS[name.split(".")[0]]


def violations(graph):
    """Return every broken rule as a sentence."""
    found = []
    for name, (inner, outer) in graph.items():
        top = name.split(".")[0]
        for target in inner:
            if target == "" or target == "__init__":
                found.append(f"{name} imports from the package root")
            elif target.split(".")[0] != top and layer(target) > layer(name):
                found.append(f"{name} (layer {layer(name)}) imports {target} ({layer(target)})")
        for target in outer:
            owner = OWNERS.get(target.split(".")[0], top)
            if owner != top:
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


def test_every_module_has_a_layer():
    """The table of docs/architecture.md names all modules, and none that are gone."""
    modules = {name.split(".")[0] for name in load()}
    assert sorted(modules ^ set(LAYERS)) == []


def test_imports_go_down():
    assert violations(load()) == []


def test_no_cycles():
    assert cycles(load()) == []


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("from .training import x", "mixtures (layer 2) imports training (9)"),
        ("from rfdiff.training import x", "mixtures (layer 2) imports training (9)"),
        ("import rfdiff.flow", "mixtures (layer 2) imports flow (5)"),
        ("def f():\n    from . import training", "mixtures (layer 2) imports training (9)"),
        ("import rfdiff", "mixtures imports from the package root"),
        ("from rfdiff import VESDE", "mixtures imports from the package root"),
        ("from . import VESDE", "mixtures imports from the package root"),
        ("import matplotlib.figure", "mixtures imports matplotlib.figure, which only plotting may"),
        ("from numba import njit", "mixtures imports numba, which only _kernels may"),
    ],
)
def test_the_rules_bite(tmp_path, source, sentence):
    (tmp_path / "mixtures.py").write_text(source)
    for other in ("training.py", "flow.py", "__init__.py"):
        (tmp_path / other).write_text("")
    assert violations(load(tmp_path)) == [sentence]


def test_cycles_are_seen(tmp_path):
    (tmp_path / "mixtures.py").write_text("from .sde import a")
    (tmp_path / "sde.py").write_text("from .targets import b")
    (tmp_path / "targets.py").write_text("from . import mixtures")
    (tmp_path / "data.py").write_text("from .sde import a")
    assert cycles(load(tmp_path)) == ["mixtures", "sde", "targets"]


def test_import_rfdiff_leaves_matplotlib_alone():
    code = "import sys, rfdiff; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
