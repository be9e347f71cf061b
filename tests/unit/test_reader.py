from __future__ import annotations

from pathlib import Path

import pytest

from kit.api import read_recipe
from kit.errors import RecipeError

BASE = """\
data: {train: train.csv, target: y}
metric: rmse
models:
  a: lightgbm
"""


@pytest.fixture
def read(tmp_path):
    def parse(text: str, *sets: str, name: str = "house-prices.yaml"):
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return read_recipe(path, sets)

    return parse


def rules(read, text: str, *sets: str) -> list[tuple[str, str]]:
    """Return (line or --set, rule) of each problem."""
    with pytest.raises(RecipeError) as caught:
        read(text, *sets)
    return [
        (p.place.rpartition(":")[2] if not p.place.startswith("--") else "--set", p.rule) for p in caught.value.problems
    ]


def test_what_a_short_recipe_means(read):
    recipe = read(BASE)
    assert recipe.name == "house-prices"
    assert recipe.folder == Path(recipe.document.path).parent
    assert (recipe.split.use, recipe.repeats, recipe.seed, recipe.missing) == ("kfold", 1, 0, "fail")
    (model,) = recipe.models
    assert (model.name, model.plug.use, model.seeds, model.stop.use) == ("a", "lightgbm", 1, "refit")
    assert [p.use for p in model.features] == ["numeric", "category", "dates", "text_stats", "tfidf", "parts"]
    assert recipe.blends == ()
    assert recipe.submit == "a"


def test_several_models_are_blended_unless_the_recipe_says_no(read):
    two = BASE + "  b: {use: xgboost}\n"
    recipe = read(two)
    assert [(b.name, b.plug.use, b.sources) for b in recipe.blends] == [("blend", "shrunk", ("a", "b"))]
    assert recipe.submit == "blend"
    none = read(two + "blend: {}\n")
    assert none.blends == ()


def test_the_last_blend_is_submitted_unless_the_recipe_says_which(read):
    text = BASE + "blend:\n  one: {use: mean, from: a}\n  two: {use: clip, from: one}\n"
    assert read(text).submit == "two"
    assert read(text + "submit: {from: one}\n").submit == "one"
    assert read(text).blends[1].sources == ("one",)


def test_a_stop_of_a_model_extends_that_of_the_recipe(read):
    text = BASE.replace(
        "a: lightgbm", "a: {use: lightgbm, stop: {folds: 4}}\n  b: {use: xgboost, stop: fixed}\n  c: catboost"
    )
    recipe = read(text + "stop: {use: cut, folds: 9}\n")
    assert [(m.stop.use, m.stop.folds) for m in recipe.models] == [("cut", 4), ("fixed", 9), ("cut", 9)]


def test_a_target_transform_of_a_model_comes_before_that_of_the_recipe(read):
    text = BASE.replace("a: lightgbm", "a: {use: lightgbm, target_transform: identity}\n  b: xgboost")
    recipe = read(text + "target_transform: log1p\n")
    assert [m.codec.use for m in recipe.models if m.codec] == ["identity", "log1p"]


def test_roles_of_a_split_are_roles_of_the_data(read):
    recipe = read(BASE + "split: {use: group, groups: house, folds: 4, repeats: 2}\n")
    assert recipe.data.groups == "house"
    assert recipe.repeats == 2
    assert recipe.split.params.folds == 4
    clash = BASE.replace("target: y", "target: y, groups: street") + "split: {use: group, groups: house}\n"
    assert rules(read, clash) == [("5", "groups is declared twice")]


def test_native_parameters_are_taken_under_their_own_names(read):
    recipe = read(
        BASE.replace("a: lightgbm", "a: {use: lightgbm, params: {num_leaves: 7, path_smooth: 2, n_estimators: 9}}")
    )
    params = recipe.models[0].plug.params
    assert params.leaves == 7
    assert params.n_estimators == 9
    assert params.native == {"path_smooth": 2}


def test_sets_change_values_before_they_are_checked(read):
    recipe = read(
        BASE.replace("a: lightgbm", "a: {use: lightgbm}"),
        "models.a.params.n_estimators=9",
        "split.folds=4",
        "split.use=kfold",
        "seed=3",
        "name=other",
    )
    assert recipe.models[0].plug.params.n_estimators == 9
    assert (recipe.split.params.folds, recipe.seed, recipe.name) == (4, 3, "other")


def test_all_problems_are_told_at_once_in_the_order_of_lines(read):
    text = """\
nmae: x
data: {train: a.csv, source: "sklearn:iris", target: y, drop: [y]}
metric: rsme
also: [mae, mea]
split: {use: kfold, folds: 1}
seed: -1
features:
  base: [numerc]
models:
  A b: lightgbm
  c: {use: lightgbm, features: bas, seeds: 0, params: {n_estimator: 5}}
blend:
  c: {use: mean}
submit: {from: nothing}
"""
    found = rules(read, text)
    assert [line for line, _ in found] == sorted((line for line, _ in found), key=int)
    assert {line for line, _ in found} == {"1", "2", "3", "4", "5", "6", "8", "10", "11", "13", "14"}


def test_one_metric_beside_the_first_needs_no_list(read):
    assert read(BASE + "also: mae\n").also == ("mae",)


def test_a_key_of_data_at_the_top_is_told_where_it_stands(read):
    with pytest.raises(RecipeError, match=r"it stands under data: data: \{kinds: \.\.\.\}"):
        read(BASE + "kinds: {a: category}\n")


def test_what_refers_to_a_section_that_cannot_be_read_is_not_judged(read):
    text = BASE.replace("models:", "model:") + "blend:\n  m: {use: mean, from: [a]}\nsubmit: {from: m}\n"
    assert rules(read, text) == [("3", "unknown key")]
    text = BASE.replace("a: lightgbm", "a: {use: lightgbm, features: base}") + "features: [numeric]\n"
    assert rules(read, text) == [("5", "features must be a mapping of names")]


def test_a_blend_comes_after_what_it_blends(read):
    with pytest.raises(RecipeError) as caught:
        read(BASE + "blend:\n  m: {use: mean, from: [n]}\n  n: {use: mean, from: [a]}\n")
    (problem,) = caught.value.problems
    assert problem.next == "write n before m"


BLENDS = """  b: lightgbm
blend:
  m: {{use: {inner}, from: [a, b]}}
  c: {{use: clip, from: m}}
  n: {{use: {outer}, from: [{sources}]}}
"""


@pytest.mark.parametrize(
    ("inner", "outer", "sources", "said"),
    [
        ("nnls", "ridge", "m, a", "m beside a, which it is made of"),
        ("hill_climb", "shrunk", "b, m, a", "m beside b, a, which it is made of"),
        ("nnls", "ridge", "c, b", "c beside b, which it is made of"),
        ("mean", "ridge", "m, a, b", None),
        ("nnls", "mean", "m, a, b", None),
        ("nnls", "ridge", "m, c", None),
        ("nnls", "ridge", "a, b", None),
    ],
)
def test_a_blend_that_learns_stands_beside_its_sources_only_where_nothing_learns(read, inner, outer, sources, said):
    text = BASE + BLENDS.format(inner=inner, outer=outer, sources=sources)
    if said is None:
        assert [b.name for b in read(text).blends] == ["m", "c", "n"]
        return
    with pytest.raises(RecipeError) as caught:
        read(text)
    (problem,) = caught.value.problems
    assert "beside that one's own sources" in problem.rule
    assert problem.place.endswith(":9")
    assert problem.got == said
    assert problem.next.startswith(f"from: [{said.partition(' ')[0]}]")


def test_a_mistake_in_a_model_is_no_mistake_of_its_blend(read):
    text = (
        BASE.replace("a: lightgbm", "a: {use: lightgbm, params: {n_estimators: 0}}")
        + "blend:\n  m: {use: mean, from: [a]}\nsubmit: {from: a}\n"
    )
    assert [line for line, _ in rules(read, text)] == ["4"]


def test_a_bad_value_is_told_with_the_name_of_its_parameter(read):
    with pytest.raises(RecipeError) as caught:
        read(BASE.replace("a: lightgbm", "a: {use: lightgbm, params: {n_estimators: 0, subsample: 0.5}}"))
    (problem,) = caught.value.problems
    assert "n_estimators" in problem.rule
    assert problem.got == "0"


@pytest.mark.parametrize(
    ("params", "rule", "got"),
    [
        ("{n_estimators: many}", "n_estimators must be a whole number", "many"),
        ("{n_estimators: 1.5}", "n_estimators must be a whole number", "1.5"),
        ("{num_iterations: 0}", "num_iterations must be at least 1", "0"),
        ("{learning_rate: 2}", "learning_rate must be at most 1", "2"),
        ("{extra_trees: perhaps}", "extra_trees must be true or false", "perhaps"),
        ("{path_smooth: {a: 1}}", "path_smooth must be true or false or", "{'a': 1}"),
        ("{nthread: 5, depth: 4}", "nthread is not yours to set", "5"),
        ("{leaves: 4, num_leaves: 5}", "leaves is given twice", "leaves: 4, num_leaves: 5"),
    ],
)
def test_a_bad_parameter_is_one_problem_in_words(read, params, rule, got):
    with pytest.raises(RecipeError) as caught:
        read(BASE.replace("a: lightgbm", f"a: {{use: lightgbm, params: {params}}}"))
    (problem,) = caught.value.problems
    assert problem.rule.startswith(rule)
    assert problem.got == got


@pytest.mark.parametrize(
    ("extra", "rule"),
    [
        ("seed: 1.5\n", "seed must be a whole number"),
        ("missing: maybe\n", "unknown missing"),
        ("task: ranking\n", "unknown task"),
        ("evaluate: {target: unifrom}\n", "target"),
        ("features: [numeric]\n", "features must be a mapping of names"),
        ("name: Mixed Case\n", "a name has small letters"),
        ("split: 5\n", "split must be"),
        ("split: {use: kfold, repeats: 0}\n", "repeats must be"),
        ("blend:\n  m: {use: clip, from: [a, a]}\n", "clip takes"),
        ("blend:\n  m: {use: mean, from: [n]}\n  n: {use: mean, from: [a]}\n", "unknown source"),
        ("blend:\n  m: {from: [a]}\n", "is named by `use`"),
        ("submit: a\n", "submit must be a mapping"),
        ("columns:\n  v: {use: lookup, key: c}\n", "names must be given"),
        ("also: 3\n", "also must be the name of a metric, or a list of names"),
        ("weights: {use: ./mine.py}\n", "the weighting file does not exist"),
    ],
)
def test_rules_of_sections(read, extra, rule):
    assert any(rule in found for _, found in rules(read, BASE + extra))


@pytest.mark.parametrize(
    "models",
    [
        "models: [lightgbm]\n",
        "models: {a: 5}\n",
        "models: {a: {params: {}}}\n",
        "models: {a: {use: 5}}\n",
        "models: {a: {use: lightgbm, params: [1]}}\n",
        "models: {a: {use: lightgbm, features: 5}}\n",
        "models: {a: {use: lightgbm, features: [5]}}\n",
        "models: {a: {use: lightgbm, features: {use: numeric}}}\n",
        "models: {a: {use: lightgbm, augment: 3}}\n",
        "models: {a: {use: lightgbm, stop: 3}}\n",
        "models: {a: {use: lightgbm}}\nblend: {m: {use: mean, from: 3}}\n",
        "models: {a: {use: lightgbm}}\nblend: {m: {use: mean, from: [[a]]}}\n",
        "models: {a: {use: lightgbm}}\nalso: 3\n",
        "models: {a: {use: lightgbm}}\nalso: [[mae]]\n",
        "models: {a: {use: lightgbm}}\nfeatures: {base: 3}\n",
        "models: {a: {use: lightgbm}}\nfeatures: {base: [{columns: [x]}]}\n",
        "models: {a: {use: lightgbm}}\ndata: null\n",
        "models: {a: {use: lightgbm}}\nsubmit: {from: [a]}\n",
        "models: {a: {use: lightgbm}}\nmetric: [rmse]\n",
        "models: {a: {use: lightgbm}}\nsplit: null\n",
        "models: {a: {use: lightgbm}}\nstop: [cut]\n",
        "models: {a: {use: lightgbm}}\npositive: [1]\n",
        "models: {a: {use: lightgbm}}\nevaluate: 3\n",
        "models: {a: {use: lightgbm}}\ntask: [binary]\n",
        "models: {1: {use: lightgbm}}\n",
        "models: null\n",
    ],
)
def test_whatever_stands_in_a_recipe_is_refused_in_words(read, models):
    """Never an exception that is not the user's: each of these is a RecipeError with a line."""
    sections = [s for s in ("data: {train: train.csv, target: y}\n", "metric: rmse\n") if s[:4] not in models]
    for line, _ in rules(read, "".join(sections) + models):
        assert line.isdigit()


def test_a_recipe_without_its_failed_models(read):
    recipe = read(
        BASE
        + "  b: lightgbm\nblend:\n  m: {use: mean, from: [a, b]}\n  n: {use: mean, from: b}\n  o: {use: mean, from: [m, n]}\n"
    )
    smaller = recipe.without(["b"])
    assert [m.name for m in smaller.models] == ["a"]
    assert [(b.name, b.sources) for b in smaller.blends] == [("m", ("a",)), ("o", ("m",))]
    assert smaller.submit == "o"
    none = recipe.without(["a", "b"])
    assert (none.models, none.blends, none.submit) == ((), (), None)


def test_a_short_form_can_be_set_below(read):
    recipe = read(BASE + "split: stratified\n", "models.a.params.leaves=5", "split.folds=4", "models.a.stop=cut")
    assert (recipe.models[0].plug.params.leaves, recipe.models[0].stop.use) == (5, "cut")
    assert (recipe.split.use, recipe.split.params.folds) == ("stratified", 4)


def test_a_bare_plug_in_that_cannot_do_without_parameters(read):
    assert rules(read, BASE.replace("lightgbm", "{use: lightgbm, augment: jitter}")) == [("4", "columns must be given")]


@pytest.mark.parametrize(
    ("split", "use", "folds"),
    [
        ("{folds: 3}", "kfold", 3),
        ("{groups: g, folds: 4}", "group", 4),
        ("{time: t}", "time", 5),
        ("kfold", "kfold", 5),
    ],
)
def test_a_split_without_use_follows_from_its_columns(read, split, use, folds):
    made = read(BASE + f"split: {split}\n").split
    assert (made.use, made.params.folds) == (use, folds)


@pytest.mark.parametrize(
    ("split", "use"), [("", "group"), ("split: {folds: 3}\n", "group"), ("split: kfold\n", "kfold")]
)
def test_groups_of_the_data_stay_together_unless_another_split_is_named(read, split, use):
    recipe = read(BASE.replace("target: y", "target: y, groups: g") + split)
    assert (recipe.split.use, recipe.data.groups) == (use, "g")
    assert read(BASE.replace("target: y", "target: y, time: t")).split.use == "kfold", "a time may be for lags alone"


@pytest.mark.parametrize(
    ("extra", "refit"),
    [
        ("", False),
        ("split: {use: time, time: t}\n", True),
        ("split: {use: time, time: t}\nrefit: false\n", False),
        ("refit: true\n", True),
    ],
)
def test_models_of_a_split_by_time_predict_test_from_all_rows(read, extra, refit):
    assert {m.refit for m in read(BASE + extra).models} == {refit}
