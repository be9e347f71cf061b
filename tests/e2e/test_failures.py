"""Stages that fail: the rest goes on, the message says what, where and how to go on, and no blend is made."""

from __future__ import annotations

import json

BAD = ("params: {n_estimators: 8}", "params: {n_estimators: 8, path_smooth: -1}")
"""LightGBM refuses it at the first round."""

END = ["blend mix", "blend final", "submit"]


def test_a_fit_that_raises_is_told_in_place_and_the_rest_goes_on(toy):
    toy.edit(BAD)
    done = toy.run(ends=3)
    keys = {s["name"]: s["key"] for s in toy.plan()}
    # The fits of b, its OOF, both blends and the submission are lacking.
    assert done.stages == {"run": 7, "reused": 0, "failed": 7}
    assert list(done.json["models"]) == ["a"]
    assert done.json["blends"] == {}
    assert done.json["submission"] is None
    assert done.json["truncated"] is False
    for fold in range(3):
        assert f"fit b fold {fold} seed 0" in done.err
    assert f"kit stage {keys['fit b fold 0 seed 0'][:12]}" in done.err
    assert "path_smooth" in done.err
    assert "Traceback" not in done.err + done.out
    assert not (toy.root / "oof" / "r" / "final").exists()
    assert not (toy.root / "submissions").exists() or not list((toy.root / "submissions").iterdir())


def test_debug_shows_the_trace_of_a_failed_fit(toy):
    toy.edit(BAD)
    done = toy.run("--debug", ends=3)
    assert "Traceback" in done.err
    assert "lightgbm" in done.err
    assert len(done.out.splitlines()) == 1


def test_a_mended_recipe_goes_on_from_there(toy):
    toy.edit(BAD)
    toy.run(ends=3)
    toy.write()
    done = toy.run()
    assert done.stages == {"run": 7, "reused": 7, "failed": 0}
    clean = toy.run(root=toy.folder / "clean")
    assert done.submitted == clean.submitted


def test_a_failed_fit_is_tried_again(toy):
    toy.edit(BAD)
    first = toy.run(ends=3)
    again = toy.run(ends=3)
    assert again.stages == {"run": 0, "reused": 7, "failed": 7}
    assert again.err == first.err


def test_missing_drop_blends_the_rest(toy):
    toy.edit(BAD, ("seed: 7", "seed: 7\nmissing: drop"))
    done = toy.run(ends=3)
    assert list(done.json["models"]) == ["a"]
    assert list(done.json["blends"]) == ["mix", "final"]
    # Blends and submission are made, of less: lacking are the fits of b and its OOF.
    assert done.stages == {"run": 10, "reused": 0, "failed": 4}
    assert toy.card("mix")["sources"] == ["a"]
    assert toy.card("final")["missing"] == ["b"]
    assert toy.card("final")["truncated"] is False
    note = json.loads((toy.root / "submissions" / "0001-r.json").read_text())
    assert note["missing"] == ["b"]
    # What is submitted is what the smaller recipe makes.
    toy.edit(("  b: {use: lightgbm, features: base, params: {n_estimators: 8}, stop: fixed}\n", ""), ("[a, b]", "[a]"))
    assert toy.run(root=toy.folder / "smaller").submitted == done.submitted
    toy.edit(("seed: 7", "seed: 7\nmissing: drop"))
    whole = toy.run()
    assert whole.json["submission"].endswith("0002-r.csv")
    assert toy.card("final")["missing"] == []


def test_when_every_model_fails_nothing_is_made(toy):
    toy.edit(BAD, ("{n_estimators: 5}", "{n_estimators: 5, path_smooth: -1}"), ("seed: 7", "seed: 7\nmissing: drop"))
    done = toy.run(ends=3)
    assert done.stages == {"run": 3, "reused": 0, "failed": 11}
    assert done.json["models"] == done.json["blends"] == {}
    assert done.json["submission"] is None


def test_kit_stage_runs_a_failed_fit_alone(toy):
    toy.edit(BAD)
    toy.run(ends=3)
    keys = {s["name"]: s["key"] for s in toy.plan()}
    alone = toy.kit("stage", keys["fit b fold 0 seed 0"][:12])
    assert alone.code == 2
    assert "path_smooth" in alone.err
    toy.write()
    toy.edit(("n_estimators: 5", "n_estimators: 6"))
    toy.plan()
    unknown = toy.kit("stage", "0123456789ab")
    assert unknown.code == 2
    assert "no recorded stage has this key" in unknown.err


def test_an_error_of_the_data_in_a_fit_keeps_its_own_words(toy):
    """A feature that finds at fit time that its columns do not fit: the message is the feature's, with the stage."""
    toy.edit(("[numeric, category]", "[{use: numeric, columns: [x1]}, {use: category, columns: [x2]}]"))
    done = toy.kit("run", str(toy.folder / "r.yaml"), "--json")
    assert done.code in (2, 3)
    assert "category" in done.err
    assert "x2" in done.err
    assert "fit a fold 0" in done.err or "r.yaml:" in done.err
