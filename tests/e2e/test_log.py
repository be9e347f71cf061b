"""log, lb add, ls --compare and errors, on the results of real runs."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import nullcontext

import numpy as np
import polars as pl
import pytest

import kit
from kit import ledger, logbook
from kit.errors import DataError


def submitted(toy, *sources: str) -> list[str]:
    """Submit each of these models or blends; return the paths."""
    return [toy.run("--set", f"submit.from={s}").json["submission"] for s in sources]


# -- log and lb add


def test_the_log_of_nothing(toy):
    assert toy.kit("log", "--json").json == {"submissions": [], "boards": {}}
    assert "no submissions yet" in toy.kit("log").out


def test_the_log_says_what_a_submission_is_made_of(toy):
    toy.run()
    (line,) = toy.kit("log", "--json").json["submissions"]
    assert (line["number"], line["file"], line["recipe"], line["from"]) == ("0001", "0001-r.csv", "r", "final")
    assert line["models"] == {"a": 0.5, "b": 0.5}
    assert line["cv"] == toy.card("final")["score"]
    assert (line["nested"], line["public"], line["private"]) == (None, None, None)
    shown = toy.kit("log").out
    assert "a 0.50 b 0.50" in shown
    assert "final" in shown


def test_scores_are_written_down_and_corrected(toy):
    submitted(toy, "final", "a")
    done = toy.kit("lb", "add", "0002", "0.510", "--json")
    assert done.json["public"] == 0.51
    toy.kit("lb", "add", "2", "0.47", "--board", "private", "--note", "late")
    toy.kit("lb", "add", "submissions/0002-r.csv", "0.52")
    again = toy.kit("lb", "add", "0002", "0.52")
    assert again.code == 0
    lines = ledger.read(toy.root / "submissions")
    assert [(n.number, n.event, n.board, n.score) for n in lines] == [
        (1, "submitted", "", ""),
        (2, "submitted", "", ""),
        (2, "score", "public", "0.510"),
        (2, "score", "private", "0.47"),
        (2, "score", "public", "0.52"),
    ]
    one, two = toy.kit("log", "--json").json["submissions"]
    assert (one["public"], one["private"]) == (None, None)
    assert (two["public"], two["private"]) == (0.52, 0.47)
    submitted(toy, "b")
    assert ledger.read(toy.root / "submissions")[-1].file == "0003-r.csv"


def test_a_submission_made_elsewhere_gets_a_number(toy, tmp_path):
    toy.run()
    other = tmp_path / "mate.csv"
    other.write_text("id,y\n1,2\n")
    done = toy.kit("lb", "add", str(other), "0.6", "--json")
    assert (done.json["number"], done.json["file"], done.json["from"]) == ("0002", "0002-mate.csv", "mate.csv")
    assert (toy.root / "submissions" / "0002-mate.csv").read_bytes() == other.read_bytes()
    assert toy.kit("lb", "add", str(other), "0.61", "--json").json["number"] == "0002"


@pytest.mark.parametrize(
    ("args", "rule"),
    [
        (("0009", "0.5"), "no such submission"),
        (("first", "0.5"), "no number"),
        (("0001", "high"), "must be a number"),
        (("0001", "nan"), "must be a number"),
        (("0001", "-0.5"), "rmse has no such score"),
        (("0001", "0.5", "--board", "secret"), "unknown board"),
    ],
)
def test_what_cannot_be_written_down(toy, args, rule):
    toy.run()
    done = toy.kit("lb", "add", *args, "--json")
    assert done.code == 2
    assert rule in done.json["error"]["rule"]
    assert not (toy.root / "submissions" / ledger.NAME).exists()


@pytest.mark.parametrize(
    ("metric", "text", "allowed"),
    [
        ("rmse", "-0.5", "at least 0"),
        ("auc", "1.01", "0 to 1"),
        ("map@3", "1.5", "0 to 1"),
        ("r2", "1.2", "at most 1"),
        ("r2", "-3", ""),
        ("nll", "-7", ""),
        ("auc", "1", ""),
        ("metric.py", "-9", ""),
        (None, "-9", ""),
    ],
)
def test_a_score_is_one_that_its_metric_can_have(metric, text, allowed):
    """A minus or a digit too much stood in the ledger, and what was told of the board went by it."""
    with nullcontext() if not allowed else pytest.raises(DataError, match="has no such score") as error:
        logbook._check_range(metric, text)
    assert not allowed or error.value.problems[0].allowed == allowed


def test_a_number_is_never_given_twice_and_a_lost_file_comes_back_under_its_own(toy):
    _, second = submitted(toy, "final", "a")
    toy.kit("lb", "add", "2", "0.5")
    for path in (toy.root / "submissions").glob("0002-*"):
        path.unlink()
    lines = toy.kit("log", "--json").json["submissions"]
    assert [(n["number"], n["file"], n["public"]) for n in lines] == [("0001", "0001-r.csv", None), ("0002", None, 0.5)]
    assert submitted(toy, "b")[0].endswith("0003-r.csv")
    assert submitted(toy, "a") == [second]
    assert len(ledger.read(toy.root / "submissions")) == 4


def test_the_board_stands_to_cv_as_noise_lets_it(toy):
    submitted(toy, "final", "a", "b")
    for number, line in enumerate(toy.kit("log", "--json").json["submissions"], 1):
        toy.kit("lb", "add", str(number), f"{line['cv'] + 0.01:.4f}")
    fit = kit.log(toy.root)["boards"]["public"]
    assert (fit["n"], fit["submissions"]) == (3, ["0001", "0002", "0003"])
    assert fit["level"] == pytest.approx(0.01, abs=3e-3)
    assert fit["level_se"] > 0.01
    assert fit["p_pattern"] > 0.05
    assert fit["verdict"] == "noise explains what differs"
    few, many = (kit.log(toy.root, share=share)["boards"]["public"]["level_se"] for share in (0.1, 0.9))
    assert few > many
    toy.kit("lb", "add", "2", "9.0")
    assert "more than noise" in toy.kit("log").out
    shutil.rmtree(toy.root / "oof")
    assert "OOFs of these submissions are gone" in toy.kit("log").out


def test_damaged_notes_are_named(toy):
    """Also those of another form than kit writes: they ended in a traceback, of whatever was read of them first."""
    toy.run()
    path = toy.root / "submissions" / "0001-r.json"
    good = json.loads(path.read_text("utf-8"))
    forms = {"all of it": "words", "score": {"score": "0.5"}, "models": {"models": ["a"]}, "task.kind": {"task": {}}}
    forms["layout"] = {"layout": {**good["layout"], "id_at": 9}}
    texts = {"": "{"} | {at: json.dumps({**good, **v} if isinstance(v, dict) else v) for at, v in forms.items()}
    for at, text in texts.items():
        path.write_text(text)
        done = toy.kit("log", "--json")
        assert done.code == 2
        assert "0001-r.json" in done.json["error"]["place"]
        assert done.json["error"]["got"].startswith(at)


# -- compare


def test_models_side_by_side(toy):
    toy.run()
    (found,) = toy.kit("ls", "--compare", "--json").json["results"]
    assert (found["recipe"], found["metric"], found["apart"]) == ("r", "rmse", [])
    lines = found["results"]
    assert {line["name"] for line in lines} == {"r:a", "r:b", "r:mix", "r:final"}
    assert [line["score"] for line in lines] == sorted(line["score"] for line in lines)
    best = lines[0]
    assert (best["behind"], best["behind_se"], best["noise"], best["correlation"]) == (0, 0, False, pytest.approx(1))
    for line in lines:
        card = toy.card(line["name"].partition(":")[2])
        assert line["score"] == pytest.approx(card["score"], rel=1e-6)
        assert line["behind"] == pytest.approx(line["score"] - best["score"])
        assert 0 <= line["behind_se"] < line["se"]
    a, b = (toy.oof(name) for name in ("a", "b"))
    real = np.corrcoef(a["y"] - a["pred"], b["y"] - b["pred"])[0, 1]
    place = [line["name"] for line in lines]
    assert found["correlation"][place.index("r:a")][place.index("r:b")] == pytest.approx(real)
    shown = toy.kit("ls", "--compare", "r.yaml").out
    assert "best" in shown and " -0 " not in shown
    assert toy.kit("ls").out == toy.kit("ls", "r").out != toy.kit("ls", "r", "--compare").out
    lost = toy.kit("ls", "rr")
    assert lost.code == 2 and "did you mean 'r'?" in lost.err


def test_results_of_other_rows_stand_apart(toy):
    toy.run()
    frame = toy.oof("b")
    frame.head(100).write_parquet(toy.root / "oof" / "r" / "b" / "oof.parquet")
    (found,) = kit.ls(toy.root, compare=True)
    assert [line["name"] for line in found["apart"]] == ["r:b"]
    assert "other rows" in found["apart"][0]["why"]
    frame.with_columns(y=pl.col("y") + 1).write_parquet(toy.root / "oof" / "r" / "b" / "oof.parquet")
    assert "another target" in kit.ls(toy.root, compare=True)[0]["apart"][0]["why"]


def test_rows_are_matched_by_id(toy):
    toy.run()
    before = kit.ls(toy.root, compare=True)
    path = toy.root / "oof" / "r" / "b" / "oof.parquet"
    pl.read_parquet(path).sample(fraction=1, shuffle=True, seed=1).write_parquet(path)
    after = kit.ls(toy.root, compare=True)
    np.testing.assert_allclose(after[0]["correlation"], before[0]["correlation"])


# -- errors


def spoil(toy, where: pl.Expr) -> None:
    """Make the predictions of `a` wrong by 3 where the data says so."""
    toy.run()
    train = pl.read_csv(toy.folder / "train.csv").select("id", wrong=where)
    frame = toy.oof("a").join(train, "id", maintain_order="left")
    spoilt = frame.with_columns(pred=pl.col("pred") + pl.when("wrong").then(3.0).otherwise(0.0)).drop("wrong")
    spoilt.with_columns(pl.col("pred").cast(pl.Float32)).write_parquet(toy.root / "oof" / "r" / "a" / "oof.parquet")


def test_a_level_where_a_model_is_wrong_is_found(toy):
    spoil(toy, pl.col("c") == "red")
    found = toy.kit("errors", "r:a", "--json").json
    worst = found["segments"][0]
    n_red = (pl.read_csv(toy.folder / "train.csv")["c"] == "red").sum()
    assert (worst["column"], worst["level"], worst["n"]) == ("c", "red", n_red)
    assert worst["stands_out"]
    assert worst["bias"] == pytest.approx(-3, abs=0.5)
    assert worst["loss"] > 5 * worst["rest"]
    shown = toy.kit("errors", "r:a").out.splitlines()
    assert next(line for line in shown if line.split()[:2] == ["c", "red"]).endswith("*")
    assert shown[-1].startswith("* stands out")


@pytest.mark.parametrize(
    ("metric", "more", "power", "what"),
    [
        ("rmse", "", 2, "squared error"),
        ("mae", "evaluate: uniform\n", 1, "absolute error"),
        ("rmsle", "", 2, "squared error of log(1 + y)"),
    ],
)
def test_errors_weigh_rows_as_the_metric_does(toy, metric, more, power, what):
    """A row counts as often as its weight says, one of weight 0 not at all; the mean loss is that of the score."""
    train = pl.read_csv(toy.folder / "train.csv").with_columns(w=pl.col("id") % 4, y=pl.col("y").abs())
    train.write_csv(toy.folder / "train.csv")
    toy.edit(("target: y", "target: y, weight: w"), ("metric: rmse\n", f"metric: {metric}\n{more}"))
    toy.run()
    found = toy.kit("errors", "r:a", "--json").json
    assert found["loss"] == pytest.approx(found["score"] ** power, rel=1e-6)
    assert (found["score"], found["loss_is"]) == (toy.card("a")["score"], what)
    assert found["n"] == (train["w"] > 0).sum() and all(row["weight"] > 0 for row in found["worst"])
    cost = [row["loss"] * row["weight"] for row in found["worst"]]
    assert cost == sorted(cost, reverse=True)
    parts = [s for s in found["segments"] if s["column"] == "fold"]
    of_folds = [toy.card("a")["fold_scores"][int(s["level"])] ** power for s in parts]
    assert len(parts) == 3 and [s["loss"] for s in parts] == pytest.approx(of_folds, rel=1e-6)
    assert "each counting its weight" in toy.kit("errors", "r:a").out


def test_errors_of_labels_and_of_repeats(toy):
    """The loss of a label is 0 or 1; no fold is named where a row's prediction is made by those of several repeats."""
    train = pl.read_csv(toy.folder / "train.csv")
    train.with_columns(y=pl.when(pl.col("y") > 0).then(pl.lit("yes")).otherwise(pl.lit("no"))).write_csv(
        toy.folder / "train.csv"
    )
    blend = ("final: {use: clip, from: mix, low: -3, high: 3}", "final: {use: thresholds, from: mix}")
    toy.edit(("metric: rmse", "metric: accuracy"), ("folds: 3", "folds: 3, repeats: 2"), blend)
    toy.run()
    found = toy.kit("errors", "r:final", "--json").json
    assert found["loss"] == pytest.approx(1 - found["score"]) and {row["loss"] for row in found["worst"]} <= {0.0, 1.0}
    assert not [s for s in found["segments"] if s["column"] == "fold"] and found["worst"][0]["fold"] is None
    assert "fold" not in toy.kit("errors", "r:final").out


def test_a_range_where_a_model_is_wrong_is_found(toy):
    spoil(toy, pl.col("x3") > 0.7)
    found = kit.errors_of("r:a", root=toy.root)["segments"]
    worst = max(found, key=lambda s: s["z"])
    assert worst["column"] == "x3"
    assert worst["stands_out"]
    weights = [max(s["z"], abs(s["bias_z"])) for s in found]
    assert weights == sorted(weights, reverse=True)
    low, high = (float(v) for v in worst["level"].split(" .. "))
    assert low > 0.2
    assert high > 1


def test_the_worst_rows(toy):
    toy.run()
    found = kit.errors_of("r:a", rows=3, root=toy.root)
    frame = toy.oof("a").with_columns(loss=(pl.col("y") - pl.col("pred").cast(pl.Float64)) ** 2)
    assert [row["id"] for row in found["worst"]] == frame.sort("loss", descending=True)["id"].head(3).to_list()
    assert found["loss"] == pytest.approx(toy.card("a")["score"] ** 2, rel=1e-6)
    assert found["worst"][0]["loss"] == pytest.approx(frame["loss"].max(), rel=1e-6)
    assert {s["column"] for s in found["segments"]} == {"fold", "x1", "x2", "x3", "c"}
    assert all(s["n"] >= 20 for s in found["segments"])


def test_without_the_data_there_are_rows_but_no_segments(toy):
    toy.run()
    shutil.rmtree(toy.root / ".kit")
    found = kit.errors_of("r:a", root=toy.root)
    assert len(found["worst"]) == 10
    assert {s["column"] for s in found["segments"]} == {"fold"}
    assert "not in .kit" in found["note"]


def test_errors_of_classes(toy):
    frame = pl.read_csv(toy.folder / "train.csv")
    cut = pl.when(pl.col("y") > 0).then(pl.lit("yes")).otherwise(pl.lit("no"))
    frame.with_columns(y=cut).write_csv(toy.folder / "train.csv")
    toy.edit(("metric: rmse", "metric: logloss"), ("  final: {use: clip, from: mix, low: -3, high: 3}\n", ""),
             ("from: final", "from: mix"))  # fmt: skip
    toy.run()
    found = kit.errors_of("r:a", root=toy.root)
    assert found["loss"] == pytest.approx(toy.card("a")["score"], rel=1e-5)
    assert {row["y"] for row in found["worst"]} <= {"yes", "no"}


def test_a_result_in_history_and_one_that_is_not_there(toy):
    toy.run()
    former = toy.card("a")
    toy.edit(("n_estimators: 5", "n_estimators: 6"))
    toy.run()
    old = kit.errors_of(f"r:a@{former['key'][:8]}", root=toy.root)
    assert old["loss"] == pytest.approx(former["score"] ** 2, rel=1e-6)
    done = toy.kit("errors", "r:finall", "--json")
    assert done.code == 2
    assert "r:final" in done.json["error"]["next"]


def test_damaged_oofs_are_named(toy):
    toy.run()
    path = toy.root / "oof" / "r" / "a" / "oof.parquet"
    path.write_bytes(path.read_bytes()[:200])
    done = toy.kit("errors", "r:a", "--json")
    assert (done.code, done.json["error"]["place"]) == (2, str(path))
    toy.oof("b").drop("pred").write_parquet(path)
    assert "lacks the column pred" in toy.kit("errors", "r:a", "--json").json["error"]["rule"]
    toy.oof("b").with_columns(pred=float("inf")).write_parquet(path)
    assert "finite" in toy.kit("errors", "r:a", "--json").json["error"]["rule"]
    card = toy.root / "oof" / "r" / "a" / "card.json"
    card.write_text(json.dumps({**toy.card("a"), "format": 99}))
    assert "newer kit" in toy.kit("errors", "r:a", "--json").json["error"]["rule"]


def test_two_submissions_of_one_number_are_named(toy):
    """A team-mate's folder copied into one's own: scores went to whichever came last."""
    submitted(toy, "final", "a")
    folder = toy.root / "submissions"
    shutil.copy(folder / "0001-r.json", folder / "0001-copy.json")
    assert toy.kit("log").code == 0
    shutil.copy(folder / "0002-r.json", folder / "0001-mate.json")
    done = toy.kit("lb", "add", "1", "0.5")
    assert done.code == 2
    assert "0001-copy.json and 0001-mate.json" in done.err
    assert not (folder / "ledger.csv").exists()


def test_scores_below_0_are_taken(toy):
    toy.run("--set", "metric=r2")
    assert toy.kit("lb", "add", "1", "-0.25").code == 0
    assert kit.log(toy.root)["submissions"][0]["public"] == -0.25
    assert toy.kit("lb", "add", "1", "0.25", "--bord", "private").code == 2


def test_a_board_of_many_submissions_is_judged_by_the_latest(toy):
    """Of more than 50 the noise was said to be unknown, for want of OOFs that were there."""
    submitted(toy, "final")
    folder = toy.root / "submissions"
    about, csv = json.loads((folder / "0001-r.json").read_text()), (folder / "0001-r.csv").read_bytes()
    for n in range(2, 61):
        more = csv + b"\n" * n
        digest = hashlib.sha256(more).hexdigest()
        (folder / f"{n:04d}-r.csv").write_bytes(more)
        (folder / f"{n:04d}-r.json").write_text(json.dumps({**about, "number": n, "sha256": digest}))
    lines = [ledger.Line(n, "score", "public", f"{about['score']:.3f}", at="t") for n in range(1, 61)]
    ledger.append(folder, *lines)
    fit = kit.log(toy.root)["boards"]["public"]
    assert (fit["n"], fit["of"], fit["submissions"][0]) == (30, 60, "0031")
    assert fit["verdict"] == "noise explains what differs"
    assert "public: the latest 30 of 60 submissions" in toy.kit("log").out
