"""How far a sweep is, and what went wrong in it, for people."""

import json
from collections.abc import Sequence
from typing import Any

from ..points.axes import AXES
from ..points.grid import brief, sort_key
from ..points.identity import Point
from ..points.schedule import cost
from ..store import database
from ..store.store import Failure, Store


def status_of(store: Store) -> dict[str, Any]:
    """Return counts, seconds, warnings, grids, recipe and versions of a store, as plain values.

    `core_seconds_left` reckons with the seconds that finished points took for their work.
    """
    counts = store.counts()
    with database.reporting(store.path):
        done = store.connection.execute(
            "SELECT point, seconds FROM points WHERE state = 'done'"
        ).fetchall()
        last, taken_in_hand = store.connection.execute(
            "SELECT max(finished), count(claim) FROM points"
        ).fetchone()
        versions = [
            row[0]
            for row in store.connection.execute(
                "SELECT DISTINCT json_extract(provenance, '$.rfdiff') FROM points "
                "WHERE state = 'done' ORDER BY 1"
            )
        ]
        warned = store.connection.execute(
            "SELECT count(*) FROM results WHERE json_extract(scalars, '$.warnings') IS NOT NULL"
        ).fetchone()[0]
    work = sum(cost(json.loads(point)) for point, _ in done)
    seconds = sum(taken for _, taken in done)
    left = sum(cost(item.point) for item in store.pending())
    return {
        "store": str(store.path),
        "done": counts.done,
        "failed": counts.failed,
        "pending": counts.pending,
        "in_hand": taken_in_hand,
        "seconds": seconds,
        "core_seconds_left": left * seconds / work if work else None,
        "with_warnings": warned,
        "last_finished": last,
        "grids": [{"id": i, "definition": json.loads(d), "points": n} for i, d, n in store.grids],
        "recipe": json.loads(store.recipe.to_json()),
        "versions": versions,
    }


def describe(status: dict[str, Any]) -> str:
    """Return a status as text, with a line for each thing."""
    total = status["done"] + status["failed"] + status["pending"]
    recipe = status["recipe"]
    tau = recipe["tau"]
    lines = [f"{status['store']}: {status['done']} of {total} points done"]
    lines += [f"grid: {brief(json.dumps(grid['definition']))}" for grid in status["grids"]]
    lines.append(f"records: {', '.join(recipe['observables'])} at {len(tau)} training times")
    if status["failed"]:
        lines.append(f"failed: {status['failed']}")
    if status["pending"]:
        lines.append(f"to do: {status['pending']} ({status['in_hand']} taken in hand)")
        if status["core_seconds_left"] is not None:
            lines.append(f"work left: about {status['core_seconds_left']:.0f} s of one core")
    if status["with_warnings"]:
        lines.append(f"accuracy warnings: at {status['with_warnings']} points (column warnings)")
    if status["last_finished"]:
        lines.append(f"work done: {status['seconds']:.1f} s, last {status['last_finished']}")
        lines.append(f"made by: rfdiff {', '.join(status['versions'])}")
    return "\n".join(lines)


def describe_failures(failures: Sequence[Failure], *, whole: bool = False) -> str:
    """Return a line for each failure, or with `whole` its whole error."""
    if not failures:
        return "no point has failed"
    ordered = sorted(failures, key=lambda failure: sort_key(failure.point))
    lines = []
    for failure in ordered:
        last = failure.error.rstrip().rsplit("\n", 1)[-1]
        attempts = f"{failure.attempts} attempt{'s' if failure.attempts > 1 else ''}"
        lines.append(f"{failure.id[:12]}  {_set_axes(failure.point)}  ({attempts}): {last}")
        if whole:
            lines += ["    " + line for line in failure.error.splitlines()]
    return "\n".join(lines)


def _set_axes(point: Point) -> str:
    """Return the axes in which a point is not as by default."""
    chosen = [
        f"{name}={point[name]:g}" if isinstance(point[name], float) else f"{name}={point[name]}"
        for name, known in AXES.items()
        if point[name] is not None and point[name] != known.default
    ]
    return " ".join(chosen) or "all by default"
