"""What kit costs beside the bare library calls: the same 4 learners x 5 folds, interleaved in one run.

python benchmarks/overhead.py [--pairs 5] [--out benchmarks/overhead.csv]       CPU and wall ratios, --jobs 2
python benchmarks/overhead.py --memory                                          peak memory at 1M x 100
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from bare import PARAMS, ROUNDS

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "california_housing"
LEARNERS = ("lightgbm", "xgboost", "catboost", "hetero_mlp")
BARE = [sys.executable, str(Path(__file__).with_name("bare.py"))]


def write(folder: Path, frame: pl.DataFrame, test: pl.DataFrame, learners: tuple[str, ...]) -> None:
    """Write train.csv with a fold column, test.csv and the recipe."""
    fold = np.random.default_rng(0).permutation(len(frame)) % 5
    frame.with_columns(pl.Series("fold", fold)).write_csv(folder / "train.csv")
    test.write_csv(folder / "test.csv")
    rounds = {name: {} if name == "hetero_mlp" else {"n_estimators": ROUNDS} for name in learners}
    models = {name: {"use": name, "params": PARAMS[name] | rounds[name]} for name in learners}
    recipe = {
        "name": "overhead",
        "data": {"train": "train.csv", "test": "test.csv", "id": "id", "target": "y"},
        "metric": "rmse",
        "split": {"use": "column", "column": "fold"},
        "stop": "fixed",
        "features": {"base": ["numeric"]},
        "models": models,
        "blend": {"mean": {"use": "mean"}},
    }
    (folder / "r.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))


def timed(*commands: list[str]) -> tuple[float, float]:
    """Return (CPU seconds with children, wall seconds) of commands run at once."""
    before, began = os.times(), time.perf_counter()
    running = [subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for c in commands]
    codes = [p.wait() for p in running]
    wall, after = time.perf_counter() - began, os.times()
    if any(codes):
        raise SystemExit(f"a command failed: {commands} {codes}")
    return after.children_user + after.children_system - before.children_user - before.children_system, wall


def kit(folder: Path, jobs: int) -> list[str]:
    for name in (".kit", "oof", "submissions"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return ["kit", "run", str(folder / "r.yaml"), "--root", str(folder), "--jobs", str(jobs), "--quiet"]


def bare(folder: Path, share: int, shares: int) -> list[str]:
    return [*BARE, str(folder), str(share), str(shares), ",".join(LEARNERS)]


def pairs(count: int, out: str) -> None:
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    lines = []
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        frame = pl.read_csv(DATA / "train.csv.gz").drop("ocean_proximity").rename({"median_house_value": "y"})
        write(folder, frame, pl.read_csv(DATA / "test.csv.gz").drop("ocean_proximity"), LEARNERS)
        for i in range(count):
            cpu_bare, wall_bare = timed(bare(folder, 0, 1))
            cpu_kit, wall_kit = timed(kit(folder, 1))
            _, wall_bare_2 = timed(bare(folder, 0, 2), bare(folder, 1, 2))
            _, wall_kit_2 = timed(kit(folder, 2))
            line = {"pair": i, "cpu_bare": cpu_bare, "cpu_kit": cpu_kit, "wall_bare": wall_bare, "wall_kit": wall_kit}
            line |= {"wall_bare_2": wall_bare_2, "wall_kit_2": wall_kit_2, "cpu_ratio": cpu_kit / cpu_bare}
            line |= {"wall_ratio": wall_kit / wall_bare, "jobs_2": wall_bare_2 / wall_kit_2}
            lines.append({k: round(v, 3) for k, v in line.items()})
            print(lines[-1], flush=True)
    for name, bound in (("cpu_ratio", "<= 1.05"), ("wall_ratio", "<= 1.10"), ("jobs_2", ">= 0.90")):
        print(f"{name}: median {statistics.median(x[name] for x in lines):.3f} (wanted {bound})")
    with open(out, "w", newline="") as stream:
        writer = csv.DictWriter(stream, lines[0].keys())
        writer.writeheader()
        writer.writerows(lines)


def peak(command: list[str]) -> float:
    """Return the highest peak memory (MB) of any one process below a command."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peaks: dict[int, float] = {}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            for pid in _below(process.pid):
                peaks[pid] = max(peaks.get(pid, 0.0), _high_water(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    done.set()
    watcher.join()
    if code:
        raise SystemExit(f"{command} failed")
    return max(peaks.values())


def _below(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(c) for c in _read(task).split()]
    return found


def _high_water(pid: int) -> float:
    line = next((x for x in _read(Path(f"/proc/{pid}/status")).splitlines() if x.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(line.split()[1]) / 1024


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def memory() -> None:
    """Print the peak memory of a kit worker and of the bare script at 1M x 100, for each booster."""
    os.environ["BARE_ROUNDS"] = "5"
    n, d = 1_000_000, 100
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n + n // 4, d)).astype(np.float32)
    frame = pl.DataFrame({"id": np.arange(len(x)), **{f"x{j}": x[:, j] for j in range(d)}})
    y = pl.Series("y", x[:n, 0] + rng.normal(size=n))
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        for name in ("lightgbm", "xgboost", "catboost"):
            write(folder, frame[:n].with_columns(y), frame[n:], (name,))
            recipe = yaml.safe_load((folder / "r.yaml").read_text())
            recipe["models"][name]["params"]["n_estimators"] = 5
            (folder / "r.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
            by_hand = peak([*BARE, str(folder), "0", "1", name])
            ours = peak(kit(folder, 1))
            matrix = n * d * 4 / 2**20
            limit = 1.5 * matrix + 300
            print(
                f"{name}: kit {ours:.0f} MB, bare {by_hand:.0f} MB, more by {ours - by_hand:.0f} (at most {limit:.0f})"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--out", default="benchmarks/overhead.csv")
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    if arguments.memory:
        memory()
    else:
        pairs(arguments.pairs, arguments.out)
