"""What kit.fold and kit.design hand to plug-ins: spies note it, and none is handed what could leak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any, get_args

import numpy as np
import pytest
import worlds
from worlds import TASKS, K, check_blind

from kit import registry
from kit.design import Use, build
from kit.fitspec import FitSpec
from kit.types import NO_PARENT, Rows


def spied(use: Use) -> Any:
    """Return the module with its notes wiped."""
    module = worlds.module_of(use)
    for notes in vars(module).values():
        if isinstance(notes, list):
            notes.clear()
    return module


def run(stop: str = "cut", model: Use | None = None, **design: Any) -> Any:
    spec = worlds.fit_spec(
        model or worlds.learner("lightgbm", "squared"), "squared", stop, design=worlds.design_spec(K, **design)
    )
    return worlds.run_fold(spec, worlds.world("squared"))


def held_rows() -> Rows:
    return worlds.parts(worlds.world("squared"), K)[1]


@pytest.mark.parametrize("stop", ["cut", "refit", "fixed"])
def test_a_learner_gets_learning_rows_and_predicts_without_y(stop: str) -> None:
    spy = worlds.leaky("models", "answers_with_y")
    module = spied(spy)
    result = run(stop, spy)
    held, learnt = held_rows(), worlds.parts(worlds.world("squared"), K)[0]
    assert held.y is not None and learnt.y is not None
    assert module.PREDICTED and all(design.y is None for design in module.PREDICTED)
    assert not np.array_equal(result.held.mean[:, 0], held.y.astype(np.float32))
    for design in module.LEARNT:
        assert set(design.y) <= set(learnt.y) and not set(design.y) & (set(held.y) - set(learnt.y))
        for array in (design.y, design.w, design.v):
            assert lowest(array).shape[0] <= len(learnt), "an array that leads to the held rows"
    check_blind(worlds.fit_spec(spy, "squared", stop), worlds.world("squared"))


def lowest(array: Any) -> Any:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def test_a_feature_of_row_scope_learns_from_no_row() -> None:
    spy = worlds.leaky("features", "reads_y")
    module = spied(spy)
    run(features=(worlds.plug("features", "numeric"), spy))
    assert len(module.LEARNT_FROM) == 1
    rows = module.LEARNT_FROM[0]
    assert len(rows) == 0 and rows.y is None and not list(rows.x)


@pytest.mark.parametrize("stop", ["cut", "refit", "fixed", "held"])
def test_a_feature_is_called_without_y(stop: str) -> None:
    """On learning, synthetic and stop rows too: a call that could read y would be a feature that is the target."""
    spy = worlds.leaky("features", "reads_y")
    module = spied(spy)
    run(stop, features=(worlds.plug("features", "numeric"), spy), augment=(worlds.plug("augment", "jitter"),))
    assert len(module.CALLED_ON) >= 3
    assert all(rows.y is None for rows in module.CALLED_ON)


@pytest.mark.parametrize(("scope", "n"), [("table", 174), ("fold", 67)])
def test_a_feature_sees_what_its_scope_says(scope: str, n: int) -> None:
    spy = worlds.leaky("features", "notes_rows", scope=scope)
    module = spied(spy)
    run(features=(worlds.plug("features", "numeric"), spy), augment=(worlds.plug("augment", "jitter"),))
    (rows,) = module.LEARNT_FROM
    assert len(rows) == n and (rows.row >= 0).all()
    if scope == "table":
        assert rows.y is None and rows.group is None and rows.time is None
        assert (rows.w == 1).all() and (rows.v == 1).all()
    else:
        assert not np.isin(held_rows().row, rows.row).any()


def test_augmenters_weights_and_codecs_get_learning_rows() -> None:
    spies = {kind: worlds.leaky(kind, "notes") for kind in ("augment", "weights", "codecs")}
    modules = {kind: spied(use) for kind, use in spies.items()}
    run("refit", augment=(spies["augment"],), weights=spies["weights"], codec=spies["codecs"])
    learning, held = worlds.parts(worlds.world("squared"), K)
    for rows in modules["augment"].SEEN + modules["weights"].SEEN:
        real = rows.row[rows.row >= 0]
        assert len(real) and np.isin(real, learning.row).all() and not np.isin(held.row, rows.row).any()
        assert np.isin(rows.parents[rows.parents != NO_PARENT], learning.row).all()
    assert [len(y) for y in modules["codecs"].SEEN] == [67, 100], "the codec learns on real learning rows only"
    assert [len(rows) for rows in modules["weights"].SEEN] == [2 * 67, 2 * 100]
    assert all(np.isin(y, learning.y).all() for y in modules["codecs"].SEEN)


SHORT = [{"horizon": 15, "gap": 15}, {"horizon": 30}, {"gap": 30}]
"""Lengths for which learning rows of 40 days are too few."""


@pytest.mark.parametrize(("split", "params"), [("group", {}), ("time", {}), *(("time", p) for p in SHORT)])
def test_stop_rows_obey_the_splitter(split: str, params: dict[str, float]) -> None:
    """The rows a fit stops on share no group with, and come after, those it learns from, however few there are."""
    from kit.fold import fit_fold

    spy = worlds.leaky("features", "notes_rows", scope="fold")
    module = spied(spy)
    w = worlds.world("squared", groups=split == "group")
    spec = worlds.fit_spec(
        worlds.learner("lightgbm", "squared"),
        "squared",
        design=worlds.design_spec(K, features=(worlds.plug("features", "numeric"), spy)),
        split=worlds.plug("splits", split, folds=3, **params),
    )
    fit_fold(spec, w.train, w.test, w.folds, worlds.fresh)
    (learn,) = module.LEARNT_FROM
    learning = worlds.parts(w, K)[0]
    stops = next(rows for rows in module.CALLED_ON if not np.isin(rows.row, learn.row).any())
    assert np.isin(stops.row, learning.row).all() and len(stops)
    if split == "group":
        assert not np.intersect1d(stops.group, learn.group).size
    else:
        assert learn.time is not None and stops.time is not None and learn.time.max() < stops.time.min()


# -- blindness of everything together


def scope_of(name: str) -> str:
    """Return the scope a feature is tried in: that of the fold where it can be asked for."""
    module = registry.load("features", name)
    field = module.Params.model_fields.get("scope")
    return "fold" if field and "fold" in get_args(field.annotation) else str(module.SCOPE)


FOLD_FEATURES = tuple(name for name in registry.names("features") if scope_of(name) == "fold")
FACTORS = {
    "augment": (None, *registry.names("augment")),
    "weights": (None, *registry.names("weights")),
    "learner": registry.names("models"),
    "feature": FOLD_FEATURES,
    "codec": registry.names("codecs"),
}


@cache
def inner(codec: str, objective: str) -> str | None:
    """Return what a learner is trained for under a codec, None where the codec does not fit the task."""
    module = registry.load("codecs", codec)
    if TASKS[objective].kind not in module.TASKS:
        return None
    return str(module.task(worlds.plug("codecs", codec).params, TASKS[objective]).objective)


def goes(case: Mapping[str, Any], objective: str) -> bool:
    """Return whether a learner can do the objective, through the codec where there is one."""
    wanted = inner(case.get("codec", "identity"), objective)
    return wanted is not None and (
        "learner" not in case or wanted in registry.load("models", case["learner"]).OBJECTIVES
    )


PAIRS = {
    objective: worlds.pairwise(FACTORS, partial(goes, objective=objective))
    for objective in ("squared", "gaussian", "logloss", "softmax")
}


def spec_of(case: dict[str, Any], objective: str) -> FitSpec:
    module = registry.load("features", case["feature"])
    scope = {"scope": "fold"} if "scope" in module.Params.model_fields else {}
    design = worlds.design_spec(
        features=(*worlds.basic_features(), worlds.plug("features", case["feature"], **scope)),
        codec=worlds.plug("codecs", case["codec"]),
        weights=worlds.plug("weights", case["weights"]) if case["weights"] else None,
        augment=(worlds.augmenter(case["augment"], objective),) if case["augment"] else (),
    )
    model = worlds.learner(case["learner"], str(inner(case["codec"], objective)), 3)
    return worlds.fit_spec(model, objective, design=design)


@pytest.mark.parametrize("case", PAIRS["squared"], ids=worlds.label)
def test_held_rows_are_out_of_reach_of_everything_together(case: dict[str, Any]) -> None:
    check_blind(spec_of(case, "squared"), worlds.world("squared"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "case"), [(o, case) for o in ("gaussian", "logloss", "softmax") for case in PAIRS[o]], ids=str
)
def test_held_rows_of_other_tasks_are_out_of_reach_of_everything_together(objective: str, case: dict[str, Any]) -> None:
    check_blind(spec_of(case, objective), worlds.world(objective))


def test_every_part_is_tried() -> None:
    for name, values in FACTORS.items():
        tried = {case[name] for cases in PAIRS.values() for case in cases}
        assert tried == set(values), name


@pytest.mark.parametrize(("kind", "stem"), [("augment", "hoards"), ("weights", "recalls"), ("features", "remembers_y")])
def test_one_cheater_among_honest_parts_is_caught(kind: str, stem: str) -> None:
    honest = {"augment": "mixup", "weights": "lds", "learner": "lightgbm", "feature": "neighbours", "codec": "identity"}
    spec = spec_of(honest, "squared")
    check_blind(spec, worlds.world("squared"))
    cheater = worlds.leaky(kind, stem)
    part: Any = cheater if kind == "weights" else (cheater,)
    spec = replace(spec, design=replace(spec.design, **{kind: part}))
    with pytest.raises(AssertionError, match="depend on a held y"):
        check_blind(spec, worlds.world("squared"))


def learning_plugs() -> list[tuple[str, str]]:
    """Return kind and name of all that learns from the rows of a fold."""
    scoped = [n for n in registry.names("features") if "scope" in registry.load("features", n).Params.model_fields]
    fold = [n for n in registry.names("features") if registry.load("features", n).SCOPE == "fold"]
    codecs = [n for n in registry.names("codecs") if "regression" in registry.load("codecs", n).TASKS]
    named = {"features": {*scoped, *fold}, "codecs": codecs}
    makers = {name for name in registry.names("augment") if hasattr(registry.load("augment", name), "make")}
    named |= {"augment": makers, "weights": registry.names("weights")}
    return [(kind, name) for kind, names in named.items() for name in sorted(names)]


@pytest.mark.parametrize(("kind", "name"), learning_plugs())
def test_rows_of_weight_0_teach_nothing(kind: str, name: str) -> None:
    """Other values and another y of theirs change no matrix: no plug-in sees them, none is made a parent or partner."""
    w = worlds.world("squared")
    learning = worlds.parts(w, K)[0]
    left_out = learning.row % 3 == 0
    place = np.arange(len(learning))
    scoped = "scope" in registry.load(kind, name).Params.model_fields
    plug = worlds.plug(kind, name, **({"scope": "fold"} if scoped else {}))
    spec = worlds.design_spec(
        K, **{kind.replace("codecs", "codec"): plug if kind in ("codecs", "weights") else (plug,)}
    )
    seen = []
    for order in (place, np.where(left_out, place[left_out][0], place)):
        rows = learning.take(order)
        rows = replace(rows, row=learning.row, w=np.where(left_out, 0.0, learning.w))
        made = build(spec, w.task, rows, None, worlds.everything(w))
        assert made.train.y is not None and made.n_real == (~left_out).sum()
        held = made.of(worlds.parts(w, K)[1].blind()).matrix()
        arrays = (made.train.matrix(), made.train.y, made.train.w, held)
        seen.append([array.tobytes() for array in arrays])
    assert seen[0] == seen[1]
