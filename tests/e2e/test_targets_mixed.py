"""Several targets of different kinds: a metric for each, one submission of all."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

import kit
from kit.errors import RecipeError

METRICS = ("metric: rmse", "metric: {y: rmse, kind: logloss, ok: auc}")
CLIP = ("\n  final: {use: clip, from: mix, low: -3, high: 3}\nsubmit: {from: final}", "")
DATA = ("id: id, target: y", "id: id, sample: sample.csv, targets: [y, kind, ok]")
COLUMNS = ["id", "kind_b", "y", "ok", "kind_a", "kind_c"]


@pytest.fixture
def mixed(toy):
    """The toy with a number, three classes and two, and a sample with the columns of all in another order."""
    train = pl.read_csv(toy.folder / "train.csv")
    kind, ok = (pl.Series(v).gather(pl.int_range(len(train), eager=True) % len(v)) for v in (["a", "b", "c"], [0, 1]))
    train.with_columns(kind=kind, ok=ok).write_csv(toy.folder / "train.csv")
    test = pl.read_csv(toy.folder / "test.csv")
    test.select("id", **{c: pl.lit(0.3) for c in COLUMNS[1:]}).write_csv(toy.folder / "sample.csv")
    toy.edit(DATA, METRICS, CLIP)
    return toy


def test_each_target_is_scored_by_its_own_metric(mixed):
    done = mixed.run()
    assert pl.read_csv(done.json["submission"]).columns == COLUMNS
    cards = {
        t: json.loads((mixed.root / "oof" / f"r-{t}" / "mix" / "card.json").read_text()) for t in ("y", "kind", "ok")
    }
    assert {t: card["metric"] for t, card in cards.items()} == {"y": "rmse", "kind": "logloss", "ok": "auc"}
    about = json.loads(Path(done.json["submission"]).with_suffix(".json").read_text("utf-8"))
    assert about["metric"] is None and about["score"] is None
    shown = mixed.kit("run", str(mixed.folder / "r.yaml")).out
    lines = [line.split() for line in shown.splitlines()]
    assert ["kind", "mix", *lines[[line[:2] for line in lines].index(["kind", "mix"])][2:3], "logloss"] in lines
    assert not any(line[:1] == ["mean"] for line in lines)
    assert kit.submit(done.json["submission"], recipe=mixed.folder / "r.yaml", root=mixed.root) == []


def test_a_metric_of_one_target_is_changed_and_the_others_are_as_they_were(mixed):
    mixed.run()
    done = mixed.run("--set", "metric.ok=logloss")
    assert [t for t, part in done.json["targets"].items() if part["stages"]["run"]] == ["ok"]


def test_targets_run_one_by_one_by_metrics_of_their_own_are_merged(mixed):
    mixed.edit(DATA, CLIP)
    wrong = mixed.run(ends=2)
    assert "does not fit the target kind" in wrong.err and "metric: {kind: accuracy, ...}" in wrong.err
    alone = [("ok", "auc"), ("y", "rmse"), ("kind", "logloss")]

    def one_by_one() -> list[str]:
        picked = [mixed.run("--set", f"data.target={target}", "--set", f"metric={metric}") for target, metric in alone]
        return [Path(done.json["submission"]).name for done in picked]

    assert kit.merge(one_by_one(), recipe=mixed.folder / "r.yaml", root=mixed.root)["columns"] == COLUMNS
    mixed.edit(("id: id, target: y", "id: id, targets: [y, kind, ok]"), CLIP)
    made = kit.merge(one_by_one(), recipe=mixed.folder / "r.yaml", root=mixed.root)
    assert made["columns"] == ["id", "y", "kind_a", "kind_b", "kind_c", "ok"]


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("{y: rmse, kind: logloss}", "a target has no metric"),
        ("{y: rmse, kind: logloss, OK: auc}", "metric is said for what is none of the targets"),
        ("{y: rmse, kind: logloss, ok: auk}", "unknown metric"),
    ],
)
def test_metrics_that_do_not_go_with_the_targets_are_told(mixed, metric, words):
    mixed.edit(DATA, (METRICS[0], f"metric: {metric}"), CLIP)
    with pytest.raises(RecipeError, match=words):
        kit.check(mixed.folder / "r.yaml", root=mixed.root)


def test_kit_init_writes_a_metric_for_each_where_none_fits_all(mixed):
    train = pl.read_csv(mixed.folder / "train.csv")
    folder = mixed.folder / "other"
    folder.mkdir()
    train.write_csv(folder / "train.csv")
    test = pl.read_csv(mixed.folder / "test.csv")
    test.write_csv(folder / "test.csv")
    test.select("id", kind=pl.lit("a"), y=pl.lit(0.5), ok=pl.lit(0.5)).write_csv(folder / "sample_submission.csv")
    kit.init(folder, out=folder / "i.yaml", root=mixed.root)
    assert "metric: {kind: accuracy, y: rmse, ok: auc}" in (folder / "i.yaml").read_text("utf-8")
    assert list(kit.check(folder / "i.yaml", root=mixed.root)["targets"]) == ["kind", "y", "ok"]


def test_what_does_not_fit_one_target_names_it(mixed):
    ridge = ("use: lightgbm, features: base, params: {n_estimators: 8}", "use: sklearn, params: {estimator: Ridge}")
    mixed.edit(DATA, METRICS, CLIP, ridge)
    assert "target kind: estimator: a multiclass task needs a classifier" in mixed.run(ends=2).err


def test_a_fit_that_fails_says_for_which_target(mixed):
    mixed.edit(
        DATA,
        METRICS,
        ("submit: {from: final}", "evaluate: {estimate: a}"),
        ("\n  final: {use: clip, from: mix, low: -3, high: 3}", ""),
    )
    done = mixed.kit("run", str(mixed.folder / "r.yaml"))
    told = [line for line in done.err.splitlines() if "evaluate: the named model has collapsed" in line]
    assert done.code == 3 and [line.partition(":")[0] for line in told] == ["y", "ok"]
