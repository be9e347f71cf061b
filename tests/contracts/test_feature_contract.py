"""The battery every feature builder must pass: a file in kit/features is tested by existing."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import worlds
from worlds import World

from kit import registry
from kit.canon import stream
from kit.contracts import Learnt
from kit.design import Designs, Use, build
from kit.types import Block, Rows

FEATURES = registry.names("features")
OBJECTIVES = ("squared", "logloss", "softmax")
K = 1


def modules(name: str) -> Any:
    return registry.load("features", name)


def scopes(name: str) -> tuple[str, ...]:
    """Return the scopes a feature can be asked for."""
    field = modules(name).Params.model_fields.get("scope")
    return tuple(dict.fromkeys((modules(name).SCOPE, *(["table", "fold"] if field else []))))


CASES = [(name, objective, scope) for name in FEATURES for objective in OBJECTIVES for scope in scopes(name)]


def use(name: str, scope: str) -> Use:
    given = {"scope": scope} if "scope" in modules(name).Params.model_fields else {}
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
    assert bits(learnt(learning)) == bits(learnt(learning.blind())), "a call reads y"
    for index in (np.array([4]), np.arange(10, 30), np.arange(len(held))[::-1].copy()):
        part = learnt(held.take(index))
        assert bits(part) == (*bits(whole)[:2], whole.x[index].shape, whole.x[index].tobytes()), "other rows count"


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


# -- tests


@pytest.mark.parametrize(("name", "objective", "scope"), CASES)
def test_held_rows_are_out_of_reach(name: str, objective: str, scope: str) -> None:
    check_blind(use(name, scope), worlds.world(objective))


@pytest.mark.parametrize(("name", "objective", "scope"), CASES)
def test_a_call_sees_its_row_alone(name: str, objective: str, scope: str) -> None:
    check_call(use(name, scope), worlds.world(objective))


@pytest.mark.parametrize(("name", "objective", "scope"), [c for c in CASES if c[2] == "fold"])
@pytest.mark.parametrize("groups", [False, True])
def test_a_row_does_not_learn_from_itself(name: str, objective: str, scope: str, groups: bool) -> None:
    check_own(use(name, scope), worlds.world(objective, groups=groups))


@pytest.mark.parametrize(("name", "objective", "scope"), CASES)
def test_the_block_is_what_its_type_says(name: str, objective: str, scope: str) -> None:
    w = worlds.world(objective)
    learning, held = worlds.parts(w, K)
    learnt = learn(use(name, scope), w)
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


@pytest.mark.parametrize(("name", "objective", "scope"), CASES)
def test_nothing_is_missing_that_was_there(name: str, objective: str, scope: str) -> None:
    """Rows without a missing value get a block without one."""
    w = worlds.world(objective)
    _, held = worlds.parts(w, K)
    there = np.ones(len(held), np.bool_)
    for column in ("a", "c", "text"):
        there &= held.x[column] >= 0 if held.header[column].levels else ~np.isnan(held.x[column])
    assert there.sum() > 10
    assert not np.isnan(learn(use(name, scope), w)(held.take(np.flatnonzero(there))).x).any()


@pytest.mark.parametrize(("name", "objective", "scope"), CASES)
def test_the_same_rows_teach_the_same(name: str, objective: str, scope: str) -> None:
    w = worlds.world(objective)
    held = worlds.parts(w, K)[1]
    one, two = learn(use(name, scope), w), learn(use(name, scope), w)
    assert bits(one(held)) == bits(two(held))
    assert one.own is None or two.own is None or bits(one.own) == bits(two.own)
    assert dataclasses.is_dataclass(one) and one.__dataclass_params__.frozen  # type: ignore[attr-defined]


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


def test_a_feature_that_remembers_is_caught() -> None:
    with pytest.raises(AssertionError, match="a held y reaches a feature"):
        check_blind(worlds.leaky("features", "remembers_y"), worlds.world("squared"))
