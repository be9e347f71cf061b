"""What a second and a third booster add to LightGBM: losses of out-of-fold predictions and of their plain averages.

Sets are cut from train.csv.gz, truth.csv.gz is not read. `extra` is LightGBM with `extra_trees: true`.

    python benchmarks/beside.py [--rows 2000] [--folds 5] [--seeds 1] --out benchmarks/beside.csv
"""

from __future__ import annotations

import argparse
import math
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import sets

from kit import registry
from kit.types import Pred

LEARNERS: dict[str, tuple[str, dict[str, Any]]] = {
    "lgbm": ("lightgbm", {}),
    "extra": ("lightgbm", {"extra_trees": True}),
    "xgb": ("xgboost", {}),
}
AVERAGES = (("lgbm", "extra"), ("lgbm", "xgb"), ("lgbm", "extra", "xgb"))


def line_of(real: sets.Real, seed: int) -> dict[str, Any]:
    """Return loss and CPU seconds of each learner on a set, and the losses of the averages."""
    parts = cache(lambda k: real.parts(k, seed))
    for k in range(real.folds.n_folds):
        parts(k)
    made: dict[str, Pred] = {}
    losses: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for name, (use, given) in LEARNERS.items():
        params, began = registry.load("models", use).Params(**given), time.process_time()

        def fold(k: int, use: str = use, params: Any = params) -> Pred:
            return sets.fit_kit(real, parts(k), use, params, seed)

        made[name] = sets.gathered(real, fold)
        losses[name] = sets.losses(real, real.train.y, made[name])[0]
        seconds[f"{name}_s"] = time.process_time() - began
    for names in AVERAGES:
        mean = np.mean([made[n].mean for n in names], axis=0)
        losses["+".join(names)] = sets.losses(real, real.train.y, Pred(mean))[0]
    return {"set": real.name, "seed": seed, "rows": len(real.train)} | losses | seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    lines: list[dict[str, Any]] = []
    for name in sets.chosen(options.sets):
        for seed in range(options.seeds):
            lines.append(line_of(sets.read(name, options.rows, options.folds, seed), seed))
            print({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in lines[-1].items()}, flush=True)
            sets.save(lines, options.out)
    for name in [*LEARNERS, *map("+".join, AVERAGES)]:
        logs = np.array([math.log(line[name] / line["lgbm"]) for line in lines])
        error = logs.std(ddof=1) / math.sqrt(len(logs)) if len(logs) > 1 else 0.0
        print(f"{name:<16}{math.exp(logs.mean()):.4f} +- {error:.4f}, lower on {(logs < 0).sum()} of {len(logs)}")


if __name__ == "__main__":
    main()
