"""A recipe of several targets: each is carried out as a recipe of its own, and they are submitted together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from test_tune import tuned  # noqa: F401 - a fixture

import kit
from kit import running
from kit.commands import _tuning
from kit.errors import DataError, RecipeError

N, T = 120, 40
BOTH = ("id: id, target: y", "id: id, targets: [Big One, y]")
SAMPLE = ("test: test.csv", "test: test.csv, sample: sample.csv")


@pytest.fixture
def two(toy):
    """The toy with a second target, which says all about the first, and a sample of both in another order."""
    train, test = (pl.read_csv(toy.folder / f"{part}.csv") for part in ("train", "test"))
    train.with_columns((pl.col("y") / 2 + 0.1).alias("Big One")).write_csv(toy.folder / "train.csv")
    sample = test.select("id").reverse().with_columns(y=pl.lit(0.0), **{"Big One": pl.lit(0.5)})
    sample.write_csv(toy.folder / "sample.csv")
    toy.edit(SAMPLE, BOTH)
    return toy


def test_each_target_is_what_a_recipe_of_it_alone_makes(two):
    together = two.run()
    assert list(together.json["targets"]) == ["Big One", "y"]
    for name, target, other in (("big-one", "Big One", "y"), ("y", "y", "Big One")):
        two.edit(("id: id, target: y", f"id: id, target: {target}, drop: [{other}]"), name=f"{name}.yaml")
        two.run(recipe=f"{name}.yaml")
        for part in ("oof", "test"):
            here, alone = (two.root / "oof" / r / "mix" / f"{part}.parquet" for r in (f"r-{name}", name))
            assert pl.read_parquet(here).equals(pl.read_parquet(alone))


def test_the_submission_has_the_columns_and_rows_of_the_sample(two):
    done = two.run()
    made = pl.read_csv(done.json["submission"])
    assert made.columns == ["id", "y", "Big One"] and made["id"].to_list() == list(range(5039, 4999, -1))
    for column, recipe in (("y", "r-y"), ("Big One", "r-big-one")):
        test = pl.read_parquet(two.root / "oof" / recipe / "final" / "test.parquet").reverse()
        np.testing.assert_allclose(made[column], test["pred"], rtol=1e-6)
    about = json.loads(Path(done.json["submission"]).with_suffix(".json").read_text("utf-8"))
    scores = [part["score"] for part in about["parts"].values()]
    assert about["score"] == pytest.approx(np.mean(scores)) and about["recipe"] == "r" and about["from"] == "final"
    assert [p.name for p in sorted((two.root / "submissions").glob("*.csv"))] == ["0001-r.csv"]
    assert kit.log(two.root)["submissions"][0]["models"] == {"a": 0.5, "b": 0.5}
    assert two.run().stages["run"] == 0


def test_one_target_is_picked_and_nothing_is_made_again(two):
    two.run()
    done = two.run("--set", "data.target=Big One")
    assert done.json["recipe"] == "r-big-one" and done.stages["run"] == 0
    assert pl.read_csv(done.json["submission"]).columns == ["id", "Big One"]
    again = two.run("--set", "data.target=y", "--set", "models.a.params.n_estimators=6")
    assert again.json["recipe"] == "r-y" and again.stages["run"] > 0


def test_what_works_on_one_target_asks_for_it(two):
    for command in (("why",), ("shift",)):
        done = two.kit(*command, str(two.folder / "r.yaml"))
        assert done.code == 2 and "works on one target, and the recipe has several" in done.err
        assert '--set data.target="Big One"' in done.err
    assert two.kit("why", str(two.folder / "r.yaml"), "--set", "data.target=Big One").code == 0


def test_plan_and_check_tell_of_each(two):
    listed = kit.plan(two.folder / "r.yaml", root=two.root)
    assert [line["name"] for line in listed if line["verb"] == "table"] == ["Big One: table", "y: table"]
    assert len({line["key"] for line in listed if line["verb"] == "table"}) == 1
    for part in ("train", "test"):
        pl.read_csv(two.folder / f"{part}.csv").with_columns(x9=pl.lit(1)).write_csv(two.folder / f"{part}.csv")
    shown = two.kit("check", str(two.folder / "r.yaml"))
    assert shown.code == 0 and "final as id, Big One" in shown.out and "final as id, y" in shown.out
    assert [line.split()[0] for line in shown.out.splitlines() if " numeric " in line] == [
        "Big",
        "x1",
        "x2",
        "x3",
        "x9",
        "y",
    ]
    assert shown.out.count("x9: ") == 1 and shown.out.index("all targets") < shown.out.index("x9: ")


def test_new_rows_are_predicted_for_all_targets(two):
    done = two.run("--keep-models")
    path, test = two.folder / "r.yaml", two.folder / "test.csv"
    made = kit.predict(path, test, layout="submission", root=two.root)
    assert made.columns == ["id", "y", "Big One"]
    assert made.reverse().write_csv() == Path(done.json["submission"]).read_text("utf-8")
    by_name = kit.predict("r", test, root=two.root)
    assert by_name.columns == ["id", "Big One_pred", "y_pred"] and by_name["y_pred"].equals(made["y"].alias("y_pred"))
    one = kit.predict("r-y", pl.read_csv(test).to_pandas(), root=two.root)
    assert list(one.columns) == ["id", "pred"]


def test_a_submission_is_written_again_and_what_is_gone_is_named(two):
    path = Path(two.run().json["submission"])
    content = path.read_bytes()
    path.unlink()
    assert kit.replay(1, root=two.root)["file"] == "restored" and path.read_bytes() == content
    (two.root / "oof" / "r-y" / "final" / "test.parquet").unlink()
    found = kit.replay(1, root=two.root)
    assert found["rebuilt"] or any(line.startswith("y: ") for line in found["gone"])
    path.with_suffix(".json").write_text(
        path.with_suffix(".json").read_text("utf-8").replace('"header": [\n  "id"', '"header": [\n  "no"')
    )
    assert "the parts of a submission" in " ".join(kit.replay(1, root=two.root)["gone"])


def test_faults_of_a_csv_are_told_by_the_target_they_are_in(two):
    good = pl.read_csv(two.run().json["submission"])
    assert kit.submit(two.root / "submissions" / "0001-r.csv", recipe=two.folder / "r.yaml", root=two.root) == []
    far = good.with_columns(pl.col("y") + 1e6).select("id", "Big One", "y")
    far.write_csv(two.folder / "far.csv")
    faults = kit.submit(two.folder / "far.csv", recipe=two.folder / "r.yaml", root=two.root)
    assert [f["fault"] for f in faults] == ["the columns stand in another order", "values far beyond the target"]
    assert "column y" in faults[1]["got"]


def test_submissions_of_single_targets_are_merged(two):
    two.run("--set", "data.target=y")
    two.run("--set", "data.target=Big One")
    blend = kit.blend(["r-y:a", "r-y:b"], use="ridge", root=two.root, name="other")
    assert pl.read_csv(blend.submission).columns == ["id", "y"]
    done = two.kit("merge", "2", "3", "--recipe", str(two.folder / "r.yaml"), "--json")
    made = pl.read_csv(done.json["submission"])
    assert made.columns == done.json["columns"] == ["id", "y", "Big One"]
    assert made["y"].equals(pl.read_csv(blend.submission)["y"])
    Path(done.json["submission"]).unlink()
    assert kit.replay(4, root=two.root)["rebuilt"]
    with pytest.raises(DataError, match="once each"):
        kit.merge([1, 3], recipe=two.folder / "r.yaml", root=two.root)
    with pytest.raises(DataError, match="several are merged"):
        kit.merge([2, 3], recipe=two.edit(name="single.yaml"), root=two.root)
    Path(blend.submission).write_bytes(Path(blend.submission).read_bytes() + b"5,1\n")
    with pytest.raises(DataError, match="was altered"):
        kit.merge([2, 3], recipe=two.folder / "r.yaml", root=two.root)


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        ("[y]", "two different columns or more"),
        ("[y, y]", "two different columns or more"),
        ("y", "must be a list"),
        ("[y, Bog One]", "not in the training data"),
        ("[y, x1]", "a column of the sample is of none of the targets"),
        ("[y, Big One], drop: [y]", "the target cannot be dropped"),
        ("[y, Big One], target: big", "it is none of the targets"),
        ("[y, Big One], groups: y", "the target cannot be the groups column as well"),
    ],
)
def test_targets_that_cannot_be_are_told(two, targets, words):
    two.edit(SAMPLE, ("target: y", f"targets: {targets}"))
    done = two.kit("check", str(two.folder / "r.yaml"))
    assert done.code == 2 and words in done.err


def test_siblings_are_no_features_where_the_test_rows_are_cut_from_train(two):
    data = (
        "data: {train: train.csv, test: test.csv, id: id, target: y}",
        "data: {train: train.csv, holdout: 0.25, ID}",
    )
    two.edit(data, ("ID", "id: id, targets: [Big One, y]"))
    listed = two.kit("check", str(two.folder / "r.yaml"), "--json").json["targets"]
    for target, part in listed.items():
        assert not {c["name"] for c in part["columns"]} & ({"Big One", "y"} - {target})
    two.edit(
        data, ("ID", "id: id, targets: [Big One, y]"), ("[numeric, category]", "[{use: numeric, columns: [x1, y]}]")
    )
    assert "the target column cannot be used here" in two.kit("check", str(two.folder / "r.yaml")).err


def test_all_targets_are_looked_at_before_the_first_is_fitted(two, monkeypatch):
    train = pl.read_csv(two.folder / "train.csv").with_columns(y=pl.lit("word"))
    train.write_csv(two.folder / "train.csv")
    monkeypatch.setattr(running, "execute", None)
    with pytest.raises((DataError, RecipeError), match=r"r\.yaml"):
        kit.run(two.folder / "r.yaml", root=two.root)


def test_rows_without_a_target_are_left_out_of_it_alone(two):
    train = pl.read_csv(two.folder / "train.csv")
    row = pl.int_range(pl.len())
    train.with_columns(
        pl.when(row % 3 > 0).then("y").alias("y"), pl.when(row % 2 > 0).then("Big One").alias("Big One")
    ).write_csv(two.folder / "train.csv")
    refused = two.run(ends=2)
    assert "training rows without a target" in refused.err and "unlabelled: drop" in refused.err
    two.edit(SAMPLE, BOTH, ("targets:", "unlabelled: drop, targets:"))
    two.run("--keep-models")
    for recipe, n in (("r-y", 80), ("r-big-one", 60)):
        assert len(pl.read_parquet(two.root / "oof" / recipe / "a" / "oof.parquet")) == n
    found = kit.check(two.folder / "r.yaml", root=two.root)["targets"]["y"]["findings"]
    assert [f["what"] for f in found if f["column"] == "y"] == ["40 training rows without a target left out"]


def test_further_rows_give_each_target_its_own(two):
    pl.read_csv(two.folder / "train.csv")[:30].with_columns(pl.col("x1") + 9).write_csv(two.folder / "more.csv")
    two.edit(SAMPLE, BOTH, ("test: test", "extra: [{path: more.csv}], test: test"))
    two.run()
    for name, target, other in (("big-one", "Big One", "y"), ("y", "y", "Big One")):
        data = f"id: id, target: {target}, drop: [{other}], extra: [{{path: more.csv}}]"
        two.edit(("id: id, target: y", data), name=f"{name}.yaml")
        two.run(recipe=f"{name}.yaml")
        here, alone = (two.root / "oof" / r / "mix" / "oof.parquet" for r in (f"r-{name}", name))
        assert pl.read_parquet(here).equals(pl.read_parquet(alone))
    for target, part in kit.check(two.folder / "r.yaml", root=two.root)["targets"].items():
        assert part["rows"] == "120 train, 40 test, 30 extra", target


def test_a_run_that_ends_in_time_for_some_targets_submits_nothing_and_goes_on(two):
    done = two.kit("run", str(two.folder / "r.yaml"), "--time-limit", "0.001")
    assert done.code == 0 and "no submission: not every target has a model that is complete in time" in done.out
    assert two.run().json["submission"] is not None


def test_classes_of_several_targets_have_columns_of_their_own(two):
    rng = np.random.default_rng(0)
    words = {"kind": ["a", "b", "c"], "kind_of": ["no", "yes"]}
    train = pl.read_csv(two.folder / "train.csv").drop("y", "Big One")
    train.with_columns(**{k: pl.Series(rng.permutation(np.resize(w, N))) for k, w in words.items()}).write_csv(
        two.folder / "train.csv"
    )
    columns = ("kind_of", "kind_b", "kind_a", "kind_c")
    pl.read_csv(two.folder / "test.csv").select("id", **{c: pl.lit(0.5) for c in columns}).write_csv(
        two.folder / "sample.csv"
    )
    clip = "\n  final: {use: clip, from: mix, low: -3, high: 3}\nsubmit: {from: final}"
    two.edit(SAMPLE, ("target: y", "targets: [kind, kind_of]"), ("metric: rmse", "metric: logloss"), (clip, ""))
    made = pl.read_csv(two.run().json["submission"])
    assert made.columns == ["id", *columns]
    np.testing.assert_allclose(made.select("kind_a", "kind_b", "kind_c").sum_horizontal(), 1, atol=1e-5)


def test_another_recipe_file_of_the_same_targets_is_refused(two):
    two.run()
    (two.folder / "other").mkdir()
    text = two.edit(SAMPLE, BOTH).read_text("utf-8")
    (two.folder / "other" / "r.yaml").write_text(
        text.replace("train.csv", "../train.csv").replace("test.csv", "../test.csv"), "utf-8"
    )
    (two.folder / "other" / "sample.csv").write_bytes((two.folder / "sample.csv").read_bytes())
    done = two.kit("run", str(two.folder / "other" / "r.yaml"))
    assert done.code == 2 and "two recipes have the name r-big-one" in done.err


def test_the_workers_stay_from_target_to_target_and_end_with_the_run(two, monkeypatch):
    begun, ended = [], []

    class Counted(running.Workers):  # type: ignore[valid-type,misc]
        def __init__(self, jobs, root, threads=1):
            super().__init__(jobs, root, threads)
            begun.append(jobs)

        def __exit__(self, *args):
            ended.append(args)

    monkeypatch.setattr(running, "Workers", Counted)
    two.run("--jobs", "3")
    assert begun == [3] and len(ended) == 1
    monkeypatch.setattr(running, "publish", None)
    with pytest.raises(TypeError):
        kit.run(two.folder / "r.yaml", set="seed=8", root=two.root)
    assert len(begun) == len(ended) == 2


def test_each_target_is_tuned_and_run_with_what_was_found(tuned, two, capsys):  # noqa: F811
    found = kit.tune(two.folder / "r.yaml", model=["a"], trials=3, jobs=1, root=two.root)
    assert [result.target for result in found] == ["Big One", "y"]
    assert {p.name for p in two.folder.glob("*.tuned.yaml")} == {"r-big-one.tuned.yaml", "r-y.tuned.yaml"}
    scores = [part["models"]["a"]["score"] for part in two.run().json["targets"].values()]
    assert scores == pytest.approx([result.as_json()["best_score"] for result in found])
    _tuning.show(found, str(two.root))
    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("target:")]
    assert shown == ["target: Big One", "target: y"]


def test_a_test_file_that_has_the_targets_is_told_as_the_data_are_read(two, caplog):
    """The recipe was opened twice, and what is said as the data are read was lost with the first."""
    test = pl.read_csv(two.folder / "test.csv")
    test.with_columns(y=pl.lit(0.5), **{"Big One": pl.lit(0.5)}).write_csv(two.folder / "test.csv")
    first = two.run()
    assert [name in caplog.text for name in ("Big One: ", "y: ")] == [True, True]
    assert first.stages["reused"] == 1, "both targets read one table"
