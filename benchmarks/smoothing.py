"""What LightGBM's smoothing of categories, read off the learning rows, is worth beside the library's 10 and others.

Sets with a column of many levels, from PyPI packages (see unseen.py) and from ../shared/data (train.csv.gz alone), five
folds, two seeds or more; a fit stops on 15 % of its learning rows. A ratio below 1 is a lower loss than with 10.

    python benchmarks/smoothing.py --packages PACKAGES --out benchmarks/smoothing.csv
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sets
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from unseen_sets import SETS, R, Unseen

from kit import registry
from kit.contracts import Run
from kit.models import lightgbm
from kit.types import Array, Block, Design, Floats, Task

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
ROWS = 20_000
NAMES = (
    *("flights", "covid_testing", "churn", "lending_club", "pizza", "bird_strikes", "bundesliga", "hotel_rates"),
    *("pets", "baseball"),
)
MORE = (
    Unseen("resume", R + "openintro/resume", "received_callback", "logloss"),
    Unseen("loans", R + "openintro/loans_full_schema", "interest_rate", "rmse"),
)
OWN = ("adult_census", "book_price_text")
UNUSED = ("time_hour", "rownames")
"""A time, which kit does not read as a category, and the row number."""


@dataclass(frozen=True)
class Table:
    """A set as one block. `task`, y (n,) and what of it are categories."""

    name: str
    task: Task
    block: Block
    y: Floats

    def design(self, rows: Array) -> Design:
        """Return some rows as a design, each of weight 1."""
        ones = np.ones(len(rows))
        x = np.ascontiguousarray(self.block.x[rows])
        return Design((Block(self.block.names, x, self.block.categories),), self.y[rows], ones, ones)

    def folds(self, seed: int) -> Iterator[tuple[Array, Array]]:
        """Yield (learning rows, held rows) of five folds."""
        number = self.task.kind == "regression"
        made = (KFold if number else StratifiedKFold)(5, shuffle=True, random_state=seed)
        yield from made.split(self.block.x, self.y if number else self.y.astype(int))


def table(name: str, frame: pd.DataFrame, target: str, *, number: bool) -> Table:
    """Return a frame as numbers and codes; strings of which more than half differ are left out."""
    frame = frame.drop(columns=[c for c in UNUSED if c in frame])
    frame = frame[frame[target].notna()]
    frame = frame.sample(min(len(frame), ROWS), random_state=0).reset_index(drop=True)
    task, y = Task("regression"), frame[target]
    if not number:
        codes, levels = pd.factorize(y.astype(str), sort=True)
        y, classes = pd.Series(codes), tuple(map(str, levels))
        two = len(classes) == 2
        task = Task("binary", "logloss", classes, classes[1]) if two else Task("multiclass", "softmax", classes)
    columns, categories = {}, {}
    for column in frame.columns.drop(target):
        values = frame[column]
        if pd.api.types.is_numeric_dtype(values):
            columns[str(column)] = values.to_numpy(np.float64, na_value=np.nan)
            continue
        code = pd.factorize(values.astype(str).where(values.notna()))[0].astype(np.float64)
        if code.max() + 1 <= len(code) / 2:
            categories[str(column)] = int(code.max()) + 1
            columns[str(column)] = np.where(code < 0, np.nan, code)
    x = np.stack(list(columns.values()), 1).astype(np.float32)
    return Table(name, task, Block(tuple(columns), x, categories), y.to_numpy(np.float64))


def tables(wanted: list[str]) -> Iterator[Table]:
    """Yield the sets, or those that are wanted."""
    for spec in (*(s for s in SETS if s.name in NAMES), *MORE):
        if not wanted or spec.name in wanted:
            yield table(spec.name, spec.read(), spec.target, number=spec.metric in ("rmse", "rmsle", "mae", "mape"))
    for name in OWN:
        if (not wanted or name in wanted) and (DATA / name / "train.csv.gz").is_file():
            meta = json.loads((DATA / name / "meta.json").read_text("utf-8"))
            frame = pd.read_csv(DATA / name / "train.csv.gz").drop(columns=meta["id_column"])
            for cut in range(3):
                some = frame.sample(min(len(frame), 2000), random_state=cut)
                yield table(f"{name} {cut}", some, meta["target"], number=meta["task"] == "regression")


def fitted(case: Table, parts: tuple[Array, Array, Array], smooth: float | None, seed: int) -> tuple[float, float]:
    """Return the loss on held rows (rmse, logloss) and the smoothing taken; parts: learning, stop and held rows."""
    learn, stop, held = map(case.design, parts)
    params, run = lightgbm.Params(cat_smooth=smooth, learning_rate=0.1, patience=40), Run(np.random.default_rng(seed))
    data = lightgbm.prepare(params, case.task, learn, stop, run)
    model: Any = lightgbm.fit(params, case.task, data, run)
    metric = registry.metric("rmse" if case.task.kind == "regression" else "logloss")
    return metric.score(case.task, held.y, model.predict(held), held.v), model.facts["cat_smooth"][0]


def compare(case: Table, seeds: int) -> dict[str, object]:
    """Return the geometric mean ratio of the losses over folds, its standard error, and what was read off."""
    logs, taken = [], []
    for seed in range(seeds):
        for learn, held in case.folds(seed):
            fit, stop = train_test_split(learn, test_size=0.15, random_state=seed)
            ten, _ = fitted(case, (fit, stop, held), 10.0, seed)
            read, smooth = fitted(case, (fit, stop, held), None, seed)
            logs.append(np.log(read / ten))
            taken.append(smooth)
    return {
        "set": case.name,
        "rows": len(case.y),
        "task": case.task.kind,
        "ratio": f"{np.exp(np.mean(logs)):.4f}",
        "se": f"{np.std(logs, ddof=1) / len(logs) ** 0.5:.4f}",
        "lower_on": int((np.array(logs) < 0).sum()),
        "equal_on": int((np.array(logs) == 0).sum()),
        "folds": len(logs),
        "cat_smooth": f"{np.exp(np.mean(np.log(taken))):.0f}",
    }


def main() -> None:
    """Print a line per set and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", action="append", default=[], help="a folder that pip --target filled")
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sys.path.extend(options.packages)
    lines = []
    for case in tables(options.sets):
        lines.append(compare(case, options.seeds))
        print(*lines[-1].values(), flush=True)
        if options.out is not None:
            sets.save(lines, options.out)


if __name__ == "__main__":
    main()
