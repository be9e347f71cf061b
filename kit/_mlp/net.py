"""The net: `members` independent RealMLP-like nets as one stack of tensors; every parameter starts with axis F.

Symbols: F members, B rows of a batch, p plain inputs, c embedded categories, e embedded numeric columns, h width.
Source: RealMLP (Holzmueller et al. 2024): PBLD embeddings, front scale, NTK linears, parametric activations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Weights = dict[str, Tensor]
Drop = Callable[[Tensor], Tensor]
Activation = Literal["silu", "mish", "selu"]

FREQUENCIES = 16
NUMBER_DIM = 4
CODE_DIM = 8
LOG_VAR_LOW, LOG_VAR_HIGH = -9.2, 4.6
"""Bounds of log s2 on the standardised target: sd from 0.01 to 10."""

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": torch.nn.functional.silu,
    "mish": torch.nn.functional.mish,
    "selu": torch.nn.functional.selu,
}


@dataclass(frozen=True)
class Layout:
    """The sizes of a net.

    `numbers`: how many of the first `plain` inputs are embedded too. `blanks`: the row of `levels` that stands for
    other levels, one per embedded category. `variance`: none, one that shapes the trunk, or one that only reads it.
    """

    members: int
    plain: int
    numbers: int
    levels: int
    blanks: tuple[int, ...]
    hidden: tuple[int, ...]
    outputs: int
    variance: Literal["none", "joint", "detached"]
    activation: Activation

    @property
    def d_in(self) -> int:
        """Inputs of the first linear layer."""
        return self.plain + self.numbers * (NUMBER_DIM - 1) + len(self.blanks) * CODE_DIM


def widen(weights: Weights, layout: Layout, x: Tensor, codes: Tensor) -> Tensor:
    """Return (F, B, d_in): x (F, B, p) with its numeric embeddings and those of the codes (F, B, c) beside it."""
    parts = [x]
    if layout.numbers:
        parts.append(_periodic(weights, x[:, :, : layout.numbers]))
    if layout.blanks:
        table = weights["code.table"]
        offset = torch.arange(layout.members, device=x.device)[:, None, None] * layout.levels
        found = torch.nn.functional.embedding(codes + offset, table.reshape(-1, CODE_DIM))
        parts.append(found.flatten(2))
    return torch.cat(parts, dim=2) if len(parts) > 1 else x


def _periodic(weights: Weights, x: Tensor) -> Tensor:
    """Return (F, B, e * 3): PBLD without its skip part, W2 cos(2 pi w1 x + b1) + b2, for each column of x (F, B, e)."""
    members, rows, columns = x.shape
    each = x.transpose(1, 2).reshape(members * columns, rows, 1)
    waves = torch.cos(torch.baddbmm(weights["number.b1"].flatten(0, 1), each, weights["number.w1"].flatten(0, 1)))
    out = torch.baddbmm(weights["number.b2"].flatten(0, 1), waves, weights["number.w2"].flatten(0, 1))
    return out.view(members, columns, rows, -1).transpose(1, 2).reshape(members, rows, -1)


def linear(weights: Weights, name: str, x: Tensor) -> Tensor:
    """Return (F, B, k): x W / sqrt(d) + b, the NTK parametrisation, in which one lr suits every width."""
    w = weights[f"{name}.w"]
    return torch.baddbmm(weights[f"{name}.b"], x, w, alpha=1.0 / math.sqrt(w.shape[1]))


def activate(weights: Weights, layout: Layout, layer: int, x: Tensor) -> Tensor:
    """Return x + alpha (act(x) - x), alpha learnt per neuron."""
    return torch.lerp(x, _ACTIVATIONS[layout.activation](x), weights[f"act{layer}"])


def forward(
    weights: Weights, layout: Layout, x: Tensor, codes: Tensor, drop: Drop | None = None
) -> tuple[Tensor, Tensor | None]:
    """Return the outputs (F, B, m) and log s2 (F, B) of the standardised target, or None."""
    h = widen(weights, layout, x, codes) * weights["scale"]
    for layer in range(len(layout.hidden)):
        h = activate(weights, layout, layer, linear(weights, f"layer{layer}", h))
        if drop is not None:
            h = drop(h)
    out = linear(weights, "head", h)
    if layout.variance == "none":
        return out, None
    seen = h.detach() if layout.variance == "detached" else h
    return out, soft_clamp(linear(weights, "var", seen)[:, :, 0])


def soft_clamp(raw: Tensor) -> Tensor:
    """Return log s2 within its bounds; unlike a hard clamp it keeps a gradient there."""
    softplus = torch.nn.functional.softplus
    return LOG_VAR_HIGH - softplus(LOG_VAR_HIGH - LOG_VAR_LOW - softplus(raw - LOG_VAR_LOW))


def initial(layout: Layout, x: Tensor, codes: Tensor, sigma: float, rng: torch.Generator) -> Weights:
    """Return fresh weights, fitted to a sample of learning rows x (S, p) and codes (S, c).

    Weights: N(0, 1), each neuron divided by the sd of its input ("std"). Biases: minus the pre-activation at a random
    mixture of 5 rows ("he+5"), which puts every kink inside the data. The outputs start at 0.
    """
    weights = _embeddings(layout, sigma, rng)
    rows = x.expand(layout.members, -1, -1), codes.expand(layout.members, -1, -1)
    h = widen(weights, layout, *rows)
    weights["scale"] = torch.ones(layout.members, 1, layout.d_in, device=x.device)
    for layer, width in enumerate(layout.hidden):
        name = f"layer{layer}"
        w = _normal(rng, layout.members, h.shape[2], width)
        pre = torch.bmm(h, w) / math.sqrt(h.shape[2])
        sd = pre.std(dim=1, keepdim=True, correction=0)
        sd = torch.where(sd > 1e-6, sd, torch.ones_like(sd))
        weights[f"{name}.w"], pre = w / sd, pre / sd
        weights[f"{name}.b"] = -_mixture(pre, rng)
        weights[f"act{layer}"] = torch.ones(layout.members, 1, width, device=x.device)
        h = activate(weights, layout, layer, pre + weights[f"{name}.b"])
    for name, width in (("head", layout.outputs), ("var", 1))[: 1 if layout.variance == "none" else 2]:
        weights[f"{name}.w"] = torch.zeros(layout.members, h.shape[2], width, device=x.device)
        weights[f"{name}.b"] = torch.zeros(layout.members, 1, width, device=x.device)
    return {name: value.contiguous() for name, value in weights.items()}


def _embeddings(layout: Layout, sigma: float, rng: torch.Generator) -> Weights:
    members, columns, out = layout.members, layout.numbers, NUMBER_DIM - 1
    weights: Weights = {}
    if columns:
        weights["number.w1"] = _normal(rng, members, columns, 1, FREQUENCIES) * (2.0 * math.pi * sigma)
        weights["number.b1"] = _uniform(rng, members, columns, 1, FREQUENCIES) * math.pi
        weights["number.w2"] = _uniform(rng, members, columns, FREQUENCIES, out) / math.sqrt(FREQUENCIES)
        weights["number.b2"] = _uniform(rng, members, columns, 1, out) / math.sqrt(FREQUENCIES)
    if layout.blanks:
        weights["code.table"] = _normal(rng, members, layout.levels, CODE_DIM)
        weights["code.table"][:, list(layout.blanks)] = 0.0
    return weights


def _mixture(pre: Tensor, rng: torch.Generator, k: int = 5) -> Tensor:
    """Return (F, 1, h): per neuron a random convex mixture of k rows of pre (F, S, h)."""
    members, rows, width = pre.shape
    picked = torch.randint(rows, (members, k, width), generator=rng, device=rng.device)
    shares = -torch.log1p(-torch.rand(members, k, width, generator=rng, device=rng.device))
    shares = shares / shares.sum(dim=1, keepdim=True).clamp_min(1e-12)
    return (pre.gather(1, picked) * shares).sum(dim=1, keepdim=True)


def _normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=rng, device=rng.device)


def _uniform(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=rng, device=rng.device) * 2.0 - 1.0
