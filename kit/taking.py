"""What is taken of the rows of a further table that share a key: SQL expressions over aggregates, row by row in order.

Every aggregate is known after each row of a key, of the rows up to it: the last of these values is that of all rows,
and an earlier one that of the rows before a date. So no pair of rows is ever made, and nothing later shapes a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kit.errors import RecipeError, nearest
from kit.features._sql import AGGREGATES, Query, _tokens, check, read
from kit.forms import code, days

if TYPE_CHECKING:
    import polars as pl

GROUP = "@g"
"""Column of the number of the key: rows of one stand side by side, in order of their dates."""

NAMES = {
    **{"count": "count", "sum": "sum", "avg": "mean", "mean": "mean", "min": "min", "max": "max", "mode": "mode"},
    **{"std": "std", "stddev": "std", "stddev_samp": "std", "var": "var", "variance": "var", "var_samp": "var"},
    **{"first": "first", "first_value": "first", "last": "last", "last_value": "last", "median": "median"},
}
"""How an aggregate may be called -> its name."""
NUNIQUE = "nunique"
"""count(DISTINCT x)."""
ORDERLESS = ("median",)
"""Aggregates that are known of all rows of a key only."""
OF_NUMBERS = ("sum", "mean", "std", "var", "median")
"""Aggregates that texts do not have."""

OF_KIND = {
    "numeric": (("mean", "avg({})"), ("std", "std({})"), ("min", "min({})"), ("max", "max({})"), ("sum", "sum({})")),
    "category": (("nunique", "count(DISTINCT {})"), ("mode", "mode({})")),
    "date": (("first", "min({})"), ("last", "max({})")),
}
"""Kind of a column -> what `take: auto` takes of it, by the ending of the new column's name."""


@dataclass(frozen=True)
class Piece:
    """An aggregate of one expression over the columns of a row; None for `count(*)`."""

    use: str
    of: Query | None


@dataclass(frozen=True)
class Take:
    """A column that is taken: an expression over aggregates, named a0, a1, ... in `sql`."""

    name: str
    sql: str
    pieces: tuple[Piece, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the column as JSON holds it."""
        pieces = [[p.use, None if p.of is None else [p.of.sql, list(p.of.columns)]] for p in self.pieces]
        return {"name": self.name, "sql": self.sql, "pieces": pieces}

    @staticmethod
    def from_dict(about: Mapping[str, Any]) -> Take:
        """Return what `as_dict` gave."""
        pieces = [Piece(use, None if of is None else Query(of[0], tuple(of[1]))) for use, of in about["pieces"]]
        return Take(about["name"], about["sql"], tuple(pieces))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table that it reads."""
        return tuple(dict.fromkeys(c for p in self.pieces if p.of is not None for c in p.of.columns))


def auto(kinds: Mapping[str, str]) -> dict[str, str]:
    """Return name -> expression of what `take: auto` takes of columns of these kinds: first of all the count.

    >>> auto({"day": "date"})
    {'count': 'count(*)', 'day_first': 'min("day")', 'day_last': 'max("day")'}
    """
    found = {"count": "count(*)"}
    for column, kind in kinds.items():
        quoted = '"' + column.replace('"', '""') + '"'
        found |= {f"{column}_{ending}": sql.format(quoted) for ending, sql in OF_KIND.get(kind, ())}
    return found


def parsed(name: str, sql: str, kinds: Mapping[str, str], *, ordered: bool) -> Take:
    """Return the expression `name` over the table's columns of these kinds; `ordered`: of rows before a date.

    Raises:
        RecipeError: it says something that is not let through, names an unknown column, or one outside an aggregate.
    """
    tokens = list(_tokens(name, sql))
    pieces: dict[str, Piece] = {}
    outer: list[str] = []
    at = 0
    while at < len(tokens):
        kind, token = tokens[at]
        calls = kind == "word" and at + 1 < len(tokens) and tokens[at + 1][1] == "("
        if not calls or token.lower() not in AGGREGATES | NAMES.keys():
            outer.append(token)
            at += 1
            continue
        end = _closing(tokens, at + 1)
        if end == len(tokens):
            raise _wrong(name, "has a bracket that is not closed", sql, (), "check its brackets")
        inner = tokens[at + 2 : end]
        shown = f"{token.lower()}({' '.join(t for _, t in inner)})"
        pieces[shown] = _piece(name, token.lower(), inner, kinds, ordered)
        outer.append('"' + shown.replace('"', '""') + '"')
        at = end + 1
    if not pieces:
        raise _wrong(name, "takes nothing of the rows of a key", sql, sorted(NAMES), "count(*), sum(column), ...")
    query = read(name, " ".join(outer), [*pieces, *kinds])
    if loose := [c for c in query.columns if c not in pieces]:
        advice = f"say which of its values: max({loose[0]}), last({loose[0]})"
        raise _wrong(name, "names a column outside an aggregate: a key has several rows", loose[0], (), advice)
    take = Take(name, _renumbered(query), tuple(pieces[c] for c in query.columns))
    check(name, query, {c: _kind(name, pieces[c], kinds) for c in query.columns})
    return take


def taken(takes: Sequence[Take], table: pl.DataFrame, places: pl.Series) -> list[pl.Series]:
    """Return a series per take: its values after the rows of the `table` at these places; of no row where one is null.

    `table`: rows of one key side by side, numbered in GROUP. Counts of no row are 0, all else is missing.
    """
    made: dict[Piece, pl.Series] = {}
    for piece in (p for take in takes for p in take.pieces):
        if piece not in made:
            values = _after_each(piece, table).gather(places)
            made[piece] = values.fill_null(0.0) if piece.use in ("count", NUNIQUE) else values
    return [_value(take, [made[p] for p in take.pieces]) for take in takes]


def _closing(tokens: Sequence[tuple[str, str]], at: int) -> int:
    """Return where the bracket that opens at a token closes; the end where it does not."""
    depth = 0
    for i in range(at, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[i][1], 0)
        if depth == 0:
            return i
    return len(tokens)


def _piece(name: str, use: str, inner: Sequence[tuple[str, str]], kinds: Mapping[str, str], ordered: bool) -> Piece:
    """Return one aggregate, checked."""
    if use not in NAMES:
        allowed = sorted(NAMES)
        raise _wrong(name, "calls an aggregate that is not let through", use, allowed, nearest(use, allowed))
    use = NAMES[use]
    texts = [t for _, t in inner]
    if use == "count" and texts == ["*"]:
        return Piece(use, None)
    if texts and texts[0].lower() == "distinct" and inner[0][0] == "word":
        if use != "count":
            raise _wrong(name, "takes distinct values of", use, "count(DISTINCT x)", "leave DISTINCT out")
        use, texts = NUNIQUE, texts[1:]
    if ordered and use in ORDERLESS:
        allowed = sorted({*NAMES.values()} - {*ORDERLESS})
        raise _wrong(
            name, "cannot be told for rows before a date", use, allowed, "take the mean, or leave out `before`"
        )
    query = read(name, " ".join(texts), kinds)
    made = check(name, query, kinds)
    if made == "category" and use in OF_NUMBERS:
        column = query.columns[0]
        advice = f"CAST({column} AS FLOAT) reads numbers; mode, min, max, first, last and counts take text"
        raise _wrong(name, f"asks text for its {use}", column, (), advice)
    piece = Piece(use, query)
    if use in ("sum", "std", "var") and _kind(name, Piece("max", query), kinds) == "date":
        raise _wrong(name, f"asks dates for their {use}", query.columns[0], (), "max(x) - min(x) is a span in days")
    return piece


def _kind(name: str, piece: Piece, kinds: Mapping[str, str]) -> str:
    """Return the kind of an aggregate's values, as the expression over it sees them."""
    import polars as pl

    if piece.of is None or piece.use in ("count", NUNIQUE, "sum", "std", "var"):
        return "numeric"
    if check(name, piece.of, kinds) == "category":
        return "category"
    dtypes = {"numeric": pl.Float64(), "date": pl.Datetime("us")}
    schema = {f"c{i}": dtypes.get(kinds[c], pl.String()) for i, c in enumerate(piece.of.columns)}
    made = pl.DataFrame([[None]] * len(schema), schema=schema).select(x=pl.sql_expr(piece.of.sql)).schema["x"]
    return "date" if made in (pl.Date, pl.Datetime) else "numeric"


def _renumbered(query: Query) -> str:
    """Return the SQL with its columns named a0, a1, ... instead of c0, c1, ...; texts in it stay."""
    named = {f"c{i}": f"a{i}" for i in range(len(query.columns))}
    return " ".join(named.get(t, t) if kind == "word" else t for kind, t in _tokens("", query.sql))


def _after_each(piece: Piece, table: pl.DataFrame) -> pl.Series:
    """Return the aggregate after each row of the table, of the rows of its key up to that row."""
    import polars as pl

    if piece.of is None:
        counted = pl.int_range(1, pl.len() + 1).cast(pl.Float64).over(GROUP)
        return table.select(counted.alias("x")).to_series()
    columns = {f"c{i}": table[c] for i, c in enumerate(piece.of.columns)}
    values = pl.DataFrame(columns).select(x=pl.sql_expr(piece.of.sql)).to_series()
    if len(values) != len(table):  # an expression of constants
        values = values.new_from_index(0, len(table))
    numbers, back = _as_numbers(values)
    frame = pl.DataFrame({GROUP: table[GROUP], "v": numbers})
    found = _running(piece.use, frame)
    return found if piece.use in ("count", NUNIQUE, "sum", "std", "var") else back(found)


def _as_numbers(values: pl.Series) -> tuple[pl.Series, Callable[[pl.Series], pl.Series]]:
    """Return values as Float64, null = missing, and what turns such numbers into values: texts go by their order."""
    import polars as pl

    if values.dtype == pl.String:
        coded = code(values)
        codes = pl.Series(coded.codes).to_frame().select(pl.when(pl.first() >= 0).then(pl.first())).to_series()
        return codes.cast(pl.Float64), lambda found: coded.levels.gather(found.cast(pl.UInt32))
    if values.dtype in (pl.Date, pl.Datetime):
        moments = values.cast(pl.Datetime("us")).cast(pl.Int64).cast(pl.Float64)
        return moments, lambda found: found.round().cast(pl.Int64).cast(pl.Datetime("us"))
    numbers = days(values) if values.dtype == pl.Duration else values.cast(pl.Float64)
    finite = numbers.to_frame().select(pl.when(pl.first().is_finite()).then(pl.first())).to_series()
    return finite, lambda found: found


def _running(use: str, frame: pl.DataFrame) -> pl.Series:
    """Return an aggregate of `v` over the rows of GROUP so far, (n,) Float64."""
    import polars as pl

    v, known = pl.col("v"), pl.col("v").is_not_null()
    count = known.cast(pl.Float64).cum_sum()
    total = pl.when(count > 0).then(v.fill_null(0.0).cum_sum())
    if use == NUNIQUE:
        frame = frame.with_columns(new=pl.struct(GROUP, "v").is_first_distinct() & known)
        made = pl.col("new").cast(pl.Float64).cum_sum()
    elif use == "mode":
        return _modes(frame)
    elif use in ("std", "var"):
        # Each row adds what it lies off the mean before it times off the mean with it: no term is negative, and none
        # is large where the values are and differ little. Source: Welford 1962, Technometrics 4(3).
        frame = frame.with_columns(mean=(total / count).over(GROUP))
        added = ((v - pl.col("mean").shift(1)) * (v - pl.col("mean"))).fill_null(0.0).cum_sum()
        made = pl.when(count > 1).then(added / (count - 1))
        made = made.sqrt() if use == "std" else made
    else:
        made = {
            "count": count,
            "sum": total,
            "mean": total / count,
            "min": v.cum_min().forward_fill(),
            "max": v.cum_max().forward_fill(),
            "first": pl.when(known & (count == 1)).then(v).forward_fill(),
            "last": v.forward_fill(),
            "median": v.median(),
        }[use]
    return frame.select(made.over(GROUP).alias("x")).to_series()


def _modes(frame: pl.DataFrame) -> pl.Series:
    """Return the commonest value so far, of equally common ones the least."""
    import polars as pl

    levels = frame["v"].drop_nulls().unique().sort()
    n = len(levels)
    if not n:
        return frame["v"]
    rank = pl.col("v").rank("dense").cast(pl.Int64) - 1
    seen = pl.int_range(1, pl.len() + 1).over(GROUP, "v")
    # What is commonest was so from the moment its own count rose: the largest of (count, -rank) so far is it.
    frame = frame.select(GROUP, x=pl.when(pl.col("v").is_not_null()).then(seen * n + (n - 1 - rank)))
    best = frame.select(pl.col("x").cum_max().forward_fill().over(GROUP)).to_series()
    return levels.gather((n - 1 - best % n).cast(pl.UInt32))


def _value(take: Take, pieces: Sequence[pl.Series]) -> pl.Series:
    """Return the expression over its aggregates: numbers, dates or texts."""
    import polars as pl

    frame = pl.DataFrame({f"a{i}": s for i, s in enumerate(pieces)})
    made = frame.select(x=pl.sql_expr(take.sql)).to_series()
    if made.dtype in (pl.Date, pl.Datetime):
        return made.cast(pl.Datetime("us")).alias(take.name)
    if made.dtype == pl.String:
        return made.alias(take.name)
    return _as_numbers(made)[0].alias(take.name)


def _wrong(name: str, what: str, got: str, allowed: Iterable[str] | str, next: str) -> RecipeError:
    allowed = allowed if isinstance(allowed, str) else list(allowed) or ""
    return RecipeError(f"the expression {name} {what}", got=got, allowed=allowed, next=next)
