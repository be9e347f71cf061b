"""Rows as a text model reads them: tokens, lengths, the numbers beside them, and batches of like length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from kit._finetune.body import Texts
from kit._mlp.encode import Encoder
from kit.types import Block, Bools, Design, Floats32, Ints

STEP = 16
"""Tokens to multiples of which texts are filled up when they are predicted."""

_SPAN = 32
"""Batches within which texts are put together by length: order stays random, and little is filled up."""


@dataclass(frozen=True)
class Places:
    """Which columns of a matrix are tokens (L,), and which are not, block by block as they came."""

    tokens: Ints
    others: tuple[tuple[int, int], ...]

    def beside(self, design: Design) -> Design:
        """Return the design without its tokens."""
        matrix, categories, names = design.matrix(), design.categories, design.names
        blocks = []
        for start, end in self.others:
            levels = {names[i]: categories[i] for i in range(start, end) if i in categories}
            blocks.append(Block(names[start:end], matrix[:, start:end], levels))
        return Design(tuple(blocks), design.y, design.w, design.v)


def places_of(design: Design) -> Places:
    """Return where the tokens of a design stand."""
    at, tokens, others = 0, [], []
    for block in design.blocks:
        end = at + len(block.names)
        if block.text_model:
            tokens += list(range(at, end))
        else:
            others.append((at, end))
        at = end
    return Places(np.array(tokens, np.int64), tuple(others))


@dataclass(frozen=True)
class Encoded:
    """Rows on the host: ids, second (n, L), length (n,) of tokens, x (n, p), codes (n, c)."""

    ids: Ints
    second: Bools
    length: Ints
    x: Floats32
    codes: Ints

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, rows: Ints) -> Encoded:
        """Return some rows."""
        return Encoded(self.ids[rows], self.second[rows], self.length[rows], self.x[rows], self.codes[rows])

    def take(self, rows: Ints, length: int, device: str) -> Texts:
        """Return some rows on the device, the first `length` tokens of each."""
        ids, second = self.ids[rows, :length], self.second[rows, :length]
        mask = np.arange(length) < self.length[rows][:, None]
        arrays = (ids, mask, second, self.x[rows], self.codes[rows])
        return Texts(*(torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in arrays))


def encode(design: Design, places: Places, encoder: Encoder, padding: int) -> Encoded:
    """Return the rows of a design; `padding`: the token that stands where there is none."""
    tokens = design.matrix()[:, places.tokens]
    there = ~np.isnan(tokens)
    numbers = np.where(there, tokens, 0).astype(np.int64)
    second = numbers < 0
    ids = np.where(there, np.where(second, -1 - numbers, numbers), padding)
    if places.others:
        x, codes = encoder(places.beside(design))
    else:
        x, codes = np.zeros((len(ids), 0), np.float32), np.zeros((len(ids), 0), np.int64)
    return Encoded(ids, second & there, np.maximum(there.sum(axis=1), 1), x, codes)


def shuffled(length: Ints, size: int, rng: np.random.Generator) -> Iterator[Ints]:
    """Yield the rows of each batch of an epoch: random, but texts of like length together."""
    order = rng.permutation(len(length))
    batches: list[Ints] = []
    for at in range(0, len(order), size * _SPAN):
        span = order[at : at + size * _SPAN]
        span = span[np.argsort(length[span], kind="stable")]
        batches += [span[i : i + size] for i in range(0, len(span), size)]
    for i in rng.permutation(len(batches)):
        yield batches[i]


def filled_up(length: Ints, most: int, budget: int) -> Iterator[tuple[int, Ints, int]]:
    """Yield (tokens, rows, how many of them count): batches whose shape hangs on nothing but the length of their texts.

    The last of a length is filled up with copies, so that what is beside a text cannot change its bits.
    """
    padded = np.minimum(-(-length // STEP) * STEP, most)
    for tokens in np.unique(padded):
        rows = np.flatnonzero(padded == tokens)
        size = max(1, budget // int(tokens))
        for at in range(0, len(rows), size):
            part = rows[at : at + size]
            yield int(tokens), np.resize(part, size), len(part)
