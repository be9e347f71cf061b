"""What training a text model costs, told by its configuration before anything is loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SPEED = {"cpu": 5e10, "cuda": 2e13}
"""Operations per second of one fit: MiniLM on one core of a busy machine, and a guess for GPUs."""

FILLED = 0.5
"""Share of the tokens kept of a text that an average text has."""

WIDTHS = ("hidden_size", "dim", "d_model")
LAYERS = ("num_hidden_layers", "n_layers", "num_layers")
"""What configurations call the width of a text model, and its number of layers."""


@dataclass(frozen=True)
class Size:
    """How large a text model is: its width, its layers, and the words it knows."""

    width: int
    layers: int
    words: int

    @property
    def inner(self) -> int:
        """Weights of the layers: twelve squares of the width each."""
        return 12 * self.layers * self.width**2

    def seconds(self, rows: float, length: int, epochs: int, device: str) -> float:
        """Return how long a fit takes on texts of that length: six operations per weight and token."""
        return 6.0 * self.inner * rows * FILLED * length * epochs / SPEED[device]

    def mib(self, batch: int, length: int) -> float:
        """Return the memory of a fit: weights, their copy, gradients and Adam's moments, and what a batch leaves."""
        weights = self.inner + self.words * self.width
        return 4 * (5 * weights + 30 * batch * length * self.width * self.layers) / 2**20


def size_of(folder: Path) -> Size:
    """Return the size of the text model in a folder; a usual one where its configuration does not say."""
    config = config_of(folder)

    def told(names: tuple[str, ...], usual: int) -> int:
        return int(next((config[name] for name in names if config.get(name)), usual))

    return Size(told(WIDTHS, 768), told(LAYERS, 12), told(("vocab_size",), 30_000))


def config_of(folder: Path) -> dict[str, Any]:
    """Return the configuration of the transformer of a text model."""
    made: dict[str, Any] = json.loads((transformer_folder(folder) / "config.json").read_text("utf-8"))
    return made


def transformer_folder(folder: Path) -> Path:
    """Return where in a model's folder its transformer lies."""
    try:
        modules = json.loads((folder / "modules.json").read_text("utf-8"))
        first = next(m for m in modules if str(m["type"]).endswith("Transformer"))
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return folder
    return folder / str(first.get("path", ""))
