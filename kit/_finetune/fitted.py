"""A trained text model as plain arrays: predicts, saves and loads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from kit._finetune.body import Shape, blank
from kit._finetune.rows import Places, encode
from kit._finetune.train import Precision, predict
from kit._mlp.encode import Encoder
from kit._mlp.fitted import Target, below, threads
from kit.types import Array, Design, Floats, Floats32, Objective, Pred

_ARRAYS, _FACTS = "net.safetensors", "net.json"


@dataclass(frozen=True)
class FittedText:
    """A trained text model with its head. `config`: the text model's own; `sigma`: as of FittedMlp."""

    config: str
    shape: Shape
    places: Places
    encoder: Encoder
    objective: Objective
    target: Target
    weights: dict[str, Floats32]
    sigma: float
    padding: int
    best_step: int
    curve: Floats
    device: str
    precision: Precision
    threads: int
    notes: tuple[str, ...] = ()

    def predict(self, design: Design) -> Pred:
        """Return mean and std of a regression, or probabilities of classes."""
        device = self.device if self.device == "cpu" or torch.cuda.is_available() else "cpu"
        texts = encode(design, self.places, self.encoder, self.padding)
        with threads(self.threads):
            net = blank(json.loads(self.config), self.shape)
            net.load_state_dict({name: torch.from_numpy(value) for name, value in self.weights.items()}, assign=True)
            said = predict(self.objective, net.to(device), texts, device, self.precision)
        return self.target.pred(self.objective, said, self.sigma)

    def importance(self) -> Floats | None:
        """Return None: no column of tokens means anything by itself."""
        return None

    def save(self, folder: Path) -> None:
        """Write net.safetensors (all arrays) and net.json (all else) into `folder`."""
        arrays: dict[str, Array] = {f"weights.{k}": v for k, v in self.weights.items()}
        arrays |= {f"encoder.{k}": v for k, v in self.encoder.arrays().items()}
        arrays |= {"curve": self.curve, "tokens": self.places.tokens}
        save_file(arrays, folder / _ARRAYS)
        plain = ("objective", "padding", "best_step", "device", "precision", "threads", "notes")
        facts: dict[str, Any] = {name: getattr(self, name) for name in plain}
        facts |= {"config": json.loads(self.config), "shape": asdict(self.shape), "others": self.places.others}
        facts |= {"target": self.target.told(), "sigma": repr(self.sigma)}
        (folder / _FACTS).write_text(json.dumps(facts, indent=1), "utf-8")


def load(folder: Path) -> FittedText:
    """Return the model that `FittedText.save` wrote."""
    facts = json.loads((folder / _FACTS).read_text("utf-8"))
    arrays = load_file(folder / _ARRAYS)
    return FittedText(
        config=json.dumps(facts["config"]),
        shape=Shape(**facts["shape"]),
        places=Places(arrays["tokens"], tuple((int(a), int(b)) for a, b in facts["others"])),
        encoder=Encoder.from_arrays(below("encoder.", arrays)),
        objective=facts["objective"],
        target=Target.from_told(facts["target"]),
        weights=below("weights.", arrays),
        sigma=float(facts["sigma"]),
        padding=facts["padding"],
        best_step=facts["best_step"],
        curve=arrays["curve"],
        device=facts["device"],
        precision=facts["precision"],
        threads=facts["threads"],
        notes=tuple(facts["notes"]),
    )


def weights_of(state: dict[str, torch.Tensor]) -> dict[str, Floats32]:
    """Return the tensors of a net as arrays; every name has memory of its own."""
    return {name: np.array(value.detach().cpu().numpy()) for name, value in state.items()}
