"""Kept models after an edit of the recipe: carried along where the result is the same, told of where it is not."""

from __future__ import annotations

import json
import logging

import numpy as np
import polars as pl
import pytest

ALSO = ("metric: rmse", "metric: rmse\nalso: [mae]")
EDIT = ("n_estimators: 8", "n_estimators: 9")


@pytest.fixture
def kept(toy, caplog):
    caplog.set_level(logging.WARNING, "kit")
    toy.run("--keep-models")
    return toy


def predicted(toy, name: str = "final") -> np.ndarray:
    out = toy.folder / "o.parquet"
    done = toy.kit("predict", "r", str(toy.folder / "test.csv"), "-o", str(out), "--model", name)
    assert done.code == 0, done.err
    return pl.read_parquet(out)["pred"].to_numpy()


def test_models_stay_where_only_the_look_of_a_result_changes(kept, caplog):
    """A further metric in the tables, or another name, is no other result; the models were dropped, and for good."""
    before = predicted(kept)
    kept.edit(ALSO)
    kept.run()
    assert kept.card("a")["also"]
    assert np.array_equal(predicted(kept), before)
    assert "kept models" not in caplog.text
    about = json.loads((kept.root / "oof" / "r" / "final" / "models" / "replay.json").read_text("utf-8"))
    kept.edit(("mix", "mixed"), ALSO)
    kept.run()
    renamed = json.loads((kept.root / "oof" / "r" / "final" / "models" / "replay.json").read_text("utf-8"))
    assert renamed["sources"] == ["mixed"]
    assert about["sources"] == ["mix"]


def test_models_that_an_edit_leaves_behind_are_told_of_before_the_fits(kept, caplog):
    kept.edit(EDIT)
    kept.run()
    told = [r.getMessage() for r in caplog.records if "kept models" in r.getMessage()]
    assert len(told) == 1
    assert told[0].startswith("the kept models of b, mix, final are those of former results and go to the history")
    assert "--keep-models" in told[0]
    history = kept.root / "oof" / "r" / "_history"
    assert {p.name.partition("@")[0] for p in history.iterdir() if (p / "models").is_dir()} == {"b", "mix", "final"}
    assert (kept.root / "oof" / "r" / "a" / "models").is_dir()
    caplog.clear()
    kept.run("--keep-models")
    assert "kept models" not in caplog.text
    predicted(kept)


def test_damaged_models_are_not_sealed_anew(kept, caplog):
    """The folder is written again for a damaged file; what else is damaged in it must not become what its card says."""
    folder = kept.root / "oof" / "r" / "a"
    model = next(p for p in (folder / "models").rglob("*") if p.is_file() and p.name != "replay.json")
    model.write_bytes(model.read_bytes()[:-1] + b"?")
    (folder / "test.parquet").unlink()
    kept.run()
    assert (folder / "test.parquet").is_file()
    done = kept.kit("predict", "r", str(kept.folder / "test.csv"), "-o", str(kept.folder / "o.csv"), "--model", "a")
    assert done.code == 2
    assert "no kept model" in done.err
    assert "the kept models of a are damaged and left out" in caplog.text
    kept.run("--keep-models")
    predicted(kept, "a")
