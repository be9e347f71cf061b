"""How many tokens a text model reads, as far as its files say so: what can be checked before it is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from kit.errors import RecipeError

MOST_SPECIAL = 16
"""Special tokens of a text at most: a shorter stride fits in any case, and the tokenizer's file need not be read."""

PADDED = ("roberta", "xlm-roberta", "camembert", "mpnet")
"""Model types whose first positions, up to that of padding, are no token's."""


def check_window(folder: Path, window: int | None, stride: int | None, limit: Literal["raise", "respect"]) -> None:
    """Return nothing: by its files the model reads such windows. Where they do not say, the model itself will.

    Raises:
        RecipeError: the window is longer than the model has positions for, or the stride than the window.
    """
    own, most = _told(folder)
    if limit == "raise" and window is not None and most is not None and window > most:
        kept = f", or limit: respect for the model's own {own}" if own is not None else ""
        rule, advice = "the model cannot read so many tokens", f"window: {most}{kept}"
        raise RecipeError(rule, got=f"window: {window}", allowed=f"at most {most}", next=advice)
    asked = [n for n in (window, own if window is None or limit == "respect" else None) if n is not None]
    if stride is None or not asked or stride <= min(asked) - MOST_SPECIAL:
        return
    room = min(asked) - _special(folder)
    if stride > room:
        rule = "a stride longer than the window would leave tokens out"
        allowed = f"at most {room}: the {min(asked)} tokens the model reads at once without its special ones"
        raise RecipeError(rule, got=f"stride: {stride}", allowed=allowed, next=f"stride: {3 * min(asked) // 4}")


def positions(folder: Path) -> int | None:
    """Return how many tokens a model has positions for, None where its files do not say."""
    return _told(folder)[1]


def two_sided(folder: Path) -> bool:
    """Return whether a model is an encoder with a decoder: one that answers with texts."""
    inner = _first(folder)
    return inner is not None and _json(inner / "config.json").get("is_encoder_decoder") is True


def _special(folder: Path) -> int:
    """Return the special tokens a model's tokenizer adds to a text; 0 where its file does not say."""
    inner = _first(folder)
    if inner is None or not (file := inner / "tokenizer.json").is_file():
        return 0
    from tokenizers import Tokenizer

    return int(Tokenizer.from_file(str(file)).num_special_tokens_to_add(is_pair=False))


def _told(folder: Path) -> tuple[int | None, int | None]:
    """Return the tokens a model reads by its own settings and those it has positions for, None where nothing is said.

    A model whose first module is no transformer reads texts whole.
    """
    inner = _first(folder)
    if inner is None:
        return None, None
    config = _json(inner / "config.json")
    own = _number(_json(inner / "sentence_bert_config.json"), "max_seq_length")
    own = own or _number(_json(inner / "tokenizer_config.json"), "model_max_length")
    most = _number(config, "max_position_embeddings")
    if most is not None and config.get("model_type") in PADDED:
        most -= 1 + (_number(config, "pad_token_id") or 0)
    return own if own is None or most is None else min(own, most), most


def _first(folder: Path) -> Path | None:
    """Return where the first module of a model lies, None of one that is no transformer: it reads no windows."""
    modules = _json(folder / "modules.json")
    first = modules[0] if isinstance(modules, list) and modules and isinstance(modules[0], dict) else {}
    return (
        folder / str(first.get("path", "")) if str(first.get("type", "Transformer")).endswith("Transformer") else None
    )


def _json(path: Path) -> Any:
    """Return what a file holds, nothing where it cannot be read."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _number(found: Any, name: str) -> int | None:
    value = found.get(name) if isinstance(found, dict) else None
    return value if type(value) is int and value > 0 else None
