"""`kit init` writes a recipe that runs, says what it guessed and why, and writes nothing where it cannot know."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import kit
from kit.errors import DataError, RecipeError

N, T = 90, 60
RNG = np.random.default_rng(0)


def write(folder, y: object, sample: pl.DataFrame | None = None, train: object = None, test: object = None) -> None:
    """Write the files of a competition; `train`, `test`: a further column `more`."""
    folder.mkdir(exist_ok=True)
    x = RNG.normal(size=N + T)
    more = [{} if part is None else {"more": part} for part in (train, test)]
    pl.DataFrame({"row_id": range(N), "x": x[:N], **more[0], "y": y}).write_csv(folder / "train.csv")
    pl.DataFrame({"row_id": range(N, N + T), "x": x[N:], **more[1]}).write_csv(folder / "test.csv")
    if sample is not None:
        sample.write_csv(folder / "sample_submission.csv")


def shown(**values: object) -> pl.DataFrame:
    return pl.DataFrame({"row_id": range(N, N + T)}).with_columns(**{k: pl.lit(v) for k, v in values.items()})


def test_the_recipe_says_what_was_guessed_and_holds(tmp_path, toy):
    write(tmp_path / "My Shop", np.arange(N) % 7 + 0.5, shown(y=0.5))
    done = toy.kit("init", str(tmp_path / "My Shop"), "-o", str(tmp_path / "shop.yaml"), "--root", str(tmp_path))
    assert done.code == 0, done.err
    assert (tmp_path / "shop.yaml").read_text() == (
        "# kit check shop.yaml shows what is made of the data, kit run shop.yaml fits.\n"
        "name:   shop\n"
        "data:\n"
        "  train:  My Shop/train.csv\n"
        "  test:   My Shop/test.csv\n"
        "  sample: My Shop/sample_submission.csv\n"
        "  id:     row_id    # it names the rows of the sample submission\n"
        "  target: y         # the sample submission asks for it\n"
        "metric: rmse        # a guess for numbers; rmsle if errors count in per cent\n"
        "split:  {folds: 5}  # no column tells test from train; rows that belong together: {use: group, groups: COLUMN}\n"
        "models:\n"
        "  lgbm:   {use: lightgbm}\n"
        "  extra:  {use: lightgbm, params: {extra_trees: true}}   # cheap, and errs otherwise\n"
        "  xgb:    {use: xgboost}\n"
        "  cat:    {use: catboost}\n"
        "  hetero: {use: hetero_mlp, seeds: 3}\n"
    )
    assert kit.check(tmp_path / "shop.yaml", root=tmp_path)["submission"].endswith("as row_id, y")
    again = toy.kit("init", str(tmp_path / "My Shop"), "-o", str(tmp_path / "shop.yaml"))
    assert again.code == 2 and "there is such a file already" in again.err


TWO, THREE, STARS = ["no", "yes"] * (N // 2), ["a", "b", "c"] * (N // 3), [1, 2, 3, 4, 5] * (N // 5)


@pytest.mark.parametrize(
    ("y", "sample", "metric"),
    [
        (TWO, {"y": "no"}, "accuracy"),
        (TWO, {"y": 0.5}, "auc"),
        (TWO, None, "auc"),
        ([0, 1] * (N // 2), {"y": 0}, "accuracy"),
        ([False, True] * (N // 2), {"y": "True"}, "accuracy"),
        (THREE, {"y": "a"}, "accuracy"),
        (THREE, {"a": 0.4, "b": 0.3, "c": 0.3}, "logloss"),
        (STARS, {"y": 3}, "accuracy"),
        (STARS, {"y": 2.8}, "rmse"),
        ([f"${v},000" for v in range(1, N + 1)], {"y": 2}, "rmse"),
    ],
)
def test_the_metric_fits_the_target_and_what_the_sample_shows(tmp_path, y, sample, metric):
    write(tmp_path, y, None if sample is None else shown(**sample))
    found = kit.init(tmp_path, out=tmp_path / "r.yaml", root=tmp_path)
    assert found["guessed"]["metric"]["value"] == metric
    assert found["guessed"]["target"]["value"] == "y" and found["guessed"]["id"]["value"] == "row_id"
    assert kit.check(tmp_path / "r.yaml", root=tmp_path)["recipe"] == "r"


@pytest.mark.parametrize(
    ("train", "test", "split"),
    [
        (np.arange(N) // 3 * 2, np.arange(T) // 2 * 2 + 1, "use: group, groups: more, folds: 5"),
        (
            [f"shop {i // 2}" for i in range(N)],
            [f"other {i // 2}" for i in range(T)],
            "use: group, groups: more, folds: 5",
        ),
        ([f"2020-0{i % 9 + 1}-11" for i in range(N)], ["2021-02-01"] * T, "use: time, time: more, folds: 5"),
        (np.arange(N) // 3, np.arange(T) // 2, "folds: 5"),
        ([f"shop {i}" for i in range(N)], [f"other {i}" for i in range(T)], "folds: 5"),
    ],
)
def test_folds_are_cut_as_test_was(tmp_path, train, test, split):
    write(tmp_path, RNG.normal(size=N), None, train, test)
    assert kit.init(tmp_path, out=tmp_path / "r.yaml", root=tmp_path)["guessed"]["split"]["value"] == split
    by = split.partition(",")[0].removeprefix("use: ")
    assert kit.check(tmp_path / "r.yaml", root=tmp_path)["folds"] == f"5 by {'kfold' if by == 'folds: 5' else by}"


def test_reasons_stay_on_their_line(tmp_path):
    """Of two columns that name groups one is named beside the other, whatever it is called."""
    write(tmp_path, RNG.normal(size=N))
    for part, first, size in (("train", 0, N), ("test", 1, T)):
        groups = pl.Series(np.arange(size) // 2 * 2 + first)
        frame = pl.read_csv(tmp_path / f"{part}.csv").with_columns(groups.alias("a"), groups.alias("b\nc: d"))
        frame.write_csv(tmp_path / f"{part}.csv")
    told = kit.init(tmp_path, out=tmp_path / "r.yaml", root=tmp_path)["guessed"]["split"]
    assert "groups: a" in told["value"] and told["why"].endswith('so do those of "b\\nc: d"')
    assert kit.check(tmp_path / "r.yaml", root=tmp_path)["folds"] == "5 by group"


def test_what_is_said_is_taken(tmp_path):
    write(tmp_path, STARS, shown(y=3), RNG.normal(size=N), RNG.normal(size=T))
    (tmp_path / "train.csv").rename(tmp_path / "learn.csv")
    said = {"train": "learn.csv", "target": "y", "id": "x", "metric": "qwk"}
    found = kit.init(tmp_path, **said, out=tmp_path / "r.yaml", root=tmp_path)["guessed"]
    assert [found[key]["value"] for key in ("target", "id", "metric")] == ["y", "x", "qwk"]


def test_what_cannot_be_known_is_asked_for_and_nothing_is_written(tmp_path):
    out = tmp_path / "r.yaml"
    with pytest.raises(DataError, match=r"no file of training rows(?s:.*)--train FILE"):
        kit.init(tmp_path, out=out)
    write(tmp_path, STARS)
    with pytest.raises(DataError, match=r"target is not in(?s:.*)did you mean 'x'"):
        kit.init(tmp_path, target="xx", out=out)
    with pytest.raises(RecipeError, match="metric"):
        kit.init(tmp_path, metric="rsme", out=out, root=tmp_path)
    (tmp_path / "train_2.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match=r"several files(?s:.*)--train FILE"):
        kit.init(tmp_path, out=out)
    pl.read_csv(tmp_path / "train.csv").with_columns(z=1).write_csv(tmp_path / "train_2.csv")
    with pytest.raises(DataError, match=r"target is not known(?s:.*)y, z(?s:.*)--target COLUMN(?s:.*)join: "):
        kit.init(tmp_path, train="train_2.csv", out=out)
    assert not out.exists()


def test_data_that_break_a_rule_get_a_recipe_that_says_so(tmp_path):
    write(tmp_path, [np.inf, *RNG.normal(size=N - 1)])
    found = kit.init(tmp_path, out=tmp_path / "r.yaml", root=tmp_path)
    assert "the target must be finite" in found["guessed"]["split"]["why"]
    with pytest.raises(DataError, match="must be finite"):
        kit.check(tmp_path / "r.yaml", root=tmp_path)


def test_a_sample_that_calls_the_id_otherwise_is_matched_by_it(tmp_path):
    """By its values, in whatever order; where no column holds them the rows are numbered, as the sample cannot say."""
    sample = pl.DataFrame({"Id": range(N + T - 1, N - 1, -1), "y": 0.5})
    write(tmp_path, RNG.normal(size=N), sample)
    found = kit.init(tmp_path, out=tmp_path / "r.yaml", root=tmp_path)["guessed"]
    assert (found["id"]["value"], found["rename"]["value"]) == ("row_id", "{Id: row_id}")
    assert "no column tells" in found["split"]["why"]  # the data were looked at
    assert kit.check(tmp_path / "r.yaml", root=tmp_path)["submission"].endswith("as Id, y")
    write(tmp_path, RNG.normal(size=N), sample.with_columns(Id=pl.col("Id") - N))
    found = kit.init(tmp_path, out=tmp_path / "s.yaml", root=tmp_path)["guessed"]
    assert found["id"]["value"] == "" and "rename" not in found
    assert kit.check(tmp_path / "s.yaml", root=tmp_path)["submission"].endswith("as Id, y")


@pytest.mark.parametrize(
    ("folder", "name"),
    [("null", "null"), ("2023", "2023"), ("ON", "on"), ("blends", "competition"), ("a" * 120, "a" * 100)],
)
def test_whatever_a_folder_is_called_the_recipe_reads_back(tmp_path, monkeypatch, folder, name):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / folder, TWO)
    assert kit.check(kit.init(folder)["recipe"])["recipe"] == name


def test_all_targets_that_a_sample_asks_for_are_listed_and_one_may_be_picked(tmp_path):
    write(tmp_path, RNG.normal(size=N), shown(Z=0.5, y=0.5))
    pl.read_csv(tmp_path / "train.csv").with_columns(Z=pl.Series(RNG.normal(size=N))).write_csv(tmp_path / "train.csv")
    found = kit.init(tmp_path, out=tmp_path / "r.yaml", root=tmp_path)["guessed"]
    assert found["targets"]["value"] == "[Z, y]" and "target" not in found and found["metric"]["value"] == "rmse"
    told = kit.check(tmp_path / "r.yaml", root=tmp_path)["targets"]
    assert [part["submission"] for part in told.values()] == ["blend as row_id, Z", "blend as row_id, y"]
    found = kit.init(tmp_path, target="y", out=tmp_path / "one.yaml", root=tmp_path)["guessed"]
    assert found["target"] == {"value": "y", "why": "as it was said"} and found["targets"]["value"] == "[Z, y]"
    assert kit.check(tmp_path / "one.yaml", root=tmp_path)["submission"] == "blend as row_id, y"


def test_training_rows_without_a_target_are_left_out_and_counted(tmp_path):
    write(tmp_path, [None, *RNG.normal(size=N - 1)], shown(y=0.5))
    found = kit.init(tmp_path, out=tmp_path / "r.yaml", root=tmp_path)["guessed"]
    assert found["unlabelled"] == {"value": "drop", "why": "there is no y in 1 training row"}
    assert kit.check(tmp_path / "r.yaml", root=tmp_path)["rows"] == f"{N - 1} train, {T} test"


def test_a_column_of_test_is_no_target_beside_one_that_test_lacks(tmp_path):
    write(tmp_path, RNG.normal(size=N), shown(x=0.5, y=0.5))
    found = kit.init(tmp_path, out=tmp_path / "r.yaml", root=tmp_path)["guessed"]
    assert found["target"]["value"] == "y" and "targets" not in found


@pytest.mark.parametrize(("y", "metric"), [(RNG.normal(size=N), "rmse"), ([0, 1] * (N // 2), "auc")])
def test_a_sample_may_have_the_id_last(tmp_path, y, metric):
    write(tmp_path, y, shown(y=0.5).select("y", "row_id"))
    found = kit.init(tmp_path, out=tmp_path / "r.yaml", root=tmp_path)["guessed"]
    assert [found[key]["value"] for key in ("id", "target", "metric")] == ["row_id", "y", metric]
    assert kit.check(tmp_path / "r.yaml", root=tmp_path)["submission"].endswith("as y, row_id")


@pytest.mark.parametrize("name", ["y", "prediction"])
def test_a_sample_may_have_the_id_last_under_its_own_name(tmp_path, name):
    """It was taken for the target, or for none, and the rows of the submission went by their place."""
    write(tmp_path, RNG.normal(size=N), pl.DataFrame({name: 0.5, "Id": range(N + T - 1, N - 1, -1)}))
    found = kit.init(tmp_path, out=tmp_path / "r.yaml", root=tmp_path)["guessed"]
    assert [found[key]["value"] for key in ("id", "target", "rename")] == ["row_id", "y", "{Id: row_id}"]
    assert kit.check(tmp_path / "r.yaml", root=tmp_path)["submission"].endswith(f"as {name}, Id")
    text = (tmp_path / "r.yaml").read_text()
    (tmp_path / "r.yaml").write_text("\n".join(line for line in text.splitlines() if "rename:" not in line))
    told = kit.check(tmp_path / "r.yaml", root=tmp_path)
    assert told["submission"].endswith(f"as {name}, Id")
    assert "sample_submission.csv has this name for row_id" in str(told["findings"])


# -- further tables


def test_tables_beside_are_joined_where_a_key_has_one_row(tmp_path, toy):
    shop = np.arange(N + T) % 7
    write(tmp_path / "s", RNG.normal(size=N), train=shop[:N], test=shop[N:])
    for part in ("train", "test"):
        frame = pl.read_csv(tmp_path / "s" / f"{part}.csv").rename({"more": "Shop"})
        frame.with_columns(week=pl.Series([f"w{i % 3}" for i in range(len(frame))])).write_csv(
            tmp_path / "s" / f"{part}.csv"
        )
    pl.DataFrame({"Shop": [f"{i}.0" for i in range(7)], "size": range(7), "x": range(7)}).write_csv(
        tmp_path / "s" / "shops.csv"
    )
    weeks = pl.DataFrame({"Shop": list(range(7)) * 3, "week": ["w0"] * 7 + ["w1"] * 7 + ["w2"] * 7})
    weeks.with_columns(rain=pl.Series(range(21)) / 4).write_parquet(tmp_path / "s" / "weather.parquet")
    pl.DataFrame({"Shop": list(range(7)) * 4, "paid": range(28)}).write_csv(tmp_path / "s" / "visits.csv")
    pl.DataFrame({"Shop": range(7), "y": range(7)}).write_csv(tmp_path / "s" / "answers.csv")
    pl.DataFrame({"Shop": [90, 91], "far": [1, 2]}).write_csv(tmp_path / "s" / "elsewhere.csv")
    (tmp_path / "s" / "broken.csv").write_text('a,b\n"1,2\n')
    for part, ids in (("train", range(20)), ("test", range(N, N + 20))):
        pl.DataFrame({"row_id": ids, "browser": ["a", "b"] * 10}).write_csv(tmp_path / "s" / f"{part}_identity.csv")
        pl.DataFrame({"row_id": ids, f"of_{part}": ["a", "b"] * 10}).write_csv(tmp_path / "s" / f"{part}_other.csv")
    files = {f"--{part}": str(tmp_path / "s" / f"{part}.csv") for part in ("train", "test")}
    done = toy.kit(
        "init",
        str(tmp_path / "s"),
        *(w for pair in files.items() for w in pair),
        "-o",
        str(tmp_path / "s.yaml"),
        "--root",
        str(tmp_path),
    )
    assert done.code == 0, done.err
    text = (tmp_path / "s.yaml").read_text()
    listed = text[text.index("  join:") : text.index("metric:")].splitlines()
    lines = [line.partition("  # one")[0].partition("  # several")[0].rstrip() for line in listed]
    assert lines == [
        "  join:",
        "    - {path: s/shops.csv, on: Shop, prefix: shops_}",
        "    - {path: [s/train_identity.csv, s/test_identity.csv], on: row_id}",
        "    # - {path: s/visits.csv, on: Shop, take: auto, prefix: visits_}",
        "    - {path: s/weather.parquet, on: [Shop, week]}",
    ]
    assert "one row for each Shop, which 100% of the rows have" in text
    names = {c["name"] for c in kit.check(tmp_path / "s.yaml", root=tmp_path)["columns"]}
    assert {"shops_size", "shops_x", "rain"} <= names


def test_a_table_of_several_rows_per_key_alone_is_left_to_the_person(tmp_path, toy):
    write(tmp_path / "s", RNG.normal(size=N))
    ids = pl.DataFrame({"row_id": list(range(N + T)) * 2, "paid": range(2 * (N + T))})
    ids.write_csv(tmp_path / "s" / "visits.csv")
    done = toy.kit("init", str(tmp_path / "s"), "-o", str(tmp_path / "s.yaml"), "--root", str(tmp_path), "--json")
    assert done.code == 0 and "join" not in done.json["guessed"]
    text = (tmp_path / "s.yaml").read_text()
    assert "\n  # join:\n    # - {path: s/visits.csv, on: row_id, take: auto, prefix: visits_}" in text
    assert kit.check(tmp_path / "s.yaml", root=tmp_path)["submission"]


@pytest.mark.parametrize("dated", [True, False])
def test_of_tables_with_dates_the_line_takes_what_was_known_by_then_and_holds(tmp_path, toy, dated):
    write(tmp_path / "s", RNG.normal(size=N), train=np.arange(N) % 5, test=np.arange(T) % 5)
    for part, n in (("train", N), ("test", T)):
        frame = pl.read_csv(tmp_path / "s" / f"{part}.csv").rename({"more": "shop"})
        day = pl.Series("day", [f"2024-03-{1 + i % 28:02d}" for i in range(n)])
        (frame.with_columns(day) if dated else frame).write_csv(tmp_path / "s" / f"{part}.csv")
    seen = {"shop": [i % 5 for i in range(40)], "visit day": [f"2024-02-{1 + i % 28:02d}" for i in range(40)]}
    pl.DataFrame({**seen, "paid": range(40)}).write_csv(tmp_path / "s" / "visits.csv")
    assert toy.kit("init", str(tmp_path / "s"), "-o", str(tmp_path / "s.yaml"), "--root", str(tmp_path)).code == 0
    text = (tmp_path / "s.yaml").read_text()
    assert ("prefix: visits_, before: {day: visit day}}" in text) == dated
    (tmp_path / "s.yaml").write_text(text.replace("# join:", "join:").replace("  # - {", "  - {"))
    names = {c["name"] for c in kit.check(tmp_path / "s.yaml", root=tmp_path)["columns"]}
    assert {"visits_count", "visits_paid_mean"} <= names
