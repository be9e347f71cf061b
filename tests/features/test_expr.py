"""Expressions: values, kinds, and what is not let through."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import learn, made, rows_of

from kit.errors import RecipeError
from kit.features import _sql, expr
from kit.types import Rows

NAN = np.nan

ROWS = rows_of(
    rooms=[6.0, 4.0, None, 5.0],
    homes=[2.0, 0.0, 1.0, 2.5],
    cabin=["B/12/P", "F/7/S", None, "B/x/S"],
    day=[19723.0, 19724.5, None, 18262.0],
    colour=["red", "blue", "red", None],
    **{"total area": [1.0, 2.0, 3.0, 4.0]},
)


def value(sql: str, rows: Rows = ROWS, **params: object) -> np.ndarray:
    return made(expr, rows, expressions={"x": sql}, **params)["x"]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("rooms / homes", [3, NAN, NAN, 2]),
        ("rooms / NULLIF(homes, 0)", [3, NAN, NAN, 2]),
        ("COALESCE(rooms, -1) + 1", [7, 5, 0, 6]),
        ("ABS(homes - 2) * 2e0", [0, 4, 2, 1]),
        ("LN(homes)", [np.log(2), NAN, 0, np.log(2.5)]),
        ("SQRT(rooms) > 2.1 AND homes <> 2", [0, 0, NAN, 1]),
        ("CASE WHEN rooms >= 5 THEN 1 WHEN rooms IS NULL THEN 0 ELSE -1 END", [1, -1, 0, 1]),
        ('"total area" % 2', [1, 0, 1, 0]),
        ("rooms BETWEEN 4 AND 5", [0, 1, NAN, 1]),
        ("homes IN (1, 2)", [1, 0, 1, 0]),
        ("CAST(SPLIT_PART(cabin, '/', 2) AS INT)", [12, 7, NAN, NAN]),
        ("colour = 'red'", [1, 0, 1, NAN]),
        ("cabin LIKE '%/S'", [0, 1, NAN, 1]),
        ("LENGTH(cabin)", [6, 5, NAN, 5]),
        ("EXTRACT(YEAR FROM day)", [2024, 2024, NAN, 2020]),
        ("day", [19723, 19724.5, NAN, 18262]),
        ("GREATEST(rooms, homes)", [6, 4, 1, 5]),
        ("ROUND(homes / 3, 1)", [0.7, 0, 0.3, 0.8]),
        ("colour IS NOT NULL AND rooms > 4.5", [1, 0, NAN, 0]),
    ],
)
def test_values_of_expressions(sql: str, expected: list[float]) -> None:
    np.testing.assert_allclose(value(sql), expected, rtol=1e-6)


def test_text_becomes_a_category_whose_levels_come_from_those_of_the_column() -> None:
    block = learn(expr, ROWS, expressions={"deck": "SPLIT_PART(cabin, '/', 1)"})(ROWS)
    assert block.categories == {"deck": 2}
    np.testing.assert_array_equal(block.x[:, 0], [0, 1, NAN, 0])


def test_text_of_several_columns_needs_rows() -> None:
    with pytest.raises(RecipeError, match=r"levels of the expression both(.|\n)*add scope: table"):
        learn(expr, ROWS, expressions={"both": "colour || cabin"})
    learnt = learn(expr, ROWS, expressions={"both": "colour || SUBSTR(cabin, 1, 1)"}, scope="table")
    np.testing.assert_array_equal(learnt(ROWS).x[:, 0], [1, 0, NAN, NAN])
    new = rows_of(colour=["blue", "red"], cabin=["B/1/P", "B/2/P"])
    np.testing.assert_array_equal(learnt(new).x[:, 0], [NAN, 1])


def test_the_columns_an_expression_reads_are_found() -> None:
    params = expr.Params(expressions={"a": "rooms * 2", "b": '"total area" + rooms'})
    assert expr.ready(params, ROWS.header).reads == ("rooms", "total area")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("rooms + roms", r"unknown column(.|\n)*roms(.|\n)*did you mean 'rooms'"),
        ('"total aera"', "did you mean 'total area'"),
        ("1 + 1", "names no column"),
        ("SUM(rooms)", r"other rows(.|\n)*SUM(.|\n)*aggregate"),
        ("rooms / MAX(rooms) ", "other rows"),
        ("ROW_NUMBER() OVER (ORDER BY rooms)", "other rows"),
        ("rooms OVER (PARTITION BY colour)", "other rows"),
        ("read_csv('/etc/passwd')", "not let through"),
        ("rooms + SQT(homes)", r"not let through(.|\n)*did you mean 'sqrt'"),
        ("NOW() - day", "not let through"),
        ("RANDOM() * rooms", "not let through"),
        ("rooms IN (SELECT homes FROM x)", "unknown column"),
        ("(SELECT rooms FROM read_csv('x'))", "unknown column"),
        ("rooms; DROP", "no expression has"),
        ("rooms -- all", "no expression has"),
        ("rooms /* all */", "no expression has"),
        ("rooms::INT", "no expression has"),
        ("rooms AS other", "unknown column"),
        ("*", "names no column"),
        ("'open", "no expression has"),
        ("rooms +", "cannot be computed"),
        ("rooms, homes", "cannot be computed"),
        ("colour * 2", r"cannot be computed(.|\n)*CAST\(colour AS FLOAT\)"),
        ("rooms LIKE 'a'", "cannot be computed"),
    ],
)
def test_what_is_not_let_through_says_why(sql: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        learn(expr, ROWS, expressions={"x": sql})


def test_no_function_that_is_let_through_looks_at_other_rows() -> None:
    """Each is called with what arguments it takes, on rows together and alone."""
    rng = np.random.default_rng(0)
    n = 12
    rows = rows_of(
        a=rng.normal(size=n).tolist(),
        b=rng.uniform(0.1, 0.9, n).tolist(),
        text=[f"Word {i % 5}-{i}" for i in range(n)],
        day=rng.uniform(18000, 19000, n).tolist(),
    )
    shapes = [
        "(b)",
        "(a, b)",
        "(text)",
        "(text, 'o')",
        "(text, ' ', 2)",
        "(text, 2)",
        "(text, 'o', 'u')",
        "(' ', text, text)",
        "(a > 0, a, b)",
        "(b, 2)",
    ]
    tried = set()
    for name in sorted(_sql.FUNCTIONS - {"cast", "try_cast", "extract", "date_part"}):
        for shape in shapes if name != "pi" else ["() * b"]:
            try:
                learnt = learn(expr, rows, expressions={"x": f"{name}{shape}"}, scope="table")
            except RecipeError:
                continue
            tried.add(name)
            alone = np.concatenate([learnt(rows.take(np.array([i]))).x for i in range(n)])
            np.testing.assert_array_equal(learnt(rows).x, alone, err_msg=f"{name}{shape}")
    assert tried == _sql.FUNCTIONS - {"cast", "try_cast", "extract", "date_part"}


def test_column_names_may_be_words_of_sql() -> None:
    rows = rows_of(**{"select": [1.0], "case": [2.0], "^a$": [3.0], 'say "hi"': [4.0], "größe": [5.0], "sum": [6.0]})
    assert value('select + "case" + "^a$" + "say ""hi""" + größe + sum', rows)[0] == 21
