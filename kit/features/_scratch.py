"""Memory that a thread keeps from one step of a text model to the next, by name."""

from __future__ import annotations

import threading

import torch
from torch import Tensor


class _Kept(threading.local):
    """The largest tensor of each name so far, of this thread; it goes with the thread."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}


_KEPT = _Kept()


def scratch(name: str, n: int, m: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return (n, m) whatever was left there. It is written over by the next that asks for the name in this thread.

    Inside torch.inference_mode alone, as all that a text model does.
    """
    kept = _KEPT.tensors.get(name)
    if kept is None or kept.numel() < n * m:
        kept = _KEPT.tensors[name] = torch.empty(n * m, dtype=dtype)
    return kept[: n * m].view(n, m)
