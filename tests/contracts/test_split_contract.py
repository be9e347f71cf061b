"""The battery every splitter must pass: a file in kit/splits is tested by existing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import worlds

from kit import registry
from kit.contracts import Assignment
from kit.design import Use
from kit.errors import DataError
from kit.types import Folds, Rows, Task

SPLITTERS = registry.names("splits")
SIZES = (5, 6, 7, 40, 2000)
CASES = [(name, o, n) for name in SPLITTERS for o in ("squared", "logloss", "softmax") for n in SIZES]


def rows_of(objective: str, n: int) -> Rows:
    """Return n rows with groups of unequal size and times with ties, in no order."""
    rng = np.random.default_rng(n)
    rows = worlds.world(objective, max(n, 12)).train.take(np.arange(n))
    return replace(
        rows, group=np.sqrt(rng.integers(0, n * n, n)).astype(np.int64) // 2, time=np.floor(rng.uniform(0, n, n))
    )


def assign(use: Use, task: Task, rows: Rows, seed: int = 0) -> Assignment:
    made: Assignment = worlds.module_of(use).assign(use.params, task, rows, np.random.default_rng(seed))
    return made


def folds_of(made: Assignment) -> Folds:
    """Return the folds as kit.folding makes them: this refuses empty folds and rows that are learnt from and held."""
    return Folds(made.held[None].astype(np.int16), int(made.held.max()) + 1, made.train)


# -- checks, which the cheaters below must fail


def check_folds(use: Use, task: Task, rows: Rows) -> None:
    made = assign(use, task, rows)
    assert made.held.shape == (len(rows),) and made.held.min() >= -1
    folds = folds_of(made)
    wanted = getattr(use.params, "folds", None)
    assert wanted is None or folds.n_folds == wanted, "another number of folds than asked for"
    needs = worlds.module_of(use).NEEDS
    for k in range(len(folds)):
        train, held = folds.is_train(k), folds.is_held(k)
        if "group" in needs:
            assert rows.group is not None
            assert not np.intersect1d(rows.group[train], rows.group[held]).size, "a group is learnt from and held"
        if "time" in needs:
            assert rows.time is not None
            assert rows.time[train].max() < rows.time[held].min(), "a fold learns from the future"


def check_chance(use: Use, task: Task, rows: Rows) -> None:
    """The generator decides, and nothing but it; RANDOM says whether it does."""
    one, two, other = (assign(use, task, rows, seed).held for seed in (1, 1, 2))
    assert one.tobytes() == two.tobytes(), "chance that does not come from the generator"
    assert (one.tobytes() != other.tobytes()) == worlds.module_of(use).RANDOM, "RANDOM is not true"


# -- tests


def splitter(name: str, **given: Any) -> Use:
    return worlds.plug("splits", name, **given)


@pytest.mark.parametrize(("name", "objective", "n"), CASES)
def test_folds_are_folds(name: str, objective: str, n: int) -> None:
    """Few rows may be too few, and then that is said."""
    use, rows, task = splitter(name), rows_of(objective, n), worlds.TASKS[objective]
    try:
        check_folds(use, task, rows)
    except DataError:
        assert n < 40


@pytest.mark.parametrize("name", [s for s in SPLITTERS if "folds" in registry.load("splits", s).Params.model_fields])
@pytest.mark.parametrize("folds", [2, 3, 10])
def test_any_number_of_folds(name: str, folds: int) -> None:
    check_folds(splitter(name, folds=folds), worlds.TASKS["squared"], rows_of("squared", 300))


@pytest.mark.parametrize("name", SPLITTERS)
def test_chance_comes_from_the_generator(name: str) -> None:
    check_chance(splitter(name), worlds.TASKS["squared"], rows_of("squared", 300))


@pytest.mark.parametrize("name", SPLITTERS)
def test_the_order_of_rows_does_not_count(name: str) -> None:
    rows, task = rows_of("softmax", 300), worlds.TASKS["softmax"]
    order = np.random.default_rng(0).permutation(300)
    straight, mixed = assign(splitter(name), task, rows), assign(splitter(name), task, rows.take(order))
    assert mixed.held.tobytes() == straight.held[order].tobytes()


@pytest.mark.parametrize("name", [s for s in SPLITTERS if "bins" in registry.load("splits", s).Params.model_fields])
@pytest.mark.parametrize("objective", ["squared", "logloss", "softmax"])
def test_what_takes_bins_keeps_the_shares(name: str, objective: str) -> None:
    """Each fold has about the share of every class, or of every tenth of the target, that all rows have."""
    rows, task = rows_of(objective, 2000), worlds.TASKS[objective]
    assert rows.y is not None
    stratum = rows.y if task.classes else np.argsort(np.argsort(rows.y)) // 200
    held = assign(splitter(name), task, rows).held
    for s in np.unique(stratum):
        shares = [(stratum[held == k] == s).mean() for k in range(5)]
        assert max(shares) - min(shares) < 0.02, "a fold has another share of a stratum"


def test_every_splitter_that_draws_can_be_repeated() -> None:
    """kit.folding stacks the draws of several repeats: each is a whole set of folds, and no two are alike."""
    drawn = [s for s in SPLITTERS if registry.load("splits", s).RANDOM]
    assert {"kfold", "stratified", "group", "stratified_group"} <= set(drawn)
    for name in drawn:
        rows, task = rows_of("softmax", 300), worlds.TASKS["softmax"]
        held = np.stack([assign(splitter(name), task, rows, seed).held for seed in range(3)]).astype(np.int16)
        assert len(Folds(held, 5)) == 15
        assert len({h.tobytes() for h in held}) == 3


# -- cheaters


@pytest.mark.parametrize(
    ("stem", "match"),
    [
        ("learns_what_it_holds", "learns from a row it holds"),
        ("empty_fold", "holds no row"),
        ("tears_groups", "a group is learnt from and held"),
        ("knows_the_future", "learns from the future"),
    ],
)
def test_a_cheating_splitter_is_caught(stem: str, match: str) -> None:
    with pytest.raises((AssertionError, ValueError), match=match):
        check_folds(worlds.leaky("splits", stem), worlds.TASKS["squared"], rows_of("squared", 40))


def test_a_splitter_that_draws_elsewhere_is_caught() -> None:
    with pytest.raises(AssertionError, match="chance that does not come"):
        check_chance(worlds.leaky("splits", "draws_elsewhere"), worlds.TASKS["squared"], rows_of("squared", 40))
