"""Columns by name, pattern, kind and exclusion, from a list to a plan."""

from __future__ import annotations

import pytest

from kit.errors import RecipeError
from kit.selecting import is_pattern, select

USABLE = {
    "num_1": "numeric", "num_2": "numeric", "num_10": "numeric", "age": "numeric", "sex": "category",
    "num_word": "category", "born": "date", "about": "text", "a*b": "numeric", "!odd": "numeric", "x[0]": "numeric",
}  # fmt: skip


def chosen(*items: str) -> list[str]:
    return select("numeric", items, USABLE, ("numeric", "date"), ("numeric",))


@pytest.mark.parametrize(
    ("items", "names"),
    [
        (["age", "num_1"], ["age", "num_1"]),
        (["num_*"], ["num_1", "num_2", "num_10"]),
        (["num_?"], ["num_1", "num_2"]),
        (["num_[12]"], ["num_1", "num_2"]),
        (["age", "num_*", "num_1"], ["age", "num_1", "num_2", "num_10"]),
        (["kind:date", "age"], ["born", "age"]),
        (["num_*", "!num_1*"], ["num_2"]),
        (["!num_*"], ["age", "a*b", "!odd", "x[0]"]),
        (["!kind:date", "kind:date", "kind:numeric", "!num_*"], ["age", "a*b", "!odd", "x[0]"]),
        (["!age", "!num_1", "!num_2"], ["num_10", "a*b", "!odd", "x[0]"]),
        (["a*b"], ["a*b"]),
        (["!odd"], ["!odd"]),
        (["!!odd", "!num*"], ["age", "a*b", "x[0]"]),
        (["x[0]"], ["x[0]"]),
        (["sxe", "num_1"], ["sxe", "num_1"]),
    ],
)
def test_items_become_names(items: list[str], names: list[str]) -> None:
    assert chosen(*items) == names


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (["ag_*"], r"ag_\* matches no column(.|\n)*allowed: num_1 \(numeric\)"),
        (["aeg*"], r"matches no column(.|\n)*did you mean 'age'"),
        (["num_w*"], "matches no column"),
        (["kind:category"], "kind:category matches no column that numeric can take"),
        (["kind:numbers"], r"unknown kind(.|\n)*did you mean 'numeric'"),
        (["num_*", "!height"], "!height matches no column"),
        (["num_*", "!num_*"], "left without a column"),
    ],
)
def test_what_matches_nothing_is_told(items: list[str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        chosen(*items)


def test_an_exact_name_is_never_a_pattern() -> None:
    assert not is_pattern("a*b", USABLE) and is_pattern("a*c", USABLE)
