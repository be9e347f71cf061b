"""What LightGBM's fewest rows of a category to be split off are worth on few rows: 10, 25, 50 beside the library's 100.

Sets with a column of five levels or more, from PyPI packages (see unseen_sets.py) and from ../shared/data (train.csv.gz
alone), cut to 200 to 20,000 rows, several cuts, five folds; a fit stops on 15 % of its learning rows. A ratio below 1
is a lower loss (rmse, logloss) than with 100.

    python benchmarks/min_category.py --packages PACKAGES --out benchmarks/min_category.csv
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sets
from sklearn.model_selection import train_test_split
from smoothing import DATA, MORE, NAMES, Table, table
from unseen_sets import SETS

from kit import registry
from kit.contracts import Run
from kit.models import lightgbm
from kit.types import Array, Floats

ROWS = (200, 500, 1000, 2500, 6000, 20_000)
MANY = 6000
"""From so many rows on one cut is enough."""
FEWEST = (100, 50, 25, 10)
PACKED = (*NAMES, "diamonds", "cars", "survey")


@dataclass(frozen=True)
class Own:
    """A set of ../shared/data. `names`: numbers that are names; `logs`: whether log(1 + y) is learnt."""

    name: str
    target: str
    drop: tuple[str, ...]
    names: tuple[str, ...] = ()
    logs: bool = False
    number: bool = True


OWN = (
    Own("nlswork_wage_panel", "ln_wage", ("id", "idcode"), ("ind_code", "occ_code")),
    Own("bike_sharing_hourly", "cnt", ("instant", "dteday"), ("mnth", "hr", "weekday", "season", "weathersit"), True),
    Own("adult_census", "class", ("id", "education-num"), number=False),
    Own("ames_house_prices", "SalePrice", ("Order", "PID"), ("MS SubClass",), True),
    Own("spaceship_titanic", "Transported", ("PassengerId", "Name"), number=False),
    Own("titanic", "Survived", ("PassengerId", "Name"), number=False),
)


def read(own: Own) -> pd.DataFrame:
    """Return the rows of a set; of a cabin its deck."""
    frame = pd.read_csv(DATA / own.name / "train.csv.gz").drop(columns=list(own.drop))
    for name in own.names:
        frame[name] = "c" + frame[name].astype(str)
    if "Cabin" in frame:
        frame["Cabin"] = frame["Cabin"].str[0]
    if own.logs:
        frame[own.target] = np.log1p(frame[own.target])
    return frame


def frames(wanted: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame, str, bool]]:
    """Yield name, rows, target and whether that is a number."""
    for own in OWN:
        if not wanted or own.name in wanted:
            yield own.name, read(own), own.target, own.number
    for spec in (*(s for s in SETS if s.name in PACKED), *MORE):
        if not wanted or spec.name in wanted:
            yield spec.name, spec.read(), spec.target, spec.metric in ("rmse", "rmsle", "mae", "mape")


def loss(case: Table, parts: tuple[Array, Array, Array], fewest: int, seed: int) -> float:
    """Return the loss on held rows; parts: learning, stop and held rows."""
    learn, stop, held = map(case.design, parts)
    params, run = lightgbm.Params(min_category=fewest, learning_rate=0.1, patience=40), Run(np.random.default_rng(seed))
    model: Any = lightgbm.fit(params, case.task, lightgbm.prepare(params, case.task, learn, stop, run), run)
    metric = registry.metric("rmse" if case.task.kind == "regression" else "logloss")
    return metric.score(case.task, held.y, model.predict(held), held.v)


def ratios(frame: pd.DataFrame, target: str, rows: int, *, number: bool, cuts: int) -> tuple[Floats, int]:
    """Return (folds, F) the logarithms of the ratios to the loss of the first of FEWEST, and the most levels."""
    logs, levels = [], 0
    for cut in range(cuts):
        case = table("", frame.sample(rows, random_state=cut), target, number=number)
        levels = max([levels, *case.block.categories.values()])
        for learn, held in case.folds(cut):
            fit, stop = train_test_split(learn, test_size=0.15, random_state=cut)
            losses = [loss(case, (fit, stop, held), fewest, cut) for fewest in FEWEST]
            logs.append(np.log(np.array(losses) / losses[0]))
    return np.array(logs), levels


def main() -> None:
    """Print a line per set, number of rows and fewest rows, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", action="append", default=[], help="a folder that pip --target filled")
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--cuts", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sys.path.extend(options.packages)
    warnings.simplefilter("ignore")
    lines: list[dict[str, object]] = []
    for name, frame, target, number in frames(options.sets):
        for rows in (r for r in ROWS if r <= len(frame)):
            try:
                logs, levels = ratios(frame, target, rows, number=number, cuts=options.cuts if rows < MANY else 1)
            except ValueError as error:  # a class too rare for the folds of so few rows
                print(name, rows, str(error).partition("\n")[0], flush=True)
                continue
            for fewest, each in zip(FEWEST[1:], logs.T[1:], strict=True):
                lines.append(
                    {
                        "set": name,
                        "rows": rows,
                        "levels": levels,
                        "min_category": fewest,
                        "ratio": f"{np.exp(each.mean()):.4f}",
                        "se": f"{each.std(ddof=1) / len(each) ** 0.5:.4f}",
                        "lower_on": int((each < 0).sum()),
                        "equal_on": int((each == 0).sum()),
                        "folds": len(each),
                    }
                )
                print(*lines[-1].values(), flush=True)
            if options.out is not None:
                sets.save(lines, options.out)


if __name__ == "__main__":
    main()
