"""The real sets as kit sees them, cut from train.csv.gz: rows, folds and designs for the benchmarks of learners.

truth.csv.gz is never read. Texts become a few numbers (tf-idf, reduced), so that every learner can use them.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from kit import registry, rows
from kit.canon import stream
from kit.contracts import Fitted, Run
from kit.design import Designs, DesignSpec, Use, build
from kit.folding import folds_of, task_of
from kit.opening import open_recipe
from kit.stage import use_of
from kit.types import Array, Floats, Folds, Pred, Rows, Task

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = (
    *("titanic", "concrete_strength", "ps_s3e5_wine_quality", "ames_house_prices", "ps_s3e26_cirrhosis"),
    *("telco_churn", "spaceship_titanic", "ps_s3e14_blueberry", "bike_sharing_hourly", "california_housing"),
    *("nlswork_wage_panel", "adult_census", "otto_products", "book_price_text", "stsb_en", "judge_sts"),
)
TEXTS = {
    "judge_sts": ("user_prompt", "response"),
    "stsb_en": ("sentence1", "sentence2"),
    "book_price_text": ("Title", "Synopsis"),
}
TEXT_DIM = 16


@dataclass(frozen=True)
class Real:
    """A set: train rows with y, folds, and how its matrices are made. `metric` is the competition's."""

    name: str
    metric: str
    task: Task
    train: Rows
    test: Rows
    folds: Folds
    features: tuple[Use, ...]
    codec: Use

    def parts(self, k: int, seed: int = 0) -> Parts:
        """Return fold k as designs: learning rows cut in learn and stop (a tenth, whole groups), all of them, held."""
        learning = self.train.take(np.flatnonzero(self.folds.is_train(k)))
        held = self.train.take(np.flatnonzero(self.folds.is_held(k)))
        split = "group" if learning.group is not None else "kfold"
        module = registry.load("splits", split)
        made = module.assign(module.Params(folds=10), self.task, learning, stream(seed, "stop", k))
        stops = made.held == made.held.max()
        spec = DesignSpec(self.features, (), None, self.codec, seed, k)
        everything = rows.both(self.train, self.test)

        def designs(learn: Rows, stop: Rows | None) -> Designs:
            return build(spec, self.task, learn, stop, everything)

        cut = designs(learning.take(np.flatnonzero(~stops)), learning.take(np.flatnonzero(stops)))
        return Parts(cut, designs(learning, None), held, len(stops) / (~stops).sum())


@dataclass(frozen=True)
class Parts:
    """The designs of a fold: `cut` has stop rows, `whole` has none and `growth` times the rows."""

    cut: Designs
    whole: Designs
    held: Rows
    growth: float


def read(name: str, limit: int, folds: int, seed: int = 0) -> Real:
    """Return a set of at most `limit` rows, groups kept whole, as kit reads it."""
    meta = json.loads((DATA / name / "meta.json").read_text("utf-8"))
    frame = _some(pd.read_csv(DATA / name / "train.csv.gz"), meta, limit, seed)
    if name in TEXTS:
        frame = _with_text_numbers(frame, TEXTS[name])
    group = meta.get("group_column") or meta.get("cv_group_column")
    use = "group" if group else "kfold" if meta["task"] == "regression" else "stratified"
    data = {"train": "train.csv", "id": meta["id_column"], "target": meta["target"], "drop": [*TEXTS.get(name, ())]}
    data |= {"groups": group} if group else {}
    recipe = {"name": "bench", "data": data, "metric": meta["metric"], "split": {"use": use, "folds": folds}}
    recipe |= {"seed": seed, "features": {"base": ["numeric", "category"]}, "models": {"m": "lightgbm"}}
    with tempfile.TemporaryDirectory() as temp:
        frame.to_csv(Path(temp) / "train.csv", index=False)
        (Path(temp) / "bench.yaml").write_text(yaml.safe_dump(recipe), "utf-8")
        opened = open_recipe(Path(temp) / "bench.yaml", root=temp)
        made = next(s for s in opened.plan.stages if s.verb == "fit")
        ingredients, local, store = made.ingredients, made.local, opened.store
        train, test = rows.load(store, local["table"], local["rows"], {}, list(ingredients["x"]))
        train, test = (_in_memory(part) for part in (train, test))
        found = folds_of(store.open(ingredients["folds"]))
        held = found.held.copy()
    design = ingredients["design"]
    uses = tuple(use_of(f, "features", {}) for f in design["features"])
    codec = use_of(design["codec"], "codecs", {})
    return Real(
        name, meta["metric"], task_of(ingredients["task"]), train, test, Folds(held, found.n_folds), uses, codec
    )


def _some(frame: pd.DataFrame, meta: dict[str, str], limit: int, seed: int) -> pd.DataFrame:
    group = frame[meta.get("group_column") or meta.get("cv_group_column") or meta["id_column"]]
    order = np.random.default_rng(seed).permutation(group.nunique())
    rank = pd.Series(order, index=group.unique())[group].to_numpy()
    kept = np.sort(np.argsort(rank, kind="stable")[:limit])
    return frame.iloc[kept].reset_index(drop=True)


def _with_text_numbers(frame: pd.DataFrame, names: tuple[str, str]) -> pd.DataFrame:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [frame[n].fillna("") for n in names]
    counts = TfidfVectorizer(min_df=3, max_features=20_000)
    counts.fit(pd.concat(texts))
    both = [counts.transform(t) for t in texts]
    svd = TruncatedSVD(TEXT_DIM, random_state=0).fit(both[0] + both[1])
    columns = {f"{n}_{i}": c for n, b in zip(names, both, strict=True) for i, c in enumerate(svd.transform(b).T)}
    columns["likeness"] = np.asarray(both[0].multiply(both[1]).sum(axis=1)).ravel()
    columns |= {f"{n}_length": t.str.len() for n, t in zip(names, texts, strict=True)}
    return pd.concat([frame, pd.DataFrame(columns)], axis=1)


def _in_memory(part: Rows) -> Rows:
    x = {name: np.array(part.x[name]) for name in part.x}
    header = {n: type(c)(c.kind, tuple(c.levels), c.width) for n, c in part.header.items()}
    return Rows(part.row, x, header, part.y, part.w, part.v, part.group, part.time)


def fit_kit(real: Real, parts: Parts, use: str, params: object, seed: int = 0, *, refit: bool = True) -> Pred:
    """Return the held rows' prediction of a learner as kit.fold fits it: stopped on cut rows, fitted again on all."""
    module = registry.load("models", use)

    def once(designs: Designs, steps: int | None) -> Fitted:
        run = Run(stream(seed, "fit", 0), steps=steps)
        return module.fit(params, real.task, module.prepare(params, real.task, designs.train, designs.stop, run), run)

    made = parts.cut
    fitted = once(made, None)
    if refit:
        grown = fitted.best_step * (parts.growth if module.STEP_GROWS else 1.0)
        made = parts.whole
        fitted = once(made, max(1, round(grown)))
    return made.codec.decode(fitted.predict(made.of(parts.held.blind())), parts.held.blind())


def losses(real: Real, y: Floats, pred: Pred) -> tuple[float, float]:
    """Return (loss, metric), both lower = better: what learners train for, and what the competition counts."""
    ones = np.ones(len(y))
    plain = {"regression": "rmsle" if real.metric == "rmsle" else "mae" if real.metric == "mae" else "rmse"}
    loss = registry.metric(plain.get(real.task.kind, "logloss"))
    metric = registry.metric(real.metric)
    scores = [each.score(real.task, y, pred, ones) for each in (loss, metric)]
    return scores[0], scores[1] if metric.better == "lower" else 1.0 - scores[1]


def gathered(real: Real, make: Callable[[int], Pred]) -> Pred:
    """Return the out-of-fold prediction of the first repeat, made fold by fold."""
    mean: Array = np.zeros((len(real.train), real.task.n_out), np.float32)
    for k in range(real.folds.n_folds):
        mean[real.folds.is_held(k)] = make(k).mean
    return Pred(mean)


def save(lines: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the lines of a benchmark to a csv file, whole: it grows with them."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def chosen(names: list[str]) -> Iterator[str]:
    """Yield the sets there are, all if none is named."""
    for name in names or SETS:
        if (DATA / name / "train.csv.gz").is_file():
            yield name
