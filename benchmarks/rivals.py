"""Runs kit and AutoGluon on the same rows, each within the same time, and scores what both submit.

Of each set a part of train.csv.gz is for training and another is held: the truth files of the sets are not read.
Kit gets the plain recipe below, nothing tuned, and takes the time it takes; AutoGluon gets its preset and that time.
Both are told the metric; the scorer is ../shared/bench/score.py.

    python -m venv AG; AG/bin/pip install "autogluon.tabular[lightgbm,catboost,xgboost]"
    python benchmarks/rivals.py --python AG/bin/python --out benchmarks/rivals.csv
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sets
import yaml

SHARED = Path(__file__).resolve().parents[2] / "shared"
SETS = (
    *("titanic", "concrete_strength", "ps_s3e5_wine_quality", "ames_house_prices", "ps_s3e26_cirrhosis"),
    *("telco_churn", "spaceship_titanic", "ps_s3e14_blueberry", "bike_sharing_hourly", "california_housing"),
    *("nlswork_wage_panel", "adult_census", "otto_products"),
)
GREATER = ("accuracy", "qwk", "auc")
EXTRA = {"use": "lightgbm", "params": {"extra_trees": True}}
LEARNERS = {"lgbm": "lightgbm", "extra": EXTRA, "xgb": "xgboost", "cat": "catboost", "hetero": "hetero_mlp"}
AUTOGLUON = """
import json, sys
import numpy as np, pandas as pd
from autogluon.tabular import TabularPredictor

folder, preset, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
meta = json.load(open(folder + "/meta.json"))
train, test = (pd.read_csv(f"{folder}/{part}.csv") for part in ("train", "test"))
y, metric = meta["target"], meta["metric"]
names = {"rmse": "root_mean_squared_error", "rmsle": "root_mean_squared_error", "mae": "mean_absolute_error",
         "auc": "roc_auc", "logloss": "log_loss", "accuracy": "accuracy", "qwk": "quadratic_kappa"}
if metric == "rmsle":
    train[y] = np.log1p(train[y])
predictor = TabularPredictor(y, problem_type=meta["task"], eval_metric=names[metric], path=folder + "/autogluon",
                             verbosity=1)
known = [meta["id_column"]]
predictor.fit(train.drop(columns=known), presets=preset, time_limit=seconds)
asked = test.drop(columns=known)
if metric in ("auc", "logloss"):
    made = predictor.predict_proba(asked)
    made = made[[predictor.positive_class]].set_axis([y], axis=1) if metric == "auc" else made
else:
    made = predictor.predict(asked).to_frame(y)
    made = np.expm1(made) if metric == "rmsle" else made
made.insert(0, meta["id_column"], test[meta["id_column"]].to_numpy())
made.to_csv(folder + "/autogluon.csv", index=False)
"""


def cut(name: str, folder: Path, rows: int, seed: int) -> dict[str, Any]:
    """Write train.csv, test.csv, truth.csv.gz and meta.json of a set, rows of a group on one side; return its meta."""
    meta: dict[str, Any] = json.loads((SHARED / "data" / name / "meta.json").read_text("utf-8"))
    frame = pd.read_csv(SHARED / "data" / name / "train.csv.gz", low_memory=False)
    group = frame[meta.get("group_column") or meta["id_column"]]
    order = pd.Series(np.random.default_rng(seed).permutation(group.nunique()), index=group.unique())
    place = order[group].to_numpy()
    ranked = np.argsort(place, kind="stable")[: 2 * rows]
    n_train = min(rows, len(ranked) * 3 // 4)
    is_test = place[ranked] >= place[ranked[n_train]]
    train, test = (frame.iloc[np.sort(ranked[part])] for part in (~is_test, is_test))
    folder.mkdir(parents=True)
    train.to_csv(folder / "train.csv", index=False)
    test.drop(columns=meta["target"]).to_csv(folder / "test.csv", index=False)
    test[[meta["id_column"], meta["target"]]].to_csv(folder / "truth.csv.gz", index=False)
    (folder / "meta.json").write_text(json.dumps(meta), "utf-8")
    return meta


def recipe_of(name: str, meta: dict[str, Any]) -> dict[str, Any]:
    """Return the recipe a new user would write: the learners with their defaults, the default blend."""
    groups = meta.get("group_column")
    data = {"train": "train.csv", "test": "test.csv", "id": meta["id_column"], "target": meta["target"]}
    return {
        "name": name,
        "data": data | ({"groups": groups} if groups else {}),
        "metric": meta["metric"],
        "models": LEARNERS,
    }


def timed(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command in a folder; return its wall and CPU seconds."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{command[:3]} failed:\n{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def scored(folder: Path, submission: Path) -> float:
    """Return what the scorer of all comparisons says of a submission to a cut."""
    spec = importlib.util.spec_from_file_location("score", SHARED / "bench" / "score.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return float(module.score(folder, pd.read_csv(submission)))


def compared(name: str, root: Path, options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Return the line of a set: scores and seconds of both, and how much lower kit's loss is, in percent."""
    folder = root / f"{name}-{seed}"
    meta = cut(name, folder, options.rows, seed)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe_of(name, meta), sort_keys=False), "utf-8")
    wall, cpu = timed([str(Path(sys.executable).with_name("kit")), "run", "recipe.yaml"], folder)
    limit = options.times * wall
    command = [str(options.python.absolute()), "-c", AUTOGLUON, str(folder), options.preset, str(limit)]
    their_wall, their_cpu = timed(command, folder)
    kit = scored(folder, next((folder / "submissions").rglob("*.csv")))
    theirs = scored(folder, folder / "autogluon.csv")
    losses = [1 - s if meta["metric"] in GREATER else s for s in (kit, theirs)]
    line = {"set": name, "seed": seed, "metric": meta["metric"], "kit": kit, "autogluon": theirs}
    line["lower_loss_percent"] = 100 * (1 - losses[0] / losses[1])
    seconds = {"kit_s": wall, "kit_cpu_s": cpu, "autogluon_s": their_wall, "autogluon_cpu_s": their_cpu}
    return line | seconds | {"preset": options.preset, "times": options.times}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", type=Path, required=True, help="the Python that has AutoGluon")
    parser.add_argument("--preset", default="best_quality")
    parser.add_argument("--times", type=float, default=1.0, help="the time AutoGluon gets, in those kit took")
    parser.add_argument("--rows", type=int, default=3000, help="at most so many rows to train, and as many held")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--root", type=Path, help="where the sets are cut (default: a folder that is removed)")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    lines: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temp:
        for seed in options.seeds:
            for name in options.sets:
                line = compared(name, options.root or Path(temp), options, seed)
                line = {k: f"{v:.5g}" if isinstance(v, float) else v for k, v in line.items()}
                print(*line.values(), sep=",", flush=True)
                lines.append(line)
                if options.out:
                    sets.save(lines, options.out)
    gains = [float(line["lower_loss_percent"]) for line in lines]
    won, mean = sum(g > 0 for g in gains), math.fsum(gains) / len(gains)
    print(f"kit's loss is lower on {won} of {len(gains)}, by {mean:.2f} % in the mean")


if __name__ == "__main__":
    main()
