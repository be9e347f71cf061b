"""What pseudo-labels are worth: models that also learn from test rows labelled by a model of the same fold.

Of each set some rows of train.csv.gz are the training rows and others the test rows, whose y only scores; the truth
files are not read. A ratio is a loss over that of the same learner without: `oof_ratio` out of fold, `each_ratio` on
test by each fold's model alone, `test_ratio` by their average. Where the first two agree the estimate is honest.

    python benchmarks/pseudo.py [--rows 500] [--test 1000] [--seeds 2] --out benchmarks/pseudo.csv
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sets

import kit

SETS = (
    *("titanic", "concrete_strength", "ps_s3e5_wine_quality", "ames_house_prices", "ps_s3e26_cirrhosis"),
    *("telco_churn", "spaceship_titanic", "ps_s3e14_blueberry", "bike_sharing_hourly", "california_housing"),
    *("nlswork_wage_panel", "adult_census", "otto_products"),
)
LEARNERS: dict[str, dict[str, Any]] = {
    "lightgbm": {"use": "lightgbm"},
    "catboost": {"use": "catboost"},
    "hetero_mlp": {"use": "hetero_mlp"},
}
LOSS = {"regression": "rmse", "binary": "logloss", "multiclass": "logloss"}
WAYS: dict[str, dict[str, Any]] = {
    "expected": {},
    "test only": {"held": False},
    "surest half": {"surest": 0.5},
}
RATIOS = ("oof_ratio", "each_ratio", "test_ratio")
WITHOUT_STD = ("lightgbm", "catboost")


def cut(name: str, rows: int, test: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Return training rows, test rows and the meta of a set, rows of a group on one side."""
    meta: dict[str, Any] = json.loads((sets.DATA / name / "meta.json").read_text("utf-8"))
    frame = pd.read_csv(sets.DATA / name / "train.csv.gz", low_memory=False)
    group = frame[meta.get("group_column") or meta["id_column"]]
    order = pd.Series(np.random.default_rng(seed).permutation(group.nunique()), index=group.unique())
    ranked = frame.iloc[np.argsort(order[group].to_numpy(), kind="stable")].reset_index(drop=True)
    rows = min(rows, len(ranked) // 2)
    return ranked[:rows], ranked[rows : rows + test], meta


def recipe(name: str, learner: str, task: str, meta: dict[str, Any]) -> dict[str, Any]:
    """Return the learner alone and once for each way to learn from its labels."""
    ways = {way: given for way, given in WAYS.items() if _fits(way, learner, task)}
    augment = {_name(way): [{"use": "pseudo", "source": "alone", **given}] for way, given in ways.items()}
    models = {"alone": LEARNERS[learner]} | {set_: {**LEARNERS[learner], "augment": set_} for set_ in augment}
    groups = meta.get("group_column")
    data = {"id": meta["id_column"], "target": meta["target"]} | ({"groups": groups} if groups else {})
    return {
        "name": f"{name}-{learner}".replace("_", "-"),
        "data": data | {"train": "train", "test": "test"},
        "metric": LOSS[task],
        "augment": augment,
        "models": models,
        "blend": {"mean": {"use": "mean", "from": ["alone", _name("expected")]}},
    }


def _name(way: str) -> str:
    return way.replace(" ", "-").replace(".", "0")


def _fits(way: str, learner: str, task: str) -> bool:
    """Return whether a way makes sense: values have no best class, and surest ones only with a std."""
    return task != "regression" or (way != "best" and not (way == "surest half" and learner in WITHOUT_STD))


def losses(recipe: dict[str, Any], train: pd.DataFrame, test: pd.DataFrame, root: Path) -> dict[str, list[float]]:
    """Return model -> loss out of fold, on test by each fold's model (the mean of them), and by their average."""
    target, key = recipe["data"]["target"], recipe["data"]["id"]
    result = kit.run(recipe, train=train, test=test.drop(columns=target), root=root, jobs=2)
    truth = test.set_index(key)[target]
    found = {}
    for name, line in {**result.models, **result.blends}.items():
        folder = Path(line["oof"]).parent
        average, layers = (
            pd.read_parquet(folder / f"{file}.parquet").set_index(key) for file in ("test", "test_folds")
        )
        each = [loss(part, truth.loc[part.index]) for _, part in layers.groupby("fold")]
        found[name] = [float(line["score"]), float(np.mean(each)), loss(average, truth.loc[average.index])]
    return found


def loss(predicted: pd.DataFrame, truth: pd.Series[Any]) -> float:
    """Return RMSE of values, logloss of probabilities."""
    if "pred" in predicted and truth.nunique() > 2:
        return float(np.sqrt(np.mean((predicted["pred"] - truth) ** 2)))
    if "pred" in predicted:
        p = predicted["pred"].clip(1e-15, 1 - 1e-15)
        positive = truth.map(str).str.lower() == str(sorted(truth.unique())[-1]).lower()
        return float(-np.mean(np.where(positive, np.log(p), np.log(1 - p))))
    columns = {c.removeprefix("pred_"): c for c in predicted if c.startswith("pred_")}
    p = [predicted.at[i, columns[str(y)]] for i, y in truth.items()]
    return float(-np.mean(np.log(np.clip(p, 1e-15, 1))))


def lines(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for name in options.sets:
        for seed in range(options.seeds):
            train, test, meta = cut(name, options.rows, options.test, seed)
            for learner in options.learners:
                with tempfile.TemporaryDirectory() as root:
                    found = losses(recipe(name, learner, meta["task"], meta), train, test, Path(root))
                alone = found.pop("alone")
                for way, values in found.items():
                    ratios = dict(zip(RATIOS, np.divide(values, alone), strict=True))
                    yield {"set": name, "seed": seed, "learner": learner, "way": way, "rows": len(train), **ratios}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--learners", nargs="*", default=list(LEARNERS))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = []
    for line in lines(options):
        found.append(line)
        print({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in line.items()}, flush=True)
        if options.out:
            sets.save(found, options.out)
    frame = pd.DataFrame(found)
    print(frame.groupby(["learner", "way"])[[*RATIOS]].mean().to_string(), file=sys.stderr)


if __name__ == "__main__":
    main()
