"""What cross-fitted thresholds are worth: labels decided by `thresholds` against the usual decision, on a holdout.

    python benchmarks/thresholds.py ../shared/data > benchmarks/thresholds.csv

For every set and seed a holdout is cut from train.csv.gz (truth.csv.gz is not read), three cheap learners are fitted in
five folds, and their average is decided: by 0.5, argmax or rounding, and by thresholds of several priors. `oof` is the
cross-fitted score, `hold` that of the majority of the fold models on the holdout, `gain` the mean gain in `hold` over
the usual decision and `se` its standard error over the seeds.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kit import registry
from kit.canon import stream
from kit.contracts import Context
from kit.stackers import thresholds
from kit.types import Pred, Task

SETS = {
    "titanic": ("binary", 20),
    "spaceship_titanic": ("binary", 8),
    "telco_churn": ("binary", 10),
    "adult_census": ("binary", 10),
    "ps_s3e5_wine_quality": ("regression", 15),
    "ps_s3e5_wine_quality#classes": ("multiclass", 8),
}
"""Set -> how it is learnt, and the number of seeds."""

METRICS = {
    "regression": ("qwk",),
    "binary": ("accuracy", "f1", "f1_macro", "f1_weighted", "balanced_accuracy", "mcc"),
    "multiclass": ("accuracy", "f1_macro", "f1_weighted", "balanced_accuracy", "mcc", "qwk"),
}
PRIORS = (0.0, 500.0, 2000.0, 8000.0, 1e9)
MOST_ROWS, FOLDS = 4000, 5


def load(folder: Path) -> tuple[Any, Any]:
    """Return the matrix of a set's training rows, categories as codes, and its labels as they are."""
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    frame = pd.read_csv(folder / "train.csv.gz")
    x = frame.drop(columns=[c for c in (meta["target"], meta.get("id_column")) if c])
    for name in x.columns:
        if not pd.api.types.is_numeric_dtype(x[name]) or x[name].dtype == bool:
            x[name] = x[name].astype("category").cat.codes
    return x.to_numpy(float), frame[meta["target"]].to_numpy()


def learners(kind: str) -> list[Any]:
    import lightgbm as lgb

    def scaled(model: Any) -> Any:
        return make_pipeline(SimpleImputer(), StandardScaler(), model)

    boosting = {"n_estimators": 120, "learning_rate": 0.05, "num_leaves": 15, "verbose": -1, "n_jobs": 1}
    forest = {"n_estimators": 100, "min_samples_leaf": 3, "random_state": 0}
    if kind == "regression":
        return [lgb.LGBMRegressor(**boosting), scaled(RandomForestRegressor(**forest)), scaled(Ridge(10))]
    logistic = LogisticRegression(C=0.3, max_iter=500)
    return [lgb.LGBMClassifier(**boosting), scaled(RandomForestClassifier(**forest)), scaled(logistic)]


def predicted(model: Any, x: Any, kind: str, n_classes: int) -> Any:
    if kind == "regression":
        return model.predict(x)[:, None]
    p = np.zeros((len(x), n_classes))
    p[:, model.classes_] = model.predict_proba(x)
    return p[:, 1:] if kind == "binary" else p


def predictions(x: Any, codes: Any, y: Any, kind: str, seed: int) -> dict[str, Any]:
    """Return out-of-fold and holdout predictions (averaged over the learners), fold by fold, with the truth."""
    kept = np.random.default_rng(seed).permutation(len(y))[:MOST_ROWS]
    train, hold = train_test_split(kept, test_size=0.4 if len(kept) < 3000 else 0.5, random_state=seed)
    m, n_classes = (1 if kind != "multiclass" else codes.max() + 1), codes.max() + 1
    fold, oof, far = np.empty(len(train), int), np.zeros((len(train), m)), np.zeros((FOLDS, len(hold), m))
    parts = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(train, codes[train])
    for k, (learn, held) in enumerate(parts):
        fold[held] = k
        for model in learners(kind):
            model.fit(x[train[learn]], y[train[learn]])
            oof[held] += predicted(model, x[train[held]], kind, n_classes) / 3
            far[k] += predicted(model, x[hold], kind, n_classes) / 3
    return {"oof": oof.astype("f4"), "far": far.astype("f4"), "fold": fold, "y": y[train], "hold": y[hold]}


def scores(task: Task, metric: str, made: dict[str, Any], prior: float | None) -> tuple[float, float]:
    """Return the cross-fitted score and that on the holdout; without a prior by the usual decision."""
    found, y, hold = registry.metric(metric), made["y"].astype(float), made["hold"].astype(float)
    oof, far, ctx = made["oof"].copy(), made["far"], Context(task, found, stream(0, "blend"), ("s",))
    if prior is not None:
        params = thresholds.Params(prior=prior)

        def fitted(rows: Any) -> Any:
            return thresholds.fit(params, ctx, made["oof"][None, rows], y[rows], np.ones(rows.sum()))

        for k in range(FOLDS):
            held = made["fold"] == k
            oof[held] = fitted(~held)(made["oof"][None, held], ctx).mean
        last = fitted(np.ones(len(y), bool))
        far = np.stack([last(one[None], ctx).mean for one in far])
    return found.score(task, y, Pred(oof), np.ones(len(y))), found.score(
        task, hold, Pred(far.mean(0)), np.ones(len(hold))
    )


def main(root: Path) -> None:
    out = csv.writer(sys.stdout)
    out.writerow(["set", "task", "metric", "prior", "seeds", "rows", "oof", "hold", "gain", "se"])
    for name, (kind, seeds) in SETS.items():
        x, labels = load(root / name.partition("#")[0])
        classes, codes = np.unique(labels, return_inverse=True)
        y = labels if kind == "regression" else codes
        task = {
            "regression": Task("regression"),
            "binary": Task("binary", "logloss", (0, 1), 1),
            "multiclass": Task("multiclass", "softmax", tuple(range(len(classes)))),
        }[kind]
        runs = [predictions(x, codes, y, kind, seed) for seed in range(seeds)]
        for metric in METRICS[kind]:
            usual = np.array([scores(task, metric, made, None) for made in runs])
            for prior in (None, *PRIORS):
                got = np.array([scores(task, metric, made, prior) for made in runs])
                gain = got[:, 1] - usual[:, 1]
                mean = [f"{value:.4f}" for value in (*got.mean(0), gain.mean(), gain.std(ddof=1) / seeds**0.5)]
                shown = "usual" if prior is None else f"{prior:g}"
                out.writerow([name, kind, metric, shown, seeds, len(runs[0]["y"]), *mean])
                sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
