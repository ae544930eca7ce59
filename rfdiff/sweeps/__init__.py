"""Sweeps: what to run (grid), where results live (store), how it runs (runner).

>>> from rfdiff.sweeps import Grid
>>> len(Grid.of({"n": [100, 300], "m": 64, "seeds": 3}))
6
"""

from importlib import import_module
from typing import Any

# As in the package's root: a name's module is imported when it is first asked for, so that a look
# at a store does not wait for what trains. __init__.pyi says the same to type checkers.
_MODULES = {
    "AXES": "points.axes",
    "Grid": "points.grid",
    "JOURNALS": "store.preparing",
    "OBSERVABLES": "measuring.recipe",
    "Recipe": "measuring.recipe",
    "Store": "store.store",
    "Summary": "running.runner",
    "Table": "store.table",
    "canonical_json": "points.identity",
    "merge_stores": "store.merge",
    "point_id": "points.identity",
    "prepare_store": "store.preparing",
    "read_table": "store.table",
    "run_store": "running.runner",
    "run_sweep": "running.sweep",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
