"""The battery every feature builder must pass: a file in kit/features is tested by existing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import worlds
from worlds import World

from kit import registry
from kit.augment._common import Made, synthesise
from kit.canon import stream
from kit.contracts import Learnt
from kit.design import Designs, Use, build
from kit.params import Params
from kit.types import Block, Floats32, Rows
from kit.vectors import Costly

FEATURES = registry.names("features")
OBJECTIVES = ("squared", "logloss", "softmax")
K = 1


def modules(name: str) -> Any:
    return registry.load("features", name)


def scopes(name: str) -> tuple[str, ...]:
    """Return the scopes a feature can be asked for."""
    field = modules(name).Params.model_fields.get("scope")
    return tuple(dict.fromkeys((modules(name).SCOPE, *(get_args(field.annotation) if field else ()))))


def variants(name: str) -> tuple[dict[str, Any], ...]:
    """Return the params to try: the guessed ones in every scope, then those of worlds.VARIANTS."""
    has_scope = "scope" in modules(name).Params.model_fields
    return (*({"scope": s} if has_scope else {} for s in scopes(name)), *worlds.VARIANTS.get(name, ()))


CASES = [
    (name, objective, given)
    for name in FEATURES
    for i, given in enumerate(variants(name))
    for objective in (OBJECTIVES if i < len(scopes(name)) else OBJECTIVES[:1])
]
NEEDS_A_PAST = ("lag", "target_lag")
"""Features that are missing where nothing went before."""


def use(name: str, given: dict[str, Any]) -> Use:
    return worlds.plug("features", name, **given)


def scope_of(feature: Use) -> str:
    return str(getattr(feature.params, "scope", worlds.module_of(feature).SCOPE))


def handed(feature: Use, w: World, learning: Rows) -> Rows:
    """Return what the scope allows `learn` to see."""
    header_only = Rows(np.empty(0, np.int64), {}, learning.header)
    return {"row": header_only, "table": worlds.everything(w), "fold": learning}[scope_of(feature)]


def learn(feature: Use, w: World, rows: Rows | None = None) -> Learnt:
    rows = handed(feature, w, worlds.parts(w, K)[0]) if rows is None else rows
    learnt: Learnt = worlds.module_of(feature).learn(feature.params, w.task, rows, stream(worlds.SEED, "feature"))
    return learnt


def bits(block: Block) -> tuple[Any, ...]:
    return block.names, dict(block.categories), block.x.shape, np.ascontiguousarray(block.x).tobytes()


# -- checks, which the cheaters below must fail


def check_blind(feature: Use, w: World) -> None:
    """Garbage in the held y, w and v changes no matrix of the fold, also after another fold of the same process."""
    seen = []
    for case in (w, worlds.spoilt_world(w, K)):
        designs(feature, case, K - 1)
        made = designs(feature, case, K)
        held = worlds.parts(case, K)[1]
        seen.append([bits(made.train.blocks[0]), *(bits(made.of(rows).blocks[0]) for rows in (held, case.test))])
    assert seen[0] == seen[1], "a held y reaches a feature"


def designs(feature: Use, w: World, k: int) -> Designs:
    spec = worlds.design_spec(k, features=(feature,))
    return build(spec, w.task, worlds.parts(w, k)[0], None, worlds.everything(w))


def check_call(feature: Use, w: World) -> None:
    """A call sees neither y nor other rows, and gives the same again."""
    learning, held = worlds.parts(w, K)
    learnt = learn(feature, w)
    whole = learnt(held)
    assert bits(whole) == bits(learnt(held)), "a second call differs"
    assert getattr(worlds.module_of(feature), "CATEGORIES", False) or not whole.categories, "CATEGORIES is not said"
    assert bits(learnt(learning)) == bits(learnt(learning.blind())), "a call reads y"
    for index in (np.array([4]), np.arange(10, 30), np.arange(len(held))[::-1].copy()):
        part = learnt(held.take(index))
        assert bits(part)[:3] == (*bits(whole)[:2], whole.x[index].shape)
        assert close(part.x, whole.x[index], whole.x), "other rows count"


def close(a: Floats32, b: Floats32, scale: Floats32) -> bool:
    """Return whether a equals b but for rounding: a matrix product may add up otherwise in a smaller batch."""
    size = np.nanmax(np.abs(scale), axis=0, initial=0)
    return bool(np.allclose(a / np.maximum(size, 1), b / np.maximum(size, 1), rtol=1e-5, atol=1e-6, equal_nan=True))


def check_own(feature: Use, w: World) -> None:
    """A learning row's own block does not hang on its own y (nor on its group's)."""
    learning, _ = worlds.parts(w, K)
    learnt = learn(feature, w, learning)
    block = learnt.own if learnt.own is not None else learnt(learning)
    assert block.x.shape[0] == len(learning)
    for i in (0, 7, 31):
        near = np.arange(len(learning)) == i if learning.group is None else learning.group == learning.group[i]
        again = learn(feature, w, worlds.spoilt(learning, near))
        after = again.own if again.own is not None else again(worlds.spoilt(learning, near))
        assert block.x[i].tobytes() == after.x[i].tobytes(), "a learning row's feature knows its own y"


def check_parents(feature: Use, w: World) -> None:
    """A row made of learning rows is told nothing of their y, nor of their groups'."""
    learning, _ = worlds.parts(w, K)
    donor = np.arange(len(learning))[::-1].copy()
    for second in (None, donor):
        made = Made(np.arange(len(learning)), second, (), {}, np.asarray(learning.y))
        copies = synthesise(learning, made, 1.0).blind()
        block = learn(feature, w, learning)(copies)
        for i in (0, 7, 31):
            mine = [i] if second is None else [i, donor[i]]
            near = np.isin(np.arange(len(learning)), mine)
            near = near if learning.group is None else np.isin(learning.group, learning.group[mine])
            after = learn(feature, w, worlds.spoilt(learning, near))(copies)
            assert block.x[i].tobytes() == after.x[i].tobytes(), "a synthetic row knows its parents' y"


def check_noise(feature: Use, w: World) -> None:
    """Where y is noise, a learning row's own block says nothing of it: not even by what was taken off its group."""
    assert w.train.y is not None
    noise = replace(w.train, y=np.random.default_rng(5).permutation(w.train.y), w=np.ones(len(w.train)))
    learning = noise.take(np.flatnonzero(w.folds.is_train(K)))
    learnt = learn(feature, w, learning)
    block = learnt.own if learnt.own is not None else learnt(learning)
    for level in np.unique(learning.x["e"]):
        same = learning.x["e"] == level
        for column in block.x[same].T.astype(np.float64):
            known = ~np.isnan(column)
            if np.ptp(column[known]) > 0 and known.sum() > 30:
                told = abs(np.corrcoef(column[known], learning.y[same][known])[0, 1])  # type: ignore[index]
                assert told < 0.6, "a learning row's feature gives its y away"


def check_new_rows(feature: Use, w: World) -> None:
    """Rows with texts and categories that were not learnt are no trouble, and change nothing for others."""
    held = worlds.parts(w, K)[1]
    learnt = learn(feature, w)
    fresh, new = worlds.with_new_texts(held)
    try:
        block = learnt(fresh)
    except (IndexError, KeyError) as error:
        raise AssertionError("a text that was not learnt breaks the feature") from error
    before = learnt(held)
    assert bits(block)[:2] == bits(before)[:2], "new rows make other columns"
    assert close(block.x[~new], before.x[~new], before.x), "new texts change other rows"
    for column, n_levels in block.categories.items():
        codes = block.x[:, block.names.index(column)]
        assert not (codes >= n_levels).any(), "a text that was not learnt has a level"


def check_plain(learnt: object, place: str = "learnt") -> None:
    """A learnt feature is data through and through, so that it can be saved without pickle."""
    if isinstance(learnt, Params | np.ndarray | bytes | str | int | float | bool | None):
        assert not isinstance(learnt, np.ndarray) or learnt.dtype != object, f"{place} is an array of objects"
    elif isinstance(learnt, tuple):
        for i, item in enumerate(learnt):
            check_plain(item, f"{place}[{i}]")
    elif isinstance(learnt, Mapping):
        for name, item in learnt.items():
            assert isinstance(name, str), f"a key of {place} is no text"
            check_plain(item, f"{place}[{name}]")
    else:
        frozen = dataclasses.is_dataclass(learnt) and learnt.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert frozen, f"{place} is no data: {type(learnt)}"
        for field in dataclasses.fields(learnt):  # type: ignore[arg-type]
            check_plain(getattr(learnt, field.name), f"{place}.{field.name}")


def check_past(feature: Use, w: World) -> None:
    """What lies at the same time or later changes nothing for a row: x of those rows is garbage, of all columns."""
    everything = worlds.everything(w)
    time, x = everything.x["day"], dict(everything.x)
    now = float(np.median(time))
    for name in ("a", "b", "q"):
        x[name] = np.where((time >= now).reshape(-1, *[1] * (x[name].ndim - 1)), 99.0, x[name])
    before = everything.take(np.flatnonzero(time < now))
    was, after = learn(feature, w, everything)(before), learn(feature, w, replace(everything, x=x))(before)
    assert bits(was) == bits(after), "the future shows"


def check_folder(feature: Use, w: World, folder: Path) -> None:
    """What a costly feature keeps in its folder changes no value: empty, half full or full."""
    learning, held = worlds.parts(w, K)
    learnt = learn(feature, w)
    assert isinstance(learnt, Costly)
    bare = bits(learnt(held))
    placed = learnt.placed(folder, "cpu")
    placed(learning.take(np.arange(20)))
    assert bits(placed(held)) == bare == bits(placed(held)), "what was kept changes a value"


def without_missing(rows: Rows) -> Rows:
    """Return the rows that have a value in the columns in which some miss one."""
    there = np.ones(len(rows), np.bool_)
    for column in ("a", "c", "text"):
        there &= rows.x[column] >= 0 if rows.header[column].levels else ~np.isnan(rows.x[column])
    assert there.sum() > 10
    return rows.take(np.flatnonzero(there))


# -- tests

every_case = pytest.mark.parametrize(("name", "objective", "given"), CASES)
fold_case = pytest.mark.parametrize(
    ("name", "objective", "given"), [c for c in CASES if scope_of(use(c[0], c[2])) == "fold"]
)


@every_case
def test_held_rows_are_out_of_reach(name: str, objective: str, given: dict[str, Any]) -> None:
    check_blind(use(name, given), worlds.world(objective))


@every_case
def test_a_call_sees_its_row_alone(name: str, objective: str, given: dict[str, Any]) -> None:
    check_call(use(name, given), worlds.world(objective))


@fold_case
@pytest.mark.parametrize("groups", [False, True])
def test_a_row_does_not_learn_from_itself(name: str, objective: str, given: dict[str, Any], groups: bool) -> None:
    check_own(use(name, given), worlds.world(objective, groups=groups))


@fold_case
@pytest.mark.parametrize("groups", [False, True])
def test_a_synthetic_row_does_not_learn_from_its_parents(
    name: str, objective: str, given: dict[str, Any], groups: bool
) -> None:
    check_parents(use(name, given), worlds.world(objective, groups=groups))


@pytest.mark.parametrize(
    "name", [n for n in FEATURES if modules(n).SCOPE == "fold" and "columns" in modules(n).Params.model_fields]
)
def test_noise_teaches_nothing(name: str) -> None:
    column = "e" if "category" in modules(name).ACCEPTS else "q"
    check_noise(use(name, {"columns": [column]}), worlds.world("squared", n=3000))


@every_case
def test_the_block_is_what_its_type_says(name: str, objective: str, given: dict[str, Any]) -> None:
    w = worlds.world(objective)
    learning, held = worlds.parts(w, K)
    learnt = learn(use(name, given), w)
    for rows in (learning, held, w.test, held.take(np.empty(0, np.int64))):
        block = learnt(rows)
        assert block.x.dtype == np.float32 and block.x.shape == (len(rows), len(block.names))
        assert not np.isinf(block.x).any() and len(set(block.names)) == len(block.names) > 0
        for column, n_levels in block.categories.items():
            codes = block.x[:, block.names.index(column)]
            known = codes[~np.isnan(codes)]
            assert (known == known.astype(int)).all() and (known >= 0).all() and (known < n_levels).all()
    own = learnt.own
    if own is not None:
        same_names = own.names == learnt(held).names and dict(own.categories) == dict(learnt(held).categories)
        assert same_names and own.x.shape[0] == len(learning), "own and call differ in their columns"


@every_case
def test_nothing_is_missing_that_was_there(name: str, objective: str, given: dict[str, Any]) -> None:
    """Rows without a missing value get a block without one: learning rows, for a group may be met nowhere else."""
    if name in NEEDS_A_PAST:
        pytest.skip("the first row of a group has no past")
    if name == "tokens":
        pytest.skip("a short text has fewer tokens than there are columns")
    w = worlds.world(objective)
    assert not np.isnan(learn(use(name, given), w)(without_missing(worlds.parts(w, K)[0])).x).any()


@every_case
def test_the_same_rows_teach_the_same(name: str, objective: str, given: dict[str, Any]) -> None:
    w = worlds.world(objective)
    held = worlds.parts(w, K)[1]
    one, two = learn(use(name, given), w), learn(use(name, given), w)
    assert bits(one(held)) == bits(two(held))
    assert one.own is None or two.own is None or bits(one.own) == bits(two.own)
    check_plain(one)


@every_case
def test_new_rows_may_bring_new_levels(name: str, objective: str, given: dict[str, Any]) -> None:
    check_new_rows(use(name, given), worlds.world(objective))


@pytest.mark.parametrize("given", variants("lag"))
def test_a_lag_looks_back_only(given: dict[str, Any]) -> None:
    check_past(use("lag", {**given, "time": "day"}), worlds.world("squared"))


@pytest.mark.parametrize("name", [n for n in FEATURES if getattr(modules(n), "COLUMNS_ONLY", False)])
def test_what_is_kept_changes_nothing(name: str, tmp_path: Path) -> None:
    check_folder(use(name, {}), worlds.world("squared"), tmp_path)


# -- cheaters


def test_a_feature_that_reads_y_when_called_is_caught() -> None:
    with pytest.raises(AssertionError, match="a call reads y"):
        check_call(worlds.leaky("features", "reads_y"), worlds.world("squared"))


def test_a_feature_that_ranks_within_its_batch_is_caught() -> None:
    with pytest.raises(AssertionError, match="other rows count"):
        check_call(worlds.leaky("features", "ranks_the_batch"), worlds.world("squared"))


def test_a_target_mean_that_is_not_cross_fitted_is_caught() -> None:
    feature = worlds.leaky("features", "naive_target_mean")
    check_blind(feature, worlds.world("squared"))
    with pytest.raises(AssertionError, match="knows its own y"):
        check_own(feature, worlds.world("squared"))
    with pytest.raises(AssertionError, match="knows its parents' y"):
        check_parents(feature, worlds.world("squared"))


def test_a_target_mean_that_leaves_one_out_is_caught() -> None:
    feature = worlds.leaky("features", "leave_one_out")
    check_blind(feature, worlds.world("squared"))
    with pytest.raises(AssertionError, match="gives its y away"):
        check_noise(feature, worlds.world("squared", n=3000))


def test_a_feature_that_remembers_is_caught() -> None:
    with pytest.raises(AssertionError, match="a held y reaches a feature"):
        check_blind(worlds.leaky("features", "remembers_y"), worlds.world("squared"))


def test_a_lag_that_looks_ahead_is_caught() -> None:
    feature = worlds.leaky("features", "looks_ahead")
    check_call(feature, worlds.world("squared"))
    with pytest.raises(AssertionError, match="the future shows"):
        check_past(feature, worlds.world("squared"))


def test_a_feature_that_trips_over_a_new_text_is_caught() -> None:
    with pytest.raises(AssertionError, match="breaks the feature"):
        check_new_rows(worlds.leaky("features", "knows_all_texts"), worlds.world("squared"))


def test_a_feature_that_is_not_data_is_caught() -> None:
    with pytest.raises(AssertionError, match="is no data"):
        check_plain(learn(worlds.leaky("features", "keeps_a_closure"), worlds.world("squared")))


def test_a_row_that_asks_itself_is_caught() -> None:
    feature = worlds.leaky("features", "asks_itself")
    check_blind(feature, worlds.world("squared"))
    with pytest.raises(AssertionError, match="knows its own y"):
        check_own(feature, worlds.world("squared"))


def test_a_feature_that_drifts_with_its_folder_is_caught(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="what was kept changes a value"):
        check_folder(worlds.leaky("features", "drifts"), worlds.world("squared"), tmp_path)
