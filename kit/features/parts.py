"""Returns the parts of texts that are all written alike, as F/123/S or N4047A are: a number or a category each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from kit import params as base
from kit.contracts import Scope
from kit.features._columns import CODED, check_columns, distinct
from kit.params import ColumnName
from kit.types import Block, Floats32, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE: Scope = "row"
KINDS: tuple[str, ...] = ("category", "text")
ACCEPTS: tuple[str, ...] = CODED
CATEGORIES = True

SAMPLE = 300
"""How many levels are looked at, spread evenly."""
REPEATED = 0.5
"""Letters that differ in more than this share of them are names, not a part."""

_RUN = re.compile(r"([^\W\d_]+)|(\d+)")


class Params(base.Params):
    """Runs of letters and of digits of codes: the letters as categories, the digits as numbers. Others are missing."""

    columns: tuple[ColumnName, ...] = ()
    """Category, text or key columns. Empty: all categories and texts. One that is not written alike gives no part."""

    least: Annotated[int, Field(ge=2)] = 100
    """A column of fewer levels is left as it is: its levels have rows enough, mostly."""

    alike: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Share of the levels that must be written alike, with letters and digits and without blanks."""


@dataclass(frozen=True)
class Form:
    """How a column is written. `pattern`: a regular expression with a group for each run; `taken`: the groups that are
    made columns; `levels`: for each of them the texts of a category, none of a number."""

    column: str
    pattern: str
    taken: tuple[int, ...]
    levels: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Parts:
    """The columns and how they are written."""

    forms: tuple[Form, ...]
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the parts, (n, parts) float32 in Fortran order; NaN where a text is written otherwise."""
        names = tuple(f"part{group}({form.column})" for form in self.forms for group in form.taken)
        x: Floats32 = np.full((len(rows), len(names)), np.nan, np.float32, order="F")
        categories: dict[str, int] = {}
        at = 0
        for form in self.forms:
            texts, place = distinct(rows, form.column)
            made, known = _read(form, texts), place >= 0
            for j, levels in enumerate(form.levels):
                x[known, at] = made[place[known], j]
                if levels:
                    categories[names[at]] = len(levels)
                at += 1
        return Block(names, x, categories)


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Parts:
    """Return how the columns are written; only the header is read.

    Raises:
        RecipeError: a named column holds no texts.
    """
    check_columns("parts", params.columns, rows.header, ACCEPTS)
    forms = []
    for name in params.columns:
        levels = rows.header[name].levels
        met = _alike(levels) if len(levels) >= params.least else []
        if len(met) < max(params.alike * min(SAMPLE, len(levels)), 1) or any(" " in found[0] for found in met):
            continue
        taken = _worth(met) if len(met[0].groups()) > 1 else ()
        every = [found for text in levels if (found := met[0].re.fullmatch(text))]
        texts = (() if met[0][g].isdecimal() else tuple(sorted({found[g] for found in every})) for g in taken)
        forms.append(Form(str(name), met[0].re.pattern, taken, tuple(texts)))
    return Parts(tuple(forms))


def _alike(levels: Sequence[str]) -> list[re.Match[str]]:
    """Return those of SAMPLE levels that are written as most of them are, read so."""
    some = [levels[i] for i in np.linspace(0, len(levels) - 1, min(SAMPLE, len(levels))).astype(int)]
    patterns = Counter(map(_pattern, some)).most_common(1)
    return [found for text in some if (found := re.fullmatch(patterns[0][0], text))] if patterns else []


def _pattern(text: str) -> str:
    """Return the regular expression of all texts with the same runs and the same signs between them.

    >>> _pattern("F/123/S")
    '([^\\\\W\\\\d_]+)/(\\\\d+)/([^\\\\W\\\\d_]+)'
    """
    made, end = [], 0
    for run in _RUN.finditer(text):
        made += [re.escape(text[end : run.start()]), r"([^\W\d_]+)" if run[1] else r"(\d+)"]
        end = run.end()
    return "".join([*made, re.escape(text[end:])])


def _worth(met: Sequence[re.Match[str]]) -> tuple[int, ...]:
    """Return the groups that differ between texts and are no names that hardly two of them share."""
    every = zip(*(found.groups() for found in met), strict=True)
    most = {True: len(met), False: REPEATED * len(met)}
    return tuple(g for g, runs in enumerate(every, 1) if 1 < len(set(runs)) <= most[runs[0].isdecimal()])


def _read(form: Form, texts: Sequence[str]) -> Floats32:
    """Return (u, parts) the parts of u texts; codes of letters, NaN for those that were not learnt."""
    made: Floats32 = np.full((len(texts), len(form.taken)), np.nan, np.float32)
    codes = [{level: code for code, level in enumerate(levels)} for levels in form.levels]
    for i, text in enumerate(texts):
        if (found := re.fullmatch(form.pattern, text)) is None:
            continue
        for j, group in enumerate(form.taken):
            run = found[group]
            made[i, j] = codes[j].get(run, np.nan) if codes[j] else float(run[:30])
    return made
