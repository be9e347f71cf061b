"""Tokens: those of the model's own tokenizer, of pairs too, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import textmodel

from kit import saving
from kit.errors import RecipeError
from kit.features import tokens
from kit.types import Column, Rows, Task

TASK = Task("regression")
LEVELS = ("", "blue car", "none", "red hat old sea", "red hat")


def rows(*codes: int, second: tuple[int, ...] | None = None) -> Rows:
    x = {"t": np.array(codes, np.int32), "u": np.array(second or codes, np.int32)}
    header = {name: Column("text", LEVELS) for name in x}
    return Rows(np.arange(len(codes)), x, header)


def learnt(**given: Any) -> tokens.Tokens:
    params = tokens.Params(**{"text": "t", "model": str(textmodel.folder()), "length": 8, **given})
    return tokens.learn(params, TASK, rows(), np.random.default_rng(0))


def vocabulary() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(textmodel.folder()))


def test_tokens_are_those_of_the_models_tokenizer() -> None:
    block = learnt()(rows(1, 3))
    for row, text in zip(block.x, ("blue car", "red hat old sea"), strict=True):
        assert row[~np.isnan(row)].tolist() == vocabulary()(text)["input_ids"]
    assert block.text_model == str(textmodel.folder()) and block.names[:2] == ("t token 0", "t token 1")


def test_a_pair_marks_its_second_text() -> None:
    row = learnt(second="u")(rows(1, second=(4,))).x[0]
    row = row[~np.isnan(row)]
    ids = np.where(row < 0, -1 - row, row)
    made = vocabulary()("blue car", "red hat")
    assert ids.tolist() == made["input_ids"] and (row < 0).astype(int).tolist() == made["token_type_ids"]


@pytest.mark.parametrize("code", [-1, 0, 2])
def test_a_missing_text_is_an_empty_one(code: int) -> None:
    row = learnt()(rows(code)).x[0]
    assert row[~np.isnan(row)].tolist() == vocabulary()("")["input_ids"]


def test_a_long_text_is_cut_and_a_template_filled() -> None:
    long = learnt(text=None, template="red {t} red {u} red")(rows(3)).x[0]
    assert not np.isnan(long).any() and long[-1] == vocabulary().sep_token_id
    short = learnt(text=None, template="{t} :", length=12)(rows(1)).x[0]
    assert short[~np.isnan(short)].tolist() == vocabulary()("blue car :")["input_ids"]


def test_what_is_saved_makes_the_same(tmp_path: Path) -> None:
    made = learnt(second="u")
    saving.save(made, tmp_path, "tokens")
    again = saving.load(tmp_path, "tokens")
    assert np.array_equal(again(rows(1, 3)).x, made(rows(1, 3)).x, equal_nan=True)


def test_a_model_without_positions_for_the_length_is_refused() -> None:
    params = tokens.Params(text="t", model=str(textmodel.folder()), length=textmodel.POSITIONS + 1)
    with pytest.raises(RecipeError, match=r"cannot read so many tokens[\s\S]*length: 41[\s\S]*at most 40"):
        tokens.check_model(params, textmodel.folder())


def test_a_model_that_answers_with_texts_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(textmodel.folder(), tmp_path / "two")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "is_encoder_decoder": True}))
    with pytest.raises(RecipeError, match="answers with texts"):
        tokens.check_model(tokens.Params(text="t", model=str(folder), length=8), folder)


def test_a_folder_without_tokenizer_is_told(tmp_path: Path) -> None:
    folder = shutil.copytree(textmodel.folder(), tmp_path / "bare", ignore=shutil.ignore_patterns("*token*", "vocab*"))
    with pytest.raises(RecipeError, match=r"tokenizer cannot be read[\s\S]*copy the whole folder"):
        learnt(model=str(folder))(rows(1))
