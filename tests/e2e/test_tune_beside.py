"""`kit tune --for`: what the other models of the blend stand with, and that `kit run` gives the score that was told."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import yaml
from test_tune import OPTIONS, RECIPE, trials, tune, tuned  # noqa: F401 - a fixture

from kit import tuned as tuned_file
from kit._tune.project import Project
from kit._tune.session import Session
from kit._tune.supervising import TuneObserver, Watched
from kit.opening import open_recipe

BOTH = ("--trials", "3", "--for", "blend")

FASTER = "tune: {models: {a: {ranges: {learning_rate: [0.2, 0.4]}}, b: {ranges: {learning_rate: [0.2, 0.4]}}}}\n"
"""A few rounds learn too little at the default rate: both models get better."""


@pytest.fixture
def both(tuned):  # noqa: F811
    """Two models of a blend, both of which tuning changes."""
    tuned.write(RECIPE + FASTER)
    return tuned


def test_the_score_told_at_the_end_is_that_of_kit_run(both):
    """The second model was tuned beside the first one's defaults, and kit run gave the blend a score nobody had told."""
    found = tune(both, *BOTH)
    first, second = found["models"]
    assert first["best_params"] and second["best_params"], "both must have changed for this to say anything"
    done = both.run()
    score = done.json["blends"]["final"]["score"]
    assert second["best_score"] == pytest.approx(score, rel=1e-6)
    assert first["blend_score"] == second["blend_score"] == second["best_score"]
    assert second["default_score"] == first["best_score"]
    assert done.stages["run"] == 0, "all of it is there"


@pytest.mark.slow
def test_the_same_command_again_goes_on_with_the_same_studies(both):
    """The first model was tuned beside a second one that is better by now: that is no reason to begin anew."""
    first = tune(both, *BOTH)
    objects = both.objects().keys()
    again = tune(both, *BOTH)
    assert [{**m, "seconds": 0} for m in again["models"]] == [{**m, "seconds": 0} for m in first["models"]]
    assert both.objects().keys() == objects


@pytest.mark.slow
def test_a_study_holds_no_trials_beside_other_params(both, caplog):
    """The next one begins, with the best so far among its first trials; what was mixed before are scores of two blends."""
    tune(both, *BOTH)
    path = both.folder / "r.tuned.yaml"
    entries = tuned_file.read(path)[1]
    tuned_file.write(path, "a", entries["a"].model_copy(update={"params": {"leaves": 9}}))
    found = tune(both, "--model", "b", *BOTH)
    assert "r/b.for-final was made beside other params of a: r/b.for-final.2 begins" in caplog.text
    begun = trials(both, "b.for-final.2")
    assert [t.user_attrs.get("start") for t in begun[:2]] == ["defaults", "found before"]
    assert begun[1].user_attrs["settings"] == entries["b"].params
    assert len(begun) == len(trials(both, "b.for-final")) == 3
    assert both.run().json["blends"]["final"]["score"] == pytest.approx(found["blend_score"], rel=1e-6)


@pytest.mark.slow
def test_another_round_begins_with_new(both):
    """Each model beside the best of the other, its own best among the first trials: the score gets no worse."""
    before = tune(both, *BOTH)["models"][-1]["blend_score"]
    after = tune(both, *BOTH, "--new")["models"]
    assert after[0]["best_score"] <= before and after[1]["blend_score"] <= after[0]["best_score"]
    assert trials(both, "a.for-final.2")[1].user_attrs["start"] == "found before"


def test_a_model_that_reads_a_tuned_one_is_tuned_on_what_that_predicts_now(tuned):  # noqa: F811
    """It was tuned on predictions of the untuned one, which kit run does not make."""
    level2 = "  c: {use: lightgbm, from: [a], params: {n_estimators: 6}}\nblend:"
    tuned.edit(("blend:", level2), text=RECIPE)
    found = tune(tuned, "--model", "a", "--model", "c", "--trials", "4")["models"]
    assert found[0]["best_params"]
    assert tuned.run("--only", "c").json["models"]["c"]["score"] == pytest.approx(found[1]["best_score"], rel=1e-6)


@pytest.mark.slow
def test_models_that_tuning_makes_the_same_are_tuned_all_the_same(tuned):  # noqa: F811
    """Both then have the very same fits, under the name of the first."""
    same = "b: {use: lightgbm, features: base, params: {n_estimators: 12, leaves: 9}}"
    tuned.edit(
        ("b: {use: lightgbm, features: base, params: {n_estimators: 8, leaves: 5}, stop: fixed}", same), text=RECIPE
    )
    text = {"models": {"a": {"use": "lightgbm", "params": {"leaves": 9}, "study": "r/a"}}}
    (tuned.folder / "r.tuned.yaml").write_text(yaml.safe_dump(text))
    assert tune(tuned, "--model", "b", "--trials", "2", "--for", "blend")["trials"]["complete"] >= 1


def test_models_that_got_no_trial_are_named(both, monkeypatch):
    """The second one was missing in what was printed, as if it had not been asked for."""
    monkeypatch.setattr(Session, "_over", lambda self: True)
    args = ("tune", str(both.folder / "r.yaml"), "--jobs", "1", "--trials", "1")
    told = both.kit(*args).out
    assert "not tuned, for no trial of it is complete: b; the same command goes on" in told and "trial 0" in told
    found = both.kit(*args, "--json").json["models"]
    assert [(m["model"], m["best_score"] is None, m["trials"]["complete"]) for m in found] == [
        ("a", False, 1),
        ("b", True, 0),
    ]


def test_the_time_left_is_shared_by_the_models_to_come(both):
    opened = open_recipe(both.folder / "r.yaml", root=both.root, no_tuned=True)
    options = replace(OPTIONS, timeout=1000.0)
    project = Project(opened, opened.recipe.models[0], options, opened.facts, opened.plan)
    now = time.monotonic()
    session = Session([project, project], (now, time.process_time()), TuneObserver(), Watched())
    left = session.search_end - now
    assert session._deadline(project, 2) - now == pytest.approx(left / 2, abs=1.0)
    assert session._deadline(project, 1) - now == pytest.approx(left, abs=1.0)


def test_json_has_one_shape(both):
    """One model was an object of its own, several a list: scripts had to know how many were asked for."""
    one = tune(both, "--model", "a", "--trials", "1")
    assert one.pop("models") == [one]
    assert tune(both, "--trials", "1").keys() == {"models"}
