"""The battery every learner must pass: a file in kit/models is tested by existing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import worlds
from worlds import TASKS, K, World, check_blind

from kit import registry
from kit.contracts import Fitted, Run
from kit.design import Designs, Use, build
from kit.fitspec import FitSpec
from kit.params import Tune
from kit.types import Design, Pred

LEARNERS = registry.names("models")
HONEST = ("cut", "refit", "fixed")


def modules(name: str) -> Any:
    return registry.load("models", name)


def objectives(name: str) -> tuple[str, ...]:
    return tuple(o for o in TASKS if o in modules(name).OBJECTIVES and TASKS[o].kind in modules(name).TASKS)


CASES = [(name, objective) for name in LEARNERS for objective in objectives(name)]
FIRST = [(name, objectives(name)[0]) for name in LEARNERS]
STEPPED = [(name, o) for name, o in FIRST if modules(name).STEPS]


# -- checks, which the cheaters below must fail


def check_moves_alone(spec: FitSpec, w: World, k: int = K) -> None:
    """Another x in one held row moves the prediction of that row and of no other."""
    at = int(np.flatnonzero(w.folds.is_held(k))[3])
    before = worlds.run_fold(spec, w, k)
    after = worlds.run_fold(spec, replace(w, train=worlds.with_other_x(w.train, at)), k)
    others = np.delete(np.arange(len(before.held)), 3)
    assert worlds.same(worlds.take(before.held, others), worlds.take(after.held, others)), "another row moved"
    assert worlds.same(before.test, after.test), "a test row moved"
    assert not worlds.same(before.held, after.held), "the row itself did not move"


# -- blindness


def allowed(case: Mapping[str, Any]) -> bool:
    """Return whether values of some factors go together."""
    objective, learner = case.get("objective"), case.get("learner")
    codec = registry.load("codecs", case["codec"]) if "codec" in case else None
    fits = codec is None or objective is None or TASKS[objective].kind in codec.TASKS
    if fits and codec is not None and objective is not None:
        inner = codec.task(worlds.plug("codecs", case["codec"]).params, TASKS[objective])
        objective = next(name for name, task in TASKS.items() if task.objective == inner.objective)
    return fits and (
        (learner is None or objective is None or objective in objectives(learner))
        and (learner is None or case.get("stop") in (None, "fixed") or bool(modules(learner).STEPS))
    )


FACTORS = {
    "learner": LEARNERS,
    "objective": tuple(TASKS),
    "stop": HONEST,
    "codec": registry.names("codecs"),
    "weights": (None, *registry.names("weights")),
    "augment": (None, *registry.names("augment")),
}
PAIRS = worlds.pairwise(FACTORS, allowed)
PRODUCT = [
    {"learner": name, "objective": o, "stop": s, "codec": c, "weights": None, "augment": None}
    for name, o in CASES
    for s in HONEST
    for c in registry.names("codecs")
    if allowed({"learner": name, "objective": o, "stop": s, "codec": c})
]


def spec_of(case: Mapping[str, Any]) -> FitSpec:
    design = worlds.design_spec(
        codec=worlds.plug("codecs", case["codec"]),
        weights=worlds.plug("weights", case["weights"]) if case["weights"] else None,
        augment=(worlds.augmenter(case["augment"], case["objective"]),) if case["augment"] else (),
    )
    inner = registry.load("codecs", case["codec"]).task(design.codec.params, TASKS[case["objective"]]).objective
    model = worlds.learner(case["learner"], inner)
    return worlds.fit_spec(model, case["objective"], case["stop"], design=design)


@pytest.mark.parametrize("case", PAIRS, ids=worlds.label)
def test_held_rows_are_out_of_reach(case: dict[str, Any]) -> None:
    check_blind(spec_of(case), worlds.world(case["objective"]))


@pytest.mark.slow
@pytest.mark.parametrize("case", PRODUCT, ids=worlds.label)
def test_held_rows_are_out_of_reach_in_every_combination(case: dict[str, Any]) -> None:
    check_blind(spec_of(case), worlds.world(case["objective"]))


@pytest.mark.parametrize(("name", "objective"), STEPPED)
@pytest.mark.parametrize("stop", ["held", "pooled"])
def test_starred_policies_are_not_blind(name: str, objective: str, stop: str) -> None:
    """What cards mark with a star does look at the held y: the check above can fail."""
    with pytest.raises(AssertionError):
        check_blind(worlds.fit_spec(worlds.learner(name, objective), objective, stop), worlds.world(objective))


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_one_x_moves_one_prediction(name: str, objective: str) -> None:
    check_moves_alone(worlds.fit_spec(worlds.learner(name, objective), objective, "fixed"), worlds.world(objective))


def test_a_learner_that_remembers_is_caught() -> None:
    spec = worlds.fit_spec(worlds.leaky("models", "remembers"), "squared", "fixed")
    with pytest.raises(AssertionError, match="held predictions depend on a held y"):
        check_blind(spec, worlds.world("squared"))


def test_a_learner_that_looks_at_its_batch_is_caught() -> None:
    spec = worlds.fit_spec(worlds.leaky("models", "centres_the_batch"), "squared", "fixed")
    check_blind(spec, worlds.world("squared"))
    with pytest.raises(AssertionError, match="another row moved"):
        check_moves_alone(spec, worlds.world("squared"))


# -- prepare, fit, load


def designs_of(name: str, objective: str, stop: bool = True) -> tuple[Designs, Design]:
    """Return fold K's designs for a learner, its last 20 learning rows as stop rows, and the held rows' design."""
    w = worlds.world(objective)
    learning, held = worlds.parts(w, K)
    cut = np.arange(len(learning))
    rest = learning.take(cut[-20:]) if stop else None
    spec = worlds.design_spec(K, features=worlds.read_by(name, worlds.basic_features()))
    made = build(spec, w.task, learning.take(cut[:-20]), rest, worlds.everything(w))
    return made, made.of(held.blind())


def fit(use: Use, objective: str, made: Designs, data: Any = None, seed: int = 3, **how: Any) -> Fitted:
    """Return a fit as kit.fold does it: one generator serves prepare and fit."""
    run = Run(np.random.default_rng(seed), **how)
    module = worlds.module_of(use)
    if data is None:
        data = module.prepare(use.params, TASKS[objective], made.train, made.stop, run)
    fitted: Fitted = module.fit(use.params, TASKS[objective], data, run)
    return fitted


def search_range(use: Use) -> dict[str, tuple[Any, ...]]:
    """Return the ends (or choices) of the range of every parameter that is tuned."""
    ranges: dict[str, tuple[Any, ...]] = {}
    for name, field in type(use.params).model_fields.items():
        tune = next((m for m in field.metadata if isinstance(m, Tune)), None)
        if tune is not None:
            whole = "float" not in str(field.annotation)
            ranges[name] = tune.choices or tuple(int(v) if whole else v for v in (tune.low, tune.high))
    return ranges


def with_params(use: Use, values: Mapping[str, Any]) -> Use:
    given = {**use.params.model_dump(exclude={"native"}), **values}
    return replace(use, params=type(use.params).model_validate(given))


def with_other_params(use: Use) -> Use:
    """Return the learner with every tuned parameter elsewhere, but for those its data depends on."""
    kept = (*worlds.module_of(use).DATA_PARAMS, worlds.module_of(use).STEPS)
    ranges = {name: ends for name, ends in search_range(use).items() if name not in kept}
    return with_params(use, {n: next(v for v in ends if v != getattr(use.params, n)) for n, ends in ranges.items()})


def check_search_range(name: str, objective: str) -> None:
    """Every end of a search range can be fitted and cut back to its first steps: a tuner will go there."""
    use = worlds.learner(name, objective, 12 if modules(name).STEP_GROWS else 3)
    made, held = designs_of(name, objective)
    assert made.stop is not None and made.stop.y is not None
    # The more is learnt, the worse the stop rows are met.
    classes = len(TASKS[objective].classes)
    made = replace(made, stop=replace(made.stop, y=(made.stop.y + 1) % classes if classes else 12 - made.stop.y))
    failed = {}
    for param, ends in search_range(use).items():
        for value in ends:
            try:
                pred = fit(with_params(use, {param: value}), objective, made).predict(held)
                whole = np.isfinite(pred.mean).all() and (pred.std is None or (pred.std > 0).all())
                failed |= {} if whole else {f"{param}={value}": "not finite"}
            except Exception as error:
                failed[f"{param}={value}"] = repr(error)[-90:]
    assert not failed


@pytest.mark.parametrize(("name", "objective"), FIRST)
def test_the_search_range_can_be_fitted(name: str, objective: str) -> None:
    check_search_range(name, objective)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "objective"), [case for case in CASES if case not in FIRST])
def test_the_search_range_can_be_fitted_for_every_objective(name: str, objective: str) -> None:
    check_search_range(name, objective)


def check_reuse(use: Use, objective: str) -> None:
    """Data that another fit has used gives what fresh data gives, with the same params and with others."""
    made, held = designs_of(use.use, objective)
    data = worlds.module_of(use).prepare(
        use.params, TASKS[objective], made.train, made.stop, Run(np.random.default_rng(9))
    )
    for turn in (with_other_params(use), use, with_other_params(use)):
        reused, anew = fit(turn, objective, made, data), fit(turn, objective, made)
        assert worlds.same(reused.predict(held), anew.predict(held)), "reused data differ from fresh data"
        assert reused.curve.tobytes() == anew.curve.tobytes()


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_reused_data_equal_fresh_data(name: str, objective: str) -> None:
    check_reuse(worlds.learner(name, objective), objective)


def test_a_learner_that_wears_out_its_data_is_caught() -> None:
    with pytest.raises(AssertionError, match="reused data differ"):
        check_reuse(worlds.leaky("models", "wears_out"), "squared")


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_threads_do_not_change_a_bit(name: str, objective: str) -> None:
    spec = worlds.fit_spec(worlds.learner(name, objective), objective)
    one, two = (worlds.run_fold(spec, worlds.world(objective), threads=t) for t in (1, 2))
    assert worlds.same(one.held, two.held) and worlds.same(one.test, two.test)
    assert one.curve.tobytes() == two.curve.tobytes()


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_a_saved_model_predicts_the_same_bits(name: str, objective: str, tmp_path: Path) -> None:
    made, held = designs_of(name, objective)
    fitted = fit(worlds.learner(name, objective), objective, made)
    fitted.save(tmp_path)
    loaded = modules(name).load(tmp_path)
    assert worlds.same(fitted.predict(held), loaded.predict(held))
    assert loaded.best_step == fitted.best_step and loaded.curve.tobytes() == fitted.curve.tobytes()
    assert dataclasses.is_dataclass(fitted) and fitted.__dataclass_params__.frozen  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_a_batch_is_its_rows(name: str, objective: str) -> None:
    made, held = designs_of(name, objective)
    fitted = fit(worlds.learner(name, objective), objective, made)
    whole = fitted.predict(held)
    pieces = [rows_of(held, np.arange(i, i + 1)) for i in range(5)] + [rows_of(held, np.arange(5, len(held)))]
    preds = [fitted.predict(piece) for piece in pieces]
    np.testing.assert_allclose(np.concatenate([p.mean for p in preds]), whole.mean, rtol=1e-5, atol=1e-5)
    if whole.std is not None:
        np.testing.assert_allclose(np.concatenate([p.std for p in preds if p.std is not None]), whole.std, rtol=1e-5)


def rows_of(design: Design, index: Any) -> Design:
    return Design(tuple(replace(b, x=b.x[index]) for b in design.blocks), None, design.w[index], design.v[index])


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_a_prediction_has_the_shape_of_its_task(name: str, objective: str) -> None:
    task = TASKS[objective]
    made, held = designs_of(name, objective)
    pred = fit(worlds.learner(name, objective), objective, made).predict(held)
    assert pred.mean.shape == (len(held), task.n_out) and np.isfinite(pred.mean).all()
    if pred.std is not None:
        assert (pred.std > 0).all() and np.isfinite(pred.std).all()
    assert pred.std is not None or objective != "gaussian", "trained for nll without a standard deviation"
    if task.kind != "regression":
        assert pred.mean.min() >= 0 and pred.mean.max() <= 1 + 1e-6
    if task.kind == "multiclass":
        np.testing.assert_allclose(pred.mean.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(("name", "objective"), FIRST)
def test_the_seed_is_all_the_chance_there_is(name: str, objective: str) -> None:
    made, held = designs_of(name, objective)
    data = modules(name).prepare(
        worlds.learner(name, objective).params, TASKS[objective], made.train, made.stop, Run(np.random.default_rng(0))
    )
    rng = np.random.default_rng(3)
    modules(name).fit(worlds.learner(name, objective).params, TASKS[objective], data, Run(rng))
    drawn = rng.bit_generator.state != np.random.default_rng(3).bit_generator.state
    preds = [fit(worlds.learner(name, objective), objective, made, seed=s).predict(held) for s in (3, 3, 4)]
    assert worlds.same(preds[0], preds[1])
    assert drawn or worlds.same(preds[0], preds[2]), "chance that does not come from run.rng"
    if modules(name).STEPS:
        assert drawn and not worlds.same(preds[0], preds[2]), "seeds of one model are all the same model"


def mean_loss(objective: str, y: Any, pred: Pred) -> float:
    """Return the squared error, or that of the probabilities."""
    task = TASKS[objective]
    truth = y[:, None] == np.arange(task.n_out) if task.kind == "multiclass" else y[:, None]
    return float(((pred.mean - truth) ** 2).mean())


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_it_beats_the_mean(name: str, objective: str) -> None:
    w = worlds.world(objective)
    learning, held = worlds.parts(w, K)
    use = worlds.learner(name, objective, 40)
    whole = replace(use, params=use.params.model_copy(update={"width": 128})) if name == "hetero_mlp" else use
    result = worlds.run_fold(worlds.fit_spec(whole, objective), w, K)
    assert learning.y is not None and held.y is not None
    task = TASKS[objective]
    share = np.bincount(learning.y.astype(int)) / len(learning) if task.kind == "multiclass" else [learning.y.mean()]
    constant = Pred(np.tile(share, (len(held), 1)).astype(np.float32))
    reached, given = (mean_loss(objective, held.y, pred) for pred in (result.held, constant))
    assert reached < 0.85 * given


# -- steps


@pytest.mark.parametrize(("name", "objective"), STEPPED)
def test_watch_ends_a_fit(name: str, objective: str) -> None:
    made, _ = designs_of(name, objective)
    seen: list[tuple[int, float]] = []

    def watch(step: int, score: float) -> bool:
        seen.append((step, score))
        return step == 3

    fitted = fit(worlds.learner(name, objective), objective, made, watch=watch)
    assert [step for step, _ in seen] == [1, 2, 3]
    assert fitted.curve.tolist() == [score for _, score in seen]
    assert 1 <= fitted.best_step <= 3


@pytest.mark.parametrize(("name", "objective"), STEPPED)
@pytest.mark.parametrize("stop", [True, False])
def test_given_steps_are_kept_to(name: str, objective: str, stop: bool) -> None:
    made, held = designs_of(name, objective, stop)
    steps = [fit(worlds.learner(name, objective), objective, made, steps=s) for s in (2, 4)]
    assert [f.best_step for f in steps] == [2, 4]
    assert not worlds.same(steps[0].predict(held), steps[1].predict(held))
    assert [len(f.curve) for f in steps] == ([2, 4] if stop else [0, 0])


@pytest.mark.parametrize(("name", "objective"), STEPPED)
def test_the_best_step_is_the_least_of_the_curve(name: str, objective: str) -> None:
    made, _ = designs_of(name, objective)
    fitted = fit(worlds.learner(name, objective, 25), objective, made)
    assert fitted.best_step == int(np.argmin(fitted.curve)) + 1


@pytest.mark.parametrize("name", LEARNERS)
def test_constants_are_declared(name: str) -> None:
    module = modules(name)
    assert set(module.TASKS) <= {"regression", "binary", "multiclass"} and module.TASKS
    assert objectives(name), "no objective fits its tasks"
    fields = type(worlds.learner(name, objectives(name)[0]).params).model_fields
    assert module.STEPS == "" or module.STEPS in fields
    assert set(module.DATA_PARAMS) <= set(fields) and "cpu" in module.DEVICES and module.COST > 0
    registry.versions(module.LIBS)
