"""Layers of a BERT that write into memory they keep: the same operations, so the same bits, in less time.

A layer as it comes takes fresh memory for what each of its steps gives, some megabytes for a window of 256 tokens, and
hands it back: the system clears every page of it anew. Here steps write over what is no longer needed, and in eight
bits the rows that query, key and value share are rounded once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from kit.features._beside import threads
from kit.features._int8 import Int8Linear, in_levels
from kit.features._scratch import scratch

MISFIT = (AttributeError, TypeError, ValueError, RuntimeError)
"""What a layer that only looks like one of a BERT may raise when it is tried."""


class Lean(nn.Module):
    """A layer of a BERT. Where it is asked for more than hidden states and a mask, the layer it stands for answers."""

    def __init__(self, plain: Any) -> None:
        super().__init__()
        self.plain = plain

    def forward(self, states: Tensor, mask: Tensor | None = None, *others: Any, **more: Any) -> Any:
        """Return (b, t, d) what the layer makes of (b, t, d) states."""
        if any(other is not None for other in (*others, *more.values())):
            return self.plain(states, mask, *others, **more)
        rows = states.reshape(-1, states.shape[-1])
        return self._fed(self._attended(rows, states.shape, mask)).view(states.shape)

    def _attended(self, rows: Tensor, shape: torch.Size, mask: Tensor | None) -> Tensor:
        """Return (n, d) the rows after attention, normalised."""
        heads, end = self.plain.attention.self, self.plain.attention.output
        given = _given(heads.query, rows)
        query, key, value = (
            _into(getattr(heads, name), given, name).view(*shape[:2], -1, heads.attention_head_size).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        made = nn.functional.scaled_dot_product_attention(query, key, value, mask, scale=heads.scaling)
        made = made.transpose(1, 2).reshape(len(rows), -1)
        return _tensor(end.LayerNorm(_into(end.dense, _given(end.dense, made), "short").add_(rows)))

    def _fed(self, rows: Tensor) -> Tensor:
        """Return (n, d) the rows after the two linear layers, normalised."""
        begin, end = self.plain.intermediate, self.plain.output
        middle = _into(begin.dense, _given(begin.dense, rows), "long")
        middle = _activated(begin.intermediate_act_fn, middle)
        return _tensor(end.LayerNorm(_into(end.dense, _given(end.dense, middle), "short").add_(rows)))


def lean(module: Any) -> Any:
    """Return the module, its layers of a BERT made `Lean` in place; one that then gives other bits stays as it is."""
    found = [(name, layer) for name, layer in module.named_modules() if _of_bert(layer)]
    for name, layer in found:
        if _same(layer, made := Lean(layer)):
            module.set_submodule(name, made)
    return module


def _of_bert(layer: Any) -> bool:
    """Return whether a module has the parts of an encoder's layer, and nothing asks for what is inside it."""
    try:
        heads, first, begin, end = layer.attention.self, layer.attention.output, layer.intermediate, layer.output
        linear = (heads.query, heads.key, heads.value, first.dense, begin.dense, end.dense)
        norms = (first.LayerNorm, end.LayerNorm)
        config, shown = heads.config, begin.intermediate_act_fn
        plain = config._attn_implementation == "sdpa" and not (config.output_hidden_states or config.output_attentions)
        plain = plain and not (layer.training or getattr(heads, "is_causal", False) or shown is None)
        return bool(plain) and all(map(_is_linear, linear)) and all(type(norm) is nn.LayerNorm for norm in norms)
    except AttributeError:
        return False


def _is_linear(part: Any) -> bool:
    return type(part) is Int8Linear or (type(part) is nn.Linear and part.weight.dtype == torch.float32)


def _same(layer: Any, made: Lean) -> bool:
    """Return whether both make the same bits of two short texts, with a mask and without."""
    width = layer.attention.self.query.weight.shape[0 if type(layer.attention.self.query) is Int8Linear else 1]
    states = torch.sin(1.7 * torch.arange(2 * 5 * width)).reshape(2, 5, width)
    mask = torch.ones(2, 1, 5, 5, dtype=torch.bool)
    mask[1, :, :, 3:] = False
    try:
        with threads(1), torch.inference_mode():
            return all(torch.equal(layer(states, given), made(states, given)) for given in (None, mask))
    except MISFIT:
        return False


def _given(layer: Any, rows: Tensor) -> Any:
    """Return the rows as the layer takes them."""
    return in_levels(rows) if type(layer) is Int8Linear else rows


def _into(layer: Any, given: Any, name: str) -> Tensor:
    """Return (n, m) what a linear layer gives, in the kept memory of a name."""
    if type(layer) is Int8Linear:
        return layer.into(given, scratch(name, len(given[0]), layer.weight.shape[1]))
    out = scratch(name, len(given), len(layer.weight))
    if layer.bias is None:
        return torch.mm(given, layer.weight.t(), out=out)
    return torch.addmm(layer.bias, given, layer.weight.t(), out=out)


def _activated(function: Any, rows: Tensor) -> Tensor:
    """Return the function of the rows, written over them where that is the exact GELU."""
    if getattr(function, "act", None) is nn.functional.gelu:
        return _tensor(torch.ops.aten.gelu_(rows))
    return _tensor(function(rows))


def _tensor(made: Any) -> Tensor:
    """Return what was made: torch's modules are not typed."""
    return made  # type: ignore[no-any-return]
