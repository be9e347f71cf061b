"""The trained net as plain arrays: predicts, saves and loads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor

from kit._mlp.encode import Encoder
from kit._mlp.net import Layout
from kit._mlp.train import predict
from kit.types import Array, Design, Floats, Floats32, Objective, Pred, Task

_ARRAYS, _FACTS = "net.safetensors", "net.json"
_STD_FLOOR = 1e-12


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run torch on so many threads inside, never on as many as there are: the last bits of sums depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Target:
    """The scale of the target: standardised y = (y - centre) / scale; predictions stay within low..high.

    scale 0 marks a constant target. A classification has (0, 1, -inf, inf).
    """

    centre: float = 0.0
    scale: float = 1.0
    low: float = -np.inf
    high: float = np.inf

    def encode(self, y: Floats) -> Floats:
        """Return standardised y."""
        return (y - self.centre) / (self.scale or 1.0)

    def pred(self, objective: Objective, said: tuple[Tensor, Tensor | None], sigma: float) -> Pred:
        """Return what a net says of standardised y: classes' probabilities (n, m), or mean (n, 1) and variance (n,) of
        a regression; `sigma`: the std where there is no variance."""
        mean, variance = said
        if objective in ("logloss", "softmax"):
            return Pred(mean.numpy())
        value = np.clip(mean.numpy().astype(np.float64) * self.scale + self.centre, self.low, self.high)
        std = np.full(len(value), sigma) if variance is None else np.sqrt(variance.numpy().astype(float)) * self.scale
        return Pred(value.astype(np.float32), np.maximum(std, _STD_FLOOR).astype(np.float32))

    def told(self) -> dict[str, str]:
        """Return the numbers for a JSON file, in full."""
        return {name: repr(value) for name, value in asdict(self).items()}

    @classmethod
    def from_told(cls, told: dict[str, str]) -> Target:
        """Return the target that `told` these numbers."""
        return cls(**{name: float(value) for name, value in told.items()})


def target_of(task: Task, y: Floats, w: Floats, scale_y: bool = True) -> Target:
    """Return the scale of the y (n,) of the learning rows with w > 0; `scale_y` False: as they are."""
    if task.kind != "regression":
        return Target()
    y, w = y[w > 0], w[w > 0]
    centre = float(np.average(y, weights=w))
    scale = float(np.sqrt(np.average((y - centre) ** 2, weights=w)))
    if y.min() == y.max():
        centre, scale = float(y[0]), 0.0
    elif not scale_y:
        centre, scale = 0.0, 1.0
    return Target(centre, scale, float(y.min()), float(y.max()))


@dataclass(frozen=True)
class FittedMlp:
    """A trained stack of nets. `sigma` is the constant standard deviation of a loss without variance, in y units."""

    encoder: Encoder
    layout: Layout
    objective: Objective
    target: Target
    weights: dict[str, Floats32]
    sigma: float
    best_step: int
    curve: Floats
    device: str = "cpu"
    notes: tuple[str, ...] = ()

    def predict(self, design: Design) -> Pred:
        """Return the members' mixture: mean and std of a regression, probabilities of classes."""
        x, codes = self.encoder(design)
        tensors = {name: torch.from_numpy(value) for name, value in self.weights.items()}
        with threads(1):
            said = predict(self.objective, tensors, self.layout, torch.from_numpy(x), torch.from_numpy(codes))
        return self.target.pred(self.objective, said, self.sigma)

    def importance(self) -> Floats | None:
        """Return None: the front scale weighs embeddings, not columns, and shrinks where a first layer grows."""
        return None

    def save(self, folder: Path) -> None:
        """Write net.safetensors (all arrays) and net.json (all else) into `folder`."""
        arrays: dict[str, Array] = {f"weights.{k}": v for k, v in self.weights.items()}
        arrays |= {f"encoder.{k}": v for k, v in self.encoder.arrays().items()}
        arrays["curve"] = self.curve
        save_file(arrays, folder / _ARRAYS)
        facts = {
            "layout": asdict(self.layout),
            "objective": self.objective,
            "target": self.target.told(),
            "sigma": repr(self.sigma),
            "best_step": self.best_step,
            "device": self.device,
            "notes": self.notes,
        }
        (folder / _FACTS).write_text(json.dumps(facts, indent=1), "utf-8")


def load(folder: Path) -> FittedMlp:
    """Return the net that `FittedMlp.save` wrote."""
    facts = json.loads((folder / _FACTS).read_text("utf-8"))
    arrays = load_file(folder / _ARRAYS)
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in facts["layout"].items()}
    layout = Layout(**fields)
    return FittedMlp(
        encoder=Encoder.from_arrays(below("encoder.", arrays)),
        layout=layout,
        objective=facts["objective"],
        target=Target.from_told(facts["target"]),
        weights=below("weights.", arrays),
        sigma=float(facts["sigma"]),
        best_step=facts["best_step"],
        curve=arrays["curve"],
        device=facts["device"],
        notes=tuple(facts["notes"]),
    )


def below(prefix: str, arrays: dict[str, Array]) -> dict[str, Array]:
    """Return the arrays whose names start so, without that."""
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
