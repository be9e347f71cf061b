"""Classes too rare for every fold to have them are named, the rarest first."""

from __future__ import annotations

import numpy as np

from kit.rarity import MOST_NOTES, notes
from kit.types import Folds, Task

THREE = Task("multiclass", "softmax", classes=("a", "b", "c"))


def folds(held: list[int]) -> Folds:
    return Folds(np.array([held], np.int16), 3)


def test_what_some_folds_lack_is_told() -> None:
    y = np.array([0.0, 0, 0, 1, 1, 1, 2, 0, 0])
    told = notes(THREE, y, folds([0, 1, 2, 0, 1, 2, 1, 0, 2]))
    assert told == [
        (
            "class c has 1 row: 1 fold of 3 learn without it, 2 folds of 3 hold none of it",
            "merge it with another class, or drop its rows",
        )
    ]


def test_a_class_in_one_fold_could_be_spread() -> None:
    y = np.array([0.0, 1, 1, 1, 0, 0, 2, 2, 2])
    told = notes(THREE, y, folds([0, 0, 0, 0, 1, 2, 0, 1, 2]))
    assert [advice for _, advice in told] == ["a stratified split spreads it"]
    assert told[0][0].startswith("class b has 3 rows: 1 fold of 3 learn without it")


def test_classes_that_are_everywhere_are_not_told() -> None:
    assert not notes(THREE, np.array([0.0, 1, 2] * 3), folds([0, 0, 0, 1, 1, 1, 2, 2, 2]))
    assert not notes(Task("regression"), np.arange(9.0), folds([0, 0, 0, 1, 1, 1, 2, 2, 2]))


def test_a_binary_class_goes_by_its_name() -> None:
    task = Task("binary", "logloss", classes=("no", "yes"), positive="no")
    assert notes(task, np.array([1.0, 0, 0]), folds([0, 1, 2]))[0][0].startswith("class no has 1 row")


def test_many_rare_classes_are_counted() -> None:
    many = Task("multiclass", "softmax", classes=tuple(range(9)))
    told = notes(many, np.arange(9.0), folds([0, 0, 0, 1, 1, 1, 2, 2, 2]))
    assert len(told) == MOST_NOTES + 1
    assert told[-1] == ("and 4 more classes like it", "")
