"""Chooses the settings `kit tune` begins with after the defaults: those whose best comes closest to the best of all.

Candidates of each booster are scored out of fold (3 folds, so on holdouts cut from train.csv.gz; truth.csv.gz is not
read) on at most --rows rows of each set. The regret of a set is (best chosen - best) / (median - best); greedily, the
candidate that lowers the mean regret most is added to the defaults.

    python benchmarks/portfolio.py --root /tmp/portfolio --out benchmarks/portfolio.csv
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

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = (
    *("concrete_strength", "ames_house_prices", "california_housing", "ps_s3e14_blueberry", "telco_churn"),
    *("spaceship_titanic", "adult_census", "ps_s3e26_cirrhosis", "nlswork_wage_panel"),
)
ROUNDS = {"lightgbm": 1200, "xgboost": 1200, "catboost": 800}
CANDIDATES: dict[str, list[dict]] = {
    "lightgbm": [
        {},
        {"leaves": 8, "learning_rate": 0.05, "colsample": 0.6, "l2": 1.0},
        {"leaves": 6, "learning_rate": 0.06, "min_leaf": 30, "colsample": 0.5, "subsample": 0.8, "l1": 0.1},
        {"leaves": 48, "learning_rate": 0.02, "min_leaf": 20, "colsample": 0.5, "subsample": 0.8},
        {"leaves": 64, "learning_rate": 0.03, "min_leaf": 5, "colsample": 0.4, "subsample": 0.7, "l2": 2.0},
        {"leaves": 64, "learning_rate": 0.04, "extra_trees": True, "min_leaf": 5, "colsample": 0.9},
        {"leaves": 20, "learning_rate": 0.04, "extra_trees": True, "min_leaf": 20, "colsample": 0.7, "l2": 0.5},
        {"leaves": 50, "learning_rate": 0.04, "min_leaf": 40, "colsample": 1.0, "subsample": 0.75},
        {"leaves": 100, "learning_rate": 0.05, "min_leaf": 3, "colsample": 1.0, "subsample": 0.7},
        {"leaves": 16, "learning_rate": 0.03, "min_category": 10, "cat_l2": 1.0, "onehot": 16, "colsample": 0.5},
    ],
    "xgboost": [
        {},
        {"depth": 4, "learning_rate": 0.05, "colsample_level": 0.7, "min_weight": 1.0, "l2": 2.0},
        {"depth": 3, "learning_rate": 0.08, "subsample": 0.8, "min_weight": 5.0, "l1": 0.5},
        {"depth": 9, "learning_rate": 0.02, "colsample_level": 0.6, "min_weight": 4.0, "subsample": 0.7},
        {"depth": 8, "learning_rate": 0.03, "colsample_node": 0.6, "min_weight": 1.0, "l2": 5.0, "subsample": 0.8},
        {"grow": "lossguide", "depth": 10, "leaves": 24, "learning_rate": 0.03, "min_weight": 4.0, "subsample": 0.8},
        {"grow": "lossguide", "depth": 10, "leaves": 64, "learning_rate": 0.02, "colsample_node": 0.6, "l2": 3.0},
        {"depth": 6, "learning_rate": 0.08, "min_weight": 0.001, "l2": 0.0, "colsample_level": 0.9, "subsample": 0.65},
        {"depth": 9, "learning_rate": 0.05, "min_weight": 2.0, "l2": 0.0, "subsample": 0.7},
        {"depth": 5, "learning_rate": 0.03, "min_weight": 0.5, "l1": 1.0, "onehot": 20, "colsample_node": 0.7},
    ],
    "catboost": [
        {},
        {"depth": 4, "learning_rate": 0.08, "l2": 1.0},
        {"depth": 5, "learning_rate": 0.04, "l2": 5.0, "subsample": 0.9, "colsample": 0.9},
        {"depth": 8, "learning_rate": 0.04, "l2": 3.0, "subsample": 0.7},
        {"depth": 7, "learning_rate": 0.08, "l2": 0.0001, "random_strength": 0.8, "subsample": 0.9},
        {"depth": 8, "learning_rate": 0.06, "l2": 0.001, "random_strength": 0.0, "leaf_steps": 10, "subsample": 0.9},
        {"grow": "Depthwise", "depth": 5, "learning_rate": 0.04, "l2": 3.0},
        {"grow": "Depthwise", "depth": 7, "learning_rate": 0.03, "l2": 5.0, "subsample": 0.7, "colsample": 0.85},
        {"depth": 6, "learning_rate": 0.05, "leaf_steps": 5, "l2": 5.0, "onehot": 50},
    ],
}


def scores(name: str, use: str, root: Path, rows: int) -> list[float]:
    """Return the out-of-fold score of each candidate, lower = better."""
    meta = json.loads((DATA / name / "meta.json").read_text())
    folder = root / f"{name}-{use}"
    folder.mkdir(parents=True, exist_ok=True)
    frame = pl.read_csv(DATA / name / "train.csv.gz", infer_schema_length=None)
    frame[np.sort(np.random.default_rng(0).permutation(len(frame))[:rows])].write_csv(folder / "train.csv")
    data = {"train": "train.csv", "id": meta["id_column"], "target": meta["target"]}
    split: dict = {"use": "kfold" if meta["task"] == "regression" else "stratified", "folds": 3}
    if meta.get("group_column"):
        split = {"use": "group", "folds": 3, "groups": meta["group_column"]}
    models = {
        f"c{i}": {"use": use, "params": {"n_estimators": ROUNDS[use], **params}}
        for i, params in enumerate(CANDIDATES[use])
    }
    recipe = {"name": "p", "data": data, "metric": meta["metric"], "split": split, "models": models, "blend": {}}
    (folder / "p.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    result = api.run(folder / "p.yaml", root=folder, jobs=1)
    sign = registry.metric(meta["metric"]).sign
    return [sign * result.models[name]["score"] for name in models]


def chosen(table: np.ndarray) -> list[tuple[int, float]]:
    """Return the candidates in the order they are taken, with the mean regret then; `table` (sets, candidates)."""
    best, middle = table.min(axis=1, keepdims=True), np.median(table, axis=1, keepdims=True)
    regret = (table - best) / np.maximum(middle - best, 1e-12)
    taken, out = [0], [(0, float(regret[:, 0].mean()))]
    while len(taken) < 6:
        left = [c for c in range(table.shape[1]) if c not in taken]
        means = [float(regret[:, [*taken, c]].min(axis=1).mean()) for c in left]
        taken.append(left[int(np.argmin(means))])
        out.append((taken[-1], min(means)))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="/tmp/kit-portfolio")
    parser.add_argument("--out", required=True)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--boosters", nargs="*", default=list(CANDIDATES))
    args = parser.parse_args()
    lines = []
    for use in args.boosters:
        table = []
        for name in SETS:
            found = scores(name, use, Path(args.root), args.rows)
            table.append(found)
            lines += [
                {"booster": use, "set": name, "candidate": json.dumps(p), "loss": round(s, 8)}
                for p, s in zip(CANDIDATES[use], found, strict=True)
            ]
            print(use, name, [round(s, 5) for s in found], flush=True)
            with open(args.out, "w", newline="") as stream:
                writer = csv.DictWriter(stream, lines[0].keys())
                writer.writeheader()
                writer.writerows(lines)
        for candidate, regret in chosen(np.array(table)):
            print(use, f"regret {regret:.3f}", CANDIDATES[use][candidate], flush=True)


if __name__ == "__main__":
    main()
