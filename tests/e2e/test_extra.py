"""`data.extra`: rows that teach in every fold and are never held, stopped on or shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import numbers

import kit
from kit import api, rows
from kit.folding import folds_of
from kit.scored import cut_scored, with_extra
from kit.types import Folds, Rows

EXTRA = """\
data: {train: train.csv, test: test.csv, id: id, target: y, extra: [{path: more.csv, as: rows, weight: 0.5}]%s}
metric: rmse
split: {use: kfold, folds: 3}
features: {base: [numeric, category]}
models: {m: {use: lightgbm, features: base, params: {n_estimators: 5}, stop: %s}}
"""

LEVELS = """\
models:
  m: {use: lightgbm, features: base, params: {n_estimators: 5}, refit: true}
  r: {use: lightgbm, features: base, params: {n_estimators: 5}, target_transform: residual(m)}
  z: {use: sklearn, from: [m, r], params: {estimator: Ridge}}"""


def more(toy, n: int = 60, seed: int = 9) -> pl.DataFrame:
    frame = pl.DataFrame(numbers(seed, n))
    frame.write_csv(toy.folder / "more.csv")
    return frame


def loaded(toy, text: str):
    """Return the opened recipe and the rows that a fit is handed."""
    opened = api.open_recipe(toy.write(text), root=toy.root)
    stage = next(s for s in opened.plan.stages if s.verb == "fit")
    train, test = rows.load(
        opened.store, opened.facts.table_key, opened.facts.rows_key, {}, list(stage.ingredients["x"])
    )
    return opened, train, test


@pytest.mark.parametrize("stop", ["fixed", "refit", "cut", "held"])
def test_extra_rows_teach_and_are_seen_nowhere(toy, stop):
    train, test = (pl.read_csv(toy.folder / f"{part}.csv") for part in ("train", "test"))
    more(toy)
    toy.write(EXTRA % ("", stop))
    done = toy.run()
    oof = toy.oof("m")
    assert oof["id"].to_list() == train["id"].to_list() and set(oof["fold"]) == {0, 1, 2}
    assert len(toy.oof("m", "folds")) == len(train)
    assert toy.oof("m", "test")["id"].to_list() == test["id"].to_list()
    plain = toy.run(
        recipe=toy.write(
            (EXTRA % ("", stop)).replace(", extra: [{path: more.csv, as: rows, weight: 0.5}]", ""), "p.yaml"
        ).name
    )
    assert plain.submitted != done.submitted
    assert toy.oof("m", "folds").equals(toy.oof("m", "folds", recipe="p"))
    assert toy.run().stages["run"] == 0
    more(toy, seed=10)
    assert toy.run().submitted != done.submitted


def test_extra_rows_come_weighted_and_never_scored(toy):
    given = more(toy)
    opened, train, test = loaded(toy, EXTRA % ("", "refit"))
    assert (opened.facts.n_train, opened.facts.n_test, opened.facts.n_extra) == (120, 40, 60)
    assert train.row.tolist() == [*range(120), *range(160, 220)] and test.row.tolist() == list(range(120, 160))
    assert train.w.tolist() == [1.0] * 120 + [0.5] * 60 and train.v.tolist() == [1.0] * 120 + [0.0] * 60
    assert train.y is not None and train.y[120:].tolist() == given["y"].to_list()
    assert train.x["x1"][120:].tolist() == given["x1"].to_list()
    levels = train.header["c"].levels
    assert [levels[c] for c in train.x["c"][120:]] == given["c"].to_list()


def test_the_unit_of_weights_says_nothing_to_learners(toy):
    train = pl.read_csv(toy.folder / "train.csv")
    given = more(toy)
    own = train.with_columns(days=np.arange(120) % 4 * 64.0)
    own.write_csv(toy.folder / "train.csv")
    days = loaded(toy, EXTRA % (", weight: days", "refit"))[1]
    assert days.v[:120].tolist() == own["days"].to_list() and days.v[120:].tolist() == [0] * 60
    assert days.w[:120].tolist() == (own["days"] / 128).to_list(), "of mean 1 over the rows that teach"
    assert days.w[120:].tolist() == [0.5] * 60, "a row without a weight counts as an average one"
    own.with_columns(days=own["days"] / 2**20).write_csv(toy.folder / "train.csv")
    assert loaded(toy, EXTRA % (", weight: days", "refit"))[1].w.tolist() == days.w.tolist()
    given.with_columns(days=32.0 / 2**20).write_csv(toy.folder / "more.csv")
    assert loaded(toy, EXTRA % (", weight: days", "refit"))[1].w[120:].tolist() == [0.125] * 60


def test_known_rows_and_rows_without_target_are_dropped_and_counted(toy):
    train, test = (pl.read_csv(toy.folder / f"{part}.csv") for part in ("train", "test"))
    fresh = pl.DataFrame(numbers(9, 5)).with_columns(
        x3=pl.lit(None), c=pl.Series(["red", "pink", None, "blue", "pink"])
    )
    known = pl.concat([train[:3].drop("id"), test[:2].drop("id").with_columns(y=1.0)], how="diagonal")
    untold = fresh[:2].with_columns(y=pl.lit(None, pl.Float64))
    pl.concat([known, fresh, untold], how="diagonal_relaxed").write_csv(toy.folder / "more.csv")
    opened, rows_, _ = loaded(toy, EXTRA % ("", "fixed"))
    (about,) = opened.store.open(opened.facts.table_key).meta["extra"]
    assert (about["rows"], about["duplicates"], about["without_target"]) == (12, 5, 2)
    assert opened.facts.n_extra == 5 and np.isnan(rows_.x["x3"][120:]).all()
    levels = rows_.header["c"].levels
    assert list(levels) == ["blue", "green", "pink", "red"]
    assert rows_.x["c"][120:].tolist() == [3, 2, -1, 0, 2]


def test_columns_may_lack_or_be_written_otherwise(toy):
    frame = pl.DataFrame(numbers(9, 4)).select("y", "c", "x1").with_columns(x1=pl.Series(["0.5", "$2", "much", None]))
    frame.write_csv(toy.folder / "more.csv")
    opened, rows_, _ = loaded(toy, EXTRA % ("", "fixed"))
    (about,) = opened.store.open(opened.facts.table_key).meta["extra"]
    assert about["missing"] == ["x2", "x3"] and about["unreadable"] == {"x1": 1}
    assert np.array_equal(rows_.x["x1"][120:], [0.5, 2, np.nan, np.nan], equal_nan=True)


def test_numbers_among_words_are_known_in_extra_rows(toy):
    """A file without the words is read as numbers; its rows are those of train and test all the same."""
    for part in ("train", "test"):
        frame = pl.read_csv(toy.folder / f"{part}.csv")
        frame = frame.with_columns(c=pl.col("c").replace({"red": "1.0", "green": "2.50"}))
        frame.write_csv(toy.folder / f"{part}.csv")
        if part == "train":
            numbers_only = frame.drop("id").filter(pl.col("c") != "blue")
    numbers_only.with_columns(c=pl.col("c").cast(pl.Float64)).write_csv(toy.folder / "more.csv")
    opened, rows_, _ = loaded(toy, EXTRA % ("", "fixed"))
    (about,) = opened.store.open(opened.facts.table_key).meta["extra"]
    assert about["duplicates"] == len(numbers_only) == about["rows"]
    assert list(rows_.header["c"].levels) == ["1.0", "2.50", "blue"]


def test_a_class_the_task_does_not_have_is_left_out(toy):
    train = pl.read_csv(toy.folder / "train.csv").with_columns(
        y=pl.when(pl.col("y") > 1).then(pl.lit("hi")).otherwise(pl.lit("lo"))
    )
    train.write_csv(toy.folder / "train.csv")
    pl.DataFrame(numbers(9, 4)).with_columns(y=pl.Series(["hi", "lo", "mid", "hi"])).write_csv(toy.folder / "more.csv")
    opened, rows_, _ = loaded(toy, (EXTRA % ("", "fixed")).replace("rmse", "auc"))
    assert opened.facts.n_extra == 3 and rows_.y is not None and rows_.y[120:].tolist() == [0, 1, 0]
    assert opened.facts.task.classes == ("hi", "lo")
    assert "1 extra rows are left out" in opened.store.open(opened.facts.rows_key).meta["notes"][0][1]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda f: f.rename({"y": "target"}), "lack the target"),
        (lambda f: f.select("y", pl.col("x1").alias("u")), "share no feature"),
    ],
)
def test_extra_files_that_do_not_fit(toy, change, rule):
    change(pl.DataFrame(numbers(9, 4))).write_csv(toy.folder / "more.csv")
    toy.write(EXTRA % ("", "fixed"))
    done = toy.kit("check", str(toy.folder / "r.yaml"))
    assert done.code == 2 and rule in done.err and "more.csv" in done.err


def test_an_extra_file_that_is_not_there_is_named_with_its_line(toy):
    toy.write(EXTRA % ("", "fixed"))
    done = toy.kit("check", str(toy.folder / "r.yaml"))
    assert done.code == 2 and "r.yaml:1: the file does not exist" in done.err


def test_frames_may_be_extra_rows(toy, monkeypatch):
    given = more(toy)
    recipe = {
        "name": "r",
        "data": {
            "train": "train.csv",
            "test": "test.csv",
            "id": "id",
            "target": "y",
            "extra": [{"path": given, "weight": 0.5}],
        },
        "metric": "rmse",
        "split": {"use": "kfold", "folds": 3},
        "models": {"m": {"use": "lightgbm", "params": {"n_estimators": 5}, "stop": "fixed"}},
    }
    toy.write(EXTRA % ("", "fixed"))
    expected = toy.run().submitted
    monkeypatch.chdir(toy.folder)
    done = kit.run(recipe, root=toy.folder / "other")
    assert done.submission is not None and Path(done.submission).read_bytes() == expected


# -- who learns where


def some_rows(n: int, e: int, **columns) -> Rows:
    total = n + e
    v = np.concatenate([np.ones(n), np.zeros(e)])
    return Rows(np.arange(total), {}, {}, np.arange(total, dtype=float), np.ones(total), v, **columns)


def test_an_extra_row_does_not_learn_where_its_group_is_held():
    folds = Folds(np.array([[0, 0, 1, 1]], np.int16), 2)
    made = with_extra(folds, some_rows(4, 3, group=np.array([0, 0, 1, 1, 0, 1, 5])), "group")
    assert made.held.tolist() == [[0, 0, 1, 1, -1, -1, -1]]
    assert made.is_train(0).tolist() == [False, False, True, True, False, True, True]
    assert made.is_train(1).tolist() == [True, True, False, False, True, False, True]


def test_an_extra_row_does_not_learn_before_its_time():
    folds = Folds(np.array([[-1, 0, 1]], np.int16), 2, np.array([[True, False, False], [True, True, False]]))
    made = with_extra(folds, some_rows(3, 4, time=np.array([0.0, 1, 2, 0.5, 1.0, 7, np.nan])), "time")
    assert made.is_train(0)[3:].tolist() == [True, False, False, True]
    assert made.is_train(1)[3:].tolist() == [True, True, False, True]
    assert with_extra(folds, some_rows(3, 0), "time") is folds


def test_the_gap_and_the_window_of_a_split_hold_for_extra_rows():
    folds = Folds(np.array([[-1, -1, 0, 1]], np.int16), 2)
    rows = some_rows(4, 5, time=np.array([0.0, 1, 4, 8, 0.5, 1.5, 3.0, 5.5, np.nan]))

    def learns(**params: float | None) -> list[list[bool]]:
        made = with_extra(folds, rows, "time", params)
        return [made.is_train(k)[4:].tolist() for k in (0, 1)]

    assert learns(gap=0.0, train_window=None) == [[True, True, True, False, True], [True] * 5]
    assert learns(gap=2.0) == [[True, True, False, False, True], [True, True, True, True, True]]
    assert learns(gap=2.5, train_window=5.0) == [[True, False, False, False, True], [False, False, True, False, True]]


def test_only_scored_rows_are_cut_off_to_stop_on():
    rows_ = some_rows(4, 3, group=np.array([0, 0, 1, 1, 0, 1, 5]))
    seen = []

    def cut(part):
        seen.append(part.row.tolist())
        stops = part.row >= 2
        return ~stops, stops

    learns, stops = cut_scored(rows_, cut)
    assert seen == [[0, 1, 2, 3]]
    assert stops.tolist() == [False, False, True, True, False, False, False]
    assert learns.tolist() == [True, True, False, False, True, False, True]


def test_held_targets_stay_unseen_beside_extra_rows(toy):
    """Garbage in the y of fold 0's held rows leaves its model's predictions as they are, extra rows or not."""
    more(toy)
    toy.write((EXTRA % ("", "refit")).replace("use: kfold, folds: 3", "use: column, column: f"))
    train = pl.read_csv(toy.folder / "train.csv").with_columns(f=pl.Series([i % 3 for i in range(120)]))
    train.write_csv(toy.folder / "train.csv")
    toy.run()
    before = toy.oof("m").filter(pl.col("fold") == 0)["pred"]
    train.with_columns(y=pl.when(pl.col("f") == 0).then(99.0).otherwise(pl.col("y"))).write_csv(
        toy.folder / "train.csv"
    )
    toy.run()
    after = toy.oof("m").filter(pl.col("fold") == 0)
    assert after["y"].to_list() == [99.0] * 40 and after["pred"].equals(before)
    assert folds_of(
        api.open_recipe(toy.folder / "r.yaml", root=toy.root).store.open(toy.card("m")["folds_key"])
    ).held.shape == (1, 120)


def test_models_over_models_learn_without_extra_rows(toy):
    """Refits, levels and residuals go with extra rows."""
    more(toy)
    model = "models: {m: {use: lightgbm, features: base, params: {n_estimators: 5}, stop: refit}}"
    text = (EXTRA % ("", "refit")).replace(model, LEVELS)
    assert LEVELS in text
    toy.write(text)
    toy.run()
    keys, objects = {s["name"]: s["key"] for s in toy.plan()}, toy.objects()

    def learnt(name):
        return json.loads((objects[keys[name]] / "manifest.json").read_text())["meta"]["n_learn"]

    assert learnt("fit m fold 0 seed 0") == 80 + 60 and learnt("refit m seed 0") == 120 + 60
    assert learnt("fit r fold 0 seed 0") == 80 and learnt("fit z fold 0 seed 0") == 80
