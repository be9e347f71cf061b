"""What a worker keeps between fits, and fits that are watched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kit import stages
from kit.fitspec import Ended
from kit.memory import Memory
from kit.opening import Opened, open_recipe
from kit.types import Block, Design

RECIPE = """\
data: {train: train.csv, target: y}
metric: rmse
split: {use: kfold, folds: 2}
models: {a: {use: lightgbm, params: {n_estimators: 6}, seeds: 2}}
"""


def design(n: int) -> Design:
    block = Block(("a",), np.zeros((n, 1), np.float32))
    return Design((block,), None, np.ones(n), np.ones(n))


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2))
    frame = pl.DataFrame({"x1": x[:, 0], "x2": x[:, 1], "y": x[:, 0] + x[:, 1] ** 2})
    frame.write_csv(tmp_path / "train.csv")
    (tmp_path / "r.yaml").write_text(RECIPE)
    return open_recipe(tmp_path / "r.yaml", root=tmp_path)


def test_without_room_only_the_last_design_is_kept() -> None:
    memory = Memory()
    first = memory.of("one")("train", lambda: design(10))
    assert memory.of("one")("train", lambda: design(10)) is first
    memory.of("two")("train", lambda: design(10))
    assert memory.of("one")("train", lambda: design(10)) is not first


def test_with_room_the_first_designs_stay_and_the_last_makes_place() -> None:
    memory = Memory(room=250)
    kept = {key: memory.of(key)("train", lambda: design(20)) for key in ("one", "two", "three", "four")}
    again = {key: memory.of(key)("train", lambda: design(20)) is kept[key] for key in ("one", "two", "four")}
    assert again == {"one": True, "two": True, "four": True}
    assert memory.of("three")("train", lambda: design(20)) is not kept["three"]


@pytest.mark.parametrize(("room", "both"), [(0, False), (10_000, True)])
def test_data_of_learning_and_of_all_rows_stand_together_only_where_there_is_room(room: int, both: bool) -> None:
    kept = Memory(room).of("one")
    first = kept("data learn: 1", object)
    kept("data all: 1", object)
    assert (kept("data learn: 1", object) is first) is both


def test_data_of_other_params_is_dropped() -> None:
    kept = Memory(10_000).of("one")
    first = kept("data learn: 1", object)
    kept("data learn: 2", object)
    assert kept("data learn: 1", object) is not first


@pytest.mark.parametrize("at", [2, 7])
def test_a_fit_that_its_watch_ends_leaves_nothing(opened: Opened, at: int) -> None:
    """Step 7 is the first of the refit: its steps are counted anew, so they are counted here over both fits."""
    calls: list[tuple[int, float]] = []

    def watch(step: int, stop_score: float) -> bool:
        calls.append((step, stop_score))
        return len(calls) == at

    fit = next(s for s in opened.plan.stages if s.verb == "fit")
    with pytest.raises(Ended):
        stages.run(fit, opened.store, watch=watch)
    assert len(calls) == at
    assert np.isnan(calls[-1][1]) == (at == 7)
    assert not opened.store.has(fit.key)
    stages.run(fit, opened.store, watch=lambda step, stop_score: False)
    assert opened.store.has(fit.key)


def test_what_is_kept_changes_no_result(opened: Opened) -> None:
    fits = [s for s in opened.plan.stages if s.verb == "fit"]
    memory = Memory(room=1 << 30)
    for fit in [*fits, *fits]:
        stages.run(fit, opened.store, memory=memory)
    kept = {f.key: opened.store.open(f.key).array("held").tobytes() for f in fits}
    for fit in fits:
        opened.store.discard(fit.key)
        stages.run(fit, opened.store, memory=Memory())
    assert kept == {f.key: opened.store.open(f.key).array("held").tobytes() for f in fits}
