"""Linear layers in eight bits: weights by one scale per output channel, activations by one scale per token.

A token's row is rounded by its own largest element, so what becomes of it hangs on no other token, text or batch. The
products are sums of integers, exact in any order: a processor whose 8-bit instructions are missing or saturate takes
them in float32, no faster than that and with the same bits.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from kit.features._scratch import scratch

LEVELS = 127
"""Steps on either side of 0. -128 is not used: the scale is symmetric."""

SMALL = 1e-30
"""A row is rounded as if it had an element of this size: with smaller ones its scale would be beyond float32."""

EXACT = 2**24 // LEVELS**2
"""How many products of two such numbers float32 adds up exactly, in any order: 1040."""


class Int8Linear(nn.Module):
    """A linear layer with its weights in eight bits; what it takes and gives is as in the layer it stands for."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weight = layer.weight.detach().float()
        largest = _largest(weight)
        self.register_buffer("weight", _rounded(weight, largest).t().contiguous())  # (in, out)
        self.register_buffer("scale", largest.reshape(-1) / LEVELS**2)
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        """Return x W' + bias. A row that is not finite gives one that is not finite."""
        rows = x.reshape(-1, x.shape[-1]).float()
        made = self.into(in_levels(rows), torch.empty(len(rows), self.weight.shape[1]))
        return made.reshape(*x.shape[:-1], made.shape[-1]).to(x.dtype)

    def into(self, levels: tuple[Tensor, Tensor], out: Tensor) -> Tensor:
        """Return `out`, (n, out) x W' + bias of n rows in levels."""
        rounded, largest = levels
        product(rounded, self.weight, out).mul_(self.scale)
        return out.mul_(largest) if self.bias is None else torch.addcmul(self.bias, out, largest, out=out)


def in_eight_bits(module: Any) -> tuple[Any, int]:
    """Return a copy of a module whose linear layers are `Int8Linear`, and their number; other weights are shared.

    A subclass of a linear layer stays as it is: what it does beside the product is not known.
    """
    made = twin(module)
    found = [(name, layer) for name, layer in made.named_modules() if type(layer) is nn.Linear]
    for name, layer in found:
        made.set_submodule(name, Int8Linear(layer))
    return made, len(found)


def twin(module: Any) -> Any:
    """Return a copy of a module that shares its weights: other parts put into one are not in the other."""
    own: dict[int, Any] = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    for name in ("tokenizer", "processor"):  # one of many words takes seconds to copy
        if hasattr(module, name):
            own[id(getattr(module, name))] = getattr(module, name)
    return copy.deepcopy(module, own)


def in_levels(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return (n, k) the rows in levels, int8, in memory that the next call writes over, and (n, 1) their largest."""
    n, k = rows.shape
    parts = scratch("sums", n, k)
    largest = torch.abs(rows, out=parts).amax(-1, keepdim=True).clamp_(min=SMALL)
    torch.mul(rows, LEVELS / largest, out=parts).round_()
    return scratch("levels", n, k, torch.int8).copy_(parts), largest


def product(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    """Return `out`, (n, m) float32, the product of (n, k) and (k, m) int8, no element of which is -128.

    Each element is the exact sum, rounded once where it is beyond 2 ** 24.
    """
    if _fast():
        return out.copy_(torch._int_mm(a, b, out=scratch("sums", len(a), b.shape[1]).view(torch.int32)))
    parts = [a[:, at : at + EXACT].float() @ b[at : at + EXACT].float() for at in range(0, len(b), EXACT)]
    if len(parts) == 1:
        return out.copy_(parts[0])
    return out.copy_(torch.stack([part.to(torch.int32) for part in parts]).sum(0, dtype=torch.int32))


@cache
def _fast() -> bool:
    """Return whether the processor has 8-bit products of whole 32-bit sums, and torch's come out right.

    Without such instructions torch's are slow, or saturate at 16 bits: seen with oneDNN held to AVX2 and to AVX512.
    """
    if not getattr(torch.cpu, "_is_vnni_supported", bool)():
        return False
    signs = torch.where(torch.arange(192 * 64) % 7 < 3, -LEVELS, LEVELS).to(torch.int8)
    for rows in (1, 64):
        a, b = signs[: rows * 192].reshape(rows, 192), signs.reshape(192, 64)
        for left, right in ((a, b), (a.abs(), b.abs()), (a.abs(), -b.abs())):
            if not torch.equal(torch._int_mm(left, right), (left.int() @ right.int())):
                return False
    return True


def _largest(rows: Tensor) -> Tensor:
    """Return (n, 1) the largest size of an element of each row, at least SMALL; nan where the row has one."""
    return rows.abs().amax(-1, keepdim=True).clamp_(min=SMALL)


def _rounded(rows: Tensor, largest: Tensor) -> Tensor:
    """Return the rows in levels, int8."""
    return rows.mul(LEVELS / largest).round_().to(torch.int8)
