"""Returns vectors of texts, made by a sentence-transformers model. It stands under `columns:` and nowhere else."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from kit import hub
from kit.canon import canonical
from kit.contracts import Scope
from kit.features._columns import CODED, check_columns
from kit.features._encoder import Encoder, Reading, budget, normalises
from kit.features._limits import check_window
from kit.features._texts import TextParams, filled
from kit.params import ModelRef
from kit.types import Block, Floats32, Rows, Task
from kit.vectors import Device, VectorStore, first_of_each

LIBS: tuple[str, ...] = ("sentence-transformers", "transformers", "torch")
SCOPE: Scope = "row"
KINDS: tuple[str, ...] = ()
ACCEPTS: tuple[str, ...] = CODED
COLUMNS_ONLY = True
DEVICES: tuple[str, ...] = ("cpu", "cuda")

log = logging.getLogger("kit")

CHUNK_TEXTS, CHUNK_CHARS = 2048, {"cpu": 200_000, "cuda": 8_000_000}
"""Texts encoded between two writes: what a kill can lose. 200,000 characters take half a minute on two cores."""


class Params(TextParams):
    """One vector per row: of a text column, or of a template filled with several. An equal text is encoded once, and
    never again in any recipe: the vectors stay under `.kit/embeddings`."""

    model: ModelRef
    """`minilm` (extra `minilm`, needs no network), the path of a model's folder, or a model of the hub as `owner/name`
    or `owner/name@revision`, fetched only where the hub's cache lacks it."""

    empty: Literal["zero", "encode"] = "zero"
    """What an empty text gives (a template all of whose columns are empty): zeros, or the model's vector of ""."""

    window: Annotated[int, Field(ge=8, le=2**20)] | None = None
    """Tokens the model reads at once, special ones included; a longer text is read in several windows. null = the
    model's own limit."""

    stride: Annotated[int, Field(ge=1)] | None = None
    """Tokens by which a window moves on. null = three quarters of the window."""

    limit: Literal["raise", "respect"] = "raise"
    """Where `window` is beyond the model's own limit: raise it as far as the model has positions, or respect it."""

    max_windows: Annotated[int, Field(ge=1)] | None = None
    """Windows read of a text, the first ones. 1 = cut the text. null = all."""

    normalise: bool | None = None
    """Whether vectors get the length 1. null = as the model does."""

    dtype: Literal["float32", "bfloat16", "int8"] = "float32"
    """bfloat16 pays on a GPU, and on processors that calculate in it; it differs from machine to machine. int8 (linear
    layers only, CPU only) pays on processors with 8-bit products (VNNI); cosines to float32's are near 0.997."""

    @model_validator(mode="after")
    def _nothing_left_out(self) -> Self:
        if self.window is not None and self.stride is not None and self.stride > self.window:
            raise ValueError("stride: one longer than the window would leave tokens out")
        return self


@dataclass(frozen=True)
class Embed:
    """How texts become vectors. `revision`: the model's. `folder`: where vectors are kept, "" = nowhere."""

    fields: tuple[str, ...]
    params: Params
    revision: str
    folder: str = ""
    device: Device = "cpu"
    own: None = None

    def placed(self, folder: Path, device: Device) -> Embed:
        """Return the same with a folder to keep vectors in.

        Raises:
            RecipeError: the model is not on this machine.
        """
        return replace(self, folder=str(folder), device=device, params=self._at_hand())

    def __call__(self, rows: Rows) -> Block:
        """Return the vectors, (n, d) float32."""
        texts, place = first_of_each(self.texts(rows))
        x = self._scaled(self._vectors(texts))[place]
        name = self.params.text or "text"
        return Block(tuple(f"{name}[{j}]" for j in range(x.shape[1])), np.ascontiguousarray(x))

    def texts(self, rows: Rows) -> list[str]:
        """Return the text of each row as the model gets it."""
        return filled(self.params, self.fields, rows)

    def _vectors(self, texts: list[str]) -> Floats32:
        """Return (n, d) the vectors of distinct texts: from the store, and what it lacks from the model."""
        wanted = np.array([text != "" or self.params.empty == "encode" for text in texts], np.bool_)
        asked = [text for text, want in zip(texts, wanted, strict=True) if want]
        if not asked:
            return np.zeros((len(texts), self._encoder().width), np.float32)
        made = self._encoder().encode(asked) if not self.folder else self._kept(asked)
        out = np.zeros((len(texts), made.shape[1]), np.float32)
        out[wanted] = made
        return out

    def _kept(self, texts: list[str]) -> Floats32:
        """Return the vectors after adding to the store what it lacks, a chunk at a time and one process at a time."""
        store = VectorStore(self.shelf())
        in_order = sorted(texts, key=lambda text: (-len(text), text))
        while True:
            vectors, there = store.get(texts)
            if vectors is not None and there.all():
                return vectors
            with store.lock():
                missing = [t for t, known in zip(in_order, store.has(in_order), strict=True) if not known]
                if missing:
                    log.info("embed: %d of %d texts are to be encoded", len(missing), len(texts))
                    chunk = self._chunk(missing)
                    store.add(chunk, self._encoder().encode(chunk))

    def _chunk(self, texts: list[str]) -> list[str]:
        """Return the first texts, as many as are encoded between two writes."""
        size = np.cumsum([len(text) for text in texts])
        most = int(np.searchsorted(size, CHUNK_CHARS[self.device], "right"))
        return texts[: max(1, min(most, CHUNK_TEXTS))]

    def shelf(self) -> Path:
        """Return the folder of the store's vectors of this model, read in this way by these versions."""
        versions = {lib: ".".join(metadata.version(lib).split(".")[:2]) for lib in LIBS}
        told: dict[str, Any] = {"reading": vars(self._reading()), "device": self.device, "libs": versions}
        if self.params.dtype != "float32" or self.device == "cpu":  # the bits hang on the shape of a batch
            told["tokens"] = [budget(self.device, self.params.dtype, full) for full in (False, True)]
        how = canonical(told)
        return Path(self.folder) / self.revision.replace("/", "--") / hashlib.sha256(how.encode()).hexdigest()[:16]

    def _at_hand(self) -> Params:
        """Return the params with the folder in which this machine has the model."""
        folder = hub.again(Path(self.params.model), self.revision)
        return self.params.model_copy(update={"model": ModelRef(str(folder))})

    def _reading(self) -> Reading:
        p = self.params
        return Reading(p.window, p.stride, p.limit, p.max_windows, p.dtype)

    def _encoder(self) -> Encoder:
        return Encoder(Path(self.params.model), self.device, self._reading())

    def _scaled(self, vectors: Floats32) -> Floats32:
        if self.params.normalise is False or (
            self.params.normalise is None and not normalises(Path(self.params.model))
        ):
            return vectors
        size = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))[:, None]
        return np.asarray(np.divide(vectors, size, out=np.zeros_like(vectors), where=size > 0, casting="same_kind"))


def check_model(params: Params, folder: Path) -> None:
    """Return nothing: the model in `folder`, which the plan has found, can read such windows.

    Raises:
        RecipeError: its files say that it cannot.
    """
    check_window(folder, params.window, params.stride, params.limit)


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Embed:
    """Return the feature; only the header is read.

    Raises:
        RecipeError: a column holds no texts.
    """
    fields = (params.text,) if params.text is not None else params.fields
    check_columns("embed", fields, rows.header, ACCEPTS)
    return Embed(tuple(str(name) for name in fields), params, hub.revision(Path(params.model)))
