"""Compares the hetero_mlp plug-in with scikit-learn's MLP on 25 % of the training rows of real sets, held out.

python benchmarks/mlp_vs_sklearn.py [--rows 6000]
python benchmarks/mlp_vs_sklearn.py --published --rows 2000 --seeds 3 --out benchmarks/published.csv

`--published`: the regression sets alone, and beside both the net of the judge competition's first solution (the params
of recipes/judge/published.yaml). RMSE of all three, NLL and CRPS of mean and std; scikit-learn's net has no std, so it
is given one for all rows, what a fit without the stop rows leaves on these. Texts of stsb_en become MiniLM vectors.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from kit import registry
from kit.contracts import Run
from kit.models import hetero_mlp
from kit.types import Array, Block, Design, Floats, Pred, Task

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "judge" / "published.yaml"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = (
    "california_housing,concrete_strength,ames_house_prices,ps_s3e14_blueberry,nlswork_wage_panel,bike_sharing_hourly,"
    "spaceship_titanic,telco_churn,titanic,adult_census,ps_s3e5_wine_quality,ps_s3e26_cirrhosis,otto_products"
)
LOG_METRICS = ("rmsle",)
REGRESSIONS = (
    "california_housing,concrete_strength,ps_s3e14_blueberry,nlswork_wage_panel,bike_sharing_hourly,ames_house_prices,"
    "stsb_en"
)
TEXTS = {"stsb_en": ("sentence1", "sentence2")}
METRICS = ("rmse", "nll", "crps")


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
    parser.add_argument("--sets", default="")
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1, help="cuts of each set, with --published")
    parser.add_argument("--published", action="store_true")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    if options.published:
        three(options)
        return
    wins: list[bool] = []
    print(f"{'set':<22}{'rows':>6}{'metric':>9}{'hetero_mlp':>12}{'sklearn':>10}{'ratio':>7}{'sec':>7}{'sec sk':>7}")
    for name in (options.sets or SETS).split(","):
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


def three(options: argparse.Namespace) -> None:
    """Print and write one line per set, cut and net; then how often hetero_mlp has the lowest of each score."""
    lines: list[dict[str, object]] = []
    for name in (options.sets or REGRESSIONS).split(","):
        for seed in range(options.seed, options.seed + options.seeds):
            case = read(name, options.rows, seed)
            for net, predict in NETS.items():
                began = time.process_time()
                pred = predict(case, seed)
                line = {"set": name, "seed": seed, "rows": len(case.learn), "net": net}
                line |= {
                    m: round(registry.metric(m).score(case.task, case.held.y, pred, case.held.v), 5) for m in METRICS
                }
                lines.append({**line, "cpu_seconds": round(time.process_time() - began, 1)})
                print(*lines[-1].values(), flush=True)
    for metric in METRICS:
        found = {net: np.array([line[metric] for line in lines if line["net"] == net], float) for net in NETS}
        for other in ("published", "sklearn"):
            won = int((found["hetero_mlp"] < found[other]).sum())
            print(f"{metric}: hetero_mlp below {other} on {won} of {len(found[other])} cuts")
    if options.out is not None:
        with options.out.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(lines[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)


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
    if name in TEXTS:
        block = _vectors(frame, TEXTS[name])
    else:
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


def _vectors(frame: pd.DataFrame, names: tuple[str, str]) -> Block:
    """Return the MiniLM vectors of two texts and their cosine."""
    from kit import hub
    from kit.features._encoder import Encoder, Reading

    encoder = Encoder(hub.find("minilm", []).folder, "cpu", Reading(None, None, "raise", None, "float32"))
    first, second = (encoder.encode(frame[name].tolist()) for name in names)
    first, second = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (first, second))
    x = np.concatenate([first, second, (first * second).sum(axis=1, keepdims=True)], axis=1)
    return Block(tuple(f"v{j}" for j in range(x.shape[1])), np.ascontiguousarray(x))


def _design(block: Block, y: Floats, part: Array) -> Design:
    ones = np.ones(int(part.sum()))
    return Design((Block(block.names, block.x[part], block.categories),), y[part], ones, ones)


def predicted(case: Case, params: hetero_mlp.Params, seed: int) -> Pred:
    """Return the held rows' prediction of hetero_mlp."""
    run = Run(np.random.default_rng(seed))
    data = hetero_mlp.prepare(params, case.task, case.learn, case.stop, run)
    return hetero_mlp.fit(params, case.task, data, run).predict(case.held)


def fit_ours(case: Case, params: hetero_mlp.Params, seed: int) -> Array:
    """Return the held rows' prediction (n, m)."""
    return predicted(case, params, seed).mean


def published() -> hetero_mlp.Params:
    """Return the params of the competition's net."""
    recipe = yaml.safe_load(RECIPE.read_text("utf-8"))
    return hetero_mlp.Params.model_validate(recipe["models"]["hetero"]["params"])


def with_one_std(case: Case, seed: int) -> Pred:
    """Return the held rows' prediction of scikit-learn's net with one std for all."""
    alone = Case(case.task, case.learn, _none_of(case.stop), case.stop)
    std = np.sqrt(np.mean((fit_sklearn(alone, seed)[:, 0] - case.stop.y) ** 2))
    mean = fit_sklearn(case, seed).astype(np.float32)
    return Pred(mean, np.full(len(mean), std, np.float32))


def _none_of(design: Design) -> Design:
    return Design(tuple(Block(b.names, b.x[:0], b.categories) for b in design.blocks), *(np.empty(0),) * 3)


NETS = {
    "hetero_mlp": lambda case, seed: predicted(case, hetero_mlp.Params(), seed),
    "published": lambda case, seed: predicted(case, published(), seed),
    "sklearn": with_one_std,
}


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
