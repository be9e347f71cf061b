"""What is learnt can be saved without pickle and says the same after: features, target transforms, combiners."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_feature_contract as features
import test_stacker_contract as stackers
import worlds
from worlds import TASKS

from kit import registry, saving
from kit.canon import stream
from kit.contracts import Context
from kit.crossfit import BlendSpec, crossfit
from kit.types import Column, Pred, Rows

CODECS = [
    (name, o)
    for name in registry.names("codecs")
    for o in TASKS
    if TASKS[o].kind in registry.load("codecs", name).TASKS
]


def again(value: Any, folder: Path) -> Any:
    saving.save(value, folder, "thing")
    return saving.load(folder, "thing")


@pytest.mark.parametrize(("name", "objective", "scope"), features.CASES)
def test_a_saved_feature_says_the_same(name: str, objective: str, scope: str, tmp_path: Path) -> None:
    w = worlds.world(objective)
    learnt = features.learn(features.use(name, scope), w)
    assert features.bits(again(learnt, tmp_path)(w.test)) == features.bits(learnt(w.test))


def strange(rows: Rows) -> Rows:
    """Return rows with texts that nobody had seen, missing categories and keys, and a header that knows the new texts."""
    header = dict(rows.header)
    words = tuple(header["text"].levels)
    header["text"] = Column("text", (*words, "a text nobody wrote", ""))
    x = {name: np.array(rows.x[name]) for name in header}
    x["text"][::2] = len(words)
    x["text"][1::4] = len(words) + 1
    for name, column in header.items():
        if column.kind == "category":
            x[name][:] = -1
    return replace(rows, x=x, header=header)


@pytest.mark.parametrize(("name", "objective", "scope"), features.CASES)
def test_a_feature_takes_rows_that_training_did_not_know(name: str, objective: str, scope: str) -> None:
    w = worlds.world(objective)
    learnt = features.learn(features.use(name, scope), w)
    known, new = learnt(w.test), learnt(strange(w.test))
    assert new.names == known.names and new.x.shape == known.x.shape and not np.isinf(new.x).any()
    for column, n in new.categories.items():
        codes = new.x[:, new.names.index(column)]
        assert n == known.categories[column] and not (codes >= n).any()


@pytest.mark.parametrize(("name", "objective"), CODECS)
def test_a_saved_target_transform_says_the_same(name: str, objective: str, tmp_path: Path) -> None:
    use, learning = worlds.plug("codecs", name), worlds.parts(worlds.world(objective), 1)[0]
    codec = worlds.module_of(use).learn(use.params, TASKS[objective], learning)
    inner = worlds.module_of(use).task(use.params, TASKS[objective])
    pred = Pred(np.linspace(0.1, 0.9, 20 * inner.n_out).reshape(20, -1), np.full(20, 0.3))
    rows = learning.take(np.arange(20)).blind()
    assert worlds.same(again(codec, tmp_path).decode(pred, rows), codec.decode(pred, rows))


@pytest.mark.parametrize(("name", "objective"), stackers.CASES)
def test_a_saved_combiner_says_the_same(name: str, objective: str, tmp_path: Path) -> None:
    use = worlds.plug("stackers", name)
    made = stackers.sources(use, objective, with_std=True)
    names = tuple(f"s{i}" for i in range(len(made)))
    metric = stackers.METRICS[objective][0]
    _, full = crossfit(
        BlendSpec(use, metric, TASKS[objective], worlds.SEED, names), made, stackers.truth(objective)[1], None
    )
    z, std = np.stack([s.test[0] for s in made]), np.stack([s.test_std[0] for s in made if s.test_std is not None])
    ctx = Context(TASKS[objective], registry.metric(metric), stream(1, "x"), names, std)
    assert worlds.same(again(full, tmp_path)(z, ctx), full(z, ctx))


@dataclass(frozen=True)
class Closure:
    """A learnt thing that holds a function."""

    call: Any


def test_what_cannot_be_saved_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="without pickle"):
        saving.save(Closure(lambda rows: rows), tmp_path, "thing")


def test_only_classes_of_kit_are_made_again(tmp_path: Path) -> None:
    from kit.errors import FitError

    saving.save(Closure(1), tmp_path, "thing")
    with pytest.raises(FitError, match="a saved model cannot be read"):
        saving.load(tmp_path, "thing")


def test_values_come_back_as_they_were(tmp_path: Path) -> None:
    value = {
        "a": (1, 2.5, None, True, "x"),
        3: [np.arange(6).reshape(2, 3), np.float32(1.5), b"\x00\x01", float("inf")],
        "s": np.array(["p", "q"], object),
    }
    back = again(value, tmp_path)
    assert back["a"] == value["a"] and back[3][2:] == [b"\x00\x01", float("inf")]
    np.testing.assert_array_equal(back[3][0], np.arange(6).reshape(2, 3))
    assert back[3][1].dtype == np.float32 and back["s"].tolist() == ["p", "q"]
