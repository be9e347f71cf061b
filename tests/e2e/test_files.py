"""The files people keep: oof.parquet, test.parquet, folds.parquet, card.json, and what a sample makes of a submission."""

from __future__ import annotations

import io
import json

import numpy as np
import polars as pl
import pytest

MODEL = "models: {m: {use: lightgbm, params: {n_estimators: 5}, stop: fixed}}\n"
TWO = (
    "data: {train: train.csv, test: test.csv, id: id, target: y%s}\nmetric: %s\nsplit: {folds: 3, use: kfold}\n" + MODEL
)

CARD = {
    *("format", "recipe", "model", "params", "metric", "score", "fold_scores", "curves", "best_steps", "importances"),
    *("folds_key", "y_digest", "seconds", "threads", "versions"),
}


def labelled(toy, labels: list[str], ids: list[str] | None = None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Write train and test with the classes `labels` by thirds (or halves) of the former y; return both."""
    frames = {name: pl.read_csv(toy.folder / f"{name}.csv") for name in ("train", "test")}
    y = frames["train"]["y"].to_numpy()
    cuts = np.quantile(y, np.arange(1, len(labels)) / len(labels))
    made = np.array(labels)[np.searchsorted(cuts, y)]
    frames["train"] = frames["train"].with_columns(y=pl.Series(made))
    if ids is not None:
        frames = {k: f.with_columns(id=pl.Series([f"{i:05d}" for i in f["id"]])) for k, f in frames.items()}
    for name, frame in frames.items():
        frame.write_csv(toy.folder / f"{name}.csv")
    return frames["train"], frames["test"]


def submission(done) -> pl.DataFrame:
    return pl.read_csv(io.BytesIO(done.submitted), infer_schema=False)


def sample(toy, frame: pl.DataFrame, name: str = "sample.csv") -> None:
    frame.write_csv(toy.folder / name)


# -- files


def test_files_of_a_regression(toy):
    value = toy.run().json
    train, test = pl.read_csv(toy.folder / "train.csv"), pl.read_csv(toy.folder / "test.csv")
    for name in ("a", "mix", "final"):
        frame = toy.oof(name)
        assert frame.columns == ["id", "fold", "y", "pred"]
        assert frame["id"].to_list() == train["id"].to_list()
        assert frame["y"].to_list() == train["y"].to_list()
        assert frame["fold"].value_counts().sort("fold")["count"].to_list() == [40, 40, 40]
        assert frame.null_count().sum_horizontal().item() == 0
        score = float(np.sqrt(((frame["y"] - frame["pred"].cast(pl.Float64)) ** 2).mean()))
        listed = {**value["models"], **value["blends"]}[name]
        assert listed["score"] == pytest.approx(score, rel=1e-6)
        per_fold = [
            float(np.sqrt(((f["y"] - f["pred"].cast(pl.Float64)) ** 2).mean()))
            for f in frame.partition_by("fold", maintain_order=False)
        ]
        assert sorted(listed["fold_scores"]) == pytest.approx(sorted(per_fold), rel=1e-6)
        assert toy.oof(name, "folds").equals(frame.select("id", "fold"))
        made = toy.oof(name, "test")
        assert made.columns == ["id", "pred"]
        assert made["id"].to_list() == test["id"].to_list()
    np.testing.assert_allclose(toy.oof("mix")["pred"], (toy.oof("a")["pred"] + toy.oof("b")["pred"]) / 2, rtol=1e-5)
    lines = submission(toy.run())
    assert lines.columns == ["id", "y"]
    np.testing.assert_allclose(lines["y"].cast(pl.Float64), toy.oof("final", "test")["pred"], rtol=1e-6)


def test_the_card(toy):
    done = toy.run()
    card = toy.card("a")
    assert set(card) >= CARD
    assert card["format"] == 1
    assert (card["recipe"], card["model"], card["metric"]) == ("r", "a", "rmse")
    assert card["score"] == done.json["models"]["a"]["score"]
    assert card["fold_scores"] == done.json["models"]["a"]["fold_scores"]
    assert card["params"]["n_estimators"] == 5
    assert card["params"]["max_bin"] == 255
    assert card["best_steps"] == [5, 5, 5]
    assert len(card["curves"]) == 3
    assert set(card["importances"]) == {"gain", "permutation"}
    assert set(card["importances"]["gain"]) == {"x1", "x2", "x3", "c"}
    assert max(card["importances"]["gain"], key=card["importances"]["gain"].get) == "x1"
    assert set(card["versions"]) >= {"lightgbm"}
    assert card["threads"] == 1
    blend = toy.card("mix")
    assert set(blend) >= CARD - {"curves", "best_steps", "importances", "threads"}
    assert blend["weights"] == {"a": 0.5, "b": 0.5}
    assert blend["folds_key"] == card["folds_key"]
    assert blend["y_digest"] == card["y_digest"]


def test_curves_and_best_steps_of_stopped_models(toy):
    toy.edit(("{n_estimators: 5}, stop: fixed", "{n_estimators: 30, patience: 5}, stop: cut"))
    toy.run()
    card = toy.card("a")
    assert [len(c) >= s >= 1 for c, s in zip(card["curves"], card["best_steps"], strict=True)] == [True] * 3
    assert card["best_steps"] == [int(np.argmin(c)) + 1 for c in card["curves"]]


def test_std_is_there_where_a_model_has_one(toy):
    toy.edit(
        ("  b: {use: lightgbm, features: base, params: {n_estimators: 8}, stop: fixed}",
         "  b: {use: hetero_mlp, features: base, params: {epochs: 2, members: 1, width: 8}, stop: fixed}"),
    )  # fmt: skip
    toy.run()
    frame = toy.oof("b")
    assert frame.columns == ["id", "fold", "y", "pred", "std"]
    assert (frame["std"] > 0).all()
    assert toy.oof("b", "test").columns == ["id", "pred", "std"]
    assert "std" not in toy.oof("a").columns


def test_files_of_a_binary_task_with_text_labels(toy):
    train, _ = labelled(toy, ["no", "yes"])
    toy.write(TWO % ("", "auc"))
    done = toy.run()
    frame = toy.oof("m")
    assert frame.columns == ["id", "fold", "y", "pred"]
    assert frame["y"].to_list() == train["y"].to_list()
    # P(positive) where the positive class is the last of the sorted labels.
    assert frame.filter(pl.col("y") == "yes")["pred"].mean() > frame.filter(pl.col("y") == "no")["pred"].mean()
    assert toy.oof("m", "test").columns == ["id", "pred"]
    other = toy.write((TWO % ("", "auc")) + "positive: no\n")
    turned = toy.run(recipe=other.name)
    flipped = toy.oof("m")
    assert flipped.filter(pl.col("y") == "no")["pred"].mean() > flipped.filter(pl.col("y") == "yes")["pred"].mean()
    assert turned.json["models"]["m"]["score"] == pytest.approx(done.json["models"]["m"]["score"], abs=0.02)
    np.testing.assert_allclose(1 - flipped["pred"], frame["pred"], atol=1e-6)


def test_files_of_a_multiclass_task(toy):
    train, _ = labelled(toy, ["low", "mid", "high"])
    toy.write(TWO % ("", "logloss"))
    done = toy.run()
    frame = toy.oof("m")
    assert frame.columns == ["id", "fold", "y", "pred_high", "pred_low", "pred_mid"]
    assert frame["y"].to_list() == train["y"].to_list()
    total = frame.select(pl.sum_horizontal("pred_high", "pred_low", "pred_mid")).to_series()
    np.testing.assert_allclose(total, 1, atol=1e-5)
    own = [row[f"pred_{row['y']}"] for row in frame.iter_rows(named=True)]
    assert done.json["models"]["m"]["score"] == pytest.approx(-np.log(own).mean(), rel=1e-5)
    assert toy.oof("m", "test").columns == ["id", "pred_high", "pred_low", "pred_mid"]
    assert toy.card("m")["classes"] == ["high", "low", "mid"]
    assert submission(done).columns == ["id", "y_high", "y_low", "y_mid"]


def test_integer_classes_are_sorted_as_numbers(toy):
    train, _ = labelled(toy, ["2", "10", "9"])
    toy.write(TWO % ("", "logloss"))
    toy.run()
    frame = toy.oof("m")
    assert frame.columns == ["id", "fold", "y", "pred_2", "pred_9", "pred_10"]
    assert frame["y"].to_list() == train["y"].cast(pl.Int64).to_list()


def test_without_an_id_rows_are_numbered(toy):
    toy.edit((", id: id", ", drop: [id]"))
    toy.run()
    frame = toy.oof("a")
    assert frame.columns == ["row", "fold", "y", "pred"]
    assert frame["row"].to_list() == list(range(120))
    assert submission(toy.run()).columns == ["row", "y"]


def test_repeats_are_averaged_per_row_before_scoring(toy):
    toy.edit(("folds: 3", "folds: 3, repeats: 2"))
    done = toy.run()
    frame = toy.oof("a")
    assert frame.columns == ["id", "repeat", "fold", "y", "pred"]
    assert len(frame) == 240
    assert frame["repeat"].to_list() == [0] * 120 + [1] * 120
    assert len(done.json["models"]["a"]["fold_scores"]) == 6
    pooled = frame.group_by("id", maintain_order=True).agg(pl.col("y").first(), pl.col("pred").cast(pl.Float64).mean())
    score = float(np.sqrt(((pooled["y"] - pooled["pred"]) ** 2).mean()))
    assert done.json["models"]["a"]["score"] == pytest.approx(score, rel=1e-6)
    first = frame.filter((pl.col("repeat") == 1) & (pl.col("fold") == 0))
    rmse = float(np.sqrt(((first["y"] - first["pred"]) ** 2).mean()))
    assert done.json["models"]["a"]["fold_scores"][3] == pytest.approx(rmse, rel=1e-5)


def test_rows_that_are_never_held(toy):
    """Fold -1 of a column: no prediction, no part in the score; the column is no feature and may be absent from test."""
    train = pl.read_csv(toy.folder / "train.csv")
    fold = np.arange(120) % 4 - 1
    train.with_columns(part=pl.Series(fold)).write_csv(toy.folder / "train.csv")
    toy.edit(("{use: kfold, folds: 3}", "{use: column, column: part}"))
    done = toy.run()
    frame = toy.oof("a")
    assert frame["fold"].to_list() == fold.tolist()
    never = frame.filter(pl.col("fold") == -1)
    assert never["pred"].null_count() == len(never) == 30
    held = frame.filter(pl.col("fold") >= 0)
    assert held["pred"].null_count() == 0
    score = float(np.sqrt(((held["y"] - held["pred"].cast(pl.Float64)) ** 2).mean()))
    assert done.json["models"]["a"]["score"] == pytest.approx(score, rel=1e-6)
    assert set(toy.card("a")["importances"]["gain"]) == {"x1", "x2", "x3", "c"}
    assert toy.oof("mix")["pred"].null_count() == 30


def test_a_time_split_has_a_warm_up(toy):
    train = pl.read_csv(toy.folder / "train.csv")
    train.with_columns(day=pl.Series(range(120))).write_csv(toy.folder / "train.csv")
    toy.edit(("{use: kfold, folds: 3}", "{use: time, folds: 3, time: day, gap: 2}"))
    toy.run()
    frame = toy.oof("a")
    assert frame["fold"].to_list() == [-1] * 30 + [0] * 30 + [1] * 30 + [2] * 30


def test_columns_with_a_role_are_no_features(toy):
    train = pl.read_csv(toy.folder / "train.csv")
    train.with_columns(g=pl.Series(np.arange(120) // 6), w=pl.Series(np.arange(120) % 3 + 1.0)).write_csv(
        toy.folder / "train.csv"
    )
    toy.edit(("target: y", "target: y, groups: g, weight: w, drop: [x3]"), ("use: kfold", "use: group"))
    done = toy.run()
    frame = toy.oof("a")
    assert set(toy.card("a")["importances"]["gain"]) == {"x1", "x2", "c"}
    assert frame.group_by(pl.Series("g", np.arange(120) // 6)).agg(pl.col("fold").n_unique())["fold"].max() == 1
    w = np.arange(120) % 3 + 1.0
    error = (frame["y"] - frame["pred"].cast(pl.Float64)).to_numpy() ** 2
    assert done.json["models"]["a"]["score"] == pytest.approx(float(np.sqrt((error * w).sum() / w.sum())), rel=1e-6)


# -- the sample decides


def test_the_sample_decides_columns_order_and_name_of_the_target(toy):
    ids = np.random.default_rng(0).permutation(np.arange(5000, 5040))
    sample(toy, pl.DataFrame({"id": ids, "prediction": 0.0}))
    toy.edit(("target: y", "target: y, sample: sample.csv"))
    lines = submission(toy.run())
    assert lines.columns == ["id", "prediction"]
    assert lines["id"].cast(pl.Int64).to_list() == ids.tolist()
    made = dict(toy.oof("final", "test").select("id", "pred").iter_rows())
    np.testing.assert_allclose(lines["prediction"].cast(pl.Float64), [made[i] for i in ids], rtol=1e-6)


def test_class_columns_of_a_sample_may_end_in_the_class(toy):
    _, test = labelled(toy, ["C", "CL", "D"])
    sample(toy, pl.DataFrame({"id": test["id"], "Status_D": 0.3, "Status_C": 0.3, "Status_CL": 0.4}))
    toy.write(TWO % (", sample: sample.csv", "logloss"))
    lines = submission(toy.run())
    assert lines.columns == ["id", "Status_D", "Status_C", "Status_CL"]
    made = toy.oof("m", "test")
    for label in ("C", "CL", "D"):
        np.testing.assert_allclose(lines[f"Status_{label}"].cast(pl.Float64), made[f"pred_{label}"], rtol=1e-5)


def test_a_metric_of_labels_submits_labels_in_the_spelling_of_the_sample(toy):
    _, test = labelled(toy, ["False", "True"])
    for style in ("TRUE", "True", "true"):
        other = {"TRUE": "FALSE", "True": "False", "true": "false"}[style]
        sample(toy, pl.DataFrame({"id": test["id"], "y": [other] * 40}))
        toy.write(TWO % (", sample: sample.csv", "accuracy"))
        lines = submission(toy.run())
        assert set(lines["y"]) == {style, other}
        made = toy.oof("m", "test")
        assert (lines["y"] == style).to_list() == (made["pred"] >= 0.5).to_list()


def test_text_labels_are_submitted_as_the_training_data_spell_them(toy):
    _, test = labelled(toy, ["low", "mid", "high"])
    sample(toy, pl.DataFrame({"id": test["id"], "answer": "low"}))
    toy.write(TWO % (", sample: sample.csv", "accuracy"))
    lines = submission(toy.run())
    assert lines.columns == ["id", "answer"]
    assert set(lines["answer"]) <= {"low", "mid", "high"}
    made = toy.oof("m", "test")
    best = made.select("pred_high", "pred_low", "pred_mid").to_numpy().argmax(axis=1)
    assert lines["answer"].to_list() == [("high", "low", "mid")[i] for i in best]


def test_a_metric_of_probabilities_submits_the_positive_class(toy):
    _, test = labelled(toy, ["no", "yes"])
    sample(toy, pl.DataFrame({"id": test["id"], "y": 0.5}))
    toy.write(TWO % (", sample: sample.csv", "logloss"))
    lines = submission(toy.run())
    np.testing.assert_allclose(lines["y"].cast(pl.Float64), toy.oof("m", "test")["pred"], rtol=1e-6)


def test_two_columns_for_two_classes(toy):
    _, test = labelled(toy, ["no", "yes"])
    sample(toy, pl.DataFrame({"id": test["id"], "yes": 0.5, "no": 0.5}))
    toy.write(TWO % (", sample: sample.csv", "logloss"))
    lines = submission(toy.run())
    assert lines.columns == ["id", "yes", "no"]
    made = toy.oof("m", "test")["pred"]
    np.testing.assert_allclose(lines["yes"].cast(pl.Float64), made, rtol=1e-6)
    np.testing.assert_allclose(lines["no"].cast(pl.Float64), 1 - made, rtol=1e-4, atol=1e-6)


def test_ids_keep_their_leading_zeros(toy):
    train, test = labelled(toy, ["no", "yes"], ids=["%05d"])
    shuffled = test.sample(fraction=1, shuffle=True, seed=3)
    sample(toy, pl.DataFrame({"id": shuffled["id"], "y": 0.5}))
    toy.write(TWO % (", sample: sample.csv", "logloss"))
    lines = submission(toy.run())
    assert lines["id"].to_list() == shuffled["id"].to_list()
    assert lines["id"][0].startswith("0")
    assert toy.oof("m")["id"].to_list() == train["id"].to_list()
    toy.write(TWO % ("", "logloss"))
    assert submission(toy.run())["id"].to_list() == test["id"].to_list()


@pytest.mark.parametrize(
    ("ids", "names"),
    [
        (range(5000, 5039), ["5039"]),
        (range(5000, 5041), ["5040"]),
        ([*range(5000, 5039), 5000], ["5039"]),
        (range(6000, 6040), ["6000", "5000"]),
    ],
)
def test_ids_that_differ_are_refused_by_name(toy, ids, names):
    sample(toy, pl.DataFrame({"id": list(ids), "y": 0.0}))
    toy.edit(("target: y", "target: y, sample: sample.csv"))
    done = toy.run(ends=2)
    error = done.json["error"]
    assert error["rule"] == "the ids of sample and test differ"
    assert "sample.csv" in error["place"]
    for name in names:
        assert name in error["got"]
    assert not list(toy.root.glob("oof/*"))


def test_a_sample_of_other_columns_is_refused(toy):
    _, test = labelled(toy, ["low", "mid", "high"])
    sample(toy, pl.DataFrame({"id": test["id"], "low": 0.3, "mid": 0.3, "hihg": 0.4}))
    toy.write(TWO % (", sample: sample.csv", "logloss"))
    error = toy.run(ends=2).json["error"]
    assert error["place"].endswith("column hihg")
    assert "'high'" in error["next"]
    sample(toy, pl.DataFrame({"id": test["id"], "y": "low"}))  # asks for labels, not for probabilities
    assert "accuracy" in toy.run(ends=2).json["error"]["next"]
    sample(toy, pl.DataFrame({"id": test["id"], "low": 0.3, "mid": 0.3}))
    assert "each class once" in toy.run(ends=2).json["error"]["rule"]
    sample(toy, pl.DataFrame({"key": test["id"] + 1, "low": 0.3, "mid": 0.3, "high": 0.3}))
    assert "lacks the id column" in toy.run(ends=2).json["error"]["rule"]


def test_a_rounded_blend_submits_whole_numbers(toy):
    toy.edit(("{use: clip, from: mix, low: -3, high: 3}", "{use: round, from: mix, step: 0.5}"))
    lines = submission(toy.run())
    values = lines["y"].cast(pl.Float64).to_numpy()
    np.testing.assert_array_equal(values * 2, np.round(values * 2))


def test_cards_are_json_that_every_reader_takes(toy):
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    toy.run()
    for path in toy.root.glob("oof/r/*/card.json"):
        assert json.loads(path.read_text(), parse_constant=refuse)


def test_a_score_that_cannot_be_told_says_why(toy):
    toy.edit(("metric: rmse", "metric: rmse\nalso: [mae, crps]"))
    done = toy.kit("run", str(toy.folder / "r.yaml"))
    assert done.code == 0
    card = toy.card("a")
    assert card["also"]["crps"] is None and card["also"]["mae"] > 0
    assert "with std" in card["unscored"]["crps"]
    assert "no crps for a, b, mix, final: crps needs a prediction with std" in done.out
    assert done.out.splitlines()[0].split()[:3] == ["rmse", "mae", "crps"]


@pytest.mark.parametrize(
    ("change", "rule", "line"),
    [
        (("metric: rmse", "metric: rmsle"), "rmsle needs a target of at least 0", "metric: rmsle"),
        (("metric: rmse", "metric: qwk"), "qwk decides whole numbers, and the target has others", "metric: qwk"),
        (("stop: fixed}", "stop: fixed, target_transform: log1p}"), "log1p needs a target above -1", "a: {"),
    ],
)
def test_a_target_that_cannot_be_scored_or_encoded_is_told_before_any_fit(toy, change, rule, line):
    toy.edit(change)
    done = toy.kit("check", str(toy.folder / "r.yaml"))
    assert done.code == 2 and rule in done.err and line in done.err, done.err


def test_a_target_that_the_logarithm_of_the_metric_cannot_take_is_learnt_as_it_is(toy):
    """Of mape, whose models learn log(1 + y), a target of -1 and below is no fault; the metric has a score for it."""
    toy.edit(("metric: rmse", "metric: mape"))
    told = toy.kit("check", str(toy.folder / "r.yaml"))
    assert told.code == 0 and "models learn the target itself, not its logarithm as mostly under mape" in told.out
    toy.run()
    oof = toy.oof("a").filter(pl.col("fold") >= 0)
    y, pred = oof["y"].to_numpy(), oof["pred"].to_numpy()
    assert y.min() < -1
    np.testing.assert_allclose(toy.card("a")["score"], np.mean(np.abs(pred - y)[y != 0] / np.abs(y[y != 0])), rtol=1e-6)
    worst = toy.kit("errors", "r:a", "--json").json["worst"][0]
    np.testing.assert_allclose(worst["loss"], abs(worst["pred"] - worst["y"]), rtol=1e-6)


def test_names_that_polars_or_results_use_otherwise(toy):
    """A target named like a pattern; an id named like a column of the results is refused, renamed it runs."""
    for part, renamed in (("train", {"y": "^a$", "id": "pred"}), ("test", {"id": "pred"})):
        pl.read_csv(toy.folder / f"{part}.csv").rename(renamed).write_csv(toy.folder / f"{part}.csv")
    toy.edit(("id: id, target: y", "id: pred, target: ^a$"))
    done = toy.kit("run", str(toy.folder / "r.yaml"))
    assert done.code == 2 and "r.yaml:1" in done.err and "rename: {pred: row_id}, id: row_id" in done.err
    toy.edit(("id: id, target: y", "id: row_id, target: ^a$, rename: {pred: row_id}"))
    toy.run()
    assert toy.oof("final").columns == ["row_id", "fold", "y", "pred"]


def test_a_test_file_that_has_the_target_is_told_of(toy, caplog):
    """It was left out without a word: a person may have taken the wrong file, or have truths to learn from."""
    path = toy.folder / "test.csv"
    frame = pl.read_csv(path).with_columns(y=pl.when(pl.col("id") > pl.col("id").median()).then(1.0))
    without = toy.run().submitted
    frame.write_csv(path)
    told = f"the test file has the target as well, in {frame['y'].count()} of {len(frame)} rows: it is left out there"
    assert 0 < frame["y"].count() < len(frame)
    assert toy.run().submitted == without
    assert [r.message for r in caplog.records if "has the target as well" in r.message] == [f"y: {told}, as if unknown"]
    assert told in toy.kit("check", str(toy.folder / "r.yaml")).out.replace("\n", " ").replace("  ", " ")
    frame.with_columns(y=None).write_csv(path)
    assert "has the target" not in toy.kit("check", str(toy.folder / "r.yaml")).out
