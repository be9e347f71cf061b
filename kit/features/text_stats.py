"""Returns counts of what a text is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from kit import params as base
from kit.contracts import Scope
from kit.features._columns import CODED, check_columns, distinct
from kit.params import ColumnName
from kit.types import Block, Floats32, Rows, Task

if TYPE_CHECKING:
    import polars as pl

LIBS: tuple[str, ...] = ("polars",)
SCOPE: Scope = "row"
KINDS: tuple[str, ...] = ("text",)
ACCEPTS: tuple[str, ...] = CODED

Kind = Literal[
    "chars", "words", "mean_word", "lines", "sentences", "unique", "digits", "upper", "punctuation", "spaces"
]
ALL: tuple[Kind, ...] = ("chars", "words", "mean_word", "lines", "unique", "digits", "upper", "punctuation")


class Params(base.Params):
    """Statistics of texts, one column each; a missing text gives missing values."""

    columns: tuple[ColumnName, ...] = ()
    """Text or category columns. Empty: all text columns."""

    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = ALL
    """Counts: chars, words (between blanks), lines, sentences (ends of them). Averages: mean_word (characters of a
    word). Shares: unique (different words among the words, in small letters), digits, punctuation and spaces (among
    the characters), upper (capitals among the letters). A share of nothing is 0."""


@dataclass(frozen=True)
class TextStats:
    """The columns and what is counted; nothing is learnt."""

    columns: tuple[str, ...]
    kinds: tuple[Kind, ...]
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the statistics, (n, columns * kinds) float32 in Fortran order; each distinct text is read once."""
        import polars as pl

        names = tuple(f"{kind}({name})" for name in self.columns for kind in self.kinds)
        x: Floats32 = np.full((len(rows), len(names)), np.nan, np.float32, order="F")
        for i, name in enumerate(self.columns):
            texts, place = distinct(rows, name)
            found = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)}).select(**_expressions(self.kinds))
            known = place >= 0
            for j, kind in enumerate(self.kinds):
                x[known, i * len(self.kinds) + j] = found[kind].to_numpy()[place[known]]
        return Block(names, x)


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> TextStats:
    """Return the feature; only the header is read.

    Raises:
        RecipeError: a named column holds neither texts nor categories.
    """
    check_columns("text_stats", params.columns, rows.header, ACCEPTS)
    return TextStats(tuple(str(name) for name in params.columns), params.kinds)


def _expressions(kinds: tuple[Kind, ...]) -> dict[str, pl.Expr]:
    """Return what polars computes for each kind from the column `text`."""
    import polars as pl

    text = pl.col("text").str
    chars, words = text.len_chars(), text.count_matches(r"\S+")
    small = text.to_lowercase().str.extract_all(r"\S+").list.n_unique()

    def share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
        return pl.when(whole > 0).then(part / whole).otherwise(0.0)

    every = {
        "chars": chars,
        "words": words,
        "mean_word": share(text.count_matches(r"\S"), words),
        "lines": text.count_matches("\n") + 1,
        "sentences": text.count_matches(r"[.!?]+(\s|$)"),
        "unique": share(small, words),
        "digits": share(text.count_matches(r"\p{Nd}"), chars),
        "upper": share(text.count_matches(r"\p{Lu}"), text.count_matches(r"\p{L}")),
        "punctuation": share(text.count_matches(r"\p{P}"), chars),
        "spaces": share(text.count_matches(r"\s"), chars),
    }
    return {kind: every[kind].cast(pl.Float64) for kind in kinds}
