"""What `kit check` points at: each finding on data made to have it, and silence on data that do not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import kit
from kit import cost, doubles, signals
from kit.errors import DataError
from kit.types import Task

N, T = 400, 150


def clean(seed: int = 0, n: int = N) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    c = rng.integers(0, 4, n)
    y = x[:, 0] + 0.5 * c + rng.normal(size=n)
    return pl.DataFrame({"x1": x[:, 0], "x2": x[:, 1], "c": np.array(["k", "l", "m", "n"])[c], "y": y})


def findings(
    tmp_path, train: pl.DataFrame, test: pl.DataFrame | None = None, split: object = None, **data: object
) -> list[dict]:
    test = clean(1, T).drop("y") if test is None else test
    recipe = {
        "data": {"train": train, "test": test, "target": "y", **data},
        "metric": "rmse" if train["y"].dtype.is_numeric() else "auc",
        "features": {"base": ["numeric", "category"]},
        "models": {"m": "lightgbm"},
        **({"split": split} if split else {}),
    }
    found: list[dict] = kit.check(recipe, root=tmp_path)["findings"]
    return found


def of(found: list[dict], column: str) -> list[tuple[str, str]]:
    return [(f["severity"], f["what"]) for f in found if f["column"] == column]


def test_clean_data_have_no_findings(tmp_path):
    assert findings(tmp_path, clean()) == []


@pytest.mark.parametrize("kind", ["numbers", "classes"])
def test_a_column_that_gives_the_target_away(tmp_path, kind):
    train = clean()
    if kind == "classes":
        train = train.with_columns(y=pl.when(pl.col("y") > 1).then(pl.lit("yes")).otherwise(pl.lit("no")))
        leak = pl.when(pl.col("y") == "yes").then(7.5).otherwise(1.25)
    else:
        leak = pl.col("y").exp() * 3 + 1
    test = clean(1, T).drop("y").with_columns(leak=pl.Series(train.select(leak).to_series().sample(T, seed=1)))
    found = findings(tmp_path, train.with_columns(leak=leak), test)
    ((severity, what),) = of(found, "leak")
    assert severity == "warning" and what.startswith("gives the target away")
    assert found[0]["next"] == "if it is not known when predicting: data: {drop: [leak]}"
    assert [f["column"] for f in found] == ["leak"]


def test_rows_that_are_double(tmp_path):
    train = clean()
    again = train[:12].with_columns(y=pl.when(pl.col("c") == "k").then(pl.col("y") + 1).otherwise(pl.col("y")))
    changed = int((again["c"] == "k").sum())
    test = pl.concat([clean(1, T).drop("y"), train[20:25].drop("y")])
    found = findings(tmp_path, pl.concat([train, again]), test)
    whats = [f["what"] for f in found]
    assert whats == [
        f"training rows that repeat an earlier one in every feature: 12, {changed} of them with another target",
        "test rows that equal a training row in every feature: 5",
    ]
    assert [f["severity"] for f in found] == ["warning", "warning"]


def test_rows_that_are_alike_by_chance_are_no_copies(tmp_path):
    few = {"a": pl.int_range(pl.len()) % 7, "b": pl.int_range(pl.len()) // 7 % 11}
    found = findings(tmp_path, clean().select("y", **few), clean(1, T).select(**few))
    alike = [f for f in found if "every feature" in f["what"]]
    assert [f["severity"] for f in alike] == ["note", "note"]
    assert all("alike by chance" in f["next"] for f in alike)


def test_equal_rows_of_two_times_are_two_and_a_date_of_times_is_to_be_read(tmp_path):
    day = np.datetime64("2024-01-01") + np.arange(N + 50)
    train = pl.concat([clean(), clean()[:50]]).with_columns(day=pl.Series(day))
    test = clean(1, T).drop("y").with_columns(day=pl.Series(day[:T]))
    (found,) = findings(tmp_path, train, test, time="day")
    assert (found["column"], found["what"]) == ("day", "no model reads the date column day")


def test_columns_that_say_nothing(tmp_path):
    extra = {
        "one": pl.lit(3.0),
        "most": pl.int_range(pl.len()).eq(0).cast(pl.Float64),
        "none": pl.lit(None, pl.Float64),
    }
    train = pl.concat([clean(), clean(2), clean(3)]).with_columns(**extra)
    found = findings(tmp_path, train, clean(1, T).drop("y").with_columns(**extra))
    assert of(found, "one") == [("note", "is constant")]
    assert of(found, "most") == [("note", "has one value in 99.92% of the training rows")]
    assert of(found, "none")[0] == ("warning", "holds no value")


def test_keys_and_columns_no_model_reads(tmp_path):
    extra = {
        "row: id": pl.int_range(pl.len()) + 10,
        "day": pl.lit("2021-01-05"),
        "hash": pl.int_range(pl.len()).map_elements(lambda i: f"h{i:04d}", pl.String),
    }
    row_id = (pl.int_range(pl.len()) + 10 + N).alias("row: id")
    test = clean(1, T).drop("y").with_columns(extra["day"], row_id, hash=extra["hash"])
    train = clean().with_columns(**extra).with_columns(hash=pl.col("hash") + "a")
    found = findings(tmp_path, train, test.rename({"literal": "day"}))
    advice = {f["column"]: f["next"] for f in found}
    assert advice["row: id"] == 'data.id: "row: id" if it names the rows; else kinds: {"row: id": numeric}'
    assert advice["hash"] == "data.id: hash if it names the rows; else kinds: {hash: category}"
    assert of(found, "hash") == [("note", "is different in every row, a key: bare feature names leave it out")]
    assert ("note", "no model reads the date column day") in of(found, "day")


def test_columns_that_differ_between_train_and_test(tmp_path):
    train = clean().with_columns(moved=pl.col("x2"), code=pl.col("c"), mixed=pl.Series(range(N)) % 7, late=pl.col("x2"))
    test = clean(1, T).drop("y")
    test = test.with_columns(moved=pl.col("x2") + 1, code=pl.col("c") + "2", mixed=pl.lit("?"), only=pl.lit(1))
    found = findings(tmp_path, train, test)
    severity, what = of(found, "moved")[0]
    assert severity == "warning" and what.startswith("is distributed otherwise in test (distance 0.")
    assert 0.25 < float(what.rpartition(" ")[2].rstrip(")")) < 0.5, "a shift by one standard deviation is 0.38"
    assert of(found, "code") == [("warning", "100% of the test rows have levels that training lacks")]
    assert of(found, "mixed")[0] == ("warning", "numbers in train but text in test: read as text")
    assert of(found, "late") == [("warning", "the test file lacks it, so it is no feature")]
    assert any("only the test file has only" in f["what"] for f in found)
    severities = [f["severity"] for f in found]
    assert severities == sorted(severities, reverse=True), "warnings come first"


def grouped(n: int, numbers: object, seed: int = 0) -> pl.DataFrame:
    return clean(seed, n).with_columns(shop=pl.Series(np.random.default_rng(seed).choice(numbers, n)))


def test_folds_that_tear_groups(tmp_path):
    train, test = grouped(N, np.arange(50)), grouped(T, np.arange(50, 60), 1).drop("y")
    found = findings(tmp_path, train, test, groups="shop", split="kfold")
    assert of(found, "shop") == [
        ("warning", "rows of one group stand in several folds (100% of all rows): learners know the others of it")
    ]
    assert findings(tmp_path, train, test, groups="shop") == []
    assert findings(tmp_path, train, test, groups="shop", split={"use": "time", "time": "x1"}) == []


def test_whole_numbers_that_name_groups(tmp_path):
    numbers = np.random.default_rng(3).permutation(200)
    train, test = grouped(N, numbers[:60]), grouped(T, numbers[60:100], 1).drop("y")
    told = ("warning", "its values stand in several training rows, and in none of the test")
    assert told in of(findings(tmp_path, train, test), "shop")
    for alike in (grouped(T, numbers[:100], 1), clean(1, T).with_columns(shop=pl.int_range(T) * 2 + 1)):
        whats = [what for _, what in of(findings(tmp_path, train, alike.drop("y")), "shop")]
        assert not any("several training rows" in what for what in whats)
    own = train.with_columns(shop=pl.int_range(N) * 2)
    assert of(findings(tmp_path, own, test.with_columns(shop=pl.int_range(T) * 2 + 1)), "shop")[0][0] == "note", "a key"


def test_texts_that_name_groups(tmp_path):
    """Of few rows each, as prompts have: a kind of their own, which is compared with test for this alone."""

    def with_prompts(n: int, names: int, seed: int) -> pl.DataFrame:
        told = [f"what is the {i}th thing you would take along to an island" for i in range(seed, seed + names)]
        return clean(seed, n).with_columns(prompt=pl.Series(np.random.default_rng(seed).choice(told, n)))

    train, test = with_prompts(N, 150, 0), with_prompts(T, 60, 1000).drop("y")
    told = ("warning", "its values stand in several training rows, and in none of the test")
    assert told in of(findings(tmp_path, train, test), "prompt")
    assert told not in of(findings(tmp_path, train, test, groups="prompt"), "prompt")
    assert told not in of(findings(tmp_path, train, with_prompts(T, 150, 0).drop("y")), "prompt")


def test_dates_of_test_that_are_later(tmp_path):
    days = pl.date_range(pl.date(2020, 1, 1), pl.date(2021, 12, 31), eager=True)
    train, test = clean().with_columns(day=days[:N]), clean(1, T).drop("y").with_columns(day=days[N : N + T])
    ((severity, what),) = of(found := findings(tmp_path, train, test), "day")[:1]
    assert (severity, what) == ("warning", "100% of the test rows are later than all training rows")
    assert next(f["next"] for f in found if f["what"] == what).startswith("split: {use: time, time: day}")
    assert what not in [w for _, w in of(findings(tmp_path, train, test, split={"use": "time", "time": "day"}), "day")]
    mixed = test.with_columns(day=days[:T])
    assert what not in [w for _, w in of(findings(tmp_path, train, mixed), "day")]


def test_whole_numbers_too_large_to_be_told_apart_name_no_groups(tmp_path):
    train, test = grouped(N, np.arange(60) * 1e30), grouped(T, np.arange(60, 100) * 1e30, 1).drop("y")
    assert not any("several training rows" in what for _, what in of(findings(tmp_path, train, test), "shop"))


def test_numbers_that_fall_together_in_a_matrix(tmp_path):
    card = 4_000_000_000_000_000 + 7907 * np.random.default_rng(0).permutation(np.arange(N) % 100)
    train, test = clean().with_columns(card=card), clean(1, T).drop("y").with_columns(card=card[:T])
    told = ("warning", "of 100 distinct numbers 1 are left in a matrix of 32-bit floats")
    assert of(findings(tmp_path, train, test), "card") == [told]
    assert of(findings(tmp_path, train, test, kinds={"card": "category"}), "card") == []


def test_groups_that_are_vectors_are_refused(tmp_path):
    train = clean().with_columns(shop=pl.Series([[1.0, 2.0]] * N))
    with pytest.raises(DataError, match="a group must be one value") as refused:
        findings(tmp_path, train, clean(1, T).drop("y").with_columns(shop=pl.Series([[1.0, 2.0]] * T)), groups="shop")
    assert refused.value.problems[0].place == "the DataFrame train: column shop"


def test_test_rows_that_are_later(tmp_path):
    train = clean().with_columns(day=pl.Series(np.arange(N)) // 4)
    test = clean(1, T).drop("y").with_columns(day=pl.Series(np.arange(T)) // 4 + N // 4)
    assert of(findings(tmp_path, train, test, time="day"), "day") == [
        ("warning", "100% of the test rows are later than all training rows, and the folds are cut by chance")
    ]
    some = test.with_columns(pl.when(pl.int_range(T) % 3 > 0).then("day").alias("day"))
    told = [what for _, what in of(findings(tmp_path, train, some, time="day"), "day")]
    assert told == ["100% of the test rows are later than all training rows, and the folds are cut by chance"]
    assert findings(tmp_path, train, test.with_columns(day=pl.lit(None, pl.Int64)), time="day") == []
    assert findings(tmp_path, train, test, time="day", split={"use": "time", "folds": 2}) == []
    assert findings(tmp_path, train, test.with_columns(pl.col("day") - N // 4), time="day") == []


def test_a_target_that_follows_the_order_of_rows(tmp_path):
    (found,) = findings(tmp_path, clean().sort("y"))
    assert found["severity"] == "note" and "follows the order of the training rows" in found["what"]


def test_extra_files_are_told_of(tmp_path):
    more = pl.concat([clean(5, 20), clean()[:3]]).with_columns(x2=pl.lit(None, pl.Float64))
    found = findings(tmp_path, clean(), extra=[{"path": more.drop("x2")}])
    assert [f["what"] for f in found] == [
        "the DataFrame extra.0: 23 extra rows; 3 equal to a training or test row dropped; x2 missing"
    ]


# -- what stands behind


def test_doubles_agree_with_a_slow_count():
    rng = np.random.default_rng(4)
    for n_levels in (2, 4, 9):
        x = [rng.integers(0, n_levels, 120).astype(float) for _ in range(3)]
        x[1][rng.random(120) < 0.1] = np.nan
        vector = rng.integers(0, 2, (120, 2)).astype(np.float32)
        y = rng.integers(0, 2, 80).astype(float)
        rows = [tuple(map(repr, (*(c[i] for c in x), *vector[i]))) for i in range(120)]
        train: dict[tuple, list[float]] = {}
        for row, answer in zip(rows, y, strict=False):
            train.setdefault(row, []).append(answer)
        repeats = sum(len(v) - 1 for v in train.values())
        apart = sum(len(v) - 1 for v in train.values() if len(set(v)) > 1)
        known = sum(row in train for row in rows[80:])
        found = doubles.find([*x, vector], 80, y)
        assert (found.in_train, found.contradicting, found.in_test) == (repeats, apart, known)
    assert doubles.find([], 0, np.empty(0)) == doubles.Doubles(0, 0, 0)


def test_both_zeros_are_one():
    assert doubles.find([np.array([0.0, -0.0])], 2, np.zeros(2)).in_train == 1


def test_distance_is_none_for_samples_of_one_distribution_and_all_for_disjoint_ones():
    rng = np.random.default_rng(0)
    same = [signals.distance(rng.integers(0, 60, 300), rng.integers(0, 60, 900)) for _ in range(20)]
    assert max(same) < 0.05
    assert signals.distance(np.zeros(300, int), np.ones(900, int)) > 0.9


def test_telling_is_honest():
    """What only the own row says explains nothing: each row a stratum of its own."""
    rng = np.random.default_rng(0)
    y = signals.as_targets(rng.normal(size=500), Task("regression"))
    fold = rng.integers(0, 5, 500)
    assert signals.telling(np.arange(500), y, fold) < 0.01
    assert signals.telling(signals.strata(y[:, 0], False, 20), y, fold) > 0.99
    assert signals.telling(np.zeros(500, int), y, fold) < 0.01


# -- cost


def test_the_cost_is_rough_before_and_measured_after(toy_recipe, tmp_path):
    before = kit.check(toy_recipe, root=tmp_path)["cost"]
    assert before["fits"] == 5 and before["basis"] == "a rough estimate" and before["text"].startswith("5 fits, about ")
    assert 0 < before["seconds"][0] * 20 < before["seconds"][1] and before["mib"][0] > 200


@pytest.fixture
def toy_recipe():
    return {
        "data": {"train": clean(), "test": clean(1, T).drop("y"), "target": "y"},
        "metric": "rmse",
        "models": {"m": "lightgbm"},
    }


def test_durations_are_said_as_people_say_them():
    assert [cost.duration(s) for s in (0.2, 89, 600, 7200)] == ["1 s", "89 s", "10 min", "2.0 h"]


def test_blocks_by_time_that_lie_nearer_than_test_or_last_longer(tmp_path):
    days = pl.date_range(pl.date(2020, 1, 1), pl.date(2021, 12, 31), eager=True).to_numpy()
    week = days[np.arange(len(days)) % 7 < 5][:200]

    def told(first: int, length: int, **split: object) -> list[tuple[str, str, str]]:
        train = clean().with_columns(day=np.repeat(week, 2))
        test = clean(1, T).drop("y").with_columns(day=days[first : first + length][np.arange(T) % length])
        found = findings(tmp_path, train, test, {"use": "time", "time": "day", "folds": 4, **split})
        return [(f["severity"], f["what"], f["next"]) for f in found if "lasts" in f["what"] or "begins" in f["what"]]

    assert str(week[-1]) == str(days[277])
    assert told(280, 40) == [], "a weekend lies between"
    far = "test begins 17 days after train ends, held blocks 3 days after learning rows: scores are of a nearer future"
    assert told(294, 40) == [("warning", far, "split: {gap: 14}")]
    assert told(294, 40, gap=14) == []
    short = ("note", "test lasts 7 days, held blocks 54 days", "split: {horizon: 7} holds blocks as long as test")
    assert told(280, 7) == [short] and told(280, 7, horizon=7) == []
    long = (
        "note",
        "test lasts 130 days, held blocks 54 days",
        "split: {folds: 2, horizon: 130} holds blocks as long as test",
    )
    assert told(280, 130) == [long] and told(280, 150) == []


def test_months_that_are_numbers_are_no_time_to_count_in(tmp_path):
    months = np.array([100 * year + month for year in (2019, 2020, 2021) for month in range(1, 13)])
    train, test = (
        clean(i, n).with_columns(ym=pl.Series(m))
        for i, n, m in ((0, 360, np.repeat(months[:30], 12)), (1, 60, np.repeat(months[30:], 10)))
    )
    split = {"use": "time", "time": "ym", "folds": 3}
    (told,) = [f for f in findings(tmp_path, train, test.drop("y"), split) if f["column"] == "ym"]
    assert told["severity"] == "warning" and "jump by 89" in told["what"]
    found = findings(tmp_path, train, test.drop("y"), {**split, "horizon": 184}, kinds={"ym": "date"})
    assert not [f for f in found if f["severity"] == "warning"]


def test_columns_of_noise_are_not_told_to_be_apart_however_many_there_are(tmp_path):
    rng = np.random.default_rng(0)
    noise = {f"n{j}": rng.normal(size=240) for j in range(300)}
    every = pl.DataFrame({"y": rng.normal(size=240), "moved": rng.normal(size=240), **noise})
    test = every[180:].drop("y").with_columns(pl.col("moved") + 2)
    found = findings(tmp_path, every[:180], test)
    assert [f["column"] for f in found if "distributed otherwise" in f["what"]] == ["moved"]


def test_where_folds_are_cut_as_test_is_that_is_not_advised_again(tmp_path):
    train = clean().with_columns(moved=pl.col("x2"), t=pl.Series(range(N)))
    test = clean(1, T).drop("y").with_columns(moved=pl.col("x2") + 1, t=pl.Series(range(N, N + T)))
    by_chance: dict = {"folds": 4}
    for split in (by_chance, {"use": "time", "time": "t", "folds": 4}):
        found = findings(tmp_path, train, test, split=split)
        advice = next(f["next"] for f in found if f["column"] == "moved" and "otherwise in test" in f["what"])
        assert ("split: time" in advice) == (split is by_chance)
