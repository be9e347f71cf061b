"""The plan is pure: made of a recipe and facts, without a file or a fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import kit.api
from kit import planning
from kit.errors import DataError, RecipeError
from kit.facts import Facts
from kit.sample import Layout
from kit.types import Column, Task

RECIPE = """\
data: {train: train.csv, test: test.csv, id: id, target: y}
metric: rmse
seed: 3
features:
  base: [numeric, category]
models:
  a: {use: lightgbm, features: base}
  b: {use: xgboost, features: base, seeds: 2}
blend:
  m: {use: mean, from: [a, b]}
"""

FACTS = Facts(
    table_key="7ab1e",
    rows_key="4035",
    content={"x1": "1" * 32, "x2": "2" * 32, "c": "3" * 32, "id": "4" * 32, "y": "5" * 32},
    submitted="5" * 32,
    n_train=100,
    n_test=10,
    header={"x1": Column("numeric"), "x2": Column("numeric"), "c": Column("category"), "t": Column("text"), "id": Column("numeric"), "y": Column("numeric")},
    free=("x1", "x2", "c", "t"),
    task=Task("regression"),
    id_name="id",
    target="y",
    digests={"y": "a", "w": "b", "v": "b"},
    sample=Layout(("id", "y"), 0, "value", (0,)),
    folds_key="f01d5",
    n_folds=3,
)  # fmt: skip


@pytest.fixture
def compiled(tmp_path):
    def compile_(*changes: tuple[str, str], facts: Facts = FACTS, keep: bool = False, sets=()):
        text = RECIPE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "r.yaml"
        path.write_text(text)
        return planning.compile(kit.api.read_recipe(path, sets), facts, "cpu", keep)

    return compile_


def refits(before, after) -> set[str]:
    """Return the models with a fit whose key is new."""
    known = {s.key for s in before.stages}
    return {str(s.local["model"]) for s in after.stages if s.verb == "fit" and s.key not in known}


def test_a_stage_comes_after_its_inputs_and_has_a_key_of_its_own(compiled):
    plan = compiled()
    seen: set[str] = set()
    for stage in plan.stages:
        assert set(stage.inputs) <= seen, stage.name
        seen.add(stage.key)
    assert len(seen) == len(plan.stages) == 3 + 4 + (6 + 1) + 1 + 1
    assert plan.of(plan.oofs["m"]).inputs == (plan.oofs["a"], plan.oofs["b"])
    assert plan.of(str(plan.submit)).inputs == (plan.oofs["m"],)


def test_the_grain_is_model_fold_and_seed(compiled):
    fits = [s for s in compiled().stages if s.verb == "fit"]
    grain = {(s.local["model"], s.ingredients["fold"], s.ingredients["seed_index"]) for s in fits}
    assert grain == {("a", k, 0) for k in range(3)} | {("b", k, s) for k in range(3) for s in range(2)}


def test_more_seeds_keep_the_seeds_there_are(compiled):
    before, after = compiled(), compiled(("seeds: 2", "seeds: 3"))
    known = {s.key for s in before.stages}
    assert len([s for s in after.stages if s.verb == "fit" and s.key not in known]) == 3


@pytest.mark.parametrize(
    ("change", "models"),
    [
        (("features: base}", "features: base, params: {depth: 4}}"), {"a"}),
        (("features: base}", "features: base, params: {path_smooth: 1}}"), {"a"}),
        (("features: base}", "features: base, stop: cut}"), {"a"}),
        (("features: base}", "features: numeric}"), {"a"}),
        (("features: base}", "features: base, weights: label_frequency}"), {"a"}),
        (("features: base}", "features: base, target_transform: log1p}"), {"a"}),
        (("seed: 3", "seed: 4"), {"a", "b"}),
        (("seed: 3", "seed: 3\nstop: fixed"), {"a", "b"}),
        (("seed: 3", "seed: 3\ntarget_transform: log1p"), {"a", "b"}),
        (("[numeric, category]", "[category, numeric]"), {"a", "b"}),
        (("seed: 3", "seed: 3\nsplit: {use: kfold, folds: 7}"), {"a", "b"}),
        (("metric: rmse", "metric: rmsle"), {"a", "b"}),
        (("metric: rmse", "metric: rmse\nalso: [mae]"), set()),
        (("use: mean", "use: nnls"), set()),
        (("seed: 3", "seed: 3\nmissing: drop"), set()),
        (("features: base}", "features: base, params: {depth: -1}}"), set()),
    ],
)
def test_what_shapes_a_fit_is_in_its_key(compiled, change, models):
    assert refits(compiled(), compiled(change)) == models


@pytest.mark.parametrize(
    ("change", "models"),
    [
        ({"content": {**FACTS.content, "x1": "9" * 32}}, {"a", "b"}),
        ({"content": {**FACTS.content, "id": "9" * 32}}, set()),
        ({"digests": {**FACTS.digests, "y": "z"}}, {"a", "b"}),
        ({"digests": {**FACTS.digests, "v": "z"}}, {"a", "b"}),
        ({"folds_key": "other"}, {"a", "b"}),
        ({"task": Task("regression", "absolute")}, {"a", "b"}),
        ({"rows_key": "other", "table_key": "other"}, set()),
        ({"submitted": "other"}, set()),
        ({"sample": Layout(("key", "z"), 0, "value", (0,))}, set()),
    ],
)
def test_what_of_the_data_shapes_a_fit_is_in_its_key(compiled, change, models):
    assert refits(compiled(), compiled(facts=replace(FACTS, **change))) == models


def test_equal_models_share_their_fits(compiled):
    plan = compiled(("  b: {use: xgboost, features: base, seeds: 2}", "  b: {use: lightgbm, features: base}"))
    assert plan.oofs["a"] == plan.oofs["b"]
    assert len([s for s in plan.stages if s.verb == "fit"]) == 3


def test_keeping_models_changes_no_key(compiled):
    plain, kept = compiled(), compiled(keep=True)
    assert [s.key for s in plain.stages] == [s.key for s in kept.stages]
    assert {s.verb for s in kept.stages if s.needs} == {"fit"}


def test_no_test_rows_no_submission(compiled):
    assert compiled(facts=replace(FACTS, n_test=0)).submit is None


def test_a_bare_feature_takes_all_free_columns_of_its_kinds(compiled):
    made = next(s for s in compiled().stages if s.verb == "fit").ingredients
    columns = {f["use"]: f["params"]["columns"] for f in made["design"]["features"]}
    assert columns == {"numeric": ["x1", "x2"], "category": ["c"]}
    assert set(made["x"]) == {"x1", "x2", "c"}


def test_a_bare_feature_without_columns_is_left_out(compiled):
    facts = replace(FACTS, free=("x1",))
    made = next(s for s in compiled(facts=facts).stages if s.verb == "fit").ingredients
    assert [f["use"] for f in made["design"]["features"]] == ["numeric"]


@pytest.mark.parametrize(
    ("changes", "facts", "rule"),
    [
        ([], replace(FACTS, free=("t",)), "left without a feature column"),
        ([("[numeric, category]", "[{use: numeric, columns: [y]}]")], FACTS, "the target column cannot be used here"),
        ([("[numeric, category]", "[{use: numeric, columns: [id]}]")], FACTS, "the id column cannot be used here"),
        ([("[numeric, category]", "[{use: numeric, columns: [x3]}]")], FACTS, "unknown column in numeric"),
        ([("[numeric, category]", "[{use: numeric, columns: [c]}]")], FACTS, "numeric takes"),
        ([("seed: 3", "augment: {more: [{use: mixup, columns: [x1, c]}]}\nseed: 3"), ("lightgbm,", "lightgbm, augment: more,")], FACTS, "mixup takes numeric and vector columns"),
        ([("seed: 3", "augment: {more: [{use: mismatch, swap: [t], score: 0, by: x1}]}\nseed: 3"), ("lightgbm,", "lightgbm, augment: more,")], FACTS, "mismatch takes vector columns"),
        ([("seed: 3", "columns:\n  v: {use: target_mean, columns: [c]}\nseed: 3")], FACTS, "learns from the rows of a fold and cannot stand under columns"),
        ([("seed: 3", "columns:\n  v: {use: count, scope: fold}\nseed: 3")], FACTS, "learns from the rows of a fold and cannot stand under columns"),
        ([], replace(FACTS, task=Task("regression", "gaussian")), "lightgbm cannot train for gaussian"),
        ([("use: mean", "use: clip"), ("from: [a, b]", "from: a")], replace(FACTS, task=Task("binary", "logloss", (0, 1), 1)), "clip does not fit a binary task"),
        ([("features: base}", "features: base, target_transform: log1p}")], replace(FACTS, task=Task("binary", "logloss", (0, 1), 1)), "target_transform log1p does not fit"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_refused_with_its_line(compiled, changes, facts, rule):
    with pytest.raises(RecipeError, match=rule) as caught:
        compiled(*changes, facts=facts)
    place = caught.value.problems[0].place
    assert Path(place.rpartition(":")[0]).name == "r.yaml"


@pytest.mark.parametrize(
    ("line", "facts", "rule"),
    [
        ("evaluate: {shares: {low: 1}}", FACTS, "shares of a numeric target are a list with edges"),
        ("evaluate: {edges: [0, 1], shares: [1]}", replace(FACTS, task=Task("binary", "logloss", (0, 1), 1)), "those of classes a mapping"),
        ("evaluate: {shares: {0: 1, 2: 1}}", replace(FACTS, task=Task("binary", "logloss", (0, 1), 1)), "for every class"),
        ("evaluate: {estimate: a}", replace(FACTS, n_test=0), "estimated from test rows, and there are none"),
    ],
)  # fmt: skip
def test_a_test_distribution_that_cannot_be_is_refused_with_its_line(compiled, line, facts, rule):
    with pytest.raises(DataError, match=rule) as caught:
        compiled(("seed: 3", f"{line}\nseed: 3"), facts=facts)
    problem = caught.value.problems[0]
    assert "r.yaml:" in problem.place and "evaluate" in problem.excerpt


def test_classes_that_are_numbers_or_truth_values_have_shares(compiled):
    for classes, shares in (((0, 1), "{0: 1, 1: 3}"), ((False, True), '{"false": 1, "true": 3}')):
        facts = replace(FACTS, task=Task("binary", "logloss", classes, classes[1]))
        plan = compiled(("seed: 3", f"evaluate: {{shares: {shares}}}\nseed: 3"), ("rmse", "auc"), facts=facts)
        assert list(plan.of(plan.v_key).ingredients["evaluate"]["target"]["shares"].values()) == [1.0, 3.0]


def features_of(plan) -> list[dict]:
    """Return the ingredients of the features of the first model."""
    return next(s for s in plan.stages if s.verb == "fit").ingredients["design"]["features"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("['x*']", "[x1, x2]"),
        ("['x*', '!x2']", "[x1]"),
        ("['!x1']", "[x2]"),
        ("['kind:numeric']", "[x1, x2]"),
        ("[x2, 'x?']", "[x2, x1]"),
    ],
)
def test_a_pattern_is_the_names_it_matches(compiled, pattern, names):
    by_pattern, by_name = (compiled(("numeric,", f"{{use: numeric, columns: {c}}},")) for c in (pattern, names))
    assert [s.key for s in by_pattern.stages] == [s.key for s in by_name.stages]
    assert features_of(by_pattern)[0]["params"]["columns"] == names.strip("[]").split(", ")


def test_a_pattern_that_comes_to_match_more_columns_makes_another_fit(compiled):
    change = ("numeric,", "{use: numeric, columns: ['x*']},")
    facts = replace(FACTS, header={**FACTS.header, "x3": Column("numeric")}, free=(*FACTS.free, "x3"))
    assert refits(compiled(change), compiled(change, facts=facts)) == {"a", "b"}


def test_an_expression_brings_the_columns_it_reads(compiled):
    plan = compiled(("[numeric, category]", "[{use: expr, expressions: {ratio: x1 / x2}}]"))
    fit = next(s for s in plan.stages if s.verb == "fit")
    assert features_of(plan)[0]["params"]["reads"] == ["x1", "x2"]
    assert set(fit.ingredients["x"]) == {"x1", "x2"}


GROUPED = ("target: y}", "target: y, groups: g}")


def test_the_column_of_the_groups_may_be_a_key_but_no_feature(compiled):
    facts = replace(FACTS, header={**FACTS.header, "g": Column("numeric")}, content={**FACTS.content, "g": "6" * 32})
    by_group = ("[numeric, category]", "[{use: aggregate, by: [g], columns: [x1]}]")
    plan = compiled(GROUPED, by_group, facts=facts)
    assert set(next(s for s in plan.stages if s.verb == "fit").ingredients["x"]) == {"x1", "g"}
    with pytest.raises(RecipeError, match="the groups column cannot be used here"):
        compiled(GROUPED, (by_group[0], by_group[1].replace("[x1]", "[g, x1]").replace("[g],", "[c],")), facts=facts)
    with pytest.raises(RecipeError, match="the test file lacks this column"):
        compiled(GROUPED, by_group, facts=replace(facts, lacking=("g",)))


def test_dates_and_expressions_read_the_column_of_times_and_nothing_else_does(compiled):
    facts = replace(FACTS, header={**FACTS.header, "d": Column("date")}, content={**FACTS.content, "d": "6" * 32})
    timed = ("target: y}", "target: y, time: d}")

    def read(features: str, facts: Facts = facts) -> set[str]:
        plan = compiled(timed, ("[numeric, category]", features), facts=facts)
        return set(next(s for s in plan.stages if s.verb == "fit").ingredients["x"])

    assert read("[numeric, dates]") == {"x1", "x2", "d"} == read('[numeric, {use: dates, columns: [d, "!t"]}]')
    assert read('[numeric, {use: expr, expressions: {w: "EXTRACT(DOW FROM d)"}}]') == {"x1", "x2", "d"}
    assert read("[numeric, category]") == {"x1", "x2", "c"}
    assert read("[numeric, dates]", replace(facts, lacking=("d",))) == {"x1", "x2"}
    for refused in ("{use: numeric, columns: [d]}", "{use: rank_gauss, columns: [d]}"):
        with pytest.raises(RecipeError, match="the time column cannot be used here"):
            read(f"[{refused}]")


@pytest.mark.parametrize(
    ("columns", "features", "transductive"),
    [
        ("", "[numeric]", False),
        ("", "[numeric, count]", True),
        ("", "[numeric, {use: count, scope: fold}]", False),
        ("", "[numeric, {use: category, min_count: 3}]", True),
        ("v: {use: reduce}", "[numeric, {use: vector, columns: [v]}]", True),
        ("v: {use: reduce}", "[numeric]", False),
        ("v: {use: pairs}", "[numeric, {use: vector, columns: [v]}]", False),
        ("v: {use: reduce}\n  u: {use: vector, columns: [v]}", "[numeric, {use: vector, columns: [u]}]", True),
    ],
)
def test_what_is_learnt_over_test_rows_is_marked(compiled, columns, features, transductive):
    first = (("seed: 3", f"columns:\n  {columns}\nseed: 3"),) if columns else ()
    plan = compiled(*first, ("[numeric, category]", features))
    assert [s.ingredients["transductive"] for s in plan.stages if s.verb == "oof"] == [transductive] * 2


def test_a_computed_column_takes_patterns_and_the_columns_of_its_kind(compiled):
    column = "columns:\n  v: {use: reduce%s}\nseed: 3"
    used = ("[numeric, category]", "[{use: vector, columns: [v]}]")
    bare, named = (compiled(("seed: 3", column % c), used) for c in ("", ", columns: ['x*']"))
    assert [s.key for s in bare.stages] == [s.key for s in named.stages]
    with pytest.raises(RecipeError, match="dates finds no date column"):
        compiled(("seed: 3", "columns:\n  v: dates\nseed: 3"))
    with pytest.raises(RecipeError, match="reduce takes numeric, date and vector"):
        compiled(("seed: 3", column % ", columns: [c]"))


def test_no_column_that_is_right_is_compared_with_all_others(compiled, monkeypatch):
    def never(*_):
        raise AssertionError("2000 columns would take minutes")

    monkeypatch.setattr("kit.resolving.nearest", never)
    compiled(("base: [numeric, category]", "base: [numeric, category, {use: count, columns: [c, x1]}]"))
