"""The net: `members` independent nets as one stack of tensors; every parameter starts with axis F.

Symbols: F members, B rows of a batch, p plain inputs, c embedded categories, e embedded numeric columns, h width.
Source: RealMLP (Holzmueller et al. 2024): PBLD embeddings, front scale, NTK linears, parametric activations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from kit._mlp.losses import Variance
from kit._mlp.ops import Activation, Dropper, activate

Weights = dict[str, Tensor]

FREQUENCIES = 16
NUMBER_DIM = 4
CODE_DIM = 8


@dataclass(frozen=True)
class Layout:
    """The sizes and switches of a net.

    `numbers`: how many of the first `plain` inputs are embedded too. `blanks`: the row of `levels` that stands for
    other levels, one per embedded category. `log_var`: bounds of log s2 of the standardised target.
    """

    members: int
    plain: int
    numbers: int
    levels: int
    blanks: tuple[int, ...]
    hidden: tuple[int, ...]
    outputs: int
    variance: Variance
    activation: Activation
    parametric: bool = True
    norm: Literal["none", "layer"] = "none"
    ntk: bool = True
    front: bool = True
    log_var: tuple[float, float] = (-9.2, 4.6)
    soft: bool = True

    @property
    def d_in(self) -> int:
        """Inputs of the first linear layer."""
        return self.plain + self.numbers * (NUMBER_DIM - 1) + len(self.blanks) * CODE_DIM


@dataclass(frozen=True)
class Start:
    """Where weights start: spread of the frequencies of numeric embeddings, log s2 of every row."""

    sigma: float
    log_var: float


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


def linear(weights: Weights, layout: Layout, name: str, x: Tensor) -> Tensor:
    """Return (F, B, k): x W + b; under the NTK parametrisation x W / sqrt(d) + b, in which one lr suits every width."""
    w = weights[f"{name}.w"]
    return torch.baddbmm(weights[f"{name}.b"], x, w, alpha=1.0 / math.sqrt(w.shape[1]) if layout.ntk else 1.0)


def _layer(weights: Weights, layout: Layout, layer: int, pre: Tensor, mask: Tensor | None) -> Tensor:
    """Return the values of a hidden layer from its pre-activation (F, B, h)."""
    if layout.norm == "layer":
        pre = torch.addcmul(weights[f"norm{layer}.b"], layer_norm(pre, pre.shape[2:]), weights[f"norm{layer}.g"])
    return activate(pre, weights.get(f"act{layer}"), mask, layout.activation)


def forward(
    weights: Weights, layout: Layout, x: Tensor, codes: Tensor, drop: Dropper | None = None
) -> tuple[Tensor, Tensor | None]:
    """Return the outputs (F, B, m) and log s2 (F, B) of the standardised target, or None."""
    h = widen(weights, layout, x, codes)
    h = h * weights["scale"] if layout.front else h
    for layer in range(len(layout.hidden)):
        pre = linear(weights, layout, f"layer{layer}", h)
        h = _layer(weights, layout, layer, pre, None if drop is None else drop.mask(pre.shape))
    out = linear(weights, layout, "head", h).float()
    if layout.variance == "none":
        return out, None
    if layout.variance == "constant":
        return out, bounded(layout, weights["var.b"][:, :, 0].expand(out.shape[:2]))
    seen = h.detach() if layout.variance == "detached" else h
    return out, bounded(layout, linear(weights, layout, "var", seen)[:, :, 0].float())


def bounded(layout: Layout, raw: Tensor) -> Tensor:
    """Return log s2 within its bounds; softly, which unlike a hard clamp keeps a gradient there, or not."""
    low, high = layout.log_var
    if not layout.soft:
        return raw.clamp(low, high)
    softplus = torch.nn.functional.softplus
    return high - softplus(high - low - softplus(raw - low))


def initial(layout: Layout, x: Tensor, codes: Tensor, start: Start, rng: torch.Generator) -> Weights:
    """Return fresh weights.

    NTK: fitted to a sample of learning rows x (S, p) and codes (S, c). Weights N(0, 1), each neuron divided by the sd
    of its input ("std"); biases minus the pre-activation at a random mixture of 5 rows ("he+5"), which puts every kink
    inside the data; the outputs start at 0. Standard: weights and biases uniform within 1 / sqrt(d), as
    torch.nn.Linear.
    """
    weights = _embeddings(layout, start.sigma, rng)
    if not layout.ntk:  # nothing is fitted to the rows: two of them tell the sizes
        x, codes = x[:2], codes[:2]
    h = widen(weights, layout, x.expand(layout.members, -1, -1), codes.expand(layout.members, -1, -1))
    if layout.front:
        weights["scale"] = _full(layout, h, 1.0, layout.d_in)
    for layer, width in enumerate(layout.hidden):
        weights |= _hidden(layout, layer, width, h, rng)
        h = _layer(weights, layout, layer, linear(weights, layout, f"layer{layer}", h), None)
    for name, width in (("head", layout.outputs), ("var", 1)):
        if layout.ntk:
            weights[f"{name}.w"] = torch.zeros(layout.members, h.shape[2], width, device=x.device)
            weights[f"{name}.b"] = _full(layout, h, 0.0, width)
        else:
            weights |= _uniform_linear(layout, name, h.shape[2], width, rng)
    weights["var.b"] = _full(layout, h, start.log_var, 1)
    absent = {"none": ("var.w", "var.b"), "constant": ("var.w",)}.get(layout.variance, ())
    return {name: value.contiguous() for name, value in weights.items() if name not in absent}


def _hidden(layout: Layout, layer: int, width: int, h: Tensor, rng: torch.Generator) -> Weights:
    """Return the weights of one hidden layer above h (F, S, d)."""
    name, made = f"layer{layer}", {}
    if layout.parametric:
        made[f"act{layer}"] = _full(layout, h, 1.0, width)
    if layout.norm == "layer":
        made |= {f"norm{layer}.g": _full(layout, h, 1.0, width), f"norm{layer}.b": _full(layout, h, 0.0, width)}
    if not layout.ntk:
        return made | _uniform_linear(layout, name, h.shape[2], width, rng)
    w = _normal(rng, layout.members, h.shape[2], width)
    pre = torch.bmm(h, w) / math.sqrt(h.shape[2])
    sd = pre.std(dim=1, keepdim=True, correction=0)
    sd = torch.where(sd > 1e-6, sd, torch.ones_like(sd))
    return made | {f"{name}.w": w / sd, f"{name}.b": -_mixture(pre / sd, rng)}


def _uniform_linear(layout: Layout, name: str, d: int, width: int, rng: torch.Generator) -> Weights:
    bound = 1.0 / math.sqrt(d)
    return {
        f"{name}.w": _uniform(rng, layout.members, d, width) * bound,
        f"{name}.b": _uniform(rng, layout.members, 1, width) * bound,
    }


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


def _full(layout: Layout, like: Tensor, value: float, width: int) -> Tensor:
    return torch.full((layout.members, 1, width), value, device=like.device)


def _normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=rng, device=rng.device)


def _uniform(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=rng, device=rng.device) * 2.0 - 1.0
