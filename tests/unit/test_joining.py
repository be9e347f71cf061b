"""`data.join`: columns of further tables by a key, of one row, of several, and of those before a date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from kit import histories, sides, taking
from kit.errors import KitError
from kit.opening import Opened, open_recipe

Y = {"y": [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]}
ROWS = pl.DataFrame(
    {
        "store": [1, 2, None, 2, 9, 1],
        "day": ["2021-01-05", "2021-01-09", "2021-01-09", None, "2021-01-09", "2020-12-31"],
        **Y,
    }
)
TEST = pl.DataFrame({"store": [2, 1], "day": ["2021-01-06", "2022-01-01"]})
STORES = pl.DataFrame({"store": [2, 1, 5], "type": ["b", "a", "c"], "size": [20.5, 10.5, 50.5]})
VISITS = pl.DataFrame(
    {
        "shop": [1, 2, 1, 2, 1, 2, None, 2],
        "date": [
            "2021-01-05",
            "2021-01-01",
            "2021-01-01",
            "2021-01-08",
            "2021-01-01",
            "2021-01-05",
            "2020-01-01",
            None,
        ],
        "paid": [5.0, 1.0, 2.0, 8.0, None, 4.0, 99.0, 70.0],
        "how": ["card", "cash", "cash", "card", "card", None, "cash", "cash"],
    }
)


def opened(
    tmp_path: Path, join: Any, train: pl.DataFrame = ROWS, test: pl.DataFrame | None = TEST, **data: Any
) -> Opened:
    recipe = {
        "data": {"train": train, "target": "y", "join": join, **({} if test is None else {"test": test}), **data},
        "metric": "rmse",
        "split": {"use": "kfold", "folds": 2},
        "models": {"m": {"use": "sklearn", "features": ["numeric"], "params": {"estimator": "Ridge"}}},
    }
    return open_recipe(recipe, root=tmp_path)


def column(found: Opened, name: str) -> list[Any]:
    """Return a column of train and test: numbers, dates as days, or words."""
    stored = found.store.open(found.facts.table_key)
    x = stored.array(f"x/{name}")
    if x.dtype.kind == "i":
        from kit.table import levels_from_arrow

        levels = levels_from_arrow(stored.blob(f"levels/{name}"))
        return [levels[code] if code >= 0 else None for code in x]
    return [None if np.isnan(v) else float(v) for v in x]


def refused(tmp_path: Path, join: Any, **data: Any) -> str:
    with pytest.raises(KitError) as caught:
        opened(tmp_path, join, **data)
    assert caught.value.problems[0].place.startswith("the recipe: data.join.0"), caught.value.problems[0].place
    return str(caught.value)


# -- one row per key


def test_columns_of_one_row_per_key(tmp_path):
    found = opened(tmp_path, [{"path": STORES, "on": "store"}])
    assert column(found, "type") == ["a", "b", None, "b", None, "a", "b", "a"]
    assert column(found, "size") == [10.5, 20.5, None, 20.5, None, 10.5, 20.5, 10.5]
    assert (found.facts.n_train, found.facts.n_test) == (6, 2)
    assert column(found, "store") == [1, 2, None, 2, 9, 1, 2, 1], "rows stay where they are"


@pytest.mark.parametrize(
    ("ours", "theirs", "met"),
    [
        ([1, 2, 3], [1.0, 3.0, 7.0], [0, None, 1]),
        ([1, 2, 3], ["1", "3.0", "x"], [0, None, 1]),
        (["1", "2.0", "x"], [1, 2, 3], [0, 1, None]),
        ([0, 10, -3], [-0.0, 10.0, -3.0], [0, 1, 2]),
        (["0", "-0", "0.0"], [0, 7, 8], [0, 0, 0]),
        (["007", "7", "x"], ["7", "007", "y"], [1, 0, None]),
        (["007", "8", "x"], [7, 8, 9], [None, 1, None]),
        ([1.5, 2.0, None], ["1.5", "2", "3"], [0, 1, None]),
        ([" a", "b ", "c"], ["a", "b", "d"], [0, 1, None]),
        (["2021-01-05", "5.1.2021", "x"], ["5.1.2021", "a", "2021-01-05"], [2, 0, None]),
        (["2021-01-05", "2021-01-06", None], ["5.1.2021", "6.1.2021", "17.1.2021"], [0, 1, None]),
        ([10**17 + 1, 10**17 + 2, 1], [str(10**17 + 2), str(10**17 + 1), "5"], [1, 0, None]),
        ([True, False, None], ["true", "x", "y"], [0, None, None]),
    ],
)
def test_keys_match_by_value(tmp_path, ours, theirs, met):
    train = pl.DataFrame({"k": pl.Series(ours * 2), **Y})
    side = pl.DataFrame({"other": pl.Series(theirs), "place": [0.25, 1.25, 2.25]})
    found = opened(tmp_path, [{"path": side, "on": {"k": "other"}}], train, None)
    assert column(found, "place")[:3] == [None if i is None else i + 0.25 for i in met]


def test_several_columns_are_one_key_and_joins_go_on_from_joins(tmp_path):
    train = pl.DataFrame({"a": [1, 1, 2, 2, None, 1], "b": ["x", "y", "x", "y", "x", None], **Y})
    side = pl.DataFrame({"b": ["y", "x", "x"], "a": [2, 1, 2], "next": ["n1", "n2", "n1"]})
    last = pl.DataFrame({"name": ["n2", "n1"], "end": [2.5, 1.5]})
    joins = [{"path": side, "on": ["a", "b"]}, {"path": last, "on": {"next": "name"}, "prefix": "the_"}]
    found = opened(tmp_path, joins, train, None)
    assert column(found, "next") == ["n2", None, "n1", "n1", None, None]
    assert column(found, "the_end") == [2.5, None, 1.5, 1.5, None, None]


def test_kinds_nulls_rename_and_drop_are_those_of_any_column(tmp_path):
    side = pl.DataFrame({"Shop": [1, 2], "code": [7, -1], "size": ["?", "5"]})
    found = opened(
        tmp_path,
        [{"path": side, "on": "store"}],
        rename={"Shop": "store"},
        kinds={"code": "category"},
        nulls=["?", "-1"],
        drop=["size"],
    )
    assert column(found, "code") == ["7", None, None, None, None, "7", None, "7"]
    assert column(found, "size")[:2] == [None, 5.0] and "size" not in found.facts.free


def test_numbers_of_a_categorical_type_are_names(tmp_path):
    side = STORES.to_pandas().assign(size=pd.Categorical([1, 2, 3]))
    found = opened(tmp_path, [{"path": side, "on": "store", "prefix": "s_"}])
    assert column(found, "s_size")[:2] == ["2", "1"]


def test_what_cannot_be_joined(tmp_path):
    join: dict[str, Any] = {"path": STORES, "on": "store"}
    told = refused(tmp_path, [join | {"on": "stroe"}])
    assert "the training data lack a column to join by" in told and "did you mean 'store'?" in told
    assert "did you mean 'store'?" in refused(tmp_path, [join | {"on": {"store": "stores"}}])
    assert "by the target" in refused(tmp_path, [join | {"on": "y"}])
    assert "the test data lack" in refused(tmp_path, [join], test=TEST.drop("store"))
    told = refused(tmp_path, [join | {"path": pl.concat([STORES, STORES[:1]])}])
    assert "store 2 in 2 rows, as 1 of 3 keys stand more than once" in told and "take: auto" in told
    told = refused(tmp_path, [join | {"path": STORES.rename({"size": "day"})}])
    assert "of this name already" in told and "prefix: side_" in told
    told = refused(tmp_path, [join | {"path": STORES.with_columns(store=pl.Series(["A1", "A2", "A3"]))}])
    assert "no training row has a key" in told and "store: 1" in told and "A1, A2, A3" in told
    assert "no column beside its key" in refused(tmp_path, [join | {"path": STORES.select("store")}])
    assert "uses a name" in refused(tmp_path, [join | {"path": STORES.rename({"size": "@0"})}])
    assert "goes with take" in refused(tmp_path, [join | {"before": "day"}])


def test_few_matches_are_told(tmp_path):
    def notes(side: pl.DataFrame) -> list[list[str]]:
        found = opened(tmp_path, [{"path": side, "on": "store"}])
        return [n for n in found.store.open(found.facts.table_key).meta["notes"] if n[0] == "store"]

    ((_, what, _),) = notes(STORES)
    assert "the keys of 67% of train but 100% of test" in what
    assert notes(STORES[1:]) and not notes(pl.concat([STORES, STORES.with_columns(store=pl.Series([9, 7, 8]))]))[1:]


# -- several rows


def test_what_is_taken_of_several_rows(tmp_path):
    take = {
        "n": "count(*)",
        "known": "count(paid)",
        "ways": "count(DISTINCT how)",
        "all": "sum(paid)",
        "each": "sum(paid) / NULLIF(count(*), 0)",
        "cards": "sum(CASE WHEN how = 'card' THEN 1 ELSE 0 END)",
        "usual": "mode(upper(how))",
        "latest": "max(date)",
        "mid": "median(paid)",
        "spread": "stddev(paid)",
    }
    found = opened(tmp_path, [{"path": VISITS, "on": {"store": "shop"}, "take": take}], kinds={"date": "date"})
    assert column(found, "n") == [3, 4, 0, 4, 0, 3, 4, 3], "nothing of a key that is not there: counts are 0"
    assert column(found, "known")[:3] == [2, 4, 0] and column(found, "ways")[:3] == [2, 2, 0]
    assert column(found, "all")[:3] == [7, 83, None] and column(found, "each")[:3] == [7 / 3, 83 / 4, None]
    assert column(found, "cards")[:3] == [2, 1, None]
    assert column(found, "usual")[:3] == ["CARD", "CASH", None]
    assert column(found, "latest")[:3] == [18632.0, 18635.0, None]
    assert column(found, "mid")[:2] == [3.5, 6.0]
    np.testing.assert_allclose(column(found, "spread")[:2], [np.std([5, 2], ddof=1), np.std([1, 8, 4, 70], ddof=1)])


def test_take_auto_goes_by_kind(tmp_path):
    found = opened(tmp_path, [{"path": VISITS, "on": {"store": "shop"}, "take": "auto", "prefix": "v_"}])
    added = [n for n in found.facts.header if n.startswith("v_")]
    assert sorted(added) == sorted(
        [
            *("v_count", "v_date_first", "v_date_last", "v_paid_mean", "v_paid_std", "v_paid_min", "v_paid_max"),
            *("v_paid_sum", "v_how_nunique", "v_how_mode"),
        ]
    )
    assert column(found, "v_count")[:3] == [3, 4, 0] and column(found, "v_how_mode")[:3] == ["card", "cash", None]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("paid", "takes nothing of the rows"),
        ("sum(paid) + paid", "outside an aggregate"),
        ("sum(payed)", "did you mean 'paid'?"),
        ("sum(how)", "CAST(how AS FLOAT)"),
        ("corr(paid, paid)", "aggregate that is not let through"),
        ("sum(max(paid))", "other rows"),
        ("sum(paid) OVER (PARTITION BY how)", "not let through"),
        ("sum(paid", "not closed"),
        ("sum()", "names no column"),
        ("sum(paid) + read_csv(paid)", "not let through"),
        ("sum(paid) -- and more", "holds something"),
        ("(SELECT max(paid) FROM visits)", "unknown column"),
        ("avg(DISTINCT paid)", "distinct"),
        ("sum(cast(date as date))", "a span in days"),
    ],
)
def test_what_cannot_be_taken(tmp_path, sql, told):
    said = refused(tmp_path, [{"path": VISITS, "on": {"store": "shop"}, "take": {"x": sql}}])
    assert told in said, said


def test_numbers_that_name_the_rows_of_a_table_are_numbers_where_asked_for(tmp_path):
    side = pl.DataFrame({"shop": [1, 2] * 40, "loan": range(8, 88), "v": [0.5] * 80})
    found = opened(tmp_path, [{"path": side, "on": {"store": "shop"}, "take": {"newest": "max(loan)"}}])
    assert column(found, "newest")[:2] == [86, 87]
    found = opened(tmp_path, [{"path": side, "on": {"store": "shop"}, "take": "auto"}])
    assert "v_mean" in found.facts.header and "loan_mean" not in found.facts.header


# -- before a date


@pytest.mark.parametrize("when", ["2021-07-22 18:31:11", "22.7.2021 18:31:11", "Jul 22, 2021, 18:31:11"])
def test_a_moment_is_not_before_itself_however_it_is_written(tmp_path, when):
    train = pl.DataFrame({"k": ["a"] * 6, "day": [when] * 6, **Y})
    moments = pl.Series([pd.Timestamp("2021-07-22 18:31:11"), pd.Timestamp("2021-07-22 18:31:10")])
    side = pl.DataFrame({"k": ["a", "a"], "day": moments, "v": [1.5, 2.5]})
    join = {"path": side, "on": "k", "before": "day", "take": {"v": "max(v)"}}
    assert column(opened(tmp_path, [join], train, None), "v")[0] == 2.5
    at = {"path": side.drop("k"), "on": "day"}
    assert column(opened(tmp_path, [at], train, None), "v")[0] == 1.5


def test_nothing_of_the_day_itself_or_later(tmp_path):
    take = {"n": "count(*)", "all": "sum(paid)", "newest": "last(how)", "usual": "mode(how)"}
    join = {"path": VISITS, "on": {"store": "shop"}, "take": take, "before": {"day": "date"}}
    found = opened(tmp_path, [join])
    assert column(found, "n") == [2, 3, 0, 0, 0, 0, 2, 3], "rows without a date, or before all, take nothing"
    assert column(found, "all") == [2, 13, None, None, None, None, 5, 7]
    assert column(found, "newest") == ["card", "card", None, None, None, None, "cash", "card"]
    assert column(found, "usual")[0] == "card", "of equally common ones the least"


def test_before_is_what_a_loop_over_rows_takes(tmp_path):
    """Ties, rows and tables without a date, keys without rows, columns of several kinds: as pandas says it row by row."""
    rng = np.random.default_rng(5)
    n, m = 400, 1500

    def days(size: int, missing: float) -> pl.Series:
        found = [
            f"2021-{a:02d}-{b:02d}" for a, b in zip(rng.integers(1, 4, size), rng.integers(1, 29, size), strict=True)
        ]
        return pl.Series([None if r < missing else d for d, r in zip(found, rng.random(size), strict=True)])

    def some(values: Any, missing: float) -> pl.Series:
        return pl.Series(
            [None if r < missing else v for v, r in zip(values.tolist(), rng.random(len(values)), strict=True)]
        )

    def rows(size: int) -> pl.DataFrame:
        return pl.DataFrame(
            {"a": some(rng.integers(0, 12, size), 0.05), "b": rng.choice(["x", "y"], size), "day": days(size, 0.1)}
        )

    train, test = rows(n).with_columns(y=rng.normal(size=n)), rows(n // 2)
    table = (
        rows(m)
        .rename({"day": "on"})
        .with_columns(v=some((1e9 + rng.normal(size=m)).round(3), 0.2), w=some(rng.choice(["p", "q", "r"], m), 0.2))
    )
    take = {
        "count": "count(*)", "known": "count(v)", "total": "sum(v)", "mean": "avg(v)", "std": "std(v)", "low": "min(v)",
        "high": "max(v)", "first": "first(v)", "last": "last(w)", "ways": "count(DISTINCT w)", "usual": "mode(w)",
    }  # fmt: skip
    join = {"path": table, "on": ["a", "b"], "before": {"day": "on"}, "take": take}
    found = opened(tmp_path, [join], train, test)
    expected = _looped(pd.concat([train.to_pandas(), test.to_pandas()]), table.to_pandas())
    assert sum(expected["count"]) > 2000 and expected["count"].count(0) > 50
    for name in ("count", "known", "ways", "low", "high", "first", "last", "usual"):
        assert column(found, name) == expected[name], name
    for name in ("total", "mean", "std"):
        np.testing.assert_allclose(
            np.array(column(found, name), float), np.array(expected[name], float), rtol=1e-6, err_msg=name
        )


def _looped(rows: pd.DataFrame, table: pd.DataFrame) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows.itertuples():
        part = (
            table[(table["a"] == row.a) & (table["b"] == row.b) & (table["on"] < row.day)]
            if isinstance(row.day, str)
            else table[:0]
        )
        part = part.sort_values("on", kind="stable")
        v, w = part["v"].dropna(), part["w"].dropna()
        made = {
            "count": float(len(part)), "known": float(len(v)), "ways": float(w.nunique()), "total": v.sum() if len(v) else None,
            "mean": v.mean() if len(v) else None, "std": v.std() if len(v) > 1 else None, "low": v.min() if len(v) else None,
            "high": v.max() if len(v) else None, "first": v.iloc[0] if len(v) else None,
            "last": w.iloc[-1] if len(w) else None, "usual": w.mode().iloc[0] if len(w) else None,
        }  # fmt: skip
        for name, value in made.items():
            found.setdefault(name, []).append(value)
    return found


def test_the_future_shapes_no_bit_of_what_was_before(tmp_path):
    """Other values, and other rows, from a day on: what is taken before it has the same bytes."""
    rng = np.random.default_rng(6)
    table = pl.DataFrame({"k": rng.integers(0, 3, 300), "t": rng.integers(0, 40, 300), "v": rng.normal(size=300)})
    late = table.with_columns(v=pl.when(pl.col("t") >= 20).then(pl.col("v") * 1e6 - 7).otherwise(pl.col("v")))
    late = pl.concat([late, late.filter(pl.col("t") >= 20).with_columns(k=pl.lit(1, pl.Int64))])
    train = pl.DataFrame({"k": rng.integers(0, 3, 60), "t": rng.integers(0, 21, 60), "y": rng.normal(size=60)})
    join = {"on": "k", "before": "t", "take": "auto", "prefix": "h_"}
    made = [opened(tmp_path, [join | {"path": side}], train, None) for side in (table, late)]
    names = [n for n in made[0].facts.header if n.startswith("h_")]
    assert "h_v_std" in names and all(made[0].facts.content[n] == made[1].facts.content[n] for n in names)
    assert made[0].facts.table_key != made[1].facts.table_key


def test_before_compares_like_with_like(tmp_path):
    join = {"path": VISITS.with_columns(date=pl.Series(range(8))), "on": {"store": "shop"}, "take": "auto"}
    said = refused(tmp_path, [join | {"before": {"day": "date"}}])
    assert "day: date, date of the DataFrame join.0: numeric" in said
    said = refused(tmp_path, [join | {"before": {"day": "date"}, "take": {"m": "median(paid)"}}])
    assert "rows before a date" in said and "leave out `before`" in said


def told(found: Opened) -> str:
    return "\n".join(map(" ".join, found.store.open(found.facts.table_key).meta["notes"]))


def test_dates_on_both_sides_are_told_where_nothing_is_said_of_before(tmp_path):
    join: dict[str, Any] = {"path": VISITS, "on": {"store": "shop"}, "take": {"n": "count(*)"}}
    assert "before: {day: date}" in told(opened(tmp_path, [join]))
    assert "before" not in told(opened(tmp_path, [join | {"before": {"day": "date"}}]))
    assert "before" not in told(opened(tmp_path, [join | {"path": VISITS.drop("date")}]))
    assert "before" not in told(opened(tmp_path, [join], ROWS.drop("day"), TEST.drop("day")))


def test_the_training_targets_are_not_joined(tmp_path):
    """By an aggregate over the training file the y of a held row would reach rows that learn."""
    join: dict[str, Any] = {"path": ROWS, "on": "store", "take": {"high": "max(y)"}}
    assert "the targets of the training rows" in refused(tmp_path, [join])
    assert "the targets of the training rows" in refused(tmp_path, [join | {"take": "auto", "before": "day"}])
    once = ROWS.with_columns(store=pl.Series(range(6)))
    assert "the targets" in refused(tmp_path, [{"path": once, "on": "store", "prefix": "p_"}])
    assert "the targets" in refused(tmp_path, [join | {"path": ROWS[::-1][1:]}]), "some of them, in another order"
    past = ROWS.with_columns(pl.col("y") + 1)
    assert "held ones give themselves away" in told(opened(tmp_path, [join | {"path": past}]))
    found = opened(tmp_path, [join | {"take": {"n": "count(*)"}}])
    assert column(found, "n")[:3] == [2, 2, 0], "what has nothing to do with the target may come from the file itself"


@pytest.mark.parametrize("y", [[0.5, 1.5, 2.5], [0, 1, 1]])
def test_targets_under_another_name_are_known_by_their_values(tmp_path, y):
    """By the columns that both have; not by one that is the same in many rows, or that differs in a single one."""
    n = 60
    keys = pl.DataFrame({"id": range(n), "who": [i % 5 for i in range(n)], "y": (y * n)[:n]})
    table = keys.rename({"y": "outcome"}).sample(fraction=1, shuffle=True, seed=1)
    join = {"path": table, "on": "who", "take": {"rate": "avg(outcome)"}}
    with pytest.raises(KitError, match="the targets of the training rows") as caught:
        opened(tmp_path, [join], keys, None)
    assert caught.value.problems[0].got == "outcome"
    assert "rate" in opened(tmp_path, [join | {"path": table.drop("id")}], keys, None).facts.header
    other = table.with_columns(outcome=pl.when(pl.col("id") == 7).then(9).otherwise("outcome"))
    assert "rate" in opened(tmp_path, [join | {"path": other}], keys, None).facts.header
    constant = keys.with_columns(y=1)
    assert "rate" in opened(tmp_path, [join | {"path": table.with_columns(outcome=1)}], constant, None).facts.header


def test_what_is_younger_than_the_delay_is_not_taken(tmp_path):
    join = {
        "path": VISITS,
        "on": {"store": "shop"},
        "before": {"day": "date"},
        "take": {"n": "count(*)", "l": "last(paid)"},
    }
    assert column(opened(tmp_path, [join | {"delay": 4}]), "n") == [2, 2, 0, 0, 0, 0, 1, 3]
    assert (
        column(opened(tmp_path, [join | {"delay": 3.5}]), "n")[1] == 2 and column(opened(tmp_path, [join]), "n")[1] == 3
    )
    numbers = [
        frame.with_columns(day=pl.Series([5.0, 9.0, 9.0, 1.0, 1.0, 1.0][: len(frame)])) for frame in (ROWS, TEST)
    ]
    table = VISITS.with_columns(date=pl.Series([5.0, 1.0, 1.0, 8.0, 1.0, 5.0, 1.0, None]))
    found = opened(tmp_path, [join | {"path": table, "delay": 4}], *numbers)
    assert column(found, "n")[:2] == [2, 2] and column(found, "l")[1] == 4.0
    assert "delay: goes with before" in refused(tmp_path, [{"path": STORES, "on": "store", "delay": 2}])


def test_a_few_rows_wait_for_the_history_of_their_keys_alone(monkeypatch, tmp_path):
    """What is taken for them is what is taken among many rows, and of other keys nothing is counted."""
    n = 200
    rows = pl.DataFrame({"store": [i % 50 for i in range(n)], "day": [i * 7 % 40 / 2 for i in range(n)]})
    table = rows.rename({"store": "shop", "day": "date"}).with_columns(how=pl.Series(["a", "b", "c", "b"] * 50))
    take = {"n": "count(*)", "m": "mode(how)", "d": "count(DISTINCT how)", "l": "max(date)"}
    join = {"path": table, "on": {"store": "shop"}, "before": {"day": "date"}, "take": take}
    found = opened(tmp_path, [join], rows.with_columns(y=pl.Series(range(n)) / 2), None)
    stored = found.store.open(found.facts.table_key)
    side = sides.of(stored.meta["joins"][0], stored.blob("join/0"))
    whole, _ = sides.attach(rows, side)
    seen = []
    taken = taking.taken
    monkeypatch.setattr(taking, "taken", lambda takes, part, at: seen.append(len(part)) or taken(takes, part, at))
    for places in ([7], [0, 199, 3], [57, 7, 107]):
        part = rows[places].vstack(pl.DataFrame({"store": [99], "day": [3.0]}))
        made, met = sides.attach(part, side)
        assert (
            made[:-1].equals(whole[places])
            and made["n"][-1] == 0
            and (met >= 0).tolist() == [True] * len(places) + [False]
        )
    assert seen == [4, 12, 4], "rows of the keys asked for"


def test_a_history_that_ends_before_test_is_told(tmp_path):
    """As the sales of each day, of which held rows know yesterday's and test rows those of a week ago."""
    days = [f"2021-03-{d:02d}" for d in range(1, 31)]
    every = pl.DataFrame({"day": days, "store": [1] * 30, "paid": [float(d) for d in range(30)]})
    train, test = every[:22].rename({"paid": "y"}), every[22:].drop("paid")
    join = {"path": every[:22], "on": "store", "before": "day", "take": {"last": "last(paid)"}}
    few = opened(tmp_path, [join], pl.concat([train] * 3), pl.concat([test] * 3))
    (note,) = [n for n in few.store.open(few.facts.table_key).meta["notes"] if "ends" in n[1]]
    assert "ends 1 before training rows but 4.5 before test rows, in days" in note[1] and note[2].startswith(
        "delay: 8 "
    )
    for other in ({"delay": 8}, {"path": every}):
        found = opened(tmp_path, [join | other], pl.concat([train] * 3), pl.concat([test] * 3))
        assert not any("ends" in n[1] for n in found.store.open(found.facts.table_key).meta["notes"])


def test_targets_may_lie_in_a_table(tmp_path):
    """As labels in a file of their own: of test rows it has none, which is nothing to tell."""
    labels, test = pl.DataFrame({"store": [9, 1, 2], "t": [9.5, 1.5, 2.5]}), TEST[:1].with_columns(store=5)
    found = opened(tmp_path, [{"path": labels, "on": "store"}], ROWS[[0, 1, 4]].drop("y"), test, target="t")
    assert "t" not in found.facts.header and told(found) == ""
    assert found.store.open(found.facts.rows_key).array("y").tolist() == [1.5, 2.5, 9.5]


# -- files


def test_a_table_lies_in_several_files(tmp_path):
    """As IEEE's identities of train and of test; what is text in one is text in all."""
    STORES.with_columns(pl.col("store").cast(pl.String), code=pl.Series(["7", "8", "9"]))[:1].write_csv(
        tmp_path / "a.csv"
    )
    (tmp_path / "b.csv").write_text("store,type,size,code\n1,x,1.5,07a\n")
    files = [str(tmp_path / name) for name in ("a.csv", "b.csv")]
    found = opened(tmp_path, [{"path": files, "on": "store"}])
    assert column(found, "code") == ["07a", "7", None, "7", None, "07a", "7", "07a"]
    assert column(found, "size")[:2] == [1.5, 20.5]
    frames = [STORES[:1], STORES[1:].with_columns(pl.col("store").cast(pl.String))]
    found = opened(tmp_path, [{"path": frames, "on": "store"}])
    assert column(found, "size")[:2] == [10.5, 20.5]
    frames[1] = frames[1].rename({"size": "sq"})
    with pytest.raises(KitError) as caught:
        opened(tmp_path, [{"path": frames, "on": "store"}])
    text = str(caught.value)
    assert "data.join.0.path.1" in text and "rename: {sq: size}" in text
    assert "a file, or a list of files" in refused(tmp_path, [{"path": [], "on": "store"}])


def test_a_changed_file_of_several_is_read_anew(tmp_path):
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    STORES[:1].write_csv(paths[0])
    STORES[1:].write_csv(paths[1])
    join = [{"path": [str(path) for path in paths], "on": "store"}]
    assert column(opened(tmp_path, join), "size")[0] == 10.5
    STORES[1:].with_columns(size=pl.Series([3.5, 4.5])).write_csv(paths[1])
    assert column(opened(tmp_path, join), "size")[0] == 3.5


# -- tables of tables

LOANS = pl.DataFrame({"loan": [1, 2, 3, 4], "store": [1, 1, 2, 7], "sum": [10.5, 20.5, 40.5, 80.5]})
MONTHS = pl.DataFrame({"nr": [1, 1, 2, 4], "late": [1.0, 0.0, 1.0, 1.0]})


def test_tables_are_joined_to_a_table_first(tmp_path):
    inner = {"path": MONTHS, "on": {"loan": "nr"}, "take": {"months": "count(*)", "late": "sum(late)"}, "prefix": "m_"}
    takes = {"loans": "count(*)", "late": "sum(m_late)", "seen": "sum(m_months)", "worst": "max(m_late / m_months)"}
    found = opened(tmp_path, [{"path": LOANS, "on": "store", "join": [inner], "take": takes}])
    assert column(found, "late") == [2, None, None, None, None, 2, None, 2]
    assert column(found, "seen") == [3, 0, None, 0, None, 3, 0, 3] and column(found, "worst")[0] == 1.0
    kinds = {"kinds": {"m_late": "numeric"}, "rename": {"nr": "number"}}
    join = [{"path": LOANS, "on": "store", "join": [inner | {"on": {"loan": "number"}}], "take": "auto"}]
    assert column(opened(tmp_path, join, **kinds), "m_late_sum") == column(found, "late")


@pytest.mark.parametrize(
    ("changed", "place", "told"),
    [
        ({"on": {"lone": "nr"}}, "on", "the DataFrame join.0 lacks a column to join by"),
        ({"on": {"loan": "number"}}, "on", "the DataFrame join.0.join.0 lacks the column"),
        ({"on": {"sum": "nr"}}, "on", "no row of the DataFrame join.0 has a key of the DataFrame join.0.join.0"),
        ({"take": None}, "on", "a key stands in several rows of the DataFrame join.0.join.0"),
        ({"take": {"sum": "sum(late)"}}, "path", "the rows have a column of this name already"),
    ],
)
def test_errors_of_tables_of_tables_name_their_place(tmp_path, changed, place, told):
    inner = {"path": MONTHS, "on": {"loan": "nr"}, "take": {"late": "sum(late)"}} | changed
    text = refused(tmp_path, [{"path": LOANS, "on": "store", "join": [inner], "take": "auto"}])
    assert text.startswith(f"the recipe: data.join.0.join.0.{place}: {told}"), text


def test_days_as_numbers_are_said_to_be_dates(tmp_path):
    train = pl.DataFrame({"day": ["2021-01-05", "2021-01-09", "2021-01-10"] * 2, **Y})
    side = pl.DataFrame({"day": [20210105, 20210109], "rain": [1.5, 2.5]})
    with pytest.raises(KitError, match=r"kinds: \{day: date\}"):
        opened(tmp_path, [{"path": side, "on": "day"}], train, None)
    found = opened(tmp_path, [{"path": side, "on": "day"}], train, None, kinds={"day": "date"})
    assert column(found, "rain")[:3] == [1.5, 2.5, None]


# -- kept


def test_a_side_reads_back_and_keeps_what_is_asked_for():
    import json

    takes = tuple(
        taking.parsed(n, s, {"v": "numeric", "w": "category"}, ordered=True)
        for n, s in {"a": "sum(v)", "b": "mode(w)"}.items()
    )
    from kit.forms import Form

    rows = pl.DataFrame(
        {
            "@0": ["1", "1", "2"],
            taking.GROUP: [0, 0, 1],
            histories.DAY: [1.0, 2.0, 1.0],
            "v": [1.0, 2.0, 3.0],
            "w": ["x", "y", "y"],
        }
    )
    side = sides.Side(
        (sides.Key("k", "number", Form("numbers")),),
        rows.cast({taking.GROUP: pl.UInt32}),
        sides.Before("t", Form("numbers")),
        takes,
    )
    left = side.only(["a", "nothing"])
    assert left.adds == ["a"] and "w" not in left.rows.columns
    again = sides.of(json.loads(json.dumps(left.about())), sides.to_arrow(left.rows))
    frame = pl.DataFrame({"k": [1.0, 1.0, 2.0, 3.0], "t": [2, 3, 1, 9]})
    made, found = sides.attach(frame, again)
    assert made["a"].to_list() == [1.0, 3.0, None, None] and found.tolist() == [0, 0, 2, -1]
