"""Compares each learner's defaults with its library's own under the same folds, on sets cut from train.csv.gz.

Kit's side is fitted as kit fits it (stopped on rows cut from the learning rows, then again on all of them), the
library's side on all learning rows at once. A ratio below 1 is a lower loss of kit's.

    python benchmarks/defaults.py --out benchmarks/defaults.csv
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sets

from kit import registry
from kit.types import Array, Design, Pred, Task

LEARNERS = ("lightgbm", "xgboost", "catboost", "hetero_mlp")


def frame_of(design: Design) -> pd.DataFrame:
    """Return the matrix with categories as pandas knows them."""
    x = pd.DataFrame(design.matrix("F"), columns=list(design.names))
    for i, n in design.categories.items():
        codes = x.iloc[:, i].fillna(-1).astype(int)
        x[x.columns[i]] = pd.Categorical.from_codes(codes, [f"level {j}" for j in range(n)])
    return x


def library(use: str, task: Task, design: Design, seed: int) -> Any:
    """Return the library's estimator with its own defaults, fitted."""
    classify = task.kind != "regression"
    x, y = frame_of(design), design.y.astype(int) if classify else design.y
    if use == "lightgbm":
        import lightgbm as lib

        made = (lib.LGBMClassifier if classify else lib.LGBMRegressor)(random_state=seed, n_jobs=1, verbose=-1)
        return made.fit(x, y)
    if use == "xgboost":
        import xgboost as lib

        made = (lib.XGBClassifier if classify else lib.XGBRegressor)(
            random_state=seed, n_jobs=1, enable_categorical=True
        )
        return made.fit(x, y)
    import catboost as lib

    made = (lib.CatBoostClassifier if classify else lib.CatBoostRegressor)(
        random_seed=seed, thread_count=1, verbose=0, allow_writing_files=False
    )
    return made.fit(_texts(x), y, cat_features=sorted(design.categories))


def _texts(x: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with categories as strings, missing ones too, as CatBoost wants them."""
    named = {n: x[n] for n in x if isinstance(x[n].dtype, pd.CategoricalDtype)}
    return x.assign(**{n: c.cat.add_categories("missing").fillna("missing").astype(str) for n, c in named.items()})


def sklearn_mlp(task: Task, design: Design, seed: int) -> Any:
    """Return scikit-learn's MLP with its own defaults on imputed, scaled and one-hot encoded columns, fitted."""
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numeric = [i for i in range(design.n_columns) if i not in design.categories]
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    hot = make_pipeline(
        SimpleImputer(strategy="constant", fill_value=-1), OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    )
    encode = ColumnTransformer([("numeric", scaled, numeric), ("category", hot, list(design.categories))])
    if task.kind == "regression":
        net = TransformedTargetRegressor(MLPRegressor(random_state=seed), transformer=StandardScaler())
        return make_pipeline(encode, net).fit(design.matrix(), design.y)
    return make_pipeline(encode, MLPClassifier(random_state=seed)).fit(design.matrix(), design.y.astype(int))


def said(model: Any, x: Array | pd.DataFrame, task: Task) -> Pred:
    """Return a fitted estimator's prediction in kit's shape."""
    if task.kind == "regression":
        return Pred(np.asarray(model.predict(x)).reshape(len(x), 1))
    proba = np.zeros((len(x), len(task.classes)), np.float32)
    proba[:, np.asarray(model.classes_).astype(int)] = model.predict_proba(x)
    return Pred(proba[:, 1:] if task.kind == "binary" else proba)


def fit_library(real: sets.Real, parts: sets.Parts, use: str, seed: int) -> Pred:
    """Return the held rows' prediction of the library's own defaults."""
    made, held = parts.whole, parts.whole.of(parts.held.blind())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if use == "hetero_mlp":
            pred = said(sklearn_mlp(real.task, made.train, seed), held.matrix(), real.task)
        else:
            x = frame_of(held)
            pred = said(library(use, real.task, made.train, seed), _texts(x) if use == "catboost" else x, real.task)
    return made.codec.decode(pred, parts.held.blind())


def compare(real: sets.Real, use: str, seed: int) -> dict[str, Any]:
    """Return the losses and CPU seconds of both sides on a set."""
    parts = cache(lambda k: real.parts(k, seed))
    params = registry.load("models", use).Params()
    line: dict[str, Any] = {"set": real.name, "learner": use, "seed": seed, "rows": len(real.train)}
    sides = {
        "kit": lambda k: sets.fit_kit(real, parts(k), use, params, seed),
        "library": lambda k: fit_library(real, parts(k), use, seed),
    }
    for k in range(real.folds.n_folds):
        parts(k)
    for side, make in sides.items():
        began = time.process_time()
        pred = sets.gathered(real, make)
        loss, metric = sets.losses(real, real.train.y, pred)
        line |= {f"loss_{side}": loss, f"metric_{side}": metric, f"seconds_{side}": time.process_time() - began}
    return line


def summary(lines: list[dict[str, Any]]) -> None:
    """Print the geometric mean ratio of each learner over the sets, with its standard error, and the sets won."""
    print(f"{'learner':<12}{'loss ratio':>18}{'metric ratio':>18}{'sets won':>10}{'seconds ratio':>15}")
    for use in dict.fromkeys(line["learner"] for line in lines):
        cells, won = [], ""
        for kind in ("loss", "metric", "seconds"):
            by_set: dict[str, list[float]] = {}
            for line in lines:
                if line["learner"] == use:
                    ratio = math.log(max(line[f"{kind}_kit"], 1e-9) / max(line[f"{kind}_library"], 1e-9))
                    by_set.setdefault(line["set"], []).append(ratio)
            logs = np.array([np.mean(v) for v in by_set.values()])
            mean, error = math.exp(logs.mean()), logs.std(ddof=1) / math.sqrt(len(logs)) if len(logs) > 1 else 0.0
            cells.append(f"{mean:.4f} +- {error * mean:.4f}" if kind != "seconds" else f"{mean:.2f}")
            won = f"{int((logs < 0).sum())}/{len(logs)}" if kind == "loss" else won
        print(f"{use:<12}{cells[0]:>18}{cells[1]:>18}{won:>10}{cells[2]:>15}")


def main() -> None:
    """Run the comparison set by set; the file grows with it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--learners", nargs="*", default=list(LEARNERS))
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    lines: list[dict[str, Any]] = []
    for name in sets.chosen(args.sets):
        for seed in range(args.seeds):
            real = sets.read(name, args.rows, args.folds, seed)
            for use in args.learners:
                lines.append(compare(real, use, seed))
                print({k: round(v, 4) if isinstance(v, float) else v for k, v in lines[-1].items()}, flush=True)
                sets.save(lines, args.out)
    summary(lines)


if __name__ == "__main__":
    main()
