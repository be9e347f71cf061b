"""Compares honest stop policies on an outer holdout: cut, refit, fixed rounds. Decides the default of `stop:`.

A quarter of train.csv.gz is cut off as the holdout; the rest (at most --rows) is cross-fitted by kit under each policy;
the fold models' averaged prediction of the holdout is scored. truth.csv.gz is not read.

    python benchmarks/early_stopping.py --root /tmp/stop --out docs/early-stopping.csv
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from kit import api, registry
from kit.types import Pred, Task

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = (
    "concrete_strength",
    "ames_house_prices",
    "california_housing",
    "ps_s3e14_blueberry",
    "telco_churn",
    "ps_s3e26_cirrhosis",
)
MODELS = {"lgbm": "lightgbm", "xgb": "xgboost", "cat": "catboost", "mlp": "hetero_mlp"}
POLICIES = {
    "cut": {"use": "cut"},
    "refit": {"use": "refit"},
    "fixed": {"use": "fixed"},
}
FIXED_ROUNDS = 300


def cut(name: str, seed: int, rows: int, folder: Path) -> tuple[dict, pl.DataFrame]:
    """Write train and holdout files; return the recipe's data section and the holdout with its target."""
    meta = json.loads((DATA / name / "meta.json").read_text())
    frame = pl.read_csv(DATA / name / "train.csv.gz", infer_schema_length=None)
    order = np.random.default_rng(seed).permutation(len(frame))
    n_hold = len(frame) // 4
    hold, train = frame[order[:n_hold]], frame[order[n_hold : n_hold + rows]]
    folder.mkdir(parents=True, exist_ok=True)
    train.write_csv(folder / "train.csv")
    hold.drop(meta["target"]).write_csv(folder / "test.csv")
    data = {"train": "train.csv", "test": "test.csv", "id": meta["id_column"], "target": meta["target"]}
    return {"data": data, "metric": meta["metric"]}, hold


def holdout_score(folder: Path, model: str, metric: str, truth: pl.Series) -> float:
    """Return the metric of the fold models' average on the holdout."""
    card = json.loads((folder / "oof" / "stop" / model / "card.json").read_text())
    frame = pl.read_parquet(folder / "oof" / "stop" / model / "test.parquet")
    classes = card["classes"]
    if not classes:
        task, y = Task("regression"), truth.to_numpy().astype(float)
    else:
        kind = "binary" if len(classes) == 2 else "multiclass"
        task = Task(kind, "logloss", tuple(classes), classes[-1] if kind == "binary" else None)
        y = np.array([classes.index(v) for v in truth.to_list()], float)
    mean = frame.select(pl.col("^pred.*$")).to_numpy().astype(np.float32)
    return registry.metric(metric).score(task, y, Pred(mean), np.ones(len(y)))


def one(name: str, seed: int, args: argparse.Namespace) -> list[dict]:
    folder = Path(args.root) / f"{name}-{seed}"
    base, hold = cut(name, seed, args.rows, folder)
    split = {"use": "kfold" if base["metric"] in ("rmse", "mae", "rmsle") else "stratified", "folds": 3}
    models = {}
    for policy, stop in POLICIES.items():
        for short, use in MODELS.items():
            rounds = {"n_estimators": FIXED_ROUNDS} if policy == "fixed" and use != "hetero_mlp" else {}
            models[f"{short}-{policy}"] = {"use": use, "stop": stop, "params": rounds}
    recipe = {"name": "stop", **base, "split": split, "seed": seed, "models": models, "blend": {}}
    (folder / "stop.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    result = api.run(folder / "stop.yaml", root=folder)
    truth = hold[base["data"]["target"]]
    out = []
    for model in result.models:
        short, policy = model.split("-")
        value = holdout_score(folder, model, base["metric"], truth)
        line = {"set": name, "seed": seed, "metric": base["metric"], "learner": short, "policy": policy}
        out.append({**line, "holdout": value, "oof": result.models[model]["score"]})
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="/tmp/kit-stop")
    parser.add_argument("--out", required=True)
    parser.add_argument("--rows", type=int, default=1200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    args = parser.parse_args()
    lines: list[dict] = []
    for name in args.sets:
        for seed in range(args.seeds):
            lines += one(name, seed, args)
            with open(args.out, "w", newline="") as stream:
                writer = csv.DictWriter(stream, lines[0].keys())
                writer.writeheader()
                writer.writerows(lines)
            print(name, seed, "done", flush=True)


if __name__ == "__main__":
    main()
