"""What an edit of the recipe makes kit do again: exactly what depends on it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import polars as pl
import pytest

from kit import registry
from kit.types import Block, Design

END = ["blend mix", "blend final", "submit"]
LOOKUP = "columns:\n  shade: {use: lookup, key: c, names: names.json, vectors: vectors.npy}\n"


def fits(model: str, folds: int = 3) -> list[str]:
    return [*(f"fit {model} fold {k} seed 0" for k in range(folds)), f"oof {model}"]


def counts(run: int, reused: int, failed: int = 0) -> dict[str, int]:
    return {"run": run, "reused": reused, "failed": failed}


def shade(toy) -> None:
    (toy.folder / "names.json").write_text(json.dumps(["red", "green", "blue"]))
    np.save(toy.folder / "vectors.npy", np.arange(6.0).reshape(3, 2))


def test_a_fresh_run_carries_out_every_stage_and_a_repeat_none(toy):
    first = toy.run()
    assert first.stages == counts(14, 0)
    assert [s["name"] for s in toy.plan()] == ["table", "rows", "folds", *fits("a"), *fits("b"), *END]
    again = toy.run()
    assert again.stages == counts(0, 14)
    assert {s["state"] for s in toy.plan()} == {"reuse"}
    assert {**again.json, "stages": 0, "seconds": 0} == {**first.json, "stages": 0, "seconds": 0}
    assert len(list((toy.root / "submissions").iterdir())) == 2


def test_a_parameter_refits_its_model_alone(toy):
    toy.run()
    toy.edit(("n_estimators: 8", "n_estimators: 9"))
    assert toy.ran() == [*fits("b"), *END]
    assert toy.run().stages == counts(0, 14)


def test_a_default_written_out_changes_nothing(toy):
    toy.run()
    toy.edit(("n_estimators: 8", "n_estimators: 8, max_bin: 255"))
    assert toy.run().stages == counts(0, 14)


@pytest.mark.parametrize(
    "changes",
    [
        [("seed: 7", "seed: 7\nname: other")],
        [("  a: {", "  zebra: {"), ("from: [a, b]", "from: [zebra, b]")],
        [("base", "everything")],
        [("mix", "blender"), ("final", "last")],
        [("seed: 7", "# a comment\nseed:    7   # and another\n\n")],
        [("data: {train: train.csv, test: test.csv, id: id, target: y}\n", ""), ("submit:", "data: {target: y, id: id, test: test.csv, train: train.csv}\nsubmit:")],
        [("{use: lightgbm, features: base, params: {n_estimators: 5}, stop: fixed}", "{stop: fixed, params: {n_estimators: 5}, features: [base], use: lightgbm}")],
        [("features: base, ", "")],
        [("features:\n  base: [numeric, category]\n", ""), ("features: base", "features: [numeric, category]")],
    ],
    ids=["recipe", "model", "feature set", "blends", "comments", "order of sections", "order of keys", "default", "bare"],
)  # fmt: skip
def test_names_order_and_comments_are_not_content(toy, changes):
    toy.run()
    toy.edit(*changes)
    assert toy.run().stages == counts(0, 14)


def test_the_order_of_models_refits_nothing(toy):
    toy.run()
    lines = toy.folder.joinpath("r.yaml").read_text().splitlines(keepends=True)
    a = next(i for i, line in enumerate(lines) if line.startswith("  a: "))
    lines[a], lines[a + 1] = lines[a + 1], lines[a]
    toy.write("".join(lines))
    assert toy.ran() == []


def test_a_renamed_recipe_shows_its_results_under_the_new_name(toy):
    before = toy.run()
    toy.edit(("seed: 7", "seed: 7\nname: other"))
    after = toy.run()
    assert after.json["recipe"] == "other"
    assert after.json["submission"] == before.json["submission"]
    assert after.json["models"]["a"]["oof"] == str(toy.root / "oof" / "other" / "a" / "oof.parquet")
    assert toy.card("a", "other")["score"] == toy.card("a")["score"]


def test_a_renamed_computed_column_refits_nothing(toy):
    shade(toy)
    text = toy.edit(
        ("features:\n", LOOKUP + "features:\n"), ("[numeric, category]", "[numeric, {use: vector, columns: [shade]}]")
    ).read_text()
    first = toy.run()
    assert first.stages == counts(15, 0)
    toy.edit(("shade", "tint"), text=text)
    assert toy.run().stages == counts(0, 15)
    assert any("tint" in name for name in toy.card("a")["importances"]["gain"])


def test_another_metric_of_the_same_objective_fits_nothing(toy):
    frame = pl.read_csv(toy.folder / "train.csv")
    frame.with_columns(y=(pl.col("y") > 0.5).cast(pl.Int8)).write_csv(toy.folder / "train.csv")
    classes = [("{use: clip, from: mix, low: -3, high: 3}", "{use: mean, from: [mix]}")]
    toy.edit(("metric: rmse", "metric: logloss"), *classes)
    first = toy.run()
    toy.edit(("metric: rmse", "metric: auc"), *classes)
    ran = toy.ran()
    assert not [name for name in ran if name.startswith(("fit", "oof", "folds"))]
    assert "blend mix" in ran
    assert toy.card("a")["metric"] == "auc"
    assert toy.run().json["models"]["a"]["score"] > first.json["models"]["a"]["score"]
    toy.edit(("metric: rmse", "metric: logloss\nalso: [auc]"), *classes)
    assert toy.run().stages["run"] == 0
    assert toy.card("a")["also"]["auc"] > 0.5


def test_another_model_is_fitted_alone(toy):
    toy.run()
    toy.edit(
        ("blend:", "  c: {use: lightgbm, params: {n_estimators: 3}, stop: fixed}\nblend:"), ("[a, b]", "[a, b, c]")
    )
    assert toy.ran() == [*fits("c"), *END]


def test_another_seed_refits_everything_and_reads_nothing(toy):
    toy.run()
    toy.edit(("seed: 7", "seed: 8"))
    # The table and the rows stay; folds are drawn again.
    assert toy.run().stages == counts(12, 2)


def test_more_columns_refit_the_models_that_see_them(toy):
    two = ("[numeric, category]", "[{use: numeric, columns: [x1, x2]}]")
    toy.edit(two)
    toy.run()
    toy.edit(("[numeric, category]", "[{use: numeric, columns: [x1, x2, x3]}]"))
    assert toy.ran() == [*fits("a"), *fits("b"), *END]
    toy.edit(two)
    assert toy.run().stages["run"] == 0
    shade(toy)
    more = [(two[0], two[1] + "\n  more: [{use: vector, columns: [shade]}]"), ("features:\n", LOOKUP + "features:\n")]
    toy.edit(*more, ("  b: {use: lightgbm, features: base", "  b: {use: lightgbm, features: [base, more]"))
    assert toy.ran() == ["column shade", *fits("b"), *END]


def test_a_moved_file_is_the_same_file(toy):
    toy.run()
    (toy.folder / "data").mkdir()
    shutil.move(toy.folder / "train.csv", toy.folder / "data" / "learn.csv")
    toy.edit(("train: train.csv", "train: data/learn.csv"))
    assert toy.run().stages == counts(0, 14)


def test_the_recipe_may_be_moved_with_its_data(toy):
    toy.run()
    elsewhere = toy.folder / "elsewhere"
    elsewhere.mkdir()
    for name in ("train.csv", "test.csv", "r.yaml"):
        shutil.move(toy.folder / name, elsewhere / name)
    assert toy.run(recipe="elsewhere/r.yaml").stages == counts(0, 14)


def test_data_count_by_what_is_used_of_them(toy):
    toy.edit(("[numeric, category]", "[{use: numeric, columns: [x1, x2]}, category]"))
    toy.run()
    test = pl.read_csv(toy.folder / "test.csv")
    test.with_columns(x3=pl.col("x3") + 1).write_csv(toy.folder / "test.csv")
    assert toy.run().stages == counts(2, 12)  # table and rows; no feature takes x3
    test.with_columns(id=pl.col("id") + 1).write_csv(toy.folder / "test.csv")
    assert toy.run().stages == counts(3, 11)  # and the submission
    test.with_columns(x2=pl.col("x2") + 1).write_csv(toy.folder / "test.csv")
    assert toy.run().stages == counts(13, 1)  # all but the folds


def test_set_equals_editing(toy):
    sets = [
        "--set",
        "models.a.params.n_estimators=6",
        "--set",
        "models.b={use: lightgbm, stop: fixed, params: {n_estimators: 4}}",
    ]
    first = toy.run(*sets)
    toy.edit(("n_estimators: 5", "n_estimators: 6"), ("n_estimators: 8", "n_estimators: 4"))
    again = toy.run()
    assert again.stages == counts(0, 14)
    assert again.json["submission"] == first.json["submission"]


def test_only_fits_the_models_it_names(toy):
    done = toy.run("--only", "a")
    assert list(done.json["models"]) == ["a"]
    assert done.json["blends"] == {}
    assert done.json["submission"] is None
    assert done.stages["run"] == 7
    assert done.stages["failed"] == 0
    state = {s["name"]: s["state"] for s in toy.plan("--only", "a")}
    assert {state[name] for name in fits("a")} == {"reuse"}
    assert {state[name] for name in (*fits("b"), *END)} == {"blocked"}
    assert toy.ran() == [*fits("b"), *END]
    # Everything is there now: --only has nothing to leave out.
    assert toy.run("--only", "a").json["submission"] is not None


def test_kept_models_lie_beside_the_oof_and_predict_the_same(toy):
    toy.edit(("[numeric, category]", "[numeric]"))
    plain = toy.run()
    kept = toy.run("--keep-models")
    # The models were not kept before, so they are fitted once more, to the same predictions.
    assert kept.json["submission"] == plain.json["submission"]
    assert kept.stages["run"] == 6
    assert toy.run("--keep-models").stages["run"] == 0
    frame = toy.oof("a")
    x = pl.read_csv(toy.folder / "train.csv").select("x1", "x2", "x3").to_numpy().astype(np.float32)
    for fold in range(3):
        held = (frame["fold"] == fold).to_numpy()
        model = registry.load("models", "lightgbm").load(toy.root / "oof/r/a/models" / f"fold{fold}-seed0")
        ones = np.ones(held.sum())
        pred = model.predict(Design((Block(("x1", "x2", "x3"), x[held]),), None, ones, ones))
        np.testing.assert_array_equal(pred.mean[:, 0], frame["pred"].to_numpy()[held])


def test_a_run_without_keep_models_leaves_kept_models_where_they_are(toy):
    toy.run("--keep-models")
    assert toy.run().stages["run"] == 0
    assert (toy.root / "oof/r/a/models/fold0-seed0").is_dir()


def test_a_former_result_moves_to_history(toy):
    toy.run()
    former, bytes_ = toy.card("a"), (toy.root / "oof/r/a/oof.parquet").read_bytes()
    same = toy.card("b")
    toy.edit(("n_estimators: 5", "n_estimators: 6"))
    toy.run()
    history = toy.root / "oof" / "r" / "_history"
    assert f"a@{former['key'][:8]}" in {p.name for p in history.iterdir()}
    assert not [p.name for p in history.iterdir() if p.name.startswith("b@")]
    kept = history / f"a@{former['key'][:8]}"
    assert json.loads((kept / "card.json").read_text()) == former
    assert (kept / "oof.parquet").read_bytes() == bytes_
    assert {p.name for p in kept.iterdir()} == {
        *("oof.parquet", "test.parquet", "test_folds.parquet", "folds.parquet", "card.json")
    }
    assert toy.card("b") == same
    assert toy.card("a")["key"] != former["key"]


def test_submissions_are_numbered_and_never_written_twice(toy):
    one = toy.run()
    toy.edit(("n_estimators: 5", "n_estimators: 6"))
    two = toy.run()
    toy.write()
    three = toy.run()
    assert three.json["submission"] == one.json["submission"]
    names = sorted(p.name for p in (toy.root / "submissions").iterdir())
    assert names == ["0001-r.csv", "0001-r.json", "0002-r.csv", "0002-r.json"]
    assert two.json["submission"].endswith("0002-r.csv")
    # A gap is not filled, and what a person put there counts.
    (toy.root / "submissions" / "0007-mine.csv").write_text("id,y\n")
    toy.edit(("n_estimators: 5", "n_estimators: 7"))
    assert toy.run().json["submission"].endswith("0008-r.csv")


def test_the_note_of_a_submission_says_what_it_is_made_of(toy):
    done = toy.run()
    note = json.loads((toy.root / "submissions" / "0001-r.json").read_text())
    assert note["recipe"] == "r"
    assert note["from"] == "final"
    assert note["sources"] == {name: toy.card(name)["key"] for name in ("a", "b", "mix", "final")}
    assert note["scores"]["a"] == done.json["models"]["a"]["score"]
    assert note["resolved"]["models"]["a"]["params"] == {"n_estimators": 5}
    assert note["truncated"] is False


def test_why_names_the_ingredient_that_changed(toy):
    toy.run()
    toy.edit(("n_estimators: 5", "n_estimators: 6"))
    done = toy.kit("why", str(toy.folder / "r.yaml"), "--json")
    because = {s["name"]: s["because"] for s in done.json["stages"]}
    assert list(because) == [*fits("a"), *END]
    assert because["fit a fold 0 seed 0"] == ["model.params.n_estimators: 5 -> 6"]


def test_gc_keeps_what_the_last_run_of_each_recipe_uses(toy):
    toy.run()
    toy.edit(("n_estimators: 5", "n_estimators: 6"))
    toy.run()
    dry = toy.kit("gc", "--dry-run", "--json").json
    assert dry["objects"] == 7
    assert "vectors" not in toy.kit("gc", "--dry-run").out
    vectors = toy.root / ".kit" / "embeddings" / "model" / "way" / "segment" / "vectors.npy"
    vectors.parent.mkdir(parents=True)
    vectors.write_bytes(bytes(2_000_000))
    assert "kept 2.0 MB of vectors of texts" in toy.kit("gc", "--dry-run").out
    done = toy.kit("gc", "--json").json
    assert (done["objects"], done["embeddings"], vectors.is_file()) == (7, 2_000_000, True)
    assert toy.run().stages == counts(0, 14)
    toy.write()
    assert toy.run().stages == counts(7, 7)
