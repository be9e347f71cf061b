"""Files of one's own: what they must offer, how their errors are told, and what their verbs may return."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from kit import owned, registry, returned
from kit.contracts import Assignment
from kit.errors import FitError, RecipeError
from kit.types import Block, Column, Design, Pred, Rows, Task

METRIC = """\
import numpy as np
BETTER, WANTS, CODEC = "lower", "value", "identity"
TASKS = ("regression",)
OBJECTIVE = {"regression": "squared"}


def score(task, y, pred, v):
    return float(np.average(np.abs(y - pred.mean[:, 0]), weights=v))
"""
TASK = Task("regression")


def metric(folder: Path, text: str) -> str:
    path = folder / "mine.py"
    path.write_text(text)
    return str(path)


def scored(use: str) -> float:
    return registry.metric(use).score(TASK, np.arange(3.0), Pred(np.ones((3, 1))), np.ones(3))


@pytest.mark.parametrize(
    ("old", "new", "rule", "allowed"),
    [
        ('"lower"', '"smaller"', "mine.py: BETTER cannot be this", "'lower' or 'higher'"),
        ('"value"', '"values"', "mine.py: WANTS cannot be this", "'value' or 'proba' or 'label'"),
        ('"value"', '"label"', "mine.py is no metric: it lacks decide", "BETTER, TASKS, WANTS"),
        ('"identity"', '"log"', "mine.py: CODEC cannot be this", "'identity' or 'log1p'"),
        ('"squared"', '"mse"', "mine.py: OBJECTIVE cannot be this", "absolute"),
        ("TASKS =", "TASK =", "mine.py is no metric: it lacks TASKS", "BETTER, TASKS, WANTS"),
        ("(task, y, pred, v)", "(y, pred)", "mine.py: score is called in another way", "(task, y, pred, v)"),
    ],
)
def test_a_file_that_lacks_or_misspells_something_is_told_before_anything_runs(tmp_path, old, new, rule, allowed):
    """With BETTER = "smaller" the highest errors won."""
    with pytest.raises(RecipeError) as told:
        registry.load("metrics", metric(tmp_path, METRIC.replace(old, new)))
    assert rule in str(told.value) and allowed in str(told.value) and "kit/metrics/rmsle.py" in str(told.value)


@pytest.mark.parametrize("kind", list(registry.KINDS))
def test_every_plug_in_of_kit_offers_what_its_kind_must(kind):
    for name in registry.names(kind):
        owned.require_offers(registry.load(kind, name), kind, registry.KINDS[kind])


def test_an_error_names_file_line_and_verb(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FitError) as told:
        scored(metric(tmp_path, METRIC.replace("    return", "    1 / 0\n    return")))
    problem = told.value.problems[0]
    assert (problem.place, problem.rule) == ("mine.py:8", "score fails") and "ZeroDivisionError" in problem.got
    with pytest.raises(RecipeError, match="fails on import") as imported:
        registry.load("metrics", metric(tmp_path, "import numpy\nimport no_such_package_x\n"))
    assert imported.value.problems[0].place.endswith("mine.py:2")


def test_a_metric_may_neither_write_to_what_it_is_handed_nor_return_an_array(tmp_path):
    """One that set y to 0 had all that came after scored by zeros."""
    with pytest.raises(FitError, match="score fails"):
        scored(metric(tmp_path, METRIC.replace("    return", "    y[:] = 0\n    return")))
    with pytest.raises(FitError, match="something else") as told:
        scored(metric(tmp_path, METRIC.replace("float(np.average(", "(np.abs(").replace(", weights=v))", "))")))
    assert told.value.problems[0].allowed == "a number" and "(3,)" in told.value.problems[0].got


def test_what_it_prints_stays_out_of_stdout_and_what_it_draws_is_the_same_each_time(tmp_path, capsys):
    text = METRIC.replace("    return float(", "    print('seen')\n    return np.random.rand() + float(")
    state = np.random.get_state
    before = random.getstate(), state()[1].tolist()
    assert len({scored(metric(tmp_path, text)) for _ in range(2)}) == 1
    assert (random.getstate(), state()[1].tolist()) == before
    out = capsys.readouterr()
    assert out.out == "" and out.err.count("seen") == 2


ROWS = Rows(-1 - np.arange(2), {"a": np.zeros(2)}, {"a": Column("numeric")}, y=np.zeros(2))
MADE = Rows(ROWS.row, ROWS.x, ROWS.header, y=ROWS.y, parents=np.zeros((2, 2), np.int64))


@pytest.mark.parametrize(
    ("call", "allowed"),
    [
        (lambda f: returned.block(f, np.zeros((2, 1)), 2), "a Block"),
        (lambda f: returned.block(f, Block(("a",), np.zeros((1, 1), np.float32)), 2), "a Block of 2 rows"),
        (lambda f: returned.block(f, Block(("a",), np.full((2, 1), np.inf, np.float32)), 2), "no infinite values"),
        (lambda f: returned.learnt(f, len), "own"),
        (lambda f: returned.fitted(f, TASK), "best_step"),
        (lambda f: returned.task(f, None), "a Task"),
        (lambda f: returned.importance(f, np.zeros(3), 2), "2 columns"),
        (lambda f: returned.pred(f, np.zeros((2, 1)), 2, 1, "predict"), "(2, 1)"),
        (lambda f: returned.pred(f, Pred(np.zeros((2, 3))), 2, 1, "predict"), "(2, 1)"),
        (lambda f: returned.numbers(f, [1.0, 2.0], 2, "weigh"), "an array of 2 numbers"),
        (lambda f: returned.numbers(f, np.array([1.0, np.nan]), 2, "encode"), "finite"),
        (lambda f: returned.synthetic(f, ROWS, ROWS.header), "`parents`"),
        (lambda f: returned.synthetic(f, MADE, {**ROWS.header, "b": Column("numeric")}), "lack b"),
        (lambda f: returned.combiner(f, len), "weights"),
        (lambda f: returned.assignment(f, (np.zeros(2), None), 2), "an Assignment"),
        (lambda f: returned.assignment(f, Assignment(np.zeros(2)), 2), "whole numbers"),
        (lambda f: returned.assignment(f, Assignment(np.arange(2), np.ones((2, 2))), 2), "bool of shape (2, 2)"),
    ],
)
def test_what_a_verb_returns_amiss_is_told_with_the_file_and_what_it_must_be(call, allowed):
    with pytest.raises(FitError) as told:
        call("mine.py")
    problem = told.value.problems[0]
    assert problem.place == "mine.py" and allowed in problem.allowed and problem.got


def test_what_is_as_it_must_be_passes():
    assert returned.synthetic("mine.py", MADE, ROWS.header) is MADE
    assert returned.assignment("mine.py", (a := Assignment(np.arange(2))), 2) is a
    assert returned.number("mine.py", np.float32(1)) == 1.0


class Constant:
    """A model that says one number."""

    best_step, curve = 0, np.empty(0)

    def __init__(self, value: float) -> None:
        self.value = value

    def predict(self, design: Design) -> Pred:
        return Pred(np.full((len(design), 1), self.value))

    def importance(self) -> None:
        return None

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def test_a_model_that_is_another_one_when_loaded_is_told_when_it_is_kept():
    """`kit predict` gave other predictions than those that were scored, or failed long after the run."""
    design = Design((), None, np.ones(3), np.ones(3))
    returned.kept("mine.py", Constant(1), Constant(1), design)
    with pytest.raises(FitError, match="load returns something else"):
        returned.kept("mine.py", Constant(1), Constant(2), design)
