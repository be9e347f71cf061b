from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from kit import sample, table
from kit.errors import DataError
from kit.types import Task

BINARY = Task("binary", "logloss", ("no", "yes"), "yes")
THREE = Task("multiclass", "softmax", ("a", "b", "c"))
NUMBER = Task("regression")
RENAME = {"pred": "id"}


@dataclass(frozen=True)
class Fake:
    """As much of a recipe as a layout reads."""

    metric: str
    data: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(id="id", target="y", rename={}))


@pytest.fixture
def laid(tmp_path):
    def lay(task: Task, metric: str, ids: list, columns: dict | str | None, id_name: str | None = "id"):
        raw = None
        if columns is not None:
            path = tmp_path / "sample.csv"
            path.write_text(columns) if isinstance(columns, str) else pl.DataFrame(columns).write_csv(path)
            raw = table.read_text(path)
        recipe = Fake(metric, SimpleNamespace(id=id_name, target="y", rename=RENAME))
        return sample.layout(recipe, task, pl.Series(id_name or "row", ids), raw, "sample.csv")  # type: ignore[arg-type]

    return lay


def written(laid_, task, mean, labels=None) -> list[str]:
    layout, order, ids = laid_
    restored = sample.from_meta(json.loads(json.dumps(layout.as_dict())))
    assert restored == layout
    return sample.write(restored, task, order, ids, np.asarray(mean, np.float32), labels).decode().splitlines()


def test_without_a_sample_the_target_names_the_columns(laid):
    assert written(laid(NUMBER, "rmse", [7, 8], None), NUMBER, [[0.5], [1.5]]) == ["id,y", "7,0.5", "8,1.5"]
    lines = written(laid(THREE, "logloss", [7], None), THREE, [[0.25, 0.5, 0.25]])
    assert lines == ["id,y_a,y_b,y_c", "7,0.25,0.5,0.25"]
    lines = written(laid(BINARY, "accuracy", [7, 8], None), BINARY, [[0.4], [0.6]], np.array([0.0, 1.0]))
    assert lines == ["id,y", "7,no", "8,yes"]


@pytest.mark.parametrize("columns", [None, {"id": [7, 8], "y": [0, 0]}])
def test_what_a_metric_counts_as_its_least_is_written_so(laid, columns):
    assert written(laid(NUMBER, "rmsle", [7, 8], columns), NUMBER, [[-0.5], [1.5]]) == ["id,y", "7,0.0", "8,1.5"]
    other = laid(NUMBER, "mae", [7, 8], columns)
    assert written(other, NUMBER, [[-0.5], [1.5]])[1] == "7,-0.5" and "least" not in other[0].as_dict()


def test_lines_follow_the_ids_of_the_sample(laid):
    lines = written(laid(NUMBER, "rmse", [7, 8, 9], {"id": [9, 7, 8], "z": [0, 0, 0]}), NUMBER, [[1], [2], [3]])
    assert lines == ["id,z", "9,3.0", "7,1.0", "8,2.0"]


def test_the_id_column_may_stand_anywhere(laid):
    lines = written(laid(NUMBER, "rmse", [7, 8], {"y": [0, 0], "id": [8, 7]}), NUMBER, [[1], [2]])
    assert lines == ["y,id", "2.0,8", "1.0,7"]
    lines = written(laid(NUMBER, "rmse", [7, 8], {"y": [0, 0], "pred": [8, 7]}), NUMBER, [[1], [2]])
    assert lines == ["y,pred", "2.0,8", "1.0,7"]


def test_ids_are_written_as_the_sample_spells_them(laid):
    lines = written(laid(NUMBER, "rmse", ["007", "x,y"], 'id,y\n"x,y",0\n007,0\n'), NUMBER, [[1], [2]])
    assert lines == ["id,y", '"x,y",2.0', "007,1.0"]


def test_without_an_id_rows_are_matched_by_place(laid):
    lines = written(laid(NUMBER, "rmse", [20, 21], "Id,y\n500,0\n400,0\n", None), NUMBER, [[1], [2]])
    assert lines == ["Id,y", "500,1.0", "400,2.0"]
    with pytest.raises(DataError, match="differ in rows"):
        laid(NUMBER, "rmse", [20, 21], "Id,y\n500,0\n", None)


@pytest.mark.parametrize("columns", [("c", "a", "b"), ("Status_c", "Status_a", "Status_b")])
def test_class_columns_in_any_order(laid, columns):
    lines = written(
        laid(THREE, "logloss", [7], {"id": [7], **{name: [0] for name in columns}}), THREE, [[0.125, 0.25, 0.625]]
    )
    assert lines == ["id," + ",".join(columns), "7,0.625,0.125,0.25"]


def test_a_class_whose_name_ends_another_is_told_apart(laid):
    task = Task("multiclass", "softmax", ("L", "C_L", "D"))
    lines = written(
        laid(task, "logloss", [7], {"id": [7], "S_D": [0], "S_C_L": [0], "S_L": [0]}), task, [[0.125, 0.25, 0.625]]
    )
    assert lines == ["id,S_D,S_C_L,S_L", "7,0.625,0.25,0.125"]


def test_numeric_classes_match_columns_of_their_number(laid):
    task = Task("multiclass", "softmax", (0, 1, 2))
    lines = written(
        laid(task, "logloss", [7], {"id": [7], "class_2": [0], "class_1": [0], "class_0": [0]}),
        task,
        [[0.125, 0.25, 0.625]],
    )
    assert lines[1] == "7,0.625,0.25,0.125"


@pytest.mark.parametrize(("classes", "columns"), [((1.0, 2.0, 3.0), "3,1,2"), (("A", "B", "C"), "c,a,b")])
def test_a_column_may_spell_its_class_otherwise(laid, classes, columns):
    task = Task("multiclass", "softmax", classes)
    lines = written(laid(task, "logloss", [7], f"id,{columns}\n7,0,0,0\n"), task, [[0.25, 0.5, 0.125]])
    assert lines == [f"id,{columns}", "7,0.125,0.25,0.5"]


def test_labels_of_a_sample_that_are_no_class_are_told(laid):
    raw = pl.DataFrame({"id": ["7", "8"], "y": ["0", "No"]})
    layout = laid(BINARY, "accuracy", [7, 8], "id,y\n7,0\n8,No\n")[0]
    ((column, what, next),) = sample.remarks(layout, BINARY, raw, "sample.csv")
    assert (column, what) == ("y", "sample.csv shows labels that are no class of the target: '0'")
    assert next.startswith("these will be written: No, yes")
    assert sample.remarks(laid(THREE, "map@3", [7], "id,y\n7,c a b\n")[0], THREE, raw[:0], "s") == []
    assert sample.remarks(layout, BINARY, raw[1:], "sample.csv") == []


def test_labels_with_blanks_make_no_ranking(laid):
    task = Task("multiclass", "softmax", ("lost parcel", "refund"))
    for metric, told in (("map@3", 1), ("accuracy", 0)):
        layout = laid(task, metric, [7], None)[0]
        notes = sample.remarks(layout, task, None, "")
        assert len(notes) == told and all("blanks, as 'lost parcel'" in what for _, what, _ in notes)


def test_two_columns_of_a_binary_task(laid):
    lines = written(laid(BINARY, "auc", [7], {"id": [7], "no": [0], "yes": [0]}), BINARY, [[0.75]])
    assert lines == ["id,no,yes", "7,0.25,0.75"]
    turned = Task("binary", "logloss", ("no", "yes"), "no")
    lines = written(laid(turned, "auc", [7], {"id": [7], "no": [0], "yes": [0]}), turned, [[0.75]])
    assert lines == ["id,no,yes", "7,0.75,0.25"]


@pytest.mark.parametrize(
    ("classes", "example", "spelt"),
    [
        ((False, True), "TRUE", ("FALSE", "TRUE")),
        ((False, True), "True", ("False", "True")),
        ((False, True), "false", ("false", "true")),
        ((0, 1), "0.0", ("0.0", "1.0")),
        ((0.0, 1.0), "0", ("0", "1")),
        ((False, True), "0", ("0", "1")),
        ((0, 1), "FALSE", ("FALSE", "TRUE")),
        (("007", "7"), "007", ("007", "7")),
        ((1, 2), "2", ("1", "2")),
        (("No", "Yes"), "NO", ("NO", "Yes")),
        (("no", "yes"), "maybe", ("no", "yes")),
    ],
)
def test_labels_are_spelt_as_the_sample_does(laid, classes, example, spelt):
    task = Task("binary", "logloss", classes, classes[1])
    layout, _, _ = laid(task, "accuracy", [7, 8], f"id,y\n7,{example}\n8,{example}\n")
    assert layout.spelling == spelt
    lines = written((layout, np.arange(2), pl.Series("id", ["7", "8"])), task, [[0], [1]], np.array([0.0, 1.0]))
    assert lines == ["id,y", f"7,{spelt[0]}", f"8,{spelt[1]}"]


def test_labels_of_many_classes(laid):
    made = laid(THREE, "accuracy", [7, 8, 9], {"id": [7, 8, 9], "y": ["A", "A", "A"]})
    lines = written(made, THREE, np.zeros((3, 3)), np.array([2.0, 0.0, 1.0]))
    assert lines == ["id,y", "7,c", "8,A", "9,b"]


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"id": [7, 8], "y": [0, 0], "z": [0, 0]}, "one column beside the id"),
        ({"key": [7, 9], "y": [0, 0]}, "lacks the id column"),
        ({"key": [7, 7], "y": [0, 0]}, "lacks the id column"),
        ({"id": [7], "y": [0]}, "ids of sample and test differ"),
        ({"id": [7, 8, 9], "y": [0, 0, 0]}, "ids of sample and test differ"),
        ({"id": [7, 7], "y": [0, 0]}, "ids of sample and test differ"),
    ],
)
def test_samples_that_do_not_fit(laid, columns, rule):
    with pytest.raises(DataError, match=rule):
        laid(NUMBER, "rmse", [7, 8], columns)


def test_the_id_of_a_sample_is_known_by_its_values_wherever_it_stands(laid):
    """Its own name for the id was refused, and of rows without an id the predictions went under the name of the id."""
    lines = written(laid(NUMBER, "rmse", [7, 8], {"y": [0, 0], "Key": [8, 7]}), NUMBER, [[1], [2]])
    assert lines == ["y,Key", "2.0,8", "1.0,7"]
    lines = written(laid(NUMBER, "rmse", [0, 1], {"y": [0, 0], "Key": ["a", "b"]}, None), NUMBER, [[1], [2]])
    assert lines == ["y,Key", "1.0,a", "2.0,b"]


@pytest.mark.parametrize(("ids", "listed"), [([1.0, 12.0], "12,1"), ([1, 12], "12.0,1.0"), ([1, 12], "012,001")])
def test_ids_that_are_numbers_are_matched_as_numbers(laid, ids, listed):
    first, second = listed.split(",")
    lines = written(laid(NUMBER, "rmse", ids, f"id,y\n{first},0\n{second},0\n"), NUMBER, [[1], [2]])
    assert lines == ["id,y", f"{first},2.0", f"{second},1.0"]
    with pytest.raises(DataError, match="ids of sample and test differ"):
        laid(NUMBER, "rmse", ["1", "12"], "id,y\n12.0,0\n1.0,0\n")
