"""What boosters are asked for by name: objectives, weights of classes, constraints; and the names of the libraries."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from kit import registry
from kit.contracts import Run
from kit.errors import DataError, FitError, KitError, RecipeError
from kit.models import _classes, _lightgbm, _losses, _native, _native_catboost, _objectives
from kit.types import Array, Block, Design, Floats, Task

BOOSTERS = ("lightgbm", "xgboost", "catboost")
VALUE = Task("regression", "squared")
BINARY = Task("binary", "logloss", ("no", "yes"), "yes")
THREE = Task("multiclass", "softmax", ("a", "b", "c"))
DIALECTS = {
    "lightgbm": _lightgbm._DIALECT,
    "xgboost": registry.load("models", "xgboost")._DIALECT,
}
LEVELS = {"quantile": 0.8, "expectile": 0.8}


def known(name: str) -> set[str]:
    from kit.models import _catboost

    dialect = DIALECTS.get(name, _catboost._DIALECT)
    return {o for kind in ("regression", "binary", "multiclass") for o in dialect.known(kind).values()}


CASES = [(name, o) for name in BOOSTERS for o in _losses.LOSSES if o != "gaussian" and o in known(name)]


def task_of(objective: str) -> Task:
    found = next(kind for kind, names in _objectives.BY_TASK.items() if objective in names)
    return {"regression": VALUE, "binary": BINARY, "multiclass": THREE}[found]


def design(n: int = 600, objective: str = "squared", seed: int = 0) -> Design:
    """Return rows with y > 0 in skewed steps (or in 0..1, or classes), a category and two numbers that count."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    x[:, 3] = rng.integers(0, 5, n)
    y = rng.gamma(4.0, np.exp(0.5 * x[:, 0] + 0.3 * (x[:, 3] == 2)) / 4.0) + 0.05
    y = {"cross_entropy": y / (1 + y), "poisson": np.round(3 * y)}.get(objective, y)
    if task_of(objective) is BINARY:
        y = (y > 1).astype(float)
    elif task_of(objective) is THREE:
        y = np.digitize(y, [0.7, 1.4]).astype(float)
    names = ("age", "price", "noise", "town")
    return Design((Block(names, x, {"town": 5}),), y, rng.uniform(0.5, 1.5, n), np.ones(n))


def part(whole: Design, index: slice) -> Design:
    blocks = tuple(replace(b, x=b.x[index]) for b in whole.blocks)
    return Design(blocks, None if whole.y is None else whole.y[index], whole.w[index], whole.v[index])


def fit(name: str, task: Task, rows: Design, stop: Design | None = None, **params: Any) -> Any:
    module, run = registry.load("models", name), Run(np.random.default_rng(3))
    made = module.Params(**{"n_estimators": 60, "learning_rate": 0.1, "patience": 20, **params})
    return module.fit(made, task, module.prepare(made, task, rows, stop, run), run)


def mean_of(model: Any, rows: Design) -> Floats:
    return np.asarray(model.predict(replace(rows, y=None)).mean, np.float64)


# -- objectives


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_objectives_predict_on_the_scale_of_y_and_stop_on_their_own_loss(name: str, objective: str) -> None:
    task, rows = task_of(objective), design(900, objective)
    train, stop, test = part(rows, slice(0, 600)), part(rows, slice(600, 750)), part(rows, slice(750, None))
    level = LEVELS.get(objective)
    model = fit(name, task, train, stop, objective=objective, level=level)
    mean, loss = mean_of(model, test), _losses.Loss(objective, level or _objectives.LEVELS.get(objective, 0.0))
    said = mean if task is THREE else mean[:, 0]
    assert test.y is not None and stop.y is not None and train.y is not None
    share = np.bincount(train.y.astype(int)) / len(train) if task is THREE else [np.average(train.y)]
    constant = np.tile(share, (len(test), 1)) if task is THREE else np.full(len(test), share[0])
    reached, given = (_losses.mean_loss(loss, test.y, test.v, p) for p in (said, constant))
    assert reached < given - 0.02 * abs(given), "no better than the mean"
    if objective in ("poisson", "gamma", "tweedie", "cross_entropy", "squared"):
        assert mean.mean() == pytest.approx(test.y.mean(), rel=0.2), "not the mean of y"
    if objective == "quantile":
        assert 0.7 < np.mean(test.y < said) < 0.9
    best = mean_of(model, stop) if task is THREE else mean_of(model, stop)[:, 0]
    if name != "catboost":  # it adds constants and writes some losses otherwise
        assert _losses.mean_loss(loss, stop.y, stop.v, best) == pytest.approx(min(model.curve), rel=1e-4)
    assert model.best_step == int(np.argmin(model.curve)) + 1


@pytest.mark.parametrize("name", BOOSTERS)
def test_kits_name_the_librarys_and_its_aliases_are_one_model(name: str) -> None:
    rows = design()
    spelt: dict[str, list[dict[str, Any]]] = {
        "lightgbm": [{"objective": "quantile", "alpha": 0.9}, {"loss": "quantile", "level": 0.9}],
        "xgboost": [{"objective": "reg:quantileerror", "quantile_alpha": 0.9}, {"objective": "quantile", "level": 0.9}],
        "catboost": [{"loss_function": "Quantile:alpha=0.9"}, {"objective": "quantile", "level": 0.9}],
    }
    first, second = (mean_of(fit(name, VALUE, rows, **params), rows) for params in spelt[name])
    assert first.tobytes() == second.tobytes()
    assert mean_of(fit(name, VALUE, rows), rows).tobytes() != first.tobytes()


@pytest.mark.parametrize("objective", [o for o in _losses.LOSSES if o not in ("gaussian", "softmax", "one_vs_all")])
def test_a_loss_is_least_where_the_prediction_is_right(objective: str) -> None:
    y = np.array([0.0 if task_of(objective) is BINARY else 0.5])
    loss = _losses.Loss(objective, _objectives.LEVELS.get(objective, 0.5))
    grid = np.linspace(0.001, 0.999, 999)
    values = [_losses.mean_loss(loss, y, np.ones(1), np.array([p])) for p in grid]
    assert grid[int(np.argmin(values))] == pytest.approx(max(float(y[0]), 0.001), abs=0.002)


@pytest.mark.parametrize("derive", [_objectives.fair, _objectives.logcosh, _objectives.expectile])
def test_gradients_are_those_of_the_loss(derive: Any) -> None:
    y, raw, step = np.zeros(9), np.linspace(-2.05, 2, 9), 1e-5
    per_row, level = _losses.LOSSES[derive.__name__].per_row, 0.3
    slope = (per_row(y, raw + step, level) - per_row(y, raw - step, level)) / (2 * step)
    first, second = derive(y, raw, level)
    np.testing.assert_allclose(first, slope, rtol=1e-4)
    bend = (derive(y, raw + step, level)[0] - derive(y, raw - step, level)[0]) / (2 * step)
    np.testing.assert_allclose(second, np.maximum(bend, 0.05 if derive is _objectives.logcosh else 0), rtol=1e-3)


WRONG: list[tuple[dict[str, Any], Task, type[KitError], str]] = [
    ({"objective": "huebr"}, VALUE, RecipeError, "did you mean 'huber'"),
    ({"objective": "softmax"}, VALUE, RecipeError, "no such objective for a regression task"),
    ({"objective": "squared"}, BINARY, RecipeError, "no such objective for a binary task"),
    ({"objective": "quantile"}, VALUE, RecipeError, "needs a level"),
    ({"objective": "quantile", "level": 1.5}, VALUE, RecipeError, "between 0 and 1"),
    ({"objective": "tweedie", "level": 2.5}, VALUE, RecipeError, "between 1 and 2"),
    ({"objective": "squared", "level": 0.5}, VALUE, RecipeError, "has no level"),
    ({"level": 0.5}, VALUE, RecipeError, "has no level"),
    ({"objective": "poisson"}, VALUE, DataError, "needs y >= 0"),
    ({"objective": "cross_entropy"}, VALUE, DataError, "needs y from 0 to 1"),
    ({"monotone": {"agee": 1}}, VALUE, RecipeError, "did you mean 'age'"),
    ({"monotone": {"town": 1}}, VALUE, RecipeError, "a category has no order"),
    ({"class_weight": "balanced"}, VALUE, RecipeError, "no classes to weigh"),
    ({"class_weight": {"yess": 2}}, BINARY, RecipeError, "did you mean 'yes'"),
]


@pytest.mark.parametrize("name", BOOSTERS)
@pytest.mark.parametrize(("params", "task", "kind", "says"), WRONG, ids=[w[3] for w in WRONG])
def test_errors_name_the_next_step(
    name: str, params: dict[str, Any], task: Task, kind: type[KitError], says: str
) -> None:
    rows = design(objective="logloss" if task is BINARY else "squared")
    if kind is DataError:
        rows = replace(rows, y=np.r_[-1.0, np.ones(len(rows) - 1)])
    with pytest.raises(kind) as caught:
        fit(name, task, rows, **params)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "bad", "says"),
    [
        ("lightgbm", {"path_smooth": -1.0}, "path_smooth"),
        ("xgboost", {"max_delta_step": -1.0}, "max_delta_step"),
        ("catboost", {"fold_len_multiplier": 0.5}, "fold len multiplier"),
    ],
)
def test_what_a_library_refuses_is_told_in_its_words(name: str, bad: dict[str, Any], says: str) -> None:
    with pytest.raises(FitError, match="refuses") as caught:
        fit(name, VALUE, design(), **bad)
    assert says in str(caught.value)


# -- classes


@pytest.mark.parametrize("name", (*BOOSTERS, "hetero_mlp", "sklearn"))
@pytest.mark.parametrize("task", [BINARY, THREE], ids=["binary", "multiclass"])
def test_class_weights_are_weights_of_rows(name: str, task: Task) -> None:
    rows = design(300, task.objective)
    assert rows.y is not None
    few = {"hetero_mlp": {"epochs": 3, "width": 8, "members": 1}, "sklearn": {"estimator": "LogisticRegression"}}
    params: dict[str, Any] = few.get(name, {"n_estimators": 10})
    module, run = registry.load("models", name), Run(np.random.default_rng(0))

    def proba(design: Design, **more: Any) -> Array:
        made = module.Params(**params, **more)
        run = Run(np.random.default_rng(0))
        return module.fit(made, task, module.prepare(made, task, design, None, run), run).predict(rows).mean

    assert run.steps is None
    mass = np.bincount(rows.y.astype(int), rows.w)
    factor = mass.sum() / (len(mass) * mass)
    by_hand = proba(replace(rows, w=rows.w * factor[rows.y.astype(int)]))
    assert proba(rows, class_weight="balanced").tobytes() == by_hand.tobytes()
    labels = ("no", "yes") if task is BINARY else task.classes
    mapped = proba(rows, class_weight={label: float(factor[i]) for i, label in enumerate(labels)})
    assert mapped.tobytes() == by_hand.tobytes()
    assert proba(rows).tobytes() != by_hand.tobytes()


def test_labels_are_spelt_as_in_a_recipe() -> None:
    rows = Design((), np.array([0.0, 1.0, 1.0]), np.ones(3), np.ones(3))
    for classes, names in (
        ((False, True), (False, True)),
        ((1, 2), (1, 2)),
        ((1.0, 2.5), (1, 2.5)),
        (("a", "b"), "ab"),
    ):
        params = registry.load("models", "lightgbm").Params(class_weight={names[1]: 3.0})
        task = Task("binary", "logloss", classes, classes[0])
        assert _classes.class_weighted(rows, task, params.class_weight).w.tolist() == [3.0, 1.0, 1.0]
    with pytest.raises(ValidationError):
        registry.load("models", "lightgbm").Params(class_weight={"a": -1.0})


# -- constraints


def grid(column: int) -> Design:
    x = np.zeros((41, 4), np.float32)
    x[:, column] = np.linspace(-2, 2, 41)
    return Design((Block(("age", "price", "noise", "town"), x, {"town": 5}),), None, np.ones(41), np.ones(41))


@pytest.mark.parametrize("name", BOOSTERS)
@pytest.mark.parametrize("written", ["monotone", "monotone_constraints"])
def test_a_monotone_column_never_turns_back(name: str, written: str) -> None:
    rows = design(400)
    y = np.sin(3 * rows.matrix()[:, 0]) + rows.matrix()[:, 1]
    rows = replace(rows, y=y.astype(np.float64))
    free = np.diff(mean_of(fit(name, VALUE, rows), grid(0))[:, 0])
    bound = fit(name, VALUE, rows, **{written: {"age": 1, "price": -1}})
    assert (free < -0.1).any() and (free > 0.1).any()
    assert (np.diff(mean_of(bound, grid(0))[:, 0]) >= -1e-6).all()
    assert (np.diff(mean_of(bound, grid(1))[:, 0]) <= 1e-6).all()


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_columns_of_different_groups_do_not_interact(name: str) -> None:
    rows = design(500)
    x = rows.matrix()
    rows = replace(rows, y=np.sign(x[:, 0] * x[:, 1]).astype(np.float64) + x[:, 0])
    corners = np.zeros((4, 4), np.float32)
    corners[:, :2] = [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    where = Design((Block(("age", "price", "noise", "town"), corners, {"town": 5}),), None, np.ones(4), np.ones(4))

    def interaction(**params: Any) -> float:
        a, b, c, d = mean_of(fit(name, VALUE, rows, **params), where)[:, 0]
        return float(abs(a - b - c + d))

    assert interaction() > 1
    assert interaction(interactions=[["age", "town"]]) < 1e-4
    assert interaction(interaction_constraints=[["age", "price"]]) > 1
    with pytest.raises(RecipeError, match="did you mean 'price'"):
        interaction(interactions=[["age", "pricee"]])


# -- the names of the libraries


def test_names_are_those_of_lightgbm_itself() -> None:
    from lightgbm.basic import _ConfigAliases

    theirs = {a: name for name, aliases in _ConfigAliases._get_all_param_aliases().items() for a in (name, *aliases)}
    used = {a: name for a, name in theirs.items() if name not in _native.LIGHTGBM_UNUSED}
    missing = {a for a in used if a not in _native.LIGHTGBM}
    ours = {a: name for a, name in _native.LIGHTGBM.items() if name not in _native.LIGHTGBM_UNUSED}
    assert not missing
    assert ours == {a: used[a] for a in ours}


@pytest.mark.parametrize("name", ["xgboost", "catboost"])
def test_names_are_those_of_the_estimators(name: str) -> None:
    if name == "xgboost":
        from xgboost import XGBModel

        signatures, ours = [inspect.signature(XGBModel.__init__)], _native.XGBOOST
    else:
        from catboost import CatBoostClassifier, CatBoostRegressor

        signatures = [inspect.signature(c.__init__) for c in (CatBoostClassifier, CatBoostRegressor)]
        ours = _native_catboost.CATBOOST
    theirs = {p for s in signatures for p in s.parameters} - {"self"}
    assert theirs - set(ours) == set()


@pytest.mark.parametrize("name", BOOSTERS)
def test_names_that_are_not_ours_to_carry_out_are_refused_in_words(name: str) -> None:
    module = registry.load("models", name)
    for native, target in module.Params.NATIVE.items():
        if target in module.Params.MANAGED:
            with pytest.raises(ValidationError, match="is not yours to set"):
                module.Params(**{native: 1})


DRAWN: list[tuple[str, dict[str, Any]]] = [
    ("lightgbm", {"boosting": "goss"}),
    ("lightgbm", {"data_sample_strategy": "goss", "subsample": 0.9}),
    ("catboost", {"bagging_temperature": 0.5}),
    ("catboost", {"mvs_reg": 1.0}),
]


@pytest.mark.parametrize(("name", "params"), DRAWN)
def test_rows_are_drawn_as_a_native_parameter_asks(name: str, params: dict[str, Any]) -> None:
    rows = design(200)
    drawn, usual = (mean_of(fit(name, VALUE, rows, **p), rows) for p in (params, {}))
    assert drawn.tobytes() != usual.tobytes()


UNFIT: list[tuple[str, dict[str, Any], Task]] = [
    ("lightgbm", {"boosting": "dart", "objective": "huber"}, VALUE),
    ("lightgbm", {"monotone": {"age": 1}}, replace(VALUE, objective="absolute")),
    ("catboost", {"monotone": {"age": 1}}, THREE),
]


@pytest.mark.parametrize(("name", "params", "task"), UNFIT)
def test_what_a_library_cannot_do_is_refused_before_the_fit(name: str, params: dict[str, Any], task: Task) -> None:
    module = registry.load("models", name)
    with pytest.raises(RecipeError, match=r"far off|no monotone"):
        module.check(module.Params(**params), task)
    module.check(module.Params(**{**params, "boosting": "gbdt", "monotone": {}} if name == "lightgbm" else {}), task)
