"""Values out of range: the error names what was got, all that is allowed, and what to do."""

from __future__ import annotations

import pytest

from kit import registry
from kit.problems import Checks
from kit.sections import DataSection, Shares
from kit.strictyaml import Document


def told(cls: type, value: dict) -> list[tuple[str, str, str, str]]:
    """Return rule, got, allowed and next of each problem with a value."""
    found = Checks(Document(value, "r.yaml", {}, ()))
    assert found.validated(cls, value, ()) is None
    return [(p.rule, p.got, p.allowed, p.next) for p in found.problems]


@pytest.mark.parametrize(
    ("kind", "use", "value", "wanted"),
    [
        (
            "models", "lightgbm", {"leaves": 1},
            ("leaves must be at least 2", "1", "a whole number from 2 to 131072", "leave it out for the default, 24"),
        ),
        (
            "models", "lightgbm", {"subsample": 1.5},
            ("subsample must be at most 1", "1.5", "a number above 0 and at most 1", "leave it out for the default, 0.7"),
        ),
        (
            "models", "lightgbm", {"num_leaves": "many"},
            ("num_leaves must be a whole number", "many", "a whole number from 2 to 131072", "leave it out for the default, 24"),
        ),
        (
            "models", "hetero_mlp", {"hidden": [8, 0]},
            ("hidden[1] must be at least 1", "0", "a whole number from 1 to 16384", ""),
        ),
        (
            "augment", "jitter", {"columns": ["a"], "std": 0},
            ("std must be more than 0", "0", "a number above 0", "leave it out for the default, 0.1"),
        ),
        (
            "models", "hetero_mlp", {"variance_bounds": ["low", 1]},
            ("variance_bounds[0] must be a number", "low", "", "leave `variance_bounds` out for the default, [-9.2, 4.6]"),
        ),
        ("stackers", "clip", {"low": 3, "high": 1}, ("low must not exceed high", "low: 3, high: 1", "", "")),
        ("models", "lightgbm", {"class_weight": [1]}, ("class_weight must be balanced or a mapping", "[1]", "", "")),
    ],
)  # fmt: skip
def test_a_value_out_of_range(kind, use, value, wanted):
    assert told(registry.load(kind, use).Params, value) == [wanted]


def test_sections_name_their_bounds_too():
    (problem,) = told(DataSection, {"train": "a.csv", "target": "y", "holdout": 1.5})
    assert problem[:3] == ("holdout must be less than 1", "1.5", "a number above 0 and below 1")


def test_a_list_that_could_be_a_mapping_is_told_as_the_list_it_is():
    """It was `shares must be at least 0.0 or a mapping`, got -1."""
    (problem,) = told(Shares, {"edges": [0, 1], "shares": [-1]})
    assert problem[:3] == ("shares[0] must be at least 0", "-1", "a number of at least 0")
