"""A sentence-transformers model at work: texts to windows of tokens, windows to batches, batches to vectors.

The shape of every batch hangs on the length of its own texts alone: lengths are rounded up to one of LENGTHS, and a
batch of a length always has as many rows, filled up with copies. So a text has the same vector, bit for bit, whatever
is encoded beside it, however many cores work side by side and whatever the store already held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kit.devices import cores
from kit.errors import FitError, RecipeError
from kit.features._beside import beside, threads
from kit.hub import quiet
from kit.types import Array, Floats32, Ints
from kit.vectors import first_of_each

LENGTHS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512)
"""Tokens to which a window is filled up; beyond them multiples of 128."""

BUDGET = {"cpu": 256, "cuda": 32_768}
"""Tokens of a batch. More would be quicker per token (24 tokens on one core: 1.14 times with 512), but the last batch
of every length is filled up."""

LONG_BUDGET = {"cpu": 1024, "cuda": 32_768}
"""The same for windows as long as the model reads, of which a long text has many. MiniLM, windows of 256 tokens, two
cores: four in a batch take 0.86 (float32) and 0.92 (int8) of the time that each alone takes, eight no less. In bfloat16
(autocast) at any length: with AVX512-BF16 1.7 times as fast as float32 with one in a batch, 1.95 with four."""


def budget(device: str, dtype: str, full: bool) -> int:
    """Return the tokens of a batch; full: its windows are as long as the model reads."""
    return (LONG_BUDGET if full or dtype == "bfloat16" else BUDGET)[device]


@dataclass(frozen=True)
class Reading:
    """How long texts are read. Tokens count with the special ones; stride: how far a window moves on."""

    window: int | None
    stride: int | None
    limit: Literal["raise", "respect"]
    max_windows: int | None
    dtype: Literal["float32", "bfloat16", "int8"]


class Encoder:
    """The model of `folder` on a device, ready to encode."""

    def __init__(self, folder: Path, device: str, reading: Reading) -> None:
        if device == "cuda" and reading.dtype == "int8":
            advice = "dtype: bfloat16, or set CUDA_VISIBLE_DEVICES to nothing"
            raise RecipeError("dtype: int8 is for the CPU", place=str(folder), got="a GPU", next=advice)
        self.device, self.reading = device, reading
        self.model = _load(str(folder), device)
        self.tokenizer = _tokenizer(self.model)
        self.layers = _layers(self.model)
        if device == "cpu" and reading.dtype != "bfloat16" and (self.tokenizer is not None or reading.dtype == "int8"):
            self.layers = _lean_layers(str(folder), reading.dtype)
        self.window = self._window(folder) if self.tokenizer is not None else 0

    @property
    def width(self) -> int:
        """d, the number of elements of a vector."""
        return int(self.model.get_embedding_dimension())

    def encode(self, texts: Sequence[str]) -> Floats32:
        """Return (n, d) the vectors of the texts, not normalised unless the model's last layers mix that in."""
        if not texts:
            return np.empty((0, self.width), np.float32)
        with quiet():
            if self.tokenizer is None:
                return self._whole(texts)
            return self._windowed(texts)

    def _whole(self, texts: Sequence[str]) -> Floats32:
        """Return the vectors of a model that reads no windows: one of static vectors, which has no limit."""
        with threads(cores()):
            made = self.model.encode(list(texts), show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(made, np.float32)

    def _windowed(self, texts: Sequence[str]) -> Floats32:
        """Return the vectors by windows; one that several texts share (a long common opening) is read once."""
        every, owner, fresh = self._windows(texts)
        windows, place = first_of_each([tuple(tokens) for tokens in every])
        vectors = np.empty((len(windows), self.width), np.float32)

        def read(batch: tuple[int, Ints]) -> None:
            length, rows = batch
            taken = np.resize(rows, self._rows(length))
            vectors[rows] = self._forward([windows[i] for i in taken], length)[: len(rows)]

        beside(read, list(_batches(windows, self._rows)), self.device)
        return _pooled(vectors[place], owner, fresh, len(texts))

    def _rows(self, length: int) -> int:
        """Return how many windows of a length are in a batch: a matter of the length alone, not of what there is."""
        return max(1, budget(self.device, self.reading.dtype, length == _rounded(self.window)) // length)

    def _windows(self, texts: Sequence[str]) -> tuple[list[list[int]], Ints, Ints]:
        """Return the windows' tokens, (w,) the text each belongs to, and (w,) how many tokens are new in it."""
        special = int(self.tokenizer.num_special_tokens_to_add())
        step = self.reading.stride or max(1, 3 * self.window // 4)
        overlap = max(0, self.window - special - step)
        made = self.tokenizer(
            list(texts),
            truncation=True,
            max_length=self.window,
            stride=overlap,
            return_overflowing_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        owner = np.asarray(made["overflow_to_sample_mapping"], np.int64)
        first = np.r_[True, owner[1:] != owner[:-1]]
        start = np.maximum.accumulate(np.where(first, np.arange(len(owner)), 0))
        number = np.arange(len(owner)) - start
        kept = np.flatnonzero(number < (self.reading.max_windows or len(owner)))
        ids = [made["input_ids"][i] for i in kept]
        fresh = np.array([len(tokens) - special for tokens in ids], np.int64) - np.where(first[kept], 0, overlap)
        return ids, owner[kept], np.maximum(fresh, 1)

    def _forward(self, windows: Sequence[Sequence[int]], length: int) -> Array:
        """Return (b, d) the vectors of windows, each filled up to `length` tokens."""
        import torch

        ids = np.full((len(windows), length), self.tokenizer.pad_token_id or 0, np.int64)
        mask = np.zeros_like(ids)
        left = self.tokenizer.padding_side == "left"
        for row, tokens in enumerate(windows):
            place = slice(length - len(tokens), length) if left else slice(0, len(tokens))
            ids[row, place], mask[row, place] = tokens, 1
        on = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
        features: dict[str, Any] = {name: tensor.to(self.device) for name, tensor in on.items()}
        low = self.reading.dtype == "bfloat16"
        with torch.inference_mode():
            for number, module in enumerate(self.layers):
                with torch.autocast(self.device, torch.bfloat16, enabled=low and number == 0):
                    features = module(features)
                if number == 0:
                    features["token_embeddings"] = features["token_embeddings"].float()
        return np.asarray(features["sentence_embedding"].float().cpu().numpy())

    def _window(self, folder: Path) -> int:
        """Return the tokens of a window.

        Raises:
            RecipeError: the model cannot read so many, or the stride leaves tokens out.
        """
        own, most = _limits(self.model)
        asked = self.reading.window or own
        window = min(asked, own) if self.reading.limit == "respect" else asked
        if window > most:
            got, advice = f"window: {asked}", f"window: {most}, or limit: respect for the model's own {own}"
            raise RecipeError("the model cannot read so many tokens", place=str(folder), got=got, next=advice)
        room = window - int(self.tokenizer.num_special_tokens_to_add())
        if (self.reading.stride or 1) > room or room < 1:
            got = f"window {window}, stride {self.reading.stride}"
            allowed = f"a stride of at most {room}: the window without its special tokens"
            raise RecipeError("a stride longer than the window would leave tokens out", got=got, allowed=allowed)
        return window


def normalises(folder: Path) -> bool:
    """Return whether the model's own last step is to give vectors the length 1."""
    file = folder / "modules.json"
    return file.is_file() and ".Normalize" in file.read_text("utf-8")


def _pooled(vectors: Floats32, owner: Ints, fresh: Ints, n: int) -> Floats32:
    """Return (n, d) the mean of each text's windows, each counting for the tokens that are new in it."""
    alone = np.bincount(owner, minlength=n)[owner] == 1
    out = np.zeros((n, vectors.shape[1]), np.float32)
    out[owner[alone]] = vectors[alone]
    several = np.flatnonzero(~alone)
    if len(several):
        sums, mass = np.zeros((n, vectors.shape[1])), np.zeros(n)
        np.add.at(sums, owner[several], vectors[several].astype(np.float64) * fresh[several, None])
        np.add.at(mass, owner[several], fresh[several])
        long = mass > 0
        out[long] = sums[long] / mass[long, None]
    return out


def _batches(windows: Sequence[Sequence[int]], many: Callable[[int], int]) -> Iterator[tuple[int, Ints]]:
    """Yield (tokens, rows) of each batch, the longest first: a machine too small fails at once."""
    size = np.array([_rounded(len(tokens)) for tokens in windows])
    for length in np.unique(size)[::-1]:
        rows = np.flatnonzero(size == length)
        step = many(int(length))
        for at in range(0, len(rows), step):
            yield int(length), rows[at : at + step]


def _rounded(length: int) -> int:
    return next((known for known in LENGTHS if length <= known), -(-length // 128) * 128)


@lru_cache(maxsize=1)
def _load(folder: str, device: str) -> Any:
    """Return the model, kept for the next call: two columns of a recipe use the same as a rule."""
    import torch
    from sentence_transformers import SentenceTransformer

    if device == "cuda" and not torch.cuda.is_available():
        advice = "set CUDA_VISIBLE_DEVICES to nothing, or install a torch that knows the device"
        raise FitError("torch finds no GPU", got=f"torch {torch.__version__}", next=advice)
    with quiet():
        try:
            return SentenceTransformer(folder, device=device, local_files_only=True).eval()
        except Exception as error:  # whatever a model's files may lack or hold
            got = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            advice = "copy the whole folder of a sentence-transformers model"
            raise RecipeError("the text model cannot be loaded", place=folder, got=got, next=advice) from error


def _layers(model: Any) -> list[Any]:
    """Return the model's modules without a last one that normalises: windows are averaged before that."""
    layers = list(model)
    return layers[:-1] if type(layers[-1]).__name__ == "Normalize" else layers


@lru_cache(maxsize=1)
def _lean_layers(folder: str, dtype: Literal["float32", "int8"]) -> list[Any]:
    """Return the modules, the first made for the CPU and a dtype; the model itself stays as it is.

    Raises:
        RecipeError: the model has no linear layers for int8.
    """
    from kit.features._int8 import in_eight_bits, twin
    from kit.features._lean import lean

    layers = _layers(_load(folder, "cpu"))
    low, count = in_eight_bits(layers[0]) if dtype == "int8" else (twin(layers[0]), 1)
    if not count:
        got = type(layers[0]).__name__
        raise RecipeError("the model has no linear layers for int8", place=folder, got=got, next="dtype: float32")
    return [lean(low), *layers[1:]]


def _tokenizer(model: Any) -> Any:
    """Return the tokenizer of a model that reads windows of tokens, None for one that has no windows.

    Raises:
        RecipeError: the tokenizer cannot tell where windows overlap.
    """
    first = next(iter(model))
    if type(first).__name__ != "Transformer":
        return None
    if not getattr(first.tokenizer, "is_fast", False):
        got = type(first.tokenizer).__name__
        raise RecipeError("the model's tokenizer cannot cut windows", got=got, allowed="one with a tokenizer.json")
    return first.tokenizer


def _limits(model: Any) -> tuple[int, int]:
    """Return how many tokens the model reads by its own settings, and how many it has positions for."""
    first = next(iter(model))
    most = int(getattr(first.config, "max_position_embeddings", 0) or 2**20)
    for part in first.model.modules():
        table = getattr(part, "position_embeddings", None)
        if table is not None and hasattr(table, "num_embeddings"):
            padding = getattr(table, "padding_idx", None)
            most = int(table.num_embeddings) - (0 if padding is None else padding + 1)
    return min(int(model.max_seq_length or most), most), most
