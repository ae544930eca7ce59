"""Does `rfdiff.load` refuse every damaged file of a run, with an error that names it?

tests/reference/damaged_files.py damages the files of four runs, and the bytes of two of format 1.
Prints what became of each kind of damage; a file that still loads must give the run that was saved,
bit for bit ("intact"). The exit status says whether any gave another run or another exception.

    python scripts/checks/check_files.py [--files 2000] [--seed 0]
"""

import argparse
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from reference.damaged_files import DAMAGES, OF_BYTES, Judge, originals

SAVED = Path(__file__).parents[2] / "tests" / "runs" / "saved"


def outcomes(n_files: int, seed: int, folder: Path) -> dict[str, Counter[str]]:
    """Return what became of damaged files, counted by kind of damage."""
    judge, current = Judge(folder), originals(folder)
    every = [*current, *sorted(SAVED.glob("*.npz"))]
    counts: dict[str, Counter[str]] = {damage: Counter() for damage in DAMAGES}
    for i in range(n_files):
        damage = list(DAMAGES)[i % len(DAMAGES)]
        files = every if damage in OF_BYTES else current
        original = files[(i // len(DAMAGES)) % len(files)]
        counts[damage][judge(original, damage, seed + i)] += 1
    return counts


def main() -> int:
    """Print the table; return 1 if a wrong run was accepted or another exception raised."""
    parser = argparse.ArgumentParser(description="Damaged files of runs, and what loads of them.")
    parser.add_argument("--files", type=int, default=2000, help="number of damaged files")
    parser.add_argument("--seed", type=int, default=0, help="of the damage")
    arguments = parser.parse_args()
    warnings.simplefilter("error")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        counts = outcomes(arguments.files, arguments.seed, Path(folder))
    total = sum(counts.values(), Counter())
    columns = ["refused", "intact", *sorted(set(total) - {"refused", "intact"})]
    print("damage | files | " + " | ".join(columns))
    for damage, count in {**counts, "all": total}.items():
        cells = " | ".join(str(count[column]) for column in columns)
        print(f"{damage} | {sum(count.values())} | {cells}")
    print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    return int(len(columns) > 2)


if __name__ == "__main__":
    sys.exit(main())
