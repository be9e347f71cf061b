"""`kit tune`: what it writes, how `kit run` takes it, what a study refuses, how it goes on."""

from __future__ import annotations

import errno
import itertools
import json
import re
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from conftest import Toy

import kit.objectfiles
import kit.tuning
from kit import registry, stages
from kit._tune import desk, leases, page, supervising
from kit._tune.desk import Desk
from kit._tune.goal import goal_of
from kit._tune.job import Job, with_params
from kit._tune.otherfolds import inside, of_seed
from kit._tune.project import Options, Project
from kit._tune.racing import Race
from kit._tune.storages import Place, connect
from kit._tune.trial import Attempt
from kit._tune.watching import Stop, Watcher
from kit.folding import folds_of
from kit.models import lightgbm
from kit.opening import open_recipe
from kit.stages import load_oof
from kit.store import Store
from kit.types import Pred, Task

RECIPE = """\
data: {train: train.csv, test: test.csv, id: id, target: y}
metric: rmse
split: {use: kfold, folds: 3}
seed: 7
features:
  base: [numeric, category]
models:
  a: {use: lightgbm, features: base, params: {n_estimators: 12}}
  b: {use: lightgbm, features: base, params: {n_estimators: 8, leaves: 5}, stop: fixed}
blend:
  mix: {use: ridge, from: [a, b]}
  final: {use: clip, from: mix, low: -3, high: 3}
submit: {from: final}
"""

FIGURES = page._figures

TIMELESS = {"seconds": 0, "models": []}
"""In place of what holds the seconds a command took."""

OPTIONS = Options(6, None, 1, "tpe", "blocks", "rmse", None, None, False, None, False)


class _Ended:
    """Stands for a worker process that did its work at once, in this one."""

    def __init__(self, exitcode: int) -> None:
        self.exitcode = exitcode

    def is_alive(self) -> bool:
        return False

    def join(self) -> None:
        """It has ended."""


@pytest.fixture
def tuned(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """The toy competition, where workers of a study work in this process."""

    def begin(job: Job, slot: int) -> Any:
        return _Ended(desk.end_of(Desk(Job.from_json(job.to_json()), slot).work))

    monkeypatch.setattr(supervising, "begin", begin)
    monkeypatch.setattr(supervising, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(page, "_figures", lambda study: [])
    toy.write(RECIPE)
    return toy


@pytest.fixture
def drawn(tuned: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of a study has its plots. They take as long as all the rest, so that each kind of study has them once."""
    monkeypatch.setattr(page, "_figures", FIGURES)


def tune(toy: Toy, *options: str, recipe: str = "r.yaml", ends: int = 0) -> dict[str, Any]:
    done = toy.kit("tune", str(toy.folder / recipe), "--json", "--jobs", "1", *options)
    assert done.code == ends, done.out + done.err
    return done.json


def error(toy: Toy, *options: str, recipe: str = "r.yaml") -> str:
    found: dict[str, str] = tune(toy, *options, recipe=recipe, ends=2)["error"]
    return " | ".join(found.values())


def trials(toy: Toy, name: str = "a") -> list[Any]:
    import optuna

    journal = toy.root / "oof" / "r" / "_tuning" / f"{name}.journal"
    study = optuna.load_study(study_name=f"r/{name}", storage=connect(Place("", str(journal), "")))
    return study.get_trials()


def states(toy: Toy, *options: str, recipe: str = "r.yaml") -> dict[str, str]:
    return {s["name"]: s["state"] for s in toy.plan(*options, recipe=recipe)}


def project(toy: Toy, **changes: Any) -> Project:
    from dataclasses import replace

    opened = open_recipe(toy.folder / "r.yaml", root=toy.root, no_tuned=True)
    model = next(m for m in opened.recipe.models if m.name == "a")
    return Project(opened, model, replace(OPTIONS, **changes), opened.facts, opened.plan)


# -- what it writes and who reads it


@pytest.mark.usefixtures("drawn")
def test_the_winner_is_written_found_and_never_trained_again(tuned: Toy) -> None:
    found = tune(tuned, "--model", "a", "--trials", "6")
    assert found["trials"] == {
        "complete": found["trials"]["complete"],
        "pruned": found["trials"]["pruned"],
        "failed": 0,
    }
    assert sum(found["trials"].values()) == 6
    assert found["best_score"] <= found["default_score"]
    path = tuned.folder / "r.tuned.yaml"
    assert found["tuned_recipe"] == str(path)
    entry = yaml.safe_load(path.read_text())["models"]["a"]
    assert entry["params"] == found["best_params"]
    assert (entry["score"], entry["study"], entry["tuned_on"]) == (found["best_score"], "r/a", "these folds")
    state = states(tuned)
    assert {state[f"fit a fold {k} seed 0"] for k in range(3)} == {"reuse"}
    done = tuned.run("--only", "a")
    assert done.json["models"]["a"]["score"] == found["best_score"]
    card = tuned.card("a")
    assert card["tuned"]["file"] == "r.tuned.yaml"
    assert card["tuned"]["tuned_on"] == "these folds"
    assert {**card["params"], **found["best_params"]} == card["params"]
    shown = tuned.kit("run", str(tuned.folder / "r.yaml"), "--only", "a", "--quiet")
    assert "a: params from r.tuned.yaml, tuned on these folds (study r/a)" in shown.out


def test_what_trials_read_is_intact(tuned: Toy) -> None:
    """A damaged column, or a damaged fold of a trial, is made again: the study comes to what it comes to without."""
    options = ("--model", "a", "--trials", "3", "--root")
    expected = tune(tuned, *options, str(tuned.folder / "unhurt"))
    tune(tuned, *options, str(tuned.root))
    journal = tuned.root / "oof" / "r" / "_tuning" / "a.journal"
    table = {s["name"]: s["key"] for s in tuned.plan()}["table"]
    fits = [k for k in tuned.objects() if "held" in (found := Store(tuned.root).open(k)) and "curve" in found]
    for key, value in ((table, "x/x1"), (fits[0], "held")):
        stored = Store(tuned.root).open(key)
        path, entry = stored.path(value), stored.files[value]
        data = bytearray(path.read_bytes())
        data[entry.get("at", 0) + entry["size"] - 2] ^= 64
        path.write_bytes(data)
        journal.unlink()
        if key == table:
            for fit in fits:
                shutil.rmtree(tuned.objects()[fit])
        found = tune(tuned, *options, str(tuned.root))
        assert (found["best_score"], found["default_score"]) == (expected["best_score"], expected["default_score"])


def test_a_full_disk_loses_no_trial(tuned: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full in the middle of a trial: one error, the trial waits, and the study ends as without that."""
    expected = tune(tuned, "--model", "a", "--trials", "3", "--root", str(tuned.folder / "unhurt"))
    append, left = kit.objectfiles._append, [30]

    def full(*args: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return append(*args)

    monkeypatch.setattr(kit.objectfiles, "_append", full)
    said = error(tuned, "--model", "a", "--trials", "3")
    assert "a result could not be written" in said
    assert "No space left on device" in said
    assert "WAITING" in {t.state.name for t in trials(tuned)} and left[0] < 0
    assert not {"FAIL", "RUNNING"} & {t.state.name for t in trials(tuned)}
    assert not list((tuned.root / ".kit" / "tmp").iterdir())
    monkeypatch.setattr(kit.objectfiles, "_append", append)
    found = tune(tuned, "--model", "a", "--trials", "3")
    assert (found["trials"], found["best_score"]) == (expected["trials"], expected["best_score"])


def test_explicit_params_win_and_no_tuned_leaves_the_file_out(tuned: Toy) -> None:
    tune(tuned, "--model", "a", "--trials", "4")
    plain = toy_params(tuned, "--no-tuned")
    assert plain == lightgbm.Params(n_estimators=12).model_dump()
    changed = yaml.safe_load((tuned.folder / "r.tuned.yaml").read_text())
    changed["models"]["a"]["params"] = {"leaves": 17, "l2": 0.5}
    (tuned.folder / "r.tuned.yaml").write_text(yaml.safe_dump(changed))
    taken = toy_params(tuned)
    assert (taken["leaves"], taken["l2"], taken["n_estimators"]) == (17, 0.5, 12)
    for explicit in ("leaves", "num_leaves"):
        taken = toy_params(tuned, "--set", f"models.a.params.{explicit}=9")
        assert (taken["leaves"], taken["l2"]) == (9, 0.5)


def toy_params(toy: Toy, *options: str) -> dict[str, Any]:
    """Return the params of model a as a run would have them."""
    sets = [o for o in options if o.startswith("models.")]
    opened = open_recipe(toy.folder / "r.yaml", sets, toy.root, no_tuned="--no-tuned" in options)
    assert {s["key"] for s in toy.plan(*options)} == {s.key for s in opened.plan.stages}
    return next(m for m in opened.recipe.models if m.name == "a").plug.params.model_dump()


def test_why_names_the_tuned_file(tuned: Toy) -> None:
    tuned.run()
    (tuned.folder / "r.tuned.yaml").write_text("models:\n  a: {use: lightgbm, params: {leaves: 9}, study: r/a}\n")
    done = tuned.kit("why", str(tuned.folder / "r.yaml"))
    assert "model.params.leaves: 24 -> 9" in done.out
    assert "params from r.tuned.yaml (study r/a): leaves" in done.out
    assert "tuned" not in tuned.kit("why", str(tuned.folder / "r.yaml"), "--no-tuned").out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models: {a: {use: lightgbm, params: {leaves: 1}}}", "leaves must be at least 2"),
        ("models: {a: {use: lightgbm, params: {leavs: 3}}}", "leavs"),
        ("models: {a: {params: {}}}", "use must be given"),
        ("models: [a]", "models must be a mapping"),
        ("models: {a: {use: lightgbm, colour: 3}}", "colour"),
    ],
)
def test_a_tuned_file_that_was_mistyped_is_one_clear_error(tuned: Toy, text: str, words: str) -> None:
    (tuned.folder / "r.tuned.yaml").write_text(text + "\n")
    done = tuned.kit("plan", str(tuned.folder / "r.yaml"))
    assert done.code == 2
    assert words in done.err
    assert "r.tuned.yaml" in done.err
    assert tuned.kit("plan", str(tuned.folder / "r.yaml"), "--no-tuned").code == 0


def test_params_of_another_learner_are_left_alone(tuned: Toy) -> None:
    (tuned.folder / "r.tuned.yaml").write_text("models:\n  a: {use: xgboost, params: {depth: 3}}\n")
    assert toy_params(tuned) == lightgbm.Params(n_estimators=12).model_dump()


def test_a_trial_is_an_ordinary_plan(tuned: Toy) -> None:
    """The fits of a trial have the keys that a recipe with these params has, whatever the stop policy."""
    for policy in ("refit", "pooled"):
        tuned.write(RECIPE.replace("n_estimators: 12}}", "n_estimators: 12}, stop: " + policy + "}"))
        fits = project(tuned).fits()
        assert [s.verb for s in fits] == (["curve"] * 3 if policy == "pooled" else []) + ["fit"] * 3
        params = lightgbm.Params(n_estimators=12, leaves=9, l1=0.25)
        found = {s.name: s.key for s in with_params(fits, params)}
        plan = tuned.plan("--set", "models.a.params.leaves=9", "--set", "models.a.params.l1=0.25")
        assert found == {s["name"]: s["key"] for s in plan if s["name"] in found}


# -- studies


def test_the_same_command_again_does_nothing(tuned: Toy) -> None:
    first = tune(tuned, "--model", "a", "--trials", "5")
    objects = tuned.objects()
    again = tune(tuned, "--model", "a", "--trials", "5")
    assert tuned.objects().keys() == objects.keys()
    assert {**again, **TIMELESS} == {**first, **TIMELESS}
    more = tune(tuned, "--model", "a", "--trials", "7")
    assert sum(more["trials"].values()) == 7


def test_one_worker_gives_the_same_study_twice(tuned: Toy) -> None:
    first = tune(tuned, "--model", "a", "--trials", "12")
    again = tuned.kit(
        "tune", str(tuned.folder / "r.yaml"), "--json", "--jobs", "1", "--model", "a", "--trials", "12",
        root=tuned.folder / "other",
    )  # fmt: skip
    assert {**again.json, **TIMELESS} == {**first, **TIMELESS}


def test_trials_say_what_they_are(tuned: Toy) -> None:
    tune(tuned, "--model", "a", "--trials", "6")
    found = trials(tuned)
    assert found[0].user_attrs["start"] == "defaults"
    assert found[0].user_attrs["settings"] == {}
    assert all(t.params["leaves"] in range(2, 201) for t in found)
    for trial in found:
        assert trial.state.is_finished()
        assert {"recipe", "fold_scores", "seconds", "rounds"} <= trial.user_attrs.keys()
    complete = [t for t in found if t.state.name == "COMPLETE"]
    assert all(len(t.user_attrs["fold_scores"]) == 3 for t in complete)
    assert len({t.user_attrs["recipe"] for t in found}) == 1


def test_a_study_refuses_to_mix(tuned: Toy) -> None:
    tune(tuned, "--model", "a", "--trials", "2")
    changes = {
        "folds": ("folds: 3", "folds: 4"),
        "features": ("[numeric, category]", "[numeric]"),
        "params given in the recipe": ("n_estimators: 12", "n_estimators: 13"),
        "what is scored": ("metric: rmse", "metric: rmse\ntune: {metric: mae}"),
    }
    for what, change in changes.items():
        tuned.edit(change, text=RECIPE)
        told = error(tuned, "--model", "a", "--trials", "3")
        assert what in told
        assert "--new" in told
    assert tune(tuned, "--model", "a", "--trials", "3", "--new")["trials"]["failed"] == 0
    assert len(trials(tuned, "a.2")) == 3
    tuned.write(RECIPE)
    assert "what is scored" in error(tuned, "--model", "a", "--trials", "3")


@pytest.mark.usefixtures("drawn")
def test_ranges_of_a_study_may_widen_but_not_change_their_kind(tuned: Toy) -> None:
    ranges = "\ntune: {models: {a: {ranges: {max_bin: {low: 20, high: %s}}}}}"
    tuned.write(RECIPE + ranges % "60")
    tune(tuned, "--model", "a", "--trials", "1")
    tuned.write(RECIPE + ranges % "60, log: true")
    told = error(tuned, "--model", "a", "--trials", "2")
    assert "another kind of range" in told and "max_bin" in told and "--new" in told
    tuned.write(RECIPE + ranges % "80")
    assert tune(tuned, "--model", "a", "--trials", "2")["trials"]["failed"] == 0


@pytest.mark.slow
def test_a_storage_by_url_holds_the_study(tuned: Toy) -> None:
    import optuna

    url = f"sqlite:///{tuned.folder}/studies.db"
    found = tune(tuned, "--model", "a", "--trials", "3", "--storage", url)
    study = optuna.load_study(study_name="r/a", storage=url)
    assert study.best_value == found["best_score"]
    assert not list((tuned.root / "oof" / "r" / "_tuning").glob("*.journal"))
    assert tune(tuned, "--model", "a", "--trials", "3", "--storage", url)["folds_trained"] == found["folds_trained"]
    assert tune(tuned, "--model", "a", "--trials", "2", "--storage", url, "--new")["trials"]["complete"] >= 1
    assert set(optuna.get_all_study_names(url)) == {"r/a", "r/a.2"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "z"], ("unknown model", "--model", "a, b")),
        (["--for", "mixx"], ("no such goal", "did you mean 'mix'?")),
        (["--sampler", "tpee"], ("unknown sampler", "did you mean 'tpe'?")),
        (["--storage", "nosuch://x"], ("storage cannot be opened", "sqlite:///FILE")),
        (["--nested", "--for", "blend"], ("--nested needs a model that stands alone", "b")),
        (["--split-seed", "3", "--for", "blend"], ("--split-seed needs", "b")),
        (["--split-seed", "3", "--set", "split.use=time", "--set", "split.time=x1"], ("no other folds",)),
        (["--set", "tune.models.a.fixed={}", "--set", "models.a.use=sklearn"], ("estimator",)),
        (["--set", "tune.trials=0"], ("trials must be at least 1",)),
        (["--set", "tune.sampler=tp"], ("one of auto, tpe, gp, cmaes, random",)),
        (["--set", "tune.models.z.fixed={}"], ("unknown model",)),
        (["--set", "tune.models.a.ranges.leavs=[2, 3]"], ("unknown parameter", "did you mean 'leaves'?")),
        (["--set", "tune.models.a.ranges.leaves=[9, 3]"], ("low must not be above high",)),
        (["--set", "tune.models.a.ranges.leaves=[1, 3]"], ("leaves must be at least 2",)),
        (["--set", "tune.models.a.ranges.leaves=3"], ("a range is",)),
        (["--set", "tune.models.a.ranges.n_estimators=[1, 3]"], ("set in the model's params", "take it out")),
        (["--set", "tune.models.a.fixed.num_iterations=3"], ("set in the model's params", "take it out")),
        (["--set", "tune.models.a.fixed.subsample=3"], ("subsample must be at most 1",)),
        (["--set", "tune.metric=rmsee"], ("unknown metric", "did you mean 'rmse'?")),
        (["--set", "tune.colour=1"], ("unknown key",)),
    ],
)
def test_a_bad_input_is_one_clear_error(tuned: Toy, options: list[str], words: tuple[str, ...]) -> None:
    told = error(tuned, "--trials", "1", *(["--model", "a"] if "--model" not in options else []), *options)
    assert all(word in told for word in words), told


@pytest.mark.usefixtures("drawn")
def test_ranges_fixed_values_and_given_params_make_the_space(tuned: Toy) -> None:
    section = """
tune:
  trials: 9
  pruner: none
  models:
    a:
      ranges: {leaves: [3, 9], max_bin: {low: 20, high: 60, log: true}, boosting: {choices: [gbdt, dart]}}
      fixed: {subsample: 0.9, cat_smooth: 3}
"""
    tuned.write(RECIPE + section)
    found = project(tuned).dimensions
    names = {d.name: d for d in found}
    assert not {"subsample", "cat_smooth", "n_estimators"} & names.keys()
    assert (names["leaves"].low, names["leaves"].high, names["leaves"].log, names["leaves"].integer) == (
        3,
        9,
        True,
        True,
    )
    assert (names["max_bin"].log, names["max_bin"].integer) == (True, True)
    assert names["boosting"].choices == ("gbdt", "dart")
    best = tune(tuned, "--model", "a")
    assert best["trials"] == {"complete": 9, "pruned": 0, "failed": 0}
    assert (best["best_params"]["subsample"], best["best_params"]["cat_smooth"]) == (0.9, 3)
    sampled = [t for t in trials(tuned) if "start" not in t.user_attrs]
    assert {t.params["leaves"] for t in sampled} <= set(range(3, 10))
    assert toy_params(tuned)["subsample"] == 0.9


def test_how_categories_are_treated_is_searched_where_a_model_reads_some(tuned: Toy) -> None:
    def searched(features: str, section: str = "") -> set[str]:
        tuned.edit(("base: [numeric, category]", f"base: {features}"), text=RECIPE + section)
        return {d.name for d in project(tuned).dimensions}

    treated = {"min_category", "cat_l2", "cat_smooth", "onehot"}
    assert treated <= searched("category")
    assert searched("numeric") == searched("category") - treated
    asked = "tune: {models: {a: {ranges: {onehot: [2, 9]}}}}\n"
    assert searched("numeric", asked) & treated == {"onehot"}


def test_what_changes_nothing_beside_the_given_params_is_not_searched(tuned: Toy) -> None:
    def idle(use: str, params: str, section: str = "") -> set[str]:
        """Return what is searched of the bare learner and not beside these params; no trial sets it either."""
        found = []
        for each in ("{n_estimators: 12}", params):
            old = "a: {use: lightgbm, features: base, params: {n_estimators: 12}}"
            tuned.edit((old, f"a: {{use: {use}, features: base, params: {each}}}"), text=RECIPE + section)
            made = project(tuned)
            found.append({d.name for d in made.dimensions})
        left = found[0] - found[1]
        assert not {name for start in made.starts() for name in start.settings} & left
        return left

    assert idle("lightgbm", "{data_sample_strategy: goss}") == {"subsample"}
    assert idle("lightgbm", "{boosting: rf}") == {"learning_rate"}
    assert idle("lightgbm", "{data_sample_strategy: bagging}") == set()
    assert idle("catboost", "{bagging_temperature: 2}") == {"subsample"}
    assert idle("catboost", "{objective: absolute}") == {"leaf_steps"}
    net, classes = registry.load("models", "hetero_mlp").Params, ("no", "yes")
    assert net().idle(Task("regression")) == {"label_smoothing"}
    assert net().idle(Task("regression", "absolute")) == {"label_smoothing", "loss"}
    assert net().idle(Task("binary", "logloss", classes, "yes")) == {"loss"}
    given = net(hidden=(8,), embed_max=0)
    assert given.idle(Task("multiclass", "softmax", classes)) == {"loss", "sigma", "width", "layers"}


def test_models_of_which_nothing_is_searched_are_left_out_unless_they_are_named(
    tuned: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    old = "b: {use: lightgbm, features: base, params: {n_estimators: 8, leaves: 5}, stop: fixed}"
    tuned.edit((old, "b: {use: sklearn, features: base, params: {estimator: Ridge}}"), text=RECIPE)
    assert tune(tuned, "--trials", "1")["model"] == "a"
    assert "not tuned, for nothing of it is searched: b" in caplog.text
    assert "nothing of this model is left to search" in error(tuned, "--model", "b")


def test_a_range_of_what_changes_nothing_is_refused(tuned: Toy) -> None:
    """By kit check already, with its line; whether the model's params or the fixed ones leave the parameter unused."""
    model = "a: {use: lightgbm, features: base, params: {n_estimators: 12}}"
    asked = "tune:\n  models:\n    a:\n      ranges: {bagging_fraction: [0.5, 0.9]}\n"
    for params, fixed in (("{boosting: goss}", ""), ("{n_estimators: 12}", "      fixed: {boosting: goss}\n")):
        tuned.edit((model, model.replace("{n_estimators: 12}", params)), text=RECIPE + asked + fixed)
        done = tuned.kit("check", str(tuned.folder / "r.yaml"))
        assert done.code == 2
        assert "changes nothing beside the others" in done.err and "ranges: {bagging_fraction" in done.err
        assert "boosting: goss" in done.err
    tuned.write(RECIPE + asked)
    assert "subsample" in {d.name for d in project(tuned).dimensions}


def test_what_a_target_transform_has_a_learner_train_for_decides_what_is_searched(tuned: Toy) -> None:
    """CatBoost makes no Newton steps for an absolute loss, but for the classes that ratings are rounded to."""
    old = "a: {use: lightgbm, features: base, params: {n_estimators: 12}}"
    for codec, is_searched in (("identity", False), ("{use: round_to_class, low: 0, high: 3}", True)):
        new = f"a: {{use: catboost, features: base, target_transform: {codec}, params: {{n_estimators: 12}}}}"
        tuned.edit((old, new), ("metric: rmse", "metric: mae"), text=RECIPE)
        assert ("leaf_steps" in {d.name for d in project(tuned).dimensions}) == is_searched


def test_the_params_of_an_estimator_can_be_searched(tuned: Toy) -> None:
    model = "{use: sklearn, features: base, params: {estimator: Ridge, params: {solver: cholesky}}}"
    ranges = "ranges: {params.alpha: {low: 0.001, high: 1000, log: true}}"
    changed = RECIPE.replace("{use: lightgbm, features: base, params: {n_estimators: 12}}", model)
    tuned.write(changed + f"tune: {{models: {{a: {{{ranges}}}}}}}\n")
    found = tune(tuned, "--model", "a", "--trials", "6")
    assert found["trials"]["failed"] == 0
    assert set(found["best_params"]) <= {"params.alpha"}
    assert toy_params(tuned)["params"] == {"solver": "cholesky", **{k[7:]: v for k, v in found["best_params"].items()}}
    assert "set in the model's params" in error(
        tuned, "--set", "tune.models.a.ranges={params.solver: {choices: [svd]}}"
    )


@pytest.mark.parametrize("name", ["wilcoxon", "median"])
def test_optunas_own_pruners_can_be_chosen(tuned: Toy, name: str) -> None:
    tuned.write(RECIPE + f"tune: {{pruner: {name}}}\n")
    assert tune(tuned, "--model", "a", "--trials", "8")["trials"]["failed"] == 0


@pytest.mark.parametrize("name", ["random", "gp"])
def test_samplers_can_be_chosen(tuned: Toy, name: str) -> None:
    ranges = "ranges: {leaves: [3, 9], l1: [0.1, 0.9]}, fixed: {extra_trees: false}"
    tuned.write(RECIPE + f"tune: {{models: {{a: {{{ranges}}}}}, pruner: none}}\n")
    n = 11  # ten begin the study, one is the sampler's
    assert tune(tuned, "--model", "a", "--trials", f"{n}", "--sampler", name)["trials"]["complete"] == n


@pytest.mark.parametrize(
    "metric", ["accuracy", "auc", *(pytest.param(m, marks=pytest.mark.slow) for m in ("logloss", "f1_macro"))]
)
def test_any_metric_can_be_tuned_for(tuned: Toy, metric: str) -> None:
    text = RECIPE.replace("target: y", "target: c").replace("metric: rmse", f"metric: {metric}")
    text = text[: text.index("blend:")] + "blend: {}\nsubmit: {from: a}\n"
    tuned.edit(("{use: kfold, folds: 3}", "{use: stratified, folds: 3}"), text=text)
    found = tune(tuned, "--model", "a", "--trials", "12")
    assert found["trials"]["failed"] == 0
    sign = 1 if metric == "logloss" else -1
    assert sign * found["best_score"] <= sign * found["default_score"]
    assert found["gain"][0] == pytest.approx(sign * (found["default_score"] - found["best_score"]), abs=0.05)
    assert tuned.run("--only", "a").json["models"]["a"]["score"] == pytest.approx(found["best_score"])


def test_a_fold_whose_metric_cannot_be_told_ends_no_trial(tuned: Toy) -> None:
    """One fold has a single class, so that it has no AUC; the pooled rows have one."""
    frame = pl.read_csv(tuned.folder / "train.csv")
    fold = np.arange(len(frame)) % 3
    rare = ((np.arange(len(frame)) % 9) == 1) | ((np.arange(len(frame)) % 9) == 5)
    assert set(fold[rare]) == {1, 2}
    frame.with_columns(pl.Series("fold", fold), pl.Series("y", rare.astype(int))).write_csv(tuned.folder / "train.csv")
    text = RECIPE.replace("{use: kfold, folds: 3}", "{use: column, column: fold}").replace(
        "metric: rmse", "metric: auc"
    )
    tuned.write(text[: text.index("blend:")] + "blend: {}\nsubmit: {from: a}\n")
    found = tune(tuned, "--model", "a", "--trials", "4")
    assert found["trials"]["failed"] == 0
    assert trials(tuned)[0].user_attrs["fold_scores"][0] is None


def test_known_good_settings_come_after_the_defaults_within_the_given_ranges(
    tuned: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ({"leaves": 99, "l2": 0.0}, {"n_estimators": 5, "colsample": 0.5})
    monkeypatch.setattr(lightgbm.Params, "PORTFOLIO", known)
    tuned.write(RECIPE + "tune: {models: {a: {ranges: {leaves: [4, 12]}}}}\n")
    found = project(tuned).starts()
    assert [s.label for s in found] == ["defaults", "known good 1", "known good 2"]
    assert [dict(s.settings) for s in found] == [{}, {"leaves": 12, "l2": 0.0}, {"leaves": 12, "colsample": 0.5}]
    tune(tuned, "--model", "a", "--trials", "4")
    second = trials(tuned)[1]
    assert second.user_attrs["settings"] == {"leaves": 12, "l2": 0.0}
    assert second.params["l2"] == 1e-5, "what the sampler is told lies in the range"


# -- goals


def test_the_goal_of_a_blend_is_the_score_that_kit_run_gives_it(tuned: Toy) -> None:
    done = tuned.run()
    spec = project(tuned, blend="final")
    store = spec.opened.store
    goal = goal_of(spec.job(Place("", "", ""), None, Path()).goal, store)
    oof = load_oof(store.open(spec.plan.oofs["a"]))
    held = [Pred(oof.pred[0][oof.fold[0] == k]) for k in range(3)]
    assert goal.value(held) == pytest.approx(done.json["blends"]["final"]["score"], rel=1e-6)
    alone = goal_of(project(tuned).job(Place("", "", ""), None, Path()).goal, store)
    assert alone.value(held) == pytest.approx(done.json["models"]["a"]["score"], rel=1e-6)
    assert len(goal.block_values(0, held[0])) == len(alone.block_values(0, held[0])) == 20


def test_a_model_outside_the_blend_is_added_to_it(tuned: Toy) -> None:
    tuned.edit(("from: [a, b]", "from: [b]"), text=RECIPE)
    tuned.run()
    spec = project(tuned, blend="final")
    chain = spec.chain()
    assert [s.name for s in chain] == ["blend final"]
    goal = goal_of(spec.job(Place("", "", ""), None, Path()).goal, spec.opened.store)
    assert goal.chain[0].sources[-1] == "candidate"


def test_tuning_for_the_blend_fits_its_other_models_first(tuned: Toy) -> None:
    found = tune(tuned, "--model", "a", "--trials", "4", "--for", "blend")
    assert trials(tuned, "a.for-final")[0].user_attrs["start"] == "defaults"
    done = tuned.run()
    assert done.stages["failed"] == 0
    assert done.json["blends"]["final"]["score"] == pytest.approx(found["best_score"], rel=1e-6)


def test_folds_inside_a_fold_hold_and_learn_none_of_its_rows(tuned: Toy) -> None:
    spec = project(tuned)
    outer = folds_of(spec.opened.store.open(spec.plan.folds_key))
    for k in range(3):
        found = inside(spec, k)
        inner = folds_of(found.opened.store.open(found.plan.folds_key))
        held = outer.is_held(k)
        assert len(inner) == found.facts.n_folds == 3
        assert sum(inner.is_held(i).sum() for i in range(3)) == (~held).sum()
        for i in range(3):
            assert not (inner.is_held(i) & held).any()
            assert not (inner.is_train(i) & held).any()
            assert (inner.is_train(i) | inner.is_held(i) | held).all()


def test_nested_gives_the_score_of_models_tuned_without_the_fold(tuned: Toy) -> None:
    found = tune(tuned, "--model", "a", "--trials", "2", "--nested")
    studies = {p.stem for p in (tuned.root / "oof" / "r" / "_tuning").glob("*.journal")}
    assert studies == {"a", "a.fold0", "a.fold1", "a.fold2"}
    assert found["nested_score"] > 0
    assert (
        yaml.safe_load((tuned.folder / "r.tuned.yaml").read_text())["models"]["a"]["nested_score"]
        == found["nested_score"]
    )


def test_a_split_seed_tunes_on_other_folds(tuned: Toy) -> None:
    found = tune(tuned, "--model", "a", "--trials", "3", "--split-seed", "5")
    entry = yaml.safe_load((tuned.folder / "r.tuned.yaml").read_text())["models"]["a"]
    assert entry["tuned_on"] == "other folds (split seed 5)"
    assert states(tuned)["fit a fold 0 seed 0"] == "run"
    tuned.run("--only", "a")
    assert tuned.card("a")["tuned"]["tuned_on"] == "other folds"
    assert tuned.card("a")["score"] != found["best_score"]
    assert of_seed(project(tuned), 5).plan.folds_key != project(tuned).plan.folds_key


@pytest.mark.usefixtures("drawn")
def test_more_seeds_and_a_page_without_network(tuned: Toy) -> None:
    seeds = ("params: {n_estimators: 12}}", "params: {n_estimators: 12}, seeds: 2}")
    tuned.edit(seeds, text=RECIPE + "tune: {pruner: none}\n")
    done = tuned.kit("tune", str(tuned.folder / "r.yaml"), "--jobs", "1", "--model", "a", "--trials", "4")
    assert done.code == 0
    assert {v for n, v in states(tuned).items() if n.startswith("fit a")} == {"reuse"}
    assert "tuned on these folds" in done.out.splitlines()[-1]
    assert "what matters" in done.out
    text = (tuned.root / "oof" / "r" / "_tuning" / "a.html").read_text("utf-8")
    assert "Plotly.newPlot" in text
    assert "<script src=" not in text
    assert not re.search("<script[^>]* src=", text)
    assert "<link" not in text
    head = text.partition("<body>")[2].partition("<h2>")[0]
    assert "<td>complete 4, pruned 0, failed 0</td>" in head
    assert "{" not in head


# -- survival


@pytest.mark.usefixtures("drawn")
def test_a_stopped_study_goes_on_without_repeating_a_fold(tuned: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock runs out after some looks at it: the trial goes back into the queue with the folds it has."""
    looks, watched = itertools.count(), supervising.Watched()

    def over(self: Stop) -> bool:
        watched.stopped = next(looks) > 60
        return watched.stopped

    tuned.write(RECIPE.replace("n_estimators: 12", "n_estimators: 30"))
    with monkeypatch.context() as patched:
        patched.setattr(Stop, "__call__", over)
        patched.setattr(kit.tuning, "interruptible", lambda: nullcontext(watched))
        tune(tuned, "--model", "a", "--trials", "3", ends=130)
    before = trials(tuned)
    assert {t.state.name for t in before} <= {"WAITING", "COMPLETE", "PRUNED"}
    assert any(t.state.name == "WAITING" for t in before)
    there = set(tuned.objects())
    ended = tune(tuned, "--model", "a", "--trials", "3")
    assert sum(ended["trials"].values()) == 3
    assert there <= set(tuned.objects())


def desk_of(toy: Toy, trials: int = 3) -> Desk:
    """Return a worker of a study in this process, the study begun."""
    spec = project(toy, trials=trials)
    from kit._tune import studies

    spec.folder.mkdir(parents=True, exist_ok=True)
    place = Place("", str(spec.folder / "a.journal"), "r/a")
    studies.enqueue(studies.open_study(place, "lower", spec.tie()), spec.starts()[:1], spec.dimensions, spec.defaults())
    return Desk(spec.job(place, None, toy.folder / "stop"), 0)


def test_a_trial_whose_worker_is_gone_is_queued_again_with_its_params(tuned: Toy) -> None:
    worker = desk_of(tuned)
    trial = worker._ask()
    trial = worker._ask() if trial is not None else None
    assert trial is not None
    watchman = leases.Watchman(worker.storage, worker.study)
    with leases.Lease(worker.storage, leases.id_of(worker.storage, worker.study, trial.number), 0):
        assert trial.number in [t.number for t in watchman.look()]
    gone = {"host": leases.here(), "pid": 1, "born": "long ago", "beat": 3, "done": 1}
    trial.set_user_attr(leases.LEASE, gone)
    assert trial.number not in [t.number for t in watchman.look()]
    back = trials(tuned)[trial.number]
    assert back.state.name == "WAITING"
    assert back.params == trial.params
    again = worker._ask()
    assert again is not None
    assert (again.number, again.params) == (trial.number, trial.params)


def test_a_trial_gone_on_with_is_judged_by_all_that_was_trained_for_it(
    tuned: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rival may have become better since: folds that are finished count all the same."""
    worker = Desk(Job.from_json(desk_of(tuned).job.to_json()), 0)
    first = worker._ask()
    assert first is not None
    worker.carry_out(first)
    second = worker._ask()
    assert second is not None
    fits = 0
    for stage in Attempt(worker.bench, second, None, lambda done: None)._stages():
        stages.run(stage, worker.bench.store, 1, Watcher(worker.bench.stop, None, 0), worker.bench.memory)
        fits += stage.verb == "fit"
        if fits == 2:
            break
    monkeypatch.setattr(Race, "behind", lambda self, run: True)
    worker.carry_out(second)
    told = trials(tuned)[second.number]
    assert told.state.name == "PRUNED"
    assert len(told.user_attrs["fold_scores"]) == 2


def test_a_worker_elsewhere_is_given_time_to_renew_its_lease(tuned: Toy) -> None:
    worker = desk_of(tuned)
    trial = worker._ask()
    assert trial is not None
    trial.set_user_attr(leases.LEASE, {"host": "elsewhere", "pid": 1, "born": "1", "beat": 1})
    clock = iter([0.0, 50.0, 100.0, 161.0])
    watchman = leases.Watchman(worker.storage, worker.study, lambda: next(clock))
    assert len(watchman.look()) == 1
    assert len(watchman.look()) == 1
    trial.set_user_attr(leases.LEASE, {"host": "elsewhere", "pid": 1, "born": "1", "beat": 2})
    assert len(watchman.look()) == 1
    assert watchman.look() == []
    assert trials(tuned)[trial.number].state.name == "WAITING"


def test_a_worker_ended_while_it_asked_leaves_no_trial_running(tuned: Toy) -> None:
    """The trial has no lease of a process yet: others are given time for that, workers that were killed are not."""
    worker = desk_of(tuned)
    trial = worker._ask()
    assert trial is not None
    clock = iter([0.0, 14.0, 14.5])
    watchman = leases.Watchman(worker.storage, worker.study, lambda: next(clock))
    assert len(watchman.look()) == len(watchman.look()) == 1
    assert watchman.look(0.0) == []
    assert trials(tuned)[trial.number].state.name == "WAITING"


def test_a_trial_that_ends_every_worker_is_given_up(tuned: Toy) -> None:
    worker = desk_of(tuned)
    first, second = worker._ask(), worker._ask()
    assert first is not None
    assert second is not None
    gone = {"host": leases.here(), "pid": 1, "born": "long ago", "beat": 3, "done": 0}
    watchman = leases.Watchman(worker.storage, worker.study)
    for _ in range(leases.MOST_DEATHS):
        for trial in trials(tuned):
            if trial.state.name == "WAITING":
                worker._ask()
        for number in (first.number, second.number):
            trial_id = leases.id_of(worker.storage, worker.study, number)
            worker.storage.set_trial_user_attr(trial_id, leases.LEASE, gone)
        watchman.look()
    assert [t.state.name for t in trials(tuned)] == ["WAITING", "FAIL"]
    assert "died 10 times" in trials(tuned)[1].user_attrs["problem"]


def test_a_line_that_a_kill_cut_does_not_spoil_the_journal(tuned: Toy) -> None:
    found = tune(tuned, "--model", "a", "--trials", "2")
    journal = tuned.root / "oof" / "r" / "_tuning" / "a.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + whole[-40:-10].replace(b"\n", b""))
    more = tune(tuned, "--model", "a", "--trials", "3")
    assert sum(more["trials"].values()) == 3
    assert more["default_score"] == found["default_score"]
    assert all(json.loads(line) for line in journal.read_bytes().splitlines())


def test_trials_that_fail_are_told_and_the_study_ends_where_all_do(tuned: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise MemoryError("no more")

    monkeypatch.setattr(desk, "Attempt", fails)
    told = error(tuned, "--model", "a", "--trials", "9")
    assert "every trial fails" in told
    assert "MemoryError: no more" in told
    assert {t.state.name for t in trials(tuned)} == {"FAIL"}


def test_values_are_rounded_so_that_the_file_names_the_very_fits(tuned: Toy) -> None:
    tune(tuned, "--model", "a", "--trials", "5")
    sampled = [t for t in trials(tuned) if "start" not in t.user_attrs]
    store = open_recipe(tuned.folder / "r.yaml", root=tuned.root).store
    spec = project(tuned)
    job = Job.from_json(spec.job(Place("", "", ""), None, Path()).to_json())
    from kit._tune.studies import settings_of

    for trial in sampled:
        settings = settings_of(trial.params, trial.user_attrs)
        assert settings == yaml.safe_load(yaml.safe_dump(settings))
        first = with_params(job.stages, job.params(settings))[0]
        done = len(trial.user_attrs["fold_scores"])
        assert store.has(first.key) == (done > 0)
        if done:
            assert np.isfinite(store.open(first.key).array("held")).all()


def test_a_declared_test_distribution_is_what_is_tuned_for(tuned: Toy) -> None:
    section = "evaluate: {target: {edges: [-9, 0.5, 9], shares: [0.9, 0.1]}}\n"
    tuned.write(RECIPE + section)
    spec = project(tuned)
    found = tune(tuned, "--model", "a", "--trials", "4")
    goal = goal_of(spec.job(Place("", "", ""), None, Path()).goal, spec.opened.store)
    assert len(np.unique(goal.v)) == 2
    done = tuned.run("--only", "a")
    assert done.json["models"]["a"]["score"] == pytest.approx(found["best_score"], rel=1e-6)
    assert sum(tune(tuned, "--model", "a", "--trials", "3", "--split-seed", "3")["trials"].values()) == 3
    tuned.write(RECIPE)
    assert "test distribution" in error(tuned, "--model", "a", "--trials", "5")
