"""Returns the words or character sequences of a text, weighted by how rare they are, and made few by an SVD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from kit import params as base
from kit.contracts import Scope
from kit.errors import DataError
from kit.features._columns import CODED, check_columns, distinct
from kit.params import ColumnName, Tune
from kit.types import Array, Block, Floats, Floats32, Rows, Task

LIBS: tuple[str, ...] = ("scikit-learn", "scipy")
SCOPE: Scope = "table"
KINDS: tuple[str, ...] = ("text",)
ACCEPTS: tuple[str, ...] = CODED

Analyzer = Literal["word", "char", "char_wb"]
MOST_DENSE = 2_000
"""Terms that may become columns of their own: 1M rows of them are 8 GB."""

CHUNK = 20_000
"""Texts turned into terms at a time."""


class Params(base.Params):
    """tf-idf of texts with an SVD (latent semantic analysis), for each column by itself; a missing text is missing.

    The distinct texts are what is counted: a text in many rows counts once. With `scope: table` it is computed once and
    not for every fold, unless rows are made up or `size` is null.
    """

    columns: tuple[ColumnName, ...] = ()
    """Text or category columns. Empty: all text columns."""

    analyzer: Analyzer = "word"
    """word; char: sequences of characters; char_wb: the same within words."""

    ngrams: tuple[Annotated[int, Field(ge=1, le=10)], Annotated[int, Field(ge=1, le=10)]] | None = None
    """Least and greatest number of words or characters that make a term; null = [1, 2] words, [2, 4] characters."""

    size: Annotated[int, Field(ge=1, le=2_000), Tune(8, 256, log=True)] | None = 32
    """Components of the SVD; null = the terms themselves, a column each."""

    min_df: Annotated[int, Field(ge=1), Tune(1, 20, log=True)] = 3
    """Terms in fewer texts are left out."""

    max_df: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Terms in a larger share of the texts are left out."""

    max_features: Annotated[int, Field(ge=1)] = 50_000
    """Keep at most so many terms, the most frequent ones."""

    sublinear: bool = True
    """A term that occurs n times counts 1 + log(n)."""

    lowercase: bool = True
    """Read capitals as small letters."""

    scope: Literal["table", "fold"] = "table"
    """table: terms of train and test texts. fold: of the learning rows of the fold, the strict form."""

    no_terms: Literal["error", "zero"] = "error"
    """Where no term of a column is in enough texts: an error, or a column of zeros."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.size is None and self.max_features > MOST_DENSE:
            raise ValueError(f"max_features must be at most {MOST_DENSE} where size is null: each term is a column")
        if self.ngrams is not None and self.ngrams[0] > self.ngrams[1]:
            raise ValueError("ngrams must be [least, greatest]")
        return self


@dataclass(frozen=True, eq=False)
class Terms:
    """What was learnt of one column: f terms, idf (f,), components (size, f) or None."""

    terms: tuple[str, ...]
    idf: Floats
    components: Floats | None

    @property
    def width(self) -> int:
        """How many columns it makes."""
        return len(self.terms) if self.components is None else len(self.components)


@dataclass(frozen=True, eq=False)
class TfIdf:
    """The columns, the params that say how to read a text, and what was learnt of each column."""

    columns: tuple[str, ...]
    params: Params
    learnt: tuple[Terms, ...]
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the components, (n, sum of widths) float32; each distinct text is read once."""
        names: list[str] = []
        x: Floats32 = np.full((len(rows), sum(terms.width for terms in self.learnt)), np.nan, np.float32)
        for name, terms in zip(self.columns, self.learnt, strict=True):
            at, end = len(names), len(names) + terms.width
            words = range(terms.width) if terms.components is not None else terms.terms
            names += [f"tfidf({name})[{word}]" for word in words]
            texts, place = distinct(rows, name)
            known = place >= 0
            x[known, at:end] = _dense(self.params, terms, texts)[place[known]]
        return Block(tuple(names), x)


def once(params: Params) -> bool:
    """Return whether it is best computed once, before the folds: what it says is the same in all of them, and dear."""
    return params.scope == "table" and params.size is not None


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> TfIdf:
    """Return the terms of every column.

    Raises:
        RecipeError: a named column holds neither texts nor categories.
        DataError: no term is in enough texts.
    """
    check_columns("tfidf", params.columns, rows.header, ACCEPTS)
    columns = tuple(str(name) for name in params.columns)
    return TfIdf(columns, params, tuple(_learn(params, rows, name, rng) for name in columns))


def _learn(params: Params, rows: Rows, name: str, rng: np.random.Generator) -> Terms:
    from threadpoolctl import threadpool_limits

    texts = _read(params, distinct(rows, name)[0])
    counter = _counter(params, None)
    try:
        counts = counter.fit_transform(texts) if texts else None
    except ValueError:
        counts = None  # scikit-learn's word for: no term is left
    if counts is None and params.no_terms == "zero":
        return Terms(("",), np.ones(1), None)
    if counts is None:
        rule = "tfidf finds no term that is in enough texts"
        got = f"{len(texts)} distinct texts, min_df: {params.min_df}, max_df: {params.max_df}"
        raise DataError(rule, place=f"column {name}", got=got, next="lower min_df, raise max_df, or leave it out")
    terms = tuple(str(term) for term in counter.get_feature_names_out())
    df = np.asarray((counts > 0).sum(axis=0)).ravel()
    idf = np.log((1 + len(texts)) / (1 + df)) + 1
    size = None if params.size is None else min(params.size, len(texts))
    if size is None or size >= len(terms):
        return Terms(terms, idf, None)
    from sklearn.decomposition import TruncatedSVD

    seed = int(rng.integers(2**31))
    # One thread: sums over threads come in any order, and another --jobs may not change a bit.
    with threadpool_limits(1):
        model = TruncatedSVD(size, random_state=seed).fit(_weighted(params, idf, counts))
    return Terms(terms, idf, np.asarray(model.components_, np.float64))


def _read(params: Params, texts: Sequence[str]) -> Sequence[str]:
    return [text.lower() for text in texts] if params.lowercase else texts


def _counter(params: Params, vocabulary: Sequence[str] | None) -> Any:
    """Return scikit-learn's counter of terms; with a vocabulary it has nothing to learn."""
    from sklearn.feature_extraction.text import CountVectorizer

    limits = {} if vocabulary else {"min_df": params.min_df, "max_df": params.max_df}
    limits |= {} if vocabulary else {"max_features": params.max_features}
    return CountVectorizer(
        analyzer=params.analyzer,
        ngram_range=params.ngrams or ((1, 2) if params.analyzer == "word" else (2, 4)),
        lowercase=False,
        token_pattern=r"(?u)\b\w+\b" if params.analyzer == "word" else None,
        vocabulary=vocabulary,
        dtype=np.float32,
        **limits,
    )


def _weighted(params: Params, idf: Floats, counts: Any) -> Any:
    """Return the sparse counts (p, f) as tf-idf, each row of length 1.

    Source: scikit-learn's TfidfTransformer (smooth_idf, norm l2, sublinear_tf), whose values these are.
    """
    from scipy import sparse

    counts = counts.astype(np.float64).tocsr()
    if params.sublinear:
        counts.data = 1 + np.log(counts.data)
    weighted = counts @ sparse.diags_array(idf)
    length = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return (sparse.diags_array(1 / np.where(length == 0, 1.0, length)) @ weighted).tocsr()


def _dense(params: Params, terms: Terms, texts: Sequence[str]) -> Array:
    """Return (u, width) float32 of u texts, piece by piece."""
    out = np.zeros((len(texts), terms.width), np.float32)
    counter, texts = _counter(params, terms.terms), _read(params, texts)
    for lo in range(0, len(texts), CHUNK):
        weighted = _weighted(params, terms.idf, counter.transform(texts[lo : lo + CHUNK]))
        out[lo : lo + CHUNK] = weighted.toarray() if terms.components is None else weighted @ terms.components.T
    return out
