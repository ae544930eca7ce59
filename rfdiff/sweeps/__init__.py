"""Sweeps: what to run (grid), where results live (store), how it runs (runner).

>>> grid = Grid.of({"n": [100, 300], "m": 64, "seeds": 3})
>>> len(grid)
6
"""

from .axes import AXES
from .grid import Grid, read_toml
from .identity import canonical_json, point_id
from .observables import OBSERVABLES
from .preparing import prepare_store
from .recipe import Recipe
from .runner import Summary, run_store
from .store import Store
from .sweep import run_sweep

__all__ = [
    "AXES",
    "OBSERVABLES",
    "Grid",
    "Recipe",
    "Store",
    "Summary",
    "canonical_json",
    "point_id",
    "prepare_store",
    "read_toml",
    "run_store",
    "run_sweep",
]
