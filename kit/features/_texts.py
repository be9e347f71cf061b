"""The texts that a text model reads: of a column, or of a template filled with several."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Self

import numpy as np
from pydantic import model_validator

from kit import params as base
from kit.params import ColumnName
from kit.types import Array, Rows


class TextParams(base.Params):
    """Which text each row has."""

    text: ColumnName | None = None
    """The text or category column to encode. Either this or `template`."""

    template: str | None = None
    """Text with columns in braces: "System: {system_prompt}\\nUser: {user_prompt}"; {{ and }} are braces."""

    fields: tuple[ColumnName, ...] = ()
    """The columns of a template whose braces hold numbers, {0} being the first. Left out: the names in the braces."""

    prompt: str = ""
    """Written before every text that is not empty, as some models want it: "query: "."""

    nulls: tuple[str, ...] = ("none", "nan", "null", "n/a", "<na>")
    """Texts that mean missing, in any case. A missing value is an empty text."""

    collapse: bool = True
    """True: runs of white space in a column's text become one blank, at its ends none."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.text is None) == (self.template is None):
            raise ValueError("give either text or template")
        names = [] if self.template is None else [name for _, name in _parsed(self.template) if name is not None]
        if not all(name.isdecimal() and int(name) < len(self.fields) for name in names) or (self.text and self.fields):
            raise ValueError("fields: they belong to a template, whose braces hold their numbers from 0 on")
        return self

    @model_validator(mode="before")
    @classmethod
    def _numbered(cls, data: object) -> object:
        """Take the columns out of a template, so that the plan can check and key them."""
        if not isinstance(data, dict) or not isinstance(data.get("template"), str) or data.get("fields"):
            return data
        parts = _parsed(data["template"])
        names = list(dict.fromkeys(name for _, name in parts if name is not None))
        if not names:
            raise ValueError("template: there is no column in braces")
        numbered = "".join(
            literal.replace("{", "{{").replace("}", "}}") + ("" if name is None else f"{{{names.index(name)}}}")
            for literal, name in parts
        )
        return {**data, "template": numbered, "fields": names}


def filled(params: TextParams, fields: Sequence[str], rows: Rows) -> list[str]:
    """Return the text of each row; `fields` are the columns it is made of."""
    codes = np.column_stack([rows.x[name] for name in fields]).reshape(len(rows), len(fields))
    distinct, place = np.unique(codes, axis=0, return_inverse=True)
    parts = [cleaned(params, rows.header[name].levels, distinct[:, j]) for j, name in enumerate(fields)]
    texts = [_filled(params, values) for values in zip(*parts, strict=True)]
    return [texts[i] for i in place.reshape(-1)]


def cleaned(params: TextParams, levels: Sequence[str], codes: Array) -> list[str]:
    """Return the texts of codes (n,) into levels, "" where one is missing or a word for that."""
    nulls = {word.casefold() for word in params.nulls}
    texts = ["" if code < 0 else levels[code] for code in codes.tolist()]
    texts = [" ".join(text.split()) if params.collapse else text for text in texts]
    return ["" if text.strip().casefold() in nulls or not text.strip() else text for text in texts]


def _filled(params: TextParams, values: Sequence[str]) -> str:
    if not any(values):
        return ""
    if params.template is None:
        return params.prompt + values[0]
    parts = _parsed(params.template)
    return params.prompt + "".join(text + ("" if name is None else values[int(name)]) for text, name in parts)


def _parsed(template: str) -> list[tuple[str, str | None]]:
    """Return the parts of a template: text, and the name in the braces behind it (None after the last).

    Raises:
        ValueError: braces hold more than a name, or do not close.
    """
    parts: list[tuple[str, str | None]] = []
    for literal, name, spec, conversion in string.Formatter().parse(template):
        if spec or conversion or name == "":
            raise ValueError("template: braces hold the name of a column and nothing else; {{ and }} are braces")
        parts.append((literal, name))
    return parts
