"""What features are worth: LightGBM with and without them, on rows cut from train.csv.gz. Truth files are not read.

    python benchmarks/features.py DATA [set ...]

DATA is the folder of the competitions. Prints one line per cut and a table; docs/features.md holds the result.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

import kit
from kit import registry
from kit.types import Pred, Task

CUTS = (0, 1, 2)
DOCS = Path(__file__).parent.parent / "docs" / "features.md"

AMES = """\
name: ames_house_prices
data: {train: train.csv.gz, test: test.csv.gz, id: Order, target: SalePrice}
metric: rmsle
features:
  base: [numeric, category]
  made:
    - use: expr
      expressions:
        area:   '"Total Bsmt SF" + "1st Flr SF" + "2nd Flr SF"'
        baths:  '"Full Bath" + "Bsmt Full Bath" + 0.5 * ("Half Bath" + "Bsmt Half Bath")'
        age:    '"Yr Sold" - "Year Built"'
        redone: '"Yr Sold" - "Year Remod/Add"'
        each:   '"Gr Liv Area" / NULLIF("TotRms AbvGrd", 0)'
        good:   '"Overall Qual" * "Gr Liv Area"'
  near:
    - use: aggregate
      by: [Neighborhood]
      columns: [Gr Liv Area, Lot Area, Year Built, Overall Qual]
      stats: [mean, rank, difference]
    - {use: target_mean, columns: [Neighborhood, MS SubClass, Exterior 1st]}
models:
  base: {use: lightgbm, features: [base]}
  made: {use: lightgbm, features: [base, made]}
  near: {use: lightgbm, features: [base, made, near]}
"""

BIKE = """\
name: bike_sharing_hourly
data: {train: train.csv.gz, test: test.csv.gz, id: instant, target: cnt}
metric: rmsle
features:
  base: [numeric, category]
  date: [{use: dates, parts: [day, weekday, day_of_year]}]
  weather:
    - {use: aggregate, by: [dteday], columns: [temp, hum, windspeed], stats: [mean, max, difference]}
    - {use: lag, time: dteday, columns: [temp, weathersit], lags: [1], differences: [], position: false}
models:
  base: {use: lightgbm, features: [base]}
  date: {use: lightgbm, features: [base, date]}
  weather: {use: lightgbm, features: [base, date, weather]}
"""

SPACESHIP = """\
name: spaceship_titanic
data: {train: train.csv.gz, test: test.csv.gz, id: PassengerId, target: Transported}
metric: accuracy
columns:
  deck: {use: expr, expressions: {deck: "SPLIT_PART(Cabin, '/', 1)"}}
  side: {use: expr, expressions: {side: "SPLIT_PART(Cabin, '/', 3)"}}
  num:  {use: expr, expressions: {num: "CAST(SPLIT_PART(Cabin, '/', 2) AS INT)"}}
  bill: {use: expr, expressions: {bill: "COALESCE(RoomService, 0) + COALESCE(Spa, 0) + COALESCE(VRDeck, 0)"}}
features:
  base: [{use: numeric, columns: ["!num", "!bill"]}, {use: category, columns: ["!deck", "!side"]}]
  read: [{use: numeric, columns: [num, bill]}, {use: category, columns: [deck, side]}]
  made:
    - {use: aggregate, by: [Cabin], columns: [bill, Age], stats: [mean, max, count]}
    - {use: aggregate, by: [deck, side], columns: [num], stats: [rank]}
    - {use: target_mean, columns: [deck, side, HomePlanet, CryoSleep], together: 2}
models:
  base: {use: lightgbm, features: [base]}
  read: {use: lightgbm, features: [base, read]}
  made: {use: lightgbm, features: [base, read, made]}
"""


def recipes() -> dict[str, str]:
    """Return set -> recipe; those of the docs are read there."""
    found = {}
    for text in (AMES, BIKE, SPACESHIP, *re.findall(r"```yaml\n(name: .*?)```", DOCS.read_text("utf-8"), re.S)):
        found[text.partition("\n")[0].removeprefix("name: ")] = text
    return found


def cut(name: str, frame: pl.DataFrame, number: int) -> np.ndarray:
    """Return (n,) who is held out: a quarter at random, whole persons, or the last days of the months."""
    rng = np.random.default_rng(number)
    if name == "nlswork_wage_panel":
        persons = frame["idcode"].unique().sort()
        held = persons.filter(pl.Series(rng.random(len(persons)) < 0.25))
        return frame["idcode"].is_in(held.implode()).to_numpy()
    if name == "bike_sharing_hourly":
        return (frame["dteday"].str.slice(8, 2).cast(pl.Int64) >= 14 + number).to_numpy()
    return rng.random(len(frame)) < 0.25


def score(name: str, text: str, source: Path, number: int) -> dict[str, float]:
    """Return model -> score on the rows that are held out."""
    meta = json.loads((source / "meta.json").read_text("utf-8"))
    frame = pl.read_csv(source / "train.csv.gz", infer_schema_length=0)
    held = cut(name, frame, number)
    truth = frame.filter(held)
    with tempfile.TemporaryDirectory() as folder:
        write(frame.filter(~held), Path(folder, "train.csv.gz"))
        write(truth.drop(meta["target"]), Path(folder, "test.csv.gz"))
        Path(folder, "r.yaml").write_text(f"{text}seed: {number}\nblend: {{}}\n", "utf-8")
        kit.run(Path(folder, "r.yaml"), jobs=1, root=Path(folder, "out"))
        made = {p.parent.name: pl.read_parquet(p) for p in Path(folder, "out", "oof", name).glob("*/test.parquet")}
    metric, found = registry.metric(meta["metric"]), {}
    for model in re.findall(r"^  (\w+): {use: lightgbm", text, re.M):
        pred = made[model].with_columns(pl.col(meta["id_column"]).cast(pl.String))
        joined = truth.join(pred, on=meta["id_column"], how="left")
        mean = joined["pred"].to_numpy()[:, None]
        binary = meta["task"] == "binary"
        task = Task("binary", "logloss", ("FALSE", "TRUE"), "TRUE") if binary else Task("regression")
        target = joined[meta["target"]]
        y = (target == "TRUE").cast(pl.Float64) if binary else target.cast(pl.Float64)
        found[model] = metric.score(task, y.to_numpy(), Pred(mean), np.ones(len(y)))
    return found


def write(frame: pl.DataFrame, path: Path) -> None:
    with gzip.open(path, "wb") as stream:
        frame.write_csv(stream)


def main(data: Path, names: list[str]) -> None:
    texts = recipes()
    for name in names or texts:
        scores = [score(name, texts[name], data / name, number) for number in CUTS]
        for number, found in enumerate(scores):
            print(name, number, json.dumps(found), flush=True)
        first = next(iter(scores[0]))
        sign = registry.metric(re.search(r"metric: (\w+)", texts[name])[1]).sign  # type: ignore[index]
        for model in scores[0]:
            won = sum(sign * s[model] < sign * s[first] for s in scores)
            print(f"| {name} | {model} | {np.mean([s[model] for s in scores]):.4f} | {won} of {len(scores)} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
