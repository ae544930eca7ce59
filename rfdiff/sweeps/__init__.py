"""Sweeps: what to run (grid), where results live (store), how it runs (runner).

>>> grid = Grid.of({"n": [100, 300], "m": 64, "seeds": 3})
>>> len(grid)
6
"""

from .axes import AXES
from .grid import Grid
from .identity import canonical_json, point_id
from .observables import OBSERVABLES
from .preparing import JOURNALS, prepare_store
from .recipe import Recipe
from .runner import Summary, run_store
from .store import Store
from .sweep import run_sweep
from .table import Table, read_table

__all__ = [
    "AXES",
    "JOURNALS",
    "OBSERVABLES",
    "Grid",
    "Recipe",
    "Store",
    "Summary",
    "Table",
    "canonical_json",
    "point_id",
    "prepare_store",
    "read_table",
    "run_store",
    "run_sweep",
]
