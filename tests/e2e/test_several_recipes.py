"""Results of several recipes side by side: how a blend of them is laid out, and what its rows count."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import kit
from kit import logbook, pool
from kit.archive import read
from kit.errors import DataError

SAMPLE = ("test: test.csv", "test: test.csv, sample: sample.csv")
UNIFORM = ("seed: 7", "seed: 7\nevaluate: uniform")


@pytest.fixture
def two(toy):
    """Two recipes of one competition, whose sample names the column and orders the rows otherwise."""
    test = pl.read_csv(toy.folder / "test.csv")
    test.select("id", prediction=pl.lit(0.5)).reverse().write_csv(toy.folder / "sample.csv")
    toy.edit(SAMPLE)
    toy.edit(SAMPLE, ("metric: rmse", "metric: rmse\nalso: [mae]"), ("seed: 7", "seed: 8"), name="q.yaml")
    for name in ("r", "q"):
        toy.run(recipe=f"{name}.yaml")
    return toy


def blend(toy, *sources, **how):
    return kit.blend(sources, root=toy.root, **how)


def test_a_blend_of_two_recipes_is_laid_out_as_their_sample(two, caplog):
    made = blend(two, "r:a", "q:b", use="mean", mixed_folds=True)
    told = pl.read_csv(made.submission)
    assert told.columns == ["id", "prediction"]
    assert told["id"].to_list() == list(range(5039, 4999, -1))
    assert "plain columns" not in caplog.text
    number = json.loads(Path(made.submission).with_suffix(".json").read_text("utf-8"))["number"]
    assert kit.replay(number, root=two.root)["rebuilt"]


def test_a_blend_of_blends_is_laid_out_as_the_sample_of_the_recipes_behind(two, caplog):
    blend(two, "r:a", "r:b", use="mean", name="one")
    blend(two, "blends:one", "r:final", use="mean", name="two")
    made = blend(two, "blends:one", "blends:two", use="mean", name="three")
    assert pl.read_csv(made.submission).columns == ["id", "prediction"]
    assert "plain columns" not in caplog.text


def test_recipes_whose_submissions_look_different_are_told(two, caplog):
    two.edit(("metric: rmse", "metric: rmse\nalso: [mae]"), ("seed: 7", "seed: 8"), name="q.yaml")
    two.run(recipe="q.yaml")
    made = blend(two, "r:a", "q:b", use="mean", mixed_folds=True)
    assert pl.read_csv(made.submission).columns == ["id", "y"]
    assert "none of the recipes r, q are found, or their submissions look different" in caplog.text


def test_recipes_of_two_metrics_leave_the_metric_to_who_blends(two):
    two.edit(SAMPLE, ("metric: rmse", "metric: mae"), name="q.yaml")
    two.run(recipe="q.yaml")
    with pytest.raises(DataError, match="scored by several metrics"):
        blend(two, "r:a", "q:b")
    made = blend(two, "r:a", "q:b", metric="mae", use="mean")
    assert pl.read_csv(made.submission).columns == ["id", "prediction"]


def test_a_blend_is_no_source_of_itself(toy):
    """It was left out without a word, and what stood there was replaced by a blend of the others alone."""
    toy.run()
    blend(toy, "r:a", "r:b", name="one")
    before = toy.card("one", "blends")
    with pytest.raises(DataError, match="a blend is no source of itself"):
        blend(toy, "blends:one", "r:final", name="one")
    assert toy.card("one", "blends") == before
    assert blend(toy, "blends:*", "r:final", name="one").card["sources"] == ["r:final"]


def test_rows_that_count_otherwise_are_told(toy):
    """The first source decides, so that the order of the sources changes the score: that must not go without a word."""
    toy.edit(UNIFORM, name="u.yaml")
    for name in ("r", "u"):
        toy.run(recipe=f"{name}.yaml")
    plain = blend(toy, "r:a", "u:b", use="mean", name="x1")
    declared = blend(toy, "u:b", "r:a", use="mean", name="x2")
    assert plain.card["score"] < 0.8 * declared.card["score"]
    assert plain.card["notes"] == ["rows count as in the scores of r:a; they count otherwise in those of u:b"]
    assert declared.card["notes"] == ["rows count as in the scores of u:b; they count otherwise in those of r:a"]
    assert blend(toy, "u:a", "u:b", use="mean").card["notes"] == []
    found = {g["recipe"]: g for g in kit.ls(toy.root, compare=True)}
    told = "rows count as in the scores of blends:blend, not as in those of blends:x1"
    assert found["blends"]["notes"] == [told]
    assert found["r"]["notes"] == found["u"]["notes"] == []
    assert "note: rows count" in toy.kit("ls", "--compare").out


def test_a_board_is_not_compared_by_results_that_weigh_rows_otherwise(toy):
    toy.edit(UNIFORM, ("n_estimators: 8", "n_estimators: 9"), name="u.yaml")
    for name in ("r", "u"):
        toy.run(recipe=f"{name}.yaml")
    folders = [toy.root / "oof" / name / "final" for name in ("r", "u")]
    assert pool.gather([read(f) for f in folders], "rmse").otherwise == ("u:final",)
    found = logbook.entries(toy.root)
    assert len(found) == 2
    assert logbook.noise_of(found, "public", toy.root, 0.3) == (None, 0)
    assert logbook.noise_of(found[:1], "public", toy.root, 0.3)[1] > 0


def test_other_folds_are_told_beside_a_comparison(toy):
    toy.edit(("seed: 7", "seed: 8"), name="s.yaml")
    toy.run(recipe="s.yaml")
    toy.run()
    mate = toy.root / "oof" / "s" / "b"
    kit.import_oof(mate / "oof.parquet", name="mate", recipe=toy.folder / "r.yaml", root=toy.root)
    frame = pl.read_parquet(mate / "oof.parquet").drop("fold")
    kit.import_oof(frame, name="odd", recipe=toy.folder / "r.yaml", root=toy.root)
    notes = next(g for g in kit.ls(toy.root, compare=True) if g["recipe"] == "r")["notes"]
    assert len(notes) == 2
    assert notes[0].startswith("made on other folds than r:")
    assert "r:mate" in notes[0]
    assert notes[1] == "nobody knows the folds of r:odd"


def test_a_source_that_a_run_replaces_while_it_is_blended_is_an_error(toy, monkeypatch):
    """Ids and weights are read once more when the blend is written: those of another result have another order."""
    from kit import blending

    toy.run()
    make = blending._make

    def late(*args):
        make(*args)
        frame = pl.read_csv(toy.folder / "train.csv")
        frame.reverse().write_csv(toy.folder / "train.csv")
        toy.run()

    monkeypatch.setattr(blending, "_make", late)
    with pytest.raises(DataError, match="a source changed while it was read"):
        blend(toy, "r:a", "r:b")
    assert not (toy.root / "oof" / "blends").exists()
    monkeypatch.undo()
    ids = pl.read_parquet(blend(toy, "r:a", "r:b").oof)["id"].to_numpy()
    assert np.array_equal(ids, np.arange(1119, 999, -1))


def test_a_result_that_is_replaced_while_it_is_read_is_read_as_one(toy, monkeypatch, caplog):
    """Its card told of the old files: a warning of damage, or the OOF of one result beside the test rows of another."""
    from kit import archive

    toy.run()
    folder, parquet, runs = toy.root / "oof" / "r" / "a", archive.parquet, []

    def late(path):
        if not runs and path.name == "test.parquet":
            runs.append(1)
            toy.edit(("n_estimators: 5", "n_estimators: 6"))
            toy.run()
        return parquet(path)

    monkeypatch.setattr(archive, "parquet", late)
    kept = read(folder)
    monkeypatch.undo()
    again = read(folder)
    assert runs
    assert kept.key == again.key
    assert np.array_equal(kept.pred, again.pred)
    assert np.array_equal(kept.test, again.test)
    assert not caplog.text
    (folder / "test.parquet").write_bytes((folder / "oof.parquet").read_bytes())
    read(folder)
    assert "not as kit wrote it" in caplog.text
