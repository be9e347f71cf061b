"""Features from a recipe's line to a submission."""

from __future__ import annotations

import pytest

MANY = """\
features:
  base: [numeric, {use: category, columns: ["kind:category"], min_count: 2}]
  made:
    - {use: vector, columns: [few]}
    - {use: count, scope: fold, kinds: [count, frequency]}
    - {use: aggregate, by: [c], columns: ["x*", "!x3"], stats: [mean, rank], quantiles: [0.9]}
    - {use: expr, expressions: {ratio: "x1 / NULLIF(x2, 0)", warm: c = 'red', first: "SUBSTR(c, 1, 1)"}}
    - {use: pairs, columns: [x1, x2], kinds: [sum]}
    - {use: bins, columns: [x1], bins: 4}
    - {use: target_mean, columns: [c, x3], together: 2}
    - {use: lag, by: [c], time: x3, columns: [x1]}
    - {use: rank_gauss, columns: ["!x1"]}
    - missing
"""


def test_every_feature_at_work(toy):
    base = "features:\n  base: [numeric, category]\n"
    toy.edit(
        (base, "columns:\n  few: {use: reduce, columns: ['x?'], size: 2}\n" + MANY),
        ("features: base", "features: [base, made]"),
    )
    done = toy.run()
    assert done.stages["failed"] == 0
    names = set(toy.card("a")["importances"]["gain"])
    assert {"x1", "c", "count(c)", "mean(x1) by c", "q90(x2) by c", "ratio", "first", "x1 + x2", "bin(x1)"} <= names
    assert {"mean(c & x3)", "lag1(x1)", "rank(x2)", "missing"} <= names
    assert not {"mean(x3) by c", "rank(x1)"} & names
    assert toy.card("a")["transductive"] is True
    assert toy.run().stages == {"run": 0, "reused": 15, "failed": 0}


@pytest.mark.parametrize("text", ["{use: cross, columns: [c, x1]}", "{use: bins, columns: [x1]}"])
def test_a_computed_column_holds_no_categories(toy, text):
    column = f"columns:\n  few: {text}\nfeatures:\n"
    toy.edit(("features:\n", column), ("[numeric, category]", "[numeric, {use: vector, columns: [few]}]"))
    done = toy.kit("run", str(toy.folder / "r.yaml"), "--json")
    assert done.code in (2, 3)
    assert "makes categories, which a computed column cannot hold" in done.err
    assert "move it from columns to features" in done.err
