"""Activation and dropout as one differentiable step, with few passes over memory: small nets spend their time there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

Activation = Literal["silu", "mish", "selu", "gelu", "relu", "tanh"]

_FORWARD: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": torch.nn.functional.silu,
    "mish": torch.nn.functional.mish,
    "selu": torch.nn.functional.selu,
    "gelu": torch.nn.functional.gelu,
    "relu": torch.relu,
    "tanh": torch.tanh,
}


def _relu_backward(g: Tensor, x: Tensor) -> Tensor:
    out: Tensor = torch.ops.aten.threshold_backward(g, x, 0)
    return out


def _tanh_backward(g: Tensor, x: Tensor) -> Tensor:
    out: Tensor = torch.ops.aten.tanh_backward(g, torch.tanh(x))
    return out


def _selu_backward(g: Tensor, x: Tensor) -> Tensor:
    scale, alpha = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
    out: Tensor = torch.ops.aten.elu_backward(g, alpha, scale, 1.0, False, x)
    return out


_BACKWARD: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "silu": torch.ops.aten.silu_backward,
    "mish": torch.ops.aten.mish_backward,
    "selu": _selu_backward,
    "gelu": torch.ops.aten.gelu_backward,
    "relu": _relu_backward,
    "tanh": _tanh_backward,
}


class _Activate(torch.autograd.Function):
    """(x + alpha (act(x) - x)) * mask, alpha and mask optional; alpha (F, 1, h) learns, mask (F, B, h) does not."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: Tensor | None, mask: Tensor | None, name: str) -> Tensor:
        y = _FORWARD[name](x)
        ctx.name = name
        ctx.save_for_backward(x, alpha, mask)
        if alpha is not None:
            y = torch.lerp(x, y, alpha)
        return y if mask is None else y.mul_(mask)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, alpha, mask = ctx.saved_tensors
        g = grads[0] if mask is None else grads[0] * mask
        if alpha is None:
            return _BACKWARD[ctx.name](g, x), None, None, None
        down = _FORWARD[ctx.name](x).sub_(x).mul_(g).sum(dim=1, keepdim=True)
        scaled = g * alpha
        return _BACKWARD[ctx.name](scaled, x).add_(g).sub_(scaled), down, None, None


def activate(x: Tensor, alpha: Tensor | None, mask: Tensor | None, name: str) -> Tensor:
    """Return (x + alpha (act(x) - x)) * mask; without alpha act(x) * mask, without mask all values stay."""
    out: Tensor = _Activate.apply(x, alpha, mask, name)  # type: ignore[no-untyped-call]
    return out


class Dropper:
    """Masks for dropout, cut out of one pool per epoch at random places: a pass over memory instead of a draw each."""

    POOL = 1 << 20

    def __init__(self, share: float, rng: torch.Generator) -> None:
        """Draw the pool; the share is rounded to 1 / 256."""
        self._rng = rng
        self._threshold = round(256 * share)
        self._pool = torch.empty(0, device=rng.device)

    def mask(self, shape: torch.Size) -> Tensor | None:
        """Return 0 and 1 / (1 - share) to multiply by, or None where nothing is dropped."""
        if self._threshold == 0:
            return None
        n = shape.numel()
        if len(self._pool) < 2 * n:
            self._pool = self._draw(max(self.POOL, 4 * n))
        at = int(torch.randint(len(self._pool) - n + 1, (1,), generator=self._rng, device=self._rng.device))
        return self._pool[at : at + n].view(shape)

    def _draw(self, n: int) -> Tensor:
        bits = torch.empty((n + 7) // 8, dtype=torch.int64, device=self._rng.device)
        bits.random_(-(2**63), None, generator=self._rng)
        kept = bits.view(torch.uint8)[:n] >= self._threshold
        return kept.float().mul_(256.0 / (256 - self._threshold))
