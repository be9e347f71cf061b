"""Compares the hetero_mlp plug-in with scikit-learn's MLP on 25 % of the training rows of real sets, held out."""

from __future__ import annotations

import argparse
import json
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kit.contracts import Run
from kit.models import hetero_mlp
from kit.types import Array, Block, Design, Floats, Task

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = (
    "california_housing,concrete_strength,ames_house_prices,ps_s3e14_blueberry,nlswork_wage_panel,bike_sharing_hourly,"
    "spaceship_titanic,telco_churn,titanic,adult_census,ps_s3e5_wine_quality,ps_s3e26_cirrhosis,otto_products"
)
LOG_METRICS = ("rmsle",)


@dataclass(frozen=True)
class Case:
    """A set cut in three: learning, stop and held rows. `scores` are lower = better."""

    task: Task
    learn: Design
    stop: Design
    held: Design


def main() -> None:
    """Print one row per set and the share of sets won."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", default=SETS)
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    wins: list[bool] = []
    print(f"{'set':<22}{'rows':>6}{'metric':>9}{'hetero_mlp':>12}{'sklearn':>10}{'ratio':>7}{'sec':>7}{'sec sk':>7}")
    for name in options.sets.split(","):
        if not (DATA / name / "train.csv.gz").is_file():
            print(f"{name:<22} skipped: no data")
            continue
        case = read(name, options.rows, options.seed)
        began = time.perf_counter()
        ours = loss_of(case, fit_ours(case, hetero_mlp.Params(), options.seed))
        middle = time.perf_counter()
        theirs = loss_of(case, fit_sklearn(case, options.seed))
        ended = time.perf_counter()
        metric = "rmse" if case.task.kind == "regression" else "logloss"
        print(
            f"{name:<22}{len(case.learn):>6}{metric:>9}{ours:>12.4f}{theirs:>10.4f}{ours / theirs:>7.3f}"
            f"{middle - began:>7.1f}{ended - middle:>7.1f}",
            flush=True,
        )
        wins.append(ours < theirs)
    if wins:
        print(f"better on {sum(wins)} of {len(wins)}")


def read(name: str, rows: int, seed: int) -> Case:
    """Return the set as designs: 25 % held, of the rest 10 % stop rows (as scikit-learn takes).

    Groups stay whole where the set has them.
    """
    meta = json.loads((DATA / name / "meta.json").read_text("utf-8"))
    frame = pd.read_csv(DATA / name / "train.csv.gz")
    rng = np.random.default_rng(seed)
    frame = frame.iloc[np.sort(rng.permutation(len(frame))[:rows])].reset_index(drop=True)
    group = frame[meta.get("group_column") or meta["id_column"]]
    share = pd.Series(rng.permutation(group.nunique()) / group.nunique(), index=group.unique())[group].to_numpy()
    task, y = _target(meta, frame[meta["target"]])
    roles = {meta["target"], meta["id_column"], meta.get("group_column")}
    block = _block(frame[[c for c in frame if c not in roles]], learn=share >= 0.325)
    parts = (share >= 0.325, (share >= 0.25) & (share < 0.325), share < 0.25)
    return Case(task, *(_design(block, y, part) for part in parts))


def _target(meta: dict[str, str], column: pd.Series) -> tuple[Task, Floats]:
    if meta["task"] == "regression":
        y = column.to_numpy(np.float64)
        return Task("regression"), np.log1p(y) if meta["metric"] in LOG_METRICS else y
    classes = tuple(sorted(column.unique().tolist()))
    y = np.searchsorted(np.array(classes), column).astype(np.float64)
    if len(classes) == 2:
        return Task("binary", "logloss", classes, classes[1]), y
    return Task("multiclass", "softmax", classes), y


def _block(frame: pd.DataFrame, learn: Array) -> Block:
    columns, categories = [], {}
    for name, column in frame.items():
        if pd.api.types.is_numeric_dtype(column):
            columns.append(column.to_numpy(np.float64))
            continue
        levels = pd.Index(column[learn].dropna().unique())
        if len(levels) > learn.sum() / 4:
            columns.append(np.zeros(len(column)))
            continue
        codes = levels.get_indexer(column).astype(np.float64)
        columns.append(np.where(codes < 0, np.nan, codes))
        categories[str(name)] = max(1, len(levels))
    return Block(tuple(map(str, frame.columns)), np.stack(columns, axis=1).astype(np.float32), categories)


def _design(block: Block, y: Floats, part: Array) -> Design:
    ones = np.ones(int(part.sum()))
    return Design((Block(block.names, block.x[part], block.categories),), y[part], ones, ones)


def fit_ours(case: Case, params: hetero_mlp.Params, seed: int) -> Array:
    """Return the held rows' prediction (n, m)."""
    run = Run(np.random.default_rng(seed))
    data = hetero_mlp.prepare(params, case.task, case.learn, case.stop, run)
    return hetero_mlp.fit(params, case.task, data, run).predict(case.held).mean


def fit_sklearn(case: Case, seed: int) -> Array:
    """Return the held rows' prediction (n, m) of an MLP with early stopping on all rows that are not held."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    x, y = (np.concatenate(pair) for pair in ((case.learn.matrix(), case.stop.matrix()), (case.learn.y, case.stop.y)))
    encode = _sklearn_inputs(case.learn, x)
    settings = {
        "hidden_layer_sizes": (128, 128),
        "random_state": seed,
        "early_stopping": True,
        "max_iter": 500,
        "n_iter_no_change": 20,
    }
    held = encode.transform(case.held.matrix())
    if case.task.kind != "regression":
        model = MLPClassifier(**settings).fit(encode.transform(x), y)
        proba = np.full((len(held), len(case.task.classes)), 1e-7)
        proba[:, model.classes_.astype(int)] = model.predict_proba(held)
        return proba[:, 1:] if case.task.kind == "binary" else proba
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MLPRegressor(**settings).fit(encode.transform(x), (y - y.mean()) / y.std())
    return np.clip(model.predict(held)[:, None] * y.std() + y.mean(), y.min(), y.max())


def _sklearn_inputs(design: Design, x: Array) -> object:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    category = list(design.categories)
    numeric = [i for i in range(design.n_columns) if i not in design.categories]
    scaled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return ColumnTransformer([("numeric", scaled, numeric), ("category", hot, category)]).fit(x)


def loss_of(case: Case, mean: Array) -> float:
    """Return the RMSE or the logarithmic loss on the held rows."""
    y = case.held.y
    if case.task.kind == "regression":
        return float(np.sqrt(np.mean((mean[:, 0] - y) ** 2)))
    proba = np.concatenate([1 - mean, mean], axis=1) if case.task.kind == "binary" else mean
    return float(-np.log(np.clip(proba[np.arange(len(y)), y.astype(int)], 1e-7, 1)).mean())


if __name__ == "__main__":
    main()
