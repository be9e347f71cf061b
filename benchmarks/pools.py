"""Cheap pools for `resplits.py`: train.csv.gz cut into a train and a test part, 45 quick sources cross-fitted on each.

python benchmarks/pools.py [--cache DIR] [--splits 24] [--sets NAME ...]

One .npz per pool: oof (S, n, m), test (S, K, t, m), y, y_test, fold, group, group_test, metric, kind. Among the sources
are weak ones, duplicates, near duplicates and wrongly scaled ones, as in the pools people bring together. The
competition's truth is never read: test parts are cut from the training data.
"""

from __future__ import annotations

import argparse
import os
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
CACHE = Path(__file__).resolve().parents[1] / "build" / "pools"
FOLDS = 5


@dataclass(frozen=True)
class Set:
    """A competition: `n` rows learn, at most `t` are the test part."""

    name: str
    target: str
    metric: str
    drop: tuple[str, ...]
    group: str | None = None
    n: int = 2000
    t: int = 5000


SETS = (
    Set("concrete_strength", "strength", "rmse", ("id",), n=460),
    Set("california_housing", "median_house_value", "rmse", ("id",)),
    Set("ames_house_prices", "SalePrice", "rmsle", ("Order", "PID"), n=1200),
    Set("bike_sharing_hourly", "cnt", "rmsle", ("instant", "dteday")),
    Set("ps_s3e14_blueberry", "yield", "mae", ("id",)),
    Set("nlswork_wage_panel", "ln_wage", "rmse", ("id",), group="idcode"),
    Set("telco_churn", "Churn", "auc", ("customerID",)),
    Set("adult_census", "class", "auc", ("id",)),
    Set("ps_s3e26_cirrhosis", "Status", "logloss", ("id",), t=3000),
    Set("otto_products", "target", "logloss", ("id",), t=2000),
)

Made = tuple[np.ndarray, np.ndarray]
Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(x, y, x to predict) -> predictions (rows, m)."""


def matrix(frame: pd.DataFrame) -> np.ndarray:
    """Return (n, d): numbers standardised with gaps filled, categories as codes by frequency and, if few, one-hot."""
    parts = []
    for name in frame.columns:
        column = pd.to_numeric(frame[name], errors="coerce")
        if column.isna().mean() < 0.5:
            filled = column.fillna(column.median()).to_numpy(float)
            parts.append((filled - filled.mean()) / (filled.std() + 1e-9))
            continue
        text = frame[name].astype(object).fillna("missing").astype(str)
        counts = text.value_counts()
        parts.append(text.map(counts).rank(method="dense").to_numpy(float) / len(counts))
        parts += [(text == level).to_numpy(float) for level in counts.index[:12]]
    return np.column_stack(parts)


class Zoo:
    """The quick learners, on one task. Each takes a seed's random columns and settings."""

    def __init__(self, kind: str, classes: int, metric: str) -> None:
        self.kind, self.classes, self.metric = kind, classes, metric

    def proba(self, model: object, x: np.ndarray) -> np.ndarray:
        if self.kind == "regression":
            return np.asarray(model.predict(x)).reshape(-1, 1)
        p = np.asarray(model.predict_proba(x))
        full = np.zeros((len(x), self.classes))
        full[:, np.asarray(model.classes_).astype(int)] = p
        return full[:, 1:] if self.kind == "binary" else full

    def sk(self, make: Callable[[], object], columns: np.ndarray) -> Fit:
        def fit(x: np.ndarray, y: np.ndarray, other: np.ndarray) -> np.ndarray:
            return self.proba(make().fit(x[:, columns], y), other[:, columns])

        return fit

    def linear(self, strength: float, columns: np.ndarray) -> Fit:
        from sklearn.linear_model import LogisticRegression, Ridge

        if self.kind == "regression":
            return self.sk(lambda: Ridge(alpha=strength), columns)
        return self.sk(lambda: LogisticRegression(C=1 / strength, max_iter=60), columns)

    def knn(self, k: int, columns: np.ndarray, weights: str) -> Fit:
        from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

        cls = KNeighborsRegressor if self.kind == "regression" else KNeighborsClassifier
        return self.sk(lambda: cls(k, weights=weights), columns)

    def tree(self, name: str, columns: np.ndarray, **settings: object) -> Fit:
        from sklearn import ensemble, tree

        suffix = "Regressor" if self.kind == "regression" else "Classifier"
        cls = getattr(ensemble, name + suffix, None) or getattr(tree, name + suffix)
        return self.sk(lambda: cls(**settings), columns)

    def lightgbm(self, columns: np.ndarray, rounds: int, **settings: object) -> Fit:
        import lightgbm as lgb

        objective = {"regression": "l1" if self.metric == "mae" and settings["seed"] % 2 else "l2"}
        objective |= {"binary": "binary", "multiclass": "multiclass"}
        params = {
            "objective": objective[self.kind],
            "verbosity": -1,
            "num_threads": 1,
            "min_data_in_leaf": 10,
            **settings,
        }
        params |= {"num_class": self.classes} if self.kind == "multiclass" else {}

        def fit(x: np.ndarray, y: np.ndarray, other: np.ndarray) -> np.ndarray:
            booster = lgb.train(params, lgb.Dataset(x[:, columns], y), rounds)
            made = np.asarray(booster.predict(other[:, columns]))
            return made.reshape(len(other), -1)

        return fit


def fits(zoo: Zoo, d: int, rng: np.random.Generator) -> list[Fit]:
    """Return about 42 learners on random columns."""

    def some(low: float) -> np.ndarray:
        return np.sort(rng.choice(d, max(1, round(d * rng.uniform(low, 1))), replace=False))

    everything = np.arange(d)
    made = [zoo.linear(1.0, everything), zoo.linear(100.0, everything)]
    made += [zoo.linear(float(10 ** rng.uniform(-1, 3)), some(0.2)) for _ in range(6)]
    made += [zoo.knn(k, some(0.3), w) for k, w in ((3, "uniform"), (8, "distance"), (15, "distance"), (40, "uniform"))]
    for depth in (2, 4, 6, 10):
        made.append(zoo.tree("DecisionTree", some(0.5), max_depth=depth, random_state=depth))
    for name in ("ExtraTrees", "RandomForest"):
        for leaf in (1, 5):
            settings = {"n_estimators": 25, "min_samples_leaf": leaf, "random_state": leaf}
            made.append(zoo.tree(name, some(0.5), max_features=0.5, **settings))
    for i in range(18):
        rate, leaves = float(rng.uniform(0.05, 0.25)), int(rng.integers(3, 32))
        rounds = int(rng.integers(10, 60)) if zoo.classes <= 3 else int(rng.integers(8, 25))
        made.append(
            zoo.lightgbm(some(0.3), rounds, learning_rate=rate, num_leaves=leaves, seed=i, feature_fraction=0.8)
        )
    return made


def crossfitted(fit: Fit, x: np.ndarray, y: np.ndarray, fold: np.ndarray, test: np.ndarray) -> Made:
    """Return OOF (n, m) and test predictions (K, t, m)."""
    oof, tests = None, []
    for k in range(FOLDS):
        held = fold == k
        both = fit(x[~held], y[~held], np.concatenate([x[held], test]))
        oof = np.zeros((len(y), both.shape[1])) if oof is None else oof
        oof[held] = both[: held.sum()]
        tests.append(both[held.sum() :])
    return oof, np.stack(tests)


def spoiled(made: list[Made], kind: str, rng: np.random.Generator) -> list[Made]:
    """Return what people's pools also hold: copies, near copies, noisy and wrongly scaled versions, a constant."""

    def noisy(pair: Made, size: float) -> Made:
        oof, test = pair
        spread = size * oof.std()
        # One error per test row, shared by the fold models: a weak source, not one that averaging mends.
        return oof + spread * rng.normal(size=oof.shape), test + spread * rng.normal(size=test.shape[1:])

    picks = rng.choice(len(made), 6, replace=False)
    out = [made[picks[0]], made[picks[1]]]
    out += [noisy(made[picks[2]], 0.02), noisy(made[picks[3]], 0.3), noisy(made[picks[4]], 1.0)]
    mean = made[picks[5]][0].mean(axis=0)
    out.append(tuple(mean + 1.3 * (p - mean) for p in made[picks[5]]))
    out.append(tuple(np.broadcast_to(mean, p.shape).copy() for p in made[picks[5]]))
    return [tuple(proper(p, kind) for p in pair) for pair in out]


def proper(p: np.ndarray, kind: str) -> np.ndarray:
    if kind == "regression":
        return p
    p = np.clip(p, 1e-4, 1 - 1e-4)
    return p / p.sum(axis=-1, keepdims=True) if kind == "multiclass" else p


def parts(one: Set, frame: pd.DataFrame, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the train and the test part; groups stay together."""
    if one.group is None:
        order = rng.permutation(len(frame))
        return order[: one.n], order[one.n : one.n + one.t]
    groups = frame[one.group].to_numpy()
    names = rng.permutation(np.unique(groups))
    rank = pd.Series(np.arange(len(names)), names)[groups].to_numpy()
    order = np.argsort(rank, kind="stable")
    cut = np.searchsorted(rank[order], rank[order[one.n]])
    end = min(len(order) - 1, cut + one.t)
    return order[:cut], order[cut : np.searchsorted(rank[order], rank[order[end]])]


def folds(y: np.ndarray, group: np.ndarray | None, kind: str, rng: np.random.Generator) -> np.ndarray:
    n = len(y)
    if group is not None:
        names, code = np.unique(group, return_inverse=True)
        return (rng.permutation(len(names)) % FOLDS)[code]
    if kind == "regression":
        return rng.permutation(n) % FOLDS
    order = np.argsort(y + rng.uniform(0, 0.5, n))
    fold = np.empty(n, int)
    fold[order] = np.arange(n) % FOLDS
    return fold


def pool(one: Set, split: int, path: Path) -> None:
    frame = pd.read_csv(DATA / one.name / "train.csv.gz")
    rng = np.random.default_rng([zlib.crc32(one.name.encode()), split])
    frame = frame.dropna(subset=[one.target])
    learn, test = parts(one, frame, rng)
    raw = frame[one.target]
    kind, classes = "regression", 0
    if one.metric in ("auc", "logloss"):
        raw, levels = pd.Series(pd.factorize(raw, sort=True)[0], raw.index), raw.nunique()
        kind, classes = ("binary" if levels == 2 else "multiclass"), levels
    y = raw.to_numpy(float)
    features = frame.drop(columns=[one.target, *one.drop, *([one.group] if one.group else [])])
    x = matrix(features)
    seen = np.log1p(y) if one.metric == "rmsle" else y
    group = frame[one.group].to_numpy() if one.group else None
    fold = folds(y[learn], None if group is None else group[learn], kind, rng)
    zoo = Zoo(kind, classes, one.metric)
    made = [crossfitted(f, x[learn], seen[learn], fold, x[test]) for f in fits(zoo, x.shape[1], rng)]
    made = [tuple(np.expm1(p) if one.metric == "rmsle" else proper(p, kind) for p in pair) for pair in made]
    made += spoiled(made, kind, rng)
    extra = {} if group is None else {"group": group[learn], "group_test": group[test]}
    arrays = {"oof": np.stack([p[0] for p in made]), "test": np.stack([p[1] for p in made])}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        **{k: a.astype(np.float32) for k, a in arrays.items()},
        y=y[learn], y_test=y[test], fold=fold, kind=kind, metric=one.metric, classes=classes, **extra,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--splits", type=int, default=24)
    parser.add_argument("--sets", nargs="*", default=[s.name for s in SETS])
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for split in range(given.splits):
        for one in (s for s in SETS if s.name in given.sets):
            path = given.cache / f"{one.name}-{split:02d}.npz"
            if not path.exists():
                pool(one, split, path)
                print(path.name, flush=True)


if __name__ == "__main__":
    main()
