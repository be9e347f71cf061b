"""The battery every augmenter must pass: a file in kit/augment is tested by existing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import worlds
from worlds import World

from kit import registry
from kit.canon import stream
from kit.design import Use, build
from kit.errors import FitError, RecipeError
from kit.types import NO_PARENT, Design, Rows

AUGMENTERS = [name for name in registry.names("augment") if hasattr(registry.load("augment", name), "make")]
"""Those that make rows of learning rows; tests/augment/test_pseudo.py has those that label test rows."""
CASES = [(name, objective) for name in AUGMENTERS for objective in ("squared", "logloss", "softmax")]
K = 1


def use(name: str, objective: str = "squared", **given: Any) -> Use:
    return worlds.augmenter(name, objective, **given)


def make(augmenter: Use, rows: Rows, seed: int = 1) -> Rows:
    made: Rows = worlds.module_of(augmenter).make(augmenter.params, rows, stream(seed, "augment"))
    return made


def bits(rows: Rows) -> list[bytes]:
    """Return every array of the rows as bytes."""
    parts = [rows.x[name] for name in rows.header]
    parts += [getattr(rows, name) for name in ("row", "y", "w", "v", "parents", "group", "time")]
    return [b"" if part is None else np.ascontiguousarray(part).tobytes() for part in parts]


# -- checks, which the cheaters below must fail


def check_new_rows(augmenter: Use, learning: Rows) -> None:
    """Rows are new, numbered below 0, made of learning rows in their group, and whole; the learning rows stay as they are."""
    before = bits(learning)
    made = make(augmenter, learning)
    assert bits(learning) == before, "the learning rows were changed"
    assert len(made) > 0 and (made.row < 0).all(), "a row that is not synthetic"
    assert len(np.unique(made.row)) == len(made), "two rows of one number"
    assert made.header == learning.header
    first, second = made.parents[:, 0], made.parents[:, 1]
    assert np.isin(first, learning.row).all(), "a first parent that is no learning row"
    assert np.isin(second[second != NO_PARENT], learning.row).all(), "a second parent that is no learning row"
    assert made.y is not None and np.isfinite(made.y).all() and (made.w >= 0).all() and np.isfinite(made.w).all()
    for name, column in made.header.items():
        x, base = made.x[name], learning.x[name]
        assert x.dtype == base.dtype and x.shape == (len(made), *base.shape[1:]), name
        assert not column.levels or ((x >= -1).all() and (x < len(column.levels)).all()), name
    assert (first != second).all(), "a row mixed with itself"
    if learning.group is not None:
        assert made.group is not None
        of = dict(zip(learning.row.tolist(), learning.group.tolist(), strict=True))
        assert made.group.tolist() == [of[r] for r in first.tolist()], "a group that is not the parent's"


def check_apart(augmenter: Use, learning: Rows) -> None:
    """What makes rows of things that do not belong together takes them from two split groups."""
    made = make(augmenter, learning)
    assert learning.group is not None
    of = dict(zip(learning.row.tolist(), learning.group.tolist(), strict=True))
    for one, two in made.parents.tolist():
        assert two == NO_PARENT or of[one] != of[two], "a mismatch within a group"


def check_blind(augmenter: Use, w: World) -> None:
    """Garbage in the held y changes no matrix of the fold, also after another fold of the same process."""
    seen = []
    for case in (w, worlds.spoilt_world(w, K)):
        train_design(augmenter, case, K - 1)
        made = train_design(augmenter, case, K)
        n_real = int(w.folds.is_train(K).sum())
        assert len(made) > n_real and made.y is not None and not made.v[n_real:].any(), "synthetic rows are scored"
        seen.append([made.matrix().tobytes(), made.y.tobytes(), made.w.tobytes(), made.v.tobytes()])
    assert seen[0] == seen[1], "a held y reaches a synthetic row"


def train_design(augmenter: Use, w: World, k: int) -> Design:
    spec = worlds.design_spec(k, augment=(augmenter,))
    return build(spec, w.task, worlds.parts(w, k)[0], None, worlds.everything(w)).train


# -- tests


@pytest.mark.parametrize(("name", "objective"), CASES)
@pytest.mark.parametrize("groups", [False, True])
def test_only_new_rows_of_learning_rows(name: str, objective: str, groups: bool) -> None:
    w = worlds.world(objective, groups=groups)
    check_new_rows(use(name, objective), worlds.parts(w, K)[0])


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_held_rows_are_out_of_reach(name: str, objective: str) -> None:
    check_blind(use(name, objective), worlds.world(objective))


APART = [name for name in AUGMENTERS if getattr(registry.load("augment", name), "APART", False)]


def test_mismatches_are_apart() -> None:
    assert {"mismatch", "interpolate"} <= set(APART)
    for name in APART:
        check_apart(use(name, per_row=3), worlds.parts(worlds.world("squared", groups=True), K)[0])


@pytest.mark.parametrize("name", [n for n in AUGMENTERS if "where" in registry.load("augment", n).Params.model_fields])
def test_parents_are_those_asked_for(name: str) -> None:
    learning = worlds.parts(worlds.world("squared"), K)[0]
    assert learning.y is not None
    middle = float(np.median(learning.y))
    made = make(use(name, where={"y": [middle, None], "column": "c", "values": ["k", "l"]}), learning)
    place = np.searchsorted(learning.row, made.parents[:, 0])
    assert len(made) and (learning.y[place] >= middle).all() and set(learning.x["c"][place].tolist()) == {0, 1}


@pytest.mark.parametrize("name", AUGMENTERS)
def test_chance_comes_from_the_generator(name: str) -> None:
    learning = worlds.parts(worlds.world("squared"), K)[0]
    one, two, other = (make(use(name), learning, seed) for seed in (1, 1, 2))
    assert bits(one) == bits(two)
    assert bits(one) != bits(other)


@pytest.mark.parametrize("name", AUGMENTERS)
def test_it_makes_as_many_as_asked_for_of_the_weight_asked_for(name: str) -> None:
    learning = worlds.parts(worlds.world("squared"), K)[0]
    fields = registry.load("augment", name).Params.model_fields
    if "per_row" in fields:
        counts = [len(make(use(name, per_row=p), learning)) for p in (0.5, 1.0, 2.0)]
        assert counts[0] < counts[1] < counts[2] <= 2 * len(learning)
    if "weight" in fields:
        light, full = (make(use(name, weight=weight), learning).w for weight in (0.25, 1.0))
        np.testing.assert_allclose(light, full / 4)


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_synthetic_classes_are_classes(name: str, objective: str) -> None:
    w = worlds.world(objective)
    made = make(use(name, objective), worlds.parts(w, K)[0])
    assert made.y is not None
    if w.task.classes:
        assert set(made.y.tolist()) <= set(range(len(w.task.classes)))


def test_rows_of_no_class_are_refused() -> None:
    w = worlds.world("logloss")
    spec = worlds.design_spec(K, augment=(worlds.plug("augment", "mixup", label="linear"),))
    with pytest.raises(RecipeError, match="mixup makes rows of no class"):
        build(spec, w.task, worlds.parts(w, K)[0], None, worlds.everything(w))


def test_a_score_that_is_no_number_is_refused() -> None:
    w = worlds.world("squared")
    spec = worlds.design_spec(K, augment=(use("mismatch", score={"formula": "log(own - 1000)"}),))
    with pytest.raises(RecipeError, match="mismatch makes rows whose score is no number"):
        build(spec, w.task, worlds.parts(w, K)[0], None, worlds.everything(w))


def test_an_augmenter_that_makes_no_rows_is_named() -> None:
    w = worlds.world("squared")
    augment = (use("jitter"), use("mixup", where={"y": [1e9, None]}))
    made = build(worlds.design_spec(K, augment=augment), w.task, worlds.parts(w, K)[0], None, worlds.everything(w))
    assert made.barren == ("mixup",) and len(made.synthetic) == 1


# -- cheaters


@pytest.mark.parametrize(
    ("stem", "match"),
    [
        ("real_numbers", "not synthetic"),
        ("strange_parents", "no learning row"),
        ("writes_to_its_rows", "read-only|were changed"),
    ],
)
def test_a_cheating_augmenter_is_caught(stem: str, match: str) -> None:
    learning = worlds.parts(worlds.world("squared"), K)[0]
    with pytest.raises((AssertionError, ValueError), match=match):
        check_new_rows(worlds.leaky("augment", stem), learning)


def test_a_mismatch_within_a_group_is_caught() -> None:
    learning = worlds.parts(worlds.world("squared", groups=True), K)[0]
    cheater = worlds.leaky("augment", "stays_at_home")
    check_new_rows(cheater, learning)
    with pytest.raises(AssertionError, match="within a group"):
        check_apart(cheater, learning)


def test_the_design_refuses_real_row_numbers_too() -> None:
    w = worlds.world("squared")
    spec = worlds.design_spec(K, augment=(worlds.leaky("augment", "real_numbers"),))
    with pytest.raises(FitError, match="make returns something else"):
        build(spec, w.task, worlds.parts(w, K)[0], None, worlds.everything(w))


def test_an_augmenter_that_remembers_is_caught() -> None:
    with pytest.raises(AssertionError, match="a held y reaches"):
        check_blind(worlds.leaky("augment", "hoards"), worlds.world("squared"))
