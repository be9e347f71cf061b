"""What a person would write by hand: the same fits as `overhead.py`'s recipe, by bare library calls.

    python benchmarks/bare.py FOLDER SHARE SHARES MODELS
carries out every SHARES-th fit (a fit is a fold and a learner), beginning with SHARE.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import polars as pl

ROUNDS = int(os.environ.get("BARE_ROUNDS", "500"))
EPOCHS = 16
PARAMS = {
    "lightgbm": {"learning_rate": 0.03, "leaves": 63, "min_leaf": 10, "subsample": 0.7, "colsample": 0.8},
    "xgboost": {"learning_rate": 0.04, "depth": 7, "min_weight": 2.0, "subsample": 0.7, "colsample": 0.8, "l2": 1.0},
    "catboost": {"learning_rate": 0.06, "depth": 7, "subsample": 0.8, "l2": 3.0, "leaf_steps": 1, "max_bin": 254},
    "hetero_mlp": {"epochs": EPOCHS},
}
"""The recipe's parameters, under kit's names; the functions below write the same under the libraries' own."""
FOLDS = 5


def load(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return x (n, d) float32, y (n,), test (t, d) and the fold of each row."""
    train, test = pl.read_csv(folder / "train.csv"), pl.read_csv(folder / "test.csv")
    names = [c for c in train.columns if c not in ("id", "y", "fold")]
    x, t = train.select(names).to_numpy().astype(np.float32), test.select(names).to_numpy().astype(np.float32)
    return x, train["y"].to_numpy().astype(np.float64), t, train["fold"].to_numpy()


def lightgbm(x: np.ndarray, y: np.ndarray, parts: list[np.ndarray]) -> list[np.ndarray]:
    import lightgbm as lgb

    params = {"objective": "regression", "learning_rate": 0.03, "num_leaves": 63, "min_data_in_leaf": 10}
    params |= {"bagging_fraction": 0.7, "bagging_freq": 1, "feature_fraction": 0.8, "num_threads": 1, "verbosity": -1}
    params |= {"deterministic": True, "force_col_wise": True, "min_sum_hessian_in_leaf": 1e-7}
    booster = lgb.train(params, lgb.Dataset(x, y, params=params), ROUNDS)
    return [booster.predict(p, num_threads=1) for p in parts]


def xgboost(x: np.ndarray, y: np.ndarray, parts: list[np.ndarray]) -> list[np.ndarray]:
    import xgboost as xgb

    params = {"objective": "reg:squarederror", "eta": 0.04, "max_depth": 7, "min_child_weight": 2, "lambda": 1}
    params |= {"subsample": 0.7, "colsample_bytree": 0.8, "nthread": 1, "tree_method": "hist", "verbosity": 0}
    booster = xgb.train(params, xgb.QuantileDMatrix(x, y, nthread=1), ROUNDS)
    return [booster.inplace_predict(p) for p in parts]


def catboost(x: np.ndarray, y: np.ndarray, parts: list[np.ndarray]) -> list[np.ndarray]:
    import catboost as cb

    params = {"learning_rate": 0.06, "depth": 7, "l2_leaf_reg": 3, "bootstrap_type": "Bernoulli", "subsample": 0.8}
    params |= {"leaf_estimation_iterations": 1, "leaf_estimation_backtracking": "No", "border_count": 254}
    params |= {"boosting_type": "Plain", "one_hot_max_size": 15, "thread_count": 1, "allow_writing_files": False}
    model = cb.CatBoostRegressor(iterations=ROUNDS, verbose=False, **params)
    model.fit(cb.Pool(x, y))
    return [model.predict(p, thread_count=1) for p in parts]


def hetero_mlp(x: np.ndarray, y: np.ndarray, parts: list[np.ndarray]) -> list[np.ndarray]:
    from kit.contracts import Run
    from kit.models import hetero_mlp as net
    from kit.types import Block, Design, Task

    names = tuple(str(i) for i in range(x.shape[1]))
    params, task, run = net.Params(epochs=EPOCHS), Task("regression"), Run(np.random.default_rng(0), threads=1)
    train = Design((Block(names, x),), y, np.ones(len(y)), np.ones(len(y)))
    fitted = net.fit(params, task, net.prepare(params, task, train, None, run), run)
    return [fitted.predict(Design((Block(names, p),), None, np.ones(len(p)), np.ones(len(p)))).mean for p in parts]


def main() -> None:
    folder, share, shares, names = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].split(",")
    x, y, test, fold = load(folder)
    learners = {f.__name__: f for f in (lightgbm, xgboost, catboost, hetero_mlp)}
    fits = [(k, name) for k in range(FOLDS) for name in names]
    for k, name in fits[share::shares] if shares > 2 else _halves(fits, names)[share] if shares == 2 else fits:
        held = fold == k
        preds = learners[name](x[~held], y[~held], [x[held], test])
        np.save(folder / f"bare-{name}-{k}.npy", np.concatenate([np.ravel(p) for p in preds]))


def _halves(fits: list[tuple[int, str]], names: list[str]) -> list[list[tuple[int, str]]]:
    """Return the fits in two halves: each learner's five folds 3 + 2 and 2 + 3 in turn."""
    first = [(k, n) for k, n in fits if k in ((0, 2, 4) if names.index(n) % 2 else (1, 3))]
    return [first, [f for f in fits if f not in first]]


if __name__ == "__main__":
    main()
