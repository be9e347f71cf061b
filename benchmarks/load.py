"""What loading costs beside polars: the facts of a recipe (file read, kinds, ids, target, folds, all stored) against
`polars.read_csv` of the same file, each in a process of its own, in turn, in one run. `again_s`: the same facts once
more, in a new process that finds them stored and only makes sure that the file is still the same.

python benchmarks/load.py [--pairs 3] [--out benchmarks/load.csv]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

SIZES = {"45k x 9": (45_000, 4, 2, 1), "1M x 100": (1_000_000, 60, 30, 8)}
"""Name -> rows and columns: fractions, whole numbers, categories; an id and a target come to them."""

POLARS = """
import polars as pl
pl.DataFrame({"a": [1.0]}).select(pl.col("a").sum())
def work():
    return pl.read_csv(path)
"""
KIT = """
import polars as pl
from kit import facts
from kit.opening import read_recipe
from kit.store import Store
data = {"train": path, "id": "id", "target": "y"}
recipe = read_recipe({"data": data, "metric": "rmse", "models": {"m": "lightgbm"}})
pl.DataFrame({"a": [1.0]}).select(pl.col("a").sum())
def work():
    return facts.gather(recipe, Store(Path(root)))
"""
TIMED = """
import json, os, resource, sys, time
from pathlib import Path
path, root = sys.argv[1:]
%s
cpu, wall = time.process_time(), time.perf_counter()
made = work()
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
print(json.dumps([cpu, wall, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def write(path: Path, n: int, fractions: int, whole: int, categories: int) -> None:
    rng = np.random.default_rng(0)
    columns = {"id": np.arange(n)}
    columns |= {f"f{i}": rng.normal(size=n).round(5) for i in range(fractions)}
    columns |= {f"i{i}": rng.integers(0, (10, 1000, 100_000)[i % 3], n) for i in range(whole)}
    levels = np.array([f"level{i}" for i in range(30)])
    columns |= {f"c{i}": levels[rng.integers(0, 30, n)] for i in range(categories)}
    pl.DataFrame({**columns, "y": rng.normal(size=n).round(4)}).write_csv(path)


def measured(code: str, path: Path, times: int = 1) -> list[list[float]]:
    """Return CPU seconds, wall seconds and peak MiB of a piece of code, each time in a new process, with one store."""
    done = []
    with tempfile.TemporaryDirectory() as root:
        for _ in range(times):
            os.sync()  # what others have written is not to be written out meanwhile
            command = [sys.executable, "-c", TIMED % code, str(path), root]
            done.append(subprocess.run(command, capture_output=True, text=True, check=True))
    return [json.loads(one.stdout.splitlines()[-1]) for one in done]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sizes", nargs="*", default=list(SIZES))
    options = parser.parse_args()
    lines = []
    for name in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "train.csv"
            write(path, *SIZES[name])
            megabytes = path.stat().st_size / 2**20
            pairs = [(*measured(POLARS, path), *measured(KIT, path, 2)) for _ in range(options.pairs)]
        cpu, wall = (statistics.median(k[i] / p[i] for p, k, _ in pairs) for i in (0, 1))
        seconds, peaks = ([statistics.median(pair[j][i] for pair in pairs) for j in (0, 1, 2)] for i in (1, 2))
        lines.append(
            [
                name,
                f"{megabytes:.0f}",
                f"{wall:.2f}",
                f"{cpu:.2f}",
                *(f"{v:.2f}" for v in seconds),
                *(f"{v:.0f}" for v in peaks[:2]),
            ]
        )
        print(dict(zip(HEADER, lines[-1], strict=True)), flush=True)
    if options.out:
        with options.out.open("w", newline="") as file:
            csv.writer(file).writerows([HEADER, *lines])


HEADER = [
    "table",
    "file_mib",
    "wall_ratio",
    "cpu_ratio",
    "polars_s",
    "kit_s",
    "again_s",
    "polars_peak_mib",
    "kit_peak_mib",
]

if __name__ == "__main__":
    main()
