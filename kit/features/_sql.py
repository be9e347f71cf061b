"""Reads SQL expressions over columns: what may be written, which columns are meant, and how polars is to be asked.

Only what is listed here is let through: an expression computes one value from the columns of its own row, so it can
neither read files nor see other rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kit.errors import RecipeError, nearest


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTIONS = _words(
    """abs acos asin atan atan2 cbrt ceil ceiling cos cosd cot degrees div exp floor ln log10 log1p log2 mod pi pow
    power radians round sign sin sind sqrt tan
    coalesce greatest if ifnull least nullif
    cast try_cast extract date_part
    char_length concat concat_ws ends_with initcap left length lower ltrim octet_length regexp_like replace
    reverse right rtrim split_part starts_with strpos substr substring trim upper"""
)
KEYWORDS = _words("and between case else end false ilike in is like not null or rlike regexp then true when")
TYPES = _words(
    "bigint bool boolean date double float int integer real smallint string text time timestamp tinyint varchar"
)
AGGREGATES = _words(
    """avg corr count covar_pop covar_samp dense_rank first first_value lag last last_value lead max mean median min
    mode nth_value ntile over partition quantile quantile_cont quantile_disc rank row_number stddev stddev_pop
    stddev_samp sum var var_pop var_samp variance window"""
)
PARTS = _words(
    """century day decade dow doy epoch hour isodow isoyear microsecond millisecond minute month quarter second week
    weekday year"""
)

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<comment>--|/\*|\#)
    |(?P<text>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")+")
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<word>[^\W\d]\w*)
    |(?P<sign>\|\||<=|>=|<>|!=|==|//|!~\*|!~|~\*|[-+*/%=<>(),~])""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Query:
    """An expression ready for polars: `sql` names its columns c0, c1, ... in the order of `columns`."""

    sql: str
    columns: tuple[str, ...]


def read(name: str, sql: str, known: Iterable[str]) -> Query:
    """Return the expression `name` over the `known` columns.

    Raises:
        RecipeError: it says something that is not let through, or names no column or an unknown one.
    """
    known = list(known)
    columns: list[str] = []
    parts: list[str] = []
    tokens = list(_tokens(name, sql))
    for i, (kind, token) in enumerate(tokens):
        before = tokens[i - 1][1].lower() if i else ""
        after = tokens[i + 1][1] if i + 1 < len(tokens) else ""
        column = _column(name, kind, token, (before, after), known)
        if column is None:
            # A value that cannot be cast is missing, in new rows as in these.
            parts.append("TRY_CAST" if kind == "word" and token.lower() == "cast" else token)
            continue
        if column not in columns:
            columns.append(column)
        parts.append(f"c{columns.index(column)}")
    if not columns:
        raise _wrong(name, "names no column", sql, known, "write a column of the data in it")
    return Query(" ".join(parts), tuple(columns))


def _column(name: str, kind: str, token: str, beside: tuple[str, str], known: list[str]) -> str | None:
    """Return the column a token names, None where it is another part of the expression."""
    before, after = beside
    word = token.lower()
    if kind == "quoted":
        column = token[1:-1].replace('""', '"')
    elif kind != "word":
        return None
    elif after == "(" and word not in KEYWORDS:
        _check_function(name, word)
        return None
    elif word in KEYWORDS or (before == "as" and word in TYPES) or _is_syntax(word, beside):
        return None
    else:
        column = token
    if column not in known:
        # An aggregate without brackets is a column of that name or nothing: OVER, PARTITION BY.
        if kind == "word" and word in AGGREGATES:
            _check_function(name, word)
        next = nearest(column, known) or 'those with a role are no features; names with blanks stand in quotes: "a b"'
        raise _wrong(name, "names an unknown column", column, known, next)
    return column


def _is_syntax(word: str, beside: tuple[str, str]) -> bool:
    """Return whether a word belongs to CAST(x AS type) or EXTRACT(part FROM x) and is no column."""
    before, after = beside[0], beside[1].lower()
    if word == "as":
        return after in TYPES
    if word == "from":
        return before in PARTS
    return word in PARTS and before == "(" and after == "from"


def _check_function(name: str, word: str) -> None:
    if word in FUNCTIONS:
        return
    if word in AGGREGATES:
        rule = "looks at other rows, which an expression may not"
        raise _wrong(name, rule, word.upper(), (), "use the feature aggregate or lag")
    functions = sorted(FUNCTIONS)
    next = nearest(word, functions) or "use one of the functions of docs/features.md"
    raise _wrong(name, "calls a function that is not let through", word, functions, next)


def _tokens(name: str, sql: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(sql):
        found = _TOKEN.match(sql, at)
        kind = found.lastgroup if found else None
        if found is None or kind is None or kind == "comment":
            got = sql[at : at + 20]
            raise _wrong(name, "holds something that no expression has", got, (), "write columns, numbers, functions")
        if kind != "space":
            yield kind, found.group()
        at = found.end()


def _wrong(name: str, what: str, got: str, allowed: Iterable[str], next: str) -> RecipeError:
    return RecipeError(f"the expression {name} {what}", got=got, allowed=list(allowed) or "", next=next)


def check(name: str, query: Query, kinds: Mapping[str, str]) -> str:
    """Return the kind of the expression's values, numeric or category, by trying it on one empty row.

    Raises:
        RecipeError: polars cannot read it, or it does not fit the kinds of its columns.
    """
    import polars as pl

    dtypes = {"numeric": pl.Float64(), "date": pl.Datetime("us")}
    schema = {f"c{i}": dtypes.get(kinds[column], pl.String()) for i, column in enumerate(query.columns)}
    try:
        made = pl.DataFrame([[None]] * len(schema), schema=schema).select(x=pl.sql_expr(query.sql))
    except (pl.exceptions.PolarsError, ValueError) as error:
        message = str(error).partition("\n")[0]
        for i, column in reversed(list(enumerate(query.columns))):
            message = message.replace(f'"c{i}"', column).replace(f"c{i}", column)
        is_text = [c for c in query.columns if kinds[c] not in dtypes]
        hint = f"{is_text[0]} holds text: CAST({is_text[0]} AS FLOAT) reads numbers" if is_text else ""
        raise _wrong(name, "cannot be computed", message, (), hint or "check its brackets and commas") from error
    return "category" if made.schema["x"] == pl.String else "numeric"
