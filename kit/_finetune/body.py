"""A text model with a head: tokens and numbers in, outputs and the log of a variance out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from kit._finetune.cost import transformer_folder
from kit._mlp.losses import Variance
from kit.errors import RecipeError
from kit.hub import quiet

Pooling = Literal["mean", "first"]

_NUMBER = re.compile(r"(?:^|\.)(\d+)\.")
_CODE_WIDTH = 16
"""Elements of the vector of a category that has too many levels for a column each."""


@dataclass(frozen=True)
class Shape:
    """What a net looks like beside its text model.

    numbers, codes: columns of x, and of codes into a table of `levels`; hidden: neurons of the head, 0 = linear.
    """

    numbers: int
    codes: int
    levels: int
    outputs: int
    variance: Variance
    pooling: Pooling
    hidden: int
    dropout: float


@dataclass(frozen=True)
class Texts:
    """Some rows on the device: ids, mask, second (B, L), x (B, p), codes (B, c); `second`: of a pair's second text."""

    ids: Tensor
    mask: Tensor
    second: Tensor
    x: Tensor
    codes: Tensor


class Net(nn.Module):
    """A text model, what its tokens say on average, and a head that reads the numbers beside it."""

    def __init__(self, body: nn.Module, shape: Shape) -> None:
        super().__init__()
        config: Any = body.config
        self.body, self.shape, self.config = body, shape, config
        self.pairs = int(getattr(config, "type_vocab_size", 0) or 0) > 1
        width = int(config.hidden_size) + shape.numbers + shape.codes * _CODE_WIDTH
        self.table = nn.Embedding(max(shape.levels, 1), _CODE_WIDTH)
        inner = [nn.Linear(width, shape.hidden), nn.GELU()] if shape.hidden else []
        self.head = nn.Sequential(nn.Dropout(shape.dropout), *inner)
        self.out = nn.Linear(shape.hidden or width, shape.outputs)
        self.var = nn.Linear(shape.hidden or width, 1)
        for part in (self.out, self.var):  # what is standardised starts at its mean and spread
            nn.init.normal_(part.weight, std=0.02)
            nn.init.zeros_(part.bias)

    def forward(self, rows: Texts) -> tuple[Tensor, Tensor | None]:
        """Return the outputs (B, m) and log s2 (B,), None where the loss has no variance."""
        told = {"token_type_ids": rows.second.long()} if self.pairs else {}
        states = self.body(input_ids=rows.ids, attention_mask=rows.mask.long(), **told).last_hidden_state
        parts = [self._pooled(states, rows.mask).float(), rows.x]
        if self.shape.codes:
            parts.append(self.table(rows.codes).flatten(1))
        seen = self.head(torch.cat(parts, dim=1))
        if self.shape.variance == "none":
            return self.out(seen), None
        read = seen.detach() if self.shape.variance == "detached" else seen
        return self.out(seen), self.var(read)[:, 0].clamp(-12.0, 8.0)

    def _pooled(self, states: Tensor, mask: Tensor) -> Tensor:
        if self.shape.pooling == "first":
            return states[:, 0]
        weight = mask.to(states.dtype)[:, :, None]
        return (states * weight).sum(dim=1) / weight.sum(dim=1)


def pretrained(folder: Path, shape: Shape) -> Net:
    """Return the net around the text model in a folder.

    Raises:
        RecipeError: its weights cannot be read; those that come as a pickle are not.
    """
    from transformers import AutoModel

    try:
        with quiet():
            body = AutoModel.from_pretrained(
                str(transformer_folder(folder)), local_files_only=True, use_safetensors=True, dtype=torch.float32
            )
    except (OSError, ValueError, KeyError) as error:
        rule, allowed = "the model's weights cannot be read", "a folder with config.json and model.safetensors"
        advice = "save the model with save_pretrained, which writes safetensors, and name that folder"
        got = str(error).split("\n")[0]
        raise RecipeError(rule, place=str(folder), got=got, allowed=allowed, next=advice) from error
    return Net(body, shape)


def blank(config: dict[str, Any], shape: Shape) -> Net:
    """Return a net of that configuration, whose weights are yet to be set."""
    from transformers import AutoConfig, AutoModel

    auto: Any = AutoModel
    with torch.random.fork_rng(devices=[]):
        return Net(auto.from_config(AutoConfig.for_model(**config)), shape)


def depths(net: Net) -> tuple[dict[str, int], int]:
    """Return how far up each parameter stands (0 = embeddings, the head has none of this) and the number of layers."""
    found: dict[str, int] = {}
    for name, _ in net.body.named_parameters():
        number = _NUMBER.search(name)
        found[name] = int(number[1]) + 1 if number else 0 if "embed" in name else -1
    top = max(found.values(), default=0)
    return {name: top if depth < 0 else depth for name, depth in found.items()}, top
