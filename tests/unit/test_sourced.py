"""Which rows teach a model over others, and what is taken for its sources where none does."""

import numpy as np

from kit.sourced import believed, spoken_of
from kit.types import Column, Pred, Rows, Task

MULTI = Task("multiclass", "softmax", classes=("a", "b", "c"))


def rows(**sources: np.ndarray) -> Rows:
    header = {name: Column("vector", width=x.shape[1]) for name, x in sources.items()}
    return Rows(
        np.arange(3), {"x": np.arange(3.0), **sources}, header | {"x": Column("numeric")}, y=np.array([2.0, 0, 1])
    )


def test_rows_without_a_prediction_of_every_source_are_left_out() -> None:
    one, two = np.array([[np.nan], [1], [2]], np.float32), np.array([[1], [1], [np.nan]], np.float32)
    assert [spoken_of(rows(m=m), ["m"], Task("regression"))[0].row.tolist() for m in (one, two)] == [[1, 2], [0, 1]]
    both = rows(m=one, n=two)
    assert spoken_of(both, ["m", "n"], Task("regression"))[0].row.tolist() == [1]
    assert spoken_of(both, [], Task("regression")) == (both, False)


def test_sources_that_say_nothing_are_taken_to_be_right() -> None:
    nothing = rows(m=np.full((3, 4), np.nan, np.float32), n=np.full((3, 3), np.nan, np.float32))
    made, at_word = spoken_of(nothing, ["m", "n"], MULTI)
    truth = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert at_word and made.x["n"].tolist() == truth and made.x["m"].tolist() == [[*t, 0] for t in truth]
    assert made.x["x"].tolist() == [0, 1, 2] and made.x["m"].dtype == np.float32
    value = rows(m=np.full((3, 1), np.nan, np.float32))
    assert spoken_of(value, ["m"], Task("regression"))[0].x["m"].tolist() == [[2], [0], [1]]
    assert spoken_of(value, ["m"], Task("regression"), sure=False)[0].x["m"].tolist() == [[1], [1], [1]]


def test_what_is_believed_is_their_mean() -> None:
    held = rows(m=np.array([[1, 9], [2, 9], [3, 9]], np.float32), n=np.array([[3], [3], [3]], np.float32))
    made = believed(Pred(np.zeros((3, 1), np.float32), np.ones(3, np.float32)), held, ["m", "n"])
    assert made.mean.tolist() == [[2], [2.5], [3]] and made.std is not None and made.std.tolist() == [1, 1, 1]
