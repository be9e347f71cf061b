"""Tokens of texts for a learner that trains a text model itself (`finetune`): numbers of words, no vectors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from kit import hub
from kit._finetune.cost import transformer_folder
from kit.contracts import Scope
from kit.errors import RecipeError
from kit.features._columns import CODED, check_columns
from kit.features._limits import positions, two_sided
from kit.features._texts import TextParams, cleaned, filled
from kit.params import ColumnName, ModelRef
from kit.types import Block, Floats32, Rows, Task
from kit.vectors import first_of_each

LIBS: tuple[str, ...] = ("transformers",)
SCOPE: Scope = "row"
KINDS: tuple[str, ...] = ()
ACCEPTS: tuple[str, ...] = CODED
TOKENS = True


class Params(TextParams):
    """The tokens of a text column, of a template filled with several, or of a pair of texts, as the model's own
    tokenizer cuts them. Only the learner `finetune` reads them, and trains the model they are of."""

    second: ColumnName | None = None
    """A second text column, read after the first as the model reads pairs: a question and its answer."""

    model: ModelRef
    """`minilm` (extra `minilm`, needs no network), the path of a model's folder, or a model of the hub as `owner/name`
    or `owner/name@revision`, fetched only where the hub's cache lacks it."""

    length: Annotated[int, Field(ge=8, le=8192)] = 128
    """Tokens kept of a text, special ones included, the first ones; of a pair the longer text is cut first."""


@dataclass(frozen=True)
class Tokens:
    """How texts become tokens. `revision`: the model's."""

    fields: tuple[str, ...]
    params: Params
    revision: str
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the tokens (n, length): number of the token, of a pair's second text -1 less it, NaN where none is.

        Raises:
            RecipeError: the model is not on this machine.
        """
        folder = hub.again(Path(self.params.model), self.revision)
        texts, place = first_of_each(self._texts(rows))
        name = self.params.text or "text"
        x = _ids(str(folder), texts, self.params.length)[place]
        return Block(tuple(f"{name} token {j}" for j in range(x.shape[1])), x, text_model=str(folder))

    def _texts(self, rows: Rows) -> list[tuple[str, ...]]:
        first = filled(self.params, self.fields, rows)
        if self.params.second is None:
            return [(text,) for text in first]
        name = str(self.params.second)
        second = cleaned(self.params, rows.header[name].levels, rows.x[name])
        return list(zip(first, second, strict=True))


def check_model(params: Params, folder: Path) -> None:
    """Return nothing: the model in `folder`, which the plan has found, reads so many tokens.

    Raises:
        RecipeError: its files say that it cannot.
    """
    most = positions(folder)
    if most is not None and params.length > most:
        rule, got = "the model cannot read so many tokens", f"length: {params.length}"
        raise RecipeError(rule, got=got, allowed=f"at most {most}", next=f"length: {most}")
    if two_sided(folder):
        rule, advice = "the model answers with texts, which is not what is trained here", "an encoder, such as BERT"
        raise RecipeError(rule, got=folder.name, next=advice)


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Tokens:
    """Return the feature; only the header is read.

    Raises:
        RecipeError: a column holds no texts.
    """
    fields = (params.text,) if params.text is not None else params.fields
    check_columns("tokens", [*fields, *([params.second] if params.second else [])], rows.header, ACCEPTS)
    return Tokens(tuple(str(name) for name in fields), params, hub.revision(Path(params.model)))


def _ids(folder: str, texts: Sequence[tuple[str, ...]], length: int) -> Floats32:
    """Return (n, length) float32 the tokens of texts or pairs of texts."""
    out = np.full((len(texts), length), np.nan, np.float32)
    if not texts:
        return out
    sides = [list(side) for side in zip(*texts, strict=True)]
    made = _tokenizer(folder)(*sides, truncation="longest_first", max_length=length, return_attention_mask=False)
    kinds = made.get("token_type_ids")
    for row, ids in enumerate(made["input_ids"]):
        numbers = np.array(ids, np.float32)
        out[row, : len(ids)] = np.where(np.array(kinds[row]) == 1, -1 - numbers, numbers) if kinds else numbers
    return out


@lru_cache(maxsize=2)
def _tokenizer(folder: str) -> Any:
    """Return a model's tokenizer.

    Raises:
        RecipeError: the folder has none.
    """
    from transformers import AutoTokenizer

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # processes side by side are kit's own
    try:
        made = AutoTokenizer.from_pretrained(str(transformer_folder(Path(folder))), local_files_only=True)
    except (OSError, ValueError) as error:
        raise _unread(folder, str(error).split("\n")[0]) from error
    if len(made) <= len(made.all_special_tokens):  # what the library makes up where it finds no vocabulary
        raise _unread(folder, "no vocabulary")
    return made


def _unread(folder: str, got: str) -> RecipeError:
    rule, advice = "the model's tokenizer cannot be read", "copy the whole folder of the model"
    return RecipeError(rule, place=folder, got=got, next=advice)
